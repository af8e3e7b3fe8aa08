"""The feature store: what was written comes back, and what was damaged does not."""

import hashlib
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from safetensors.numpy import save

from ser.audio import AudioFacts
from ser.errors import UserError
from ser.features.store import FeatureStore
from ser.features.stored_clip import Entry

KEY = FeatureStore.key("sound", "pipeline")


def entry(seed: int = 0, n_frames: int = 20) -> Entry:
    rng = np.random.default_rng(seed)
    features = {
        "1d": rng.standard_normal((n_frames, 7)).astype(np.float32),
        "2d": rng.standard_normal((n_frames, 5)).astype(np.float32),
    }
    return Entry(AudioFacts(digest=f"digest {seed}", n_samples=1000 + seed, peak=0.123456789), features)


def same(one: Entry | None, other: Entry) -> bool:
    return (
        one is not None
        and one.facts == other.facts
        and one.features.keys() == other.features.keys()
        and all(np.array_equal(one.features[name], other.features[name]) for name in other.features)
    )


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def test_what_is_written_comes_back(store: FeatureStore) -> None:
    assert store.read(KEY) is None
    store.write(KEY, entry())
    assert same(store.read(KEY), entry())
    assert store.read(KEY).features["1d"].dtype == np.float32
    assert store.path(KEY).relative_to(store.root).parts == ("pipeline", "so", "sound.features")
    assert list(store.keys()) == [KEY]


def test_writing_again_replaces(store: FeatureStore) -> None:
    store.write(KEY, entry(0))
    store.write(KEY, entry(1))
    assert same(store.read(KEY), entry(1))
    assert [path.name for path in store.path(KEY).parent.iterdir()] == [store.path(KEY).name]


def test_facts_are_had_from_the_header_alone(store: FeatureStore) -> None:
    assert store.facts(KEY) is None
    store.write(KEY, entry())
    assert store.facts(KEY) == entry().facts
    path = store.path(KEY)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert (store.facts(KEY), store.read(KEY)) == (entry().facts, None)


def test_key_depends_on_sound_and_pipeline() -> None:
    keys = {FeatureStore.key(a, b) for a, b in [("a", "b"), ("a", "c"), ("d", "b"), ("ab", ""), ("b", "a")]}
    assert len(keys) == 5
    assert FeatureStore.key("a", "b") == FeatureStore.key("a", "b")


def test_truncated_at_any_length_it_counts_as_missing_and_can_be_written_again(store: FeatureStore) -> None:
    store.write(KEY, entry(n_frames=2))
    whole = store.path(KEY).read_bytes()
    for length in range(len(whole)):
        store.path(KEY).write_bytes(whole[:length])
        assert store.read(KEY) is None
        assert store.facts(KEY) is None
    for longer in (whole + b"x", whole * 2):
        store.path(KEY).write_bytes(longer)
        assert store.read(KEY) is None
        assert store.facts(KEY) is None
    store.write(KEY, entry())
    assert same(store.read(KEY), entry())


def test_no_flipped_bit_goes_unnoticed(store: FeatureStore) -> None:
    store.write(KEY, entry(n_frames=1))
    whole = store.path(KEY).read_bytes()
    for position in range(len(whole)):
        for bit in (0, 5):  # the latter is upper and lower case of a letter
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            store.path(KEY).write_bytes(damaged)
            assert store.read(KEY) is None
            in_line = position <= whole.index(b"\n")
            assert store.facts(KEY) == (None if in_line else entry().facts)


