"""Execute the chapters, keep the results in jupyter-cache, and store them in the notebooks.

Jupyter Book's own cache looks at a notebook's code cells alone. Here a result counts as fresh
only while the code cells, every helper that they import (through other helpers too), the data
files beside those helpers and requirements.txt are what they were when the notebook ran.

    python tools/notebooks.py    execute what is stale, store all outputs in the notebooks
"""

import ast
import asyncio
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.cache.db import NbCacheRecord
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.validator import NotebookValidationError
from sphinx_external_toc.parsing import parse_toc_yaml
from sqlalchemy.exc import SQLAlchemyError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path("_build/.jupyter_cache")
CELL_TIMEOUT = 120  # seconds
DISK_SPACE = 150  # MB of _build: results, pages in the making, the site and its successor
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
PASSING_METADATA = ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted")
BOOTSTRAP_NAMES = ("BOOK", "HELPERS")

# One thread: faster on small models, and the same digits whatever the number of cores.
# Static figures: sliders that work without a kernel, even if the shell belongs to an editor.
KERNEL_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "EXPLORE_MODE": "static"}


_held: list[int] = []  # the lock of this process, while it has one


class NotebookError(Exception):
    """A notebook could not be executed; the message names chapter, cell and error."""


class Client(NotebookClient):
    """A notebook client whose Ctrl-C belongs to whoever runs it: nbclient makes a traceback."""

    interrupt: Callable[[], None]

    async def async_start_new_kernel(self, **settings: object) -> None:
        """Start the kernel, after nbclient has taken Ctrl-C for itself."""
        with suppress(NotImplementedError):  # Windows, where nbclient does not take it either
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self.interrupt)
        await super().async_start_new_kernel(**settings)


class Progress:
    """One line that is rewritten in place on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self.in_place = sys.stdout.isatty()

    def show(self, text: str) -> None:
        """Show where a long step stands."""
        if self.in_place:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{text[:width]}\x1b[K", end="", flush=True)
        else:
            print(text, flush=True)

    def done(self, text: str) -> None:
        """Close the step with a line that stays."""
        self.show(text)
        if self.in_place:
            print()


def require_writable(folder: Path) -> None:
    """Raise ValueError unless files can be written in the folder."""
    try:
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        message = f"The build needs to write in {folder}, and cannot: {error.strerror}."
        raise ValueError(message) from error


@contextmanager
def alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Wait until no other command of the book works in the folder, and keep others out.

    The lock is an open file. Programs that are started with `inherit_lock` hold it too, so
    that what outlives a killed build does not meet the next one.
    """
    if fcntl is None:  # Windows: whoever starts two builds there is not warned
        yield
        return
    with open(folder / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.done("Another command of the book is at work here; waiting for its end.")
            fcntl.flock(file, fcntl.LOCK_EX)
        _held.append(file.fileno())
        try:
            yield
        finally:
            _held.clear()


def inherit_lock() -> tuple[int, ...]:
    """What `subprocess` takes as `pass_fds` to have a program hold the lock too."""
    return tuple(_held)


def chapters(root: Path) -> list[Path]:
    """The notebooks named in _toc.yml, in the order of the book."""
    site = parse_toc_yaml(root / "_toc.yml")
    paths = (root / f"{name}.ipynb" for name in site)
    return [path for path in paths if path.exists()]


def setting(root: Path) -> str:
    """The repository's public address: the one place that holds it is _config.yml."""
    return yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]["url"]


def git(root: Path, *command: str) -> str:
    """What git prints; nothing if it fails or is not there."""
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *command], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def helpers_version(root: Path) -> str:
    """The name that git gives to the content of helpers/: it changes whenever the code does.

    A commit cannot hold its own name, but it can hold this one. The first cell of a chapter
    finds by it the commit whose helpers the chapter ran with.
    """
    return _tree(root / "helpers").hex()


def _tree(folder: Path) -> bytes:
    """git's identifier of a folder: the hash of its entries' names, kinds and hashes."""
    entries = []
    for path in folder.iterdir():
        if path.name == "__pycache__" or path.name.startswith("."):
            continue
        if path.is_dir():
            if (tree := _tree(path)) != EMPTY_TREE:  # git keeps no empty folders
                entries.append((f"{path.name}/", b"40000", tree))
        else:
            content = path.read_bytes().replace(b"\r\n", b"\n")  # as .gitattributes asks git to
            entries.append((path.name, b"100644", _git_hash(b"blob", content)))
    lines = (
        mode + b" " + name.removesuffix("/").encode() + b"\0" + content
        for name, mode, content in sorted(entries)
    )
    return _git_hash(b"tree", b"".join(lines))


