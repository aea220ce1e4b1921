"""Follow CONTRIBUTING.md word for word in a fresh clone, as a new contributor would.

    python -m upkeep.recipes

The fenced blocks are the recipes; the words after the language say what is done with each:

    sh                 the commands are run and must succeed
    sh refused         they are run and the last one must fail
    text               what the commands before must have printed, line by line
    markdown cell      a cell, above the last cell of the chapter; so is: python cell
    json metadata      the metadata of the cell before
    python FILE        code at the end of the file; python FILE first: below its docstring

The clone is of the last commit. What this checkout has executed already is taken along.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import v4

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHAPTER = "book/07_entropy.ipynb"


class RecipeError(Exception):
    """A recipe did not do what it says."""


@dataclass
class Block:
    """A fenced block: its language, what is to be done with it, its text."""

    language: str
    purpose: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page in Markdown."""
    return [Block(*match.groups()) for match in BLOCK.finditer(page)]


class Contributor:
    """Somebody who does what a page says, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.printed = ""

    def follow(self, block: Block) -> None:
        """Do what one block says.

        Raises:
            RecipeError: If the block does not do what it says, or says nothing known.
        """
        if block.language == "sh":
            self.run(block)
        elif block.language == "text":
            self.compare(block)
        elif block.purpose == "cell":
            self.add_cell(block)
        elif block.purpose == "metadata":
            self.set_metadata(block)
        elif block.language == "python" and block.purpose:
            self.add_code(block)
        else:
            raise RecipeError(f"nobody knows what to do with ```{block.language} {block.purpose}")

    def run(self, block: Block) -> None:
        """Run commands; they succeed, or are refused where the page says so."""
        result = subprocess.run(
            ["bash", "-e", "-c", block.text],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.printed = result.stdout
        if bool(result.returncode) != (block.purpose == "refused"):
            expected = "be refused" if block.purpose == "refused" else "succeed"
            raise RecipeError(f"should {expected}:\n{block.text}\nprinted:\n{self.printed}")

    def compare(self, block: Block) -> None:
        """Every line of the block was printed by the commands before."""
        for line in block.text.splitlines():
            if line not in self.printed:
                raise RecipeError(f"should print {line!r}; printed:\n{self.printed}")

    def add_cell(self, block: Block) -> None:
        """A cell above the last one of the chapter."""
        path = self.root / CHAPTER
        notebook = nbformat.read(path, as_version=4)
        new = v4.new_code_cell if block.language == "python" else v4.new_markdown_cell
        notebook.cells.insert(-1, new(block.text.rstrip("\n"), id=uuid.uuid4().hex[:8]))
        nbformat.write(notebook, path)

    def set_metadata(self, block: Block) -> None:
        """Metadata of the cell that was added last."""
        path = self.root / CHAPTER
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[-2].metadata.update(json.loads(block.text))
        nbformat.write(notebook, path)

    def add_code(self, block: Block) -> None:
        """Code at the end of a file, or below its docstring."""
        name, _, place = block.purpose.partition(" ")
        path = self.root / name
        text = path.read_text("utf8")
        if place == "first":
            text = text.replace('"""\n\n', f'"""\n\n{block.text}\n', 1)
        else:
            text = f"{text}\n\n{block.text}"
        path.write_text(text, "utf8")


def with_this_python(root: Path) -> None:
    """Give a clone an environment that has what this Python has, without installing it."""
    venv.create(root / ".venv", symlinks=True)
    (packages,) = (root / ".venv").glob("lib/python*/site-packages")
    here = Path(sys.prefix, packages.relative_to(root / ".venv"))
    (packages / "this_python.pth").write_text(f"{here}\n", "utf8")
    for program in Path(sys.prefix, "bin").iterdir():
        if not (link := root / ".venv/bin" / program.name).exists():
            link.symlink_to(program)
    (root / ".venv/installed").touch()


def fresh_clone(folder: Path) -> Path:
    """A clone of the last commit, installed, with the results that this checkout has."""
    root = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
    with_this_python(root)
    if (ROOT / "_build/.jupyter_cache").exists():
        shutil.copytree(ROOT / "_build/.jupyter_cache", root / "_build/.jupyter_cache")
    return root


def follow_all(root: Path, page: str) -> Iterator[str]:
    """Follow a page's blocks; the first line of each as soon as it is done.

    Raises:
        RecipeError: If a block does not do what it says.
    """
    contributor = Contributor(root)
    for block in blocks(page):
        contributor.follow(block)
        yield f"{block.language} {block.purpose}: {block.text.splitlines()[0]}"


def main() -> None:
    """Follow the page; exit 1 at the first recipe that does not do what it says."""
    with tempfile.TemporaryDirectory() as folder:
        root = fresh_clone(Path(folder))
        done = 0
        try:
            for line in follow_all(root, (root / "CONTRIBUTING.md").read_text("utf8")):
                print(f"done  {line}", flush=True)
                done += 1
        except RecipeError as error:
            sys.exit(f"{error}")
    if not done:
        sys.exit("CONTRIBUTING.md has no recipes: nothing was tried.")
    print(f"{done} steps of CONTRIBUTING.md do what they say.")


if __name__ == "__main__":
    main()
