"""The comparison of two records finds the last bit, and omits no more than it is told to."""

import copy
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tests.reference.compare_records import compare
from tests.reference.record_behaviour import FAMILIES, describe_features, read_journal, trials_of

UAR = 1 / 3
Record = dict[str, Any]


def trial(**settings: str) -> Record:
    epoch = {"metrics": {"val_uar": UAR}, "confusion": [[1, 0], [0, 1]], "last": True}
    return {"settings": settings, "epochs": {"1": epoch}, "outcome": "completed", "test": {"uar": UAR}}


def feature(digest: str) -> Record:
    return {"sha256": digest, "min": 0.0, "mean": 0.5, "max": 1.0}


RECORD: Record = {
    "synthetic": {
        "machine": {"n_cores": 2},
        "trials": {"sercnn-1d/000": trial(**{"features.families": "all"}), "sercnn-2d/000": trial()},
        "baselines": {"baselines/mfcc-svm/assignment-0.csv": "a"},
    },
    "features": {
        "machine": {"n_cores": 2},
        "clips": {"1001_DFA_ANG_XX": {"energy": feature("a"), "mfcc": feature("b"), "2d": feature("c")}},
    },
}


def write(folder: Path, record: Record) -> Path:
    folder.mkdir()
    for part, content in record.items():
        (folder / f"{part}.json").write_text(json.dumps(content))
    return folder


def change_metric(record: Record) -> None:
    metrics = record["synthetic"]["trials"]["sercnn-1d/000"]["epochs"]["1"]["metrics"]
    metrics["val_uar"] = math.nextafter(UAR, 1)


def change_energy(record: Record) -> None:
    change_metric(record)
    record["features"]["clips"]["1001_DFA_ANG_XX"]["energy"] = feature("other")


def change_mfcc(record: Record) -> None:
    record["features"]["clips"]["1001_DFA_ANG_XX"]["mfcc"] = feature("other")


def change_picture_network(record: Record) -> None:
    record["synthetic"]["trials"]["sercnn-2d/000"]["test"]["uar"] = 0.0


def change_baseline(record: Record) -> None:
    record["synthetic"]["baselines"]["baselines/mfcc-svm/assignment-0.csv"] = "other"


def lose_trial(record: Record) -> None:
    del record["synthetic"]["trials"]["sercnn-2d/000"]


@pytest.mark.parametrize(
    ("change", "omitted", "code"),
    [
        (lambda _: None, None, 0),
        (change_metric, None, 1),
        (change_energy, None, 1),
        (change_energy, "energy", 0),
        (change_mfcc, "energy", 1),
        (change_picture_network, "energy", 1),
        (change_baseline, "energy", 1),
        (change_baseline, "mfcc", 0),
        (lose_trial, None, 1),
    ],
)
def test_a_difference_is_found_unless_it_is_of_the_omitted_feature(
    tmp_path: Path, change: Callable[[Record], None], omitted: str | None, code: int
) -> None:
    other = copy.deepcopy(RECORD)
    change(other)
    folders = write(tmp_path / "a", RECORD), write(tmp_path / "b", other)
    assert compare(*folders, ["synthetic", "features"], omitted=omitted) == code


def test_the_table_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = copy.deepcopy(RECORD)
    change_metric(other)
    compare(write(tmp_path / "a", RECORD), write(tmp_path / "b", other), ["synthetic"], omitted=None)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "DIFFERENT" in line]
    assert line.endswith("1 of 2    DIFFERENT: sercnn-1d/000 epoch 1")


def test_a_record_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", RECORD)
    with pytest.raises(SystemExit, match=r"real\.json is missing: make it first"):
        compare(folder, folder, ["real"], omitted=None)


def test_trials_are_read_without_seconds(tmp_path: Path) -> None:
    events = [
        {"kind": "asked", "cell": "sercnn-2d", "number": 0, "values": {"training.lr": 0.1}},
        {"kind": "reported", "cell": "sercnn-2d", "number": 0, "epoch": 1, "metrics": {"val_uar": UAR},
         "confusion": [[1]], "last": True, "seconds": 2.0, "time_s": 3.0},
        {"kind": "ended", "cell": "sercnn-2d", "number": 0, "outcome": "pruned", "bundle": "",
         "test": {"uar": UAR, "train_seconds": 2.0}},
    ]  # fmt: skip
    bodies = [json.dumps(event) for event in events]
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(f"{zlib.crc32(body.encode()):08x} {body}\n" for body in bodies))
    epoch = {"metrics": {"val_uar": UAR}, "confusion": [[1]], "last": True}
    expected = {"settings": {"training.lr": 0.1}, "epochs": {"1": epoch}, "outcome": "pruned", "test": {"uar": UAR}}
    assert trials_of(journal) == {"sercnn-2d/000": expected}
    journal.write_text(journal.read_text().replace("0.1", "0.2"))
    with pytest.raises(ValueError, match="is damaged"):
        list(read_journal(journal))


@pytest.mark.parametrize(("name", "line"), [("clip.safetensors", b""), ("clip.features", b"facts of the clip\n")])
def test_each_feature_has_its_own_columns(tmp_path: Path, name: str, line: bytes) -> None:
    """The 2-D space is kept once: among the columns of the 1-D space."""
    columns = np.repeat(np.arange(len(FAMILIES), dtype=np.float32), list(FAMILIES.values()))
    (tmp_path / name).write_bytes(line + save({"1d": np.tile(columns, (5, 1))}))
    found = describe_features(tmp_path / name)
    assert [found[name]["mean"] for name in FAMILIES] == list(range(len(FAMILIES)))
    assert found["2d"] == found["mel"]
