// Draws waveform and mel spectrogram above one time axis.

const LEFT = 58, RIGHT = 62, FONT = "12px system-ui, 'DejaVu Sans', sans-serif";
// Viridis at eleven points: even steps of lightness, readable in grey and by colour-blind readers.
const VIRIDIS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];
const HERTZ = [200, 500, 1000, 2000, 4000, 7000];

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A canvas of sharp pixels: its context, width and height in CSS pixels. */
function sheet(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.font = FONT;
  return { context, width, height };
}

/** The envelope of the wave around its zero line, with its scale of ±full scale. */
export function drawWave(canvas, envelope) {
  const { context, width, height } = sheet(canvas);
  const span = width - LEFT - RIGHT, top = 8, middle = height / 2, reach = height / 2 - top;
  const peak = Math.max(0.01, ...envelope.map(([low, high]) => Math.max(-low, high)));
  context.strokeStyle = style("--line");
  context.beginPath();
  context.moveTo(LEFT, middle);
  context.lineTo(LEFT + span, middle);
  context.stroke();
  context.fillStyle = style("--accent");
  const step = span / envelope.length;
  envelope.forEach(([low, high], i) => {
    const from = middle - (high / peak) * reach;
    context.fillRect(LEFT + i * step, from, Math.max(step, 0.8), Math.max(1, ((high - low) / peak) * reach));
  });
  context.fillStyle = style("--quiet");
  context.textAlign = "right";
  context.textBaseline = "middle";
  [[peak, top + 4], [0, middle], [-peak, height - top - 4]].forEach(([value, y]) =>
    context.fillText(value === 0 ? "0" : value.toFixed(2).replace("-", "−"), LEFT - 8, y));
}

/** The log-mel spectrogram with axes in seconds and hertz, and its scale in dB. */
export function drawMel(canvas, mel, duration) {
  const { context, width, height } = sheet(canvas);
  const span = width - LEFT - RIGHT, top = 6, tall = height - top - 42;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture(mel), LEFT, top, span, tall);
  context.fillStyle = context.strokeStyle = style("--quiet");
  hertzAxis(context, mel, top, tall);
  timeAxis(context, duration, LEFT, span, top + tall, height);
  decibelScale(context, mel, width - RIGHT + 12, top, tall);
}

/** One pixel a frame and band, low bands at the bottom. */
function picture(mel) {
  const bytes = Uint8Array.from(atob(mel.levels), (letter) => letter.charCodeAt(0));
  const canvas = new OffscreenCanvas(mel.n_frames, mel.n_mels);
  const context = canvas.getContext("2d");
  const image = context.createImageData(mel.n_frames, mel.n_mels);
  for (let frame = 0; frame < mel.n_frames; frame++) {
    for (let band = 0; band < mel.n_mels; band++) {
      const at = 4 * ((mel.n_mels - 1 - band) * mel.n_frames + frame);
      image.data.set([...colour(bytes[frame * mel.n_mels + band] / 255), 255], at);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function colour(level) {
  const at = Math.min(level * (VIRIDIS.length - 1), VIRIDIS.length - 1.001), below = Math.floor(at), share = at - below;
  return VIRIDIS[below].map((value, i) => Math.round(value + share * (VIRIDIS[below + 1][i] - value)));
}

function hertzAxis(context, mel, top, tall) {
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const hertz of HERTZ) {
    const above = mel.centres_hz.findIndex((centre) => centre >= hertz);
    if (above < 1) continue;
    const [low, high] = [mel.centres_hz[above - 1], mel.centres_hz[above]];
    const band = above - 1 + (hertz - low) / (high - low) + 0.5;
    const y = top + tall * (1 - band / mel.n_mels);
    context.fillRect(LEFT - 5, y, 5, 1);
    context.fillText(hertz >= 1000 ? `${hertz / 1000} kHz` : `${hertz} Hz`, LEFT - 8, y);
  }
}

function timeAxis(context, duration, left, span, bottom, height) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((s) => (duration / s) * 46 <= span) || 20;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (let i = 0; i * step <= duration + 1e-9; i++) {
    const x = left + (span * i * step) / duration;
    context.fillRect(x, bottom, 1, 5);
    context.fillText((i * step).toFixed(step < 1 ? 1 : 0), x, bottom + 8);
  }
  context.textBaseline = "bottom";
  context.fillText("time in s", left + span / 2, height - 1);
}

function decibelScale(context, mel, left, top, tall) {
  for (let y = 0; y < tall; y++) {
    context.fillStyle = `rgb(${colour(1 - y / tall).join()})`;
    context.fillRect(left, top + y, 10, 1.5);
  }
  context.fillStyle = style("--quiet");
  context.textAlign = "left";
  context.textBaseline = "middle";
  const n = 4;
  for (let i = 0; i <= n; i++) {
    const level = mel.low_db + ((mel.high_db - mel.low_db) * i) / n;
    const y = Math.min(Math.max(top + tall * (1 - i / n), top + 6), top + tall - 6);
    context.fillText(`${Math.round(level)}${i === n ? " dB" : ""}`.replace("-", "−"), left + 14, y);
  }
}
