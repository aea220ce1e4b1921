"""The page on what the checks catch: tables of what the commands of upkeep/ found and stored."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from line_by_line.tables import as_table

MUTANTS = Path("upkeep/mutants.json")
ALARMS = Path("upkeep/alarms.json")
DETERMINISM = Path("upkeep/determinism.json")
CAUGHT = ("caught", "too long")
NOT_RUN = "This has not been run yet: see the commands above."


def where_measured(results: dict) -> str:
    """The machine, for the end of a summary."""
    machine = results["machine"]
    return f"({machine['date']}, torch {machine['torch']}, Python {machine['python']}.)"


def wrong_summary(results: dict) -> str:
    """How many wrong versions there are, how many are edits, how many were caught."""
    rows = results["wrong_versions"]
    edits, caught = sum(row["edit"] for row in rows), sum(row["verdict"] in CAUGHT for row in rows)
    claims = len({row["claim"] for row in rows})
    return (
        f"{caught} of {len(rows)} wrong versions of {claims} claims were caught: {edits} by an "
        f"edit of the code, {len(rows) - edits} in a table of a chapter. {where_measured(results)}"
    )


def wrong_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each wrong version."""
    return [["claim", "wrong version", "applied to", "noticed by"]] + [
        [row["claim"], row["says"], Path(row["file"]).stem if row["edit"] else "–", noticed(row)]
        for row in results["wrong_versions"]
    ]


def noticed(row: dict) -> str:
    """Which test or cell failed first; or that nothing did."""
    if row["verdict"] not in CAUGHT:
        return "NOTHING"
    if test := re.search(r"::(\w+)", row["by"]):
        return f"test: {test[1].removeprefix('test_').replace('_', ' ')}"
    if cell := re.match(r"cell (\d+): (\w+)", row["by"]):
        return f"code cell {cell[1]} of the chapter: {cell[2]}"
    return row["by"] if not row["edit"] else "the code no longer runs"


def mutation_summary(results: dict) -> str:
    """How many mutations were tried, and what became of them."""
    rows = results["mutations"]["modules"]
    total, tried, caught, late, equal, left = (
        sum(row[name] for row in rows)
        for name in ("mutations", "tried", "caught", "too_long", "equivalent", "survived")
    )
    part = (
        "all" if tried == total else f"{tried:,}, first those inside functions and else at random,"
    )
    return (
        f"Of {total:,} mutations of {len(rows)} modules, {part} were tried. Tests noticed "
        f"{caught + late:,} ({late} because they did not end in time); {equal} change nothing "
        f"that a program can see; {left} survived. {where_measured(results)}"
    )


def mutation_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each module."""
    head = ["module", "mutations", "tried", "noticed", "change nothing", "survived"]
    return [head] + [
        [
            row["module"].removeprefix("helpers/"),
            f"{row['mutations']:,}",
            f"{row['tried']:,}",
            f"{row['caught'] + row['too_long']:,}",
            str(row["equivalent"]),
            str(row["survived"]),
        ]
        for row in results["mutations"]["modules"]
    ]


def survivor_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each mutation that no test noticed."""
    return [["module", "line", "as it is", "mutated", "why it makes no difference"]] + [
        [
            row["module"].removeprefix("helpers/"),
            str(row["line"]),
            f"`{row['old']}`",
            f"`{row['new']}`",
            row["equivalent"] or "it does: a fault of the tests",
        ]
        for row in results["mutations"]["survivors"]
    ]


def alarm_summary(results: dict) -> str:
    """How many false alarms there were, and how many were to be expected."""
    found = results["summary"]
    least, most = found["least_seeds"], found["seeds"]
    seeds = f"{most}" if least == most else f"{least} to {most}"
    return (
        f"{found['checks']} checks under {seeds} seeds gave {found['alarms']} false "
        f"alarms; by design there are {found['expected_at_most']:.2g} at most on average. "
        f"{found['strict_checks']} of them, run once more at a rate of one in twenty, gave "
        f"{found['strict_alarms']}; by design {found['strict_expected_at_most']:.0f} at most. "
        f"{where_measured(results)}"
    )


