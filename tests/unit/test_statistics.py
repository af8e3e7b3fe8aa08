"""Intervals and tests by speaker: their laws. Agreement with others' code is in tests/reference."""

import doctest
import importlib
from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pytest

from ser.errors import UserError
from ser.evaluation.bootstrap import interval, recall_intervals
from ser.evaluation.metrics import unweighted_average_recall
from ser.evaluation.significance import compare, correct_p_values, holm
from ser.evaluation.speaker_counts import FIGURES, SpeakerCounts, count_by_speaker

UAR = FIGURES["uar"]
N_CLASSES = 3


def predicted(n_speakers: int, n_clips: int, *, seed: int, skill: float = 0.6, spread: float = 0.2, n_repeats: int = 1):
    """Predictions of speakers who are not equally easy to understand; the truth depends on the numbers alone."""
    rng = np.random.default_rng(seed)
    truth = np.tile(np.arange(n_speakers * n_clips) % N_CLASSES, n_repeats)
    speaker = np.tile(np.repeat(np.arange(n_speakers), n_clips), n_repeats)
    ease = np.clip(skill + spread * rng.standard_normal(n_speakers), 0, 1)[speaker]
    prediction = np.where(rng.random(truth.size) < ease, truth, (truth + rng.integers(1, N_CLASSES, truth.size)) % 3)
    repeats = np.repeat(np.arange(n_repeats), n_speakers * n_clips)
    names = [f"{index:04d}" for index in speaker]
    return count_by_speaker(names, truth, prediction, n_classes=N_CLASSES, repeats=list(repeats))


@pytest.mark.parametrize("module", ["calibration", "complete_seeds", "significance", "speaker_counts"])
def test_the_examples_are_true(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"ser.evaluation.{module}"), extraglobs={"np": np})
    assert results.attempted >= 1
    assert results.failed == 0


def test_counts_are_by_repeat_and_speaker_whatever_the_order_of_the_clips() -> None:
    rows = [("b", 0, 1, 7), ("a", 1, 1, 7), ("b", 0, 0, 8), ("a", 1, 0, 8), ("b", 0, 1, 7)]
    for order in (rows, [rows[at] for at in (1, 4, 0, 2, 3)]):
        speakers, truth, prediction, seeds = zip(*order, strict=True)
        counts = count_by_speaker(speakers, truth, prediction, n_classes=2, repeats=seeds)
        assert counts.speakers == ("a", "b")
        assert counts.confusions.tolist() == [
            [[[0, 0], [0, 1]], [[0, 2], [0, 0]]],
            [[[0, 0], [1, 0]], [[1, 0], [0, 0]]],
        ]
    assert counts.n_clips == (3, 2)


@pytest.mark.parametrize("name", FIGURES)
def test_the_figure_is_the_mean_over_repeats_of_the_pooled_speakers(name: str) -> None:
    counts = predicted(5, 30, seed=1, n_repeats=3)
    apart = [float(FIGURES[name](confusions.sum(axis=0))) for confusions in counts.confusions]
    assert counts.figure(FIGURES[name]) == pytest.approx(np.mean(apart))
    assert counts.spread(FIGURES[name]) == pytest.approx(np.std(apart, ddof=1))
    if name == "uar":
        assert apart[0] == unweighted_average_recall(counts.confusions[0].sum(axis=0))


def test_one_repeat_has_no_spread() -> None:
    assert np.isnan(predicted(3, 10, seed=1).spread(UAR))


@pytest.mark.parametrize("name", FIGURES)
def test_whole_weights_count_a_speaker_so_often(name: str) -> None:
    counts = predicted(3, 20, seed=2, n_repeats=2)
    twice = counts.confusions[:, [0, 0, 2]].sum(axis=1)
    np.testing.assert_array_equal(counts.weight_speakers(np.array([[2, 0, 1]]))[0], twice)
    np.testing.assert_allclose(FIGURES[name](counts.weight_speakers(np.array([[2, 0, 1]])))[0], FIGURES[name](twice))


