"""Execute all chapters on a GPU, and compare the verdict of every record with the stored one.

    python -m upkeep.cuda                  needs a GPU that PyTorch can use, or says so
    python -m upkeep.cuda --rehearse 06    the same by the CPU, for chapters whose name begins so

Each chapter runs unchanged, with `upkeep.on_device` in a cell before its first. The results go to
upkeep/cuda.json; notebooks and site are left alone. A rehearsal writes nothing: it shows that the
command works, and says nothing of GPUs.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from nbformat import NotebookNode, v4
from notebooks import ROOT, NotebookError, Progress, chapters, code_cells, read, run

RESULT = Path(__file__).with_name("cuda.json")
START = """import sys
sys.path.insert(0, {root!r})
from upkeep.on_device import report, use
use({device!r})"""


def verdicts(notebook: NotebookNode) -> list[tuple[str, str, str, int]]:
    """Claim, kind, title and count of every record: each is there only if its check passed."""
    records = (
        output["metadata"]["book"]
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "book" in output.get("metadata", {})
    )
    return [(r["claim"], r["kind"], r["title"], r.get("count", 0)) for r in records]


def differences(stored: list[tuple], found: list[tuple]) -> list[str]:
    """What one list of verdicts has and the other lacks, in words."""
    lost, new = Counter(stored) - Counter(found), Counter(found) - Counter(stored)
    return [f"lost: {' '.join(map(str, v))}" for v in lost.elements()] + [
        f"new: {' '.join(map(str, v))}" for v in new.elements()
    ]


def executed_on(device: str, path: Path, progress: Progress) -> tuple[NotebookNode, dict]:
    """A chapter executed on a device, and what it says of the device.

    Raises:
        NotebookError: If a cell fails there, as it does when a check does.
        ValueError: If nothing was computed there.
    """
    first = START.format(root=str(ROOT), device=device)

    def enclose(notebook: NotebookNode) -> None:
        notebook.cells.insert(0, v4.new_code_cell(first, id="on-device"))
        notebook.cells.append(v4.new_code_cell("report()", id="report"))

    notebook = run(path, progress, change=enclose)
    said = json.loads(notebook.cells[-1].outputs[-1]["text"])
    if not said["calls"]:
        raise ValueError(f"{path.stem} computed nothing on {device}")
    return notebook, said


def compare(device: str, path: Path, progress: Progress) -> dict[str, Any]:
    """One chapter on a device: seconds, how many verdicts are the same, and what differs."""
    stored, started = verdicts(read(path)), time.monotonic()
    try:
        notebook, said = executed_on(device, path, progress)
    except (NotebookError, ValueError) as error:
        return {"chapter": path.stem, "records": len(stored), "wrong": [str(error)]}
    wrong = differences(stored, verdicts(notebook))
    seconds = round(time.monotonic() - started, 1)
    return {
        "chapter": path.stem,
        "records": len(stored),
        "seconds": seconds,
        "wrong": wrong,
        **said,
    }


def summary(results: list[dict[str, Any]]) -> str:
    """A line for each chapter."""
    lines = []
    for result in results:
        verdict = "; ".join(result["wrong"]) or f"all {result['records']} verdicts the same"
        place = f"{result.get('name', '?')}, {result.get('calls', 0)} calls"
        lines.append(f"{result['chapter']}  {place}: {verdict}")
    return "\n".join(lines)


def main() -> None:
    """The command line; exit 1 if there is no GPU, or a verdict differs."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.cuda", description=__doc__)
    parser.add_argument("--rehearse", metavar="STEM", help="on the CPU, to try this command")
    chosen = parser.parse_args()
    if chosen.rehearse is None and not torch.cuda.is_available():
        sys.exit(
            f"PyTorch {torch.__version__} finds no GPU here, so nothing was run on one. It needs "
            "an NVIDIA GPU and a build with CUDA: `make distclean`, then `make TORCH_INDEX= cuda`."
        )
    device = "cuda" if chosen.rehearse is None else "cpu"
    paths = [path for path in chapters(ROOT) if path.stem.startswith(chosen.rehearse or "")]
    results = [compare(device, path, Progress()) for path in paths]
    print(summary(results))
    if chosen.rehearse is None:
        RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
    if not results or any(result["wrong"] for result in results):
        sys.exit("Not all verdicts are the same." if results else "There is no such chapter.")


if __name__ == "__main__":
    main()
