"""What the report says of a made-up sweep: every section, and what is missing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ser.errors import UserError
from ser.evaluation.baselines import MFCC_SVM, baseline_path
from ser.evaluation.bootstrap import Interval
from ser.evaluation.metrics import unweighted_average_recall
from ser.evaluation.perturbations import CONDITIONS
from ser.evaluation.predictions import read_predictions
from ser.evaluation.robustness import ROBUSTNESS_FILE, PerturbedPrediction, write_robustness
from ser.report.build import build_report
from ser.report.content import Facts, Gallery, Matrix, Note, Report, Section, Table
from ser.report.files import render_files
from ser.report.report_data import ReportData, read_report_data
from ser.splits.split import Split
from tests.support.fabricated_sweep import (
    BASELINES,
    CELLS,
    EMOTIONS,
    NEW_VOICES,
    PASSWORD,
    SPEAKERS,
    TRACKER,
    Evaluated,
    clips_in,
    evaluated_sweep,
)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return evaluated_sweep(tmp_path_factory.mktemp("evaluated"))


@pytest.fixture(scope="module")
def data(sweep: Evaluated) -> ReportData:
    return read_report_data(sweep.journal, n_resamples=200, command="python tune/report.py")


@pytest.fixture(scope="module")
def report(sweep: Evaluated) -> Report:
    return build_report(sweep.journal, command="python tune/report.py --sweep made-up", n_resamples=1024)


@pytest.fixture(scope="module")
def searched_only(tmp_path_factory: pytest.TempPathFactory) -> Report:
    made = evaluated_sweep(tmp_path_factory.mktemp("searched"), finals=False, baselines=False)
    return build_report(made.journal, command="python tune/report.py --sweep made-up", n_resamples=200)


def section(report: Report, anchor: str) -> Section:
    return next(each for each in report.sections if each.anchor == anchor)


def table(report: Report, name: str) -> Table:
    return next(each for each in report.tables() if isinstance(each, Table) and each.name == name)


def notes(of: Section) -> str:
    return " ".join(block.text for block in of.blocks if isinstance(block, Note))


def all_text(report: Report) -> Iterator[str]:
    for each in report.sections:
        yield each.lead
        yield notes(each)


def test_what_says_most_comes_first(data: ReportData) -> None:
    assert [(results.stage, results.split, results.n_runs) for results in data.split_results] == [
        ("final", NEW_VOICES, 10),
        ("final", "assignment", 2),
        ("search", "assignment", 1),
    ]
    assert [network.name for network in data.split_results[0].networks] == list(reversed(CELLS))
    assert [network.name for network in data.split_results[0].baselines] == ["chance", "MFCC + SVM", "listeners' vote"]


def test_folds_are_pooled_and_seeds_averaged(data: ReportData) -> None:
    best = data.split_results[0].networks[0]
    assert best.counts.confusions.shape == (2, len(SPEAKERS), len(EMOTIONS), len(EMOTIONS))
    assert best.counts.confusions.sum(axis=(1, 2, 3)).tolist() == [120, 120]
    seeds: dict[Any, list[Any]] = {}
    for trial in best.trials:
        assert trial.ended is not None
        read = read_predictions(Path(trial.ended.bundle) / "predictions.csv", part="test")
        seeds.setdefault(trial.seed, []).append(read.counts().confusions.sum(axis=(0, 1)))
    expected = [unweighted_average_recall(sum(listed)) for listed in seeds.values()]
    assert data.interval(best.counts, "uar").value == pytest.approx(sum(expected) / 2)


def test_only_the_validation_chooses_the_trial_of_the_search(data: ReportData) -> None:
    for network in data.split_results[2].networks:
        (trial,) = network.trials
        assert trial.key.number == 3


def test_all_that_was_evaluated_alike_is_compared(report: Report) -> None:
    pairs = table(report, "pairs")
    assert len(pairs.rows) == 3 + 3 * len(BASELINES)
    p_of: dict[Any, Any] = {(row[0], row[1]): row[3] for row in pairs.rows}
    assert p_of["sercnn-2d", "lenet5-1d"] < 0.05
    assert p_of["lenet5-2d", "MFCC + SVM"] > 0.05
    counts = "Of 3 pairs of networks 3 and of 9 pairs of a network and a baseline 8 differ significantly"
    assert section(report, "pairs").lead.startswith(counts)


def test_few_draws_do_not_keep_a_difference_from_being_found(sweep: Evaluated) -> None:
    few = build_report(sweep.journal, command="c", n_resamples=20)
    p_of: dict[Any, Any] = {(row[0], row[1]): row[3] for row in table(few, "pairs").rows}
    assert p_of["sercnn-2d", "lenet5-1d"] < 0.05


def test_answers_in_noise_of_another_trial_are_not_shown(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path, finals=False)
    clip = clips_in(made.corpus_dir)[0]

    def answers(cell: str, trial: int) -> list[PerturbedPrediction]:
        given = (clip.name, clip.speaker, clip.emotion, clip.emotion)
        return [PerturbedPrediction(cell, trial, condition, *given) for condition in CONDITIONS]

    path = made.folder / ROBUSTNESS_FILE
    write_robustness(path, [*answers("lenet5-1d", 2), *answers("sercnn-2d", 3)])
    noise = section(build_report(made.journal, command="c", n_resamples=50), "noise")
    (shown,) = (block for block in noise.blocks if isinstance(block, Table))
    assert [row[0] for row in shown.rows] == ["sercnn-2d"]
    assert "Not measured for lenet5-1d, of which another trial is best now" in notes(noise)
    write_robustness(path, answers("lenet5-1d", 2))
    noise = section(build_report(made.journal, command="c", n_resamples=50), "noise")
    assert noise.lead == "Not measured in this sweep."


def test_a_network_that_lacks_a_fold_is_not_compared(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path)
    (made.folder / "trials" / "lenet5-1d-9" / "predictions.csv").unlink()
    report = build_report(made.journal, command="c", n_resamples=100)
    assert "lenet5-1d has not been evaluated on all of the clips" in notes(section(report, "pairs"))
    assert "Omitted: lenet5-1d 009" in notes(section(report, "leaderboard"))
    assert not any("lenet5-1d" in row[:2] for row in table(report, "pairs").rows)
    assert {row[0] for row in table(report, "leaderboard").rows} >= set(CELLS)


def test_a_network_that_was_evaluated_in_part_does_not_lead(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path)
    # Of the best network one run is left on new voices, and one seed on known ones.
    for number in (8, *range(10, 14), *range(15, 20)):
        (made.folder / "trials" / f"sercnn-2d-{number}" / "predictions.csv").unlink()
    report = build_report(made.journal, command="c", n_resamples=100)
    assert section(report, "leaderboard").lead.startswith("lenet5-2d leads")
    said = notes(section(report, "leaderboard"))
    assert "sercnn-2d: no seed was evaluated on all 5 folds yet" in said
    assert "sercnn-2d is not ranked (final evaluation, split assignment): 1 of its runs" in said
    assert "sercnn-2d" not in {row[0] for row in table(report, "leaderboard").rows}
    assert table(report, "leaderboard-final-assignment").rows[-1][0] == "sercnn-2d"


def test_what_is_damaged_costs_itself_alone_and_is_said(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path)
    baseline_path(made.folder, MFCC_SVM, Split()).write_text("damaged\n")
    (made.folder / "trials" / "sercnn-2d-3" / "predictions.csv").unlink()
    report = build_report(made.journal, command="c", n_resamples=100)
    said = notes(section(report, "leaderboard"))
    assert "Omitted: leak check of test clips against the clips that selected sercnn-2d 003:" in said
    assert "Omitted: MFCC + SVM:" in said
    assert "MFCC + SVM" in {row[0] for row in table(report, "leaderboard").rows}
    assert "MFCC + SVM" not in {row[0] for row in table(report, "leaderboard-final-assignment").rows}


def test_predictions_that_leak_are_not_reported(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path, baselines=False)
    chosen = made.folder / "trials" / "sercnn-2d-3" / "predictions.csv"
    header, *tested = chosen.read_text().splitlines()
    leaked = next(line for line in tested if line.startswith("1001"))
    chosen.write_text(
        "\n".join([header, *(line for line in tested if line != leaked), leaked.replace(",test,", ",validation,")])
    )
    report = build_report(made.journal, command="c", n_resamples=100)
    said = notes(section(report, "leaderboard"))
    clip = leaked.split(",")[0]
    for cell in CELLS:
        assert f"{cell} 009: these predictions leak: selection saw test clip {clip}" in said


def test_the_finding_names_what_it_is_compared_with(report: Report, searched_only: Report) -> None:
    said = section(report, "leaderboard").lead
    assert said.startswith("sercnn-2d leads by validation UAR")
    assert re.search(r"; its test UAR is .* On the same clips: chance 16\.7 %, MFCC \+ SVM \d", said)
    assert section(searched_only, "leaderboard").lead.startswith("sercnn-2d leads by validation UAR")


def test_known_and_new_speakers_are_compared(report: Report) -> None:
    rows = table(report, "sides").rows
    assert [row[0] for row in rows] == list(reversed(CELLS))
    for _, known, new, drop in rows:
        assert isinstance(known, Interval)
        assert isinstance(new, Interval)
        assert drop == known.value - new.value


def test_a_plain_search_is_reported_and_what_it_lacks_is_said(searched_only: Report) -> None:
    assert [row[0] for row in table(searched_only, "leaderboard").rows] == list(reversed(CELLS))
    assert "--final-splits assignment,speaker-5fold-present" in notes(section(searched_only, "sides"))
    assert "no table of its speakers" in notes(section(searched_only, "slices"))
    assert "measure_robustness.py --sweep made-up" in notes(section(searched_only, "noise"))
    assert "weights are no longer on this machine" in notes(section(searched_only, "costs"))
    assert not re.search(r"\bnan\b|None", " ".join(all_text(searched_only)))


def test_slices_are_by_clip_and_by_speaker(report: Report) -> None:
    names = [block.name for block in section(report, "slices").blocks if isinstance(block, Table)]
    assert names == ["slices-intensity", "slices-sentence", "slices-sex", "slices-age"]
    titles = [(column.title, column.detail) for column in table(report, "slices-sex").columns[1:]]
    assert "at least 5 speakers differ most by" in section(report, "slices").lead
    assert titles == [("female %", "60 clips, 5 speakers"), ("male %", "60 clips, 5 speakers")]


def test_the_setting_that_decides_is_found(report: Report) -> None:
    first: Any = table(report, "importance").rows[0]
    assert first[0] == "training.lr"
    assert first[3] > 0.3
    assert "training.lr is the most important" in section(report, "search").lead


def test_every_network_has_its_matrix_and_its_curves(report: Report) -> None:
    galleries = {each.anchor: block for each in report.sections for block in each.blocks if isinstance(block, Gallery)}
    matrices = [block for block in galleries["emotions"].blocks if isinstance(block, Matrix)]
    assert [matrix.title for matrix in matrices[:3]] == list(reversed(CELLS))
    assert sum(map(sum, matrices[0].counts)) == 240
    assert [block.title for block in galleries["curves"].blocks] == [f"{cell}, 8 trials" for cell in CELLS]


def test_protocol_and_provenance_say_how_and_with_what(report: Report) -> None:
    (protocol,) = (block for block in section(report, "protocol").blocks if isinstance(block, Facts))
    said = dict(protocol.pairs)
    assert said[f"Evaluation: final evaluation, split {NEW_VOICES}"].startswith(
        "30 runs of 3 networks, 5 folds, 2 training seeds (0, 1), 120 test clips of 10 speakers"
    )
    assert said["Evaluation: final evaluation, split assignment"].startswith(
        "6 runs of 3 networks, 1 fold, 2 draws of the split, 2 training seeds (0, 1), "
    )
    (provenance,) = (block for block in section(report, "provenance").blocks if isinstance(block, Facts))
    shown = dict(provenance.pairs)
    assert shown["Command of this report"] == "python tune/report.py --sweep made-up"
    assert (shown["Corpus digest"], shown["Split digest"], shown["Versions"]) == ("c0ffee", "facade", "torch 2.13.0")


def test_no_password_is_published(sweep: Evaluated) -> None:
    report = build_report(sweep.journal, command=f"python tune/report.py --tracking-uri {TRACKER}", n_resamples=100)
    text = "".join(render_files(report).values())
    assert PASSWORD not in text
    assert text.count("postgresql://ser:***@tracker/runs") == 6


def test_a_sweep_without_predictions_is_refused(tmp_path: Path) -> None:
    made = evaluated_sweep(tmp_path, finals=False)
    for path in (made.folder / "trials").glob("*/predictions.csv"):
        path.unlink()
    with pytest.raises(UserError, match="no completed trial whose predictions can be read"):
        build_report(made.journal, command="c")
