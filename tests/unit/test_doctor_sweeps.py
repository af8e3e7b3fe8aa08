"""The doctor on sweeps: repairs of journals and stale checkpoints, and files that it must keep."""

import zlib
from pathlib import Path

import pytest

from ser.doctor.finding import Finding, Level
from ser.doctor.stale_checkpoints import stale_checkpoint_findings
from ser.doctor.sweeps import FoundSweep, find_sweeps, sweep_findings
from ser.sweep.journal import Asked, Closed, Ended, Event, Journal, JournalError, Reported, Started, lock_out_drivers
from ser.training.checkpoint import FILE_NAME

DRIVER = "ann@host-7 pid 42"
METRICS = {"val_uar": 0.5, "val_loss": 1.0}
BEGUN: list[Event] = [
    Started("s", {"cells": ["lenet5-1d"]}, {"ser.driver": DRIVER}),
    Asked("lenet5-1d", 0, {}, {}),
    Reported("lenet5-1d", 0, 1, METRICS, [[1]], False),
    Ended("lenet5-1d", 0, "pruned"),
    Asked("lenet5-1d", 1, {}, {}),
]
FINISHED: list[Event] = [*BEGUN, Ended("lenet5-1d", 1, "failed"), Closed("finished")]


def sweep(home: Path, events: list[Event], *, name: str = "s", sent: bool = True) -> Path:
    """The journal of a sweep of these events that no driver has."""
    path = home / "sweeps" / name / "journal.jsonl"
    journal = Journal(path)
    for event in events:
        journal.append(event)
    journal.close()
    if sent:
        path.with_suffix(".sent").write_text(f'{{"uri": "sqlite:///x.db", "offset": {path.stat().st_size}}}')
    return path


def of_sweeps(home: Path) -> list[Finding]:
    return list(sweep_findings(home, find_sweeps(home)))


def test_a_home_without_sweeps_is_fine(tmp_path: Path) -> None:
    (finding,) = of_sweeps(tmp_path / "none")
    assert (finding.level, "no sweep in" in finding.found) == (Level.OK, True)


def test_finished_and_sent_sweeps_are_one_line(tmp_path: Path) -> None:
    sweep(tmp_path, FINISHED, name="one")
    sweep(tmp_path, FINISHED, name="two")
    (finding,) = of_sweeps(tmp_path)
    assert (finding.level, "2 of 2 sweeps are finished" in finding.found) == (Level.OK, True)


@pytest.mark.parametrize(
    ("events", "how"),
    [(BEGUN, f"its driver process died ({DRIVER})"), ([*BEGUN, Closed("budget")], "stopped (budget)")],
    ids=["killed", "out of time"],
)
def test_an_unfinished_sweep_is_a_warning_with_the_command_that_resumes_it(
    tmp_path: Path, events: list[Event], how: str
) -> None:
    sweep(tmp_path, events)
    (finding,) = of_sweeps(tmp_path)
    assert finding.level is Level.WARNING
    assert finding.found.startswith(f"s: {how}, 1 trials ended, 1 open, last written ")
    assert finding.remedy == f"python tune/run_sweep.py --resume s --home {tmp_path}"
    assert finding.fix is None


def test_a_running_sweep_is_fine_and_names_its_driver(tmp_path: Path) -> None:
    journal = Journal(sweep(tmp_path, BEGUN))
    (finding,) = of_sweeps(tmp_path)
    journal.close()
    assert (finding.level, f"running now, driver {DRIVER}" in finding.found) == (Level.OK, True)


def test_what_was_not_sent_is_a_warning(tmp_path: Path) -> None:
    path = sweep(tmp_path, FINISHED, sent=False)
    assert "7 of 7 events were not sent" in of_sweeps(tmp_path)[0].found
    first = path.read_bytes().index(b"\n") + 1
    path.with_suffix(".sent").write_text(f'{{"uri": "http://me:secret@host", "offset": {first}}}')
    (finding,) = of_sweeps(tmp_path)
    assert finding.level is Level.WARNING
    assert "6 of 7 events were not sent to http://me:***@host" in finding.found
    assert "--resume s" in finding.remedy


def test_a_torn_line_is_removed_on_request(tmp_path: Path) -> None:
    path = sweep(tmp_path, FINISHED)
    whole = path.read_bytes()
    path.write_bytes(whole + b"12345678 {torn")
    (finding,) = of_sweeps(tmp_path)
    assert finding.level is Level.WARNING
    assert f"after byte {len(whole):,}" in finding.found
    assert path.read_bytes() != whole, "looking changes nothing"
    assert finding.fix is not None
    assert finding.fix() == "removed the torn line of s"
    assert path.read_bytes() == whole


