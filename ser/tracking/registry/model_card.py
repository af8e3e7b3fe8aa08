"""Model card of a registered version: description, scores, data and limits, as Markdown for MLflow's UI.

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
from ser.tracking import tags
from ser.tracking.registry.run_evaluations import RunEvaluation, list_evaluations

LONGEST = 5000
"""Most characters of a card."""

_Row = tuple[str, ...]

_TEMPLATE = Path(__file__).with_name("model_card.md")
_KNOWN_SPEAKERS = "the speakers of test clips are in the training data too, on new speakers expect less."
_NEW_SPEAKERS = "no speaker of a test clip is in the training data."
_SCORES = ("clips", "UAR %", "accuracy %", "macro-F1 %", "n", "speakers")
_EMOTIONS = ("emotion, test", "recall %", "clips", "most frequent confusion")
# MLflow's UI draws tables without space between columns.
_SEPARATOR = " &emsp;| "


def model_card(client: MlflowClient, run: Run, model: LoggedModel, *, name: str, commit: str) -> str:
    """Model card of a completed run, Markdown of at most `LONGEST` characters.

    The last rows of scores are omitted from a card that would be longer.

    Args:
        client: of the tracker.
        run: the run that trained the model.
        model: the model that the run logged.
        name: of the registered model.
        commit: of the code that trained the model.

    Raises:
        PredictionsError: the run has no predictions, or another version wrote them.
    """
    experiment = from_flat(run.data.params)
    *finals, own = list_evaluations(client, run)
    test = own.read_predictions(client, "test")
    rows = [_score_row("validation", own.read_predictions(client, "validation")), _score_row("test", test)]
    data = _read_data_set(run)
    rows += _slice_rows(test, _find_actors(experiment.corpus.name, data["folder"]))
    rows += [_final_row(client, final) for final in finals]
    values = {
        **_describe_settings(experiment),
        "n_parameters": f"{run.data.metrics.get('n_parameters', float('nan')):,.0f}",
        "commit": commit,
        "trial": run.data.tags.get(tags.TRIAL, run.info.run_id),
        "chance": f"{100 / len(test.emotions):.1f}",
        "calibration": _describe_calibration(run.data.metrics),
        "per_emotion": _format_table(_EMOTIONS, _emotion_rows(test)),
        "n_clips": f"{data['clips']:,}",
        "n_speakers": data["speakers"],
        "corpus_digest": run.data.tags[tags.CORPUS_DIGEST][:12],
        "split_digest": run.data.tags[tags.SPLIT_DIGEST][:12],
        "model_id": model.model_id,
        "name": name,
    }
    return _fill_template(values, rows)


def _fill_template(values: Mapping[str, Any], rows: Sequence[_Row]) -> str:
    """Fill the template with as many rows of scores as fit into the card; the run's own come first."""
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    cards = [template.substitute(values, scores=_format_table(_SCORES, rows[:n])) for n in range(len(rows), 0, -1)]
    return next((card for card in cards if len(card) <= LONGEST), cards[-1][:LONGEST])


def _describe_settings(experiment: Experiment) -> dict[str, str]:
    """Describe the settings as values of the template."""
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
        "split_text": f"It is {kind}: {_KNOWN_SPEAKERS if 'speaker' not in CLAIMS[kind] else _NEW_SPEAKERS}",
        "duration_s": f"{space.duration_s:g}",
    }


def _first_sentence(thing: type) -> str:
    text = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return text if text.endswith(".") or not text else f"{text}."


def _read_data_set(run: Run) -> dict[str, Any]:
    """Read number of clips and speakers, and the folder, of the data set that the run logged."""
    for data_set in run.inputs.dataset_inputs if run.inputs else ():
        source, profile = json.loads(data_set.dataset.source), json.loads(data_set.dataset.profile or "{}")
        return {"folder": source["uri"], **profile}
    return {"folder": "", "clips": 0, "speakers": "unknown"}


def _find_actors(corpus: str, folder: str) -> Mapping[str, Actor]:
    """Find sex and age of the speakers; empty if the corpus publishes none, or its table is not found."""
    table = find_table(DEMOGRAPHICS, folder) if corpus == "cremad" and folder else None
    return read_actors(table) if table else {}


def _slice_rows(predictions: Predictions, actors: Mapping[str, Actor]) -> list[_Row]:
    rows = []
    for title, group in _group_actors(actors).items():
        part = predictions.select(np.isin(predictions.speakers, sorted(group)))
        if len(part):
            rows.append(_score_row(f"test, {title}", part))
    return rows


def _group_actors(actors: Mapping[str, Actor]) -> dict[str, set[str]]:
    groups = {sex: {name for name, actor in actors.items() if actor.sex == sex} for sex in ("female", "male")}
    ages = {f"age {band}": {n for n, actor in actors.items() if actor.age_band == band} for band in AGE_BANDS}
    return groups | ages


def _score_row(title: str, predictions: Predictions) -> _Row:
    counts = predictions.counts()
    n_speakers = len(counts.speakers)
    values = [
        _format_interval(interval(counts, figure)) if n_speakers > 1 else f"{100 * counts.figure(figure):.1f}"
        for figure in FIGURES.values()
    ]
    return (title, *values, f"{len(set(predictions.clips)):,}", str(n_speakers))


def _final_row(client: MlflowClient, final: RunEvaluation) -> _Row:
    """Scores of a final evaluation, or a row that says that they are missing."""
    title = f"test: {final.description}"
    try:
        return _score_row(title, final.read_predictions(client, "test"))
    except PredictionsError:
        return (title, "a run lacks its predictions", *["-"] * (len(_SCORES) - 2))


def _emotion_rows(predictions: Predictions) -> list[_Row]:
    counts = predictions.counts()
    confusion = counts.confusions.sum(axis=(0, 1))
    recalls = _format_recalls(counts)
    rows: list[_Row] = []
    for index, emotion in enumerate(predictions.emotions):
        others = np.where(np.arange(len(confusion)) == index, -1, confusion[index])
        n_clips = int(confusion[index].sum())
        n_confused = int(others.max())
        confusion_text = f"{predictions.emotions[int(others.argmax())]} ({100 * n_confused / n_clips:.0f} %)"
        rows.append((emotion, recalls[index], f"{n_clips:,}", confusion_text if n_confused else "-"))
    return rows


def _format_recalls(counts: SpeakerCounts) -> list[str]:
    """Format the recall of each class, with its interval if there is more than one speaker."""
    if len(counts.speakers) > 1:
        return [_format_interval(recall) for recall in recall_intervals(counts)]
    return [f"{100 * recall:.1f}" for recall in recalls_per_class(counts.confusions.sum(axis=(0, 1)))]


def _describe_calibration(metrics: Mapping[str, float]) -> str:
    """Describe the calibration error, if the run measured it."""
    if not metrics.keys() >= {"test_ece", "test_ece_uncalibrated"}:
        return ""
    before, after = (100 * metrics[name] for name in ("test_ece_uncalibrated", "test_ece"))
    return (
        f"Probabilities are calibrated on validation clips. On test clips the expected calibration error is "
        f"{after:.1f} points, without calibration {before:.1f}.\n\n"
    )


def _format_table(head: _Row, rows: Sequence[_Row]) -> str:
    lines = [f"| {_SEPARATOR.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def _format_interval(figure: Interval) -> str:
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
