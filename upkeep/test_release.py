"""The check of a release notices each thing that is not ready."""

import re
import subprocess
from pathlib import Path

import pytest

from upkeep.release import (
    CHECKS,
    ROOT,
    SECTION,
    clean_tree,
    new_tag,
    notebooks_stored,
    one_version,
    public_address,
)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A repository whose version, date, address and tree are those of a release."""
    (tmp_path / "CITATION.cff").write_text('version: "1.2.3"\ndate-released: 2027-01-31\n')
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.3 - 2027-01-31\n\n- All.\n")
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://github.com/ada/book\n")
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", "git@github.com:ada/book.git"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_release_passes(released):
    for find_fault in (clean_tree, one_version, new_tag, public_address):
        assert find_fault(released) == ""


@pytest.mark.parametrize(
    ("name", "old", "new", "find_fault", "said"),
    [
        ("CITATION.cff", "1.2.3", "1.2.4", one_version, "has 1.2.4 of 2027"),
        ("CITATION.cff", "1.2.3", "1.2.dev0", one_version, "needed three numbers"),
        ("CHANGELOG.md", "01-31", "01-30", one_version, "CHANGELOG.md has 1.2.3 of 2027-01-30"),
        ("CHANGELOG.md", "All", "Some", clean_tree, "not committed"),
        ("_config.yml", "ada", "eve", public_address, "the remote `origin` is"),
        ("_config.yml", "github.com", "example.org", public_address, "needed https://github.com"),
    ],
)
def test_what_is_not_ready_is_named(released, name, old, new, find_fault, said):
    path = released / name
    path.write_text(path.read_text().replace(old, new))
    assert said in find_fault(released)


def test_an_untracked_file_is_not_committed(released):
    (released / "forgotten.py").write_text("")
    assert "forgotten.py" in clean_tree(released)


def test_a_tag_of_another_commit_is_noticed(released):
    git = ["git", "-C", str(released), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "tag", "v1.2.3"], check=True)
    assert new_tag(released) == ""
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "more"], check=True)
    assert "is another commit" in new_tag(released)


def test_the_changelog_has_the_form_that_is_read():
    headings = re.findall(r"^## .*$", (ROOT / "CHANGELOG.md").read_text("utf8"), re.MULTILINE)
    assert headings
    assert [h for h in headings if not SECTION.match(h) and h != "## Unreleased"] == []


def test_every_check_can_be_run_on_this_book():
    for find_fault in CHECKS.values():
        assert isinstance(find_fault(ROOT), str)
    assert notebooks_stored(ROOT) == ""
