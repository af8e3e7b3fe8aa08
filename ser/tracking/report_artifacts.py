"""Report of a sweep in its parent run: the files as artefacts, the short form as description."""

import logging
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from ser.errors import UserError
from ser.report.build import build_report
from ser.report.content import Report
from ser.report.files import TABLES, write_report
from ser.report.markdown import short_form
from ser.tracking.runs import Runs
from ser.tracking.tags import DESCRIPTION

ARTEFACTS = "report"

logger = logging.getLogger(__name__)


def make_report(journal: Path) -> Report | str:
    """Build the report of a sweep, or return its error as text, which must not keep the sweep from ending."""
    home = journal.resolve().parents[2]
    words = ["python", "tune/report.py", "--sweep", journal.parent.name, "--home", str(home), "--out", "report"]
    command = shlex.join(words)
    try:
        return build_report(journal, command=command)
    except UserError as error:
        return str(error)
    except Exception as error:
        logger.debug("report", exc_info=True)
        return f"The report could not be built ({type(error).__name__}: {error}): run {command} to see why"


def log_report(runs: Runs, run_id: str, report: Report | str) -> None:
    """Log a report, or the text of its error, to a run; a second report replaces the first."""
    if isinstance(report, str):
        runs.set_tags(run_id, {DESCRIPTION: report})
        return
    with tempfile.TemporaryDirectory() as folder:
        write_report(report, Path(folder))
        _remove_tables(runs, run_id)
        runs.client.log_artifacts(run_id, folder, ARTEFACTS)
    text = f"{short_form(report)}\nThe whole report is the artefact {ARTEFACTS}/report.html.\n"
    runs.set_tags(run_id, {DESCRIPTION: text})


def _remove_tables(runs: Runs, run_id: str) -> None:
    """Remove the tables of the previous report, if the artefact store can remove files."""
    folder = f"{ARTEFACTS}/{TABLES}"
    uri = runs.client.get_run(run_id).info.artifact_uri
    with suppress(MlflowException, OSError):
        store = get_artifact_repository(uri, tracking_uri=runs.client.tracking_uri)
        store.delete_artifacts(folder)  # type: ignore[no-untyped-call]
