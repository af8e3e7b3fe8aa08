"""Whether a candidate is better than the champion: a paired test by speaker on the same validation clips."""

from dataclasses import dataclass

import numpy as np
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from rich import box
from rich.table import Table

from ser.errors import UserError
from ser.evaluation.bootstrap import Interval, interval
from ser.evaluation.predictions import Predictions, PredictionsError
from ser.evaluation.significance import Comparison, compare
from ser.evaluation.speaker_counts import FIGURES
from ser.tracking.registry.run_evaluations import RunEvaluation, list_evaluations

SIGNIFICANT = 0.05
RULE = f"higher UAR on the same validation clips, p < {SIGNIFICANT} in a paired test by speaker"

CHAMPION, CANDIDATE = "champion", "candidate"

_UAR = FIGURES["uar"]
_SHOWN = (("test UAR %", "test_uar", 100), ("accuracy %", "test_accuracy", 100), ("parameters", "n_parameters", 1))


@dataclass(frozen=True)
class ComparedRun:
    """One of the two: what its run says, and its validation UAR on the common clips."""

    run: Run
    uar: Interval

    def tag(self, name: str) -> str:
        """Of its run; '' where it has none."""
        return str(self.run.data.tags.get(name, ""))


@dataclass(frozen=True)
class Verdict:
    """Whether the alias should move to the candidate, and why.

    Attributes:
        better: whether it should.
        reason: in words.
        what: the clips that both were compared on; '' where they were not compared.
        sides: champion and candidate.
        comparison: candidate minus champion.
        n_clips: validation clips.
        n_speakers: in them.
    """

    better: bool
    reason: str
    what: str = ""
    sides: tuple[ComparedRun, ComparedRun] | None = None
    comparison: Comparison | None = None
    n_clips: int = 0
    n_speakers: int = 0


def compare_runs(client: MlflowClient, candidate: Run, champion: Run) -> Verdict:
    """The verdict by the rule; what cannot be compared is not better. Test clips play no part.

    Args:
        client: of the tracker that has both.
        candidate: a completed run.
        champion: another.
    """
    try:
        what, one, other = _in_common(client, candidate, champion)
        return _judged(what, (candidate, one), (champion, other))
    except (UserError, PredictionsError) as error:
        return Verdict(False, f"the two cannot be compared: {error} (python tune/promote.py --force moves it anyway)")


def verdict_table(verdict: Verdict) -> Table:
    """Both sides of a verdict that compared them, for a terminal."""
    assert verdict.sides is not None
    assert verdict.comparison is not None
    champion, candidate = verdict.sides
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"{verdict.n_clips:,} validation clips of {verdict.n_speakers} speakers, {verdict.what}. In brackets: "
        "95 % interval by speaker. Test figures are shown and decide nothing.",
    )
    for title in ("", CHAMPION, CANDIDATE, "difference"):
        table.add_column(title, overflow="fold")
    table.add_row("run", champion.run.info.run_id[:8], candidate.run.info.run_id[:8], "")
    for name in ("sweep", "cell"):
        table.add_row(name, champion.tag(f"ser.{name}"), candidate.tag(f"ser.{name}"), "")
    difference = _percent(verdict.comparison.difference, "+")
    table.add_row("val UAR %", _percent(champion.uar), _percent(candidate.uar), difference)
    table.add_row("p", "", "", f"{verdict.comparison.p_value:.3g}")
    for title, name, factor in _SHOWN:
        values = [side.run.data.metrics.get(name) for side in verdict.sides]
        table.add_row(title, *("" if value is None else f"{factor * value:,.{factor // 100}f}" for value in values), "")
    return table


def _in_common(client: MlflowClient, candidate: Run, champion: Run) -> tuple[str, Predictions, Predictions]:
    """The validation predictions of both by the most thorough evaluation that compares them, and what it is."""
    known = {evaluation.key: evaluation for evaluation in list_evaluations(client, champion)}
    common = [(own, known[own.key]) for own in list_evaluations(client, candidate) if own.key in known]
    problems = []
    for own, other in common:
        try:
            return own.what, *_matched(client, own, other)
        except (UserError, PredictionsError) as error:
            problems.append(str(error))
    raise UserError("; ".join(problems) or _difference(candidate, champion))


def _matched(client: MlflowClient, found: RunEvaluation, known: RunEvaluation) -> tuple[Predictions, Predictions]:
    """The validation predictions of two evaluations, of the seeds that both have."""
    one, other = (evaluation.predictions(client, "validation") for evaluation in (found, known))
    seeds = np.intersect1d(one.repeats, other.repeats)
    if not len(seeds):
        raise UserError(f"their final evaluations have no seed in common ({found.what})")
    one, other = (predictions.select(np.isin(predictions.repeats, seeds)) for predictions in (one, other))
    if _asked(one) != _asked(other):
        raise UserError(f"their validation clips are not the same ({found.what})")
    return one, other


def _asked(predictions: Predictions) -> set[tuple[int, str, str]]:
    """Seed, clip and truth of each row: the same where two networks were asked the same."""
    emotions = (predictions.emotions[label] for label in predictions.truth)
    return set(zip(predictions.repeats.tolist(), predictions.clips.tolist(), emotions, strict=True))


def _difference(candidate: Run, champion: Run) -> str:
    """What differs where nothing can be compared."""
    one, other = candidate.data.tags, champion.data.tags
    if one.get("ser.corpus_digest") != other.get("ser.corpus_digest"):
        return "the candidate was trained on other clips of the corpus than the champion"
    return (
        f"the candidate was trained on another split ({one.get('ser.split', 'unknown')}) than the champion "
        f"({other.get('ser.split', 'unknown')}), with other validation clips"
    )


def _judged(what: str, candidate: tuple[Run, Predictions], champion: tuple[Run, Predictions]) -> Verdict:
    (run, predicted), (champion_run, champion_predicted) = candidate, champion
    ours, theirs = predicted.counts(), champion_predicted.counts()
    comparison = compare(ours, theirs, _UAR)
    better = comparison.difference.value > 0 and comparison.p_value < SIGNIFICANT
    return Verdict(
        better=better,
        reason=_reason(comparison, better),
        what=what,
        sides=(ComparedRun(champion_run, interval(theirs, _UAR)), ComparedRun(run, interval(ours, _UAR))),
        comparison=comparison,
        n_clips=len(set(predicted.clips)),
        n_speakers=len(ours.speakers),
    )


def _reason(comparison: Comparison, better: bool) -> str:
    difference, p = comparison.difference.value, f"p = {comparison.p_value:.3g}"
    points = f"the candidate is {abs(100 * difference):.1f} points of validation UAR"
    if better:
        return f"{points} better ({p})"
    if difference > 0:
        return f"{points} better, which may be chance ({p}, not below {SIGNIFICANT})"
    return f"{points} worse ({p})" if difference < 0 else "the candidate is exactly as good"


def _percent(figure: Interval, sign: str = "") -> str:
    return f"{100 * figure.value:{sign}.1f} ({100 * figure.low:{sign}.1f}, {100 * figure.high:{sign}.1f})"
