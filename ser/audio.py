"""Decoder of sound files: bytes in, mono float32 at 16 kHz out. No other module decodes sound."""

import hashlib
import io
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ser.errors import UserError

SAMPLE_RATE_HZ = 16_000
LFS_POINTER_START = b"version https://git-lfs"

# A minute of two channels at 192 kHz in 32 bits is less.
LARGEST_BYTES = 100_000_000
# The largest file that a served model accepts: a minute of stereo at 44.1 kHz in 16 bits is less.
LARGEST_SENT_BYTES = 12 * 2**20

_HIGHEST_RATE_HZ = 192_000
# A minute of two channels at 192 kHz, or of eight at 48 kHz. Many more fit in a small compressed file.
_MOST_SAMPLES = 2 * 60 * _HIGHEST_RATE_HZ
_BLOCK_SAMPLES = 1 << 18
# 40 dB above full scale: more than any recorder amplifies, and far below the overflow of a frame's power.
_LOUDEST = 100.0
# libsndfile reads a file that ends before its header says without an error. Only its log says so, in text.
_CUT_OFF = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)$", re.MULTILINE)
# Programs that write to a stream do not know the length of the sound, and write this or more in its place.
_UNKNOWN_BYTES = 0x7FFF_0000

Wave = NDArray[np.float32]


class AudioError(UserError):
    """Sound that cannot be used."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """Facts of a clip that later steps need without decoding it again.

    Attributes:
        digest: SHA-256 of the bytes of its file.
        n_samples: samples at 16 kHz.
        peak: largest magnitude among them, full scale 1.
    """

    digest: str
    n_samples: int
    peak: float

    @property
    def silent(self) -> bool:
        """True where every sample is zero."""
        return self.peak == 0


class _Memory(io.BytesIO):
    """File in memory that ignores a seek before its start, as a file in C does; a damaged header asks for one."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def decode(data: bytes, *, longest_s: float = 60.0) -> Wave:
    """Decode a WAV, FLAC, OGG, MP3 or AIFF file to mono at 16 kHz.

    Channels are averaged. Another sample rate is then converted to 16 kHz. The samples of a mono file at 16 kHz are
    returned unchanged.

    Args:
        data: the whole file.
        longest_s: longest sound that is accepted, in seconds; checked by the header, before anything is decoded.

    Returns:
        (N,) float32, N > 0, finite, 16 kHz, full scale ±1.

    Raises:
        AudioError: no bytes, a Git LFS pointer, not a sound file, a file that is cut off (OGG and MP3 are streams, so
            a part of them is decoded), a rate above 192 kHz, longer than `longest_s`, more than 23,040,000 samples in
            all channels, no samples, or samples that are not finite or more than 40 dB above full scale.

    Source:
        Rate conversion by soxr (HQ), as librosa's default.
    """
    mono, rate_hz = _read(data, longest_s)
    wave = mono if rate_hz == SAMPLE_RATE_HZ else soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    if not len(wave):
        raise AudioError("the sound file holds no samples", "record or export it again")
    _check_peak(_measure_peak(wave))
    return wave


def digest_of(data: bytes) -> str:
    """SHA-256 of the bytes of a sound file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def facts(wave: Wave, *, digest: str) -> AudioFacts:
    """Facts of one clip: digest of its file, length and peak of its sound.

    Args:
        wave: result of `decode`, (N,) float32.
        digest: result of `digest_of` for its file.
    """
    return AudioFacts(digest, len(wave), _measure_peak(wave))


def _read(data: bytes, longest_s: float) -> tuple[Wave, int]:
    if not data:
        raise AudioError("the sound file is empty (0 bytes)", "copy or download it again")
    if data.startswith(LFS_POINTER_START):
        raise AudioError("this is a Git LFS pointer, not sound", "run `git lfs pull` in the corpus's repository")
    try:
        with soundfile.SoundFile(_Memory(data)) as sound:
            _check_rate(sound.samplerate)
            _check_length(sound.frames / sound.samplerate, longest_s)
            _check_samples(sound.frames * sound.channels)
            _check_end(sound.extra_info)
            return _read_mono(sound), sound.samplerate
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error))
        raise AudioError(
            f"cannot be read as sound ({reason.strip(' .')})", "send a whole WAV, FLAC, OGG, MP3 or AIFF file"
        ) from None


def _check_length(duration_s: float, longest_s: float) -> None:
    if duration_s > longest_s:
        raise AudioError(
            f"the sound lasts {duration_s:.1f} s, at most {longest_s:g} s are accepted", "cut it into utterances"
        )


def _check_rate(rate_hz: int) -> None:
    if rate_hz > _HIGHEST_RATE_HZ:
        raise AudioError(
            f"the sound has {rate_hz:,} samples per second, at most {_HIGHEST_RATE_HZ:,} are accepted",
            f"export it again at {SAMPLE_RATE_HZ:,}",
        )


def _check_samples(n_samples: int) -> None:
    if n_samples > _MOST_SAMPLES:
        raise AudioError(
            f"the sound holds {n_samples:,} samples in all its channels, at most {_MOST_SAMPLES:,} are accepted",
            "export it again in mono",
        )


def _check_end(log: str) -> None:
    for n_declared, n_present in _CUT_OFF.findall(log):
        if int(n_present) < int(n_declared) < _UNKNOWN_BYTES:
            raise AudioError(
                f"the file is cut off, its header declares {int(n_declared):,} bytes of sound and {int(n_present):,} "
                "are there",
                "copy or download it again",
            )


def _measure_peak(wave: Wave) -> float:
    """Largest magnitude among the samples; NaN if any sample is NaN."""
    return float(max(wave.max(), -wave.min()))


def _check_peak(peak: float) -> None:
    if not np.isfinite(peak):
        raise AudioError("the sound holds samples that are not finite (NaN or Inf)", "export it again as 16-bit PCM")
    if peak > _LOUDEST:
        raise AudioError(
            f"the sound reaches {peak:.4g} times full scale, at most {_LOUDEST:g} times is accepted",
            "export it again with samples within ±1, or as 16-bit PCM",
        )


def _read_mono(sound: soundfile.SoundFile) -> Wave:
    # In blocks, so that many channels are never all in memory. `SoundFile.blocks` is not used, because it repeats old
    # samples when a file ends before its header says.
    blocks, n_samples = [np.empty(0, np.float32)], 0
    while len(block := _read_block(sound)):
        # The header of a stream may declare fewer samples than there are.
        n_samples += block.size
        _check_samples(n_samples)
        mono = block.mean(axis=1, dtype=np.float64) if sound.channels > 1 else block[:, 0]
        blocks.append(mono.astype(np.float32, copy=False))
    return np.concatenate(blocks)


def _read_block(sound: soundfile.SoundFile) -> NDArray[np.float32]:
    """Read the next frames, (frames, channels). 16-bit samples are scaled here, which is exact and twice as fast."""
    n_frames = max(1, _BLOCK_SAMPLES // sound.channels)
    kind: Literal["int16", "float32"] = "int16" if sound.subtype == "PCM_16" else "float32"
    samples: NDArray[Any] = sound.read(n_frames, dtype=kind, always_2d=True)
    return samples * np.float32(2.0**-15) if kind == "int16" else samples
