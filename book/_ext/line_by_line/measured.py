"""Times that the build measured: on the page, but not in the search index, and marked as such.

They differ from build to build. A comparison of two sites takes the marked texts out.
"""

from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html import HTMLTranslator


class measured(nodes.General, nodes.Inline, nodes.Element):
    """A text in the attribute `text`; the search index reads text nodes, which it has not."""

    def astext(self) -> str:
        """The text."""
        return self["text"]


def visit(translator: HTMLTranslator, node: measured) -> None:
    """Write the text in an element of its own."""
    translator.body.append(f'<span class="measured">{escape(node["text"])}</span>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_node(measured, html=(visit, None))
