"""Run each chapter and each student's assignment alone, in an environment like Colab's.

    python -m upkeep.colab                 the chapters, then the coursework
    python -m upkeep.colab 05_flows        some of them

The environment holds what Colab has preinstalled (upkeep/colab.txt), and nothing of ours. Every
notebook runs from first cell to last as the only file of an empty folder, in a kernel in which
`google.colab` is imported, so that figures with sliders take Colab's way through ipywidgets 7.
The book's repository is a copy whose newest helpers cannot be imported: a chapter runs only if
it fetches the version that it belongs to. The real Colab is not asked: it is a service.
"""

import argparse
import json
import platform
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from tools.notebooks import chapters, helpers_version

from . import environments
from .environments import HOME, ROOT, Unavailable
from .kernels import Failed, complaints, execute, pictures

PREINSTALLED = Path(__file__).with_name("colab.txt")
RESULTS = Path(__file__).with_name("colab.json")
PYTHONS = ("3.13", "3.12", "3.11")  # Colab's own first
COURSEWORK = "coursework/"
STUDENT = ('STUDENT = ""', 'STUDENT = "s1234567"')  # the one thing that is asked before an answer
IN_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')"
NEWER = 'raise ImportError("these are newer helpers than the chapter asked for")\n'


def environment() -> Path:
    """The Python of an environment like Colab's, in the first of PYTHONS that can be had.

    Raises:
        Unavailable: If there is none of these Pythons.
    """
    wanted = PREINSTALLED.read_text("utf8")
    folder = HOME / "colab"
    inside, made_from = environments.python_of(folder), folder / "made-from.txt"
    if made_from.exists() and made_from.read_text("utf8") == wanted and inside.exists():
        return inside
    for version in PYTHONS:
        try:
            python = environments.interpreter(version)
            break
        except Unavailable as lacking:
            print(f"Not Colab's Python: {lacking}")
    else:
        raise Unavailable(f"needed one of Python {', '.join(PYTHONS)}")
    lines = [line for line in wanted.splitlines() if not line.startswith("#")]
    inside = environments.create(folder, python, lines, "--only-binary", ":all:")
    made_from.write_text(wanted, "utf8")
    return inside


