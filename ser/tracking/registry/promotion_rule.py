"""Comparison of a candidate with the champion: a paired test by speaker on the same validation clips."""

from dataclasses import dataclass

import numpy as np
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from rich import box
from rich.table import Table

from ser.errors import UserError
from ser.evaluation.bootstrap import Interval, interval
from ser.evaluation.predictions import Predictions
from ser.evaluation.significance import Comparison, compare
from ser.evaluation.speaker_counts import FIGURES
from ser.tracking import tags
from ser.tracking.registry.run_evaluations import RunEvaluation, list_evaluations

SIGNIFICANT = 0.05
"""Significance level of the rule."""

RULE = f"higher UAR on the same validation clips, p < {SIGNIFICANT} in a paired test by speaker"

CHAMPION, CANDIDATE = "champion", "candidate"

_UAR = FIGURES["uar"]
_METRICS = (("test UAR %", "test_uar", 100), ("accuracy %", "test_accuracy", 100), ("parameters", "n_parameters", 1))


@dataclass(frozen=True)
class ComparedRun:
    """Champion or candidate of a comparison.

    Attributes:
        run: the run in MLflow.
        uar: validation UAR in [0, 1] on the common clips, with its interval over speakers.
    """

    run: Run
    uar: Interval

    def get_tag(self, name: str) -> str:
        """Return a tag of the run, or ''."""
        return str(self.run.data.tags.get(name, ""))


@dataclass(frozen=True)
class Verdict:
    """Decision on moving the alias to the candidate.

    Attributes:
        better: True if the alias should move.
        reason: in words.
        evaluation: description of the evaluation that both were compared on; '' if they were not compared.
        runs: champion and candidate; None if they were not compared.
        comparison: candidate minus champion; None if they were not compared.
        n_clips: number of validation clips.
        n_speakers: number of their speakers.
    """

    better: bool
    reason: str
    evaluation: str = ""
    runs: tuple[ComparedRun, ComparedRun] | None = None
    comparison: Comparison | None = None
    n_clips: int = 0
    n_speakers: int = 0


def compare_runs(client: MlflowClient, candidate: Run, champion: Run) -> Verdict:
    """Compare two runs by `RULE`, on validation clips alone; a candidate that cannot be compared is not better.

    Args:
        client: of the tracker that has both runs.
        candidate: a completed run.
        champion: the completed run of the current champion.

    Source:
        The rule is our choice: test clips must not select a model, and a higher figure alone may be chance.
    """
    try:
        evaluation, predictions, champion_predictions = _read_common_evaluation(client, candidate, champion)
        return _judge(evaluation, (candidate, predictions), (champion, champion_predictions))
    except UserError as error:
        return Verdict(False, f"the two cannot be compared: {error} (python tune/promote.py --force moves it anyway)")


def make_verdict_table(verdict: Verdict) -> Table:
    """Format a verdict that compared two runs, for a terminal."""
    assert verdict.runs is not None
    assert verdict.comparison is not None
    champion, candidate = verdict.runs
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"{verdict.n_clips:,} validation clips of {verdict.n_speakers} speakers, {verdict.evaluation}. In "
        "brackets: 95 % interval over speakers. Test figures are for information, the rule does not use them.",
    )
    for title in ("", CHAMPION, CANDIDATE, "difference"):
        table.add_column(title, overflow="fold")
    table.add_row("run", champion.run.info.run_id[:8], candidate.run.info.run_id[:8], "")
    for title, tag in (("sweep", tags.SWEEP), ("cell", tags.CELL)):
        table.add_row(title, champion.get_tag(tag), candidate.get_tag(tag), "")
    difference = _format_percent(verdict.comparison.difference, "+")
    table.add_row("val UAR %", _format_percent(champion.uar), _format_percent(candidate.uar), difference)
    table.add_row("p", "", "", f"{verdict.comparison.p_value:.3g}")
    for title, name, factor in _METRICS:
        values = [compared.run.data.metrics.get(name) for compared in verdict.runs]
        table.add_row(title, *("" if value is None else f"{factor * value:,.{factor // 100}f}" for value in values), "")
    return table


