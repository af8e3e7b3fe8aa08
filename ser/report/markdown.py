"""The report as Markdown: its words and tables; pictures are on the page alone."""

from collections.abc import Iterable, Sequence

from ser.report.content import Block, Facts, Gallery, Matrix, Note, Report, Section, Table


def document(report: Report) -> str:
    """All of it."""
    return "\n\n".join([*_head(report), *(part for section in report.sections for part in _section(section))]) + "\n"


def short_form(report: Report) -> str:
    """Title, facts, and lead and first table of the first section: what fits above the runs of a sweep."""
    first = report.sections[0]
    table = next(block for block in first.blocks if isinstance(block, Table))
    return "\n\n".join([*_head(report), first.lead, *_block(table)]) + "\n"


def _head(report: Report) -> list[str]:
    return [f"# {report.title}", report.subtitle, ", ".join(f"{name}: {value}" for name, value in report.facts.pairs)]


def _section(section: Section) -> Iterable[str]:
    yield f"## {section.title}"
    yield section.lead
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterable[str]:
    if isinstance(block, Table):
        yield block.caption
        yield _table([column.title for column in block.visible()], block.shown())
    elif isinstance(block, Matrix):
        yield f"**{block.title}**"
        counts = [[label, *map(str, row)] for label, row in zip(block.labels, block.counts, strict=True)]
        yield _table(["intended", *block.labels], counts)
    elif isinstance(block, Gallery):
        matrices = [inner for inner in block.blocks if isinstance(inner, Matrix)]
        if matrices:
            yield block.caption
        for matrix in matrices:
            yield from _block(matrix)
    elif isinstance(block, Facts):
        yield "\n".join(f"- {name}: {value}" for name, value in block.pairs)
    elif isinstance(block, Note):
        yield f"> {block.text}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in lines)
