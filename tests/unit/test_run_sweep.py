"""Command line of `run_sweep.py`: its meaning, and every refusal as a one-line error before Ray starts."""

import itertools
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import ray

from ser.commands.exit_codes import REFUSED
from ser.commands.main import run_command
from ser.commands.run_sweep import _close_on_exit, _read_resumed, run_sweep
from ser.commands.sweep_request import SweepRequest, add_final_evaluation, new_plan
from ser.corpora.cremad import EMOTION_OF_CODE, SENTENCES
from ser.corpora.download.cremad import OFFICIAL
from ser.features.spaces import FrameSpace, MelSpace
from ser.settings.ranges import Value
from ser.sweep.driver_process import stop_on_sigterm
from ser.sweep.journal import Asked, Closed, Journal, Started, read_events
from ser.sweep.plan import Plan
from ser.sweep.plan_files import read_plan

TUNE = Path(__file__).resolve().parents[2] / "tune"
PLANS = TUNE / "plans"


def exit_code(request: SweepRequest) -> int:
    """Exit code of the command for a request."""
    with pytest.raises(SystemExit) as ended:
        run_command(lambda console: run_sweep(request, console), stopped="Stopped.")
    return int(ended.value.code or 0)


@pytest.fixture
def request_of(tmp_path: Path):
    def make(**given: Any) -> SweepRequest:
        return SweepRequest(command="test", plans=PLANS, home=tmp_path / "home", **given)

    return make


@pytest.fixture
def refused(request_of, capsys, monkeypatch, tmp_path):
    """The one-line error with which a request is refused."""
    monkeypatch.chdir(tmp_path)
    # No server listens there: a refused request sends nothing.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    def run(**given: Any) -> str:
        assert exit_code(request_of(**given)) == REFUSED
        assert not ray.is_initialized()
        *before, last = capsys.readouterr().out.strip().splitlines()
        assert last.startswith("error: ")
        assert not any("Traceback" in line for line in before)
        return last.removeprefix("error: ")

    return run


@pytest.fixture
def names(tmp_path) -> Path:
    """A corpus of empty files: no clip is read before Ray starts."""
    folder = tmp_path / "names"
    folder.mkdir()
    for sentence, code in itertools.product(SENTENCES, EMOTION_OF_CODE):
        (folder / f"1001_{sentence}_{code}_XX.wav").touch()
    return folder


def begun(home: Path, name: str, *, plan: Plan | None = None, facts: dict[str, Any] | None = None) -> Path:
    """A sweep as a killed driver left it."""
    journal = Journal(home / "sweeps" / name / "journal.jsonl")
    versions = {"1d": FrameSpace.version, "2d": MelSpace.version}
    facts = {"features_versions": versions, **(facts or {})}
    journal.append(Started(name, (plan or Plan(cells=("lenet5-1d",))).as_dict(), facts))
    journal.append(Closed("killed"))
    journal.close()
    return journal.path


def test_the_command_line_wins_over_the_plan(request_of):
    plan = new_plan(
        request_of(
            plan="demo", cells="vgg16-1d,lenet5-1d", trials_per_cell=9, max_epochs=3, split="speaker-5fold",
            search="global", seed=4, settings=["split.fold=2", "model.width=0.25", "model.width=0.5"],
        )
    )  # fmt: skip
    assert (plan.cells, plan.trials_per_cell, plan.max_epochs) == (("vgg16-1d", "lenet5-1d"), 9, 3)
    assert (plan.split, plan.search, plan.seed, plan.corpus) == ("speaker-5fold", "global", 4, "synthetic")
    for experiment in plan.experiments.values():
        assert (experiment.flat()["split.fold"], experiment.flat()["model.width"]) == (2, 0.5)


