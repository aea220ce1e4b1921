"""Does the book notice when its code is wrong?

    python -m upkeep.mutants --wrong-versions          the catalogue of wrong versions
    python -m upkeep.mutants --sample 25 --jobs 2      25 mutations of each helper, the same ones
    python -m upkeep.mutants                           the catalogue and every mutation: some hours
    python -m upkeep.mutants --mutations --survivors   once more survivors without a reason

Every mutation of a helper changes one token and is tried against the tests of its module alone,
with a time limit: first, in place, those of functions, then all others, each from a file of its
own. Outcomes are kept in _build/upkeep/ after each trial, so a run that is stopped goes on where
it was; they hold until the function (or other statement of the helper) changes, or its tests when
they say survived. At the end, or with --count, all that is known goes to upkeep/mutants.json:
counts, a letter for each mutation, and the survivors. A clone goes on from there. A survivor is a
fault of the tests, unless upkeep/equivalents.toml says why the program does the same with it.
"""

import argparse
import json
import os
import random
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path

from line_by_line.bite import CAUGHT

from upkeep import in_place, mutations, outcomes, trial, wrong_versions
from upkeep.outcomes import Log
from upkeep.results import keep

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("upkeep/mutants.json")
LOG = Path("_build/upkeep/mutants.jsonl")
EQUIVALENTS = Path("upkeep/equivalents.toml")


def require_passing(files: list[tuple[str, ...]], jobs: int) -> dict[tuple[str, ...], float]:
    """Seconds that unchanged tests take.

    Raises:
        ValueError: If some do not pass: then nothing could be learned from their failing.
    """
    every = [trial.Trial(" ".join(tests), {}, tests, limit=900) for tests in set(files)]
    seconds = {}
    for outcome in trial.attempt_all(ROOT, every, jobs):
        if outcome.verdict != "survived":
            raise ValueError(f"{outcome.key} fails on unchanged code: {outcome.why}")
        seconds[tuple(outcome.key.split(" "))] = outcome.seconds
        print(f"{outcome.key} passes in {outcome.seconds:.0f} s", flush=True)
    return seconds


def trial_of(row: wrong_versions.WrongVersion, number: int, limits: dict) -> trial.Trial:
    """What to run for a row of the catalogue."""
    edits, key = {row.file: wrong_versions.edited(ROOT, row)}, str(number)
    if row.file.endswith(".ipynb"):
        cell = wrong_versions.edited_cell(ROOT, row)
        return trial.Trial(key, edits, chapter=row.file, cell=cell, limit=300)
    tests = mutations.tests_of(ROOT, row.file)
    return trial.Trial(key, edits, tests, limit=limits[tests])


def try_wrong_versions(jobs: int) -> list[dict]:
    """A row for each wrong version: whether it was caught, and by what."""
    rows = wrong_versions.catalogue(ROOT)
    edits = {n: row for n, row in enumerate(rows) if row.is_edit}
    files = [r.file for r in edits.values() if r.file.endswith(".py")]
    seconds = require_passing([mutations.tests_of(ROOT, file) for file in files], jobs)
    limits = {tests: 30 + 4 * spent for tests, spent in seconds.items()}
    found = {
        n: {"verdict": "caught" if wrong_versions.is_caught_in_table(ROOT, row) else "survived",
            "by": f"a table of {Path(row.file).stem}"}
        for n, row in enumerate(rows) if not row.is_edit
    }  # fmt: skip
    trials = [trial_of(row, n, limits) for n, row in edits.items()]
    for outcome in trial.attempt_all(ROOT, trials, jobs):
        found[int(outcome.key)] = {"verdict": outcome.verdict, "by": outcome.why}
        row = rows[int(outcome.key)]
        print(f"{row.claim} {row.says}: {outcome.verdict} ({outcome.why[:70]})", flush=True)
    return [
        {"claim": row.claim, "says": row.says, "file": row.file, "edit": row.is_edit, **found[n]}
        for n, row in enumerate(rows)
    ]


def equivalents(root: Path = ROOT) -> dict[tuple[str, str, str], str]:
    """Why a mutation changes nothing: reasons by module, lines taken away and lines put there."""
    with (root / EQUIVALENTS).open("rb") as file:
        rows = tomllib.load(file).get("equivalent", [])
    return {(row["module"], row["old"], row["new"]): row["because"] for row in rows}


