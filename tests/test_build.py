"""The build: what is executed again and when, and that a bad build spares the good site."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import notebooks
import pytest
from build import publish, recover
from line_by_line import GITHUB, ledger
from nbformat import v4

from tests.kept import Kept

ROOT = Path(__file__).resolve().parent.parent
MACHINERY = ("_config.yml", "tools", "book/_ext", "book/_templates", "book/_static")
BOOTSTRAP = """BOOK = "https://example.org/old"
HELPERS = "of old"
import sys
sys.path.insert(0, "..")
from helpers.sums import total"""
CLAIM = '# A small book\n\n<a id="claim-1-1"></a>\n**Claim 1.1.** One and one is $2$.'
RECORDS = """record = {"claim": "1.1", "count": 2, "seconds": 0.1}
record |= {"distance": 0.0, "tolerance": 0.0}
for kind in ["derivation", "check", "breaks", "bites", "exercise"]:
    about = {"book": record | {"kind": kind, "title": kind, "anchor": None}}
    display({"text/plain": f"{kind} {total(1, 1)}"}, raw=True, metadata=about)"""


def chapter(*more: str) -> nbformat.NotebookNode:
    """A notebook with one claim and its records, then more code."""
    cells = [
        v4.new_markdown_cell(CLAIM, id="claim"),
        v4.new_code_cell(BOOTSTRAP, id="start", metadata={"tags": ["bootstrap"]}),
        v4.new_code_cell(RECORDS, id="records"),
        *(v4.new_code_cell(code, id=f"more-{i}") for i, code in enumerate(more)),
    ]
    return v4.new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNELSPEC})


@pytest.fixture(scope="session")
def built_book(tmp_path_factory) -> Path:
    """A book of one chapter with this book's own machinery, built once."""
    root = tmp_path_factory.mktemp("built") / "book"
    for name in MACHINERY:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, root / name)
    (root / "helpers").mkdir()
    (root / "helpers/__init__.py").write_text("")
    (root / "helpers/sums.py").write_text("from .adding import plus as total\n")
    (root / "helpers/adding.py").write_text("def plus(a, b):\n    return a + b\n")
    (root / "helpers/look.css").write_text("")
    for name in ("requirements.txt", "requirements-dev.txt", "book/references.bib"):
        (root / name).write_text("")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: book/one\n- file: book/ledger\n"
    )
    (root / "book/index.md").write_text("# Start\n\nSee [the claim](one.ipynb#claim-1-1).\n")
    (root / "book/ledger.md").write_text("# Ledger\n\n```{ledger}\n```\n")
    nbformat.write(chapter(), root / "book/one.ipynb")
    run_build(root, expect=0)
    return root


@pytest.fixture(scope="session")
def pristine(built_book: Path) -> Path:
    """A copy of the built book that nobody changes."""
    return Path(shutil.copytree(built_book, built_book.with_name("pristine"), symlinks=True))


@pytest.fixture
def small_book(built_book: Path, pristine: Path) -> Iterator[Path]:
    """The built book, to be changed: where it was built, because Sphinx begins anew elsewhere."""
    yield built_book
    shutil.rmtree(built_book)
    shutil.copytree(pristine, built_book, symlinks=True)


