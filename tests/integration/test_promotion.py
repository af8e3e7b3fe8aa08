"""A champion moves only to what is better by a fair comparison, and back again; the command says why."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import Run

from ser.errors import UserError
from ser.tracking.registry.promotion import promote, roll_back
from ser.tracking.registry.versions import Versions
from tests.support.command_runner import REPOSITORY, run
from tests.support.registry_runs import aliases, final_of, right, wrong
from tests.support.sweep_results import FinishedSweep, runs_of

pytestmark = pytest.mark.integration

PROMOTE = REPOSITORY / "tune" / "promote.py"


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
    with pytest.raises(UserError, match="no champion before"):
        roll_back(versions)
    promote(versions, better, force=True)
    assert (aliases(versions)["champion"], aliases(versions)["previous"]) == (number, first)


def test_going_back_never_returns_to_what_was_rolled_back(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """The first is champion again by force, after the second."""
    first = versions.read_aliased_run("champion")
    second = promote(versions, logged(right(predictions)), force=True).champion
    promote(versions, first, force=True)
    now, _ = roll_back(versions)
    assert str(now.version) == str(second.version)
    assert "previous" not in aliases(versions)
    with pytest.raises(UserError, match="no champion before"):
        roll_back(versions)


def test_a_run_of_another_corpus_is_refused(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    stranger = logged(predictions, params={"corpus.name": "cremad"})
    with pytest.raises(UserError, match="trained on the corpus cremad, ser-synthetic is of another"):
        promote(versions, stranger, force=True)


def test_a_run_without_a_model_is_no_candidate(versions: Versions, finished: FinishedSweep) -> None:
    pruned = next(r for r in runs_of(versions.client, finished.record.name) if r.info.status == "KILLED")
    with pytest.raises(UserError, match="has no model"):
        promote(versions, pruned, force=True)


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
    assert verdict.evaluation == "split speaker-5fold, 2 folds pooled, 2 seeds"
    assert verdict.n_clips == 2 * (predictions["part"] == "validation").sum()
    assert "final" not in aliases(versions)


def test_where_final_runs_cannot_be_compared_the_runs_themselves_are(
    versions: Versions, champion: Run, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    final = logged(predictions, **final_of(champion, seed=0, fold=0))
    shutil.rmtree(Path(final.info.artifact_uri.removeprefix("file://")))
    verdict = promote(versions, logged(right(predictions)), dry_run=True).verdict
    assert verdict.evaluation == "split assignment", verdict.reason
    assert verdict.comparison.difference.value > 0


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
    assert (code, "--rollback excludes --run" in seen) == (2, True), seen
    assert aliases(versions)["champion"] == str(int(weak) + 1)
    code, seen = promoting(tmp_path, "--rollback")
    assert code == 0, seen
    assert f"champion goes back from version {int(weak) + 1} to version {weak}" in seen
    assert aliases(versions) == before
    with pytest.raises(UserError, match="the tracker has no run 'nobody'"):
        versions.read_run("nobody")
