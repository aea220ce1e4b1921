"""The book's Sphinx extension: fresh results, one public address, pages without third parties."""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.console import nocolor

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))

from notebooks import (
    CACHE,
    NotebookError,
    Progress,
    chapters,
    fingerprint,
    git,
    read,
    refresh,
)

from line_by_line import (
    assets,
    benchmark,
    bite,
    cell_output,
    coursework_table,
    formulas,
    glossary,
    lecture,
    ledger,
    live_code,
    measured,
    numbering,
    overview,
    steps,
)

PARTS = (
    assets,
    benchmark,
    bite,
    cell_output,
    coursework_table,
    formulas,
    glossary,
    lecture,
    ledger,
    live_code,
    measured,
    numbering,
    overview,
    steps,
)

GITHUB = re.compile(r"^(?:https://|ssh://git@|git@)github\.com[/:]([^/]+)/(.+?)(?:\.git)?/?$")


def use_own_address(app: Sphinx, config: Config) -> None:
    """Point buttons and links at the fork if this clone's `origin` is one on GitHub."""
    theme = config.html_theme_options
    if match := GITHUB.match(git(Path(app.srcdir), "remote", "get-url", "origin")):
        theme["repository_url"] = "https://github.com/{}/{}".format(*match.groups())
    owner, name = theme["repository_url"].split("/")[-2:]
    branch, first = theme["repository_branch"], "book/01_autoregressive.ipynb"
    launch = theme["launch_buttons"]
    binder = f"{launch['binderhub_url']}/v2/gh/{owner}/{name}/{branch}?urlpath=lab/tree/{first}"
    colab = f"{launch['colab_url']}/github/{owner}/{name}/blob/{branch}/{first}"
    config.myst_substitutions = {
        "run_in_binder": f"[Binder]({binder}){{.launch}}",
        "run_in_colab": f"[Colab]({colab}){{.launch}}",
    }


def use_one_cache(app: Sphinx, config: Config) -> None:
    """Keep results in one place, wherever the pages are built."""
    config.nb_execution_cache_path = str(Path(app.srcdir, CACHE))


def execute_stale_chapters(app: Sphinx) -> None:
    """Have fresh results in the cache before Jupyter Book looks there."""
    try:
        refresh(Path(app.srcdir), Progress())
    except NotebookError as error:
        raise ExtensionError(str(error)) from error


def read_again(
    app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set
) -> list[str]:
    """Pages whose own file is unchanged, but not what they show.

    A chapter shows results; the pages made from chapters show results and claims.
    """
    root = Path(app.srcdir)
    now = {
        str(path.relative_to(root).with_suffix("")): fingerprint(root, read(path))
        for path in chapters(root)
    }
    before = getattr(env, "line_by_line_results", {})
    stale = {name for name, value in now.items() if before.get(name) != value}
    env.line_by_line_results = now
    made_from_chapters = getattr(env, "line_by_line_pages", set())
    touched = stale | ((added | changed | removed) & (now.keys() | before.keys()))
    return sorted(stale | made_from_chapters) if touched else []


class KnowAnchors(SphinxTransform):
    """Make `<a id="..."></a>` a target, so that `[text](#...)` is checked like any other link."""

    default_priority = 300  # before MyST resolves links
    anchor = re.compile(r'<a id="([^"]+)">')

    def apply(self) -> None:
        slugs = self.env.metadata[self.env.docname].setdefault("myst_slugs", {})
        for node in self.document.findall(nodes.raw):
            for name in self.anchor.findall(node.astext()):
                self.document.ids[name] = node
                self.document.nameids[name] = name
                self.document.nametypes[name] = True
                slugs[name] = (node.line or 0, name, name)


def setup(app: Sphinx) -> dict[str, bool]:
    if not sys.stdout.isatty():  # Jupyter Book colours logs and pipes too
        nocolor()
    app.connect("config-inited", use_own_address)
    app.connect("config-inited", use_one_cache)
    app.connect("builder-inited", execute_stale_chapters)
    app.connect("env-get-outdated", read_again)
    app.add_transform(KnowAnchors)
    for part in PARTS:
        part.setup(app)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
