"""The model card: what a version is, how good, on whom, and what it is not for, as Markdown that MLflow's UI shows.

MLflow's database keeps 5,000 characters of a description. C is the number of emotions.
"""

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from mlflow.entities import LoggedModel, Run
from mlflow.tracking import MlflowClient

from ser.corpora.base import CORPORA
from ser.corpora.cremad_tables import AGE_BANDS, DEMOGRAPHICS, Actor, find_table, read_actors
from ser.evaluation.bootstrap import Interval, interval, recall_intervals
from ser.evaluation.metrics import recalls_per_class
from ser.evaluation.predictions import Predictions, PredictionsError
from ser.evaluation.speaker_counts import FIGURES, SpeakerCounts
from ser.experiment.experiment import Experiment, from_flat
from ser.features.spaces import FrameSpace, family_range
from ser.models.base import ARCHITECTURES
from ser.splits.manifests import load_manifests
from ser.splits.partition import CLAIMS
from ser.tracking.registry.run_evaluations import RunEvaluation, list_evaluations

LONGEST = 5000

_Row = tuple[str, ...]

_TEMPLATE = Path(__file__).with_name("model_card.md")
_KNOWN = "speakers of test clips were heard in training too, on new speakers expect less."
_UNKNOWN = "no speaker of a test clip was heard in training."
_SCORES = ("clips", "UAR %", "accuracy %", "macro-F1 %", "n", "speakers")
_EMOTIONS = ("emotion, test", "recall %", "clips", "else most often taken for")
# MLflow's UI draws tables without any space between columns.
_BETWEEN = " &emsp;| "


def model_card(client: MlflowClient, run: Run, model: LoggedModel, *, name: str, commit: str) -> str:
    """The card of a completed run's model; Markdown of at most `LONGEST` characters.

    Where they would be more, the last rows of scores are left out.

    Args:
        client: of the tracker.
        run: that trained it.
        model: what it logged.
        name: of the registered model.
        commit: of the code that trained it.

    Raises:
        PredictionsError: the run's predictions are not there.
    """
    experiment = from_flat(run.data.params)
    *finals, own = list_evaluations(client, run)
    test = own.predictions(client, "test")
    rows = [_scores("validation", own.predictions(client, "validation")), _scores("test", test)]
    data = _data(run)
    rows += _slices(test, _actors(experiment.corpus.name, data["folder"]))
    rows += [_final_scores(client, final) for final in finals]
    values = {
        **_described(experiment),
        "n_parameters": f"{run.data.metrics.get('n_parameters', float('nan')):,.0f}",
        "commit": commit,
        "trial": run.data.tags.get("ser.trial", run.info.run_id),
        "chance": f"{100 / len(test.emotions):.1f}",
        "calibration": _calibration(run.data.metrics),
        "per_emotion": _table(_EMOTIONS, _per_emotion(test)),
        "n_clips": f"{data['clips']:,}",
        "n_speakers": data["speakers"],
        "corpus_digest": run.data.tags["ser.corpus_digest"][:12],
        "split_digest": run.data.tags["ser.split_digest"][:12],
        "model_id": model.model_id,
        "name": name,
    }
    return _fitting(values, rows)


def _fitting(values: Mapping[str, Any], rows: Sequence[_Row]) -> str:
    """The card with as many rows of scores as it holds; those of the run itself come first."""
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    cards = [template.substitute(values, scores=_table(_SCORES, rows[:n])) for n in range(len(rows), 0, -1)]
    return next((card for card in cards if len(card) <= LONGEST), cards[-1][:LONGEST])


def _described(experiment: Experiment) -> dict[str, str]:
    """What the settings say."""
    space, emotions = experiment.features, CORPORA[experiment.corpus.name].emotions
    if isinstance(space, FrameSpace):
        features = f"{space.n_channels} rows a frame ({', '.join(family_range().select_members(space.families))})"
    else:
        features = f"the log-mel spectrogram, {space.n_mels} bands"
    kind = load_manifests()[experiment.split.name].kind
    return {
        "cell": experiment.cell.name,
        "corpus": experiment.corpus.name,
        "emotions": f"{', '.join(emotions[:-1])} or {emotions[-1]}",
        "architecture": ARCHITECTURES[experiment.cell.architecture].__name__,
        "dimensions": str(experiment.cell.dimensions),
        "features": features,
        "corpus_text": _first_sentence(CORPORA[experiment.corpus.name]),
        "split": f"{experiment.split.name}, fold {experiment.split.fold}",
        "split_text": f"It is {kind}: {_KNOWN if 'speaker' not in CLAIMS[kind] else _UNKNOWN}",
        "duration_s": f"{space.duration_s:g}",
    }


