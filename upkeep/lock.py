"""Write the lock: one version of every package, for every system and supported Python.

    python -m upkeep.lock             after a pin was changed by hand: keep all that may stay
    python -m upkeep.lock --upgrade   raise what the pins leave open; say which pins could rise

constraints.txt holds the versions that `make book` installs, also of packages that only other
packages ask for. binder/requirements.txt holds what Binder adds to its own base. Both are
written here and nowhere else.
"""

import argparse
import re
import tempfile
from pathlib import Path

from .environments import PIN, ROOT, TORCH_INDEX, Unavailable, pins, run, uv

CONSTRAINTS = Path("constraints.txt")
BINDER = Path("binder/requirements.txt")
OLDEST_PYTHON = "3.11"
IN_BINDERS_BASE = ("jupyterlab", "ipykernel", "ipywidgets")
HEAD = "# Written by `make lock`: the version of every package, which `make book` installs.\n"
BINDER_HEAD = f"""\
# Written by `make lock` from requirements.txt: what Binder's base image does not have already.
# It names no other file, so that Binder installs it before it copies the book, and only once.
# Binder has no GPU; the CPU build of torch is a tenth of the size.
--extra-index-url {TORCH_INDEX}
"""


def requirement_files(root: Path) -> list[Path]:
    """All requirements files of the book."""
    return sorted(root.glob("requirements*.txt"))


def compile_lock(root: Path, *options: str) -> None:
    """Resolve all requirements files together, for all systems.

    Raises:
        RuntimeError: If they do not go together.
    """
    command = [*uv(), "pip", "compile", "-q", "--universal", "--python-version", OLDEST_PYTHON]
    command += ["--no-header", "--no-annotate", "--no-strip-markers", "-o", root / CONSTRAINTS]
    run([*command, *options, *requirement_files(root)], cwd=root)
    text = (root / CONSTRAINTS).read_text("utf8").removeprefix(HEAD)
    (root / CONSTRAINTS).write_text(HEAD + text, "utf8")


def binder_requirements(requirements: str) -> str:
    """What Binder has to add to its base, from the text of requirements.txt."""
    lines = [f"{n}=={v}" for n, v in PIN.findall(requirements) if n not in IN_BINDERS_BASE]
    lines = [f"{line}+cpu" if line.startswith("torch==") else line for line in lines]
    return BINDER_HEAD + "\n".join(lines) + "\n"


def possible_rises(root: Path) -> list[str]:
    """Pins above which there are newer releases that still go together, in words."""
    known = pins(*(path.name for path in requirement_files(root)))
    ranges = "\n".join(f"{name}>={version}" for name, version in known.items())
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "ranges.in")
        listed.write_text(ranges)
        command = [*uv(), "pip", "compile", "-q", "--universal", "--python-version"]
        found = run([*command, OLDEST_PYTHON, "--no-header", "--no-annotate", listed]).stdout
    newest = dict(PIN.findall(found))
    names = {name: re.sub(r"[-_.]+", "-", name).lower() for name in known}
    return [
        f"{name} {version} -> {newest[names[name]]}"
        for name, version in known.items()
        if newest.get(names[name], version) != version
    ]


def main() -> None:
    """Write the lock and Binder's list; say what could rise."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.lock")
    parser.add_argument("--upgrade", action="store_true", help="raise what the pins leave open")
    upgrade = parser.parse_args().upgrade
    try:
        compile_lock(ROOT, *(["--upgrade"] if upgrade else []))
        (ROOT / BINDER).write_text(binder_requirements((ROOT / "requirements.txt").read_text()))
        rises = possible_rises(ROOT) if upgrade else []
    except (Unavailable, RuntimeError) as error:
        raise SystemExit(str(error)) from error
    print(f"{CONSTRAINTS} and {BINDER} are up to date.")
    for line in rises:
        print(f"  could rise: {line}")


if __name__ == "__main__":
    main()
