"""Bundles are read as they were written; one of an older version is refused where it is used."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ser.errors import UserError
from ser.experiment.bundle import Bundle, build_network, load_bundle
from ser.experiment.experiment import Cell, default_experiment
from ser.experiment.input_range import InputRange
from ser.features.dataset import Normalisation
from ser.report.build import build_report
from ser.report.content import Note
from tests.support.fabricated_sweep import EMOTIONS, evaluated_sweep


def bundle() -> Bundle:
    experiment = default_experiment(Cell(architecture="lenet5", dimensions=1))
    n_channels = experiment.features.n_channels
    normalisation = Normalisation(np.zeros(n_channels, np.float32), np.ones(n_channels, np.float32))
    weights = build_network(experiment).state_dict()
    return Bundle(experiment, EMOTIONS, normalisation, 1.5, InputRange(1.0, 4.0, 0.1), weights)


def without(key: str, folder: Path) -> None:
    """As a version of ser wrote it that knew no such key."""
    bundle().save(folder)
    path = folder / "experiment.json"
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written = bundle()
    written.save(tmp_path)
    read = load_bundle(tmp_path)
    assert (read.experiment, read.emotions, read.temperature, read.input_range) == (
        written.experiment, written.emotions, written.temperature, written.input_range,
    )  # fmt: skip
    np.testing.assert_array_equal(read.normalisation.scale, written.normalisation.scale)
    assert read.weights.keys() == written.weights.keys()
    assert all(torch.equal(read.weights[name], weights) for name, weights in written.weights.items())


@pytest.mark.parametrize("key", ["temperature", "input_range"])
def test_a_bundle_of_an_older_version_is_refused_in_one_line(tmp_path: Path, key: str) -> None:
    without(key, tmp_path)
    said = (
        f"a bundle must hold emotions, temperature, input_range, features_version, settings, {tmp_path} lacks {key}: "
        "another version of ser wrote it, so train the network again"
    )
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        load_bundle(tmp_path)


def test_a_bundle_with_settings_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    bundle().save(tmp_path)
    path = tmp_path / "experiment.json"
    path.write_text(path.read_text().replace('"model.dropout"', '"model.drop_out"'))
    said = (
        f"a bundle must have settings of this version of ser, {tmp_path} has others: another version wrote it, so "
        "train the network again"
    )
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        load_bundle(tmp_path)


def test_a_bundle_of_an_older_version_costs_the_report_its_latency_alone(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path, finals=False, baselines=False)
    without("temperature", made.folder / "trials" / "lenet5-1d-3")
    report = build_report(made.journal, command="c", n_resamples=100)
    (costs,) = (section for section in report.sections if section.anchor == "costs")
    said = [block.text for block in costs.blocks if isinstance(block, Note)]
    problem = r"Latency of lenet5-1d was not measured: a bundle must hold .* lacks temperature: "
    assert any(re.match(problem, note) for note in said)
