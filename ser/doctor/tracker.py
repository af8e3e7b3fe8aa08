"""The trackers that the next sweep, and the unfinished ones, write to."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from ser.corpora.base import CORPORA
from ser.doctor.disk import nearest_existing_folder, write_time_s
from ser.doctor.finding import Finding, Level, fine, problem, warning
from ser.doctor.sweeps import FoundSweep
from ser.redaction import redact
from ser.tracking.client.server import read_artefact_locations, read_server_version
from ser.tracking.client.uri import find_database_file, find_local_folder, resolve_tracking_uri


def list_trackers(uri: str | None, sweeps: Sequence[FoundSweep]) -> list[str]:
    """The addresses to look at: that of the next sweep, then those of sweeps that are not done with theirs."""
    left = (sweep for sweep in sweeps if sweep.record.name and (not sweep.is_finished or sweep.n_unsent))
    named = [sweep.record.facts.tracking_uri for sweep in left if sweep.record.facts.tracking_uri]
    return list(dict.fromkeys([resolve_tracking_uri(uri), *named]))


def as_warning(finding: Finding) -> Finding:
    """Of a tracker that the next sweep does without: a warning at most."""
    if finding.level is not Level.PROBLEM:
        return finding
    return replace(finding, level=Level.WARNING, found=f"{finding.found}; only earlier sweeps write to it")


def is_serving(uri: str) -> bool:
    """Whether there is something to ask: an SQLite file comes into being with the first sweep."""
    path = find_database_file(uri)
    return path is None or (path.exists() and path.stat().st_size > 0)


def tracker_findings(uri: str) -> Iterator[Finding]:
    """Whether the tracker takes what a sweep sends.

    Raises:
        TrackerError: it does not answer, or not as MLflow.
    """
    if not is_serving(uri):
        yield _fresh(uri)
        return
    number = read_server_version(uri)
    locations = read_artefact_locations(uri, sorted(CORPORA))
    yield _versions(uri, number)
    for experiment, location in locations.items():
        folder = find_local_folder(location)
        if folder is not None:
            yield from _artefacts(uri, experiment, folder)


def _fresh(uri: str) -> Finding:
    path = find_database_file(uri)
    assert path is not None
    try:
        write_time_s(nearest_existing_folder(path.parent))
    except OSError as error:
        return problem(
            "tracker",
            f"{path} is not there, and its folder takes no file ({error.strerror or error})",
            remedy="give another --tracking-uri, or mend the folder's permissions",
        )
    return fine("tracker", f"{path} is not there yet; the first sweep makes it (MLflow {version('mlflow')})")


def _versions(uri: str, number: str) -> Finding:
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


def _artefacts(uri: str, experiment: str, folder: Path) -> Iterator[Finding]:
    try:
        write_time_s(nearest_existing_folder(folder))
    except OSError as error:
        served = uri.startswith("http")
        yield problem(
            "tracker",
            f"the artefacts of experiment '{experiment}' go to {folder}, which takes no file here "
            f"({error.strerror or error})",
            remedy="start the server with --artifacts-destination, so that it keeps them itself, and a new experiment"
            if served
            else "mend the folder's permissions, or give another --tracking-uri",
        )
