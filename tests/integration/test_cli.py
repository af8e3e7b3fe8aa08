"""Wrong input: a one-line error with its remedy, exit code 2, and nothing begun."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.command_runner import SWEEP, Finished, free_port, run_sweep
from tests.support.script_in_process import RunHere
from tests.support.sweep_results import FinishedSweep

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
]


def check_refusal(ended: Finished, folder: Path, *parts: str) -> None:
    assert ended.code == 2, ended.seen
    (error,) = [line for line in ended.seen.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in ended.seen
    assert ended.stderr == ""
    for part in parts:
        assert part in error
    assert not list(folder.rglob("mlruns"))
    assert not [path for path in folder.rglob("journal.jsonl") if path.stat().st_size]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--plan", "qick"], ["unknown plan 'qick'", "'quick'", "demo, full, quick"]),
        (["--plan", "none.toml"], ["none.toml"]),
        (["--corpus", "cremed"], ["unknown corpus 'cremed'", "did you mean 'cremad'"]),
        (["--cells", "lenet-1d"], ["unknown cell 'lenet-1d'", "did you mean 'lenet5-1d'", "vgg16-2d"]),
        (["--split", "asignment"], ["unknown split 'asignment'", "did you mean 'assignment'"]),
        (["training.lrr=0.1"], ["unknown setting 'training.lrr'", "did you mean 'training.lr'"]),
        (["training.lr=7"], ["training.lr must lie in [1e-05, 0.01] log, got 7"]),
        (["training.lr=fast"], ["training.lr must be float, got 'fast'"]),
        (["training.lr"], ["name=value", "'training.lr'"]),
        (["--cells", "lenet5-1d", "model.n_blocks=4"], ["unknown setting 'model.n_blocks'"]),
        (["--trials-per-cell", "0"], ["trials_per_cell must lie in"]),
        (["--time-budget", "soon"], ["30m", "'soon'"]),
        (["--name", "a/b"], ["name", "'a/b'"]),
        (["--corpus-dir", "nowhere"], ["nowhere is not a folder", "AudioWAV"]),
        (["--resume", "lost"], ["no journal", "lost"]),
        (["--resume", "lost", "--cells", "all"], ["--resume", "--cells"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith(("-", "training")) else None,
)
def test_is_refused_in_one_line(
    tmp_path: Path,
    words: list[str],
    parts: list[str],
    run_here: RunHere,
) -> None:
    check_refusal(run_here(SWEEP, *words, folder=tmp_path), tmp_path, *parts)


def test_a_tracker_of_no_known_kind_is_refused(tmp_path: Path, corpus_dir: Path, run_here: RunHere) -> None:
    words = ["--plan", "demo", "--corpus-dir", corpus_dir, "--tracking-uri", "htp://x"]
    check_refusal(run_here(SWEEP, *words, folder=tmp_path), tmp_path, "'htp://x'")


def test_a_refusal_as_its_user_sees_it(tmp_path: Path) -> None:
    ended = run_sweep("--cells", "vgg-2d", folder=tmp_path)
    check_refusal(ended, tmp_path, "unknown cell 'vgg-2d': did you mean 'vgg16-2d'?")
    assert {path.name for path in tmp_path.iterdir()} == {"stderr.txt", "stdout.txt"}


def test_an_empty_corpus_folder_is_refused_with_the_remedy(tmp_path: Path, run_here: RunHere) -> None:
    (tmp_path / "data" / "cremad").mkdir(parents=True)
    check_refusal(run_here(SWEEP, folder=tmp_path), tmp_path, "data/cremad is empty", "download CREMA-D")


def test_a_published_split_is_refused_by_name_on_part_of_the_corpus(
    tmp_path: Path, corpus_dir: Path, run_here: RunHere
) -> None:
    """Of audeering's validation and test actors the folder holds none."""
    part = tmp_path / "part"
    part.mkdir()
    for speaker in ("1001", "1011", "1021", "1031"):
        for clip in (corpus_dir / "AudioWAV").glob(f"{speaker}_*.wav"):
            shutil.copy(clip, part)
    ended = run_here(SWEEP, "--corpus-dir", part, "--split", "audeering-1.1.0", folder=tmp_path)
    check_refusal(ended, tmp_path, "audeering-1.1.0")
    assert re.search(r"test|validation", ended.stdout)


