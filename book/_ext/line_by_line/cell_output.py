"""A directive that shows a chapter's figure on another page."""

from pathlib import Path

from docutils import nodes
from notebooks import code_cells, executed
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class CellOutput(SphinxDirective):
    """`{cell-output} page label` shows the HTML output of that page's cell with that label."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        page, label = self.arguments
        mark_as_made_from_chapters(self.env)
        notebook = executed(Path(self.env.srcdir), Path(self.env.srcdir, f"{page}.ipynb"))
        outputs = {
            cell.metadata["label"]: output.data["text/html"]
            for cell in code_cells(notebook)
            for output in cell.outputs
            if "label" in cell.metadata and "text/html" in output.get("data", {})
        }
        if label not in outputs:
            known = ", ".join(sorted(outputs)) or "none"
            raise self.error(f"{page} has no HTML output labelled {label!r}; it has: {known}")
        box = nodes.container(classes=["output", "text_html"])
        box += nodes.raw("", outputs[label], format="html")
        return [box]


def mark_as_made_from_chapters(env) -> None:
    """Note that the page being read has to be read again whenever a chapter changes."""
    pages = getattr(env, "line_by_line_pages", set())
    env.line_by_line_pages = pages | {env.docname}


def setup(app: Sphinx) -> None:
    app.add_directive("cell-output", CellOutput)
