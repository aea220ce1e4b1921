"""Compare the outputs of two executions of a chapter: texts as nbval does, pictures by content."""

import base64
import io
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
from nbformat import NotebookNode
from nbval.plugin import coalesce_streams, get_sanitize_patterns
from PIL import Image

from tools.notebooks import code_cells

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = get_sanitize_patterns((ROOT / "tests/nbval_sanitize.cfg").read_text("utf8"))
SHOWS_TIMES = "shows-times"  # tag of a cell whose picture holds times measured by this machine
EMBEDDED = re.compile(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]{64,})")
VERDICTS = ("same bytes", "same pixels", "different")


def sanitized(text: str) -> str:
    """A text without what tests/nbval_sanitize.cfg lets differ between runs."""
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


def texts(cell: NotebookNode) -> dict[str, list[str]]:
    """What a cell prints and shows, pictures left out: texts in order, by kind."""
    found: dict[str, list[str]] = {}
    for output in coalesce_streams(deepcopy(cell.outputs)):
        kinds = {output.name: output.text} if output.output_type == "stream" else output.data
        for kind, content in kinds.items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                found.setdefault(kind, []).append(sanitized(str(content)))
    return found


def pictures(cell: NotebookNode) -> list[bytes]:
    """The files of a cell's pictures, of those inside its HTML too."""
    return [base64.b64decode(text) for output in cell.outputs for text in _encoded(output)]


def _encoded(output: NotebookNode) -> Iterator[str]:
    for kind, content in output.get("data", {}).items():
        if kind in ("image/png", "image/jpeg", "image/webp"):
            yield content
        elif kind == "text/html":
            yield from EMBEDDED.findall(content)


def same_picture(one: bytes, other: bytes) -> str:
    """One of VERDICTS."""
    if one == other:
        return "same bytes"
    left, right = (
        np.asarray(Image.open(io.BytesIO(file)).convert("RGBA")) for file in (one, other)
    )
    return "same pixels" if np.array_equal(left, right) else "different"


def compare(stored: NotebookNode, fresh: NotebookNode) -> dict:
    """How the outputs of two executions of the same cells differ.

    Returns:
        Numbers of texts and pictures compared, the cells (counted from 1, code cells only)
        whose texts or pictures differ, and the cells whose pictures were not compared since
        they show measured times.

    Raises:
        ValueError: If the notebooks do not have the same code cells.
    """
    pairs = list(zip(code_cells(stored), code_cells(fresh), strict=True))
    result = {"texts": 0, "pictures": dict.fromkeys(VERDICTS, 0)}
    result |= {"texts_differ": [], "pictures_differ": [], "times": []}
    for number, (one, other) in enumerate(pairs, start=1):
        left, right = texts(one), texts(other)
        result["texts"] += sum(map(len, left.values()))
        if left != right:
            result["texts_differ"].append(number)
        if SHOWS_TIMES in one.metadata.get("tags", []):
            result["times"].append(number)
        else:
            _compare_pictures(number, pictures(one), pictures(other), result)
    return result


def _compare_pictures(number: int, left: list[bytes], right: list[bytes], result: dict) -> None:
    if len(left) != len(right):
        result["pictures_differ"].append(number)
        return
    verdicts = [same_picture(*pair) for pair in zip(left, right, strict=True)]
    for verdict in verdicts:
        result["pictures"][verdict] += 1
    if "different" in verdicts:
        result["pictures_differ"].append(number)


def agrees(result: dict) -> bool:
    """Whether a comparison found no difference."""
    return not result["texts_differ"] and not result["pictures_differ"]
