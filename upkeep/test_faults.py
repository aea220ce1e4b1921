"""Faults that really happen, produced on purpose: killed, interrupted, full, read-only, lacking.

Each is done to a copy of a small book with this book's own machinery. What has to hold every
time: one clear message and no traceback, the notebooks and the published site whole, and the
next command works. `python -m upkeep.faults` runs these with the checks that stand elsewhere.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tests.test_build import ROOT, chapter, page, run_build, snapshot
from tools.browsers import BROWSERS

WAITS = """import os, pathlib, time
pathlib.Path("kernel.pid").write_text(str(os.getpid()))
time.sleep(600)"""
MOMENTS = 6  # of a build, at which it is killed; as many at which it is interrupted
TOOLS = ("build", "notebooks")


def start(root: Path, tool: str = "build", **settings: object) -> subprocess.Popen:
    """Start a command of the book as a terminal does: in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", str(root / f"tools/{tool}.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **settings,
    )


def run(command: list[object], **settings: object) -> tuple[int, str]:
    """Run a command; its exit code, and all that it printed."""
    result = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **settings,
    )
    return result.returncode, result.stdout


def sources(root: Path) -> dict[str, bytes]:
    """What an author would miss: the chapters."""
    return {path.name: path.read_bytes() for path in (root / "book").glob("*.ipynb")}


def wait_for(path: Path, seconds: float = 120) -> str:
    """The text of a file, as soon as it has one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    pytest.fail(f"{path} did not come within {seconds} s")


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waiting to be forgotten."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def make_stale(root: Path, number: int) -> None:
    """Change a helper, so that the next build executes and has a new site to publish."""
    (root / "helpers/adding.py").write_text(f"def plus(a, b):\n    return a + b + {number}\n")


def incomplete(root: Path, reference: dict[str, bytes]) -> list[str]:
    """Files of the site that are missing or cut off, judged by a site that is whole."""
    now = snapshot(root)
    missing = [name for name in reference if name not in now and "_images" not in name]
    whole = {name for name, text in reference.items() if text.rstrip().endswith(b"</html>")}
    cut = [name for name in whole & now.keys() if not now[name].rstrip().endswith(b"</html>")]
    empty = [name for name, text in now.items() if not text and reference.get(name)]
    return missing + cut + empty


# Killed, interrupted


@pytest.mark.parametrize("tool", TOOLS)
def test_kernel_killed_in_mid_chapter(small_book, tool):
    before = snapshot(small_book)
    path = small_book / "book/one.ipynb"
    good = path.read_bytes()
    nbformat.write(chapter(WAITS), path)
    written = path.read_bytes()
    with start(small_book, tool) as process:
        os.kill(int(wait_for(small_book / "book/kernel.pid")), signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "one, cell 4, failed" in said and "the kernel died: it was killed" in said
    assert "Traceback" not in said
    assert snapshot(small_book) == before
    assert path.read_bytes() == written
    path.write_bytes(good)
    run_build(small_book, expect=0)


def moments(seconds: float, seed: int) -> list[float]:
    """Moments of a build that takes so long, spread over all of it and drawn within each part."""
    draw = random.Random(seed).random
    return [seconds / MOMENTS * (i + draw()) for i in range(MOMENTS)]


def at_work(root: Path) -> subprocess.Popen:
    """A build that has printed its first line: Python's imports are over."""
    process = start(root)
    process.stdout.readline()
    return process


def time_of_build(root: Path) -> float:
    """Seconds from its first line that a build takes which executes and publishes."""
    make_stale(root, 1)
    with at_work(root) as process:
        started = time.monotonic()
        process.communicate()
    assert process.returncode == 0
    return time.monotonic() - started


@pytest.mark.parametrize("whom", ["the command", "all its processes"])
def test_build_killed_at_any_moment(small_book, whom, capsys):
    seconds, reference = time_of_build(small_book), snapshot(small_book)
    kept = sources(small_book)
    for number, moment in enumerate(moments(seconds, seed=1), start=2):
        make_stale(small_book, number)
        with at_work(small_book) as process:
            time.sleep(moment)
            kill = os.kill if whom == "the command" else os.killpg
            kill(process.pid, signal.SIGKILL)
        assert incomplete(small_book, reference) == [], f"killed after {moment:.1f} s"
        assert sources(small_book) == kept
        run_build(small_book, expect=0)
        assert f"check {2 + number}" in page(small_book, "one")
        leftovers = {p.name for p in (small_book / "_build").iterdir()} & {"html.new", "html.old"}
        assert leftovers == set()
    with capsys.disabled():
        print(f"\n{MOMENTS} kills of {whom} in builds of {seconds:.1f} s")


