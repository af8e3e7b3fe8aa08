"""Which networks differ: paired tests of every two, corrected for their number."""

import math
from itertools import combinations, product

from ser.evaluation.significance import ALPHA, Comparison, compare, correct_p_values
from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Column, Note, Section, Table, Value
from ser.report.report_data import ReportData
from ser.report.split_results import NetworkResult

# How far below ALPHA the smallest p can be after Holm's correction: then chance exchanges decide nothing.
_ROOM = 20
_TITLE = "Which differences are real?"
_COLUMNS = (
    Column("first", "network"),
    Column("second", "against"),
    Column("difference", "difference, points", percent=True),
    Column("p_holm", "p (Holm)", digits=4),
)


def section(study: ReportData) -> Section:
    """A matrix of all pairs, and their list."""
    board = study.boards[0]
    lines = board.lines
    notes = tuple(
        Note(f"{line.name} has not been evaluated on all of the clips: it is left out of the tests.")
        for line in board.partial
    )
    if len(lines) < 2 or len(lines[0].counts.speakers) < 2:
        note = Note("A paired test needs two networks and at least two speakers in the test clips.")
        return Section("pairs", _TITLE, "Nothing to compare.", (note, *notes))
    among = compared(list(combinations(board.networks, 2)), n_resamples=study.n_resamples)
    against = compared(list(product(board.networks, board.baselines)), n_resamples=study.n_resamples)
    results = among | against
    families = (("networks", among), ("a network and a baseline", against))
    found = (f"of {len(tests)} pairs of {what} {_n_real(tests)}" for what, tests in families if tests)
    text = f"{' and '.join(found)} differ at {100 * ALPHA:.0f} % after Holm's correction"
    text = f"{text[0].upper()}{text[1:]} ({board.title})."
    lead = f"{text} Each test exchanges the predictions of the two speaker by speaker."
    return Section("pairs", _TITLE, lead, (_matrix(lines, results), _list(results), *notes))


def compared(
    pairs: list[tuple[NetworkResult, NetworkResult]], *, n_resamples: int
) -> dict[tuple[str, str], Comparison]:
    """Each pair, first minus second, with p values corrected for the number of these pairs."""
    n_exchanges = math.ceil(_ROOM * len(pairs) / ALPHA)
    tests = [
        compare(one.counts, other.counts, FIGURES["uar"], n_resamples=n_resamples, n_exchanges=n_exchanges)
        for one, other in pairs
    ]
    names = [(one.name, other.name) for one, other in pairs]
    return dict(zip(names, correct_p_values(tests), strict=True))


def _n_real(tests: dict[tuple[str, str], Comparison]) -> int:
    return sum(test.p_value < ALPHA for test in tests.values())


def _matrix(lines: tuple[NetworkResult, ...], results: dict[tuple[str, str], Comparison]) -> Table:
    names = [line.name for line in lines]
    columns = (Column("cell", "row minus column"), *(Column(name, name) for name in names))
    rows: list[tuple[Value, ...]] = [(one, *(_cell(results, one, other) for other in names)) for one in names]
    caption = (
        "Difference of the test UAR in points, row minus column; ● p < 0.05 after Holm's correction, "
        "○ not to be told apart, · not tested."
    )
    return Table("pairs-matrix", caption, columns, tuple(rows))


def _cell(results: dict[tuple[str, str], Comparison], one: str, other: str) -> str:
    sign = 1 if (one, other) in results else -1
    result = results.get((one, other)) or results.get((other, one))
    if result is None:
        return "·"
    return f"{100 * sign * result.difference.value:+.1f} {'●' if result.p_value < ALPHA else '○'}"


def _list(results: dict[tuple[str, str], Comparison]) -> Table:
    rows = tuple((one, other, result.difference, result.p_value) for (one, other), result in results.items())
    caption = (
        "Every pair: difference of the test UAR with its 95 % interval over speakers, and p after Holm's correction, "
        "of pairs of networks and of pairs with a baseline each by itself."
    )
    return Table("pairs", caption, _COLUMNS, rows, folded=True)
