"""Pruning removes only the features of settings that are not in use."""

import io
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ser.audio import AudioFacts
from ser.commands.feature_pruning import prune
from ser.errors import UserError
from ser.experiment.preparation import build_pipeline
from ser.features.pipeline import Pipeline
from ser.features.store import FeatureStore
from ser.features.stored_clip import Entry
from ser.settings.ranges import Value
from ser.sweep.journal import Journal, Started
from ser.sweep.plan import Plan

PLAN = Plan(cells=("lenet5-1d", "lenet5-2d"), settings={"features.framing.hop_s": 0.02})
OF_SWEEP = build_pipeline(PLAN.experiments.values()).digest
OF_NOBODY = "0" * 64
ENTRY = Entry(AudioFacts("d", 10, 0.5), {"1d": np.zeros((20, 7), np.float32)})


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Two entries of the default pipeline, of a sweep's and of nobody's."""
    store = FeatureStore(tmp_path / "features")
    for digest in (Pipeline().digest, OF_SWEEP, OF_NOBODY):
        for sound in ("one", "two"):
            store.write(store.key(sound, digest), ENTRY)
    return store


def begin_sweep(home: Path) -> Path:
    with closing(Journal(home / "sweeps" / "s" / "journal.jsonl")) as journal:
        journal.append(Started("s", PLAN.as_dict(), {}))
    return journal.path


def pruned(store: FeatureStore, home: Path) -> str:
    told = io.StringIO()
    prune(store, home, Pipeline(), Console(file=told, width=200))
    return told.getvalue()


def test_what_this_command_and_the_sweeps_name_stays(store: FeatureStore, tmp_path: Path) -> None:
    begin_sweep(tmp_path)
    n_bytes = store.path(store.key("one", OF_NOBODY)).stat().st_size
    told = pruned(store, tmp_path)
    assert told == f"Removed 2 entries, {2 * n_bytes / 1e6:,.1f} MB, of settings that are not in use\n"
    assert store.pipelines() == sorted([Pipeline().digest, OF_SWEEP])
    assert len(list(store.keys())) == 4
    assert list((store.root / ".unfinished").iterdir()) == []


def test_what_a_variant_of_an_ablation_names_stays(store: FeatureStore, tmp_path: Path) -> None:
    variants: dict[str, dict[str, Value]] = {"few": {"features.n_mels": 32}}
    plan = Plan(cells=("sercnn-2d",), final_seeds=1, variants=variants)
    digest = build_pipeline([plan.variant_experiments["sercnn-2d", "few"]]).digest
    store.write(store.key("one", digest), ENTRY)
    with closing(Journal(tmp_path / "sweeps" / "a" / "journal.jsonl")) as journal:
        journal.append(Started("a", plan.as_dict(), {}))
    pruned(store, tmp_path)
    assert store.pipelines() == sorted([Pipeline().digest, digest])


def test_without_the_sweep_its_entries_go(store: FeatureStore, tmp_path: Path) -> None:
    assert pruned(store, tmp_path).startswith("Removed 4 entries")
    assert store.pipelines() == [Pipeline().digest]


def test_what_a_command_uses_now_stays(store: FeatureStore, tmp_path: Path) -> None:
    begin_sweep(tmp_path)
    store.mark_used(OF_NOBODY)
    told = pruned(store, tmp_path)
    assert told.startswith("Removed 0 entries")
    assert "Kept the entries of 1 other settings: a command has used them within 1 h" in told
    an_hour_ago = (store.root / OF_NOBODY / ".used").stat().st_mtime - 3601
    os.utime(store.root / OF_NOBODY / ".used", (an_hour_ago, an_hour_ago))
    assert pruned(store, tmp_path).startswith("Removed 2 entries")


def test_nothing_goes_while_a_journal_cannot_be_read(store: FeatureStore, tmp_path: Path) -> None:
    journal = begin_sweep(tmp_path)
    journal.write_bytes(b"damaged\n" + journal.read_bytes())
    with pytest.raises(UserError, match=r"nothing is pruned: the features that sweep s needs are not known"):
        pruned(store, tmp_path)
    assert len(list(store.keys())) == 6


def test_folders_that_are_no_pipelines_are_left_alone(store: FeatureStore, tmp_path: Path) -> None:
    mine = store.root / "my notes" / "ab" / "cd.safetensors"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    pruned(store, tmp_path)
    assert mine.read_text() == "mine"
