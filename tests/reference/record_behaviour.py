"""Record of what a checkout computes, and the comparison of two records to the last bit.

    python -m tests.reference.record_behaviour make DIR [--checkout FOLDER] [--part synthetic]
    python -m tests.reference.record_behaviour compare DIR_A DIR_B [--part synthetic] [--except energy]

`make` runs the scripts of `tune/` and writes one JSON file for each part: `synthetic` and `real`, the epochs of a sweep
of all cells with a fixed seed, one trial at a time; `features`, digests of the features of 50 real clips. `compare`
exits 1 on any difference. Records are comparable only if made on one machine with the same libraries. `ser` is not
imported, journals and feature files are read as what they are on disk, so that both outlive any move of its modules.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load as load_arrays

from tests.reference.compare_records import compare

REPOSITORY = Path(__file__).resolve().parents[2]
NAME, SEED = "record", "0"
N_ACTORS, N_CLIPS = 8, 50
FAMILIES = {"zero_crossing_rate": 1, "energy": 1, "mfcc": 20, "chroma": 12, "spectral_contrast": 7, "mel": 64}
"""Columns of each feature of the 1-D space, in their order, with default settings."""

# Of a user's environment, what would lead a command elsewhere.
_FROM_OUTSIDE = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "SER_HOME", "SER_DATA")
_PLAN = """
corpus = "{corpus}"
split = "assignment"
cells = "all"
grace_epochs = 2
reduction = 2
cpus_per_trial = {cpus_per_trial}
gpus_per_trial = 0
{keys}
[settings]
"training.precision" = "float32"
"training.memory_format" = "contiguous"
[cell_settings.alexnet-1d]
"model.width" = 0.125
[cell_settings.alexnet-2d]
"model.width" = 0.125
[cell_settings.vgg16-1d]
"model.width" = 0.125
[cell_settings.vgg16-2d]
"model.width" = 0.0625
[cell_settings.sercnn-1d]
"model.width" = 0.5
[cell_settings.sercnn-2d]
"model.width" = 0.5
"""
_KEYS = {
    "synthetic": """trials_per_cell = 2
max_epochs = 4
final_seeds = 1
final_folds = [0]
final_splits = ["speaker-5fold"]""",
    "real": """trials_per_cell = 1