def test_the_default_plan_is_quick(request_of):
    assert new_plan(request_of()) == read_plan("quick", folder=PLANS)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"plan": "quik"}, "unknown plan 'quik': did you mean 'quick'? known are ablation, ablation-2"),
        ({"cells": "lenet-1d"}, "unknown cell 'lenet-1d': did you mean 'lenet5-1d'?"),
        ({"cells": ""}, "unknown cell ''"),
        ({"corpus": "crema-d"}, "unknown corpus 'crema-d': did you mean 'cremad'?"),
        ({"split": "speaker5fold"}, "unknown split 'speaker5fold': did you mean 'speaker-5fold'?"),
        ({"trials_per_cell": 0}, "trials_per_cell must lie in {1..100000}, got 0"),
        ({"seed": -1}, "seed must lie in"),
        ({"settings": ["training.lr"]}, "must have the form name=value, as in training.lr=0.001, got 'training.lr'"),
        ({"settings": ["training.rl=1"]}, "unknown setting 'training.rl': did you mean 'training.lr'?"),
        ({"settings": ["training.lr=fast"]}, "training.lr must be float, got 'fast'"),
        ({"settings": ["model.dropout=1.5"]}, "model.dropout must lie in [0, 0.6], got 1.5"),
        ({"settings": ["training.max_epochs=3"]}, "training.max_epochs is set by the plan's max_epochs (--max-epochs)"),
        ({"settings": ["model.pooling=none"], "cells": "sercnn-1d"}, "model.pooling must be one of"),
        ({"settings": ["model.pooling=none"], "cells": "lenet5-1d"}, "unknown setting 'model.pooling'"),
        ({"search": "grid"}, "search must be one of {per-cell, global}, got 'grid'"),
        ({"register": "best"}, "--register must be one of all, cells, champion, got 'best'"),
        ({"time_budget": "soon"}, "--time-budget must be a number with s, m or h"),
        ({"name": "my sweep"}, "a sweep's name must consist of letters, digits, '.', '_' and '-', got 'my sweep'"),
        ({"name": "../elsewhere"}, "a sweep's name must consist of letters"),
        ({"folds": "0"}, "belong to the final evaluation, which needs seeds: add --final-seeds 3"),
        ({"final_seeds": 1, "folds": "some"}, "--folds must be 'all' or numbers joined by commas, as in 0,2"),
        ({"final_seeds": 1, "folds": "2"}, "final_folds (--folds) must be below 1, the folds of assignment; got 2"),
        ({"final_seeds": 1, "final_splits": "evr"}, "unknown split 'evr': did you mean 'evar'?"),
        ({"resume": "none"}, "there is no journal at"),
        ({"resume": "none", "seed": 0}, "omit --seed"),
        ({"resume": "none", "plan": "demo", "settings": ["training.lr=1"]}, "omit --plan, --settings"),
        ({"dry_run": True, "corpus_dir": Path("nowhere")}, "nowhere"),
        ({"dry_run": True}, "data/cremad is not a folder: give the folder that holds AudioWAV, Crema or AudioFLAC"),
        ({"dry_run": True, "download_from": OFFICIAL}, "--download fetches it from https://github.com/"),
        ({"corpus": "tess", "download_from": OFFICIAL}, "--download fetches cremad only, not tess: omit it"),
        ({"download_from": "http://one"}, "--download-from must be two addresses joined by a comma"),
        ({"corpus_dir": "s3://b", "download_from": OFFICIAL}, "writes to a folder of this machine, not to s3://b"),
        ({"name": "a", "ray_address": "ray://head:10001"}, "would run the sweep elsewhere while its journal"),
    ],
)  # fmt: skip
def test_an_invalid_request_is_refused_with_a_one_line_error(refused, given, rule):
    assert rule in refused(**given)


def test_a_refused_request_leaves_its_name_free(refused):
    for _ in range(2):
        assert "would run the sweep elsewhere" in refused(name="mine", ray_address="ray://head:10001")


def test_a_name_that_is_taken_is_refused_with_both_ways_on(refused, tmp_path):
    begun(tmp_path / "home", "mine")
    sentence = refused(name="mine")
    assert sentence == "there is already a sweep 'mine': resume it with --resume mine, or choose another --name"


@pytest.mark.parametrize("left", [b"", b'00000000 {"kind":"started","sw'], ids=["empty", "torn"])
def test_a_sweep_that_never_began_is_started_again_not_resumed(refused, tmp_path, left):
    path = tmp_path / "home" / "sweeps" / "mine" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(left)
    assert refused(resume="mine") == "the sweep 'mine' never began: start it with --name mine"
    assert "would run the sweep elsewhere" in refused(name="mine", ray_address="ray://head:10001")


