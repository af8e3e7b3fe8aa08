"""Section on speaker dependence: scores on a random split against those on a speaker-independent split."""

from ser.evaluation.bootstrap import Interval
from ser.report.content import Column, Note, Section, Table
from ser.report.report_data import ReportData
from ser.report.split_results import SplitResults
from ser.splits.split import ASSIGNMENT
from ser.sweep.journal import FINAL

_TITLE = "Known speakers against new speakers"


def build_section(data: ReportData) -> Section:
    """Build a table of the networks on a random and on a speaker-independent split."""
    random = _find_results(data, shares_speakers=True)
    independent = _find_results(data, shares_speakers=False)
    rows = _compare_splits(data, random, independent) if random and independent else []
    if not random or not independent or not rows:
        available = ", ".join(dict.fromkeys(results.title for results in data.split_results))
        note = Note(
            f"Not measured: this sweep has only {available}. A final evaluation on both {ASSIGNMENT} and a "
            "speaker-independent split fills this section: --resume with "
            f"--final-seeds 3 --final-splits {ASSIGNMENT},speaker-5fold-present."
        )
        return Section("sides", _TITLE, "Random splits share speakers between training and test.", (note,))
    columns = (
        Column("cell", "network"),
        Column("random", f"{random.split} (known speakers) %", percent=True),
        Column("independent", f"{independent.split} (new speakers) %", percent=True),
        Column("drop", "drop, points", percent=True),
    )
    caption = (
        "Test UAR with 95 % intervals over speakers, of the final evaluation on both splits. The test clips differ, so "
        "there is no paired test of the drop."
    )
    drops = [100 * (row[1].value - row[2].value) for row in rows]
    lead = (
        f"On speakers that are not in the training data the UAR of the same networks is {min(drops):.1f} to "
        f"{max(drops):.1f} points lower. A figure from a random split says little about new speakers."
    )
    cells = tuple((name, before, after, before.value - after.value) for name, before, after in rows)
    return Section("sides", _TITLE, lead, (Table("sides", caption, columns, cells),))


def _compare_splits(
    data: ReportData, random: SplitResults, independent: SplitResults
) -> list[tuple[str, Interval, Interval]]:
    """Compute the UAR on both splits for each network that has both."""
    on_random = {network.name: data.interval(network.counts, "uar") for network in random.networks}
    common = (network for network in independent.networks if network.name in on_random)
    return [(network.name, on_random[network.name], data.interval(network.counts, "uar")) for network in common]


def _find_results(data: ReportData, *, shares_speakers: bool) -> SplitResults | None:
    matching = (
        results
        for results in data.split_results
        if results.stage == FINAL and results.shares_speakers == shares_speakers
    )
    return next(matching, None)