def alarm_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each check with a designed rate."""
    head = ["claim", "check", "seeds", "false alarms", "at one in twenty"]
    return [head] + [
        [
            row["claim"],
            row["title"],
            str(row["seeds"]),
            str(len(row["alarms"])),
            "–" if row["strict_alarms"] is None else str(row["strict_alarms"]),
        ]
        for row in results["rows"]
        if row["rate"] is not None
    ]


def own_draw_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each fact of the same cells that other seeds make false."""
    return [["claim", "what is said of the book's own draws", "seeds that make it false"]] + [
        [row["claim"], row["title"], f"{len(row['alarms'])} of {row['seeds']}"]
        for row in results["rows"]
        if row["rate"] is None
    ]


def same_summary(results: dict) -> str:
    """What was equal in all executions, and in both sites."""
    rows, site = [r for r in results["chapters"] if not r["free"]], results["site"]
    off = [row for row in rows if "failed" in row or row["texts_differ"] or row["pictures_differ"]]
    exact = sum(row["pictures"]["same bytes"] for row in rows if "failed" not in row)
    pixels = sum(row["pictures"]["same pixels"] for row in rows if "failed" not in row)
    return (
        f"{len(rows)} executions of chapters, {len(off)} with another text or picture than the "
        f"stored one; of the pictures {exact} had the same bytes and {pixels} only the same "
        f"pixels. Two builds of the site from one commit, each from nothing: {site['files']} "
        f"files, {len(site['differ'])} of them different. {where_measured(results)}"
    )


def same_rows(results: dict) -> list[list[str]]:
    """Head, and a row for each chapter, version of torch and number of threads."""
    groups: dict[tuple, list[dict]] = {}
    for row in results["chapters"]:
        if not row["free"]:
            key = row["chapter"], row["torch"], row["threads"]
            groups.setdefault(key, []).append(row)
    head = ["chapter", "torch", "threads", "runs", "texts", "pictures", "agree with the stored"]
    return [head] + [
        [
            chapter,
            version,
            str(threads),
            str(len(rows)),
            str(rows[0].get("texts", "–")),
            str(sum(rows[0].get("pictures", {}).values())),
            f"{sum(agrees(row) for row in rows)} of {len(rows)}",
        ]
        for (chapter, version, threads), rows in groups.items()
    ]


def agrees(row: dict) -> bool:
    """Whether an execution gave the stored outputs."""
    return "failed" not in row and not row["texts_differ"] and not row["pictures_differ"]


SHOWN: dict[str, tuple[Path, Callable]] = {
    "wrong-summary": (MUTANTS, wrong_summary),
    "wrong": (MUTANTS, wrong_rows),
    "mutation-summary": (MUTANTS, mutation_summary),
    "mutations": (MUTANTS, mutation_rows),
    "survivors": (MUTANTS, survivor_rows),
    "alarm-summary": (ALARMS, alarm_summary),
    "alarms": (ALARMS, alarm_rows),
    "own-draws": (ALARMS, own_draw_rows),
    "same-summary": (DETERMINISM, same_summary),
    "same": (DETERMINISM, same_rows),
}


def as_cells(texts: list[str]) -> nodes.row:
    """A row; what stands between backticks is code, whose quotation marks stay as they are."""
    row = nodes.row()
    for text in texts:
        is_code = text.startswith("`") and text.endswith("`")
        inner = nodes.literal("", text[1:-1]) if is_code else nodes.Text(text)
        row += nodes.entry("", nodes.paragraph("", "", inner))
    return row


def shown(path: Path, make: Callable) -> str | list[list[str]]:
    """What is made of the results; or that there are none, as before the first run."""
    try:
        return make(json.loads(path.read_text("utf8")))
    except (FileNotFoundError, KeyError):
        return NOT_RUN


class Bite(SphinxDirective):
    """`{bite}` and what to show: a table, or a paragraph that sums one up."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in SHOWN:
            raise self.error(f"bite needs one of {', '.join(SHOWN)}: {name}")
        file, make = SHOWN[name]
        path = Path(self.env.srcdir) / file
        self.env.note_dependency(str(path))
        made = shown(path, make)
        if isinstance(made, str):
            return [nodes.paragraph("", made)]
        head, *rows = made
        if not rows:
            return [nodes.paragraph("", "There is none.")]
        return [as_table(head, map(as_cells, rows), f"bite-{name}")]


def setup(app: Sphinx) -> None:
    app.add_directive("bite", Bite)
