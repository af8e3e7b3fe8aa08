"""Random against speaker-independent: how much of a figure is the speaker's voice known from training."""

from ser.journal import FINAL
from ser.report.content import Column, Note, Section, Table
from ser.report.study import Board, Study
from ser.splits.base import ASSIGNMENT

_TITLE = "Known voices against new ones"


def section(study: Study) -> Section:
    """The networks on a random split and on a speaker-independent one, side by side."""
    random = _board(study, random=True)
    apart = _board(study, random=False)
    if random is None or apart is None:
        there = ", ".join(dict.fromkeys(board.title for board in study.boards))
        note = Note(
            f"Not measured: this sweep has only {there}. A final evaluation on both `{ASSIGNMENT}` and a "
            "speaker-independent split, `--final-seeds 3 --folds all`, fills this section."
        )
        return Section("sides", _TITLE, "Random splits share speakers between training and test.", (note,))
    columns = (
        Column("cell", "network"),
        Column("random", f"{random.split} (known voices) %", percent=True),
        Column("independent", f"{apart.split} (new voices) %", percent=True),
        Column("drop", "drop, points", percent=True),
    )
    other = {line.name: line for line in random.lines}
    rows = []
    for line in apart.lines:
        if line.name in other:
            known, new = (study.interval(each.counts, "uar") for each in (other[line.name], line))
            rows.append((line.name, known, new, known.value - new.value))
    caption = (
        "Test UAR with 95 % intervals over speakers, of the final evaluation on both splits. The test clips differ, so "
        "the drop has no paired test."
    )
    lowest, highest = min(100 * row[3] for row in rows), max(100 * row[3] for row in rows)
    lead = (
        f"On voices that the training did not hear the same networks score {lowest:.1f} to {highest:.1f} points less. "
        "A figure from a random split says little about new speakers."
    )
    return Section("sides", _TITLE, lead, (Table("sides", caption, columns, tuple(rows)),))


def _board(study: Study, *, random: bool) -> Board | None:
    fitting = (board for board in study.boards if board.stage == FINAL and (board.split == ASSIGNMENT) == random)
    return next(fitting, None)
