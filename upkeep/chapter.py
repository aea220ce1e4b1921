"""Begin a chapter: `make chapter STEM=07_entropy TITLE="Entropy"`.

It writes the notebook with the cells that every chapter has, an empty catalogue of exercises
beside the others, and the line in _toc.yml. It overwrites nothing.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import v4
from notebooks import KERNELSPEC, ROOT, chapters, code_cells, read

STEM = re.compile(r"(\d\d)_([a-z]+)")
IMPORTS = """import math

import torch
from torch.distributions import Normal

from helpers.checks import bites, breaks, check, derivation, line, start_clock
from helpers.exercises.{name} import check_answer
from helpers.figures import new_figure, use_book_style

torch.set_num_threads(1)  # faster for small models, and the same digits everywhere
use_book_style()
start_clock()
generator = torch.Generator().manual_seed({number})"""
CATALOGUE = '''"""The exercises of chapter {number}."""

from helpers.exercises import Catalogue, Exercise, compare

__all__ = ["EXERCISES", "check_answer"]

EXERCISES = Catalogue()
check_answer = EXERCISES.check_answer
'''


def begin(root: Path, stem: str, title: str) -> list[Path]:
    """Write a new chapter's files and name it in _toc.yml.

    Args:
        root: The repository.
        stem: Number and name, such as "07_entropy".
        title: What readers see.

    Returns:
        The files that were written.

    Raises:
        ValueError: If the stem has another form, or something of this name or number is there.
    """
    match = STEM.fullmatch(stem)
    if match is None:
        raise ValueError(f"needed two digits, _ and a word, such as 07_entropy; got {stem!r}")
    number, name = int(match[1]), match[2]
    there = chapters(root)
    if taken := [path.stem for path in there if path.stem.startswith(match[1])]:
        raise ValueError(f"chapter {number} is there: {taken[0]}")
    notebook, catalogue = root / f"book/{stem}.ipynb", root / f"helpers/exercises/{name}.py"
    for path in (notebook, catalogue):
        if path.exists():
            raise ValueError(f"{path.relative_to(root)} is there already")
    nbformat.write(first_cells(there[0], title, number, name), notebook)
    catalogue.write_text(CATALOGUE.format(number=number), "utf8")
    contents = root / "_toc.yml"
    last = f"      - file: book/{there[-1].stem}\n"
    text = contents.read_text("utf8")
    contents.write_text(text.replace(last, f"{last}      - file: book/{stem}\n"), "utf8")
    return [notebook, catalogue, contents]


def first_cells(like: Path, title: str, number: int, name: str) -> nbformat.NotebookNode:
    """A notebook with title, first cell, imports and last cell; the first cell is another's."""
    bootstrap = code_cells(read(like))[0]
    imports = v4.new_code_cell(
        IMPORTS.format(name=name, number=number), id="imports", metadata={"tags": ["hide-input"]}
    )
    cells = [
        v4.new_markdown_cell(f"# {title}", id="title"),
        v4.new_code_cell(bootstrap.source, id="bootstrap", metadata=bootstrap.metadata),
        imports,
        v4.new_markdown_cell("## What we know now", id="end"),
    ]
    return v4.new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.chapter", description=__doc__)
    parser.add_argument("stem", help="number and name, such as 07_entropy")
    parser.add_argument("title", help="what readers see")
    chosen = parser.parse_args()
    try:
        for path in begin(ROOT, chosen.stem, chosen.title):
            print(f"written: {path.relative_to(ROOT)}")
    except ValueError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
