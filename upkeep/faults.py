"""Every fault that the book was tried against, with the checks that try it.

    python -m upkeep.faults            produce all faults, and say which were met as promised
    python -m upkeep.faults kernel     only those whose name has the word

A check that this machine cannot make (no browser, no bubblewrap) counts as left out, is named,
and makes the command fail: nothing passes that was not tried.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE, PAGES, PATHS = (f"upkeep/test_{name}.py" for name in ("faults", "old_browsers", "paths"))
FAULTS = {
    "kernel killed in mid-chapter": (
        f"{HERE}::test_kernel_killed_in_mid_chapter",
        f"{HERE}::test_no_kernel_outlives_a_killed_build",
        "tests/test_live.py::test_python_that_dies_is_replaced_and_said",
    ),
    "build killed": (
        f"{HERE}::test_build_killed_at_any_moment",
        "tests/test_build.py::test_a_site_lost_between_two_renames_comes_back",
        "tests/test_build.py::test_results_that_were_half_kept_count_as_stale",
        "tests/test_build.py::test_a_second_command_waits_for_what_the_first_left_running",
    ),
    "build interrupted": (
        f"{HERE}::test_build_interrupted_at_any_moment",
        "tests/test_build.py::test_an_interrupted_build_spares_the_site",
        "tests/test_build.py::test_publishing_that_fails_puts_the_old_site_back",
        "tests/test_coursework_build.py::test_an_interrupted_replacement_is_mended",
    ),
    "marking stopped": ("tests/test_marking.py::test_a_run_that_is_stopped_goes_on",),
    "disk full": (
        f"{HERE}::test_disk_full",
        "tests/test_build.py::test_a_notebook_is_replaced_whole_or_not_at_all",
        "tests/test_build.py::test_a_full_disk_is_named_with_advice",
    ),
    "read-only checkout": (
        f"{HERE}::test_read_only_checkout",
        f"{HERE}::test_read_only_checkout_of_coursework",
        f"{HERE}::test_installing_in_a_read_only_checkout",
        "tests/test_build.py::test_a_folder_without_permission_is_named",
    ),
    "no git": (
        f"{HERE}::test_building_without_git",
        "tests/test_book.py::test_a_chapter_alone_without_git_says_what_it_needs",
    ),
    "no browser on the machine": (
        f"{HERE}::test_pdf_without_a_browser",
        f"{HERE}::test_tests_without_a_browser",
    ),
    "no bubblewrap": ("tests/test_marking.py::test_without_bubblewrap_it_refuses",),
    "no site yet": (f"{HERE}::test_serving_before_a_build",),
    "old browser": (
        f"{PAGES}::test_scripts_keep_to_the_language_that_is_stated",
        f"{PAGES}::test_a_newer_script_would_be_noticed",
        f"{PAGES}::test_text_and_stills_are_there",
        f"{PAGES}::test_a_hidden_text_would_be_noticed",
        "tests/test_live.py::test_missing_script_is_said_and_the_button_works_again",
    ),
    "no JavaScript": (
        f"{PAGES}::test_text_and_stills_are_there",
        "tests/test_reading.py::test_reasons_are_there_in_print_and_without_scripts",
        "tests/test_explore_browser.py::test_without_scripts_the_default_is_there",
        "tests/test_portrait_browser.py::test_still_without_scripts",
    ),
    "no network": (
        f"{HERE}::test_installing_without_a_network",
        f"{HERE}::test_building_without_a_network",
        "tests/test_site.py::test_a_page",
        "tests/test_book.py::test_a_chapter_alone_without_a_network_says_what_it_needs",
        "tests/test_book.py::test_a_fetch_that_was_cut_off_is_begun_anew",
        "tests/test_live.py::test_binder_out_of_reach_is_said",
    ),
    "spaces and other alphabets in the path": (PATHS,),
}


def chosen(word: str) -> dict[str, tuple[str, ...]]:
    """The faults whose name has the word.

    Raises:
        ValueError: If there is none.
    """
    found = {name: checks for name, checks in FAULTS.items() if word in name}
    if not found:
        raise ValueError(f"needed a word of one of {', '.join(FAULTS)}; got {word!r}")
    return found


def run_checks(checks: Iterable[str]) -> dict[str, str]:
    """What came of each test: passed, failed, or left out with the reason.

    Each folder's run in a process of their own: there is one browser in each.
    """
    folders: dict[str, list[str]] = {}
    for check in dict.fromkeys(checks):
        folders.setdefault(check.partition("/")[0], []).append(check)
    return {name: text for own in folders.values() for name, text in run_tests(own).items()}


def run_tests(checks: list[str]) -> dict[str, str]:
    """What came of tests that run in one process.

    Raises:
        ValueError: If they could not be run at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        subprocess.run([*command, f"--junit-xml={report}", *checks], cwd=ROOT, check=False)
        if not report.exists():
            raise ValueError("pytest could not start: see above")
        return outcomes(report.read_text("utf8"))


def outcomes(report: str) -> dict[str, str]:
    """The outcome of each test of a report in JUnit's form, under `file::name`."""
    found = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        place = case.get("classname", "").replace(".", "/") + ".py"
        skipped, bad = case.find("skipped"), case.find("failure")
        bad = case.find("error") if bad is None else bad
        name = f"{place}::{case.get('name', '')}"
        if bad is not None:
            found[name] = "failed"
        elif skipped is not None:
            found[name] = f"left out: {skipped.get('message')}"
        else:
            found[name] = "passed"
    return found


def verdict(checks: Iterable[str], found: dict[str, str]) -> str:
    """What can be said of a fault: met as promised, not met, or not tried whole."""
    results = []
    for check in checks:
        own = [
            text
            for name, text in found.items()
            if name == check or name.startswith((f"{check}[", f"{check}::"))
        ]
        results += own or [f"left out: {check} did not run"]
    for kind in ("failed", "left out"):
        if bad := sorted({text for text in results if text.startswith(kind)}):
            return f"{'; '.join(bad)} ({len(results)} checks)"
    return f"met ({len(results)} checks)"


def main(word: str = "") -> None:
    """Run the checks of the faults and print a line for each; exit 1 unless all were met."""
    try:
        faults = chosen(word)
        found = run_checks(check for checks in faults.values() for check in checks)
    except ValueError as error:
        sys.exit(f"{error}")
    verdicts = {name: verdict(checks, found) for name, checks in faults.items()}
    print()
    for name, text in verdicts.items():
        print(f"{name:40} {text}")
    if not all(text.startswith("met") for text in verdicts.values()):
        sys.exit("Some faults were not met, or could not be tried on this machine.")


if __name__ == "__main__":
    main(*sys.argv[1:2])
