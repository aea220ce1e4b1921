"""The claim ledger: one row a claim, made from the records of the executed chapters."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from docutils import nodes
from notebooks import chapters, code_cells, executed
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from line_by_line.cell_output import mark_as_made_from_chapters
from line_by_line.measured import measured
from line_by_line.tables import as_table

STATEMENT = re.compile(
    r'<a id="claim-[\w-]+"></a>\s*\*\*Claim ([\w.]+?)\.\*\*\s*(.+?)(?=\n\s*\n|\Z)', re.DOTALL
)
NEEDED = ("derivation", "check", "breaks", "bites", "exercise")
HEAD = (
    "claim",
    "statement",
    "verdict",
    "lines run",
    "largest distance",
    "checks",
    "wrong versions caught",
    "seconds",
    "see",
)

logger = logging.getLogger(__name__)


@dataclass
class Claim:
    """A sentence of a chapter and the records of what was run for it."""

    number: str
    page: str
    statement: str
    records: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))

    @property
    def anchor(self) -> str:
        return "claim-" + self.number.replace(".", "-")

    def missing(self) -> list[str]:
        """The kinds of record that the claim still needs."""
        return [kind for kind in NEEDED if not self.records[kind]]

    def verdict(self) -> str:
        """Every record was made by code that raises if it fails, so being there is enough."""
        return "open" if self.missing() else "holds"

    def count(self, kind: str) -> int:
        """Lines, routes or wrong versions in all records of a kind."""
        return sum(record["count"] for record in self.records[kind])

    def largest_distance(self) -> str:
        """The distance that came nearest to its tolerance, and that tolerance."""
        measured = [
            record
            for kind in ("derivation", "check")
            for record in self.records[kind]
            if record["distance"] is not None and record["tolerance"] is not None
        ]
        if not measured:
            return ""
        worst = max(measured, key=lambda r: r["distance"] / r["tolerance"] if r["distance"] else 0)
        if not worst["tolerance"]:
            return "0 (exact)"
        return f"{worst['distance']:.3g} of {worst['tolerance']:.3g}"

    def seconds(self) -> float:
        """Time of the cells with records of this claim; a cell's last record has it all."""
        longest: dict[int, float] = defaultdict(float)
        for record in (r for kind in self.records.values() for r in kind):
            longest[record["cell"]] = max(longest[record["cell"]], record["seconds"])
        return sum(longest.values())

    def links(self) -> list[tuple[str, str]]:
        """What to read for this claim: a word and an address on the chapter's page."""
        anchors = [("derivation", self.anchor)]
        for kind in ("check", "exercise"):
            found = [record["anchor"] for record in self.records[kind] if record["anchor"]]
            anchors += [(kind, anchor) for anchor in found[:1]]
        return anchors


def claims_of(root: Path, path: Path) -> tuple[dict[str, Claim], list[str]]:
    """The claims of a chapter under their numbers, and what is wrong with them, in words."""
    notebook = executed(root, path)
    prose = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    claims = {
        number: Claim(number, path.stem, statement)
        for text in prose
        for number, statement in STATEMENT.findall(text)
    }
    faults = []
    for index, cell in enumerate(code_cells(notebook)):
        for record in (output.get("metadata", {}).get("book") for output in cell.outputs):
            if record and record["claim"] in claims:
                claims[record["claim"]].records[record["kind"]].append(record | {"cell": index})
            elif record:
                found = f"a {record['kind']} of claim {record['claim']}"
                faults.append(f"{path.stem} has {found}, but states no such claim")
    faults += [
        f"claim {claim.number} of {path.stem} has no record of: {', '.join(claim.missing())}"
        for claim in claims.values()
        if claim.missing()
    ]
    return claims, faults


class Ledger(SphinxDirective):
    """`{ledger}`: the table of all claims."""

    def run(self) -> list[nodes.Node]:
        mark_as_made_from_chapters(self.env)
        root = Path(self.env.srcdir)
        rows = []
        for path in chapters(root):
            claims, faults = claims_of(root, path)
            for fault in faults:
                logger.warning("%s", fault, location=(self.env.docname, self.lineno))
            rows += [self.row(claim) for claim in claims.values()]
        return [as_table(list(HEAD), rows, "ledger")]

    def row(self, claim: Claim) -> nodes.row:
        """One claim's cells, in the order of HEAD."""
        statement = nodes.entry("", *self.parse_text_to_nodes(claim.statement))
        page = f"{claim.page}.html"
        links = nodes.paragraph()
        for word, anchor in claim.links():
            links += [nodes.reference("", word, refuri=f"{page}#{anchor}"), nodes.Text(" ")]
        home = nodes.reference("", claim.number, refuri=f"{page}#{claim.anchor}")
        words = [
            claim.verdict(),
            str(claim.count("derivation")),
            claim.largest_distance(),
            str(claim.count("check")),
            str(claim.count("bites")),
        ]
        cells = [nodes.entry("", nodes.paragraph("", word)) for word in words]
        time = measured(text=f"{claim.seconds():.1f}")
        cells.append(nodes.entry("", nodes.paragraph("", "", time)))
        cells[0]["classes"] = [claim.verdict()]
        first = nodes.entry("", nodes.paragraph("", "", home))
        return nodes.row("", first, statement, *cells, nodes.entry("", links))


def setup(app: Sphinx) -> None:
    app.add_directive("ledger", Ledger)
