"""The notebooks as they are stored: executed, of readable size, and described for every reader."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks
import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from upkeep.colab import repository

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = notebooks.chapters(ROOT)
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
LONGEST_CELL = 25  # lines
WORDS = range(2500, 3501)
VISIBLE_CODE_CELLS = range(12, 19)
# What a renderer leaves as it is: Markdown that it did not take, and what only MyST knows.
RAW = re.compile(
    r"\*\*|__|``|:::|\]\(|\]\[|\$|^\s*%|\{[a-z:_.#-]+[^}]*\}|</?[a-z][^>]*>|^#+ |^\|.*\|$",
    re.MULTILINE,
)
IN_HTML = re.compile(r"\*\*|`|\]\(|:::|\{[a-z]+\}")


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request) -> nbformat.NotebookNode:
    """Each chapter as it is stored in the repository."""
    return notebooks.read(request.param)


def outputs(notebook: nbformat.NotebookNode) -> list[tuple[str, nbformat.NotebookNode]]:
    """Every output with the first line of the code that made it."""
    return [
        (cell.source.split("\n")[0], output)
        for cell in notebooks.code_cells(notebook)
        for output in cell.outputs
    ]


def test_there_are_chapters():
    assert CHAPTERS, "_toc.yml names no notebook that exists"


def test_every_code_cell_was_executed_in_order(chapter):
    counts = [cell.execution_count for cell in notebooks.code_cells(chapter)]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"


def test_stored_form_is_canonical(chapter):
    before, values = nbformat.writes(chapter), notebooks.bootstrap_values(ROOT)
    assert nbformat.writes(notebooks.canonical(chapter, values)) == before, "run `make notebooks`"


def test_bootstrap_names_the_public_address(chapter):
    tagged = [c for c in chapter.cells if "bootstrap" in c.metadata.get("tags", [])]
    assert len(tagged) == 1, f"needed one cell tagged bootstrap, found {len(tagged)}"
    assert f'BOOK = "{notebooks.setting(ROOT)}"' in tagged[0].source


def test_all_chapters_begin_with_the_same_code():
    assert len({bootstrap(notebooks.read(path)) for path in CHAPTERS}) == 1


def bootstrap(notebook: nbformat.NotebookNode) -> str:
    """The code of a chapter's first cell."""
    cells = notebooks.code_cells(notebook)
    return next(c.source for c in cells if "bootstrap" in c.metadata.get("tags", []))


