"""One version a run in the registry, which says where it comes from, and its card, how good it is."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import Run

from ser.evaluation.bootstrap import interval
from ser.evaluation.predictions import read_predictions
from ser.evaluation.speaker_counts import FIGURES
from ser.tracking.registry.model_card import LONGEST
from ser.tracking.registry.versions import Versions
from tests.support.registry_runs import final_of

pytestmark = pytest.mark.integration


def test_each_version_says_where_it_comes_from_and_how_good_it_is(versions: Versions, champion: Run) -> None:
    version = versions.find_by_alias("champion")
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
    card = versions.find_by_alias("champion").description
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
    numbers = {versions.register_run(champion).version for _ in range(2)}
    assert numbers == {versions.find_by_alias("champion").version}


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
    card = versions.register_run(logged(predictions)).description
    assert f"| test: split {whole}, 2 folds pooled, 1 seeds &emsp;| a run lacks its predictions &emsp;| -" in card
    assert "0 folds" not in card
    assert "made-up-00" in card
    assert "made-up-29" not in card
    assert len(card) <= LONGEST
    assert card.rstrip().endswith("is the best version so far.")


def test_one_speaker_is_enough_for_a_card(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """Without intervals, which need two."""
    card = versions.register_run(logged(predictions.assign(speaker="1001"))).description
    assert re.search(r"\n\| anger &emsp;\| \d+\.\d &emsp;\|", card)
