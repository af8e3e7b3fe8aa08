"""The whole examination: every check in turn, a line each, and what can be repaired."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ser.commands.exit_codes import FINISHED, NOT_MET
from ser.corpora.base import CORPORA
from ser.corpora.locations import Location
from ser.doctor.cluster import ray_findings
from ser.doctor.disk import disk_findings
from ser.doctor.features import corpus_finding, store_findings
from ser.doctor.finding import Finding, Level, problem, refused
from ser.doctor.memory import free_bytes, memory_finding
from ser.doctor.open_runs import open_run_findings
from ser.doctor.requirements import needs_of
from ser.doctor.stale_checkpoints import leftover_findings
from ser.doctor.sweeps import SeenSweep, seen_sweeps, sweep_findings
from ser.doctor.tracker import not_in_the_way, tracker_findings, trackers
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
    """Look at everything, and repair what is safe if asked to.

    Returns:
        Exit code: 0 without a problem, 1 with one.

    Raises:
        UserError: no such plan, or one that cannot be carried out.
        SettingError: no such corpus.
    """
    plan = read_plan(request.plan, folder=request.plans)
    if request.corpus is not None:
        plan = replace(plan, corpus=request.corpus)
    CORPORA[plan.corpus]
    plan.validate()
    levels: list[Level] = []
    n_fixable = 0
    for finding in _findings(request, plan, console):
        fixed = request.fix and finding.fix is not None
        levels.append(_show_fixed(finding, console) if fixed else _show(finding, console))
        n_fixable += finding.fix is not None and not fixed
    n_problems, n_warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    hint = f"; --fix repairs {n_fixable} of them" if n_fixable else ""
    console.print(f"{n_problems} problems, {n_warnings} warnings{hint}")
    return NOT_MET if n_problems else FINISHED


def _findings(request: DoctorRequest, plan: Plan, console: Console) -> Iterator[Finding]:
    """One thing after the other; one that cannot be looked at hinders none of the others."""
    corpus, n_clips = corpus_finding(plan.corpus, request.corpus_dir)
    yield corpus
    needs = needs_of(plan, n_clips=n_clips)
    yield from _looked_at("disk", lambda: disk_findings(request.home, needs))
    yield memory_finding(free_bytes(), needs)
    store = FeatureStore(request.home / "features")
    yield from _looked_at("features", lambda: store_findings(store, console))
    sweeps = seen_sweeps(request.home)
    yield from _looked_at("journals", lambda: sweep_findings(request.home, sweeps))
    yield from _looked_at("states", lambda: leftover_findings(sweeps))
    meant, *earlier = trackers(request.tracking_uri, sweeps)
    yield from _of_tracker(meant, request.home, sweeps)
    for uri in earlier:
        yield from map(not_in_the_way, _of_tracker(uri, request.home, sweeps))
    yield from _looked_at("Ray", lambda: ray_findings(request.ray_address, plan))


def _of_tracker(uri: str, home: Path, sweeps: Sequence[SeenSweep]) -> Iterator[Finding]:
    found = list(_looked_at("tracker", lambda: tracker_findings(uri)))
    yield from found
    if all(finding.level is not Level.PROBLEM for finding in found):
        yield from _looked_at("open runs", lambda: open_run_findings(uri, home, sweeps))


def _looked_at(check: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except UserError as error:
        yield refused(check, error)
    except OSError as error:
        yield problem(
            check,
            f"{error.filename or 'a file'} cannot be looked at ({error.strerror or error})",
            remedy="mend its permissions, or give another --home",
        )


def _show(finding: Finding, console: Console) -> Level:
    _line(console, finding.level, finding.check, finding.found)
    if finding.remedy:
        _say(console, f"         remedy: {finding.remedy}")
    return finding.level


def _show_fixed(finding: Finding, console: Console) -> Level:
    assert finding.fix is not None
    _line(console, finding.level, finding.check, finding.found)
    try:
        _say(console, f"         fixed: {finding.fix()}")
    except (OSError, UserError) as error:
        _say(console, f"         could not be repaired: {error}")
        return finding.level
    return Level.OK


def _line(console: Console, level: Level, check: str, found: str) -> None:
    console.print(Text.assemble((f"{level:<9}", _STYLES[level]), f"{check:<10}", found), soft_wrap=True)


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False)