def test_the_version_is_the_name_that_git_gives_to_the_helpers(tmp_path):
    """Checked against git itself, in a folder with everything that is no part of a version."""
    ignored = shutil.ignore_patterns("__pycache__")
    folder = Path(shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=ignored))
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "helpers"], check=True)
    command = [*git, "write-tree", "--prefix=helpers/"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    for place in (folder, folder / "deleted"):
        (place / "__pycache__").mkdir(parents=True)
        (place / "__pycache__/left.pyc").write_bytes(b"over")
    (folder / ".hidden").write_text("")
    assert notebooks.helpers_version(tmp_path) == result.stdout.strip()
    (folder / "exercises/new.py").write_text("")
    assert notebooks.helpers_version(tmp_path) != result.stdout.strip()


def run_bootstrap(
    folder: Path, address: Path | str, version: str | None = None, **more: str
) -> subprocess.CompletedProcess:
    """Run the chapters' first code cell alone in a folder, as Colab does, and import helpers."""
    source = bootstrap(notebooks.read(CHAPTERS[0]))
    source = notebooks.with_values(source, {"HELPERS": version} if version else {})
    code = source + "\nimport helpers.checks\nprint(helpers.__file__)"
    surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=surroundings | {"BOOK_REPOSITORY": str(address)} | more,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_chapter_alone_in_an_empty_folder_fetches_the_helpers(tmp_path):
    folder = tmp_path / "just this chapter"
    folder.mkdir()
    for _ in range(2):  # the second time they are there
        result = run_bootstrap(folder, ROOT)
        assert result.returncode == 0, result.stderr
        version = notebooks.helpers_version(ROOT)
        assert str(folder / f"line-by-line-{version[:7]}/helpers") in result.stdout


@pytest.fixture(scope="module")
def moved_on(tmp_path_factory) -> str:
    """Address of a repository whose helpers came to differ from what the chapters need."""
    return repository(tmp_path_factory.mktemp("book"))


def test_a_chapter_fetches_the_helpers_that_it_ran_with_not_the_newest(moved_on, tmp_path):
    result = run_bootstrap(tmp_path, moved_on)
    assert result.returncode == 0, result.stderr
    assert "Fetching version" in result.stdout and "no longer" not in result.stdout
    fetched = next(tmp_path.iterdir())
    assert notebooks.helpers_version(fetched) == notebooks.helpers_version(ROOT)
    objects = ["git", "-C", str(fetched), "rev-list", "--objects", "--all", "--missing=print"]
    listed = subprocess.run(objects, capture_output=True, text=True, check=True).stdout
    assert "\n?" in listed, "files of versions that are not needed were fetched too"


def test_a_version_that_the_book_no_longer_has_is_said_to_be_missing(moved_on, tmp_path):
    result = run_bootstrap(tmp_path, moved_on, version="0" * 40)
    assert "The book no longer has that version; taking its newest: reload" in result.stdout
    assert "these are newer helpers" in result.stderr


def test_a_chapter_alone_without_a_network_says_what_it_needs(tmp_path):
    result = run_bootstrap(tmp_path, tmp_path / "nowhere")
    assert result.returncode == 1
    message = "This needs git and a network, or the folder helpers/ beside this file."
    assert message in result.stderr


def test_a_chapter_alone_without_git_says_what_it_needs(tmp_path):
    result = run_bootstrap(tmp_path, ROOT, PATH=str(tmp_path))
    assert result.returncode == 1
    assert "This needs git and a network, or the folder helpers/" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_fetch_that_was_cut_off_is_begun_anew(tmp_path):
    part = tmp_path / "line-by-line.part"
    (part / "helpers").mkdir(parents=True)
    (part / "helpers/checks.py").write_text("half of it")
    result = run_bootstrap(tmp_path, ROOT)
    assert result.returncode == 0, result.stderr
    assert f"line-by-line-{notebooks.helpers_version(ROOT)[:7]}" in result.stdout
    assert not part.exists()


def raw_markup(source: str) -> list[str]:
    """Pieces of a Markdown cell that Colab, JupyterLab and GitHub would show as they are typed."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    found = []
    for block in reader.use(dollarmath_plugin, double_inline=True).parse(source):
        for token in [block, *(block.children or [])]:
            if token.type == "text":
                found += RAW.findall(token.content)
            elif token.type == "html_block":
                found += IN_HTML.findall(re.sub(r"<[^>]*>", "", token.content))
            elif token.type == "fence" and token.info.startswith("{"):
                found.append(token.info)
    return found


def test_no_raw_markup_is_shown_anywhere(chapter):
    cells = (cell.source for cell in chapter.cells if cell.cell_type == "markdown")
    assert {source: raw for source in cells if (raw := raw_markup(source))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "see {ref}`claims`",
        "```{note}\nMyST alone knows this.\n```",
        ":::{note}\nThis too.\n:::",
        "[a link](https://example.org){.launch}",
        "<div>\n**never bold**\n</div>",
        "half **bold",
        "a formula $x that never ends",
        "% a comment of MyST's",
    ],
)
def test_raw_markup_is_recognized(source):
    assert raw_markup(source)


def test_no_error_is_stored(chapter):
    assert [head for head, output in outputs(chapter) if output.output_type == "error"] == []


def test_nothing_is_printed_to_stderr(chapter):
    assert [head for head, output in outputs(chapter) if output.get("name") == "stderr"] == []


def test_no_widget_is_stored(chapter):
    """On a page without a kernel a widget slides and changes nothing."""
    kinds = {kind for _, output in outputs(chapter) for kind in output.get("data", {})}
    assert not {kind for kind in kinds if "widget" in kind}
    assert "widgets" not in chapter.metadata


def test_code_cells_are_short(chapter):
    lines = [cell.source.split("\n") for cell in notebooks.code_cells(chapter)]
    assert [cell[0] for cell in lines if len(cell) > LONGEST_CELL] == []


def test_chapter_has_the_size_of_a_sitting(chapter):
    prose = " ".join(cell.source for cell in chapter.cells if cell.cell_type == "markdown")
    prose = re.sub(r"</?[a-z][^<>]*>|\$\$.*?\$\$", " ", prose, flags=re.DOTALL)
    visible = [
        cell
        for cell in notebooks.code_cells(chapter)
        if not HIDDEN & set(cell.metadata.get("tags", []))
    ]
    assert len(prose.split()) in WORDS, f"{len(prose.split())} words"
    assert len(visible) in VISIBLE_CODE_CELLS, f"{len(visible)} visible code cells"


def test_every_picture_is_described(chapter):
    """Figures with sliders bring descriptions of their own: these are the plain pictures."""
    undescribed = [
        cell.source.split("\n")[0]
        for cell in notebooks.code_cells(chapter)
        if any(shows_plain_picture(output) for output in cell.outputs)
        and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
    ]
    assert undescribed == []


def shows_plain_picture(output: nbformat.NotebookNode) -> bool:
    """Whether the page shows the output as an image file."""
    kinds = output.get("data", {}).keys()
    return "text/html" not in kinds and any(kind.startswith("image/") for kind in kinds)


def test_html_pictures_are_described(chapter):
    for head, output in outputs(chapter):
        for tag in re.findall(r"<img\b[^>]*>", output.get("data", {}).get("text/html", "")):
            assert re.search(r'\balt="[^"]+"', tag), f"no alt text in the output of: {head}"


def test_continuous_integration_runs_the_tests():
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111, ".ci/run needs to be executable"
    assert "make test" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)
