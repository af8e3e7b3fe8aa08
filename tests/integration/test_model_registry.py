"""The registry: one version a run, with its card; a champion that moves only to what is better, and back again."""

import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LoggedModelStatus, Run
from mlflow.tracking import MlflowClient

from processes import REPOSITORY, run, running
from ser.statistics.counts import FIGURES
from ser.statistics.intervals import interval
from ser.statistics.predictions import read_predictions
from ser.tracking.exclusion import alone
from ser.tracking.model_card import LONGEST
from ser.tracking.promotion import promote, roll_back
from ser.tracking.versions import RegistryError, Versions
from tracked import FinishedSweep, runs_of

pytestmark = pytest.mark.integration

NAME = "ser-synthetic"
PROMOTE = REPOSITORY / "tune" / "promote.py"
AT_ONCE = """
import sys
from ser.tracking.promotion import promote
from ser.tracking.trackers import opened
from ser.tracking.versions import Versions
versions = Versions(opened(sys.argv[1]), "ser-synthetic")
runs = [versions.run(run_id) for run_id in sys.argv[2:]]
for _ in range(3):
    for run in runs:
        promote(versions, run, force=True)
"""
HOLD = """
import sys, time
from ser.tracking.exclusion import alone
from ser.tracking.trackers import opened
with alone(opened(sys.argv[1]), "ser-synthetic"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def versions(finished: FinishedSweep, tmp_path: Path) -> Versions:
    """The registry of the finished sweep in a copy of its tracker, whose artefacts stay where they are."""
    shutil.copy(finished.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    return Versions(MlflowClient(uri), NAME)


@pytest.fixture
def champion(versions: Versions) -> Run:
    return versions.run_at("champion")


@pytest.fixture
def predictions(versions: Versions, champion: Run, tmp_path: Path) -> pd.DataFrame:
    """Of the champion."""
    path = versions.client.download_artifacts(champion.info.run_id, "predictions.csv", str(tmp_path))
    return pd.read_csv(path, dtype=str)


@pytest.fixture
def logged(versions: Versions, champion: Run, tmp_path: Path) -> Callable[..., Run]:
    """Logs a run like the champion's, with a model, that predicted something else."""

    def log(rows: pd.DataFrame, *, params: dict[str, str] | None = None, model: bool = True, **tags: str) -> Run:
        client, experiment = versions.client, champion.info.experiment_id
        given = {name.replace("_", ".", 1): value for name, value in tags.items()}
        made = client.create_run(experiment, tags={**champion.data.tags, **given})
        for name, value in {**champion.data.params, **(params or {})}.items():
            client.log_param(made.info.run_id, name, value)
        rows.to_csv(tmp_path / "predictions.csv", index=False)
        client.log_artifact(made.info.run_id, str(tmp_path / "predictions.csv"))
        if model:
            begun = client.create_logged_model(experiment, name="made-up", source_run_id=made.info.run_id)
            client.finalize_logged_model(begun.model_id, LoggedModelStatus.READY)
        client.set_terminated(made.info.run_id)
        return client.get_run(made.info.run_id)

    return log


def right(rows: pd.DataFrame) -> pd.DataFrame:
    """What a network that is always right would have predicted."""
    return rows.assign(prediction=rows["truth"])