def _first_sentence(thing: type) -> str:
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return text if text.endswith(".") or not text else f"{text}."


def _data(run: Run) -> dict[str, Any]:
    """Number of clips and speakers, and the folder, of the data set that the run logged."""
    for given in run.inputs.dataset_inputs if run.inputs else ():
        source, profile = json.loads(given.dataset.source), json.loads(given.dataset.profile or "{}")
        return {"folder": source["uri"], **profile}
    return {"folder": "", "clips": 0, "speakers": "unknown"}


def _actors(corpus: str, folder: str) -> Mapping[str, Actor]:
    """The speakers' sex and age; none where the corpus publishes none, or its table is not at hand."""
    table = find_table(DEMOGRAPHICS, folder) if corpus == "cremad" and folder else None
    return read_actors(table) if table else {}


def _slices(predictions: Predictions, actors: Mapping[str, Actor]) -> list[_Row]:
    rows = []
    for title, group in _groups(actors).items():
        part = predictions.select(np.isin(predictions.speakers, sorted(group)))
        if len(part):
            rows.append(_scores(f"test, {title}", part))
    return rows


def _groups(actors: Mapping[str, Actor]) -> dict[str, set[str]]:
    groups = {sex: {name for name, actor in actors.items() if actor.sex == sex} for sex in ("female", "male")}
    ages = {f"age {band}": {n for n, actor in actors.items() if actor.age_band == band} for band in AGE_BANDS}
    return groups | ages


def _scores(title: str, predictions: Predictions) -> _Row:
    counts = predictions.counts()
    n_speakers = len(counts.speakers)
    values = [
        _shown(interval(counts, figure)) if n_speakers > 1 else f"{100 * counts.figure(figure):.1f}"
        for figure in FIGURES.values()
    ]
    return (title, *values, f"{len(set(predictions.clips)):,}", str(n_speakers))


def _final_scores(client: MlflowClient, final: RunEvaluation) -> _Row:
    """The scores of a final evaluation, or a row that says that they cannot be had."""
    title = f"test: {final.what}"
    try:
        return _scores(title, final.predictions(client, "test"))
    except PredictionsError:
        return (title, "a run lacks its predictions", *["-"] * (len(_SCORES) - 2))


def _per_emotion(predictions: Predictions) -> list[_Row]:
    counts = predictions.counts()
    confusion = counts.confusions.sum(axis=(0, 1))
    recalls = _recalls(counts)
    rows: list[_Row] = []
    for index, emotion in enumerate(predictions.emotions):
        others = np.where(np.arange(len(confusion)) == index, -1, confusion[index])
        n_clips = int(confusion[index].sum())
        mistaken = int(others.max())
        most = f"{predictions.emotions[int(others.argmax())]} ({100 * mistaken / n_clips:.0f} %)" if mistaken else "-"
        rows.append((emotion, recalls[index], f"{n_clips:,}", most))
    return rows


def _recalls(counts: SpeakerCounts) -> list[str]:
    """Of each class, with its interval where more than one speaker is there."""
    if len(counts.speakers) > 1:
        return [_shown(recall) for recall in recall_intervals(counts)]
    return [f"{100 * recall:.1f}" for recall in recalls_per_class(counts.confusions.sum(axis=(0, 1)))]


def _calibration(metrics: Mapping[str, float]) -> str:
    """How far probabilities can be trusted, where the run measured it."""
    if not metrics.keys() >= {"test_ece", "test_ece_uncalibrated"}:
        return ""
    before, after = (100 * metrics[name] for name in ("test_ece_uncalibrated", "test_ece"))
    return (
        f"Probabilities are calibrated on validation clips: on test clips they are off by {after:.1f} points on "
        f"average (expected calibration error), uncalibrated by {before:.1f}.\n\n"
    )


def _table(head: _Row, rows: Sequence[_Row]) -> str:
    lines = [f"| {_BETWEEN.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def _shown(figure: Interval) -> str:
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
