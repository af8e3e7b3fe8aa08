"""Precision and memory format change how steps are computed, and nothing else."""

import itertools
import threading
from dataclasses import replace

import pytest
import torch

from ser.experiment.experiment import all_cells, default_experiment
from ser.experiment.step_timing import MEMORY_FORMAT, PLAIN, PRECISION, StepTiming, choose_fastest, measure_step_times
from ser.settings.ranges import Value
from ser.training.loop import StopTraining, fit
from tests.support.tone_training import CHANGED, N_CLASSES, QUICK, Tones, figures, model

TRAIN, VALIDATION = Tones(75, seed=1, dimensions=2), Tones(30, seed=2, dimensions=2)
WAYS = list(itertools.product(("float32", "bfloat16"), ("contiguous", "channels_last")))


def start(precision: str, memory_format: str, **changes):
    settings = replace(QUICK, precision=precision, memory_format=memory_format, max_epochs=4)
    network = model(name="sercnn", dimensions=2)
    return fit(
        network,
        train=TRAIN,
        validation=VALIDATION,
        n_classes=N_CLASSES,
        settings=settings,
        augment=CHANGED,
        **changes,
    )


@pytest.mark.parametrize(("precision", "memory_format"), WAYS)
def test_in_every_way_resumed_is_uninterrupted_and_the_weights_are_float32(precision, memory_format):
    whole = start(precision, memory_format)
    epochs = [figures(epoch) for epoch in whole]
    first = start(precision, memory_format)
    steps = iter(first)
    next(steps)
    resumed = start(precision, memory_format, resume=first.state())
    assert [figures(epoch) for epoch in resumed] == epochs[1:]
    for name, weight in whole.best_weights().items():
        assert torch.equal(weight, resumed.best_weights()[name])
        assert weight.dtype in (torch.float32, torch.int64)
        assert weight.is_contiguous()


def test_the_first_epoch_is_about_the_same_in_every_way():
    losses = [next(iter(start(*way))).train_loss for way in WAYS]
    assert losses == pytest.approx([losses[0]] * len(WAYS), rel=0.01)
    assert losses[0] != losses[2], "bfloat16 was not used"


def test_a_training_stops_within_its_epoch():
    run = start("float32", "contiguous")
    seen = threading.Event()
    batch = TRAIN.batch

    class Watched(Tones):
        def batch(self, positions, rng):
            seen.set()
            return batch(positions, rng)

    run.train = Watched(75, seed=1, dimensions=2)
    stopper = threading.Thread(target=lambda: (seen.wait(30), run.stop()))
    stopper.start()
    with pytest.raises(StopTraining):
        list(run)
    stopper.join()
    assert run.state().progress.epoch < 4


def test_every_way_of_a_cell_is_measured_the_plain_one_first():
    for cell, n_formats in (("lenet5-1d", 1), ("lenet5-2d", 2)):
        ways = measure_step_times(default_experiment(all_cells()[cell]))
        assert ways[0].values == PLAIN
        assert len(ways) in (n_formats, 2 * n_formats)
        assert len({tuple(way.values.items()) for way in ways}) == len(ways)
        assert all(0 < way.ms_per_clip < 1000 for way in ways)


def test_other_settings_are_chosen_only_where_they_are_clearly_faster():
    plain = StepTiming(dict(PLAIN), 1.0)
    other: dict[str, Value] = {PRECISION: "bfloat16", MEMORY_FORMAT: "contiguous"}
    assert choose_fastest((plain, StepTiming(other, 0.95))) is plain
    assert choose_fastest((plain, StepTiming(other, 1.5))) is plain
    assert choose_fastest((plain, StepTiming(other, 0.5))).values == other