def _git_hash(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha1(b"%b %d\0%b" % (kind, len(content), content)).digest()


EMPTY_TREE = _git_hash(b"tree", b"")


def bootstrap_values(root: Path) -> dict[str, str]:
    """What the first cell of a chapter names: where the book is, and which of its helpers."""
    return {"BOOK": setting(root), "HELPERS": helpers_version(root)}


def with_values(source: str, values: dict[str, str]) -> str:
    """The code of a bootstrap cell with these values in its lines `BOOK = "..."` and so on.

    Raises:
        ValueError: If a name has not exactly one such line.
    """
    for name, value in values.items():
        line = re.compile(rf'^{name} = "[^"]*"', re.MULTILINE)
        source, lines = line.subn(f'{name} = "{value}"', source)
        if lines != 1:
            raise ValueError(f'the bootstrap cell needs one line {name} = "...", has {lines}')
    return source


def read(path: Path) -> NotebookNode:
    """A notebook in format 4.5; a cell without an id gets one from its position."""
    content = json.loads(path.read_text("utf8"))
    for index, cell in enumerate(content["cells"]):
        cell.setdefault("id", f"cell-{index}")
    content["nbformat_minor"] = 5
    return nbformat.reads(json.dumps(content), as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def dependencies(root: Path, notebook: NotebookNode) -> list[Path]:
    """Files of this repository on which the notebook's results depend.

    They are requirements.txt, the modules that the code imports, the modules that those import
    and so on, and the files beside the modules of a package that are not Python (its data).
    """
    found: set[Path] = set()
    pending = [name for cell in code_cells(notebook) for name in imports(cell.source)]
    while pending:
        for path in module_files(root, pending.pop()) - found:
            found.add(path)
            package = ".".join(path.relative_to(root).parent.parts)
            pending.extend(imports(path.read_text("utf8"), package))
    packages = {path.parent for path in found} - {root}
    beside = (path for folder in packages for path in folder.iterdir() if path.is_file())
    found.update(path for path in beside if path.suffix not in (".py", ".pyc"))
    return [root / "requirements.txt", *sorted(found)]


@functools.cache
def imports(code: str, package: str = "") -> tuple[str, ...]:
    """Dotted names that the code imports; `package` is where its relative imports start."""
    lines = code.split("\n")
    python = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
    try:
        tree = ast.parse(python)
    except SyntaxError:  # it fails when it runs, with a better message than any from here
        return ()
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) + 1 - node.level] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            found += (f"{start}.{alias.name}" for alias in node.names)
    return tuple(found)


