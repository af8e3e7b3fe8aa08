"""State of a sweep, computed from the events of its journal."""

import itertools

import pytest

from ser.sweep.journal import Asked, Closed, Ended, Event, Journal, JournalError, Reported, Started, TrialKey
from ser.sweep.state import TERMINAL_OUTCOMES, SweepState, choose_best_trial, replay


def asked(cell: str, number: int) -> Asked:
    return Asked(cell, number, {"training.lr": 0.1}, {"training.lr": 0.1})


def reported(cell: str, number: int, epoch: int, uar: float, loss: float = 1.0) -> Reported:
    return Reported(cell, number, epoch, {"val_uar": uar, "val_loss": loss}, [[1]], False)


def record_of(*events) -> SweepState:
    record = SweepState()
    for event in (Started("s", {}, {}, time_s=100.0), *events):
        record.apply(event)
    return record


def test_a_sweep_is_the_sum_of_its_events():
    record = record_of(
        asked("a", 0),
        asked("b", 0),
        reported("a", 0, 1, 0.3),
        reported("a", 0, 2, 0.4),
        Ended("a", 0, "completed"),
        asked("a", 1),
        reported("b", 0, 1, 0.2),
        Ended("b", 0, "pruned"),
        Closed("killed"),
    )
    assert [str(key) for key in record.trials] == ["s/a/000", "s/b/000", "s/a/001"]
    assert [trial.outcome for trial in record.trials.values()] == ["completed", "pruned", "open"]
    assert [trial.n_epochs for trial in record.trials.values()] == [2, 1, 0]
    assert record.name == "s"
    assert record.closed is not None


def test_a_resumed_sweep_is_open():
    record = record_of(Closed("killed"))
    record.apply(Started("s", {"seed": 3}, {"sweep_id": "new"}, time_s=900.0))
    assert record.closed is None
    assert (record.facts.sweep_id, record.plan.seed) == ("new", 3)


@pytest.mark.parametrize(("outcome", "is_terminal"), [*((o, True) for o in TERMINAL_OUTCOMES), ("killed", False)])
def test_only_a_killed_trial_is_run_again(outcome, is_terminal):
    record = record_of(asked("a", 0), Ended("a", 0, outcome))
    assert record.trials[TrialKey("s", "a", 0)].is_terminal is is_terminal
    assert not record_of(asked("a", 0)).trials[TrialKey("s", "a", 0)].is_terminal


def test_a_trial_that_was_killed_once_is_known_for_it():
    trial = record_of(asked("a", 0), Ended("a", 0, "killed"), Ended("a", 0, "completed")).search_trials("a")[0]
    assert (trial.outcome, trial.was_killed) == ("completed", True)
    assert not record_of(asked("a", 0), Ended("a", 0, "completed")).search_trials("a")[0].was_killed


def test_trials_of_a_cell_come_in_the_order_of_their_numbers():
    record = record_of(asked("a", 11), asked("b", 1), asked("a", 2), asked("a", 0))
    assert [trial.key.number for trial in record.search_trials("a")] == [0, 2, 11]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({1: (0.2, 1.0), 2: (0.5, 1.0), 3: (0.4, 0.1)}, 2),
        ({1: (0.5, 1.0), 2: (0.5, 0.9), 3: (0.5, 1.1)}, 2),
        ({1: (0.5, 1.0), 2: (0.5, 1.0), 3: (0.5, 1.0)}, 1),
    ],
)
def test_the_best_epoch_is_by_uar_then_loss_then_the_earlier(scores, best):
    events = [reported("a", 0, epoch, *score) for epoch, score in scores.items()]
    trial = record_of(asked("a", 0), *events).search_trials("a")[0]
    assert trial.best is not None
    assert trial.best.epoch == best


def test_a_repeated_report_changes_nothing():
    events = [reported("a", 0, 1, 0.3), reported("a", 0, 2, 0.5), reported("a", 0, 3, 0.4)]
    again = record_of(asked("a", 0), *events, events[0], events[1]).search_trials("a")[0]
    assert (again.best, again.last, again.n_epochs) == (events[1], events[2], 3)


def test_a_trial_without_a_report_has_no_best_epoch():
    assert record_of(asked("a", 0)).search_trials("a")[0].best is None


def test_the_best_of_a_cell_is_a_completed_trial():
    events: list[Event] = [asked("a", n) for n in range(4)]
    events += [reported("a", n, 1, uar) for n, uar in enumerate((0.3, 0.6, 0.9, 0.8))]
    ends = [Ended("a", n, outcome) for n, outcome in enumerate(("completed", "completed", "pruned", "failed"))]
    best = record_of(*events, *ends).best_of_cell("a")
    assert best is not None
    assert best.key.number == 1
    assert record_of(*events).best_of_cell("a") is None


def test_test_figures_choose_nothing():
    events = []
    for n, (uar, test_uar) in enumerate(((0.5, 0.1), (0.4, 0.9))):
        events += [asked("a", n), reported("a", n, 1, uar), Ended("a", n, "completed", test={"uar": test_uar})]
    best = record_of(*events).best_of_cell("a")
    assert best is not None
    assert best.key.number == 0


def test_of_equal_trials_the_first_number_is_the_best_in_any_order():
    events = [event for n in range(3) for event in (asked("a", n), reported("a", n, 1, 0.5))]
    trials = record_of(*events).search_trials("a")
    assert {choose_best_trial(order).key.number for order in itertools.permutations(trials)} == {0}
    assert choose_best_trial([]) is None


def test_replay_reads_what_a_journal_holds(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    events: list[Event] = [Started("s", {}, {}), asked("a", 0), reported("a", 0, 1, 0.5), Ended("a", 0, "completed")]
    for event in events:
        journal.append(event)
    journal.close()
    record = replay(journal.path)
    assert record.search_trials("a")[0].ended == events[-1]
    assert record.search_trials("a")[0].best == record.search_trials("a")[0].last == events[2]


def test_a_missing_journal_is_named_with_its_remedy(tmp_path):
    with pytest.raises(JournalError, match=r"there is no journal at .*: check the name of the sweep"):
        replay(tmp_path / "journal.jsonl")


def test_a_damaged_journal_is_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"rubbish\nmore\n")
    with pytest.raises(JournalError, match="damaged at byte 0"):
        replay(path)
