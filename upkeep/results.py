"""The files in which commands keep what they found."""

import json
from pathlib import Path

from benchmarks.machine import machine

__all__ = ["keep"]


def keep(path: Path, part: str, found: object) -> None:
    """Put a part of the results in a file, beside those that are there, with the machine."""
    kept = json.loads(path.read_text("utf8")) if path.exists() else {}
    kept |= {part: found, "machine": machine()}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf8")