def run_build(root: Path, expect: int) -> str:
    """Build, and return everything that was printed."""
    command = [sys.executable, str(root / "tools/build.py")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == expect, result.stdout + result.stderr
    return result.stdout + result.stderr


def page(root: Path, name: str) -> str:
    """The text of a published page."""
    return (root / f"_build/html/book/{name}.html").read_text("utf8")


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file of the published site."""
    site = root / "_build/html"
    return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}


def test_first_build_has_results_links_and_ledger(built_book):
    assert "check 2" in page(built_book, "one")
    assert 'href="one.html#claim-1-1"' in page(built_book, "index")
    assert "holds" in page(built_book, "ledger")


KEEPER = """import sys
from pathlib import Path
sys.path[:0] = {paths}
from kept import Kept
def pytest_configure(config):
    config.pluginmanager.register(Kept(Path(__file__).parent))
"""
SHOWN = """import sys
from matplotlib import pyplot
print("one"); print("two", flush=True); print("three", file=sys.stderr)
figure = pyplot.figure(figsize=(1, 1)); pyplot.show()
{"text": total(1, 2)}"""


def run_nbval(root: Path, expect: int) -> None:
    """Have nbval execute the chapter as `make test` does."""
    paths = [str(ROOT / "tests"), str(ROOT / "tools")]
    (root / "conftest.py").write_text(KEEPER.format(paths=paths))
    plain = ["-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull, "--rootdir", str(root)]
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", *plain]
    command.append(str(root / "book/one.ipynb"))
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == expect, result.stdout + result.stderr


def test_what_nbval_executed_is_not_executed_again_for_the_site(small_book):
    path = small_book / "book/one.ipynb"
    before = notebooks.seconds_of(small_book, path)
    nbformat.write(chapter(SHOWN), path)
    run_nbval(small_book, expect=0)
    values = notebooks.bootstrap_values(small_book)
    found = notebooks.canonical(notebooks.executed(small_book, path), values)
    again = notebooks.canonical(notebooks.run(path, notebooks.Progress()), values)
    assert nbformat.writes(found) == nbformat.writes(again)
    assert len(found.cells[-1].outputs) == 4
    assert "executed" not in run_build(small_book, expect=0)
    assert "three" in page(small_book, "one")
    assert notebooks.seconds_of(small_book, path) not in (None, before)


def test_these_tests_keep_what_they_execute(pytestconfig):
    plugins = pytestconfig.pluginmanager.get_plugins()
    assert [plugin.root for plugin in plugins if isinstance(plugin, Kept)] == [ROOT]


def test_of_a_chapter_that_nbval_refuses_nothing_is_kept(small_book):
    path = small_book / "book/one.ipynb"
    stored = chapter("total(1, 2)")
    stored.cells[-1].execution_count = 3
    stored.cells[-1].outputs = [v4.new_output("execute_result", {"text/plain": "4"})]
    nbformat.write(stored, path)
    run_nbval(small_book, expect=1)
    assert notebooks.executed(small_book, path) is None


def test_edits_of_text_and_claims_show_and_execute_nothing(small_book):
    path = small_book / "book/one.ipynb"
    text = path.read_text().replace("A small book", "A changed book")
    path.write_text(text.replace("One and one is", "Twice one is"))
    assert "cell" not in run_build(small_book, expect=0)
    assert "A changed book" in page(small_book, "one")
    assert "Twice one is" in page(small_book, "ledger")


def test_a_style_edit_alone_reaches_the_site(small_book):
    """Sphinx copies style sheets only when a page has changed too."""
    with (small_book / "book/_static/book.css").open("a") as sheet:
        sheet.write("/* edited */")
    run_build(small_book, expect=0)
    assert "edited" in (small_book / "_build/html/_static/book.css").read_text()


def test_search_finds_claims_of_pages_that_were_not_read_again(small_book):
    def entries() -> dict:
        script = (small_book / "_build/html/searchindex.js").read_text("utf8")
        return json.loads(script.removeprefix("Search.setIndex(").rstrip(");\n"))["indexentries"]

    before = entries()
    assert {"1.1", "claim 1.1"} <= set(before)
    path = small_book / "book/ledger.md"
    path.write_text(path.read_text() + "\nAnother sentence.\n")
    run_build(small_book, expect=0)
    assert "Another sentence." in page(small_book, "ledger")
    assert entries() == before


def test_a_helper_of_a_helper_executes_and_shows(small_book):
    (small_book / "helpers/adding.py").write_text("def plus(a, b):\n    return a + b + 40\n")
    assert "cell 3/3" in run_build(small_book, expect=0)
    assert "check 42" in page(small_book, "one")


def test_plain_jupyter_book_sees_the_helper_too(small_book):
    (small_book / "helpers/adding.py").write_text("def plus(a, b):\n    return a + b + 40\n")
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", ".", "-W", "-n", "--keep-going"]
    subprocess.run(command, cwd=small_book, capture_output=True, check=True)
    assert "check 42" in page(small_book, "one")


def test_a_broken_cell_names_itself_and_spares_the_site(small_book):
    before = snapshot(small_book)
    nbformat.write(chapter("1 + 1", "missing_name + 1"), small_book / "book/one.ipynb")
    printed = run_build(small_book, expect=1)
    assert "one, cell 5, failed" in printed
    assert "missing_name + 1" in printed
    assert "NameError" in printed
    assert snapshot(small_book) == before


def test_a_warning_fails_every_time_and_spares_the_site(small_book):
    before = snapshot(small_book)
    (small_book / "book/index.md").write_text("# Start\n\n[nowhere](one.ipynb#no-such-place)\n")
    for _ in range(2):  # Sphinx would not repeat the warning by itself
        assert "no-such-place" in run_build(small_book, expect=1)
    assert snapshot(small_book) == before


def test_a_claim_without_records_is_a_warning(small_book):
    path = small_book / "book/one.ipynb"
    path.write_text(path.read_text().replace("Claim 1.1", "Claim 1.2"))
    printed = run_build(small_book, expect=1)
    assert "claim 1.2 of one has no record of: derivation, check, breaks, bites" in printed
    assert "of claim 1.1, but states no such claim" in printed


def test_a_claim_that_lacks_one_kind_of_record_fails_the_build(small_book):
    """The promise: no claim without its derivation, check, failure, wrong versions, exercise."""
    path = small_book / "book/one.ipynb"
    before, text = snapshot(small_book), path.read_text()
    assert r"\"bites\", " in text
    path.write_text(text.replace(r"\"bites\", ", ""))
    assert "claim 1.1 of one has no record of: bites" in run_build(small_book, expect=1)
    assert snapshot(small_book) == before


def test_an_interrupted_build_spares_the_site(small_book):
    before = snapshot(small_book)
    nbformat.write(chapter("import time; time.sleep(60)"), small_book / "book/one.ipynb")
    command = [sys.executable, "-u", str(small_book / "tools/build.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            if "cell 4/4" in line:
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=30) != 0
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert snapshot(small_book) == before


def written(folder: Path, *codes: str) -> list[Path]:
    """Notebooks of one cell each."""
    paths = [folder / f"{number}.ipynb" for number in range(len(codes))]
    for path, code in zip(paths, codes, strict=True):
        cells = [v4.new_code_cell(code, id="only")]
        about = {"kernelspec": notebooks.KERNELSPEC}
        nbformat.write(v4.new_notebook(cells=cells, metadata=about), path)
    return paths


MEET = """import time, pathlib
pathlib.Path("came-{own}").touch()
end = time.monotonic() + 30
while not pathlib.Path("came-{other}").exists() and time.monotonic() < end:
    time.sleep(0.01)
print(time.monotonic() < end)"""


def test_as_many_chapters_run_at_once_as_there_are_cores(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "cores", lambda: 2)
    paths = written(tmp_path, MEET.format(own=0, other=1), MEET.format(own=1, other=0))
    said = {}
    notebooks.run_together(
        paths,
        notebooks.Progress(),
        lambda path, notebook, seconds: said.update({path: notebook.cells[0].outputs[0].text}),
    )
    assert said == dict.fromkeys(paths, "True\n")


def test_with_one_core_chapters_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "cores", lambda: 1)
    paths = written(tmp_path, "import time; time.sleep(0.5)", "pass", "pass")
    ended = []
    notebooks.run_together(paths, notebooks.Progress(), lambda path, *_: ended.append(path))
    assert ended == paths


def test_a_failing_chapter_ends_those_beside_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "cores", lambda: 2)
    paths = written(tmp_path, "import time; time.sleep(60)", "1 / 0")
    started = time.monotonic()
    with pytest.raises(notebooks.NotebookError, match=r"1, cell 1, failed:(.|\n)*ZeroDivision"):
        notebooks.run_together(paths, notebooks.Progress(), lambda *_: None)
    assert time.monotonic() - started < 30


def test_a_result_that_cannot_be_kept_is_no_riddle(tmp_path, capsys):
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        notebooks.run_together(written(tmp_path, "pass"), notebooks.Progress(), full)


def test_ctrl_c_ends_all_kernels(tmp_path):
    code = "import os, time; open('pid-{0}', 'w').write(str(os.getpid())); time.sleep(60)"
    written(tmp_path, code.format(0), code.format(1))
    program = (
        "import pathlib, notebooks\n"
        "notebooks.cores = lambda: 2\n"
        "paths = sorted(pathlib.Path('.').glob('*.ipynb'))\n"
        "try:\n"
        "    notebooks.run_together(paths, notebooks.Progress(), print)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')"
    )
    tools = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=tools,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        numbers = [tmp_path / "pid-0", tmp_path / "pid-1"]
        while not all(path.exists() and path.read_text() for path in numbers):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().endswith("interrupted\n")
    for path in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


def test_an_unwritable_build_folder_is_named(tmp_path):
    """Root may write anywhere, so a file stands where the folder should."""
    (tmp_path / "_build").write_text("")
    with pytest.raises(ValueError, match=r"needs to write in .*_build, and cannot"):
        notebooks.require_writable(tmp_path / "_build")


@pytest.fixture
def nobody():
    """Root may write anywhere, so the test acts as another user if it runs as root."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    yield
    if was_root:
        os.seteuid(0)


def test_a_folder_without_permission_is_named(nobody):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are root's alone
        build = Path(folder, "_build")
        build.mkdir(mode=0o555)
        with pytest.raises(ValueError, match="Permission denied"):
            notebooks.require_writable(build)
        build.chmod(0o755)
        notebooks.require_writable(build)


def test_publishing_that_fails_puts_the_old_site_back(tmp_path, monkeypatch):
    source, target = tmp_path / "work", tmp_path / "html"
    for folder, text in ((source, "new"), (target, "old")):
        folder.mkdir()
        (folder / "index.html").write_text(text)
    rename = Path.rename

    def fail_for_the_new(path: Path, to: Path) -> Path:
        if path.name == "html.new":
            raise KeyboardInterrupt
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(KeyboardInterrupt):
        publish(source, target)
    assert (target / "index.html").read_text() == "old"
    monkeypatch.undo()
    publish(source, target)
    assert (target / "index.html").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["html", "work"]


KILLED_BETWEEN_RENAMES = """
import os, signal, sys
from pathlib import Path
import build
rename = Path.rename
def rename_or_die(path, to):
    if path.name == "html.new":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, to)
Path.rename = rename_or_die
build.publish(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_site_lost_between_two_renames_comes_back(tmp_path):
    source, target = tmp_path / "work", tmp_path / "html"
    for folder, text in ((source, "new"), (target, "old")):
        folder.mkdir()
        (folder / "index.html").write_text(text)
    command = [sys.executable, "-c", KILLED_BETWEEN_RENAMES, str(source), str(target)]
    tools = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    killed = subprocess.run(command, env=tools, check=False)
    assert (killed.returncode, target.exists()) == (-signal.SIGKILL, False)
    recover(target)  # the first thing that a build does
    assert (target / "index.html").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["html", "work"]


def test_a_notebook_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "one.ipynb"
    nbformat.write(chapter(), path)
    before, write_text = path.read_bytes(), Path.write_text

    def fill_the_disk(path: Path, text: str, *settings: str) -> None:
        write_text(path, text[: len(text) // 2], *settings)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        notebooks.write(path, chapter("1 + 1"))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["one.ipynb"]


@pytest.mark.parametrize("damage", ["", '{"cells": [', None], ids=["empty", "half", "missing"])
def test_results_that_were_half_kept_count_as_stale(tmp_path, damage):
    """jupyter-cache notes a result first and writes it then; a kill in between leaves the note."""
    path = tmp_path / "one.ipynb"
    notebook = v4.new_notebook(cells=[v4.new_code_cell("1 + 1", execution_count=1)])
    nbformat.write(notebook, path)
    (tmp_path / "requirements.txt").write_text("")
    notebooks.keep(tmp_path, path, notebook)
    assert notebooks.executed(tmp_path, path) is not None
    (kept,) = (tmp_path / notebooks.CACHE / "executed").glob("*/*.ipynb")
    kept.unlink() if damage is None else kept.write_text(damage)
    assert notebooks.executed(tmp_path, path) is None
    notebooks.keep(tmp_path, path, notebook)
    assert notebooks.executed(tmp_path, path) is not None


@pytest.mark.parametrize(("free", "short"), [(3_000_000, True), (3_000_000_000, False)])
def test_a_full_disk_is_named_with_advice(tmp_path, monkeypatch, free, short):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    said = notebooks.stopped_by_disk(tmp_path, OSError(28, "No space left on device"))
    assert "No space left on device" in said
    assert ("The disk has 3 MB free; a build needs about" in said) is short
    assert "Notebooks and the last good site are as they were" in said


HOLDS_THE_LOCK = """
import subprocess, sys
from pathlib import Path
import notebooks
with notebooks.alone(Path(sys.argv[1]), notebooks.Progress()):
    wait = ["sh", "-c", "until [ -e go ]; do sleep 0.05; done"]
    subprocess.Popen(wait, cwd=sys.argv[1], pass_fds=notebooks.inherit_lock())
    print("held", flush=True)
"""


@pytest.mark.skipif(notebooks.fcntl is None, reason="needs fcntl, which Windows lacks")
def test_a_second_command_waits_for_what_the_first_left_running(tmp_path, capsys):
    command = [sys.executable, "-c", HOLDS_THE_LOCK, str(tmp_path)]
    tools = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    subprocess.run(command, env=tools, check=True, stdout=subprocess.DEVNULL)
    go = tmp_path / "go"  # the first has ended, its child has not
    threading.Timer(0.5, go.touch).start()
    with notebooks.alone(tmp_path, notebooks.Progress()):
        assert go.exists()
    assert "waiting for its end" in capsys.readouterr().out
    with notebooks.alone(tmp_path, notebooks.Progress()):
        assert capsys.readouterr().out == "", "nobody else is there"


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("helpers/used.py", True),
        ("helpers/deep.py", True),
        ("helpers/__init__.py", True),
        ("helpers/look.css", True),
        ("requirements.txt", True),
        ("helpers/idle.py", False),
        ("README.md", False),
    ],
)
def test_what_makes_a_notebook_stale(tmp_path, changed, stale):
    files = {
        "helpers/__init__.py": "",
        "helpers/used.py": "def f():\n    from . import deep\n",
        "helpers/deep.py": "import helpers.used",
        "helpers/idle.py": "",
        "helpers/look.css": "",
        "requirements.txt": "",
        "README.md": "",
    }
    (tmp_path / "helpers").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    code = "%matplotlib inline\nfrom helpers.used import f\nimport math"
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code)])
    before = notebooks.fingerprint(tmp_path, notebook)
    (tmp_path / changed).write_text("# changed")
    assert (notebooks.fingerprint(tmp_path, notebook) != before) is stale


def test_text_outputs_and_captions_do_not_make_a_notebook_stale(tmp_path):
    (tmp_path / "requirements.txt").write_text("")
    cell = v4.new_code_cell("1 + 1")
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("before"), cell])
    before = notebooks.fingerprint(tmp_path, notebook)
    notebook.cells[0].source = "after"
    cell.metadata["mystnb"] = {"figure": {"caption": "after"}}
    cell.outputs = [v4.new_output("stream", text="2")]
    assert notebooks.fingerprint(tmp_path, notebook) == before
    cell.source = "1 + 2"
    assert notebooks.fingerprint(tmp_path, notebook) != before


def test_stored_notebooks_have_one_form(small_book):
    path = small_book / "book/one.ipynb"
    store = [sys.executable, str(small_book / "tools/notebooks.py")]
    subprocess.run(store, check=True, capture_output=True)
    first = path.read_bytes()
    stored = json.loads(first)
    assert first.endswith(b"}\n")
    assert stored["metadata"]["language_info"] == {"name": "python"}
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [1, 2]
    assert "execution" not in code[0]["metadata"]
    assert f'BOOK = "{notebooks.setting(small_book)}"\n' in code[0]["source"]
    records = [output["metadata"]["book"] for output in code[1]["outputs"]]
    assert all("seconds" not in record for record in records)
    shutil.rmtree(small_book / "_build")
    subprocess.run(store, check=True, capture_output=True)
    assert path.read_bytes() == first


def test_a_bootstrap_cell_without_an_address_is_refused():
    notebook = chapter()
    notebook.cells[1].source = "import helpers"
    with pytest.raises(ValueError, match="needs one line BOOK"):
        notebooks.canonical(notebook, {"BOOK": "https://example.org"})


def test_the_public_address_stands_in_one_place():
    """Notebooks repeat it for Colab; `make notebooks` writes it there, and a test compares."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    address = re.sub(r"^https?://", "", notebooks.setting(ROOT)).encode()
    files = [ROOT / name for name in listed.stdout.splitlines()]
    holders = {
        str(path.relative_to(ROOT))
        for path in files
        if path.is_file() and path.suffix != ".ipynb" and address in path.read_bytes()
    }
    assert holders == {"_config.yml"}


@pytest.mark.parametrize(
    ("remote", "parts"),
    [
        ("https://github.com/ada/book", ("ada", "book")),
        ("https://github.com/ada/book.git", ("ada", "book")),
        ("git@github.com:ada/book.git", ("ada", "book")),
        ("ssh://git@github.com/ada/a.book/", ("ada", "a.book")),
        ("https://gitlab.com/ada/book", None),
        ("/home/ada/book", None),
    ],
)
def test_remotes_that_count_as_a_fork(remote, parts):
    match = GITHUB.match(remote)
    assert (match and match.groups()) == parts


def test_a_forks_buttons_point_at_the_fork(small_book):
    origin = ["remote", "add", "origin", "git@github.com:ada/own-copy.git"]
    for arguments in (["init", "-q"], origin):
        subprocess.run(["git", "-C", str(small_book), *arguments], check=True)
    run_build(small_book, expect=0)
    text = page(small_book, "one")
    assert "mybinder.org/v2/gh/ada/own-copy/main?urlpath=lab/tree/book/one.ipynb" in text
    assert "colab.research.google.com/github/ada/own-copy/blob/main/book/one.ipynb" in text
    assert notebooks.setting(small_book) not in text


def test_a_claim_is_open_until_all_five_records_are_there():
    claim = ledger.Claim("1.1", "one", "True.")
    for kind in ledger.NEEDED[:-1]:
        claim.records[kind].append({})
    assert (claim.verdict(), claim.missing()) == ("open", ["exercise"])
    claim.records["exercise"].append({})
    assert claim.verdict() == "holds"


def test_the_ledger_shows_the_distance_nearest_to_its_limit():
    claim = ledger.Claim("1.1", "one", "True.")
    claim.records["derivation"] = [{"distance": 1e-13, "tolerance": 1e-12}]
    claim.records["check"] = [
        {"distance": 0.0, "tolerance": 0.0},
        {"distance": 2.0, "tolerance": 4.0},
    ]
    assert claim.largest_distance() == "2 of 4"
