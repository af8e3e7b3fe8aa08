"""What each event of the journal becomes in MLflow. Every action may be repeated."""

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
from ser.tracking.models import log_model, remove_unfinished_models
from ser.tracking.report_artifacts import log_report, make_report
from ser.tracking.runs import PARENT, Runs

_SPLIT = ("split_digest", "split_manifest")
_FINALS = ("final_seeds", "final_folds", "final_splits")
_STATUS = {"completed": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "killed": "KILLED"}


def run_ends(record: SweepState) -> dict[str, tuple[str, float]]:
    """Status in MLflow and time of the end of each run that has ended, by its key."""
    ended = {str(key): trial.ended for key, trial in record.trials.items() if trial.ended}
    ends = {key: (_STATUS[end.outcome], end.time_s) for key, end in ended.items()}
    if record.closed:
        ends[PARENT] = ("FINISHED" if record.closed.outcome == "finished" else "KILLED", record.closed.time_s)
    return ends


class Sender:
    """Turns the events of one sweep into MLflow's runs, metrics, artefacts and models.

    Args:
        connect: makes the `Runs`; called at the first event and again after a failure, so that a tracker that is
            away when the sweep starts is as good as one that goes away later.
        record: what the journal said before the first event that is sent.
        journal: its path, for the report at the end.
    """

    def __init__(self, connect: Callable[[], Runs], record: SweepState, journal: Path) -> None:
        self._connect = connect
        self._runs: Runs | None = None
        self._record = record
        self._journal = journal
        self._reported: tuple[Closed, Report | str] | None = None

    def send(self, events: Sequence[Event]) -> None:
        """Send events of one kind, in order."""
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
            self._reports(runs, [event for event in events if isinstance(event, Reported)])
        elif isinstance(first, Started):
            self._started(runs, first)
        elif isinstance(first, Asked):
            self._asked(runs, first)
        elif isinstance(first, Ended):
            self._ended(runs, first)
        else:
            self._closed(runs, first)

    def _started(self, runs: Runs, event: Started) -> None:
        plan, facts = self._record.plan, self._record.facts
        tags = {
            "ser.command": redact(facts.command),
            "ser.git_commit": facts.git_commit,
            "ser.split": plan.split,
            "ser.corpus_digest": facts.corpus_digest,
            "ser.split_digest": facts.split_digest,
            "ser.split_manifest": facts.split_manifest,
        }
        omitted = {"settings", "cell_settings", "cells", "ranges", "variants", *_FINALS}
        if plan.is_ablation:
            omitted |= {"trials_per_cell", "search", "grace_epochs", "reduction"}
            tags["ser.variants"] = ",".join(plan.variants)
        described = plan.as_dict()
        params = {name: value for name, value in described.items() if name not in omitted}
        run_id = runs.open_parent(start_s=event.time_s, tags=tags, params=params)
        runs.set_running(run_id)
        # Tags, because a resumed sweep may have others than it had at first.
        changing = {f"ser.{name}": _joined(described[name]) for name in _FINALS}
        runs.set_tags(run_id, {**changing, "ser.driver": facts.driver})
        self._log_dataset(runs, run_id)

    def _asked(self, runs: Runs, event: Asked) -> None:
        key = TrialKey(self._record.name, event.cell, event.number)
        trial, facts = self._record.trials[key], self._record.facts
        tags = {
            "ser.stage": event.stage,
            "ser.split": trial.split.name,
            "ser.fold": str(trial.split.fold),
            "ser.seed": str(trial.seed),
            "ser.corpus_digest": facts.corpus_digest,
            "ser.features_version": str(facts.features_versions[f"{event.values['cell.dimensions']}d"]),
        }
        if event.stage == SEARCH:
            tags["ser.split_digest"] = facts.split_digest
        if event.variant:
            tags["ser.variant"] = event.variant
        run_id = runs.open_trial(key, name=trial.title, start_s=event.time_s, tags=tags, params=event.values)
        self._log_dataset(runs, run_id)

    def _reports(self, runs: Runs, events: Sequence[Reported]) -> None:
        points: dict[TrialKey, list[Metric]] = {}
        for event in events:
            key = TrialKey(self._record.name, event.cell, event.number)
            points.setdefault(key, []).extend(
                Metric(name, value, round(event.time_s * 1000), event.epoch)
                for name, value in {**event.metrics, "train_epoch_seconds": event.seconds}.items()
            )
        for key, listed in points.items():
            runs.log_metrics(runs.id_of(key), listed)

    def _ended(self, runs: Runs, event: Ended) -> None:
        trial = self._record.trial(event)
        run_id = runs.id_of(trial.key)
        runs.set_tags(run_id, {"ser.outcome": event.outcome, "ser.reason": event.reason})
        if event.outcome == "completed":
            self._completed(runs, run_id, trial, event)
        elif event.outcome == "pruned":
            last = trial.last
            assert last is not None
            self._log_confusion(runs, run_id, last.confusion, f"validation clips, epoch {last.epoch}", trial.key)
        elif event.outcome == "failed":
            runs.client.log_text(run_id, event.traceback, "traceback.txt")
        runs.close(run_id, status=_STATUS[event.outcome], end_s=event.time_s)

    def _completed(self, runs: Runs, run_id: str, trial: SweepTrial, event: Ended) -> None:
        assert trial.best is not None
        once = {
            **{f"test_{name}": event.test[name] for name in ("uar", "accuracy", "macro_f1") if name in event.test},
            "best_val_uar": trial.best.metrics["val_uar"],
            "best_epoch": trial.best.epoch,
            "n_parameters": event.test["n_parameters"],
            "train_seconds": event.test["train_seconds"],
            # A sweep that an earlier version began has none.
            **event.test.get("calibration", {}),
        }
        # At step 0 the MLflow UI draws bars, a bar a run, instead of curves of one point.
        time_ms = round(event.time_s * 1000)
        runs.log_metrics(run_id, [Metric(name, value, time_ms, 0) for name, value in once.items()])
        if trial.stage == ABLATION:
            best = trial.best
            self._log_confusion(runs, run_id, best.confusion, f"validation clips, epoch {best.epoch}", trial.key)
        else:
            self._log_confusion(runs, run_id, event.test["confusion"], "test clips", trial.key)
        bundle = Path(event.bundle)
        if not bundle.is_dir():
            # What was deleted here cannot be sent: say so instead of trying for ever.
            runs.set_tags(run_id, {"ser.reason": f"its model is gone: {bundle} was removed before it was sent"})
            return
        runs.client.log_artifact(run_id, str(bundle / PREDICTIONS_FILE))
        runs.set_tags(run_id, {f"ser.{name}": str(event.test[name]) for name in _SPLIT if name in event.test})
        if trial.stage != SEARCH:
            return  # evidence, no candidate
        log_model(runs, run_id, name=trial.key.cell, bundle=bundle, experiment=trial.experiment)

    def _closed(self, runs: Runs, event: Closed) -> None:
        run_id = runs.id_of(PARENT)
        rows = leaderboard(self._record)
        if rows and event.outcome == "finished":
            # Once: what a resumed sweep found would be a second point; one that only goes on to test finds the same.
            best = max(rows, key=lambda row: row.val_uar)
            ended = self._record.trials[best.key].ended
            assert ended is not None
            runs.log_metrics(run_id, [Metric("best_val_uar", best.val_uar, round(ended.time_s * 1000), 0)])
        if rows:
            runs.client.log_text(run_id, leaderboard_text(rows), "leaderboard.txt")
            runs.client.log_figure(
                run_id,
                leaderboard_figure(rows, title=self._title(), n_classes=len(self._record.facts.emotions)),
                "leaderboard.png",
            )
        if event.outcome in ("finished", "budget"):
            log_report(runs, run_id, self._report(event))
        best_of_cells = {row.key for row in rows}
        for key, trial in self._record.trials.items():
            if trial.outcome == "completed" and trial.stage == SEARCH:
                runs.set_tags(runs.id_of(key), {"ser.best_of_cell": str(key in best_of_cells).lower()})
        ends = run_ends(self._record)
        status, end_s = ends.pop(PARENT)
        remove_unfinished_models(runs)
        runs.settle(ends)
        runs.set_tags(run_id, {"ser.outcome": event.outcome})
        runs.close(run_id, status=status, end_s=end_s)

    def _report(self, event: Closed) -> Report | str:
        """Made once for each end of the sweep, however often it takes to send it."""
        if self._reported is None or self._reported[0] != event:
            self._reported = event, make_report(self._journal)
        return self._reported[1]

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

    def _title(self) -> str:
        facts = self._record.facts
        return f"{self._record.name}: {facts.corpus}, {facts.n_clips:,} clips, split {self._record.plan.split}"


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
