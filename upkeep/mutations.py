"""Single-token mutations of the helpers, by the operators of cosmic-ray.

Arithmetic operators are exchanged for arithmetic ones, bitwise operators for bitwise ones: a
shift of floating-point numbers raises, so a test that runs the line catches it, whatever it
checks. Left out too is what stands in annotations, which do nothing, and stars that multiply
nothing, without which a file is no program.
"""

import ast
import difflib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import BaseNode

SEED = 2026
ALSO = {"autoregressive": ("tests/test_digits.py",)}  # which tests PixelCNN, a model of digits
LEFT_OUT = re.compile(
    r"Operator_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(RShift|LShift|BitOr|BitAnd|BitXor)$"
    r"|Operator_Bit(Or|And|Xor)_(RShift|LShift|Add|Sub|Mul|Div|FloorDiv|Mod|Pow)$"
    r"|Variable(Replacer|Inserter)$"  # more than one token
)
NO_PRODUCT = {"parameters", "param", "argument", "star_expr", "dictorsetmaker"}  # *names, **names


@dataclass(frozen=True)
class Mutation:
    """Where in a module which operator is applied.

    Attributes:
        module: The module's path in the tree.
        operator: cosmic-ray's name of what is done.
        occurrence: The place, counted as cosmic-ray counts the operator's places.
        line: The line, from 1.
    """

    module: str
    operator: str
    occurrence: int
    line: int

    def mutated(self, source: str) -> str:
        """The module's text with the mutation."""
        return self.applied(get_ast(source))

    def applied(self, tree: BaseNode) -> str:
        """The text of a parsed module with the mutation, which the tree keeps."""
        return (
            MutationVisitor(self.occurrence, get_operator(self.operator)()).walk(tree).get_code()
        )


def mutations(module: str, source: str) -> list[Mutation]:
    """All mutations of a module."""
    nodes, silent = list(ast_nodes(get_ast(source))), annotated(source)
    found = []
    for name in operator_names():
        if not LEFT_OUT.search(name):
            places = _places(name, nodes)
            found += [
                Mutation(module, name, number, place[0])
                for number, place in enumerate(places)
                if place and not any(start <= place < end for start, end in silent)
            ]
    return found


def _places(name: str, nodes: list) -> Iterator[tuple[int, int] | None]:
    """(line, column) of each place where cosmic-ray would apply an operator; None if left out."""
    operator = get_operator(name)()
    for node in nodes:
        multiplies = node.type != "operator" or node.parent.type not in NO_PRODUCT
        for start, _ in operator.mutation_positions(node):
            yield start if multiplies else None


def annotated(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where each annotation goes: (line, column) pairs."""
    parts = []
    for node in ast.walk(ast.parse(source)):
        parts += [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [
        ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))
        for part in parts
        if part is not None
    ]


def statements(source: str) -> dict[int, str]:
    """For each line the text of the statement of the module to which it belongs."""
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        found |= dict.fromkeys(range(first, node.end_lineno + 1), text)
    return found


def sample(found: list, number: int | None) -> list:
    """So many of a module's mutations, the same ones in every run; all if there is no number."""
    if number is None or number >= len(found):
        return found
    chosen = random.Random(f"{SEED} {len(found)}").sample(range(len(found)), number)
    return [found[index] for index in sorted(chosen)]


def changed_lines(before: str, after: str) -> tuple[str, str]:
    """The lines that a mutation takes away, and those that it puts there, without indentation."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    kept = [line for line in lines if line[:2] in ("- ", "+ ")]
    old, new = (
        "\n".join(line[2:].strip() for line in kept if line[0] == sign) for sign in ("-", "+")
    )
    return old, new


def helpers(root: Path) -> list[str]:
    """The modules that are mutated."""
    paths = sorted((root / "helpers").glob("*.py")) + sorted(
        (root / "helpers/exercises").glob("*.py")
    )
    return [str(p.relative_to(root)) for p in paths if len(p.read_text("utf8").split("\n")) > 3]


def tests_of(root: Path, module: str) -> tuple[str, ...]:
    """The test file of a module, and others that test parts of it.

    Raises:
        ValueError: If it has none.
    """
    path = Path(module)
    stem = "exercises" if path.parent.name == "exercises" else path.stem
    test = f"tests/test_{stem}.py"
    if not (root / test).exists():
        raise ValueError(f"{module} needs a test file {test}")
    return (test, *(ALSO.get(stem, ()) if path.parent.name == "helpers" else ()))