def test_build_interrupted_at_any_moment(small_book):
    """Ctrl-C reaches every process of the terminal's group, Sphinx and the kernel too."""
    seconds, reference = time_of_build(small_book), snapshot(small_book)
    for number, moment in enumerate(moments(seconds, seed=2), start=2):
        make_stale(small_book, number)
        with at_work(small_book) as process:
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        if process.returncode:
            assert "interrupted" in said, f"after {moment:.1f} s: {said}"
        assert "Traceback" not in said, f"after {moment:.1f} s"
        assert incomplete(small_book, reference) == []
    run_build(small_book, expect=0)


def test_no_kernel_outlives_a_killed_build(small_book):
    nbformat.write(chapter(WAITS), small_book / "book/one.ipynb")
    with start(small_book) as process:
        kernel = int(wait_for(small_book / "book/kernel.pid"))
        process.kill()
    end = time.monotonic() + 60
    while is_running(kernel) and time.monotonic() < end:
        time.sleep(0.2)
    assert not is_running(kernel)


# Full, read-only, without a network


def confined(*options: object) -> list[object]:
    """A command that runs the next one with other mounts, or the test is left out."""
    words = ["bwrap", "--dev-bind", "/", "/", *options]
    if shutil.which("bwrap") is None or run([*words, "true"])[0]:
        pytest.skip("needs a working bubblewrap: apt-get install bubblewrap")
    return words


FILL_AND_BUILD = """
import hashlib, json, os, shutil, subprocess, sys
from pathlib import Path
source, disk, shares = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
root = Path(shutil.copytree(source, disk / "book"))

def digest(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "lock")
    return hashlib.sha256(b"".join(str(p).encode() + p.read_bytes() for p in files)).hexdigest()

def run(tool):
    done = subprocess.run([sys.executable, str(root / f"tools/{tool}.py")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout

run("notebooks")  # in the form in which they are stored
found = []
for number, share in enumerate(shares, start=2):
    (root / "helpers/adding.py").write_text(f"def plus(a, b): return a + b + {number}")
    site, books = digest(root / "_build/html"), digest(root / "book")
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with open(disk / "ballast", "wb") as file:
        file.write(bytes(max(0, free - int(share))))
    for tool in ("build", "notebooks"):
        code, said = run(tool)
        found.append({"share": share, "tool": tool, "code": code, "said": said,
                      "site": digest(root / "_build/html") == site,
                      "books": digest(root / "book") == books})
    (disk / "ballast").unlink()
code, said = run("build")
print(json.dumps({"full": found, "then": [code, said]}))
"""


