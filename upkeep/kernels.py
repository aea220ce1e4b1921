"""Run a notebook in a kernel of another environment, and measure it."""

import json
import os
import re
import tempfile
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

LAUNCH = "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
PEAK = "import resource as _r; print(_r.getrusage(_r.RUSAGE_SELF).ru_maxrss / 1024)"
# What would tell a kernel that it runs here and not on a reader's machine.
OURS = ("PYTHONPATH", "EXPLORE_MODE", "OMP_NUM_THREADS", "BOOK_REPOSITORY", "JPY_SESSION_NAME")
PROGRESS = re.compile(r"\d+%\|.*\|")


class Failed(Exception):
    """A notebook did not run to its end; the message names the cell and the error."""


def execute(
    path: Path, python: Path, prelude: str = "pass", more: dict[str, str] | None = None
) -> tuple[NotebookNode, float]:
    """Run a notebook in its folder with another Python; return it and its peak memory in MiB.

    Args:
        path: The notebook, which is not changed.
        python: An interpreter that has ipykernel.
        prelude: One line of code for the kernel to run before anything else.
        more: Environment variables for the kernel besides those of this process.

    Raises:
        Failed: If a cell fails, takes longer than 5 minutes, or the kernel dies.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    surroundings = {k: v for k, v in os.environ.items() if k not in OURS} | (more or {})
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            km=_manager(Path(folder), python, prelude),
            timeout=300,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            client.execute(env=surroundings)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise Failed(f"{path.stem}: {str(error)[-2000:]}") from error
    return notebook, float(notebook.cells.pop().outputs[-1].text)


def _manager(folder: Path, python: Path, prelude: str) -> AsyncKernelManager:
    """A manager that starts kernels with another Python."""
    command = [str(python), "-Xfrozen_modules=off", "-c", f"{prelude}; {LAUNCH}"]
    command += ["--log-level=ERROR", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "another", "language": "python"}
    (folder / "another").mkdir()
    (folder / "another/kernel.json").write_text(json.dumps(spec))
    known = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="another", kernel_spec_manager=known)


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    """All outputs of a notebook, in order."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output for cell in cells for output in cell.outputs]


def pictures(notebook: NotebookNode) -> int:
    """How many outputs show a picture: an image, a figure with sliders, or a live widget."""
    return sum(
        any(kind.startswith("image/") or "widget-view" in kind for kind in output.get("data", {}))
        or 'class="explore' in output.get("data", {}).get("text/html", "")
        for output in outputs(notebook)
    )


def complaints(notebook: NotebookNode) -> list[str]:
    """What cells wrote to stderr, without bars of progress: warnings that a reader would see."""
    texts = [output.text for output in outputs(notebook) if output.get("name") == "stderr"]
    lines = [line for text in texts for line in re.split(r"[\r\n]+", text)]
    return [line for line in lines if line.strip() and not PROGRESS.search(line)]