def unexplained(rows: Iterable[dict]) -> list[dict]:
    """Rows of mutations that no test noticed and for which no reason is given."""
    reasons = equivalents()
    survivors = (row for row in rows if row["verdict"] not in CAUGHT)
    return [row for row in survivors if (row["module"], row["old"], row["new"]) not in reasons]


def lines_with_reasons(root: Path = ROOT) -> set[tuple[str, int]]:
    """Modules, and numbers of lines for which equivalents give a reason about some mutation."""
    reasons: dict[str, set[str]] = {}
    for module, old, _ in equivalents(root):
        reasons.setdefault(module, set()).update(old.split("\n"))
    return {
        (module, number)
        for module, lines in reasons.items()
        for number, line in enumerate((root / module).read_text("utf8").splitlines(), start=1)
        if line.strip() in lines
    }


def rows_of(module: str, source: str) -> list[dict]:
    """A row for each mutation of a module, with the key of its outcome.

    The key tells the statement of the module in which it stands, a function's definition or the
    like, and which of the operator's places in it: an outcome holds while the statement does.
    """
    rows, places = [], Counter()
    texts = mutations.statements(source)
    for one in mutations.mutations(module, source):
        statement = outcomes.digest(module, texts[one.line])
        place = statement, one.operator
        key = f"{statement} {one.operator} {places[place]}"
        places[place] += 1
        rows.append({"key": key, "statement": statement, **asdict(one)})
    return rows


def stored(every: Mapping[str, list[dict]]) -> list[dict]:
    """Outcomes that came with the book."""
    found = json.loads((ROOT / RESULTS).read_text("utf8"))["mutations"]
    words = {row["module"]: row["outcomes"] for row in found["modules"]}
    return [
        row
        for module, rows in every.items()
        for row in outcomes.read(rows, words.get(module, {}), found["survivors"])
    ]


def try_mutations(rows: list[dict], log: Log, jobs: int, *, again: bool) -> None:
    """Try what has no outcome yet; or, with `again`, once more what survived without a reason.

    Mutations of functions come first, which are quick, then those of what runs on import. Among
    these, lines about which a reason is given come last: a survivor costs all of its tests.
    """
    survived = {row["key"] for row in unexplained(log.rows.values())}
    left = [r for r in rows if (r["key"] in survived if again else r["key"] not in log.rows)]
    random.Random(mutations.SEED).shuffle(left)  # so that what a stopped run tried is a sample
    late = lines_with_reasons()
    left.sort(key=lambda row: (row["module"], row["line"]) in late)
    groups: dict[tuple[str, ...], dict[str, dict]] = {}
    for row in left:
        tests = mutations.tests_of(ROOT, row["module"])
        groups.setdefault(tests, {})[row["key"]] = row
    imported = []
    for tests, own in sorted(groups.items(), key=lambda group: len(group[1])):
        print(f"{' '.join(tests)}: {len(own)} mutations", flush=True)
        ones = {key: mutation_of(row) for key, row in own.items()}
        found = in_place.attempt_all(ROOT, in_place.Session(tests, ones, jobs))
        measured, left = next(found), {}
        for outcome in found:
            if outcome.verdict == in_place.LEFT:
                left[outcome.key] = own[outcome.key]
            else:
                note(log, own[outcome.key], outcome)
        imported.append((tests, left, measured))
    for tests, own, measured in imported:
        for outcome in from_files(tests, own, jobs, measured):
            note(log, own[outcome.key], outcome)


def note(log: Log, row: dict, outcome: trial.Outcome) -> None:
    """Keep what became of a mutation, and say it if no test noticed."""
    row = row | {"verdict": outcome.verdict}
    if outcome.verdict not in CAUGHT:
        row = with_lines(row)
        at = f"{row['module']}:{row['line']} {outcome.verdict}"
        print(f"{at}: {row['old']} -> {row['new']}", flush=True)
    log.add(row | {"seconds": outcome.seconds, "by": outcome.why})


def from_files(
    tests: tuple[str, ...], rows: dict[str, dict], jobs: int, measured: Mapping[str, in_place.Ran]
) -> Iterator[trial.Outcome]:
    """What became of mutations of what runs on import: each module's in a file of its own."""
    limit = 10 + 4 * require_passing([tests], jobs)[tests] if rows else 0
    for module in sorted({row["module"] for row in rows.values()}):
        own = {key: row for key, row in rows.items() if row["module"] == module}
        print(f"{module}: {len(own)} mutations of what runs on import", flush=True)
        order = first_those_that_use(module, measured)
        trials = (
            trial.Trial(key, {module: mutated(row)}, tests, limit=limit)
            for key, row in own.items()
        )
        yield from trial.attempt_all(ROOT, trials, jobs, order)


