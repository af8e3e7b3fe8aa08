"""One Optuna study: defaults first, proposals that depend on the key alone, and outcomes in Optuna's form."""

import json
import subprocess
import sys

import pytest
from optuna.trial import TrialState

from ser.settings.ranges import Value
from ser.sweep.journal import Asked, TrialKey
from ser.sweep.study import CELL
from tests.support.simulated_search import CELLS, NARROW, defaults, ended, played, score, study


def test_the_first_trial_is_the_defaults():
    key, values = study("lenet5-1d").ask("s", 0)
    flat = defaults("lenet5-1d")["lenet5-1d"].flat()
    assert key == TrialKey("s", "lenet5-1d", 0)
    assert values == {name: flat[name] for name in NARROW}


def test_every_searched_setting_is_asked_for_and_fits():
    one, experiment = study("sercnn-2d", names=()), defaults("sercnn-2d")["sercnn-2d"]
    for number in range(12):
        key, values = one.ask("s", number)
        assert set(values) == set(experiment.searched())
        assert experiment.with_values(values).flat() == {**experiment.flat(), **values}
        one.tell(ended(key, values, "completed", 0.1 * number))


def test_the_same_key_asks_the_same_and_any_other_another():
    first = played(study("lenet5-1d"), 8)
    assert played(study("lenet5-1d"), 8) == first
    others = [
        played(study("lenet5-1d", seed=1), 8),
        played(study("lenet5-1d"), 8, sweep="t"),
        played(study("lenet5-2d"), 8),
    ]
    rates = [ask["training.lr"] for asks in (first, *others) for ask in asks[1:]]
    assert len(set(rates)) == len(rates) == 28


PLAY = """
import json
from tests.support.simulated_search import played, study
print(json.dumps(played(study("lenet5-1d", "sercnn-2d"), 9)))
"""


def test_another_process_asks_the_same(request):
    folder = request.config.rootpath
    run = subprocess.run([sys.executable, "-c", PLAY], cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == played(study(*CELLS), 9)


@pytest.mark.parametrize("cells", [CELLS[:1], CELLS])
@pytest.mark.parametrize("n_before", [1, 3, 6, 9])
def test_a_study_rebuilt_from_its_asks_goes_on_where_the_other_stopped(cells, n_before):
    whole = played(study(*cells), 12)
    rebuilt = study(*cells)
    for number, ask in enumerate(whole[:n_before]):
        values = {name: value for name, value in ask.items() if name != "cell"}
        # As the journal has them, there and back through JSON.
        replayed = Asked(str(ask["cell"]), number, {}, json.loads(json.dumps(values)))
        key, again = rebuilt.ask("s", number, replayed=replayed)
        assert (key.cell, again) == (ask["cell"], values)
        rebuilt.tell(ended(key, values, "completed", score(values)))
    for number in range(n_before, 12):
        key, values = rebuilt.ask("s", number)
        assert {"cell": key.cell, **values} == whole[number]
        rebuilt.tell(ended(key, values, "completed", score(values)))


def test_trials_that_run_at_the_same_time_differ():
    asks = played(study("lenet5-1d"), 10, told=0)
    assert len({ask["training.lr"] for ask in asks}) == 10


def test_how_trials_end_is_what_optuna_knows():
    one = study("lenet5-1d")
    told = [
        ("completed", (0.3, 0.5, 0.4)),
        ("pruned", (0.2, 0.1)),
        ("failed", (0.9,)),
        ("failed", ()),
        ("completed", ()),
    ]
    for number, (outcome, uars) in enumerate(told):
        key, values = one.ask("s", number)
        one.tell(ended(key, values, outcome, *uars))
    one.ask("s", len(told))
    assert [trial.state for trial in one.trials] == [
        TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL, TrialState.FAIL, TrialState.RUNNING,
    ]  # fmt: skip
    assert one.trials[0].value == 0.5
    assert one.trials[1].intermediate_values == {2: 0.1}


def test_the_search_learns_what_is_good():
    # 40 trials against a score that peaks at dropout 0.45: the later half asks nearer to it than chance would.
    asks = played(study("lenet5-1d", n_startup_trials=10), 40)
    distance = [abs(float(ask["model.dropout"]) - 0.45) for ask in asks]
    assert sum(distance[20:]) / 20 < 0.6 * sum(distance[1:11]) / 10
    assert sum(ask["model.norm"] == "batch" for ask in asks[20:]) >= 15


def test_one_study_over_all_cells_begins_with_the_defaults_of_each():
    one, experiments = study(*CELLS), defaults(*CELLS)
    for number, cell in enumerate(CELLS):
        key, values = one.ask("s", number)
        assert (key.cell, key.number) == (cell, number)
        flat = experiments[cell].flat()
        assert values == {name: flat[name] for name in NARROW}
        one.tell(ended(key, values, "completed", 0.5))


def test_one_study_over_all_cells_leaves_the_poor_cell():
    one = study(*CELLS)
    chosen = []
    for number in range(40):
        key, values = one.ask("s", number)
        chosen.append(key.cell)
        one.tell(ended(key, values, "completed", 0.7 if key.cell == "sercnn-2d" else 0.3))
    assert chosen[20:].count("sercnn-2d") >= 15
    assert {trial.params[CELL] for trial in one.trials} == set(CELLS)


def test_settings_of_a_cell_are_its_own_in_one_study_and_those_of_training_are_shared():
    one = study(*CELLS)
    played(one, 2)
    first, second = ({*trial.params} for trial in one.trials)
    assert first & second == {CELL, "training.lr", "training.batch_size", "augment.n_time_masks"}
    assert first - second == {"lenet5-1d:model.dropout", "lenet5-1d:model.norm"}


def test_a_replayed_trial_tells_nothing_of_what_was_not_searched_then():
    one = study("lenet5-1d")
    searched: dict[str, Value] = {"training.lr": 0.002, "training.batch_size": 32}
    key, values = one.ask("s", 0, replayed=Asked("lenet5-1d", 0, {}, searched))
    assert values == searched
    one.tell(ended(key, values, "completed", 0.4))
    assert one.trials[0].params == searched
    _, asked = one.ask("s", 1)
    assert asked.keys() > searched.keys()