max_epochs = 2""",
}


class Checkout:
    """The scripts of one checkout, run in a scratch folder; what they print goes to `log`.

    The shared real clips are beside the checkout, as for the tests.
    """

    def __init__(self, folder: Path, scratch: Path, log: Path) -> None:
        self._folder, self.scratch, self._log = folder, scratch, log
        environment = {name: value for name, value in os.environ.items() if name not in _FROM_OUTSIDE}
        self._environment = {**environment, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}

    def run(self, script: str, *words: object) -> None:
        """Run `tune/<script>` to its end; stop this program if it fails."""
        command = [sys.executable, str(self._folder / "tune" / script), *map(str, words)]
        with self._log.open("a") as log:
            ended = subprocess.run(
                command, cwd=self.scratch, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if ended.returncode:
            sys.exit(f"error: {script} exited with {ended.returncode}: see {self._log}")

    def unpack_clips(self) -> Path:
        """Folder of the WAV files of the first real actors, written unless they are there."""
        unpack, folder = self._folder.parent / "shared" / "cremad" / "unpack", self.scratch / "cremad"
        if not unpack.exists():
            sys.exit(
                f"error: the shared real clips must be beside the checkout, {unpack} is missing: use --part synthetic"
            )
        command = [sys.executable, str(unpack), str(folder), "--actors", str(N_ACTORS)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return folder


def record_synthetic(checkout: Checkout) -> dict[str, Any]:
    """Epochs of a sweep on the synthetic corpus: 2 trials a cell with rungs, then one final evaluation of each."""
    return record_sweep(checkout, "synthetic", checkout.scratch / "voices")


def record_real(checkout: Checkout) -> dict[str, Any]:
    """Epochs of one trial a cell on 8 real actors."""
    return record_sweep(checkout, "real", checkout.unpack_clips())


def record_sweep(checkout: Checkout, part: str, corpus_dir: Path) -> dict[str, Any]:
    """Every trial of a sweep by its key, and digests of the predictions of its baselines."""
    plan = checkout.scratch / f"{part}.toml"
    corpus = "cremad" if part == "real" else "synthetic"
    plan.write_text(_PLAN.format(corpus=corpus, cpus_per_trial=more_than_half(), keys=_KEYS[part]))
    home = checkout.scratch / f"home-{part}"
    checkout.run(
        "run_sweep.py", "--plan", plan, "--corpus-dir", corpus_dir, "--home", home, "--seed", SEED, "--name", NAME
    )  # fmt: skip
    sweep = home / "sweeps" / NAME
    baselines = sorted((sweep / "baselines").rglob("*.csv"))
    return {
        "trials": trials_of(sweep / "journal.jsonl"),
        "baselines": {str(path.relative_to(sweep)): digest(path.read_bytes()) for path in baselines},
    }


def more_than_half() -> float:
    """Cores of a trial, so that one runs at a time; on two cores with one thread, which waits for no other."""
    return (os.cpu_count() or 1) / 2 + 0.1


def trials_of(journal: Path) -> dict[str, Any]:
    """Trials of a journal by cell and number: settings, epochs, outcome, test figures, digests of what they wrote."""
    trials: dict[str, Any] = {}
    for event in read_journal(journal):
        if event["kind"] in ("started", "closed"):
            continue
        trial = trials.setdefault(f"{event['cell']}/{event['number']:03d}", {"epochs": {}})
        if event["kind"] == "asked":
            trial["settings"] = event["values"]
        elif event["kind"] == "reported":
            trial["epochs"][str(event["epoch"])] = {name: event[name] for name in ("metrics", "confusion", "last")}
        elif event["kind"] == "ended":
            trial |= {"outcome": event["outcome"], "test": timeless(event["test"])}
            trial |= digests_of_bundle(Path(event["bundle"])) if event["bundle"] else {}
    return trials


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Events of a journal, whose lines are `crc32 JSON`."""
    for line in path.read_bytes().splitlines():
        checksum, _, body = line.partition(b" ")
        if int(checksum, 16) != zlib.crc32(body):
            raise ValueError(f"{path} is damaged: {line[:60]!r}")
        yield json.loads(body)


def timeless(values: Any) -> Any:
    """The same without seconds, which differ from run to run."""
    if not isinstance(values, dict):
        return values
    return {name: timeless(value) for name, value in values.items() if not name.endswith(("seconds", "_s", "_ms"))}


def digests_of_bundle(folder: Path) -> dict[str, str]:
    """Digests of the predictions, and of the arrays of each safetensors file, of one trial."""
    found = {path.stem: digest_of_arrays(path) for path in sorted(folder.glob("*.safetensors"))}
    return {"predictions": digest((folder / "predictions.csv").read_bytes()), **found}


def digest_of_arrays(path: Path) -> str:
    """One digest of all arrays of a safetensors file: names, types, shapes and values, whatever their order."""
    arrays = sorted(read_arrays(path)[0].items())
    return digest(b"".join(f"{name} {a.dtype} {a.shape} ".encode() + a.tobytes() for name, a in arrays))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and metadata of a safetensors file."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def read_entry(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and metadata of a file of the feature store, which since version 3 begins with a line of facts."""
    if path.suffix == ".safetensors":
        return read_arrays(path)
    return load_arrays(path.read_bytes().partition(b"\n")[2]), {}


