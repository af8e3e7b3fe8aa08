// Sends a clip to the page's server and shows the model's answer.

import { drawMel, drawWave } from "./drawing.js";
import { record } from "./recording.js";

const LONGEST_RECORDING_S = 30;
const $ = (id) => document.getElementById(id);
let shown = null, recording = null, address = "", largestBytes = Infinity;

async function start() {
  const model = await (await fetch("/model")).json();
  $("model").textContent = `${model.name}, served at ${model.url}`;
  largestBytes = model.largest_bytes;
}

async function predict(blob, name) {
  if (blob.size > largestBytes) {
    const [size, most] = [blob.size, largestBytes].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    showError(`${name}: the file has ${size} MiB, at most ${most} are accepted: send a compressed or shorter one`);
    return;
  }
  document.body.classList.add("busy");
  $("error").hidden = true;
  try {
    const reply = await fetch("/hear", {
      method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" },
    });
    const answer = await reply.json();
    answer.error ? showError(`${name}: ${answer.error}`) : showAnswer(answer, blob, name);
  } catch (error) {
    showError(`The page's own server does not answer (${error.message}): is try_model.py still running?`);
  } finally {
    document.body.classList.remove("busy");
  }
}

function showError(message) {
  $("error").textContent = message;
  $("error").hidden = false;
  $("result").hidden = true;
}

function showAnswer(answer, blob, name) {
  $("result").hidden = false;
  $("emotion").textContent = answer.emotion;
  $("warning").textContent = answer.warning;
  $("warning").hidden = !answer.warning;
  $("name").textContent = name;
  $("facts").textContent = `${answer.duration_s.toFixed(2)} s`;
  URL.revokeObjectURL(address);
  $("player").src = address = URL.createObjectURL(blob);
  drawBars(answer);
  shown = answer;
  draw();
}

function drawBars(answer) {
  const listed = Object.entries(answer.probabilities).sort((one, other) => other[1] - one[1]);
  $("bars").replaceChildren(...listed.flatMap(([emotion, probability]) => {
    const first = emotion === answer.emotion ? "first" : "";
    const name = create("dt", first, emotion), bar = create("dd", first), share = create("dd", `share ${first}`, percent(probability));
    const track = create("div", "track"), fill = create("div", "fill");
    fill.style.width = `${100 * probability}%`;
    track.append(fill);
    bar.append(track);
    return [name, bar, share];
  }));
}

function create(kind, classes, text = "") {
  const element = document.createElement(kind);
  element.className = classes;
  element.textContent = text;
  return element;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function draw() {
  if (!shown) return;
  drawWave($("wave"), shown.envelope);
  drawMel($("mel"), shown.mel, shown.duration_s);
}

async function toggleRecording() {
  if (recording) {
    const { stop, timer } = recording;
    recording = null;
    clearInterval(timer);
    $("record").classList.remove("recording");
    $("record-text").textContent = "Record";
    await predict(await stop(), "Recording");
    return;
  }
  try {
    const { stop } = await record();
    const began = Date.now();
    const tick = () => {
      const seconds = (Date.now() - began) / 1000;
      $("record-text").textContent = `Stop (${seconds.toFixed(0)} s)`;
      if (seconds >= LONGEST_RECORDING_S) toggleRecording();
    };
    recording = { stop, timer: setInterval(tick, 250) };
    $("record").classList.add("recording");
    tick();
  } catch (error) {
    showError(`The microphone cannot be used (${error.message}): allow it in the browser, or drop a file.`);
  }
}

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) predict(file, file.name);
});
$("record").addEventListener("click", toggleRecording);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) {
      const [file] = event.dataTransfer.files;
      predict(file, file.name);
    }
  });
}
window.addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
start();
