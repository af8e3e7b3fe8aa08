"""What a sweep is compared with, and how its networks hear noise: measured once, taken up where it was cut off."""

import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ser.commands.sweep_corpus import find_sweep_clips, prepare_sweep_corpus
from ser.distributed.baseline_tasks import measure_baselines
from ser.distributed.cluster import connect
from ser.evaluation.baselines import BASELINES, HUMAN_VOTE, baseline_path
from ser.evaluation.perturbations import CONDITIONS
from ser.evaluation.robustness import PerturbedPrediction, read_robustness
from ser.experiment.trial import PREDICTIONS_FILE
from ser.splits.split import Split
from tests.support.command_runner import REPOSITORY, Finished, run
from tests.support.script_in_process import RunHere
from tests.support.sweep_results import FinishedSweep

pytestmark = pytest.mark.integration

SCRIPT = REPOSITORY / "tune" / "measure_robustness.py"
SPLITS = (Split(), Split(name="speaker-5fold", fold=2))
N_CLIPS = 12


def measure(sweep: FinishedSweep, *words: object) -> Finished:
    return run(sys.executable, SCRIPT, "--sweep", sweep.record.name, *words, folder=sweep.folder)


def predictions_of(path: Path, part: str = "test") -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["clip"]: row for row in csv.DictReader(file) if row["part"] == part}


def check_clean_is_offline(sweep: FinishedSweep, answers: list[PerturbedPrediction]) -> None:
    """Without noise, each network says what it said when its trial ended."""
    for cell in sweep.record.plan.cells:
        best = sweep.record.best_of_cell(cell)
        assert best is not None
        assert best.ended is not None
        offline = predictions_of(Path(best.ended.bundle) / PREDICTIONS_FILE)
        clean = [a for a in answers if a.cell == cell and a.condition.kind == "clean"]
        assert len(clean) == N_CLIPS
        for answer in clean:
            row = offline[answer.clip]
            assert (answer.speaker, answer.truth) == (row["speaker"], row["truth"])
            assert answer.prediction == row["prediction"]
            assert answer.trial == best.key.number


def test_noise_is_heard_once_and_goes_on_where_it_was_cut_off(finished: FinishedSweep) -> None:
    ended = measure(finished, "--clips", N_CLIPS)
    assert ended.code == 0, ended.seen
    assert ended.stderr == ""
    path = finished.journal.with_name("robustness.csv")
    answers = read_robustness(path)
    cells = finished.record.plan.cells
    assert len(answers) == len(set(answers)) == N_CLIPS * len(CONDITIONS) * len(cells)
    assert set(Counter((a.cell, a.condition, a.truth) for a in answers).values()) == {N_CLIPS // 6}
    check_clean_is_offline(finished, answers)
    for cell in cells:
        (row,) = (line for line in ended.stdout.splitlines() if line.split()[:1] == [cell])
        assert len(row.split()) == 1 + len(CONDITIONS)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    again = measure(finished, "--clips", N_CLIPS)
    assert again.code == 0, again.seen
    assert "under 10 conditions; 5 were predicted before" in again.stdout or "6 were predicted before" in again.stdout
    assert sorted(path.read_bytes().splitlines()) == sorted(content.splitlines())


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")
def test_what_cannot_be_measured_is_refused(finished: FinishedSweep, run_here: RunHere) -> None:
    for words, reason in (
        (("--sweep", "smal"), "there is no journal at"),
        (("--sweep", finished.record.name, "--clips", 0), "must be a whole number, 1 or more, got '0'"),
    ):
        ended = run_here(SCRIPT, *words, folder=finished.folder)
        assert (ended.code, "error: " in ended.seen, reason in ended.seen) == (2, True, True), ended.seen
        assert "Traceback" not in ended.seen


def test_baselines_are_measured_once_on_the_clips_of_each_split(finished: FinishedSweep, tmp_path: Path) -> None:
    plan = finished.record.plan
    corpus_dir, console = finished.record.facts.corpus_dir, Console(record=True, width=200)
    with connect(None):
        clips = find_sweep_clips(plan, [], corpus_dir, console)
        home = finished.folder / ".ser"
        prepared, _ = prepare_sweep_corpus(plan, clips, corpus_dir=corpus_dir, home=home, max_bad=0.0, console=console)
        measure_baselines(tmp_path, prepared, SPLITS, console)
        made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}
        gone = baseline_path(tmp_path, "mfcc-svm", SPLITS[0])
        content = gone.read_bytes()
        gone.unlink()
        measure_baselines(tmp_path, prepared, SPLITS, console)
    wanted = {baseline_path(tmp_path, name, split) for name in BASELINES if name != HUMAN_VOTE for split in SPLITS}
    # Made-up clips bear names of real ones, but nobody has ever heard them.
    assert made.keys() == wanted
    assert gone.read_bytes() == content
    assert {path for path, time in made.items() if path.stat().st_mtime_ns != time} == {gone}
    assert console.export_text().count("MFCC + SVM, 1 of") == 2
    best = finished.record.best_of_cell("lenet5-1d")
    assert best is not None
    assert best.ended is not None
    offline = predictions_of(Path(best.ended.bundle) / PREDICTIONS_FILE)
    for name in ("majority", "mfcc-svm"):
        rows = predictions_of(baseline_path(tmp_path, name, SPLITS[0]))
        assert {(r["clip"], r["speaker"], r["truth"]) for r in rows.values()} == {
            (r["clip"], r["speaker"], r["truth"]) for r in offline.values()
        }
        right = [row["truth"] == row["prediction"] for row in rows.values()]
        assert (np.mean(right) > 0.3) == (name == "mfcc-svm")