def record_features(checkout: Checkout) -> dict[str, Any]:
    """Digest, minimum, mean and maximum of each feature of 50 real clips, by clip."""
    corpus_dir = checkout.scratch / "clips"
    (corpus_dir / "AudioWAV").mkdir(parents=True)
    waves = sorted((checkout.unpack_clips() / "AudioWAV").glob("*.wav"))
    for wave in waves[:: len(waves) // N_CLIPS][:N_CLIPS]:
        shutil.copy(wave, corpus_dir / "AudioWAV")
    store = checkout.scratch / "store"
    checkout.run("extract_features.py", "--corpus-dir", corpus_dir, "--store", store)
    names = {digest(wave.read_bytes()): wave.stem for wave in corpus_dir.rglob("*.wav")}
    clips = {names[path.stem]: describe_features(path) for path in sorted(store.glob("*/??/*.*"))}
    if len(clips) != N_CLIPS:
        sys.exit(f"error: the store must hold the features of {N_CLIPS} clips, got {len(clips)}")
    return {"clips": clips}


def describe_features(path: Path) -> dict[str, Any]:
    """Each feature of the 1-D space, and the 2-D space, of the clip of one file of a feature store."""
    arrays, metadata = read_entry(path)
    frames = arrays["1d"]
    if frames.shape[1] != sum(FAMILIES.values()):
        sys.exit(f"error: the 1-D space must have {sum(FAMILIES.values())} columns, {path} has {frames.shape[1]}")
    ends = np.cumsum(list(FAMILIES.values()))
    found = dict(zip(FAMILIES, np.split(frames, ends[:-1], axis=1), strict=True))
    if "2d" in arrays:
        picture = arrays["2d"]
    elif "about" in metadata:  # the form of dde0c6b, which names the columns of the 1-D space
        space, first, n_rows = json.loads(metadata["about"])["places"]["2d"]
        picture = arrays[space][:, first : first + n_rows]
    else:
        picture = found["mel"]
    return {name: describe_array(array) for name, array in {**found, "2d": picture}.items()}


def describe_array(array: NDArray[Any]) -> dict[str, Any]:
    """Digest of an array, and figures of it for people."""
    content = f"{array.dtype} {array.shape} ".encode() + array.tobytes()
    mean = float(array.mean(dtype=np.float64))
    return {"sha256": digest(content), "min": float(array.min()), "mean": mean, "max": float(array.max())}


def digest(data: bytes) -> str:
    """SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


PARTS: dict[str, Callable[[Checkout], dict[str, Any]]] = {
    "synthetic": record_synthetic,
    "real": record_real,
    "features": record_features,
}


def make(out: Path, checkout: Path, parts: list[str]) -> None:
    """Write the record of some parts to the folder `out`; refuse to replace one."""
    for part in parts:
        if (out / f"{part}.json").exists():
            sys.exit(f"error: {out / f'{part}.json'} exists: delete it, or give another folder")
    out.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name) for name in ("numpy", "scipy", "torch")}
    machine = {**versions, "python": platform.python_version(), "n_cores": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="record-") as scratch:
        scripts = Checkout(checkout.resolve(), Path(scratch), (out / "log.txt").resolve())
        for part in parts:
            content = {"machine": machine, **PARTS[part](scripts)}
            (out / f"{part}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
            print(f"{out / f'{part}.json'} written", flush=True)


def main() -> int:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="run a checkout and write its record")
    making.add_argument("out", type=Path, metavar="DIR", help="folder to write to")
    making.add_argument("--checkout", type=Path, default=REPOSITORY, help="the code to run; default this repository")
    comparing = commands.add_parser("compare", help="compare two records")
    comparing.add_argument("first", type=Path, metavar="DIR_A")
    comparing.add_argument("second", type=Path, metavar="DIR_B")
    comparing.add_argument(
        "--except", dest="omitted", choices=tuple(FAMILIES), help="a feature to omit, and the cells that train on it"
    )
    for command in (making, comparing):
        command.add_argument("--part", choices=tuple(PARTS), help="this part alone; default all")
    given = parser.parse_args()
    parts = [given.part] if given.part else list(PARTS)
    if given.command == "make":
        make(given.out, given.checkout, parts)
        return 0
    return compare(given.first, given.second, parts, omitted=given.omitted)


if __name__ == "__main__":
    sys.exit(main())
