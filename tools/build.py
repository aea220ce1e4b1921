"""Execute what is stale, build the site, and publish it in one step to _build/html.

A build that fails or is interrupted leaves the last good site as it was.

    python tools/build.py
"""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from notebooks import Progress, inherit_lock, main, refresh, room_left

# Ctrl-C reaches Sphinx too, which would answer with a traceback; this program ends it instead.
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
JUPYTER_BOOK = [sys.executable, "-c", f"{DEAF}; from jupyter_book.cli.main import main; main()"]


def build(root: Path, progress: Progress) -> None:
    """Bring `_build/html` up to date.

    Raises:
        NotebookError: If a cell fails.
        ValueError: If `_build` is not writable or a page has warnings.
    """
    started = time.monotonic()
    recover(root / "_build/html")
    refresh(root, progress)
    work = root / "_build/work"
    make_pages(root, work, progress)
    publish(work / "_build/html", root / "_build/html")
    progress.done(f"The book is built ({time.monotonic() - started:.0f} s).")
    print(f"Open {root / '_build/html/index.html'}")
    print("or run `make serve` and open http://127.0.0.1:8000")


def make_pages(root: Path, work: Path, progress: Progress) -> None:
    """Run Jupyter Book with warnings as errors, from scratch unless the last run was good.

    Sphinx does not repeat the warnings of a page that it has read before, so a second run on
    the leavings of a failed one would pass.
    """
    stamp = work / "stamp"
    state = _machinery(root)
    if not (stamp.exists() and stamp.read_text() == state):
        shutil.rmtree(work, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    options = ["-W", "-n", "--keep-going", "--path-output", str(work)]
    command = [*JUPYTER_BOOK, "build", str(root), *options]
    settings = {"cwd": root, "stdout": subprocess.PIPE, "text": True, "pass_fds": inherit_lock()}
    with subprocess.Popen(command, **settings) as process:
        try:
            for line in process.stdout:
                if "%]" in line:  # "reading sources... [ 50%] book/index" and the like
                    progress.show(" ".join(line.split()))
        except KeyboardInterrupt:
            process.kill()
            raise
    if process.returncode:
        raise ValueError(
            "The pages have the warnings or the error above. The last good site is untouched."
            f"{room_left(root)}"
        )
    stamp.write_text(state)


def _machinery(root: Path) -> str:
    """A digest of what shapes every page."""
    names = ["_config.yml", "_toc.yml", "requirements-dev.txt"]
    names += [
        "book/_ext/**/*.py",
        "book/_templates/**/*.html",
        "book/_static/**/*.*",
        "tools/*.py",
    ]
    files = sorted(path for name in names for path in root.glob(name))
    return hashlib.sha256(b"\n".join(path.read_bytes() for path in files)).hexdigest()


def publish(source: Path, target: Path) -> None:
    """Put a copy of the source in the target's place, all at once."""
    fresh, old = _beside(target)
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(source, fresh)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
    finally:
        recover(target)


def recover(target: Path) -> None:
    """Put the old site back if its successor never came, and delete what lies beside it."""
    fresh, old = _beside(target)
    if old.exists() and not target.exists():
        old.rename(target)
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _beside(target: Path) -> tuple[Path, Path]:
    """Where a site waits before it takes the target's place, and where the old one waits."""
    return target.with_name("html.new"), target.with_name("html.old")


if __name__ == "__main__":
    main(build)
