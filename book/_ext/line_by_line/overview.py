"""What a chapter holds, at its head and in tables of contents: claims, verdicts, and times."""

import re
from pathlib import Path

from docutils import nodes
from notebooks import chapters, code_cells, executed, seconds_of
from sphinx.addnodes import index
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.index_entries import split_index_msg

from line_by_line.cell_output import mark_as_made_from_chapters
from line_by_line.ledger import Claim, claims_of
from line_by_line.measured import measured

HEADING = re.compile(r"Claims? (\d.*?):")
ANCHOR = re.compile(r'<a id="(claim-[\w-]+)">')
WORDS_A_MINUTE, SECONDS_A_CELL = 180, 20  # of a reader who stops to think


def claims_under(env: BuildEnvironment, name: str) -> list[Claim]:
    """The claims of a page, none if it is no chapter."""
    root = Path(env.srcdir)
    path = root / f"{name}.ipynb"
    return list(claims_of(root, path)[0].values()) if path in chapters(root) else []


def tick(claim: Claim) -> nodes.inline:
    """A claim's verdict as a sign, with the word for those who do not see it."""
    sign = "✓" if claim.verdict() == "holds" else "?"
    return nodes.inline("", sign, classes=["verdict", claim.verdict()])


def claim_links(claims: list[Claim], page: str = "") -> list[nodes.Node]:
    """Each claim's number with its verdict, as a link to where it is stated."""
    found: list[nodes.Node] = []
    for claim in claims:
        link = nodes.reference("", "", refuri=f"{page}#{claim.anchor}", classes=["claim-link"])
        link += [nodes.Text(f"{claim.number} "), tick(claim)]
        found += [link, nodes.Text(" ")]
    return found


def minutes_to_read(root: Path, path: Path) -> int:
    """Minutes for prose and visible code, to the next five."""
    cells = executed(root, path).cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    seen = [c for c in code_cells(executed(root, path)) if not c.metadata.get("tags")]
    minutes = words / WORDS_A_MINUTE + len(seen) * SECONDS_A_CELL / 60
    return 5 * max(1, round(minutes / 5))


def add_facts(app: Sphinx, document: nodes.document, name: str) -> None:
    """Put a line under a chapter's title: its claims, the time to read it and to run it."""
    claims = claims_under(app.env, name)
    title = next(document.findall(nodes.title), None)
    if not claims or title is None:
        return
    root = Path(app.srcdir)
    path = root / f"{name}.ipynb"
    facts = nodes.paragraph("", classes=["facts"])
    facts += [nodes.Text("Claims "), *claim_links(claims)]
    facts += nodes.Text(f"· {minutes_to_read(root, path)} minutes to read")
    if seconds := seconds_of(root, path):
        facts += measured(text=f" · {seconds:.0f} seconds to run")
    title.parent.insert(title.parent.index(title) + 1, facts)


def tick_headings(app: Sphinx, env: BuildEnvironment) -> None:
    """Put verdicts behind the headings of claims in tables of contents."""
    for name, contents in env.tocs.items():
        claims = claims_under(env, name)
        for link in contents.findall(nodes.reference):
            heading = HEADING.match(link.astext())
            done = any("verdict" in node["classes"] for node in link.findall(nodes.inline))
            if heading and not done and (meant := claims_named(heading[1], claims)):
                link += [nodes.Text(" "), tick(next((c for c in meant if c.missing()), meant[0]))]


def claims_named(words: str, claims: list[Claim]) -> list[Claim]:
    """The claims that a heading speaks of: "3.3" means 3.3a, 3.3b and 3.3c."""
    numbers = re.findall(r"\d+\.\d+\w*", words)
    return [c for c in claims if any(re.fullmatch(f"{n}[a-z]*", c.number) for n in numbers)]


class IndexClaims(SphinxTransform):
    """Let the search find a claim by its number."""

    default_priority = 310  # after anchors are known, before domains take the index entries

    def apply(self) -> None:
        for claim in claims_under(self.env, self.env.docname):
            words = [f"Claim {claim.number}", claim.number]
            entries = [("single", word, claim.anchor, "main", None) for word in words]
            self.document.insert(0, index(entries=entries))


def keep_entries(app: Sphinx, env: BuildEnvironment) -> None:
    """Have the search find what stands on pages that this build does not read again.

    Sphinx 7.4 saves its environment before it has noted the search's index entries there, so the
    next build would have those of changed pages only.
    """
    env._search_index_index_entries.clear()
    for name, entries in env.domains["index"].entries.items():
        env._search_index_index_entries[name] = sorted(
            {
                (word, target, main)
                for kind, words, target, main, _ in entries
                for word in split_index_msg(kind, words)
            }
        )


def anchor_statements(app: Sphinx, document: nodes.document, name: str) -> None:
    """Make a claim's whole paragraph its target, so that the search can quote the statement."""
    for paragraph in document.findall(nodes.paragraph):
        tags = [child for child in paragraph.children if isinstance(child, nodes.raw)]
        if tags and (found := ANCHOR.fullmatch(tags[0].astext())):
            paragraph["ids"].append(found[1])
            for tag in tags[:2]:  # the anchor's beginning and its end
                paragraph.remove(tag)


class Contents(SphinxDirective):
    """`{chapters}`: all chapters with their claims and verdicts."""

    def run(self) -> list[nodes.Node]:
        mark_as_made_from_chapters(self.env)
        root = Path(self.env.srcdir)
        items = []
        for path in chapters(root):
            number = int(path.stem.split("_")[0])
            title = re.search(r"^# (.+)$", executed(root, path).cells[0].source, re.MULTILINE)[1]
            link = nodes.reference("", title, refuri=f"{path.stem}.html")
            line = nodes.paragraph("", "", nodes.Text(f"{number}. "), link, nodes.Text(" "))
            claims = claims_of(root, path)[0].values()
            line += nodes.inline("", "", *claim_links(list(claims), f"{path.stem}.html"))
            items.append(nodes.list_item("", line))
        return [nodes.bullet_list("", *items, classes=["chapters"])]


def setup(app: Sphinx) -> None:
    app.add_directive("chapters", Contents)
    app.add_transform(IndexClaims)
    app.connect("env-updated", tick_headings)
    app.connect("env-updated", keep_entries)
    app.connect("doctree-resolved", add_facts)
    app.connect("doctree-resolved", anchor_statements)
