"""Which networks differ: paired tests of every two, corrected for their number."""

from itertools import combinations

from ser.report.boards import Line
from ser.report.content import Column, Note, Section, Table, Value
from ser.report.study import Study
from ser.statistics.comparisons import Comparison, compare, corrected
from ser.statistics.counts import FIGURES

ALPHA = 0.05
_TITLE = "Which differences are real?"
_COLUMNS = (
    Column("first", "network"),
    Column("second", "against"),
    Column("difference", "difference, points", percent=True),
    Column("p_holm", "p (Holm)", digits=4),
)


def section(study: Study) -> Section:
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
    results = compared(lines, n_resamples=study.n_resamples)
    n_real = sum(result.p_value < ALPHA for result in results.values())
    lead = (
        f"Of {len(results)} pairs {n_real} differ at {100 * ALPHA:.0f} % after Holm's correction ({board.title}). Each "
        "test exchanges the predictions of two networks speaker by speaker."
    )
    return Section("pairs", _TITLE, lead, (_matrix(lines, results), _list(results), *notes))


def compared(lines: tuple[Line, ...], *, n_resamples: int) -> dict[tuple[str, str], Comparison]:
    """Each pair of lines, earlier minus later, with p values corrected for the number of pairs."""
    pairs = list(combinations(lines, 2))
    tests = [compare(one.counts, other.counts, FIGURES["uar"], n_resamples=n_resamples) for one, other in pairs]
    names = [(one.name, other.name) for one, other in pairs]
    return dict(zip(names, corrected(tests), strict=True))


def _matrix(lines: tuple[Line, ...], results: dict[tuple[str, str], Comparison]) -> Table:
    names = [line.name for line in lines]
    columns = (Column("cell", "row minus column"), *(Column(name, name) for name in names))
    rows: list[tuple[Value, ...]] = [(one, *(_cell(results, one, other) for other in names)) for one in names]
    caption = (
        "Difference of the test UAR in points, row minus column; ● p < 0.05 after Holm's correction, "
        "○ not to be told apart."
    )
    return Table("pairs-matrix", caption, columns, tuple(rows))


def _cell(results: dict[tuple[str, str], Comparison], one: str, other: str) -> str:
    if one == other:
        return "·"
    sign = 1 if (one, other) in results else -1
    result = results.get((one, other)) or results[other, one]
    return f"{100 * sign * result.difference.value:+.1f} {'●' if result.p_value < ALPHA else '○'}"


def _list(results: dict[tuple[str, str], Comparison]) -> Table:
    rows = tuple((one, other, result.difference, result.p_value) for (one, other), result in results.items())
    caption = (
        "Every pair: difference of the test UAR with its 95 % interval over speakers, and p after Holm's correction."
    )
    return Table("pairs", caption, _COLUMNS, rows, folded=True)
