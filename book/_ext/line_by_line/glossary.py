"""Words of the glossary, linked where a chapter first uses them, with the definition at hand."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

GLOSSARY = "book/glossary"
CLOSED = (nodes.reference, nodes.literal, nodes.math, nodes.title, nodes.raw, nodes.caption)


class DependOnGlossary(SphinxTransform):
    """Chapters show definitions, so they are made again when the glossary changes."""

    default_priority = 320

    def apply(self) -> None:
        if re.search(r"/\d\d_", self.env.docname):
            self.env.note_dependency(self.env.doc2path(GLOSSARY))


def terms(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Each word of the glossary with its anchor and its definition in plain text."""
    found = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        meaning = next(item.findall(nodes.definition)).astext().replace("\n", " ")
        for term in item.findall(nodes.term):
            found[term.astext()] = (term["ids"][0], meaning)
    return found


def link_words(app: Sphinx, document: nodes.document, name: str) -> None:
    """Link the first use of each word in a chapter's paragraphs."""
    if not re.search(r"/\d\d_", name) or GLOSSARY not in app.env.found_docs:
        return
    left = {term.lower(): (term, *rest) for term, rest in terms(app.env).items()}
    longest_first = sorted(left, key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})(s?)\b", re.IGNORECASE)
    for paragraph in list(document.findall(nodes.paragraph)):
        if "facts" in paragraph["classes"] or _inside(paragraph, (nodes.table, nodes.caption)):
            continue
        for text in list(paragraph.findall(nodes.Text)):
            if not _inside(text, CLOSED):
                text.parent.replace(text, _with_links(text.astext(), pattern, left))


def _with_links(text: str, pattern: re.Pattern, left: dict) -> list[nodes.Node]:
    """A text in pieces, with a link for every word that was not linked before."""
    pieces: list[nodes.Node] = []
    done = 0
    for found in pattern.finditer(text):
        if entry := left.pop(found[1].lower(), None):
            _, anchor, meaning = entry
            pieces.append(nodes.Text(text[done : found.start()]))
            link = nodes.reference("", found[0], refuri=f"glossary.html#{anchor}")
            link["classes"].append("term")
            link["reftitle"] = meaning
            pieces.append(link)
            done = found.end()
    return [*pieces, nodes.Text(text[done:])]


def _inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node is not None:
        if isinstance(node, kinds):
            return True
        node = node.parent
    return False


def setup(app: Sphinx) -> None:
    app.add_transform(DependOnGlossary)
    app.connect("doctree-resolved", link_words)