def test_a_torn_line_is_left_to_the_driver_that_came_meanwhile(tmp_path: Path) -> None:
    path = sweep(tmp_path, FINISHED)
    path.write_bytes(path.read_bytes() + b"12345678 {torn")
    (finding,) = of_sweeps(tmp_path)
    journal = Journal(path)
    assert finding.fix is not None
    with pytest.raises(JournalError, match="held by another process"):
        finding.fix()
    journal.close()


def test_a_damaged_journal_is_a_warning_named_with_its_byte(tmp_path: Path) -> None:
    path = sweep(tmp_path, FINISHED)
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, others[0].replace(b"lenet5", b"lenet6"), *others[1:]]))
    (finding,) = of_sweeps(tmp_path)
    assert finding.level is Level.WARNING, "the next sweep has a journal of its own"
    assert f"is damaged at byte {len(first)}" in finding.found
    assert "restore a copy" in finding.remedy
    assert finding.fix is None


def test_a_journal_that_lacks_lines_or_is_of_another_version_is_a_warning(tmp_path: Path) -> None:
    sweep(tmp_path, [BEGUN[0], BEGUN[2]], name="lacking")
    other = sweep(tmp_path, [Closed("finished")], name="other")
    body = b'{"kind":"unknown"}'
    other.write_bytes(f"{zlib.crc32(body):08x} ".encode() + body + b"\n")
    lacking, unknown = of_sweeps(tmp_path)
    assert (lacking.level, unknown.level) == (Level.WARNING, Level.WARNING)
    assert "has events of trial s/lenet5-1d/000, but not its start" in lacking.found
    assert "another version of ser" in unknown.found
    assert unknown.remedy.startswith("use that version, or abandon the sweep: rm -r ")


def test_no_driver_opens_a_journal_that_the_doctor_locks(tmp_path: Path) -> None:
    path = sweep(tmp_path, BEGUN)
    with lock_out_drivers(path) as free:
        assert free
        with pytest.raises(JournalError, match="held by another process"):
            Journal(path)
    journal = Journal(path)
    with lock_out_drivers(path) as free:
        assert not free
    journal.close()


def checkpoints(home: Path) -> dict[str, Path]:
    """A checkpoint of the ended and of the open trial, and a bundle."""
    folder = home / "sweeps" / "s" / "trials" / "run-001"
    paths = {
        "ended": folder / "lenet5-1d-000" / "checkpoint_000001" / FILE_NAME,
        "open": folder / "lenet5-1d-001" / "checkpoint_000000" / FILE_NAME,
        "bundle": folder / "lenet5-1d-000" / "checkpoint_000002" / "weights.safetensors",
    }
    for path in paths.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 1000)
    return paths


def test_checkpoints_of_ended_trials_are_removed_and_nothing_else(tmp_path: Path) -> None:
    sweep(tmp_path, BEGUN)
    paths = checkpoints(tmp_path)
    (finding,) = stale_checkpoint_findings(find_sweeps(tmp_path))
    assert (finding.level, "1 checkpoints" in finding.found) == (Level.WARNING, True)
    assert "1 kB" in finding.found
    assert all(path.exists() for path in paths.values()), "looking changes nothing"
    assert finding.fix is not None
    assert finding.fix() == "removed 1 checkpoints of s"
    assert {name for name, path in paths.items() if path.exists()} == {"open", "bundle"}
    (finding,) = stale_checkpoint_findings(find_sweeps(tmp_path))
    assert finding.level is Level.OK


def test_checkpoints_of_a_sweep_that_runs_are_left_alone(tmp_path: Path) -> None:
    path = sweep(tmp_path, BEGUN)
    left = checkpoints(tmp_path)
    (before,) = stale_checkpoint_findings(find_sweeps(tmp_path))
    journal = Journal(path)
    (finding,) = stale_checkpoint_findings(find_sweeps(tmp_path))
    assert finding.level is Level.OK
    assert before.fix is not None
    assert "it is running now" in before.fix()
    assert all(path.exists() for path in left.values())
    journal.close()


def test_a_journal_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "sweeps" / "s" / "journal.jsonl").mkdir(parents=True)
    (found,) = find_sweeps(tmp_path)
    assert isinstance(found, FoundSweep)
    (finding,) = of_sweeps(tmp_path)
    assert (finding.level, "cannot be read (Is a directory)" in finding.found) == (Level.WARNING, True)