def wrong(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(prediction=rows["truth"].map(lambda truth: "fear" if truth == "anger" else "anger"))


def aliases(versions: Versions) -> dict[str, str]:
    found = versions.client.get_registered_model(NAME).aliases
    return {alias: str(number) for alias, number in found.items()}


def test_each_version_says_where_it_comes_from_and_how_good_it_is(versions: Versions, champion: Run) -> None:
    version = versions.at("champion")
    assert version is not None
    for name in ("sweep", "cell", "trial", "split", "split_digest", "corpus_digest"):
        assert version.tags[f"ser.{name}"] == champion.data.tags[f"ser.{name}"]
    parent = versions.client.get_run(champion.data.tags["mlflow.parentRunId"])
    assert version.tags["ser.git_commit"] == parent.data.tags["ser.git_commit"]
    model = versions.client.get_logged_model(version.source.removeprefix("models:/"))
    shown = {metric.key: metric.value for metric in model.metrics}
    assert {"test_uar", "test_accuracy", "best_val_uar", "n_parameters"} <= set(shown)
    assert all(champion.data.metrics[name] == value for name, value in shown.items())
    assert model.params == champion.data.params
    for name in shown:
        assert len(versions.client.get_metric_history(champion.info.run_id, name)) == 1


def test_the_model_card_holds_the_figures_of_the_predictions(versions: Versions, champion: Run, tmp_path: Path) -> None:
    versions.client.download_artifacts(champion.info.run_id, "predictions.csv", str(tmp_path))
    card = versions.at("champion").description
    assert len(card) <= LONGEST
    assert "$" not in card.replace("$(base64", "")
    test = read_predictions(tmp_path / "predictions.csv", part="test")
    uar = interval(test.counts(), FIGURES["uar"])
    assert uar.value == pytest.approx(champion.data.metrics["test_uar"])
    assert f"| test &emsp;| {100 * uar.value:.1f} ({100 * uar.low:.1f}-{100 * uar.high:.1f}) &emsp;|" in card
    for emotion in test.emotions:
        assert f"\n| {emotion} &emsp;| " in card
    for heading in ("Scores", "Data and split", "Intended use", "Limits", "How to call"):
        assert f"\n## {heading}\n" in card


def test_a_run_asked_for_again_keeps_its_version(versions: Versions, champion: Run) -> None:
    numbers = {versions.of_run(champion).version for _ in range(2)}
    assert numbers == {versions.at("champion").version}


def test_a_better_candidate_becomes_champion_and_can_be_rolled_back(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    first = aliases(versions)["champion"]
    weak = str(promote(versions, logged(wrong(predictions)), force=True).champion.version)
    better = logged(right(predictions))
    promotion = promote(versions, better)
    assert promotion.verdict.better, promotion.verdict.reason
    assert promotion.verdict.comparison.p_value < 0.05
    number = str(promotion.champion.version)
    assert (aliases(versions)["champion"], aliases(versions)["previous"]) == (number, weak)
    assert "is the champion already" in promote(versions, better).verdict.reason
    now, was = roll_back(versions)
    assert (str(now.version), str(was.version)) == (weak, number)
    assert (aliases(versions)["champion"], aliases(versions)["previous"]) == (weak, first)
    again = promote(versions, better)
    assert not again.verdict.better
    assert "rolled back" in again.verdict.reason
    roll_back(versions)
    assert aliases(versions)["champion"] == first
    assert "previous" not in aliases(versions)
    with pytest.raises(RegistryError, match="no champion before"):
        roll_back(versions)
    promote(versions, better, force=True)
    assert (aliases(versions)["champion"], aliases(versions)["previous"]) == (number, first)


def test_going_back_never_returns_to_what_was_rolled_back(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """The first is champion again by force, after the second."""
    first = versions.run_at("champion")
    second = promote(versions, logged(right(predictions)), force=True).champion
    promote(versions, first, force=True)
    now, _ = roll_back(versions)
    assert str(now.version) == str(second.version)
    assert "previous" not in aliases(versions)
    with pytest.raises(RegistryError, match="no champion before"):
        roll_back(versions)


def test_a_run_of_another_corpus_is_refused(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    stranger = logged(predictions, params={"corpus.name": "cremad"})
    with pytest.raises(RegistryError, match="trained on the corpus cremad, which ser-synthetic is not of"):
        promote(versions, stranger, force=True)


def test_test_figures_decide_nothing(versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame) -> None:
    before = aliases(versions)
    of_test = predictions["part"] == "test"
    flattered = logged(pd.concat([predictions[~of_test], right(predictions[of_test])]))
    promotion = promote(versions, flattered)
    assert not promotion.verdict.better
    assert promotion.verdict.reason == "the candidate is exactly as good"
    assert aliases(versions) == before


def test_chance_is_not_better(versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame) -> None:
    missed = predictions[(predictions["part"] == "validation") & (predictions["prediction"] != predictions["truth"])]
    lucky = predictions.copy()
    lucky.loc[missed.index[0], "prediction"] = missed.iloc[0]["truth"]
    verdict = promote(versions, logged(lucky)).verdict
    assert not verdict.better
    assert verdict.comparison.difference.value > 0
    assert "may be chance" in verdict.reason


def test_other_clips_are_refused_with_the_remedy(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    before = aliases(versions)
    fewer = logged(right(predictions).drop(predictions.index[predictions["part"] == "validation"][0]))
    elsewhere = logged(right(predictions), ser_split_digest="another", ser_split="speaker-5fold")
    other_corpus = logged(right(predictions), ser_corpus_digest="another")
    for candidate, said in (
        (fewer, "validation clips are not the same"),
        (elsewhere, "on another split (speaker-5fold) than the champion (assignment)"),
        (other_corpus, "on other clips of the corpus"),
    ):
        verdict = promote(versions, candidate).verdict
        assert not verdict.better
        assert said in verdict.reason
        assert "--force" in verdict.reason
    assert aliases(versions) == before
    assert promote(versions, fewer, force=True).verdict.better
    assert aliases(versions)["champion"] != before["champion"]


def test_the_final_evaluation_decides_where_both_have_one(
    versions: Versions, champion: Run, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """Over folds and seeds the candidate is better, by its own run worse; a half-done seed is left out."""
    candidate = logged(wrong(predictions), params={"training.lr": "0.00123"})
    assert "worse" in promote(versions, candidate, dry_run=True).verdict.reason
    for lr, rows in ((champion.data.params["training.lr"], wrong(predictions)), ("0.00123", right(predictions))):
        for seed, fold in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0)):
            params = {
                "training.lr": lr,
                "training.seed": str(seed),
                "split.fold": str(fold),
                "split.name": "speaker-5fold",
            }
            of_fold = rows.assign(clip=rows["clip"] + f"-{fold}")
            logged(of_fold, params=params, model=False, ser_stage="final", ser_split="speaker-5fold")
    verdict = promote(versions, candidate, dry_run=True).verdict
    assert verdict.better, verdict.reason
    assert verdict.what == "split speaker-5fold, 2 folds pooled, 2 seeds"
    assert verdict.n_clips == 2 * (predictions["part"] == "validation").sum()
    assert "final" not in aliases(versions)


def final_of(champion: Run, *, seed: int, fold: int, split: str = "speaker-5fold") -> dict[str, dict[str, str] | str]:
    """How a run of the final evaluation of the champion's settings is logged."""
    params = {
        "training.lr": champion.data.params["training.lr"],
        "training.seed": str(seed),
        "split.fold": str(fold),
        "split.name": split,
    }
    return {"params": params, "model": "", "ser_stage": "final", "ser_split": split}


def test_final_runs_that_lack_something_keep_no_model_from_its_version(
    versions: Versions, champion: Run, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """No seed has every fold; one run has no predictions; and there are more evaluations than a card holds."""
    for seed, fold in ((0, 0), (1, 1)):
        logged(predictions, **final_of(champion, seed=seed, fold=fold, split="speaker-10fold"))
    whole = "speaker-5fold"
    logged(predictions.assign(clip="a" + predictions["clip"]), **final_of(champion, seed=0, fold=0))
    for number in range(30):
        logged(predictions, **final_of(champion, seed=0, fold=0, split=f"made-up-{number:02}"))
    lost = logged(predictions, **final_of(champion, seed=0, fold=1))
    shutil.rmtree(Path(lost.info.artifact_uri.removeprefix("file://")))
    card = versions.of_run(logged(predictions)).description
    assert f"| test: split {whole}, 2 folds pooled, 1 seeds &emsp;| a run lacks its predictions &emsp;| -" in card
    assert "0 folds" not in card
    assert "made-up-00" in card
    assert "made-up-29" not in card
    assert len(card) <= LONGEST
    assert card.rstrip().endswith("is the best version so far.")


def test_where_final_runs_cannot_be_compared_the_runs_themselves_are(
    versions: Versions, champion: Run, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    final = logged(predictions, **final_of(champion, seed=0, fold=0))
    shutil.rmtree(Path(final.info.artifact_uri.removeprefix("file://")))
    verdict = promote(versions, logged(right(predictions)), dry_run=True).verdict
    assert verdict.what == "split assignment", verdict.reason
    assert verdict.comparison.difference.value > 0


def test_one_speaker_is_enough_for_a_card(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """Without intervals, which need two."""
    card = versions.of_run(logged(predictions.assign(speaker="1001"))).description
    assert re.search(r"\n\| anger &emsp;\| \d+\.\d &emsp;\|", card)


def test_a_run_without_a_model_is_no_candidate(versions: Versions, finished: FinishedSweep) -> None:
    pruned = next(r for r in runs_of(versions.client, finished.record.name) if r.info.status == "KILLED")
    with pytest.raises(RegistryError, match="has no model"):
        promote(versions, pruned, force=True)


def test_several_at_once_make_one_version_a_run_and_no_mixed_state(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path
) -> None:
    runs = [logged(predictions).info.run_id for _ in range(3)]
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folders = [tmp_path / name for name in ("one", "other", "third")]
    for folder in folders:
        folder.mkdir()
    commands = [running(sys.executable, "-c", AT_ONCE, uri, *runs, folder=folder) for folder in folders]
    with commands[0] as one, commands[1] as other, commands[2] as third:
        for command in (one, other, third):
            ended = command.end()
            assert ended.code == 0, ended.seen
    found = [v for v in versions.client.search_model_versions(f"name = '{NAME}'") if v.run_id in runs]
    assert sorted(version.run_id for version in found) == sorted(runs)
    champion = versions.at("champion")
    assert champion.run_id in runs
    assert aliases(versions)["previous"] == champion.tags["ser.champion_before"]
    assert aliases(versions)["previous"] != aliases(versions)["champion"]
    names = [model.name for model in versions.client.search_registered_models()]
    assert names == [NAME]


def test_a_process_killed_in_the_middle_holds_nobody_up_for_long(versions: Versions, tmp_path: Path) -> None:
    with running(sys.executable, "-c", HOLD, f"sqlite:///{tmp_path}/mlflow.db", folder=tmp_path) as command:
        command.wait_until(lambda: "held" in command.text)
        command.signal(SIGKILL)
        command.end()
    started = time.monotonic()
    with alone(versions.client, NAME, dead_after_s=1.0):
        assert time.monotonic() - started > 1.0
    assert [model.name for model in versions.client.search_registered_models()] == [NAME]


def test_what_a_killed_promotion_left_undone_is_mended(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """It had moved `champion` and not yet `previous`."""
    before = aliases(versions)["champion"]
    promote(versions, logged(right(predictions)), force=True)
    versions.client.delete_registered_model_alias(NAME, "previous")
    now, _ = roll_back(versions)
    assert str(now.version) == before


def promoting(folder: Path, *words: str) -> tuple[int, str]:
    """`python tune/promote.py ...` for the tracker in `folder`: exit code, and what was printed."""
    common = ["--corpus", "synthetic", "--tracking-uri", f"sqlite:///{folder}/mlflow.db"]
    ended = run(sys.executable, PROMOTE, *words, *common, folder=folder)
    return ended.code, ended.seen


def test_the_command_shows_a_table_and_says_why(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path
) -> None:
    weak = str(promote(versions, logged(wrong(predictions)), force=True).champion.version)
    better = logged(right(predictions)).info.run_id
    before = aliases(versions)
    code, seen = promoting(tmp_path, "--run", better, "--dry-run")
    assert code == 0, seen
    assert re.search(r"val UAR % +0\.0 \(0\.0, 0\.0\) +100\.0 \(100\.0, 100\.0\) +\+100\.0", seen), seen
    assert f"champion would move from version {weak} to the candidate: the candidate is 100.0 points" in seen
    assert aliases(versions) == before
    code, seen = promoting(tmp_path, "--run", better)
    assert code == 0, seen
    assert f"champion moves to version {int(weak) + 1}: the candidate is 100.0 points" in seen
    code, seen = promoting(tmp_path, "--rollback", "--dry-run")
    assert (code, "--rollback goes with none of" in seen) == (2, True), seen
    assert aliases(versions)["champion"] == str(int(weak) + 1)
    code, seen = promoting(tmp_path, "--rollback")
    assert code == 0, seen
    assert f"champion goes back from version {int(weak) + 1} to version {weak}" in seen
    assert aliases(versions) == before
    with pytest.raises(RegistryError, match="the tracker has no run 'nobody'"):
        versions.run("nobody")
