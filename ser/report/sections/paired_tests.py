"""Section on significance: paired tests of all pairs of networks, corrected for their number."""

import math
from itertools import combinations, product

from ser.evaluation.significance import ALPHA, Comparison, compare, correct_p_values
from ser.evaluation.speaker_counts import FIGURES
from ser.report.content import Column, Note, Section, Table, Value
from ser.report.report_data import ReportData
from ser.report.split_results import NetworkResult

# The smallest possible p after Holm's correction is this many times below ALPHA, so that a borderline result does not
# depend on the random exchanges.
_P_RESOLUTION = 20
_TITLE = "Significant differences"
_COLUMNS = (
    Column("first", "network"),
    Column("second", "against"),
    Column("difference", "difference, points", percent=True),
    Column("p_holm", "p (Holm)", digits=4),
)


def build_section(data: ReportData) -> Section:
    """Build a matrix of all pairs, and their list."""
    results = data.split_results[0]
    networks = results.with_baselines
    notes = tuple(
        Note(f"{network.name} has not been evaluated on all of the clips: it is excluded from the tests.")
        for network in results.incomplete
    )
    if len(networks) < 2 or len(networks[0].counts.speakers) < 2:
        note = Note("A paired test needs two networks and at least two speakers in the test clips.")
        return Section("pairs", _TITLE, "Nothing to compare.", (note, *notes))
    among_networks = compare_pairs(list(combinations(results.networks, 2)), n_resamples=data.n_resamples)
    with_baselines = compare_pairs(list(product(results.networks, results.baselines)), n_resamples=data.n_resamples)
    comparisons = among_networks | with_baselines
    families = (("networks", among_networks), ("a network and a baseline", with_baselines))
    counts = (f"of {len(tests)} pairs of {kind} {_count_significant(tests)}" for kind, tests in families if tests)
    text = f"{' and '.join(counts)} differ significantly at {100 * ALPHA:.0f} % after Holm's correction"
    text = f"{text[0].upper()}{text[1:]} ({results.title})."
    lead = f"{text} Each test exchanges the predictions of the two speaker by speaker."
    return Section("pairs", _TITLE, lead, (_make_matrix(networks, comparisons), _list_pairs(comparisons), *notes))


def compare_pairs(
    pairs: list[tuple[NetworkResult, NetworkResult]], *, n_resamples: int
) -> dict[tuple[str, str], Comparison]:
    """Compare each pair, first minus second, with p values corrected for the number of these pairs.

    Args:
        pairs: networks or baselines evaluated on the same clips.
        n_resamples: resamples of the intervals.
    """
    n_exchanges = math.ceil(_P_RESOLUTION * len(pairs) / ALPHA)
    tests = [
        compare(one.counts, other.counts, FIGURES["uar"], n_resamples=n_resamples, n_exchanges=n_exchanges)
        for one, other in pairs
    ]
    names = [(one.name, other.name) for one, other in pairs]
    return dict(zip(names, correct_p_values(tests), strict=True))


def _count_significant(tests: dict[tuple[str, str], Comparison]) -> int:
    return sum(test.p_value < ALPHA for test in tests.values())


def _make_matrix(networks: tuple[NetworkResult, ...], comparisons: dict[tuple[str, str], Comparison]) -> Table:
    names = [network.name for network in networks]
    columns = (Column("cell", "row minus column"), *(Column(name, name) for name in names))
    rows: list[tuple[Value, ...]] = [
        (one, *(_format_cell(comparisons, one, other) for other in names)) for one in names
    ]
    caption = (
        "Difference of the test UAR in points, row minus column; ● p < 0.05 after Holm's correction, "
        "○ no significant difference, · not tested."
    )
    return Table("pairs-matrix", caption, columns, tuple(rows))


def _format_cell(comparisons: dict[tuple[str, str], Comparison], one: str, other: str) -> str:
    sign = 1 if (one, other) in comparisons else -1
    comparison = comparisons.get((one, other)) or comparisons.get((other, one))
    if comparison is None:
        return "·"
    return f"{100 * sign * comparison.difference.value:+.1f} {'●' if comparison.p_value < ALPHA else '○'}"


def _list_pairs(comparisons: dict[tuple[str, str], Comparison]) -> Table:
    rows = tuple((one, other, test.difference, test.p_value) for (one, other), test in comparisons.items())
    caption = (
        "Every pair: difference of the test UAR with its 95 % interval over speakers, and p after Holm's correction, "
        "separately for pairs of networks and for pairs with a baseline."
    )
    return Table("pairs", caption, _COLUMNS, rows, collapsed=True)
