"""The report as Markdown: text and tables, without the charts."""

from collections.abc import Iterable, Sequence

from ser.report.content import Block, Facts, Gallery, Matrix, Note, Report, Section, Table


def render_markdown(report: Report) -> str:
    """Render the whole report."""
    return (
        "\n\n".join(
            [*_render_head(report), *(part for section in report.sections for part in _render_section(section))]
        )
        + "\n"
    )


def render_summary(report: Report) -> str:
    """Render title, facts, and lead and first table of the first section, as description of a run."""
    first = report.sections[0]
    table = next(block for block in first.blocks if isinstance(block, Table))
    return "\n\n".join([*_render_head(report), first.lead, *_render_block(table)]) + "\n"


def _render_head(report: Report) -> list[str]:
    return [f"# {report.title}", report.subtitle, ", ".join(f"{name}: {value}" for name, value in report.facts.pairs)]


def _render_section(section: Section) -> Iterable[str]:
    yield f"## {section.title}"
    yield section.lead
    for block in section.blocks:
        yield from _render_block(block)


def _render_block(block: Block) -> Iterable[str]:
    if isinstance(block, Table):
        yield block.caption
        yield _render_table([column.title for column in block.visible_columns()], block.format_rows())
    elif isinstance(block, Matrix):
        yield f"**{block.title}**"
        counts = [[label, *map(str, row)] for label, row in zip(block.labels, block.counts, strict=True)]
        yield _render_table(["intended", *block.labels], counts)
    elif isinstance(block, Gallery):
        matrices = [part for part in block.blocks if isinstance(part, Matrix)]
        if matrices:
            yield block.caption
        for matrix in matrices:
            yield from _render_block(matrix)
    elif isinstance(block, Facts):
        yield "\n".join(f"- {name}: {value}" for name, value in block.pairs)
    elif isinstance(block, Note):
        yield f"> {block.text}"


def _render_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in lines)
