"""Translation of journal events into MLflow runs, metrics, artefacts and models. Every action may be repeated."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from ser.experiment.trial import PREDICTIONS_FILE
from ser.redaction import redact
from ser.report.content import Report
from ser.report.leaderboard import leaderboard, leaderboard_text
from ser.report.plots import confusion_figure, leaderboard_figure
from ser.sweep.journal import ABLATION, SEARCH, Asked, Closed, Ended, Event, Reported, Started, TrialKey
from ser.sweep.state import SweepState, SweepTrial
from ser.tracking import tags
from ser.tracking.models import log_model, remove_unfinished_models
from ser.tracking.report_artifacts import log_report, make_report
from ser.tracking.runs import PARENT, Runs

_SPLIT_TAGS = {"split_digest": tags.SPLIT_DIGEST, "split_manifest": tags.SPLIT_MANIFEST}
_FINAL_TAGS = {"final_seeds": tags.FINAL_SEEDS, "final_folds": tags.FINAL_FOLDS, "final_splits": tags.FINAL_SPLITS}
_STATUS = {"completed": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "killed": "KILLED"}


def list_run_ends(record: SweepState) -> dict[str, tuple[str, float]]:
    """List status in MLflow and end in seconds since 1970 of each run that has ended, by its key."""
    ended = {str(key): trial.ended for key, trial in record.trials.items() if trial.ended}
    ends = {key: (_STATUS[end.outcome], end.time_s) for key, end in ended.items()}
    if record.closed:
        ends[PARENT] = ("FINISHED" if record.closed.outcome == "finished" else "KILLED", record.closed.time_s)
    return ends


class Sender:
    """Translator of the events of one sweep into MLflow's runs, metrics, artefacts and models.

    Args:
        connect: makes the `Runs`. It is called at the first event and again after a failure, because a tracker may be
            unreachable from the start or become so later.
        record: state of the sweep before the first event that is sent.
        journal: path of the journal, for the report at the end.
    """

    def __init__(self, connect: Callable[[], Runs], record: SweepState, journal: Path) -> None:
        self._connect = connect
        self._runs: Runs | None = None
        self._record = record
        self._journal = journal
        self._last_report: tuple[Closed, Report | str] | None = None

    def send(self, events: Sequence[Event]) -> None:
        """Send events of one kind, in order.

        Raises:
            Exception: any error of the tracker; the next call connects again.
        """
        try:
            runs = self._runs = self._runs or self._connect()
            for event in events:
                self._record.apply(event)
            self._dispatch(runs, events)
        except Exception:
            self._runs = None
            raise

    def _dispatch(self, runs: Runs, events: Sequence[Event]) -> None:
        first = events[0]
        if isinstance(first, Reported):
            self._send_reports(runs, [event for event in events if isinstance(event, Reported)])
        elif isinstance(first, Started):
            self._send_start(runs, first)
        elif isinstance(first, Asked):
            self._send_trial(runs, first)
        elif isinstance(first, Ended):
            self._send_end(runs, first)
        else:
            self._send_close(runs, first)

    def _send_start(self, runs: Runs, event: Started) -> None:
        plan, facts = self._record.plan, self._record.facts
        values = {
            tags.COMMAND: redact(facts.command),
            tags.GIT_COMMIT: facts.git_commit,
            tags.SPLIT: plan.split,
            tags.CORPUS_DIGEST: facts.corpus_digest,
            tags.SPLIT_DIGEST: facts.split_digest,
            tags.SPLIT_MANIFEST: facts.split_manifest,
        }
        omitted = {"settings", "cell_settings", "cells", "ranges", "variants", *_FINAL_TAGS}
        if plan.is_ablation:
            omitted |= {"trials_per_cell", "search", "grace_epochs", "reduction"}
            values[tags.VARIANTS] = ",".join(plan.variants)
        settings = plan.as_dict()
        params = {name: value for name, value in settings.items() if name not in omitted}
        run_id = runs.open_parent(start_s=event.time_s, tags=values, params=params)
        runs.set_running(run_id)
        # Tags, not params: a resumed sweep may have other values, and MLflow refuses to change a param.
        final = {tag: _format_value(settings[name]) for name, tag in _FINAL_TAGS.items()}
        runs.set_tags(run_id, {**final, tags.DRIVER: facts.driver})
        self._log_dataset(runs, run_id)

    def _send_trial(self, runs: Runs, event: Asked) -> None:
        key = TrialKey(self._record.name, event.cell, event.number)
        trial, facts = self._record.trials[key], self._record.facts
        values = {
            tags.STAGE: event.stage,
            tags.SPLIT: trial.split.name,
            tags.FOLD: str(trial.split.fold),
            tags.SEED: str(trial.seed),
            tags.CORPUS_DIGEST: facts.corpus_digest,
            tags.FEATURES_VERSION: str(facts.features_versions[f"{event.values['cell.dimensions']}d"]),
        }
        if event.stage == SEARCH:
            values[tags.SPLIT_DIGEST] = facts.split_digest
        if event.variant:
            values[tags.VARIANT] = event.variant
        run_id = runs.open_trial(key, name=trial.title, start_s=event.time_s, tags=values, params=event.values)
        self._log_dataset(runs, run_id)

    def _send_reports(self, runs: Runs, events: Sequence[Reported]) -> None:
        points: dict[TrialKey, list[Metric]] = {}
        for event in events:
            key = TrialKey(self._record.name, event.cell, event.number)
            points.setdefault(key, []).extend(
                Metric(name, value, round(event.time_s * 1000), event.epoch)
                for name, value in {**event.metrics, "train_epoch_seconds": event.seconds}.items()
            )
        for key, listed in points.items():
            runs.log_metrics(runs.get_run_id(key), listed)

    def _send_end(self, runs: Runs, event: Ended) -> None:
        trial = self._record.trial(event)
        run_id = runs.get_run_id(trial.key)
        runs.set_tags(run_id, {tags.OUTCOME: event.outcome, tags.REASON: event.reason})
        if event.outcome == "completed":
            self._send_results(runs, run_id, trial, event)
        elif event.outcome == "pruned":
            last = trial.last
            assert last is not None
            self._log_confusion(runs, run_id, last.confusion, f"validation clips, epoch {last.epoch}", trial.key)
        elif event.outcome == "failed":
            runs.client.log_text(run_id, event.traceback, "traceback.txt")
        runs.close(run_id, status=_STATUS[event.outcome], end_s=event.time_s)

    def _send_results(self, runs: Runs, run_id: str, trial: SweepTrial, event: Ended) -> None:
        assert trial.best is not None
        figures = {
            **{f"test_{name}": event.test[name] for name in ("uar", "accuracy", "macro_f1") if name in event.test},
            "best_val_uar": trial.best.metrics["val_uar"],
            "best_epoch": trial.best.epoch,
            "n_parameters": event.test["n_parameters"],
            "train_seconds": event.test["train_seconds"],
            # Sweeps of earlier versions have none.
            **event.test.get("calibration", {}),
        }
        # For step 0 the MLflow UI draws one bar per run instead of a curve of one point.
        time_ms = round(event.time_s * 1000)
        runs.log_metrics(run_id, [Metric(name, value, time_ms, 0) for name, value in figures.items()])
        if trial.stage == ABLATION:
            best = trial.best
            self._log_confusion(runs, run_id, best.confusion, f"validation clips, epoch {best.epoch}", trial.key)
        else:
            self._log_confusion(runs, run_id, event.test["confusion"], "test clips", trial.key)
        bundle = Path(event.bundle)
        if not bundle.is_dir():
            # A deleted bundle never comes back: log the reason instead of retrying for ever.
            runs.set_tags(run_id, {tags.REASON: f"its model is missing: {bundle} was removed before it was sent"})
            return
        runs.client.log_artifact(run_id, str(bundle / PREDICTIONS_FILE))
        runs.set_tags(run_id, {tag: str(event.test[name]) for name, tag in _SPLIT_TAGS.items() if name in event.test})
        if trial.stage != SEARCH:
            return  # only trials of the search are candidates for the registry
        log_model(runs, run_id, name=trial.key.cell, bundle=bundle, experiment=trial.experiment)

    def _send_close(self, runs: Runs, event: Closed) -> None:
        run_id = runs.get_run_id(PARENT)
        rows = leaderboard(self._record)
        if rows and event.outcome == "finished":
            # Only at the end, with the time of the best trial: a sweep resumed for tests alone sends the same point.
            best = max(rows, key=lambda row: row.val_uar)
            ended = self._record.trials[best.key].ended
            assert ended is not None
            runs.log_metrics(run_id, [Metric("best_val_uar", best.val_uar, round(ended.time_s * 1000), 0)])
        if rows:
            runs.client.log_text(run_id, leaderboard_text(rows), "leaderboard.txt")
            runs.client.log_figure(
                run_id,
                leaderboard_figure(rows, title=self._describe_sweep(), n_classes=len(self._record.facts.emotions)),
                "leaderboard.png",
            )
        if event.outcome in ("finished", "budget"):
            log_report(runs, run_id, self._build_report(event))
        best_of_cells = {row.key for row in rows}
        for key, trial in self._record.trials.items():
            if trial.outcome == "completed" and trial.stage == SEARCH:
                runs.set_tags(runs.get_run_id(key), {tags.BEST_OF_CELL: str(key in best_of_cells).lower()})
        ends = list_run_ends(self._record)
        status, end_s = ends.pop(PARENT)
        remove_unfinished_models(runs)
        runs.undo_late_requests(ends)
        runs.set_tags(run_id, {tags.OUTCOME: event.outcome})
        runs.close(run_id, status=status, end_s=end_s)

    def _build_report(self, event: Closed) -> Report | str:
        """Build the report once for each end of the sweep, however often sending it is retried."""
        if self._last_report is None or self._last_report[0] != event:
            self._last_report = event, make_report(self._journal)
        return self._last_report[1]

    def _log_dataset(self, runs: Runs, run_id: str) -> None:
        facts = self._record.facts
        runs.log_dataset(
            run_id,
            name=facts.corpus,
            digest=facts.corpus_digest,
            source=facts.corpus_dir,
            profile={"clips": facts.n_clips, "speakers": facts.n_speakers},
        )

    def _log_confusion(self, runs: Runs, run_id: str, confusion: list[list[int]], clips: str, key: TrialKey) -> None:
        emotions = list(self._record.facts.emotions)
        content: dict[str, Any] = {
            "clips": clips,
            "labels": emotions,
            "rows": "truth",
            "confusion": confusion,
        }
        runs.client.log_text(run_id, json.dumps(content), "confusion_matrix.json")
        figure = confusion_figure(confusion, emotions, title=f"{self._record.trials[key].title}, {clips}")
        runs.client.log_figure(run_id, figure, "confusion_matrix.png")

    def _describe_sweep(self) -> str:
        facts = self._record.facts
        return f"{self._record.name}: {facts.corpus}, {facts.n_clips:,} clips, split {self._record.plan.split}"


def _format_value(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