@pytest.mark.parametrize("name", FIGURES)
def test_an_interval_holds_its_figure_and_comes_again(name: str) -> None:
    counts = predicted(12, 30, seed=3, n_repeats=2)
    one = interval(counts, FIGURES[name], n_resamples=500)
    assert one.low < one.value < one.high
    assert one == interval(counts, FIGURES[name], n_resamples=500)
    assert one != interval(counts, FIGURES[name], n_resamples=500, seed=1)
    narrower = interval(counts, FIGURES[name], n_resamples=500, confidence=0.5)
    assert one.low < narrower.low < narrower.high < one.high


def test_speakers_who_are_all_alike_leave_no_doubt() -> None:
    one = predicted(1, 30, seed=4)
    alike = SpeakerCounts(("a", "b", "c"), np.repeat(one.confusions, 3, axis=1))
    result = interval(alike, UAR, n_resamples=200)
    assert result.low == result.value == result.high


def test_an_interval_by_speaker_is_wider_than_one_by_clip_where_speakers_differ() -> None:
    counts = predicted(20, 60, seed=5, spread=0.25)
    by_clip = predicted(1200, 1, seed=6, spread=0.25)
    by_speaker, narrow = (interval(each, UAR, n_resamples=1000) for each in (counts, by_clip))
    assert by_speaker.high - by_speaker.low > 2 * (narrow.high - narrow.low)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Speakers drawn from many: 95 % of the intervals should hold the skill that all have on average."""
    ends = [interval(predicted(40, 30, seed=seed, spread=0.1), UAR, n_resamples=400) for seed in range(200)]
    held = sum(each.low <= 0.6 <= each.high for each in ends)
    assert 180 <= held <= 199


def test_repeats_of_a_speaker_are_no_more_speakers() -> None:
    one = predicted(10, 30, seed=7)
    thrice = replace(one, confusions=np.repeat(one.confusions, 3, axis=0))
    for here, there in zip(*(astuple(interval(each, UAR, n_resamples=300)) for each in (one, thrice)), strict=True):
        assert here == pytest.approx(there)


def test_recalls_have_intervals_of_their_own() -> None:
    counts = predicted(12, 30, seed=8, n_repeats=2)
    intervals = recall_intervals(counts, n_resamples=500)
    assert np.mean([each.value for each in intervals]) == pytest.approx(counts.figure(UAR))
    assert all(each.low < each.value < each.high for each in intervals)
    without = replace(counts, confusions=counts.confusions * np.array([1, 1, 0])[:, None])
    assert np.isnan([recall_intervals(without)[2].value, recall_intervals(without)[2].low]).all()


def test_a_speaker_without_clips_in_a_repeat_is_excluded_from_it() -> None:
    """As where each seed draws its own test clips: some draws have none of a repeat at all."""
    whole = predicted(3, 30, seed=19, n_repeats=2)
    kept = np.array([[1, 1, 1], [0, 0, 1]])[:, :, None, None]
    counts = replace(whole, confusions=whole.confusions * kept)
    apart = [float(UAR(confusions.sum(axis=0))) for confusions in counts.confusions]
    result = interval(counts, UAR, n_resamples=300)
    assert result.value == pytest.approx(np.mean(apart))
    assert result.low <= result.value <= result.high
    assert 0 <= compare(counts, counts, UAR).p_value <= 1


def test_a_network_does_not_differ_from_itself() -> None:
    counts = predicted(15, 30, seed=9, n_repeats=2)
    same = compare(counts, counts, UAR)
    assert (same.difference.value, same.difference.low, same.difference.high, same.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("name", FIGURES)
def test_exchanging_the_two_turns_the_sign(name: str) -> None:
    good, bad = predicted(15, 30, seed=10, skill=0.8), predicted(15, 30, seed=11, skill=0.4)
    one, other = compare(good, bad, FIGURES[name]), compare(bad, good, FIGURES[name])
    assert one.p_value == other.p_value
    assert one.difference.value == -other.difference.value > 0
    assert one.difference.low == pytest.approx(-other.difference.high)
    assert one.p_value < 0.05
    assert one.difference.low > 0


def test_a_small_difference_of_all_speakers_is_found_where_their_own_spread_would_hide_it() -> None:
    """Purpose of pairing: the same speakers are easy for both."""
    one = predicted(30, 60, seed=12, spread=0.3)
    worse = one.confusions.copy()
    for truth in range(N_CLASSES):
        taken = np.minimum(worse[:, :, truth, truth], 1)
        worse[:, :, truth, truth] -= taken
        worse[:, :, truth, (truth + 1) % N_CLASSES] += taken
    result = compare(one, replace(one, confusions=worse), UAR)
    alone = interval(one, UAR)
    assert alone.low < alone.value - result.difference.value
    assert result.p_value < 0.001


def test_false_positives_are_about_as_frequent_as_the_level() -> None:
    pairs = ((predicted(10, 12, seed=2 * n), predicted(10, 12, seed=2 * n + 1)) for n in range(200))
    found = sum(compare(one, other, UAR, n_resamples=1024).p_value <= 0.05 for one, other in pairs)
    assert 2 <= found <= 20


def test_a_p_value_by_drawing_is_never_zero() -> None:
    good, bad = predicted(40, 30, seed=13, skill=0.95), predicted(40, 30, seed=14, skill=0.2)
    assert compare(good, bad, UAR, n_resamples=99).p_value == 1 / 100


def test_a_single_repeat_is_compared_with_every_repeat() -> None:
    several, one = predicted(8, 30, seed=15, n_repeats=3), predicted(8, 30, seed=16)
    thrice = replace(one, confusions=np.repeat(one.confusions, 3, axis=0))
    assert compare(several, one, UAR) == compare(several, thrice, UAR)


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        (lambda: predicted(8, 30, seed=0, n_repeats=2), "3 and 2 repeats cannot be paired: give both the same seeds"),
        (lambda: predicted(8, 27, seed=0, n_repeats=3), "not evaluated on the same clips"),
        (lambda: predicted(7, 30, seed=0, n_repeats=3), "not evaluated on the same clips"),
    ],
)
def test_repeats_and_clips_that_cannot_be_paired_are_refused(other: Callable[[], SpeakerCounts], rule: str) -> None:
    with pytest.raises(UserError, match=rule):
        compare(predicted(8, 30, seed=0, n_repeats=3), other(), UAR)


def test_a_single_speaker_is_refused() -> None:
    one = predicted(1, 30, seed=0)
    for ask in (lambda: interval(one, UAR), lambda: recall_intervals(one), lambda: compare(one, one, UAR)):
        with pytest.raises(UserError, match="needs at least 2 speakers, got 1"):
            ask()


@pytest.mark.parametrize(
    ("speakers", "truth", "prediction"), [([], [], []), (["a"], [0, 1], [0, 1]), (["a", "b"], [0, 1], [0])]
)
def test_rows_that_do_not_fit_are_refused(speakers: list[str], truth: list[int], prediction: list[int]) -> None:
    with pytest.raises(UserError, match="equally long and hold a clip"):
        count_by_speaker(speakers, truth, prediction, n_classes=2)


def test_corrections_keep_the_order_and_the_intervals() -> None:
    good, bad = predicted(9, 30, seed=17, skill=0.9), predicted(9, 30, seed=18, skill=0.3)
    pairs = [compare(good, bad, UAR), compare(bad, bad, UAR), compare(bad, good, UAR)]
    made = correct_p_values(pairs)
    assert [each.difference for each in made] == [each.difference for each in pairs]
    assert [each.p_value for each in made] == holm([each.p_value for each in pairs])
    assert made[0].p_value == 3 * pairs[0].p_value


def test_nothing_to_correct_is_no_error() -> None:
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_holm_rejects_what_his_procedure_rejects(seed: int) -> None:
    """As published: compare the k-th smallest with alpha / (m - k + 1), stop at the first that is above."""
    rng = np.random.default_rng(seed)
    p_values = list(rng.beta(0.4, 2, size=rng.integers(1, 12)))
    for alpha in (0.01, 0.05, 0.2):
        rejected: set[int] = set()
        for step, at in enumerate(np.argsort(p_values)):
            if p_values[at] > alpha / (len(p_values) - step):
                break
            rejected.add(int(at))
        assert {at for at, p in enumerate(holm(p_values)) if p <= alpha} == rejected
