"""Where the book runs: the lock, the supported versions, and what was kept of Colab and Binder."""

import json
import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import notebooks
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from coursework.assignments import ASSIGNMENTS
from upkeep import binder, colab, faults, lock, matrix
from upkeep.environments import Unavailable, interpreter, pins

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = [path.stem for path in notebooks.chapters(ROOT)]
FLOORS = dict(re.findall(r"^([\w-]+)>=(\S+)", matrix.SUPPORTED.read_text(), re.MULTILINE))
DOCKERFILE = """FROM base
COPY --chown=0:0 src/binder/requirements.txt ${REPO_DIR}/binder/requirements.txt
RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"
COPY --chown=0:0 src/ ${REPO_DIR}/
"""
REPORT = """<testsuites><testsuite>
<testcase classname="book" name="one"/><testcase classname="book" name="two"/>
<testcase classname="book" name="three"><skipped/></testcase>{more}
</testsuite></testsuites>"""


def stored(name: str) -> dict:
    """The kept results of a command; empty if it never ran to its end."""
    path = ROOT / f"upkeep/{name}.json"
    return json.loads(path.read_text("utf8")) if path.exists() else {}


def locked() -> dict[str, Requirement]:
    """What the lock says for this system, by canonical name."""
    lines = (ROOT / "constraints.txt").read_text("utf8").splitlines()
    entries = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = (entry for entry in entries if entry.marker is None or entry.marker.evaluate())
    return {canonicalize_name(entry.name): entry for entry in here}


def test_the_lock_holds_every_pin():
    entries = locked()
    for path in lock.requirement_files(ROOT):
        for name, version in pins(path.name).items():
            message = f"{path.name} pins {name}=={version}: run `make lock`"
            assert entries[canonicalize_name(name)].specifier.contains(version), message


def test_these_tests_run_with_the_locked_versions():
    entries = locked()
    differing = {}
    # Not all of sys.path: setuptools puts its own copies of some packages there.
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for found in distributions(path=installed):
        entry = entries.get(canonicalize_name(found.name))
        if entry and not entry.specifier.contains(found.version, prereleases=True):
            differing[found.name] = f"{found.version}, not {entry.specifier}"
    assert differing == {}, "run `make book`, or `make lock` if it was meant"


def test_the_lock_is_for_three_systems():
    markers = (ROOT / "constraints.txt").read_text("utf8")
    assert all(f"sys_platform == '{name}'" in markers for name in ("linux", "darwin", "win32"))


def test_make_installs_what_the_lock_says():
    makefile = (ROOT / "Makefile").read_text("utf8")
    installs = re.findall(r"pip install (?!--no-deps).*", makefile)
    assert len(installs) >= 3
    assert [line for line in installs if "-c constraints.txt" not in line] == []


def test_the_oldest_versions_are_those_of_the_readme():
    table = dict(
        re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|$", (ROOT / "README.md").read_text(), re.M)
    )
    assert table == {"Python": matrix.PYTHONS[0]} | FLOORS


def test_no_pin_is_older_than_the_oldest():
    for name, version in pins("requirements.txt").items():
        if name not in ("jupyterlab", "jsonschema"):  # the notebooks' home and what it needs
            assert Version(version) >= Version(FLOORS[name])


