"""Follow every link of the site: to its own pages, and to other machines.

    python -m upkeep.links       writes _build/links.json

Links within the site are checked on the built pages by the test that `make test` runs; links to
other machines by Sphinx's linkcheck. Without a network nothing can be said of the latter: the
command says so and fails.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
RESULT = Path("_build/links.json")
INTERNAL = "tests/test_site.py::test_links_lead_somewhere"
SETTINGS = {
    "linkcheck_timeout": 20,
    "linkcheck_retries": 2,
    "linkcheck_workers": 8,
    "linkcheck_anchors": False,  # what stands after # is often made by a script
}
LOST = ("broken", "timeout")


def external_links(site: Path) -> dict[str, str]:
    """Every address on another machine, with the first page that names it."""
    found: dict[str, str] = {}
    for page in sorted(site.rglob("*.html")):
        if "_static" in page.parts:
            continue
        tree = BeautifulSoup(page.read_bytes(), "html.parser")
        for link in tree.select("a[href]"):
            if urlparse(link["href"]).scheme in ("http", "https"):
                found.setdefault(link["href"], str(page.relative_to(site)))
    return found


def follow(addresses: Sequence[str]) -> list[dict[str, str]]:
    """What Sphinx's linkcheck says of each address: uri, status and info.

    The addresses are those of the built pages, so a link that a template or a notebook's output
    made is followed too; Sphinx's own list would lack these.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "source"), Path(folder, "output")
        source.mkdir()
        settings = [f"{name} = {value!r}" for name, value in SETTINGS.items()]
        (source / "conf.py").write_text("\n".join(settings), "utf8")
        lines = ["Links", "=====", "", *(f"* `x <{address}>`__" for address in addresses)]
        (source / "index.rst").write_text("\n".join(lines) + "\n", "utf8")
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "linkcheck", source, output]
        subprocess.run(list(map(str, command)), capture_output=True, check=False)
        lines = (output / "output.json").read_text("utf8").splitlines()
    return [{key: json.loads(line)[key] for key in ("uri", "status", "info")} for line in lines]


def judge(results: Sequence[dict[str, str]], pages: dict[str, str]) -> str:
    """An empty text if all links lead somewhere, else what is wrong."""
    lost = [result for result in results if result["status"] in LOST]
    if results and len(lost) == len(results):
        return (
            f"None of {len(results)} links to other machines could be reached: there is no "
            "network here, so nothing can be said of them."
        )
    lines = [f"{pages.get(r['uri'], '?')}: {r['uri']} ({r['status']}: {r['info']})" for r in lost]
    if missing := sorted(pages.keys() - {result["uri"] for result in results}):
        lines += [f"{pages[uri]}: {uri} was not followed" for uri in missing]
    return "\n".join(lines)


def main(root: Path = ROOT) -> None:
    """Follow all links; exit 1 with a line for each that leads nowhere."""
    site = root / "_build/html"
    if not (site / "index.html").exists():
        sys.exit("There is no site yet: run `make book` first.")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", INTERNAL]
    internal = subprocess.run(command, cwd=root, check=False).returncode
    pages = external_links(site)
    print(f"Following {len(pages)} links to other machines")
    results = follow(list(pages))
    (root / RESULT).write_text(json.dumps(results, indent=1) + "\n", "utf8")
    said = judge(results, pages)
    counts = Counter(result["status"] for result in results)
    print(", ".join(f"{number} {status}" for status, number in counts.items()))
    if internal or said:
        sys.exit(f"{said}\nLinks within the site: {'broken' if internal else 'all right'}.")


if __name__ == "__main__":
    main()
