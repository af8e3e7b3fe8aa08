"""Promotions that meet, or were killed in the middle: one version a run, and no mixed state."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

import pandas as pd
import pytest
from mlflow.entities import Run

from ser.tracking.registry.lock import alone
from ser.tracking.registry.promotion import promote, roll_back
from ser.tracking.registry.versions import Versions
from tests.support.command_runner import running
from tests.support.registry_runs import MODEL, aliases, right

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
from ser.tracking.registry.lock import alone
from ser.tracking.client.connection import open_tracker
with alone(open_tracker(sys.argv[1]), "ser-synthetic"):
    print("held", flush=True)
    time.sleep(600)
"""


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
    with alone(versions.client, MODEL, dead_after_s=1.0):
        assert time.monotonic() - started > 1.0
    assert [model.name for model in versions.client.search_registered_models()] == [MODEL]


def test_what_a_killed_promotion_left_undone_is_mended(
    versions: Versions, logged: Callable[..., Run], predictions: pd.DataFrame
) -> None:
    """It had moved `champion` and not yet `previous`."""
    before = aliases(versions)["champion"]
    promote(versions, logged(right(predictions)), force=True)
    versions.client.delete_registered_model_alias(MODEL, "previous")
    now, _ = roll_back(versions)
    assert str(now.version) == before
