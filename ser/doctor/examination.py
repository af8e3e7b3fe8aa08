"""Examination: run every check in turn, print a line for each finding, and repair on request."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ser.commands.exit_codes import FINISHED, NOT_MET
from ser.console import print_line
from ser.corpora.base import CORPORA
from ser.corpora.locations import Location
from ser.doctor.cluster import ray_findings
from ser.doctor.disk import disk_findings
from ser.doctor.features import corpus_finding, store_findings
from ser.doctor.finding import Finding, Level, problem, problem_from
from ser.doctor.memory import free_bytes, memory_finding
from ser.doctor.open_runs import open_run_findings
from ser.doctor.requirements import estimate_requirements
from ser.doctor.stale_checkpoints import stale_checkpoint_findings
from ser.doctor.sweeps import FoundSweep, find_sweeps, sweep_findings
from ser.doctor.tracker import as_warning, list_trackers, tracker_findings
from ser.errors import UserError
from ser.features.store import FeatureStore
from ser.paths import DEFAULT_HOME
from ser.sweep.plan import Plan
from ser.sweep.plan_files import read_plan

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


@dataclass(frozen=True)
class DoctorRequest:
    """The command line of `doctor.py`; None is 'not given'."""

    plans: Path
    plan: str = "quick"
    corpus: str | None = None
    corpus_dir: Location | None = None
    tracking_uri: str | None = None
    ray_address: str | None = None
    home: Path = DEFAULT_HOME
    fix: bool = False


def examine(request: DoctorRequest, console: Console) -> int:
    """Run every check, and make the safe repairs on request.

    Returns:
        Exit code: `NOT_MET` if there is a problem.

    Raises:
        UserError: no such plan, or a plan that cannot be carried out.
        SettingError: an unknown corpus.
    """
    plan = read_plan(request.plan, folder=request.plans)
    if request.corpus is not None:
        plan = replace(plan, corpus=request.corpus)
    CORPORA[plan.corpus]  # refuses an unknown name
    plan.validate()
    levels: list[Level] = []
    n_fixable = 0
    for finding in _run_checks(request, plan, console):
        fixed = request.fix and finding.fix is not None
        levels.append(_fix_and_print(finding, console) if fixed else _print_with_remedy(finding, console))
        n_fixable += finding.fix is not None and not fixed
    n_problems, n_warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    hint = f"; --fix repairs {n_fixable} of them" if n_fixable else ""
    console.print(f"{n_problems} problems, {n_warnings} warnings{hint}")
    return NOT_MET if n_problems else FINISHED


def _run_checks(request: DoctorRequest, plan: Plan, console: Console) -> Iterator[Finding]:
    """Run the checks in order; a check that fails does not stop the others."""
    corpus, n_clips = corpus_finding(plan.corpus, request.corpus_dir)
    yield corpus
    needs = estimate_requirements(plan, n_clips=n_clips)
    yield from _run_check("disk", lambda: disk_findings(request.home, needs))
    yield memory_finding(free_bytes(), needs)
    store = FeatureStore(request.home / "features")
    yield from _run_check("features", lambda: store_findings(store, console))
    sweeps = find_sweeps(request.home)
    yield from _run_check("journals", lambda: sweep_findings(request.home, sweeps))
    yield from _run_check("checkpoints", lambda: stale_checkpoint_findings(sweeps))
    next_tracker, *earlier = list_trackers(request.tracking_uri, sweeps)
    yield from _check_tracker(next_tracker, request.home, sweeps)
    for uri in earlier:
        yield from map(as_warning, _check_tracker(uri, request.home, sweeps))
    yield from _run_check("Ray", lambda: ray_findings(request.ray_address, plan))


def _check_tracker(uri: str, home: Path, sweeps: Sequence[FoundSweep]) -> Iterator[Finding]:
    found = list(_run_check("tracker", lambda: tracker_findings(uri)))
    yield from found
    if all(finding.level is not Level.PROBLEM for finding in found):
        yield from _run_check("open runs", lambda: open_run_findings(uri, home, sweeps))


def _run_check(check: str, make_findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from make_findings()
    except UserError as error:
        yield problem_from(check, error)
    except OSError as error:
        yield problem(
            check,
            f"{error.filename or 'a file'} cannot be read ({error.strerror or error})",
            remedy="correct its permissions, or give another --home",
        )


def _print_with_remedy(finding: Finding, console: Console) -> Level:
    _print_headline(console, finding.level, finding.check, finding.found)
    if finding.remedy:
        print_line(console, f"         remedy: {finding.remedy}")
    return finding.level


def _fix_and_print(finding: Finding, console: Console) -> Level:
    assert finding.fix is not None
    _print_headline(console, finding.level, finding.check, finding.found)
    try:
        print_line(console, f"         fixed: {finding.fix()}")
    except (OSError, UserError) as error:
        print_line(console, f"         could not be repaired: {error}")
        return finding.level
    return Level.OK


def _print_headline(console: Console, level: Level, check: str, found: str) -> None:
    console.print(Text.assemble((f"{level:<9}", _STYLES[level]), f"{check:<12}", found), soft_wrap=True)
