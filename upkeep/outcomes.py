"""What became of trials: a log of this machine, and a letter for each that is stored for all."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

LETTERS = {"caught": "c", "too long": "l", "survived": "s", "no result": "n"}
UNTRIED = "."


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


def spelled(rows: Iterable[dict], known: Mapping[str, dict]) -> dict[str, str]:
    """A letter for each mutation, by the statements in which they stand."""
    words: dict[str, str] = {}
    for row in rows:
        key, statement = row["key"], row["statement"]
        letter = LETTERS[known[key]["verdict"]] if key in known else UNTRIED
        words[statement] = words.get(statement, "") + letter
    return {statement: word for statement, word in words.items() if set(word) != {UNTRIED}}


def read(
    rows: Iterable[dict], words: Mapping[str, str], survivors: Iterable[dict]
) -> Iterator[dict]:
    """Rows with the verdicts that were spelled, of statements that are as they were.

    Args:
        rows: All mutations of a module, with their keys and statements.
        words: What was spelled.
        survivors: Those that no test noticed, with the lines they change.
    """
    verdicts = {letter: verdict for verdict, letter in LETTERS.items()}
    lines = {row["key"]: {"old": row["old"], "new": row["new"]} for row in survivors}
    statements: dict[str, list[dict]] = {}
    for row in rows:
        statements.setdefault(row["statement"], []).append(row)
    for statement, own in statements.items():
        word = words.get(statement, "")
        if len(word) == len(own):  # else a later cosmic-ray makes others
            for row, letter in zip(own, word, strict=True):
                if letter != UNTRIED:
                    yield row | {"verdict": verdicts[letter]} | lines.get(row["key"], {})