FOREIGN = {
    "empty": b"",
    "a line": b"\n",
    "text": b"not features at all",
    "ones": b"\xff" * 64,
    "empty safetensors": b"\x02\0\0\0\0\0\0\0{}",
    "safetensors": save({"1d": np.zeros((20, 7), np.float32)}),
    "an entry of an earlier version": save(
        {"1d": np.zeros((20, 7), np.float32)},
        {"about": "{}", "about_checksum": hashlib.sha256(b"{}").hexdigest(), "checksum": "0" * 64},
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_files_under_the_name_count_as_missing(store: FeatureStore, name: str) -> None:
    store.path(KEY).parent.mkdir(parents=True)
    store.path(KEY).write_bytes(FOREIGN[name])
    assert store.read(KEY) is None
    assert store.facts(KEY) is None


def check_told(store: FeatureStore, reason: str) -> None:
    for look in (store.read, store.facts):
        with pytest.raises(UserError) as told:
            look(KEY)
        assert str(told.value) == (
            f"the feature store cannot read {store.path(KEY)} ({reason}): give access to it, or remove it, and "
            "its features are computed again"
        )


def test_a_folder_in_the_place_of_an_entry_is_told(store: FeatureStore) -> None:
    store.path(KEY).mkdir(parents=True)
    check_told(store, "Is a directory")


def test_a_file_in_the_place_of_the_store_is_told(store: FeatureStore) -> None:
    store.root.write_text("a file, not a folder")
    check_told(store, "Not a directory")


def test_a_disk_that_cannot_be_read_is_told(store: FeatureStore) -> None:
    store.path(KEY).parent.mkdir(parents=True)
    store.path(KEY).symlink_to("/proc/self/mem")  # its first page is not mapped
    check_told(store, "Input/output error")


def test_an_entry_without_permission_is_told() -> None:
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # pytest's own folders are closed to others
        store = FeatureStore(Path(folder))
        store.write(KEY, entry())
        store.path(KEY).chmod(0)
        try:
            if before == 0:  # root may read everything
                os.seteuid(65_534)
            check_told(store, "Permission denied")
        finally:
            os.seteuid(before)


@dataclass(frozen=True)
class OtherFacts:
    digest: str


def test_an_error_in_our_own_code_does_not_count_as_missing(store: FeatureStore) -> None:
    """The entry is as it was written, but by a writer that disagrees with the reader."""
    store.write(KEY, Entry(cast(AudioFacts, OtherFacts("digest")), entry().features))
    for look in (store.read, store.facts):
        with pytest.raises(TypeError, match="n_samples"):
            look(KEY)


def _write_for_a_second(store: FeatureStore, seed: int) -> None:
    until = time.monotonic() + 1
    while time.monotonic() < until:
        store.write(KEY, entry(seed, 400))


def test_two_writers_leave_one_whole_entry(store: FeatureStore) -> None:
    store.write(KEY, entry(1, 400))
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_for_a_second, args=(store, seed)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    n_reads = 0
    while any(writer.is_alive() for writer in writers):
        found = store.read(KEY)
        assert same(found, entry(1, 400)) or same(found, entry(2, 400))
        n_reads += 1
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert n_reads > 100
    assert list(store.keys()) == [KEY]
    assert list((store.root / ".unfinished").iterdir()) == []


def test_a_killed_writer_leaves_nothing_that_is_read(store: FeatureStore) -> None:
    program = (
        "import sys, numpy as np; from pathlib import Path; from ser.audio import AudioFacts\n"
        "from ser.features.stored_clip import Entry; from ser.features.store import FeatureStore\n"
        "store = FeatureStore(Path(sys.argv[1]))\n"
        "rows = np.arange(2_000_000, dtype=np.float32).reshape(-1, 100)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    store.write(sys.argv[2], Entry(AudioFacts('a', 1, 1.0), {'1d': rows}))\n"
    )
    for wait_s in (0.001, 0.01, 0.03):
        with subprocess.Popen([sys.executable, "-c", program, str(store.root), KEY], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(wait_s)
            os.kill(writer.pid, signal.SIGKILL)
        found = store.read(KEY)
        assert found is None or found.features["1d"].shape == (20_000, 100)
    store.write(KEY, entry())
    assert same(store.read(KEY), entry())


def test_full_disk_is_told_with_remedy_and_leaves_nothing(store: FeatureStore) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"no room left for features in .*: free some, or choose another"):
            store.write(KEY, entry(n_frames=1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((store.root / ".unfinished").iterdir()) == []
    assert list(store.keys()) == []


def test_a_folder_that_cannot_be_written_to_is_told_with_remedy(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"cannot be used .*: check the folder, or choose another"):
        FeatureStore(tmp_path / "store").write(KEY, entry())


def test_what_killed_writers_left_is_removed_and_what_is_being_written_is_not(store: FeatureStore) -> None:
    store.write(KEY, entry())
    old, new, going = (store.root / ".unfinished" / name for name in ("old", "new", "going"))
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    (going / "ab").mkdir(parents=True)
    (going / "ab" / "cd.features").write_bytes(b"x")
    for path in (old, going):
        os.utime(path, (0, 0))
    assert store.clean() == 2
    assert [path.name for path in (store.root / ".unfinished").iterdir()] == ["new"]
    assert same(store.read(KEY), entry())


def test_what_may_not_be_removed_stays_and_stops_nobody() -> None:
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # pytest's own folders are closed to others
        store = FeatureStore(Path(folder))
        left = store.root / ".unfinished" / "left"
        left.parent.mkdir()
        left.write_bytes(b"x")
        os.utime(left, (0, 0))
        left.parent.chmod(0o555)
        try:
            if before == 0:  # who may remove everything
                os.seteuid(65_534)
            assert (store.clean(), store.abandoned()) == (0, [left])
        finally:
            os.seteuid(before)
            left.parent.chmod(0o755)