def module_files(root: Path, name: str) -> set[Path]:
    """Files that importing `name` runs, as far as they lie under root."""
    parts = name.split(".")
    prefixes = [root.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    files = {path.with_suffix(".py") for path in prefixes}
    return {path for path in files | {p / "__init__.py" for p in prefixes} if path.is_file()}


def fingerprint(root: Path, notebook: NotebookNode) -> str:
    """Changes when, and only when, the notebook has to be executed again."""
    code = [(_lasting(cell), cell.metadata.get("tags", [])) for cell in code_cells(notebook)]
    digest = hashlib.sha256(json.dumps(code).encode())
    for path in dependencies(root, notebook):
        digest.update(f"\n{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _lasting(cell: NotebookNode) -> str:
    """A cell's code without what `make notebooks` writes there, on which no result depends."""
    if "bootstrap" not in cell.metadata.get("tags", []):
        return cell.source
    values = rf'^({"|".join(BOOTSTRAP_NAMES)}) = "[^"]*"'
    return re.sub(values, "", cell.source, flags=re.MULTILINE)


def executed(root: Path, path: Path) -> NotebookNode | None:
    """The notebook as it reads now with its outputs, or None if it has to be executed."""
    notebook = read(path)
    cache = get_cache(root / CACHE)
    record = _record(cache, fingerprint(root, notebook))
    results = record and _results(cache, record)
    if results is None:
        return None
    for cell, result in zip(code_cells(notebook), code_cells(results), strict=True):
        cell.outputs, cell.execution_count = result.outputs, result.execution_count
    return notebook


def _record(cache: JupyterCacheAbstract, wanted: str) -> NbCacheRecord | None:
    records = cache.list_cache_records()
    return next((r for r in records if r.data.get("fingerprint") == wanted), None)


def _results(cache: JupyterCacheAbstract, record: NbCacheRecord) -> NotebookNode | None:
    """The notebook kept with a record, or None if it is not there whole.

    jupyter-cache writes the record first and the notebook then, so a build that was killed, or
    ran out of disk, may have left one without the other. Both are then taken away.
    """
    try:
        return cache.get_cache_bundle(record.pk).nb
    except (KeyError, ValueError, NotebookValidationError):
        _forget(cache, record)
        return None


def _forget(cache: JupyterCacheAbstract, record: NbCacheRecord) -> None:
    """Take a record away, and its notebook if that is there."""
    with suppress(KeyError):
        cache.remove_cache(record.pk)
        return
    NbCacheRecord.remove_record(record.pk, cache.db)


def seconds_of(root: Path, path: Path) -> float | None:
    """How long a chapter took when it was executed last; None if its results came with it."""
    records = get_cache(root / CACHE).list_cache_records()
    found = (r.data.get("execution_seconds") for r in records if r.uri == str(path))
    return next(filter(None, found), None)


def refresh(root: Path, progress: Progress) -> None:
    """Execute the chapters that are stale, so that the cache holds fresh results of all.

    As many run at once as there are cores; what one has come to is kept when it ends.

    Raises:
        NotebookError: If a cell fails.
    """

    def ended(path: Path, notebook: NotebookNode, seconds: float) -> None:
        progress.done(f"{path.stem}  executed in {seconds:.0f} s")
        keep(root, path, notebook, seconds)

    stale = []
    for path in chapters(root):
        if notebook := executed(root, path):
            keep(root, path, notebook)
        else:
            stale.append(path)
    run_together(stale, progress, ended)


def run(path: Path, progress: Progress, **settings: object) -> NotebookNode:
    """Execute one notebook; see `run_together`."""
    found = []
    run_together([path], progress, lambda _, notebook, __: found.append(notebook), **settings)
    return found[0]


def run_together(
    paths: list[Path],
    progress: Progress,
    ended: Callable[[Path, NotebookNode, float], None],
    *,
    change: Callable[[NotebookNode], None] = lambda notebook: None,
    environment: Mapping[str, str] = KERNEL_ENVIRONMENT,
) -> None:
    """Execute notebooks, each in a kernel of its own that is started in the notebook's folder.

    Args:
        paths: The notebooks' files, which stay as they are.
        progress: Where to say which cell is running.
        ended: What to do with each when it was executed, in how many seconds.
        change: What to change in a notebook before it runs.
        environment: Variables that the kernels get besides those of this process.

    Raises:
        NotebookError: If a cell fails; what runs beside it is then ended.
        KeyboardInterrupt: If Ctrl-C ended them; all kernels have ended when this returns.
    """
    interrupted = False

    async def together() -> None:
        whole, places = asyncio.current_task(), asyncio.Semaphore(cores())

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            whole.cancel()

        async def one(path: Path) -> None:
            async with places:
                started = time.monotonic()
                notebook = read(path)
                change(notebook)
                await _execute(path, notebook, progress, interrupt, environment)
                ended(path, notebook, time.monotonic() - started)

        async with asyncio.TaskGroup() as group:
            for path in paths:
                group.create_task(one(path))

    failure = None
    try:
        asyncio.run(together())
    except asyncio.CancelledError:
        failure = KeyboardInterrupt()
    except ExceptionGroup as several:
        failure = KeyboardInterrupt() if interrupted else several.exceptions[0]
    if failure:
        raise failure


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def _execute(
    path: Path,
    notebook: NotebookNode,
    progress: Progress,
    interrupt: Callable[[], None],
    environment: Mapping[str, str],
) -> None:
    """Execute a notebook and leave the outputs in it."""
    started = time.monotonic()
    current = 0

    def note_cell(cell: NotebookNode, cell_index: int) -> None:
        nonlocal current
        current = cell_index
        elapsed = time.monotonic() - started
        progress.show(f"{path.stem}  cell {cell_index + 1}/{len(notebook.cells)}  {elapsed:.0f} s")

    client = Client(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],  # hushes a note about TCP at every start
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=note_cell,
    )
    client.interrupt = interrupt
    try:
        await client.async_execute(env=os.environ | environment)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(_describe(path, current, notebook.cells[current], error)) from error
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = number


def _describe(path: Path, index: int, cell: NotebookNode, error: Exception) -> str:
    reasons = {
        CellTimeoutError: f"the cell ran for more than {CELL_TIMEOUT} s",
        DeadKernelError: "the kernel died: it was killed, ran out of memory, or the code ended it",
    }
    reason = reasons.get(type(error)) or f"{error.ename}: {error.evalue}"
    head = "\n".join(f"    {line}" for line in cell.source.split("\n")[:6])
    return f"{path.stem}, cell {index + 1}, failed:\n{head}\n{reason}"


def keep(root: Path, path: Path, notebook: NotebookNode, seconds: float | None = None) -> None:
    """Put results where Jupyter Book finds them, in place of all older ones of this notebook.

    A result is also put there anew when only metadata changed (a caption), since Jupyter
    Book's key covers the cells' metadata and ours does not.
    """
    cache = get_cache(root / CACHE)
    current = fingerprint(root, notebook)
    _, key = cache.create_hashed_notebook(notebook)
    records = [record for record in cache.list_cache_records() if record.uri == str(path)]
    old = [r for r in records if (r.hashkey, r.data.get("fingerprint")) != (key, current)]
    for record in old:
        seconds = seconds or record.data.get("execution_seconds")
        _forget(cache, record)
    if len(old) == len(records):
        data = {"fingerprint": current, "execution_seconds": seconds}
        # A folder that was left empty would stop jupyter-cache.
        shutil.rmtree(root / CACHE / "executed" / key, ignore_errors=True)
        cache.cache_notebook_bundle(CacheBundleIn(notebook, str(path), data=data), overwrite=True)


def canonical(notebook: NotebookNode, values: dict[str, str]) -> NotebookNode:
    """The form in which notebooks are committed: equal results give equal files.

    Raises:
        ValueError: If the cell tagged `bootstrap` does not hold the lines for the values.
    """
    replaced = {"kernelspec", "language_info", "widgets"}
    notebook.metadata = {k: v for k, v in notebook.metadata.items() if k not in replaced}
    notebook.metadata |= {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        for key in PASSING_METADATA:
            cell.metadata.pop(key, None)
        if "bootstrap" in cell.metadata.get("tags", []):
            cell.source = with_values(cell.source, values)
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = number if cell.outputs or cell.execution_count else None
        for output in cell.outputs:
            output.get("metadata", {}).get("book", {}).pop("seconds", None)
            if "execution_count" in output:
                output.execution_count = number
    return nbformat.from_dict(notebook)


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook if it differs from the file.

    The file is replaced in one step, so that a full disk or a kill in between loses nothing.
    """
    text = nbformat.writes(notebook) + "\n"
    if path.read_text("utf8") == text:
        return
    whole = path.with_name(f".{path.name}.new")
    try:
        whole.write_text(text, "utf8")
        shutil.copymode(path, whole)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)


def store(root: Path, progress: Progress) -> None:
    """Execute what is stale and store every chapter's outputs in its notebook."""
    values = bootstrap_values(root)
    for path in chapters(root):
        canonical(read(path), values)  # what it would refuse is refused before anything runs
    refresh(root, progress)
    for path in chapters(root):
        write(path, canonical(executed(root, path), values))
        progress.done(f"{path.relative_to(root)}  outputs stored")


def stopped_by_disk(root: Path, error: Exception) -> str:
    """What to say of a file that could not be read or written."""
    reason = getattr(error, "orig", error)  # SQLAlchemy wraps what the database said
    return (
        f"A file could not be read or written: {reason}\n"
        "Notebooks and the last good site are as they were. Run the same command again when the "
        f"reason is gone; if that does not help, `make clean` deletes all results."
        f"{room_left(root)}"
    )


def room_left(root: Path) -> str:
    """A sentence if there is little room on the disk, else nothing."""
    free = shutil.disk_usage(root).free / 1e6
    if free > DISK_SPACE:
        return ""
    return f"\nThe disk has {free:.0f} MB free; a build needs about {DISK_SPACE} MB."


def main(action: Callable[[Path, Progress], None]) -> None:
    """Run an action on this repository; a failure is one message and exit code 1."""
    progress = Progress()
    try:
        require_writable(ROOT / "_build")
        with alone(ROOT / "_build", progress):
            action(ROOT, progress)
    except (NotebookError, ValueError) as error:
        raise SystemExit(f"\n{error}") from error
    except (OSError, SQLAlchemyError) as error:
        raise SystemExit(f"\n{stopped_by_disk(ROOT, error)}") from error
    except RuntimeError as error:  # what jupyter-cache makes of trouble with its database
        if not isinstance(error.__cause__, SQLAlchemyError):
            raise
        raise SystemExit(f"\n{stopped_by_disk(ROOT, error.__cause__)}") from error
    except KeyboardInterrupt:
        raise SystemExit("\ninterrupted") from None


if __name__ == "__main__":
    main(store)