def first_those_that_use(module: str, measured: Mapping[str, in_place.Ran]) -> dict[str, int]:
    """Each test's place: first those that come by the module, the fastest of them first."""
    order = sorted(measured, key=lambda n: (not measured[n].lines[module], measured[n].seconds))
    return {name: place for place, name in enumerate(order)}


def mutated(row: dict) -> str:
    """The module's text with the row's mutation."""
    return mutation_of(row).mutated((ROOT / row["module"]).read_text("utf8"))


def mutation_of(row: dict) -> mutations.Mutation:
    """The mutation that a row is about."""
    return mutations.Mutation(*(row[field.name] for field in fields(mutations.Mutation)))


def with_lines(row: dict) -> dict:
    """The row with what its mutation takes away and what it puts there."""
    source = (ROOT / row["module"]).read_text("utf8")
    old, new = mutations.changed_lines(source, mutated(row))
    return row | {"old": old, "new": new}


def counted(every: Mapping[str, list[dict]], known: Mapping[str, dict]) -> dict:
    """Counts and outcomes by module; and the survivors, with a reason where there is one."""
    reasons, survivors, modules = equivalents(), [], []
    names = ("key", "module", "line", "operator", "old", "new", "verdict")
    for module, rows in every.items():
        own = [known[row["key"]] for row in rows if row["key"] in known]
        verdicts = Counter(row["verdict"] for row in own)
        left = [
            {name: row[name] for name in names}
            | {"equivalent": reasons.get((module, row["old"], row["new"]))}
            for row in own
            if row["verdict"] not in CAUGHT
        ]
        survivors += left
        equal = sum(bool(row["equivalent"]) for row in left)
        counts = {"module": module, "mutations": len(rows), "tried": len(own)}
        counts |= {"caught": verdicts["caught"], "too_long": verdicts["too long"]}
        counts |= {"equivalent": equal, "survived": len(left) - equal}
        modules.append(counts | {"outcomes": outcomes.spelled(rows, known)})
    return {"modules": modules, "survivors": survivors}


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    """The command line's settings."""
    parser = argparse.ArgumentParser(prog="python -m upkeep.mutants")
    parser.add_argument("--wrong-versions", action="store_true", help="the catalogue alone")
    parser.add_argument("--mutations", action="store_true", help="the mutations alone")
    parser.add_argument("--sample", type=int, help="so many of each module; all if left out")
    parser.add_argument("--module", nargs="+", default=[""], help="only modules with such a path")
    parser.add_argument("--count", action="store_true", help="try nothing, count what was tried")
    parser.add_argument(
        "--survivors", action="store_true", help="try once more what survived without a reason"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    return parser.parse_args(words)


def main() -> None:
    """Try what was asked for; exit code 1 if something survives."""
    arguments, wrong = arguments_of(), []
    both = not (arguments.wrong_versions or arguments.mutations)
    if both or arguments.wrong_versions:
        found = try_wrong_versions(arguments.jobs)
        keep(ROOT / RESULTS, "wrong_versions", found)
        missed = [row for row in found if row["verdict"] not in CAUGHT]
        wrong += [f"{row['claim']} {row['says']}: {row['verdict']}" for row in missed]
        print(f"{len(found) - len(missed)} of {len(found)} wrong versions caught")
    if both or arguments.mutations:
        helpers = mutations.helpers(ROOT)
        every = {m: rows_of(m, (ROOT / m).read_text("utf8")) for m in helpers}
        asked = {m: rows for m, rows in every.items() if any(x in m for x in arguments.module)}
        log = Log(ROOT / LOG, stored(every))
        if not arguments.count:
            samples = (mutations.sample(rows, arguments.sample) for rows in asked.values())
            rows = [row for some in samples for row in some]
            try_mutations(rows, log, arguments.jobs, again=arguments.survivors)
        found = counted(asked, log.rows)
        keep(ROOT / RESULTS, "mutations", counted(every, log.rows))
        left = [row for row in found["survivors"] if not row["equivalent"]]
        wrong += [f"{row['module']}:{row['line']}: {row['old']} -> {row['new']}" for row in left]
        tried = sum(row["tried"] for row in found["modules"])
        number = sum(row["mutations"] for row in found["modules"])
        print(f"{tried} of {number} mutations tried, {len(left)} survived without a reason")
    raise SystemExit("\n".join(["Not noticed:", *wrong]) if wrong else 0)


if __name__ == "__main__":
    main()
