"""Tables of the pages that are made by the site and not written."""

from collections.abc import Iterable

from docutils import nodes


def as_row(cells: Iterable[str]) -> nodes.row:
    """A row of plain texts."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in cells))


def as_table(head: list[str], rows: Iterable[nodes.row], name: str) -> nodes.table:
    """A table with a head; the name is its class, for the style sheet."""
    group = nodes.tgroup("", cols=len(head))
    group += [nodes.colspec("", colwidth=1) for _ in head]
    group += [nodes.thead("", as_row(head)), nodes.tbody("", *rows)]
    return nodes.table("", group, classes=[name])