def test_a_tracker_of_no_known_kind_is_refused(refused, names):
    uri = "carrier-pigeon://loft"
    assert "is no tracker that MLflow knows" in refused(name="a", corpus_dir=names, tracking_uri=uri)


def test_a_sweep_that_is_running_is_left_alone(refused, names, tmp_path):
    facts: dict[str, Any] = {"tracking_uri": "http://127.0.0.1:9", "corpus_dir": str(names)}
    facts["features_versions"] = {"1d": FrameSpace.version, "2d": MelSpace.version}
    running = Journal(begun(tmp_path / "home", "mine", facts=facts))
    assert "is held by another process, this sweep is running already" in refused(resume="mine")
    running.close()


def test_a_damaged_journal_is_named(refused, tmp_path):
    path = begun(tmp_path / "home", "mine")
    path.write_bytes(b"x" + path.read_bytes())
    assert "is damaged at byte 0" in refused(resume="mine")


def test_a_sweep_with_settings_of_another_version_is_left_to_that_version(refused, tmp_path):
    path = begun(tmp_path / "home", "mine")
    values: dict[str, Value] = {"cell.architecture": "lenet5", "cell.dimensions": 1, "model.drop_out": 0.2}
    with closing(Journal(path)) as journal:
        journal.append(Asked("lenet5-1d", 0, values, {}))
    rule = "trial mine/lenet5-1d/000 must have settings of this version of ser, another version gave it others"
    said = refused(resume="mine")
    assert said.startswith(f"{rule} (unknown setting 'model.drop_out': did you mean")
    assert said.endswith("): use that version")


def test_a_resumed_sweep_keeps_its_plan(request_of, tmp_path):
    plan = Plan(corpus="synthetic", cells=("vgg16-1d",), seed=3, settings={"training.lr": "0.002"})
    begun(tmp_path / "home", "mine", plan=plan, facts={"corpus_dir": "there"})
    record = _read_resumed(request_of(resume="mine"))
    assert record.plan == plan
    assert record.facts.corpus_dir == "there"


def test_a_final_evaluation_may_be_added_to_any_sweep(refused, request_of, tmp_path):
    begun(tmp_path / "home", "mine")
    given = {"resume": "mine", "final_seeds": 2, "folds": "0,3", "final_splits": "speaker-5fold-present"}
    assert _read_resumed(request_of(**given)).name == "mine"
    assert "split" not in refused(**given, corpus_dir=tmp_path)  # the next refusal: there is no corpus
    changed = add_final_evaluation(Plan(cells=("lenet5-1d",)), request_of(**given))
    assert (changed.final_seeds, changed.final_folds) == (2, (0, 3))
    assert changed.final_splits == ("speaker-5fold-present",)


def test_a_resumed_sweep_looks_for_its_clips_where_it_began(refused, tmp_path):
    begun(tmp_path / "home", "mine", facts={"corpus_dir": str(tmp_path / "voices"), "tracking_uri": ""})
    assert f"{tmp_path}/voices" in refused(resume="mine", dry_run=True)


def test_a_plan_file_names_its_sweep_by_its_stem(refused, names, tmp_path):
    mine = tmp_path / "plans" / "mine.toml"
    mine.parent.mkdir()
    mine.write_text('corpus = "cremad"\ncells = ["lenet5-1d"]\n')
    refused(plan=str(mine), corpus_dir=names, tracking_uri="carrier-pigeon://loft")
    (folder,) = (tmp_path / "home" / "sweeps").iterdir()
    assert folder.name.startswith("mine-20")
    assert list(mine.parent.iterdir()) == [mine]


def test_termination_is_an_orderly_interruption():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stop_on_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("before", "outcome"), [([], "killed"), ([Closed("finished")], "finished")])
def test_a_sweep_that_is_stopped_before_anything_runs_is_let_go_of_once(tmp_path, before, outcome) -> None:
    path = tmp_path / "journal.jsonl"

    def stopped() -> None:
        with closing(Journal(path)) as journal, _close_on_exit(journal):
            for event in (Started("s", {}, {}), *before):
                journal.append(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [event.outcome for _, event in read_events(path) if isinstance(event, Closed)] == [outcome]
