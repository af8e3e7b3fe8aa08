"""All that a sweep has to do with MLflow, from its first event to the registered champion."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.errors import UserError
from ser.sweep.state import SweepState
from ser.tracking.registry.registration import Registration, register_sweep
from ser.tracking.runs import Runs
from ser.tracking.writer import Writer

_PATIENCE_S = 60.0

T = TypeVar("T")


class TrackerError(UserError):
    """The tracker cannot be used; the message says why and what to do."""


class Publication:
    """Follows the journal while entered.

    Args:
        journal: path of the journal, which is there.
        sweep: its name.
        sweep_id: tells it from others of the same name.
        experiment: name of the MLflow experiment.
        uri: of the tracker; None for MLFLOW_TRACKING_URI or MLflow's own default.

    Raises:
        TrackerError: `uri` is of no kind that MLflow knows, or its driver is not installed. One that does not answer
            is no error: it is tried again.
    """

    def __init__(self, journal: Path, *, sweep: str, sweep_id: str, experiment: str, uri: str | None) -> None:
        self.uri: str = uri or mlflow.get_tracking_uri()
        self.is_default = self.uri == mlflow.get_tracking_uri()
        _refuse_unknown(self.uri)
        self._connect: Callable[[], Runs] = lambda: Runs(
            self.uri, experiment=experiment, sweep=sweep, sweep_id=sweep_id
        )
        self._sweep = sweep
        self._writer = Writer(journal, self.uri, self._connect)

    def __enter__(self) -> "Publication":
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish(patience_s=5.0)

    def finish(self, *, patience_s: float = _PATIENCE_S) -> str:
        """Send what is left; what kept the tracker from taking it, or ''."""
        return "" if self._writer.finish(patience_s=patience_s) else self._writer.problem

    def comparison_url(self, server: str) -> str:
        """Where MLflow's own UI at `server` shows the best run of each cell of this sweep side by side.

        Raises:
            TrackerError: the tracker does not answer.
        """
        runs = self._asked(self._connect)
        query = {
            "searchFilter": f"tags.`ser.sweep` = '{self._sweep}' and tags.`ser.best_of_cell` = 'true'",
            "orderByKey": "metrics.`best_val_uar`",
            "orderByAsc": "false",
            "compareRunsMode": "CHART",
        }
        return f"{server}/#/experiments/{runs.experiment_id}/runs?{urlencode(query, quote_via=quote)}"

    def register(self, sweep: SweepState, *, scope: str) -> Registration:
        """Register the best models of a sweep that has any. Everything must have been sent before.

        Raises:
            TrackerError: the tracker does not answer.
            UserError: a run has no model, or its predictions cannot be read.
        """
        return self._asked(lambda: register_sweep(self._connect(), sweep, scope=scope))

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except UserError:
            raise
        except Exception as error:
            said = next(iter(str(error).splitlines()), "without a message")
            raise TrackerError(f"{type(error).__name__}: {said}") from error


def _refuse_unknown(uri: str) -> None:
    try:
        MlflowClient(uri)
    except MlflowException as error:
        raise TrackerError(f"'{uri}' is no tracker that MLflow knows ({error.message.splitlines()[0]})") from None
    except ModuleNotFoundError as error:
        raise TrackerError(f"'{uri}' needs the module {error.name}: pip install -e '.[cluster]'") from None
    except Exception:
        # A database that does not answer now: the writer tries again.
        return