def test_disk_full(small_book, tmp_path, capsys):
    """A disk of memory is filled up to so many bytes; then there is room again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(path.stat().st_size for path in small_book.rglob("*") if path.is_file())
    site = sum(len(text) for text in snapshot(small_book).values())
    shares = [0, 4096, 40_000, 200_000, 0.5 * site, 0.9 * site]
    words = confined("--size", 4 * size + 50_000_000, "--tmpfs", disk)
    arguments = [small_book, disk, json.dumps(shares)]
    code, printed = run([*words, sys.executable, "-c", FILL_AND_BUILD, *arguments])
    assert code == 0, printed
    result = json.loads(printed.splitlines()[-1])
    stopped = [case for case in result["full"] if case["code"]]
    with capsys.disabled():
        print(f"\n{len(stopped)} of {len(result['full'])} commands met a full disk")
    for case in result["full"]:
        where = f"{case['tool']} with {case['share']:.0f} bytes free: {case['said']}"
        assert case["site"] or not case["code"], where
        assert case["books"] or not case["code"], where
        assert "Traceback" not in case["said"], where
    assert len(stopped) >= len(shares), "the disk was never full: nothing was tried"
    for case in stopped:
        assert "No space left" in case["said"] or "MB free" in case["said"], case
    assert result["then"][0] == 0, result["then"][1]


@pytest.mark.parametrize("tool", [*TOOLS, "pdf"])
def test_read_only_checkout(small_book, tool):
    before = snapshot(small_book)
    words = confined("--ro-bind", small_book, small_book)
    code, said = run([*words, sys.executable, small_book / f"tools/{tool}.py"])
    assert code == 1
    assert "needs to write in" in said and "Read-only file system" in said
    assert "Traceback" not in said
    assert snapshot(small_book) == before


def test_read_only_checkout_of_coursework(tmp_path):
    words = confined("--ro-bind", ROOT, ROOT, "--chdir", ROOT)
    output = ["--output", ROOT / "coursework/not-there"]
    code, said = run([*words, sys.executable, "-m", "coursework.build", *output])
    assert code == 1 and "Read-only file system" in said and "packs are untouched" in said
    assert "Traceback" not in said


def empty_checkout(folder: Path) -> Path:
    """What `make book` reads before anything is installed."""
    folder.mkdir()
    for path in (ROOT / "Makefile", ROOT / "constraints.txt", *ROOT.glob("requirements*.txt")):
        shutil.copyfile(path, folder / path.name)
    return folder


def test_installing_in_a_read_only_checkout(tmp_path):
    folder = empty_checkout(tmp_path / "book")
    words = confined("--ro-bind", folder, folder, "--chdir", folder)
    code, said = run([*words, "make", f"PYTHON={sys.executable}", "book"])
    assert code and "cannot be written: copy it to a place where you may write" in said
    assert "venv module" not in said


def test_installing_without_a_network(tmp_path):
    folder = empty_checkout(tmp_path / "book")
    words = confined("--unshare-net", "--chdir", folder)
    alone = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_TIMEOUT": "2"}
    command = [*words, "make", f"PYTHON={sys.executable}", "TORCH_INDEX=", "book"]
    code, said = run(command, env=os.environ | alone)
    assert code and "Installing failed: see above. It needs PyPI" in said
    assert not (folder / ".venv/installed").exists(), "the next make would think it is there"


def test_building_without_a_network(small_book):
    make_stale(small_book, 40)
    words = confined("--unshare-net")
    code, said = run([*words, sys.executable, small_book / "tools/build.py"])
    assert code == 0, said
    assert "check 42" in page(small_book, "one")


# Tools that are not there


def path_without(folder: Path, *names: str) -> dict[str, str]:
    """An environment whose path has everything that this one's has but some programs."""
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*"):
            link = folder / program.name
            if program.name not in names and program.is_file():
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    assert not any(shutil.which(name, path=folder) for name in names)
    return os.environ | {"PATH": str(folder)}


def test_building_without_git(small_book, tmp_path):
    make_stale(small_book, 40)
    there = path_without(tmp_path / "bin", "git")
    code, said = run([sys.executable, small_book / "tools/build.py"], env=there)
    assert code == 0, said
    assert "check 42" in page(small_book, "one")


ONE_OF_A_BROWSER = "tests/test_explore_browser.py::test_menu_chooses"


@pytest.mark.parametrize(("required", "outcome"), [("0", "1 skipped"), ("1", "1 error")])
def test_tests_without_a_browser(tmp_path, required, outcome):
    there = path_without(tmp_path / "bin", *BROWSERS) | {"BOOK_REQUIRE_BROWSER": required}
    _, said = run([sys.executable, "-m", "pytest", "-q", ONE_OF_A_BROWSER], cwd=ROOT, env=there)
    assert outcome in said and "This needs one of the browsers" in said


def test_pdf_without_a_browser(small_book, tmp_path):
    there = path_without(tmp_path / "bin", *BROWSERS)
    code, said = run([sys.executable, small_book / "tools/pdf.py"], env=there)
    assert code == 1 and "This needs one of the browsers chromium" in said
    assert "Traceback" not in said


def test_serving_before_a_build(small_book):
    shutil.rmtree(small_book / "_build/html")
    code, said = run([sys.executable, small_book / "tools/live.py"])
    assert code == 1 and "There is no site yet: run `make book` first." in said
