"""Promotions that meet, or are killed or paused in the middle: one version a run, and no mixed state."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL

import pandas as pd
import pytest
from mlflow.entities import Run

from ser.tracking.registry.lock import lock_model
from ser.tracking.registry.promotion import promote, roll_back
from ser.tracking.registry.versions import Versions
from tests.support.command_runner import Command, running
from tests.support.registry_runs import MODEL, aliases, right, wrong

pytestmark = pytest.mark.integration

AT_ONCE = """
import sys
from ser.tracking.registry.promotion import promote
from ser.tracking.client.connection import open_tracker
from ser.tracking.registry.versions import Versions
versions = Versions(open_tracker(sys.argv[1]), "ser-synthetic")
runs = [versions.run(run_id) for run_id in sys.argv[2:]]
for _ in range(3):
    for run in runs:
        promote(versions, run, force=True)
"""
HOLD = """
import sys, time
from ser.tracking.registry.lock import lock_model
from ser.tracking.client.connection import open_tracker
with lock_model(open_tracker(sys.argv[1]), "ser-synthetic"):
    print("held", flush=True)
    time.sleep(600)
"""
# Stops itself at the first call of a method, as a laptop does whose lid is closed, and says how it ended.
PAUSED = """
import os, signal, sys
from mlflow.tracking import MlflowClient
from ser.errors import UserError
from ser.tracking.client.connection import open_tracker
from ser.tracking.registry.lock import Lock
from ser.tracking.registry.promotion import promote, roll_back
from ser.tracking.registry.versions import Versions
uri, run_id, method, command = sys.argv[1:]
owner, name = {"Lock": Lock, "MlflowClient": MlflowClient}[method.split(".")[0]], method.split(".")[1]
act = getattr(owner, name)
def pause(self, *given, **named):
    setattr(owner, name, act)
    print("pauses", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    return act(self, *given, **named)
setattr(owner, name, pause)
versions = Versions(open_tracker(uri), "ser-synthetic")
try:
    if command == "register":
        print(versions.of_run(versions.run(run_id)).version)
    elif command == "promote":
        print(promote(versions, versions.run(run_id)).sentence)
    else:
        print(*(version.version for version in roll_back(versions)))
except UserError as error:
    print(error)
"""


@contextmanager
def paused(versions: Versions, run: Run, method: str, command: str, folder: Path) -> Iterator[Command]:
    """A command that was paused at its first call of `method`, whose lock has been taken over since."""
    words = (f"sqlite:///{folder}/mlflow.db", run.info.run_id, method, command)
    with running(sys.executable, "-c", PAUSED, *words, folder=folder) as holder:
        holder.wait_until(lambda: "pauses" in holder.text)
        with lock_model(versions.client, MODEL, taken_over_after_s=1.0):
            pass
        yield holder


def wake(holder: Command) -> str:
    """What the command said when it went on to its end."""
    holder.signal(SIGCONT)
    ended = holder.end()
    assert ended.code == 0, ended.seen
    return ended.stdout.removeprefix("pauses\n").strip()


def test_several_at_once_make_one_version_a_run_and_no_mixed_state(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path
) -> None:
    runs = [logged(predictions).info.run_id for _ in range(3)]
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    folders = [tmp_path / name for name in ("one", "other", "third")]
    for folder in folders:
        folder.mkdir()
    commands = [running(sys.executable, "-c", AT_ONCE, uri, *runs, folder=folder) for folder in folders]
    with commands[0] as one, commands[1] as other, commands[2] as third:
        for command in (one, other, third):
            ended = command.end()
            assert ended.code == 0, ended.seen
    found = [v for v in versions.client.search_model_versions(f"name = '{MODEL}'") if v.run_id in runs]
    assert sorted(version.run_id for version in found) == sorted(runs)
    champion = versions.at("champion")
    assert champion.run_id in runs
    assert aliases(versions)["previous"] == champion.tags["ser.champion_before"]
    assert aliases(versions)["previous"] != aliases(versions)["champion"]
    names = [model.name for model in versions.client.search_registered_models()]
    assert names == [MODEL]


def test_a_process_killed_in_the_middle_holds_nobody_up_for_long(versions: Versions, tmp_path: Path) -> None:
    with running(sys.executable, "-c", HOLD, f"sqlite:///{tmp_path}/mlflow.db", folder=tmp_path) as command:
        command.wait_until(lambda: "held" in command.text)
        command.signal(SIGKILL)
        command.end()
    started = time.monotonic()
    with lock_model(versions.client, MODEL, taken_over_after_s=1.0):
        assert time.monotonic() - started > 1.0
    assert [model.name for model in versions.client.search_registered_models()] == [MODEL]


def test_a_promotion_that_was_paused_before_a_change_is_judged_against_the_champion_of_now(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path
) -> None:
    """Both are better than the champion when the paused one begins, and exactly as good as each other."""
    promote(versions, logged(wrong(predictions)), force=True)
    first, other = logged(right(predictions)), logged(right(predictions))
    with paused(versions, first, "Lock.confirm", "promote", tmp_path) as holder:
        moved = promote(versions, other)
        now = aliases(versions)
        told = wake(holder)
    assert moved.verdict.better, moved.sentence
    assert told.startswith(f"champion stays at version {now['champion']}: "), told
    assert aliases(versions) == now
    assert [model.name for model in versions.client.search_registered_models()] == [MODEL]


def test_a_champion_that_moved_late_is_told_and_the_next_promotion_goes_on_from_there(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path
) -> None:
    """Paused between the last look at the lock and the one request that moves the alias."""
    weak = promote(versions, logged(wrong(predictions)), force=True).champion
    first, other = logged(right(predictions)), logged(right(predictions))
    with paused(versions, first, "MlflowClient.set_registered_model_alias", "promote", tmp_path) as holder:
        promote(versions, other)
        told = wake(holder)
    assert told.startswith("this process was paused for so long that another may have changed"), told
    assert versions.run_at("champion").info.run_id == first.info.run_id
    promote(versions, other, force=True)
    assert versions.run_at("previous").info.run_id == first.info.run_id
    for expected in (first.info.run_id, weak.run_id):
        roll_back(versions)
        assert versions.run_at("champion").info.run_id == expected


def test_a_rollback_that_was_paused_changes_nothing_and_says_so(
    versions: Versions, champion: Run, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path
) -> None:
    promote(versions, logged(wrong(predictions)), force=True)
    with paused(versions, champion, "Lock.confirm", "roll back", tmp_path) as holder:
        promote(versions, logged(right(predictions)), force=True)
        now = aliases(versions)
        told = wake(holder)
    assert told.startswith("this process was paused for so long that another may have changed"), told
    assert aliases(versions) == now
    assert not any("ser.rolled_back" in version.tags for version in versions.client.search_model_versions())


@pytest.mark.parametrize("method", ["log_batch", "log_model_params", "create_model_version"])
def test_a_version_that_is_made_twice_is_kept_once(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame, tmp_path: Path, method: str
) -> None:
    run_id = logged(predictions).info.run_id
    versions.client.log_metric(run_id, "test_uar", 0.5)
    run = versions.run(run_id)
    with paused(versions, run, f"MlflowClient.{method}", "register", tmp_path) as holder:
        first = versions.of_run(run)
        told = wake(holder)
    assert told == str(first.version)
    found = versions.client.search_model_versions(f"name = '{MODEL}' and run_id = '{run_id}'")
    assert [str(version.version) for version in found] == [str(first.version)]
    model = versions.client.get_logged_model(str(first.source).removeprefix("models:/"))
    assert model.params == run.data.params
    assert len(versions.client.get_metric_history(run_id, "test_uar")) == 1


def test_what_a_killed_promotion_left_undone_is_mended(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """It had moved `champion` and not yet `previous`."""
    before = aliases(versions)["champion"]
    promote(versions, logged(right(predictions)), force=True)
    versions.client.delete_registered_model_alias(MODEL, "previous")
    now, _ = roll_back(versions)
    assert str(now.version) == before
