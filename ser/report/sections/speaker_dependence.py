"""Random against speaker-independent: how much of a figure is the speaker's voice known from training."""

from ser.evaluation.bootstrap import Interval
from ser.report.content import Column, Note, Section, Table
from ser.report.report_data import ReportData
from ser.report.split_results import SplitResults
from ser.splits.split import ASSIGNMENT
from ser.sweep.journal import FINAL

_TITLE = "Known voices against new ones"


def section(study: ReportData) -> Section:
    """The networks on a random split and on a speaker-independent one, side by side."""
    known = _board(study, known=True)
    apart = _board(study, known=False)
    rows = _rows(study, known, apart) if known and apart else []
    if not known or not apart or not rows:
        there = ", ".join(dict.fromkeys(board.title for board in study.boards))
        note = Note(
            f"Not measured: this sweep has only: {there}. A final evaluation on both {ASSIGNMENT} and a "
            "speaker-independent split fills this section: --resume with "
            f"--final-seeds 3 --final-splits {ASSIGNMENT},speaker-5fold-present."
        )
        return Section("sides", _TITLE, "Random splits share speakers between training and test.", (note,))
    columns = (
        Column("cell", "network"),
        Column("random", f"{known.split} (known voices) %", percent=True),
        Column("independent", f"{apart.split} (new voices) %", percent=True),
        Column("drop", "drop, points", percent=True),
    )
    caption = (
        "Test UAR with 95 % intervals over speakers, of the final evaluation on both splits. The test clips differ, so "
        "the drop has no paired test."
    )
    drops = [100 * (row[1].value - row[2].value) for row in rows]
    lead = (
        f"On voices that the training did not hear the same networks score {min(drops):.1f} to {max(drops):.1f} points "
        "less. A figure from a random split says little about new speakers."
    )
    cells = tuple((name, before, after, before.value - after.value) for name, before, after in rows)
    return Section("sides", _TITLE, lead, (Table("sides", caption, columns, cells),))


def _rows(study: ReportData, known: SplitResults, apart: SplitResults) -> list[tuple[str, Interval, Interval]]:
    other = {line.name: study.interval(line.counts, "uar") for line in known.networks}
    lines = (line for line in apart.networks if line.name in other)
    return [(line.name, other[line.name], study.interval(line.counts, "uar")) for line in lines]


def _board(study: ReportData, *, known: bool) -> SplitResults | None:
    fitting = (board for board in study.boards if board.stage == FINAL and board.knows_speakers == known)
    return next(fitting, None)
