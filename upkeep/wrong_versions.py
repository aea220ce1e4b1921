"""The wrong versions of the book's claims: applied to the code, one after the other.

upkeep/wrong_versions.toml lists them. Most are edits of a helper or of a chapter's cell; a test
of the helper's module, or the chapter itself, has to fail. A wrong version that is a sentence
and no code is shown by a table of the chapter, which has to be there and to say that it was
caught.
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

CATALOGUE = Path("upkeep/wrong_versions.toml")


@dataclass(frozen=True)
class WrongVersion:
    """One row of the catalogue.

    Attributes:
        claim: The claim that it gets wrong.
        says: What is wrong, in words.
        file: The file to edit, or the chapter that shows it.
        old: What stands there once, or nothing.
        new: What to put in its place.
        shown: Name of the row of a chapter's table, if there is nothing to edit.
    """

    claim: str
    says: str
    file: str
    old: str = ""
    new: str = ""
    shown: str = ""

    @property
    def is_edit(self) -> bool:
        """Whether there is code to edit."""
        return bool(self.old)


def catalogue(root: Path) -> list[WrongVersion]:
    """All wrong versions, in the order of the file.

    Raises:
        ValueError: If a row neither edits code nor names a chapter's row, or does both.
    """
    with (root / CATALOGUE).open("rb") as file:
        rows = [WrongVersion(**row) for row in tomllib.load(file)["wrong"]]
    for row in rows:
        if bool(row.old) == bool(row.shown) or row.old == row.new != "":
            raise ValueError(f"needed an edit or a table's row, got neither or both: {row}")
    return rows


def edited(root: Path, row: WrongVersion) -> str:
    """The file's text with the edit.

    Raises:
        ValueError: If what is to be replaced does not stand there exactly once.
    """
    path = root / row.file
    text = path.read_text("utf8")
    if path.suffix == ".ipynb":
        return _edited_notebook(text, row)
    if (times := text.count(row.old)) != 1:
        raise ValueError(f"{row.file} has {times} times, not once: {row.old!r}")
    return text.replace(row.old, row.new)


def _edited_notebook(text: str, row: WrongVersion) -> str:
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    times = sum("".join(cell["source"]).count(row.old) for cell in code)
    if times != 1:
        raise ValueError(f"{row.file} has {times} times, not once: {row.old!r}")
    for cell in code:
        source = "".join(cell["source"]).replace(row.old, row.new)
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook)


def edited_cell(root: Path, row: WrongVersion) -> int:
    """The place, among the chapter's code cells, of the one that the edit changes."""
    notebook = json.loads((root / row.file).read_text("utf8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return 1 + next(i for i, cell in enumerate(code) if row.old in "".join(cell["source"]))


def is_caught_in_table(root: Path, row: WrongVersion) -> bool:
    """Whether the chapter, as it is stored, has a record and a table row that says caught."""
    notebook = json.loads((root / row.file).read_text("utf8"))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            record = output.get("metadata", {}).get("book")
            if record and (record["claim"], record["kind"]) == (row.claim, "bites"):
                lines = "".join(output["data"]["text/plain"]).split("\n")
                if any(_names(line, row.shown) and line.endswith("  yes") for line in lines):
                    return True
    return False


def _names(line: str, shown: str) -> bool:
    return line.startswith(shown + "  ")
