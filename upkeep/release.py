"""What a machine can check of a release; the rest stands in CONTRIBUTING.md under "A release".

python -m upkeep.release
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import yaml
from notebooks import ROOT, bootstrap_values, canonical, chapters, code_cells, git, read, setting

NUMBER = re.compile(r"\d+\.\d+\.\d+")
SECTION = re.compile(r"^## \[?(\d+\.\d+\.\d+)\]? - (\d{4}-\d\d-\d\d)$", re.MULTILINE)


def clean_tree(root: Path) -> str:
    """Nothing is changed or untracked: the tag would lack it."""
    changed = git(root, "status", "--porcelain")
    return f"not committed:\n{changed}" if changed else ""


def one_version(root: Path) -> str:
    """CITATION.cff and the newest section of CHANGELOG.md say the same version and date."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text("utf8"))
    cited = str(citation.get("version", "none")), str(citation.get("date-released", "none"))
    if not NUMBER.fullmatch(cited[0]):
        return f"CITATION.cff has version {cited[0]}; needed three numbers such as 1.0.0"
    newest = SECTION.search((root / "CHANGELOG.md").read_text("utf8"))
    logged = newest.groups() if newest else ("none", "none")
    if logged != cited:
        return f"CITATION.cff has {' of '.join(cited)}, CHANGELOG.md has {' of '.join(logged)}"
    return ""


def new_tag(root: Path) -> str:
    """The version's tag is not there yet, or is this very commit."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text("utf8"))
    tag = f"v{citation.get('version')}"
    place = git(root, "rev-list", "-n", "1", tag)
    return (
        f"tag {tag} is another commit" if place not in ("", git(root, "rev-parse", "HEAD")) else ""
    )


def public_address(root: Path) -> str:
    """The address is one that Colab and Binder can open, and `origin` is there."""
    url = urlparse(setting(root))
    if url.scheme != "https" or url.netloc != "github.com" or len(url.path.split("/")) != 3:
        return f"repository.url is {setting(root)}; needed https://github.com/OWNER/NAME"
    origin = git(root, "remote", "get-url", "origin").removesuffix(".git")
    if not origin.endswith(url.path.strip("/")):
        return f"repository.url is {setting(root)}, the remote `origin` is {origin or 'not set'}"
    return ""


def notebooks_stored(root: Path) -> str:
    """Every chapter holds the outputs of its code, in the form in which chapters are stored."""
    wrong, values = [], bootstrap_values(root)
    for path in chapters(root):
        notebook = read(path)
        counts = [cell.execution_count for cell in code_cells(notebook)]
        before = nbformat.writes(notebook)
        in_order = counts == list(range(1, len(counts) + 1))
        if not in_order or nbformat.writes(canonical(notebook, values)) != before:
            wrong.append(path.stem)
    return f"run `make notebooks`; not stored as they run: {', '.join(wrong)}" if wrong else ""


def site_is_of_this_tree(root: Path) -> str:
    """The built site shows the chapters as they read now."""
    page = root / "_build/html/book/ledger.html"
    if not page.exists():
        return "there is no site: run `make book`"
    built = page.stat().st_mtime
    digests = [path for path in chapters(root) if path.stat().st_mtime > built]
    names = ", ".join(path.stem for path in digests)
    return f"run `make book`; changed since: {names}" if names else ""


CHECKS: dict[str, Callable[[Path], str]] = {
    "everything is committed": clean_tree,
    "one version and date": one_version,
    "the tag is new": new_tag,
    "the public address": public_address,
    "notebooks are stored": notebooks_stored,
    "the site is built": site_is_of_this_tree,
}


def check(root: Path) -> dict[str, str]:
    """What is wrong, for each check; an empty text where nothing is."""
    return {name: find_fault(root) for name, find_fault in CHECKS.items()}


def main() -> None:
    """Print a line for each check; exit 1 if anything is wrong."""
    found = check(ROOT)
    for name, fault in found.items():
        print(f"{name:28} {fault or 'yes'}")
    if any(found.values()):
        sys.exit("Not ready for a release.")


if __name__ == "__main__":
    main()