def test_an_address_that_moves_the_sweep_away_is_refused_with_advice(
    tmp_path: Path, corpus_dir: Path, run_here: RunHere
) -> None:
    words = ["--plan", "demo", "--corpus-dir", corpus_dir, "--ray-address", "ray://127.0.0.1:10001"]
    check_refusal(
        run_here(SWEEP, *words, folder=tmp_path), tmp_path, "'ray://127.0.0.1:10001'", "--ray-address http://HEAD:8265"
    )


def test_an_unreachable_ray_is_refused(tmp_path: Path, corpus_dir: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = run_sweep("--plan", "demo", "--corpus-dir", corpus_dir, "--ray-address", address, folder=tmp_path)
    check_refusal(ended, tmp_path, address, "ray start --head")


def test_trials_larger_than_any_machine_are_refused(tmp_path: Path, plan_file: Path, corpus_dir: Path) -> None:
    greedy = tmp_path / "greedy.toml"
    greedy.write_text(re.sub(r"cpus_per_trial = \d+", "cpus_per_trial = 999", plan_file.read_text()))
    ended = run_sweep("--plan", greedy, "--corpus-dir", corpus_dir, folder=tmp_path)
    assert ended.code == 2, ended.seen
    assert "a trial needs 999 CPUs and 0 GPUs, the largest machine has" in ended.stdout
    assert "lower cpus_per_trial or gpus_per_trial in the plan" in ended.stdout


def test_the_name_of_a_sweep_that_is_there_is_refused(finished: FinishedSweep, corpus_dir: Path) -> None:
    before = sorted(path for path in finished.folder.rglob("*") if path.suffix != ".txt")
    words = ["--plan", "demo", "--corpus-dir", corpus_dir, "--name", "small"]
    ended = run_sweep(*words, folder=finished.folder)
    assert ended.code == 2, ended.seen
    assert "there is already a sweep 'small': resume it with --resume small, or choose another --name" in ended.stdout
    assert before == sorted(path for path in finished.folder.rglob("*") if path.suffix != ".txt")


def test_a_dry_run_shows_the_plan_and_begins_nothing(tmp_path: Path, corpus_dir: Path) -> None:
    words = ["--plan", "demo", "--corpus-dir", corpus_dir, "--cells", "lenet5-1d,sercnn-2d", "training.lr=0.002"]
    words += ["--final-seeds", "2", "--final-splits", "speaker-5fold-present,sentence-disjoint", "--folds", "0,2"]
    ended = run_sweep(*words, "--dry-run", folder=tmp_path, variables={"RAY_ADDRESS": "127.0.0.1:1"})
    assert ended.code == 0, ended.seen
    assert ended.stderr == ""
    finals = "Final evaluation: 12 trainings (2 cells on 6 splits, folds and seeds) of at most 6 epochs"
    for part in (
        "lenet5-1d",
        "sercnn-2d",
        "augment.mixup_alpha",
        "[0, 1]",
        "4 trials of at most 6 epochs",
        "240",
        finals,
    ):
        assert part in ended.stdout
    assert not re.search(r"^  training\.lr ", ended.stdout, re.MULTILINE)
    assert not (tmp_path / ".ser").exists()
    assert not (tmp_path / "mlruns").exists()


def test_help_names_every_option(tmp_path: Path) -> None:
    ended = run_sweep("--help", folder=tmp_path)
    assert ended.code == 0
    for option in ("plan", "corpus-dir", "split", "cells", "trials-per-cell", "max-epochs", "time-budget", "search",
                   "seed", "final-seeds", "folds", "final-splits",
                   "name", "resume", "register", "tracking-uri", "ray-address", "dry-run"):  # fmt: skip
        assert f"--{option}" in ended.stdout
