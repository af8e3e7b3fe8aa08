"""Controller of a simulated sweep: fair turns, right outcomes, and every event written before it takes effect."""

import shutil

from optuna.trial import TrialState

from ser.settings.ranges import Value
from ser.sweep.controller import GLOBAL, Controller
from ser.sweep.journal import Journal, Reported, Started, TrialKey, read_events
from ser.sweep.state import replay
from tests.support.simulated_sweep import (
    CELLS,
    N_TRIALS,
    PLAN,
    SEARCHED,
    drive,
    plan,
    report_of,
    run_to_end,
    start_controller,
    summarise_sweep,
)


def test_the_played_sweep_holds_every_way_to_end(uninterrupted):
    outcomes = [trial.outcome for trial in replay(uninterrupted).trials.values()]
    assert len(outcomes) == len(CELLS) * N_TRIALS == 12
    assert outcomes.count("failed") == 2
    assert outcomes.count("pruned") >= 4
    assert outcomes.count("completed") >= 4
    assert replay(uninterrupted).closed.outcome == "finished"


def test_every_cell_gets_its_trials_in_turn_and_no_number_twice(uninterrupted):
    asked = [(e.cell, e.number) for _, e in read_events(uninterrupted) if e.kind == "asked"]
    assert asked == [(cell, number) for number in range(N_TRIALS) for cell in CELLS]


def test_trial_0_of_every_cell_is_the_defaults(uninterrupted):
    for cell, experiment in PLAN.experiments.items():
        assert replay(uninterrupted).trials[TrialKey("s", cell, 0)].asked.values == experiment.flat()


def test_asks_differ_between_cells_and_numbers(uninterrupted):
    rates = [t.asked.searched["training.lr"] for t in replay(uninterrupted).trials.values() if t.key.number > 0]
    assert len(set(rates)) == len(rates)


def test_a_sweep_played_again_is_the_same(uninterrupted, in_memory):
    assert summarise_sweep(run_to_end(in_memory / "journal.jsonl")) == summarise_sweep(uninterrupted)


def test_what_is_fixed_stays_and_what_is_searched_is_recorded(uninterrupted):
    for trial in replay(uninterrupted).trials.values():
        assert set(trial.asked.searched) == set(SEARCHED)
        assert trial.asked.searched.items() <= trial.asked.values.items()
        fixed = PLAN.experiments[trial.key.cell].flat()
        assert all(trial.asked.values[name] == fixed[name] for name in fixed if name not in SEARCHED)


def test_several_at_a_time_keep_the_cells_within_one_trial_of_each_other(in_memory):
    run_to_end(in_memory / "journal.jsonl", slots=4, seed=3)
    n_asked = dict.fromkeys(CELLS, 0)
    for _, event in read_events(in_memory / "journal.jsonl"):
        if event.kind == "asked":
            n_asked[event.cell] += 1
            assert max(n_asked.values()) - min(n_asked.values()) <= 1


def test_a_repeated_report_changes_nothing(in_memory):
    journal, controller = start_controller(in_memory / "journal.jsonl")
    ask = controller.next_trial()
    assert controller.report(report_of(ask, 1, 6))
    before = journal.path.read_bytes()
    poorer = Reported(ask.key.cell, 0, 1, {"val_uar": 0.0, "val_loss": 9.0}, [[0]], False)
    assert controller.report(poorer)
    assert journal.path.read_bytes() == before
    assert controller.state.trials[ask.key].best.metrics["val_uar"] > 0
    journal.close()


def test_optuna_gets_pruned_trials_as_pruned(uninterrupted, in_memory):
    path = in_memory / "journal.jsonl"
    shutil.copy(uninterrupted, path)
    journal, controller = start_controller(path)
    states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for cell in CELLS:
        trials = controller.state.search_trials(cell)
        known = controller._studies[cell].trials
        assert [trial.state for trial in known] == [states[trial.outcome] for trial in trials]
        for trial, frozen in zip(trials, known, strict=True):
            assert frozen.params == trial.asked.searched
            if trial.outcome == "pruned":
                assert frozen.intermediate_values == {trial.n_epochs: trial.last.metrics["val_uar"]}
    journal.close()


def test_no_trial_goes_past_a_rung_that_stopped_it(uninterrupted):
    for trial in replay(uninterrupted).trials.values():
        if trial.outcome == "pruned":
            assert trial.n_epochs in (1, 2, 4)
            assert not trial.last.last
        if trial.outcome == "completed":
            assert trial.n_epochs == 6


def test_the_last_epoch_is_never_cut_off_by_a_rung(in_memory):
    journal, controller = start_controller(in_memory / "journal.jsonl")
    asks = [controller.next_trial() for _ in range(2 * len(CELLS))]
    first, second = (ask for ask in asks if ask.key.cell == CELLS[0])
    for ask, uar in ((first, 0.9), (second, 0.1)):
        event = Reported(ask.key.cell, ask.key.number, 1, {"val_uar": uar, "val_loss": 1.0}, [[1]], True)
        assert controller.report(event)
        assert not controller.was_pruned(ask.key)
    journal.close()


def test_one_search_over_all_gives_the_defaults_of_each_cell_first(in_memory):
    of = plan(search=GLOBAL)
    record = replay(run_to_end(in_memory / "journal.jsonl", of))
    trials = list(record.trials.values())
    assert len(trials) == len(CELLS) * N_TRIALS
    assert [trial.key.cell for trial in trials[: len(CELLS)]] == list(CELLS)
    for trial in trials[: len(CELLS)]:
        assert trial.asked.values == of.experiments[trial.key.cell].flat()
    assert [trial.key.number for trial in trials] == list(range(12))


def test_a_finished_sweep_has_no_further_trial(uninterrupted, in_memory):
    path = in_memory / "journal.jsonl"
    shutil.copy(uninterrupted, path)
    journal, controller = start_controller(path)
    assert controller.is_finished()
    assert controller.next_trial() is None
    assert controller.n_trials == len(controller.state.trials) == 12
    controller.close()
    journal.close()
    assert replay(path).closed.outcome == "finished"


def test_events_are_in_the_journal_before_anyone_acts_on_them(in_memory):
    journal, controller = start_controller(in_memory / "journal.jsonl")
    for _ in drive(controller):
        assert replay(journal.path) == controller.state
    journal.close()


def test_sweeps_of_other_names_and_seeds_ask_for_other_points(in_memory):
    def rates(name: str, seed: int) -> set[Value]:
        journal = Journal(in_memory / f"{name}-{seed}.jsonl")
        journal.append(Started(name, {}, {}))
        controller = Controller(journal, plan(seed=seed))
        asks = [controller.next_trial() for _ in range(9)]
        journal.close()
        return {ask.experiment.flat()["training.lr"] for ask in asks[3:]}

    found = [rates("s", 0), rates("t", 0), rates("s", 1)]
    assert len(set.union(*found)) == 18
