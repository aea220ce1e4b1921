"""Run some of a chapter's cells: those asked for, and the earlier ones that they need."""

import ast
import json
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Cell:
    """A code cell and the names by which it hangs together with others.

    Attributes:
        number: Its place among the chapter's code cells, from 1.
        source: Its code.
        binds: Names that it gives a value.
        needs: Names that it reads before it has given them a value.
        touches: Names whose values it changes in place.
        calls: Names of the functions that it calls, or that its functions call.
    """

    number: int
    source: str
    binds: frozenset[str]
    needs: frozenset[str]
    touches: frozenset[str]
    calls: frozenset[str]


def read(path: Path) -> list[Cell]:
    """The code cells of a notebook."""
    notebook = json.loads(path.read_text("utf8"))
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    found = [analysed(number, source) for number, source in enumerate(sources, start=1)]
    modules = {name for source in sources for name in _imported(source)}
    return [replace(cell, touches=cell.touches - modules) for cell in found]


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)


def analysed(number: int, source: str) -> Cell:
    """A cell with its names."""
    binds, needs, touches = set(), set(), set()
    tree = ast.parse(source)
    for statement in tree.body:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        needs |= (set(_read(table)) | set(_augmented(statement))) - binds
        binds |= {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        touches |= set(_changed(statement))
    calls = {node.func.id for node in ast.walk(tree) if _is_plain_call(node)}
    return Cell(number, source, *map(frozenset, (binds, needs, touches, calls)))


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _read(table: symtable.SymbolTable, top: bool = True) -> Iterator[str]:
    """Names of the cell's own level that a statement or a function inside it reads."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _read(child, top=False)


def _augmented(statement: ast.stmt) -> Iterator[str]:
    """Names to which something is added, and the like: they are read as well as assigned to."""
    for node in ast.walk(statement):
        if isinstance(node, ast.AugAssign):
            yield from _base(node.target)


def _changed(statement: ast.stmt) -> Iterator[str]:
    """Names of which a part is assigned to, or a method is called as a statement of its own.

    And what a function whose name ends in _ is given, such as torch.nn.init.normal_.
    """
    for node in ast.walk(statement):
        stored = isinstance(getattr(node, "ctx", None), ast.Store)
        if stored and isinstance(node, (ast.Attribute, ast.Subscript)):
            yield from _base(node)
        elif isinstance(node, ast.AugAssign):
            yield from _base(node.target)
        elif _is_method_statement(node):
            yield from _base(node.value.func)
            if node.value.func.attr.endswith("_"):  # as torch names what works in place
                yield from (name for part in node.value.args for name in _base(part))


def _is_method_statement(node: ast.AST) -> bool:
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return called and isinstance(node.value.func, ast.Attribute)


def _base(node: ast.AST) -> Iterator[str]:
    """The name before all dots and brackets."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id


def needed(cells: Iterable[Cell], targets: Iterable[int]) -> list[Cell]:
    """The target cells and all earlier ones on which they depend, in order."""
    targets, wanted, chosen = set(targets), set(), []
    for cell in sorted(cells, key=lambda cell: -cell.number):
        if cell.number in targets or (cell.binds | cell.touches) & wanted:
            chosen.append(cell)
            wanted = (wanted - cell.binds) | cell.needs
    return chosen[::-1]


def dependents(cells: Iterable[Cell], number: int) -> list[Cell]:
    """The later cells that depend on a cell, in order."""
    cells = list(cells)
    later = [cell for cell in cells if cell.number > number]
    return [c for c in later if number in {one.number for one in needed(cells, [c.number])}]


def execute(cell: Cell, names: dict) -> None:
    """Run a cell in a namespace, as a kernel would; errors name the cell."""
    exec(compile(cell.source, f"<cell {cell.number}>", "exec"), names)
