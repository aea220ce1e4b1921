"""Run the helpers' tests and the chapters on every supported Python, with old and new versions.

    python -m upkeep.matrix                      all Pythons that can be had here
    python -m upkeep.matrix 3.12-oldest          one row, or several
    python -m upkeep.matrix --all                leaving a row out is an error
    python -m upkeep.matrix --keep               leave the environments in _build/upkeep

A row is an environment with the oldest supported versions (upkeep/supported.txt) or with the
newest that the registry has, and nothing of the site builder's. In it run the tests of helpers/,
and the six chapters, whose text outputs are compared with the stored ones. What ran with which
versions is kept in upkeep/matrix.json; a row that was run by itself replaces its entry there.
"""

import argparse
import json
import os
import platform
import shutil
import time
from pathlib import Path
from xml.etree import ElementTree

from . import environments
from .environments import HOME, ROOT, Unavailable

PYTHONS = ("3.11", "3.12", "3.13")
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
ROWS = tuple(f"{python}-{age}" for python in PYTHONS for age in RESOLUTIONS)
SUPPORTED = Path(__file__).with_name("supported.txt")
RESULTS = Path(__file__).with_name("matrix.json")
NAMED = ("torch", "numpy", "matplotlib", "ipywidgets", "ipython", "scipy", "scikit-learn")
# What the tests need besides; tests/conftest.py needs a part of what builds the site.
TOOLS = (
    "beautifulsoup4",
    "filelock",
    "fonttools",
    "jupyter-cache",
    "mpmath",
    "nbclient",
    "nbformat",
    "nbval",
    "playwright",
    "pytest",
    "pyyaml",
    "sphinx-external-toc",
)


def tests() -> list[str]:
    """The tests of helpers/: one file a module, and the exercises."""
    modules = sorted(path.stem for path in (ROOT / "helpers").glob("*.py"))
    found = [f"tests/test_{name}.py" for name in [*modules, "exercises"]]
    return [name for name in found if (ROOT / name).exists()]


def requirements() -> list[str]:
    """Lines for a row: the supported ranges, and the pins of the tools."""
    known = environments.pins("requirements-dev.txt", "requirements-bench.txt")
    ranges = [line for line in SUPPORTED.read_text().splitlines() if not line.startswith("#")]
    return ranges + [f"{name}=={known[name]}" for name in TOOLS]


def run_row(row: str, keep: bool) -> dict:
    """Install a row, run it, and return what was run and how it ended.

    Raises:
        Unavailable: If its Python cannot be had.
        RuntimeError: If it cannot be installed.
    """
    version, age = row.split("-")
    python = environments.interpreter(version)
    folder = HOME / row
    options = ["--resolution", RESOLUTIONS[age], "--only-binary", ":all:"]
    started = time.monotonic()
    inside = environments.create(folder, python, requirements(), *options)
    ready = time.monotonic()
    versions = environments.installed(inside)
    print(f"{row}: {', '.join(f'{name} {versions[name]}' for name in NAMED)}", flush=True)
    counts = run_tests(inside, folder / "results.xml", strict=age == "newest")
    if not keep:
        shutil.rmtree(folder)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "date": time.strftime("%Y-%m-%d"),
        "versions": {name: versions[name] for name in NAMED},
        "install_seconds": round(ready - started),
        "test_seconds": round(time.monotonic() - ready),
    } | counts


def run_tests(python: Path, report: Path, strict: bool) -> dict[str, object]:
    """Run the tests of helpers/ and the chapters; count how they ended, and name the failures.

    A warning is an error, as everywhere here; unless `strict`, not that something is deprecated:
    old libraries still call what newer ones that they bring have renamed.
    """
    command = [python, "-m", "pytest", "-q", "book", *tests(), f"--junitxml={report}"]
    command += [] if strict else ["-W", "ignore::DeprecationWarning"]
    surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    try:
        environments.run(command, cwd=ROOT, env=surroundings | {"PYTHONDONTWRITEBYTECODE": "1"})
    except RuntimeError as error:
        if not report.exists():  # nothing was even collected
            raise
        print(error)
    return count(report)


def count(report: Path) -> dict[str, object]:
    """Numbers of tests that passed, were skipped or failed in a JUnit report, and which failed."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    ended = {"skipped": [], "failed": []}
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("skipped") is not None:
            ended["skipped"].append(name)
        elif case.find("failure") is not None or case.find("error") is not None:
            ended["failed"].append(name)
    passed = len(cases) - sum(map(len, ended.values()))
    return {"passed": passed, "skipped": len(ended["skipped"]), "failed": ended["failed"]}


def holds(result: dict) -> bool:
    """Whether a row ran to the end, something passed, and nothing failed."""
    return bool(result.get("passed")) and not result.get("failed")


def attempt(row: str, keep: bool) -> dict[str, object]:
    """Run a row; what cannot be had or installed is an entry that says so."""
    try:
        return run_row(row, keep)
    except Unavailable as lacking:
        return {"left_out": str(lacking)}
    except RuntimeError as error:
        return {"passed": 0, "failed": [str(error)]}


def main() -> None:
    """Run the rows that were asked for; print and store how each ended."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.matrix")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--all", action="store_true", help="leaving a row out is an error")
    parser.add_argument("--keep", action="store_true", help="leave the environments there")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"needed rows among {', '.join(ROWS)}; got {', '.join(sorted(unknown))}")
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    ended = {}
    for row in options.rows or ROWS:
        ended[row] = attempt(row, options.keep)
        print(sentence(row, ended[row]), flush=True)
        stored |= {row: ended[row]} if "left_out" not in ended[row] else {}
        RESULTS.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
    raise SystemExit(verdict(ended, strict=options.all or bool(options.rows)))


def sentence(row: str, result: dict) -> str:
    """How a row ended, in words."""
    if "left_out" in result:
        return f"{row}: LEFT OUT, {result['left_out']}"
    if not holds(result):
        return f"{row}: FAILED\n" + "\n".join(result["failed"] or ["no test ran"])
    return (
        f"{row}: {result['passed']} passed, {result['skipped']} skipped; installed in "
        f"{result['install_seconds']} s, tested in {result['test_seconds']} s"
    )


def verdict(ended: dict[str, dict], strict: bool) -> str | None:
    """None if all is well; else what was wrong. A row left out is wrong if it was asked for."""
    failed = [row for row, result in ended.items() if not ("left_out" in result or holds(result))]
    missing = [row for row, result in ended.items() if "left_out" in result]
    if failed:
        return f"These rows failed: {', '.join(failed)}."
    if missing and (strict or len(missing) == len(ended)):
        return f"These rows could not be run here: {', '.join(missing)}."
    if missing:
        print(f"Left out: {', '.join(missing)}. With --all this is an error.")
    return None


if __name__ == "__main__":
    main()
