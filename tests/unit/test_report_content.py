"""The report's parts, and what becomes of them on the page, in Markdown and in CSV files."""

import csv
import io
import math
import re
from pathlib import Path

import pytest

from ser.evaluation.bootstrap import Interval
from ser.evaluation.speaker_counts import count_by_speaker
from ser.report.content import (
    Chart,
    Column,
    Facts,
    Forest,
    ForestRow,
    Gallery,
    Matrix,
    Note,
    Report,
    Section,
    Table,
    file_name,
)
from ser.report.files import csv_text, files_of, write_report
from ser.report.html import ink, page, shade
from ser.report.markdown import document, short_form
from ser.report.markers import assign_markers
from ser.report.report_data import clips_of
from ser.report.svg import Axis, Picture, fit_axis

SHARE = Interval(0.375, 0.25, 0.5)
TABLE = Table(
    "figures",
    "A caption.",
    (Column("cell", "network"), Column("uar", "UAR %", percent=True), Column("n", "clips"), Column("p", "p", digits=3)),
    (("a<b>|c", SHARE, 1200, 0.25), ("d", Interval(0.5, math.nan, math.nan), None, math.nan)),
)
MATRIX = Matrix("confusion", "a<b>", ("anger", "fear"), ((3, 1), (0, 0)))
MARKS = assign_markers(["lenet5-1d", "lenet5-2d", "vgg16-2d", "MFCC + SVM"])


def made() -> Report:
    forest = Forest("Forest.", (ForestRow("x", MARKS["vgg16-2d"], SHARE),), 0, 1, (0.0, 1.0), (0.2, "chance"))
    picture = Picture(Axis("x", 0, 1), Axis("y", 0, 1)).svg("A picture.")
    gallery = Gallery("Pictures.", (Chart("chart", "A picture.", picture), MATRIX), (("x", MARKS["vgg16-2d"]),))
    first = Section("first", "First", "The finding.", (forest, TABLE))
    second = Section("second", "Second", "More.", (gallery, Note("Missing <this>."), Facts((("name", "<v>"),))))
    return Report("<title>", "subtitle", Facts((("clips", "7"),)), (first, second))


def test_values_are_shown_for_people() -> None:
    assert TABLE.shown() == [
        ["a<b>|c", "37.5 [25.0, 50.0]", "1,200", "0.250"],
        ["d", "50.0 [–, –]", "–", "–"],
    ]


def test_csv_files_hold_shares_and_the_ends_of_intervals() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(TABLE))))
    assert rows == [
        ["cell", "uar", "uar_low", "uar_high", "n", "p"],
        ["a<b>|c", "0.375", "0.25", "0.5", "1200", "0.25"],
        ["d", "0.5", "", "", "", ""],
    ]
    assert csv_text(MATRIX) == "truth,anger,fear\nanger,3,1\nfear,0,0\n"


def test_the_page_says_everything_needs_nothing_and_runs_nothing() -> None:
    text = page(made())
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)
    assert not re.search(r"<script|@import|url\(", text)
    said = ("&lt;title&gt;", "The finding.", "a&lt;b&gt;|c", "37.5 [25.0, 50.0]", "Missing &lt;this&gt;.", "&lt;v&gt;")
    assert [words for words in said if words not in text] == []
    assert "<this>" not in text


def test_what_one_cannot_see_is_said() -> None:
    text = page(made())
    assert text.count("<caption>") == 2
    assert text.count('role="img" aria-label="') == 2
    assert not re.findall(r"<th(?![^>]*scope)[^>]*>[^<]", text)
    assert 'lang="en"' in text


def test_markdown_holds_the_same_figures() -> None:
    text = document(made())
    assert "| a<b>\\|c | 37.5 [25.0, 50.0] | 1,200 | 0.250 |" in text
    assert "| anger | 3 | 1 |" in text
    assert "> Missing <this>." in text
    short = short_form(made())
    assert "The finding." in short
    assert "| network |" in short
    assert "Second" not in short


def test_every_table_is_a_file() -> None:
    assert sorted(files_of(made())) == ["report.html", "report.md", "tables/confusion.csv", "tables/figures.csv"]
    assert file_name("MFCC + SVM") == "mfcc-svm"


def test_tables_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    old = tmp_path / "tables" / "leaderboard-old.csv"
    old.parent.mkdir()
    old.write_text("cell\n")
    write_report(made(), tmp_path)
    assert {path.name for path in old.parent.iterdir()} == {"confusion.csv", "figures.csv"}


def test_letters_on_every_shade_can_be_read() -> None:
    def luminance(colour: str) -> float:
        full = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
        parts = [int(full[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lights = [luminance(shade(n / 100)) for n in range(101)]
    assert lights == sorted(lights, reverse=True)
    for n, ground in enumerate(lights):
        letters = luminance(ink(n / 100))
        assert (max(ground, letters) + 0.05) / (min(ground, letters) + 0.05) >= 4.5


def test_marks_differ_without_their_colour() -> None:
    cells = [f"{architecture}-{n}d" for architecture in ("alexnet", "lenet5", "sercnn", "vgg16") for n in (1, 2)]
    marks = assign_markers([*cells, "chance"])
    assert len({(mark.shape, mark.filled) for mark in marks.values()}) == 9
    assert marks["vgg16-1d"].colour == marks["vgg16-2d"].colour


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 1, percent=True), ["0", "50", "100"]),
        (Axis("", 0.31, 0.47, percent=True), ["35", "40", "45"]),
        (Axis("", 0, 40), ["0", "10", "20", "30", "40"]),
        (Axis("", 1500, 2_600_000, log=True), ["10 k", "100 k", "1 M"]),
        (Axis("", 0.9, 30, log=True), ["1", "2", "5", "10", "20"]),
    ],
)
def test_ticks_are_round_and_few(axis: Axis, ticks: list[str]) -> None:
    assert [text for _, text in axis.ticks()] == ticks


@pytest.mark.parametrize("log", [False, True])
def test_an_axis_has_room_around_its_values_even_around_one(log: bool) -> None:
    for values in ([0.2, 5.0], [3.0]):
        axis = fit_axis("", [*values, math.nan], log=log)
        assert all(0 < axis.place(value) < 1 for value in values)


def test_what_is_drawn_lies_inside_the_picture() -> None:
    picture = Picture(Axis("x", 0, 1), Axis("y", 0, 1))
    assert picture.at((0, 0)) == (50, 204)
    assert picture.at((1, 1)) == (326, 12)
    picture.text((1, 1), "a long name")
    assert 'text-anchor="end"' in picture.svg("")


@pytest.mark.parametrize(
    ("seeds", "said"), [([0, 0, 1, 1], "2 test clips of 2 speakers"), ([0, 0, 0, 1], "1 to 3 test clips of 2 speakers")]
)
def test_clips_are_told_as_a_range_where_seeds_differ(seeds: list[int], said: str) -> None:
    counts = count_by_speaker(["a", "b"] * 2, [0] * 4, [0] * 4, n_classes=2, repeats=seeds)
    assert clips_of(counts, "test") == said
