"""Derivations that can be taken step by step: each line knows the code that evaluates it.

The rows of a derivation's table get the class `code-3-4`, if lines 3 and 4 of the cell evaluate
them. `book/_static/book.js` shows those lines while a row has the focus or the pointer, and folds
the reasons away until the reader asks for one.
"""

import ast

from docutils import nodes
from sphinx.application import Sphinx

FIRST_WORD = "line"  # of a derivation's table


def mark_steps(app: Sphinx, document: nodes.document, name: str) -> None:
    """Give every derivation its class, and its rows the lines of code."""
    for cell in (box for box in document.findall(nodes.container) if "cell" in box["classes"]):
        tables = [table for table in cell.findall(nodes.table) if is_derivation(table)]
        source = next((code.astext() for code in cell.findall(nodes.literal_block)), "")
        for table, parts in zip(tables, code_lines(source), strict=False):
            table["classes"].append("derivation")
            rows = list(next(table.findall(nodes.tbody)).findall(nodes.row))
            for row, (first, last) in zip(rows, spread(parts, len(rows)), strict=True):
                row["classes"].append(f"code-{first}-{last}")


def is_derivation(table: nodes.table) -> bool:
    """Whether a table is one that `derivation` of helpers/checks.py shows."""
    head = next(table.findall(nodes.thead), None)
    return head is not None and next(head.findall(nodes.entry)).astext() == FIRST_WORD


Part = tuple[int, int, bool]


def code_lines(source: str) -> list[list[Part]]:
    """For each derivation of a cell, its lines: where they begin and end, and if they are many.

    Many stand for `*(line(...) for ...)`.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell with magics
        return []
    calls = [node for node in ast.walk(tree) if _calls(node, "derivation")]
    return [
        [part for argument in call.args for part in _part(argument)]
        for call in sorted(calls, key=lambda call: call.lineno)
    ]


def _part(argument: ast.expr) -> list[Part]:
    """The place of a line among a derivation's arguments; none if it is something else."""
    calls = [node for node in ast.walk(argument) if _calls(node, "line")]
    many = isinstance(argument, ast.Starred)
    return [(calls[0].lineno, calls[0].end_lineno, many)] if calls else []


def spread(parts: list[Part], rows: int) -> list[tuple[int, int]]:
    """First and last line of code of each row; the rows that one part makes share its lines."""
    extra = rows - sum(not many for *_, many in parts)
    return [place for *place, many in parts for _ in range(extra if many else 1)]


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", mark_steps)
