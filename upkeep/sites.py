"""Build the site twice from one commit, each time from nothing, and compare the two folders.

What may differ is taken out before the comparison, and is marked on the pages: pictures of
measured times, in the cells tagged for it, and times in the text (class `measured`): the ledger's
column of seconds, and the line at the head of a chapter that says how long it runs.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup

SHOWS_TIMES = "tag_shows-times"  # the class that a cell's tag has on the page
IMAGE = re.compile(r"_images/[0-9a-f]{40,64}\.png")
MEASURED = re.compile(r'<span class="measured">[^<]*</span>')


def export(root: Path, folder: Path) -> None:
    """Write the files of the last commit into a folder."""
    archive = subprocess.run(
        ["git", "-C", str(root), "archive", "HEAD"], capture_output=True, check=True
    )
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def build(folder: Path, seed: int) -> float:
    """Execute the chapters and build the site from nothing; returns seconds.

    Args:
        folder: An exported tree, without `_build`.
        seed: Python's hash seed, another one for each build, so that no page may depend on it.

    Raises:
        ValueError: If the build fails.
    """
    started = time.monotonic()
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "tools/build.py"]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise ValueError(
            f"the site does not build:\n{result.stdout[-500:]}{result.stderr[-2000:]}"
        )
    return time.monotonic() - started


def timed_pictures(site: Path) -> dict[str, str]:
    """Names of the picture files that show measured times, with the names that stand for them."""
    found = {}
    for page in sorted(site.rglob("*.html")):
        soup = BeautifulSoup(page.read_text("utf8"), "html.parser")
        for place, cell in enumerate(soup.find_all(class_=SHOWS_TIMES)):
            for name in IMAGE.findall(str(cell)):
                found[Path(name).name] = f"{page.stem}-{place}.png"
    return found


def contents(site: Path, left_out: Callable[[str], bool] = lambda name: False) -> dict[str, str]:
    """A digest of each file, by its path; what may differ is taken out."""
    pictures = timed_pictures(site)
    found = {}
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        name = str(path.relative_to(site))
        if path.name in pictures:
            found[f"_images/{pictures[path.name]}"] = "shows measured times"
        elif not left_out(name):
            found[name] = hashlib.sha256(_content(path, pictures)).hexdigest()
    return found


def _content(path: Path, pictures: dict[str, str]) -> bytes:
    if path.suffix not in (".html", ".ipynb", ".js", ".txt", ".json"):
        return path.read_bytes()
    text = path.read_text("utf8")
    for file, stands_for in pictures.items():
        text = text.replace(file, stands_for)
    return MEASURED.sub("", text).encode()


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Paths of the files that are in one site only, or not the same in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def build_twice(root: Path) -> dict:
    """What two builds of the last commit have in common, and what differs.

    Both are built in a folder of the same name, one after the other, since what a page tells of
    its own folder is no fault of the build's.

    Raises:
        ValueError: If files are changed and not committed, or a build fails.
    """
    state = subprocess.run(
        ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if changed := [line for line in state.stdout.splitlines() if not _is_result(line)]:
        raise ValueError(f"the site of a commit is compared; not committed are {changed}")
    found, seconds = [], []
    with tempfile.TemporaryDirectory(prefix="sites-") as above:
        for number in (1, 2):
            folder = Path(above, "book")
            export(root, folder)
            seconds.append(round(build(folder, number)))
            found.append(contents(folder / "_build/html"))
            folder.rename(Path(above, f"built-{number}"))
    return {
        "commit": _commit(root),
        "files": len(found[0]),
        "differ": differences(*found),
        "measured": sorted(name for name, said in found[0].items() if "measured" in said),
        "seconds": seconds,
    }


def _is_result(line: str) -> bool:
    """Whether what git lists is a result of this folder's commands."""
    return line[3:].startswith("upkeep/") and line.endswith(".json")


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def told(found: dict) -> str:
    """The comparison as a few lines."""
    head = f"{found['files']} files, built twice from commit {found['commit']}: "
    shown = json.dumps(found["differ"][:20], ensure_ascii=False, indent=1)
    return head + (f"{len(found['differ'])} differ {shown}" if found["differ"] else "the same")
