"""What became of trials: a log of this machine, and a letter for each that is stored for all."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

LETTERS = {"caught": "c", "too long": "l", "survived": "s", "no result": "n"}
UNTRIED = "."
WIDTH = 90  # letters in a line


def digest(*texts: str) -> str:
    """A short name for texts, another one when they change."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


class Log:
    """Outcomes of earlier trials: those that are stored, and a line of a file for each later one.

    `rows` has them under their keys.
    """

    def __init__(self, path: Path, stored: Iterable[dict] = ()) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text("utf8").splitlines() if path.exists() else []
        self.rows = {row["key"]: row for row in (*stored, *map(json.loads, lines))}

    def add(self, row: dict) -> None:
        """Keep an outcome; a later one of the same key counts."""
        self.rows[row["key"]] = row
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def spelled(rows: list[dict], known: Mapping[str, dict]) -> dict[str, object]:
    """A letter for each mutation of a module, in lines, and what tells whose letters they are."""
    keys = [row["key"] for row in rows]
    text = "".join(LETTERS[known[key]["verdict"]] if key in known else UNTRIED for key in keys)
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    return {"mutations_are": digest(*keys), "outcomes": lines}


def read(rows: list[dict], counts: Mapping, survivors: Iterable[dict]) -> list[dict]:
    """Rows with the verdicts that were spelled; none if the module has other mutations by now.

    Args:
        rows: All mutations of a module, with their keys.
        counts: What is stored of the module.
        survivors: What is stored of those that no test noticed, with the lines they change.
    """
    if counts.get("mutations_are") != digest(*(row["key"] for row in rows)):
        return []
    verdicts = {letter: verdict for verdict, letter in LETTERS.items()}
    lines = {
        (row["operator"], row["occurrence"]): {"old": row["old"], "new": row["new"]}
        for row in survivors
        if row["module"] == counts["module"]
    }
    return [
        row | {"verdict": verdicts[letter]} | lines.get((row["operator"], row["occurrence"]), {})
        for row, letter in zip(rows, "".join(counts["outcomes"]), strict=True)
        if letter != UNTRIED
    ]
