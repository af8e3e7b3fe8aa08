"""Publication of a sweep in MLflow, from its first event to the registered champion."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ser.errors import UserError
from ser.sweep.state import SweepState
from ser.tracking import tags
from ser.tracking.client.tracker_error import TrackerError, describe_tracker_error
from ser.tracking.registry.registration import Registration, register_sweep
from ser.tracking.runs import Runs
from ser.tracking.writer import Writer

_PATIENCE_S = 60.0

T = TypeVar("T")


class Publication:
    """Context that sends the events of a journal to MLflow while it is open.

    Args:
        journal: path of the journal, which exists.
        sweep: name of the sweep.
        sweep_id: distinguishes the sweep from others of the same name.
        experiment: name of the MLflow experiment.
        uri: of the tracker; None for MLFLOW_TRACKING_URI or MLflow's own default.

    Attributes:
        uri: of the tracker.
        is_default: True if the tracker is MLflow's default one.

    Raises:
        TrackerError: MLflow does not know this kind of `uri`, or its database driver is not installed. A tracker that
            does not answer is no error: the writer retries.
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
        """Send the remaining events.

        Args:
            patience_s: time without progress after which to give up.

        Returns:
            The problem that kept the tracker from accepting them, or ''.
        """
        return "" if self._writer.finish(patience_s=patience_s) else self._writer.problem

    def build_comparison_url(self, server: str) -> str:
        """Build the address at which MLflow's UI compares the best runs of the cells of this sweep.

        Args:
            server: address of the MLflow server.

        Raises:
            TrackerError: the tracker does not answer.
        """
        runs = self._ask(self._connect)
        query = {
            "searchFilter": f"tags.`{tags.SWEEP}` = '{self._sweep}' and tags.`{tags.BEST_OF_CELL}` = 'true'",
            "orderByKey": "metrics.`best_val_uar`",
            "orderByAsc": "false",
            "compareRunsMode": "CHART",
        }
        return f"{server}/#/experiments/{runs.experiment_id}/runs?{urlencode(query, quote_via=quote)}"

    def register(self, sweep: SweepState, *, scope: str) -> Registration:
        """Register the best models of a sweep with a completed trial, after all its events were sent.

        Args:
            sweep: state of the sweep.
            scope: models that become versions, as in `register_sweep`.

        Raises:
            TrackerError: the tracker does not answer.
            UserError: a run has no model, or its predictions cannot be read.
        """
        return self._ask(lambda: register_sweep(self._connect(), sweep, scope=scope))

    def _ask(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except UserError:
            raise
        except Exception as error:
            message = next(iter(str(error).splitlines()), "without a message")
            raise TrackerError(f"{type(error).__name__}: {message}") from error


def _refuse_unknown(uri: str) -> None:
    try:
        MlflowClient(uri)
    except (MlflowException, ModuleNotFoundError) as error:
        raise describe_tracker_error(uri, error) from None
    except Exception:
        # A database that does not answer now: the writer retries.
        return
