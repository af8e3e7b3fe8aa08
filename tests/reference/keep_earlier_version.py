"""Sweeps of one commit as one small archive, so that later versions can be tested on what it wrote.

    python tests/reference/keep_earlier_version.py dde0c6b

Writes `results/dde0c6b.tar.xz`: a home with a finished sweep of two small networks and one whose driver was killed, on
the synthetic corpus, and their tracker. Everything is made in a folder whose path tells nothing of the machine and
stands in the journals and in `mlflow.db`, as `/tmp/ser-dde0c6b`. Corpus, features, pictures and Tune's own files are
omitted: they can be made again, or are not needed.
"""

import argparse
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"
FINISHED, INTERRUPTED = "finished", "interrupted"
N_REPORTS = 6
"""Epochs after which the driver of the second sweep is killed."""

_PLAN = """
corpus = "synthetic"
cells = ["lenet5-1d", "lenet5-2d"]
trials_per_cell = 2
max_epochs = 4
grace_epochs = 2
reduction = 2
checkpoint_every_s = 0
[settings]
"model.width" = 0.25
"training.patience" = 4
"training.precision" = "float32"
"training.memory_format" = "contiguous"
"""
_FINALS = ("--final-seeds", "1", "--folds", "0,1", "--final-splits", "speaker-5fold")
_OMITTED = ("data", "plan.toml", ".ser/features", ".ser/quarantine-synthetic.csv")
# Where a home or this repository may lie: not in what is kept.
_OF_THIS_MACHINE = re.compile(rb"/(?:root|home|work|Users)/")


def start_sweep(code: Path, folder: Path, name: str, *words: str) -> subprocess.Popen[bytes]:
    """`run_sweep.py` of the checkout `code`, started in `folder`."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SER_", "MLFLOW_", "RAY_"))
    }
    return subprocess.Popen(
        [sys.executable, str(code / "tune" / "run_sweep.py"), "--plan", "plan.toml", "--name", name, *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "LOGNAME": "ser"},
        start_new_session=True,
    )


def make_sweeps(code: Path, folder: Path) -> None:
    """Run one sweep to its end, and another until its driver is killed."""
    (folder / "plan.toml").write_text(_PLAN)
    if start_sweep(code, folder, FINISHED, *_FINALS).wait():
        sys.exit("error: the first sweep failed")
    journal = folder / ".ser" / "sweeps" / INTERRUPTED / "journal.jsonl"
    driver = start_sweep(code, folder, INTERRUPTED)
    while not journal.exists() or journal.read_bytes().count(b'"kind":"reported"') < N_REPORTS:
        if driver.poll() is not None:
            sys.exit("error: the second sweep ended before it could be killed")
        time.sleep(0.05)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


def omit_what_is_not_needed(folder: Path) -> None:
    """Delete what can be made again, and Tune's own files beside the bundles and training states."""
    for name in _OMITTED:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in [*folder.glob("mlruns/**/*.png"), *folder.glob(".ser/sweeps/*/trials/run-*/**/*")]:
        if path.is_file() and not path.parent.name.startswith("checkpoint_"):
            path.unlink()
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("VACUUM")


def refuse_paths_of_this_machine(folder: Path) -> None:
    """Stop if a file names a folder of the machine it was made on."""
    for path in sorted(folder.rglob("*")):
        found = _OF_THIS_MACHINE.search(path.read_bytes()) if path.is_file() else None
        if found:
            sys.exit(f"error: {path} must name no folder of this machine, it names {found[0].decode()}")


def pack(folder: Path, archive: Path) -> None:
    """Write the archive: owners and times are left out, so that only the content counts."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for path in sorted(folder.iterdir()):
            packed.add(path, path.name, filter=anonymous)


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="the version to keep")
    commit = parser.parse_args().commit
    code, folder = Path(f"/tmp/ser-{commit}-code"), Path(f"/tmp/ser-{commit}")
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(code)], check=True)
    subprocess.run(["git", "-C", str(code), "checkout", "--quiet", "--detach", commit], check=True)
    folder.mkdir()
    make_sweeps(code, folder)
    omit_what_is_not_needed(folder)
    refuse_paths_of_this_machine(folder)
    archive = RESULTS / f"{commit}.tar.xz"
    pack(folder, archive)
    for made in (code, folder):
        shutil.rmtree(made)
    print(f"{archive}: {archive.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
