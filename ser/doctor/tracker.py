"""Check of the trackers that the next sweep and the unfinished sweeps write to."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from ser.corpora.base import CORPORA
from ser.doctor.disk import find_existing_folder, measure_write_s
from ser.doctor.finding import Finding, Level, fine, problem, warning
from ser.doctor.sweeps import FoundSweep
from ser.redaction import redact
from ser.tracking.client.server import read_artefact_locations, read_server_version
from ser.tracking.client.uri import find_database_file, find_local_folder, resolve_tracking_uri


def list_trackers(uri: str | None, sweeps: Sequence[FoundSweep]) -> list[str]:
    """List the trackers to check: that of the next sweep, then those that earlier sweeps still need."""
    unfinished = (sweep for sweep in sweeps if sweep.state.name and (not sweep.is_finished or sweep.n_unsent))
    earlier = [sweep.state.facts.tracking_uri for sweep in unfinished if sweep.state.facts.tracking_uri]
    return list(dict.fromkeys([resolve_tracking_uri(uri), *earlier]))


def as_warning(finding: Finding) -> Finding:
    """Lower a problem to a warning, for a tracker that the next sweep does not use."""
    if finding.level is not Level.PROBLEM:
        return finding
    return replace(finding, level=Level.WARNING, found=f"{finding.found}; only earlier sweeps write to it")


def is_serving(uri: str) -> bool:
    """True if the tracker exists: the first sweep creates an SQLite file."""
    path = find_database_file(uri)
    return path is None or (path.exists() and path.stat().st_size > 0)


def tracker_findings(uri: str) -> Iterator[Finding]:
    """Check that the tracker accepts runs and artefacts.

    Raises:
        TrackerError: the tracker does not answer, or is not MLflow.
    """
    if not is_serving(uri):
        yield _check_missing_database(uri)
        return
    number = read_server_version(uri)
    locations = read_artefact_locations(uri, sorted(CORPORA))
    yield _compare_versions(uri, number)
    for experiment, location in locations.items():
        folder = find_local_folder(location)
        if folder is not None:
            yield from _check_artefacts(uri, experiment, folder)


def _check_missing_database(uri: str) -> Finding:
    path = find_database_file(uri)
    assert path is not None
    try:
        measure_write_s(find_existing_folder(path.parent))
    except OSError as error:
        return problem(
            "tracker",
            f"{path} does not exist, and its folder cannot be written to ({error.strerror or error})",
            remedy="give another --tracking-uri, or correct the folder's permissions",
        )
    return fine("tracker", f"{path} does not exist yet; the first sweep creates it (MLflow {version('mlflow')})")


def _compare_versions(uri: str, number: str) -> Finding:
    here = version("mlflow")
    if not number:
        return fine("tracker", f"{redact(uri)}: a database of MLflow {here}")
    if number != here:
        return warning(
            "tracker",
            f"{redact(uri)}: MLflow {number}, here it is {here}",
            remedy=f"use one version at both ends: pip install mlflow=={here} where the server runs",
        )
    return fine("tracker", f"{redact(uri)}: MLflow {number}, as here")


def _check_artefacts(uri: str, experiment: str, folder: Path) -> Iterator[Finding]:
    try:
        measure_write_s(find_existing_folder(folder))
    except OSError as error:
        served = uri.startswith("http")
        yield problem(
            "tracker",
            f"the artefacts of experiment '{experiment}' go to {folder}, which cannot be written to from here "
            f"({error.strerror or error})",
            remedy="start the server with --artifacts-destination, so that it stores them itself, and a new experiment"
            if served
            else "correct the folder's permissions, or give another --tracking-uri",
        )