def test_the_workflow_runs_every_row_on_three_systems():
    workflow = yaml.safe_load((ROOT / ".github/workflows/versions.yml").read_text("utf8"))
    asked = workflow["jobs"]["row"]["strategy"]["matrix"]
    assert tuple(asked["row"]) == matrix.ROWS
    assert {name.split("-")[0] for name in asked["system"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("row", sorted(stored("matrix")))
def test_a_row_that_was_run_holds(row):
    kept = stored("matrix")[row]
    assert row in matrix.ROWS and matrix.holds(kept), kept["failed"]
    for name, version in kept["versions"].items():
        assert Version(version) >= Version(FLOORS[name])
        if row == f"{matrix.PYTHONS[0]}-oldest":
            assert Version(version).release == Version(FLOORS[name]).release


def test_both_ends_of_the_supported_versions_were_run():
    ends = {f"{matrix.PYTHONS[0]}-oldest", f"{matrix.PYTHONS[-1]}-newest"}
    assert ends <= set(stored("matrix")), "run `make matrix`"


def test_a_row_counts_what_failed(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(more=""))
    counted = matrix.count(report)
    assert counted == {"passed": 2, "skipped": 1, "failed": []}
    assert matrix.holds(counted)
    report.write_text(REPORT.format(more='<testcase classname="x" name="y"><error/></testcase>'))
    assert matrix.count(report)["failed"] == ["x::y"]
    assert not matrix.holds(matrix.count(report))
    assert not matrix.holds({"passed": 0, "failed": []}), "nothing ran"


def test_a_row_left_out_is_no_success_where_it_was_asked_for(capsys):
    good, missing = {"passed": 1, "failed": []}, {"left_out": "no Python 3.12"}
    assert matrix.verdict({"a": good}, strict=True) is None
    assert matrix.verdict({"a": good, "b": missing}, strict=False) is None
    assert "Left out: b" in capsys.readouterr().out
    assert "could not be run here: b" in matrix.verdict({"a": good, "b": missing}, strict=True)
    assert "could not be run here" in matrix.verdict({"b": missing}, strict=False)
    assert "failed: c" in matrix.verdict({"a": good, "c": {"failed": ["x"]}}, strict=False)


def test_a_python_that_nobody_has_is_said_to_be_missing(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("no network")

    monkeypatch.setattr("upkeep.environments.run", refuse)
    monkeypatch.setattr("upkeep.environments.uv", lambda: ["uv"])
    with pytest.raises(Unavailable, match=r"no Python 3\.99 on the path or in pyenv"):
        interpreter("3.99")


def test_every_notebook_ran_as_in_colab():
    kept = stored("colab")
    assert kept, "run `make colab`"
    asked = set(pins("upkeep/colab.txt").items())
    assert asked <= {(n, v.split("+")[0]) for n, v in kept["versions"].items()}
    assert set(kept["notebooks"]) == {*CHAPTERS, *(f"{colab.COURSEWORK}{n}" for n in ASSIGNMENTS)}
    version = kept["notebooks"][CHAPTERS[0]]["fetched"][0].removeprefix("line-by-line-")
    for name, result in kept["notebooks"].items():
        assert colab.trouble(name, result, version) == []


def test_trouble_in_colab_is_seen():
    good = {"stderr": [], "pictures_before": 2, "pictures_after": 2}
    good |= {"fetched": ["line-by-line-0123456"]}
    version = "0123456789"
    assert colab.trouble("05_flows", good, version) == []
    for bad in (
        {"failed": "NameError"},
        {"stderr": ["FutureWarning"]},
        {"pictures_before": 0},
        {"pictures_after": 1},
        {"fetched": ["line-by-line-7777777"]},
        {"fetched": []},
    ):
        assert len(colab.trouble("05_flows", good | bad, version)) == 1, bad
    assert colab.trouble("coursework/05_flows", good | {"fetched": []}, version) == []


def test_binder_installs_what_readers_need_for_the_cpu():
    written = (ROOT / lock.BINDER).read_text("utf8")
    assert written == lock.binder_requirements((ROOT / "requirements.txt").read_text("utf8"))
    assert re.search(r"^torch==[\d.]+\+cpu$", written, re.MULTILINE)


def test_binder_installs_before_it_copies_the_book():
    assert binder.install_step(DOCKERFILE)[-2:] == ["-r", "binder/requirements.txt"]
    lines = DOCKERFILE.splitlines()
    late = "\n".join([*lines[:2], lines[3], lines[2]])
    with pytest.raises(ValueError, match="before the book is copied"):
        binder.install_step(late)
    with pytest.raises(ValueError, match="found 0"):
        binder.install_step("\n".join(lines[:2]))


def test_chapters_fit_into_binder_and_open_there():
    kept = stored("binder")
    assert kept, "run `make binder`"
    assert set(kept["chapters"]) == set(CHAPTERS) and kept["torch"].endswith("+cpu")
    assert binder.trouble(kept) == []


def test_trouble_in_binder_is_seen():
    good = {"chapters": {"one": {"peak_mib": 900}}, "opened": {"book/one.ipynb": "one.ipynb"}}
    assert binder.trouble(good) == []
    for bad in (
        {"chapters": {"one": {"peak_mib": 1024}}},
        {"opened": {"book/one.ipynb": "two.ipynb"}},
    ):
        assert len(binder.trouble(good | bad)) == 1, bad
    assert binder.trouble(good | {"opened": {}}) != []


@pytest.mark.parametrize("fault", sorted(faults.FAULTS))
def test_the_checks_of_a_fault_exist(fault):
    """A test that was given another name would be missed when `make faults` runs, not before."""
    for check in faults.FAULTS[fault]:
        path, _, name = check.partition("::")
        source = (ROOT / path).read_text("utf8")
        assert not name or f"def {name}(" in source, check
