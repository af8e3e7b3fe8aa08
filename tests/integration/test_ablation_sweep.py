"""An ablation, killed in its middle and gone on with: variants trained on folds, seen in MLflow, and reported."""

import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from ser.sweep.journal import ABLATION
from ser.sweep.state import SweepState
from tests.support.command_runner import REPOSITORY, SWEEP, run, run_sweep, running
from tests.support.sweep_results import check_runs, client_of, journal_of, metrics_of, n_reports, record_of, runs_of

pytestmark = pytest.mark.integration

PLAN = """
corpus = "synthetic"
split = "speaker-5fold-present"
cells = ["sercnn-2d"]
max_epochs = 3
final_seeds = 1
final_folds = [0, 3]
[settings]
"model.channels" = 16
"model.n_blocks" = 3
"model.convolutions_per_block" = 1
"training.precision" = "float32"
"training.memory_format" = "contiguous"
[variants.mixup]
"augment.mixup_alpha" = 0.2
[variants.few-mels]
"features.n_mels" = 32
[variants.averaged]
"training.averaging" = 20
"""


def told(record: SweepState) -> dict[str, tuple[object, ...]]:
    """What was found out, without times."""
    return {
        str(key): (
            t.asked.variant,
            t.asked.values,
            t.outcome,
            {**t.ended.test, "train_seconds": 0} if t.ended else None,
        )
        for key, t in record.trials.items()
    }


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "variants.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture(scope="module")
def compared(plan_path: Path, corpus_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An ablation that nothing disturbed: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("compared")
    ended = run_sweep("--plan", plan_path, "--corpus-dir", corpus_dir, "--name", "variants", folder=folder)
    assert ended.code == 0, ended.seen
    assert ended.stderr == ""
    return folder, ended.stdout


def test_every_variant_is_trained_on_every_fold_and_no_test_clip_is_heard(compared: tuple[Path, str]) -> None:
    folder, said = compared
    record = record_of(folder, "variants")
    assert {trial.stage for trial in record.trials.values()} == {ABLATION}
    variants = ("baseline", "mixup", "few-mels", "averaged")
    ways = [(t.split.fold, t.asked.variant) for t in record.ablation_trials()]
    assert ways == [(fold, variant) for fold in (0, 3) for variant in variants]
    for trial in record.ablation_trials():
        assert trial.ended is not None
        assert trial.asked.values["features.n_mels"] == (32 if trial.asked.variant == "few-mels" else 64)
        assert not {"uar", "accuracy", "confusion"} & trial.ended.test.keys()
        rows = (Path(trial.ended.bundle) / "predictions.csv").read_text().splitlines()[1:]
        assert rows
        assert all(row.split(",")[1] == "validation" for row in rows)
        assert not (Path(trial.ended.bundle) / "weights.safetensors").exists()
    assert "Ablation: 8 trainings of 4 variants, baseline included" in said
    for variant in variants:
        assert f" {variant} " in said
    assert "--sweep variants" in said


def test_its_runs_say_which_variant_they_are_and_have_no_test_figures(compared: tuple[Path, str]) -> None:
    folder, _ = compared
    client, journal = client_of(folder), journal_of(folder / ".ser", "variants")
    check_runs(client, journal)
    trained = [each for each in runs_of(client, "variants") if each.data.tags.get("ser.stage") == ABLATION]
    assert len(trained) == 8
    assert {each.data.tags["ser.variant"] for each in trained} == {"baseline", "mixup", "few-mels", "averaged"}
    for each in trained:
        assert each.info.status == "FINISHED"
        assert "best_val_uar" in each.data.metrics
        assert not [name for name in each.data.metrics if name.startswith("test_")]
    (parent,) = (each for each in runs_of(client, "variants") if "ser.variants" in each.data.tags)
    assert parent.data.tags["ser.variants"] == "mixup,few-mels,averaged"
    assert "trials_per_cell" not in parent.data.params
    assert not client.search_registered_models()


def test_killed_in_its_middle_it_ends_as_if_it_had_never_been(
    compared: tuple[Path, str], plan_path: Path, corpus_dir: Path, tmp_path: Path
) -> None:
    words = ["--plan", plan_path, "--corpus-dir", corpus_dir, "--name", "variants"]
    with running(sys.executable, SWEEP, *words, folder=tmp_path) as command:
        command.wait_until(lambda: n_reports(tmp_path, "variants") >= 7)
        command.signal(SIGKILL)
        assert command.end().code == -SIGKILL
    ended = run_sweep("--resume", "variants", folder=tmp_path)
    assert ended.code == 0, ended.seen
    assert told(record_of(tmp_path, "variants")) == told(record_of(compared[0], "variants"))
    journals = [journal_of(folder / ".ser", "variants") for folder in (tmp_path, compared[0])]
    assert metrics_of(journals[0]) == metrics_of(journals[1])
    check_runs(client_of(tmp_path), journals[0])


@pytest.mark.parametrize("variant", ["few-mels", "averaged"])
def test_a_run_of_it_can_be_repeated_exactly(compared: tuple[Path, str], corpus_dir: Path, variant: str) -> None:
    folder, _ = compared
    made = next(run for run in runs_of(client_of(folder), "variants") if run.data.tags.get("ser.variant") == variant)
    script = REPOSITORY / "tune" / "train_one.py"
    ended = run(sys.executable, script, f"run={made.info.run_id}", "--corpus-dir", corpus_dir, folder=folder)
    assert ended.code == 0, ended.seen
    assert "agrees exactly" in ended.stdout


def test_its_report_shows_what_each_variant_is_worth(compared: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = compared
    words = ["--sweep", "variants", "--out", tmp_path, "--resamples", "200"]
    ended = run(sys.executable, REPOSITORY / "tune" / "report.py", *words, folder=folder)
    assert ended.code == 0, ended.seen
    table = (tmp_path / "tables" / "ablation-sercnn-2d-speaker-5fold-present.csv").read_text()
    assert len(table.splitlines()) == 5
    page = (tmp_path / "report.html").read_text()
    assert "augment.mixup_alpha=0.2" in page
    assert "test clips were not used" in page