def repository(folder: Path) -> str:
    """A repository with this book's helpers, and after them newer ones that do not work.

    It allows what GitHub does: a clone that fetches files only when they are needed.
    """
    shutil.copytree(
        ROOT / "helpers", folder / "helpers", ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    (folder / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    git(folder, "init", "-q")
    git(folder, "config", "uploadpack.allowFilter", "true")
    commit(folder, "the helpers that the chapters ran with")
    for path in folder.glob("helpers/*.py"):
        path.write_text(NEWER)
    commit(folder, "newer helpers")
    return folder.as_uri()


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, as nobody in particular."""
    somebody = ["-c", "user.name=Upkeep", "-c", "user.email=upkeep@example.org"]
    environments.run(["git", "-C", folder, *somebody, *words])


def commit(folder: Path, message: str) -> None:
    """Store everything in a folder as one commit."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def assignments(folder: Path) -> list[Path]:
    """The notebooks of coursework as students get them, without an answer."""
    command = [sys.executable, "-m", "coursework.build", "--output", folder]
    environments.run(command, cwd=ROOT)
    return sorted((folder / "students").glob("*.ipynb"))


def run_alone(path: Path, python: Path, address: str) -> dict[str, object]:
    """Run a notebook as the only file of an empty folder; say how long and how large it was.

    Raises:
        Failed: If it does not run to its end, or ran with helpers that it did not fetch.
    """
    with tempfile.TemporaryDirectory() as name:
        text = path.read_text("utf8").replace(*map(in_json, STUDENT))
        Path(name, path.name).write_text(text, "utf8")
        started = time.monotonic()
        surroundings = {"BOOK_REPOSITORY": address}
        result, memory = execute(Path(name, path.name), python, IN_COLAB, surroundings)
        seconds = time.monotonic() - started
        fetched = sorted(p.parent.name for p in Path(name).glob("*/helpers"))
    return {
        "seconds": round(seconds, 1),
        "peak_mib": round(memory),
        "pictures_before": pictures(nbformat.read(path, as_version=4)),
        "pictures_after": pictures(result),
        "fetched": fetched,
        "stderr": complaints(result),
    }


def in_json(text: str) -> str:
    """Text as it stands inside a string of a notebook's file."""
    return json.dumps(text)[1:-1]


def run_all(wanted: list[str], folder: Path) -> dict[str, dict]:
    """Run what is wanted of the chapters and the assignments, and print how each ended."""
    python = environment()
    print(f"In Python {version_of(python)} with {describe(environments.installed(python))}")
    address = repository(folder / "book")
    notebooks = {path.stem: path for path in chapters(ROOT)}
    students = assignments(folder / "coursework")
    notebooks |= {f"{COURSEWORK}{path.stem}": path for path in students}
    if unknown := set(wanted) - set(notebooks):
        raise ValueError(f"needed some of {', '.join(notebooks)}; got {', '.join(unknown)}")
    ended = {}
    for name in wanted or notebooks:
        try:
            ended[name] = run_alone(notebooks[name], python, address)
        except Failed as error:
            ended[name] = {"failed": str(error)}
        print(f"{name}: {sentence(ended[name])}", flush=True)
    return ended


def trouble(name: str, result: dict, version: str) -> list[str]:
    """What is wrong with how a notebook ended; nothing if all is well."""
    if "failed" in result:
        return [result["failed"]]
    found = [f"wrote to stderr: {text}" for text in result["stderr"]]
    if name.startswith(COURSEWORK):
        return found
    if result["pictures_before"] == 0:
        found.append("opens without a figure")
    if result["pictures_after"] < result["pictures_before"]:
        found.append("shows fewer figures after it ran than before")
    if result["fetched"] != [f"line-by-line-{version[:7]}"]:
        found.append(f"fetched {result['fetched']}, not version {version[:7]}")
    return found


def sentence(result: dict) -> str:
    """How a notebook ended, in words."""
    if "failed" in result:
        return f"FAILED\n{result['failed']}"
    return (
        f"{result['seconds']} s, {result['peak_mib']} MiB at most, "
        f"{result['pictures_after']} figures ({result['pictures_before']} before it ran)"
    )


def version_of(python: Path) -> str:
    """The full version of an interpreter."""
    return environments.run([python, "-V"]).stdout.split()[1]


def describe(versions: dict[str, str]) -> str:
    """The versions that decide how a chapter runs, in words."""
    return ", ".join(f"{name} {versions[name]}" for name in pins_of(PREINSTALLED))


def pins_of(path: Path) -> list[str]:
    """The names in a requirements file."""
    return re.findall(r"^([a-z-]+)", path.read_text("utf8"), re.MULTILINE)


def main() -> None:
    """Run what was asked for; keep the results if that was everything."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.colab")
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="05_flows, or another")
    wanted = parser.parse_args().notebooks
    with tempfile.TemporaryDirectory() as folder:
        try:
            ended = run_all(wanted, Path(folder))
        except (Unavailable, RuntimeError, ValueError) as error:
            raise SystemExit(str(error)) from error
    version = helpers_version(ROOT)
    wrong = [f"{name}: {t}" for name, r in ended.items() for t in trouble(name, r, version)]
    if wrong:
        raise SystemExit("\n".join(["Not as in Colab it should be:", *wrong]))
    if not wanted:
        store(ended)


def store(ended: dict[str, dict]) -> None:
    """Keep the results of a whole run, with the versions that it ran with."""
    python = environments.python_of(HOME / "colab")
    versions = environments.installed(python)
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": version_of(python),
        "versions": {name: versions[name] for name in pins_of(PREINSTALLED)},
    }
    RESULTS.write_text(json.dumps(about | {"notebooks": ended}, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