def _read_common_evaluation(
    client: MlflowClient, candidate: Run, champion: Run
) -> tuple[str, Predictions, Predictions]:
    """Read description and validation predictions of the evaluation with the most folds that both runs have."""
    known = {evaluation.key: evaluation for evaluation in list_evaluations(client, champion)}
    common = [(own, known[own.key]) for own in list_evaluations(client, candidate) if own.key in known]
    problems = []
    for own, other in common:
        try:
            return own.description, *_read_matching_predictions(client, own, other)
        except UserError as error:
            problems.append(str(error))
    raise UserError("; ".join(problems) or _describe_difference(candidate, champion))


def _read_matching_predictions(
    client: MlflowClient, first: RunEvaluation, second: RunEvaluation
) -> tuple[Predictions, Predictions]:
    """Read the validation predictions of two evaluations for the seeds that both have."""
    one, other = (evaluation.read_predictions(client, "validation") for evaluation in (first, second))
    seeds = np.intersect1d(one.repeats, other.repeats)
    if not len(seeds):
        raise UserError(f"their final evaluations have no seed in common ({first.description})")
    one, other = (predictions.select(np.isin(predictions.repeats, seeds)) for predictions in (one, other))
    if _list_labels(one) != _list_labels(other):
        raise UserError(f"their validation clips are not the same ({first.description})")
    return one, other


def _list_labels(predictions: Predictions) -> set[tuple[int, str, str]]:
    """List seed, clip and label of each row."""
    emotions = (predictions.emotions[label] for label in predictions.truth)
    return set(zip(predictions.repeats.tolist(), predictions.clips.tolist(), emotions, strict=True))


def _describe_difference(candidate: Run, champion: Run) -> str:
    """Describe the difference of the data of two runs that have no evaluation in common."""
    one, other = candidate.data.tags, champion.data.tags
    if one.get(tags.CORPUS_DIGEST) != other.get(tags.CORPUS_DIGEST):
        return "the candidate was trained on other clips of the corpus than the champion"
    return (
        f"the candidate was trained on another split ({one.get(tags.SPLIT, 'unknown')}) than the champion "
        f"({other.get(tags.SPLIT, 'unknown')}), with other validation clips"
    )


def _judge(evaluation: str, candidate: tuple[Run, Predictions], champion: tuple[Run, Predictions]) -> Verdict:
    (run, predictions), (champion_run, champion_predictions) = candidate, champion
    counts, champion_counts = predictions.counts(), champion_predictions.counts()
    comparison = compare(counts, champion_counts, _UAR)
    better = comparison.difference.value > 0 and comparison.p_value < SIGNIFICANT
    return Verdict(
        better=better,
        reason=_describe_result(comparison, better),
        evaluation=evaluation,
        runs=(ComparedRun(champion_run, interval(champion_counts, _UAR)), ComparedRun(run, interval(counts, _UAR))),
        comparison=comparison,
        n_clips=len(set(predictions.clips)),
        n_speakers=len(counts.speakers),
    )


def _describe_result(comparison: Comparison, better: bool) -> str:
    difference, p = comparison.difference.value, f"p = {comparison.p_value:.3g}"
    points = f"the candidate is {abs(100 * difference):.1f} points of validation UAR"
    if better:
        return f"{points} better ({p})"
    if difference > 0:
        return f"{points} better, which may be chance ({p}, not below {SIGNIFICANT})"
    return f"{points} worse ({p})" if difference < 0 else "the candidate is exactly as good"


def _format_percent(figure: Interval, sign: str = "") -> str:
    return f"{100 * figure.value:{sign}.1f} ({100 * figure.low:{sign}.1f}, {100 * figure.high:{sign}.1f})"
