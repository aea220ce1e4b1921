"""Every command of the Makefile in a folder whose name has spaces and letters of all kinds."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.browsers import BROWSERS
from upkeep.recipes import fresh_clone

NAME = "mein büch ✓ книга"
STEM = "06_games"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A fresh clone in such a folder."""
    folder = tmp_path_factory.mktemp("paths") / NAME
    folder.mkdir()
    return fresh_clone(folder)


def make(root: Path, *words: str) -> str:
    """What make printed; it has to succeed."""
    result = subprocess.run(
        ["make", *words],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    return result.stdout


def test_book_and_one_chapter(clone):
    path = clone / "book/06_games.ipynb"
    text = path.read_text("utf8")
    path.write_text(text.replace("import math", "import  math", 1), "utf8")
    assert "06_games  executed in" in make(clone, "book"), "no chapter ran in this folder"
    assert (clone / "_build/html/book/06_games.html").exists()
    path.write_text(text, "utf8")


def test_pdf(clone):
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("needs Chromium")
    assert "The PDF has" in make(clone, "pdf")


def test_coursework_and_marking(clone):
    if shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap")
    make(clone, "coursework")
    place = clone.parent / "Abgaben von heute ✓" / "Zoë" / STEM
    place.mkdir(parents=True)
    shutil.copy(clone / f"coursework/course/students/{STEM}.ipynb", place)
    # The sandbox shows this Python's folder; the clone's own borrows packages from another.
    command = [sys.executable, "-m", "coursework.grade", str(place.parent.parent)]
    result = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    assert "1 marked now, 0 marked before, 0 failed." in said, said
    assert "Zoë" in (clone / "coursework/course/marks.csv").read_text("utf8")
