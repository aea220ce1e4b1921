"""Safe marking: hostile submissions get what their honest cells earn, and harm nobody."""

import contextlib
import csv
import functools
import hashlib
import json
import math
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from hostile import CELLS, LOOKS, OTHERS, POINTS, RIGHT_ANYWAY, STEM, all_of

from coursework import marker, report, sandbox, seccomp, worker
from coursework.build import build
from coursework.grade import grade, here, jobs_in, main
from coursework.marker import decoded, read_reply, version
from coursework.sandbox import Limits, available, shown
from coursework.submission import Unreadable, read_file

ROOT = Path(__file__).resolve().parent.parent
STUDENTS = [*CELLS, *LOOKS, *RIGHT_ANYWAY, *OTHERS]
LIMITS = ("--seconds", "2", "--memory", "512")
SECRET = {"COURSEWORK_SECRET": "a secret of the tests"}


def command(module: str, *words: object) -> subprocess.CompletedProcess:
    """Run a module of the coursework, as make does."""
    return subprocess.run(
        [sys.executable, "-m", f"coursework.{module}", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def needs_sandbox() -> None:
    """Skip where there is no sandbox, or fail there if BOOK_REQUIRE_SANDBOX=1."""
    if reason := available():
        if os.environ.get("BOOK_REQUIRE_SANDBOX") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def state_of(*folders: Path) -> str:
    """A digest of all files in folders."""
    files = [path for folder in folders for path in sorted(folder.rglob("*"))]
    kept = [
        p for p in files if p.is_file() and not p.is_symlink() and "__pycache__" not in p.parts
    ]
    return hashlib.sha256(
        b"".join(f"{path}".encode() + path.read_bytes() for path in kept)
    ).hexdigest()


@dataclass(frozen=True)
class Marked:
    """One run over all hostile submissions."""

    submissions: Path
    output: Path
    said: subprocess.CompletedProcess
    deserved: dict[str, tuple[int, ...]]
    calls: int

    def result(self, student: str) -> dict[str, Any]:
        return json.loads((self.output / f"marks/{STEM}/{student}.json").read_text())

    def points(self, student: str) -> tuple[int, ...]:
        return tuple(task["points"] for task in self.result(student)["tasks"][:5])

    def comments(self, student: str) -> str:
        result = self.result(student)
        groups = [group for task in result["tasks"] for group in task.get("groups", [])]
        return "\n".join([group["comment"] for group in groups] + result["notes"])

    def feedback(self, student: str) -> str:
        return (self.output / f"feedback/{student}/{STEM}.html").read_text()

    def lines(self) -> dict[str, dict[str, str]]:
        text = (self.output / "marks.csv").read_text()
        return {line["Student ID"]: line for line in csv.DictReader(text.splitlines())}


@pytest.fixture(scope="module")
def course_secret() -> Iterator[None]:
    """The course's secret, for runs in this process and in others."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRET.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def marked(course_secret: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    """All hostile submissions, marked in one run of `make grade`."""
    needs_sandbox()
    place = tmp_path_factory.mktemp("marking")
    submissions, output = place / "submissions", place / "output"
    build([STEM], output)
    released = nbformat.read(output / f"students/{STEM}.ipynb", as_version=4)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        names = {
            "PLACES": repr([f"{ROOT}/coursework", *map(str, (submissions, output, place))]),
            "PREFIX": repr(sys.prefix),
            "PORT": f"{listener.getsockname()[1]}",
        }
        made = all_of(released, names)
        for student, (content, _) in made.items():
            folder = submissions / student / STEM
            folder.mkdir(parents=True)
            (folder / f"{STEM}.ipynb").write_bytes(content)
        strange_files(submissions, output)
        before = state_of(ROOT / "coursework", submissions, output / "instructor/source")
        options = ("--output", output, *LIMITS, "--jobs", "3")
        said = command("grade", submissions, *options)
        assert state_of(ROOT / "coursework", submissions, output / "instructor/source") == before
        calls = sum(1 for _ in accepted(listener))
    deserved = {student: points for student, (_, points) in made.items()}
    yield Marked(submissions, output, said, deserved, calls)


def strange_files(submissions: Path, output: Path) -> None:
    """Submissions that are no files: a link to the secret sources, a pipe, and a folder."""
    for student in ("link", "pipe", "folder"):
        (submissions / student / STEM).mkdir(parents=True)
    name = f"{STEM}.ipynb"
    source = output / "instructor/source" / STEM / name
    (submissions / "link" / STEM / name).symlink_to(source)
    os.mkfifo(submissions / "pipe" / STEM / name)
    (submissions / "folder" / STEM / name).mkdir()


def accepted(listener: socket.socket) -> Iterator[object]:
    """The connections that wait at a socket."""
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            connection.close()
            yield connection


def test_the_run_ends_well(marked):
    assert marked.said.returncode == 0, marked.said.stderr
    assert "Traceback" not in marked.said.stderr
    assert f"{len(STUDENTS) + 3} marked now" in marked.said.stdout


@pytest.mark.parametrize("student", STUDENTS)
def test_honest_cells_earn_their_marks(marked, student):
    assert marked.points(student) == marked.deserved[student], marked.comments(student)
    line = marked.lines()[student]
    assert tuple(int(line[f"Task {place}"]) for place in range(1, 6)) == marked.deserved[student]


@pytest.mark.parametrize("student", LOOKS)
def test_nothing_is_to_be_found(marked, student):
    assert "ValueError: found []" in marked.comments(student)


def test_nobody_called_home(marked):
    assert marked.calls == 0


@pytest.mark.parametrize("student", [name for name in CELLS if name.startswith("tells")])
def test_hidden_inputs_stay_hidden(marked, student):
    assert "inputs" not in marked.comments(student).replace("inputs.", "")
    assert "inputs [" not in marked.feedback(student)
    assert not any(digit * 3 in marked.comments(student) for digit in "0123456789")


def test_nothing_was_written_elsewhere(marked):
    found = [marked.output, marked.submissions, ROOT / "coursework", Path("/tmp")]
    assert not [path for folder in found for path in folder.glob("**/CANARY")]
    assert not Path("/tmp/told").exists()


@pytest.mark.parametrize(
    ("student", "sentence"),
    [
        ("loops", "Your code took too long."),
        ("loops-when-called", "Your code took too long."),
        ("memory", "MemoryError"),
        ("exits", "Your code ended the Python process."),
        ("system-exit", "SystemExit"),
        ("no-first-cell", "The answer cell of this task is missing from your notebook."),
        ("first-cell-twice", "Your notebook holds answer-6-1 more than once; the first counts."),
        ("added-cell", "Cells that you added do not count"),
        ("empty", "Your file is no Jupyter notebook"),
        ("link", "it is a link to another file"),
        ("pipe", "it is no ordinary file"),
        ("folder", "it is no ordinary file"),
        ("returns-text", "Needed numbers; got something else."),
        ("returns-depth", "Needed at most"),
        ("is-no-python", "SyntaxError"),
        ("blank", "No answer."),
    ],
)
def test_feedback_says_what_happened(marked, student, sentence):
    assert sentence in marked.comments(student)


def test_feedback_is_text_and_never_markup(marked):
    for student in ("is-markup", "returns-text", "hostile-proof"):
        assert "<script" not in marked.feedback(student)
    assert "&lt;script&gt;" in marked.feedback("is-markup")


def test_formgrader_shows_a_proof_without_scripts(marked):
    path = marked.output / f"instructor/autograded/hostile-proof/{STEM}/{STEM}.ipynb"
    proof = nbformat.read(path, as_version=4).cells[-1].source
    assert "<script" not in proof and "\\href" not in proof and "$a< b$" in proof


def test_no_process_is_left(marked):
    left = workers()
    for _ in range(100):
        left &= workers()  # those of another marker on this machine come and go
        if not left:
            return
        time.sleep(0.1)
    assert left == set()


def workers() -> set[str]:
    """The processes of this machine that run the worker, by number."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if "What runs inside the sandbox" in (place / "cmdline").read_text():
                found.add(place.name)
    return found


def test_the_gradebook_holds_the_marks(marked):
    scores = gradebook(marked)
    for student in STUDENTS:
        found = tuple(scores[student, f"test-6-{place}"]["auto_score"] for place in range(1, 6))
        assert found == marked.deserved[student]
    assert scores["honest", "proof-6-6"]["needs_manual_grade"] == 1
    assert scores["blank", "proof-6-6"]["needs_manual_grade"] == 0


def gradebook(marked: Marked, change: str = "") -> dict[tuple[str, str], sqlite3.Row]:
    """The gradebook's grades by student and cell, after a change."""
    with contextlib.closing(
        sqlite3.connect(marked.output / "instructor/gradebook.db")
    ) as connection:
        connection.row_factory = sqlite3.Row
        if change:
            connection.execute(change)
            connection.commit()
        rows = connection.execute(
            "select student.id as student, base_cell.name as cell, grade.* from grade"
            " join base_cell on base_cell.id = grade.cell_id"
            " join submitted_notebook on submitted_notebook.id = grade.notebook_id"
            " join submitted_assignment"
            " on submitted_assignment.id = submitted_notebook.assignment_id"
            " join student on student.id = submitted_assignment.student_id"
        ).fetchall()
    return {(row["student"], row["cell"]): row for row in rows}


def test_a_person_s_marks_stay_and_count(marked):
    grade = gradebook(marked)["honest", "proof-6-6"]["id"]
    gradebook(
        marked,
        f"update grade set manual_score = 5, needs_manual_grade = 0 where id = '{grade}'",
    )
    assert marked.lines()["honest"]["To be marked by hand"] == "yes"
    report.main(["--output", f"{marked.output}"])
    line = marked.lines()["honest"]
    assert (line["Task 6"], line["To be marked by hand"]) == ("5", "no")
    assert int(line["Total"]) == sum(POINTS) + 5
    assert "5 of 6" in marked.feedback("honest")


def test_a_second_run_marks_what_is_new(marked, capsys):
    path = marked.submissions / f"blank/{STEM}/{STEM}.ipynb"
    path.write_bytes((marked.submissions / f"honest/{STEM}/{STEM}.ipynb").read_bytes())
    main([f"{marked.submissions}", "--output", f"{marked.output}", *LIMITS])
    assert "1 marked now" in capsys.readouterr().out
    assert marked.points("blank") == POINTS
    assert "you handed in as 'blank'" in marked.comments("blank")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on(marked, tmp_path, end):
    students = ["honest", *LOOKS][:6]  # more than can be marked before the signal
    folder = some_submissions(marked, tmp_path, students)
    words = [sys.executable, "-m", "coursework.grade", folder, "--jobs", "1", "--output", tmp_path]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    # A shell lets what it starts in the background ignore Ctrl-C, and children inherit that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(words, cwd=ROOT, preexec_fn=heed, **quiet) as process:
        kept = tmp_path / "marks" / STEM
        while process.poll() is None and not list(kept.glob("*.json")):
            time.sleep(0.01)
        process.send_signal(end)
        said, _ = process.communicate()
    if end == signal.SIGINT:
        assert process.returncode == 130 and "the same command goes on" in said
    before = len(list(kept.glob("*.json")))
    with here(2, True) as place:
        run = grade(jobs_in(folder), tmp_path, place, limits=Limits(), quiet=True)
    assert run.kept == before >= 1 and run.failed == []
    assert run.marked == len(students) - before >= 1
    for path in kept.glob("*.json"):
        assert json.loads(path.read_text())["tasks"] == marked.result(path.stem)["tasks"]


def some_submissions(marked: Marked, place: Path, students: list[str]) -> Path:
    """A folder with links to a few of the submissions."""
    for student in students:
        target = place / "some" / student / STEM
        target.mkdir(parents=True)
        content = (marked.submissions / student / STEM / f"{STEM}.ipynb").read_bytes()
        (target / f"{STEM}.ipynb").write_bytes(content)
    return place / "some"


def test_a_cluster_gives_the_same_marks(marked, tmp_path):
    students = ["honest", "loops", "a-magic", "first-cell-twice"]
    folder = some_submissions(marked, tmp_path, students)
    output = tmp_path / "output"
    (output / "instructor").mkdir(parents=True)
    subprocess.run(["cp", "-r", marked.output / "instructor", output], check=True)
    with dask_cluster(tmp_path) as address:
        main([f"{folder}", "--scheduler", address, "--output", f"{output}", *LIMITS])
    for student in students:
        found = json.loads((output / f"marks/{STEM}/{student}.json").read_text())
        assert found["tasks"] == marked.result(student)["tasks"]


@contextlib.contextmanager
def dask_cluster(place: Path) -> Iterator[str]:
    """The address of a scheduler with a worker of two threads on this machine."""
    file = place / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    work = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "2"]
    with contextlib.ExitStack() as stack:
        for words in (
            [*dask, "--port", "0", "--no-dashboard", "--scheduler-file", file],
            [*work, "--no-nanny", "--no-dashboard", "--scheduler-file", file],
        ):
            process = subprocess.Popen(words, cwd=place, env=environment, **quiet)
            stack.callback(process.wait)
            stack.callback(process.kill)
        while not file.exists():
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"]


def test_without_bubblewrap_it_refuses(tmp_path, monkeypatch):
    place = tmp_path / "student" / STEM
    place.mkdir(parents=True)
    (place / f"{STEM}.ipynb").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    available.cache_clear()
    with pytest.raises(SystemExit, match="apt-get install bubblewrap"):
        main([str(tmp_path), "--output", str(tmp_path / "output")])
    available.cache_clear()
    assert not (tmp_path / "output").exists()


def test_without_a_sandbox_if_one_insists(marked, tmp_path, capsys):
    folder = some_submissions(marked, tmp_path, ["honest", "first-cell-twice"])
    main([f"{folder}", "--output", f"{marked.output}", "--again", "--without-sandbox"])
    assert "WITHOUT a sandbox" in capsys.readouterr().err
    assert marked.points("honest") == POINTS
    assert marked.points("first-cell-twice") == (0, *POINTS[1:])


@pytest.mark.parametrize(
    ("folder", "message"),
    [("nowhere", "needed a folder of submissions"), (".", "found no submission")],
)
def test_a_folder_without_submissions_is_refused(tmp_path, folder, message):
    with pytest.raises(ValueError, match=message):
        jobs_in(tmp_path / folder)


def test_the_course_is_covered_where_its_folder_can_be_seen(monkeypatch):
    needs_sandbox()
    monkeypatch.setattr(sandbox, "ROOT", Path("/usr/share"))
    cell = 'import os\nx = [len(os.listdir("/usr/share")), len(os.listdir("/usr")) > 1]'
    with sandbox.Sandbox(Limits(), setup="def decode(x): return x", imports=[]) as box:
        box.ask({"cells": [["cell", cell]], "mine": {}, "name": "x", "function": False})
        assert box.answer(5) == {"value": [0, True]}


def test_a_folder_that_submissions_can_see_is_refused():
    with pytest.raises(ValueError, match="which submissions can see"):
        jobs_in(Path("/usr/share"))


def test_submissions_must_not_stand_where_others_can_see_them():
    assert shown(Path(sys.prefix) / "share") is not None
    assert shown(Path("/usr/share")) == "/usr"
    assert shown(ROOT / "coursework") is None


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (1, 1),
        (True, True),
        (None, None),
        (2.5, 2.5),
        (math.inf, math.inf),
        ((1, [2, 3]), [1, [2, 3]]),
        ({3, 1, 2}, [1, 2, 3]),
        (np.eye(2), np.eye(2)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.float32(0.5), np.array(0.5)),
        (torch.tensor([1.0, math.nan]), np.array([1.0, math.nan])),
    ],
)
def test_values_travel(value, back):
    found = decoded(json.loads(json.dumps(worker.encode(value), allow_nan=False)))
    assert type(found) is type(back)
    np.testing.assert_equal(found, back)


@pytest.mark.parametrize(
    "tree",
    [
        "text",
        {"value": 1},
        {"shape": [2], "array": [1]},
        {"shape": [-1], "array": []},
        {"shape": [True], "array": [1]},
        {"shape": "2", "array": [1, 2]},
        {"shape": [10**9, 10**9], "array": []},
        {"shape": [1], "array": ["1"]},
        [0.0] * 200_000,
        10**400,
        json.loads("[" * 200 + "]" * 200),
    ],
)
def test_what_is_no_answer_is_refused(tree):
    with pytest.raises(ValueError, match="needed"):
        decoded(tree)


def test_a_text_is_passed_on_only_before_inputs_are_told():
    reply = {"raised": "ValueError", "text": "1.25", "line": 3}
    assert "1.25" in f"{read_reply(reply, told=False)}"
    assert f"{read_reply(reply, told=True)}" == "ValueError, in line 3 of your cell."
    odd = {"raised": ["1.25"], "text": {"1.25": 1}, "line": "1.25"}
    assert f"{read_reply(odd, told=True)}" == "An error of its own."


def test_the_filter_of_calls_is_whole():
    for machine in seccomp.MACHINES:
        steps = seccomp.program(machine)
        assert len(steps) % 8 == 0 and len(steps) // 8 > 50
    assert seccomp.program("a machine of the future") is None


def test_marks_depend_on_the_course_s_code_and_not_on_what_is_made_of_it(tmp_path, monkeypatch):
    for folder in ("coursework", "coursework/course/instructor", "helpers"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(marker, "ROOT", tmp_path)
    monkeypatch.setattr(marker, "OUTPUT", tmp_path / "coursework/course")
    path = tmp_path / "helpers/one.py"
    found = []
    for change in (
        lambda: path.write_text("a"),
        lambda: path.write_text("b"),
        lambda: path.rename(tmp_path / "coursework/one.py"),
        lambda: (tmp_path / "coursework/course/instructor/nbgrader_config.py").write_text("c"),
    ):
        change()
        version.cache_clear()
        found.append(version())
    version.cache_clear()
    assert len(set(found[:3])) == 3
    assert found[3] == found[2]


def test_nothing_of_one_question_reaches_the_next():
    """A link comes first, which cannot be removed as a folder can."""
    needs_sandbox()
    leave = (
        "import os\n"
        "os.symlink('/usr', '/tmp/a')\n"
        "os.makedirs('/tmp/b/c')\n"
        "open('/tmp/d', 'w').close()\n"
        "x = len(os.listdir('/tmp'))"
    )
    look = "import os\nx = len(os.listdir('/tmp')) + len(os.listdir('/dev/shm'))"
    seen = []
    with sandbox.Sandbox(Limits(), setup="def decode(x): return x", imports=[]) as box:
        for cell in (leave, look):
            box.ask({"cells": [["cell", cell]], "mine": {}, "name": "x", "function": False})
            seen.append(box.answer(5)["value"])
            assert box.answer(5) == {"ended": True}
    assert seen == [3, 0]


def test_a_giant_is_not_read(tmp_path):
    path = tmp_path / "giant.ipynb"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(Unreadable, match="larger than 64 MB"):
        read_file(path)


def test_python_below_tmp_is_in_sight(monkeypatch):
    """The worker has a /tmp of its own, which must not lie over an environment that is there."""
    needs_sandbox()
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place, "here").write_text("in sight\n")
        os.chmod(place, 0o755)
        found = [*sandbox.prefixes(), place]
        monkeypatch.setattr(sandbox, "prefixes", lambda: found)
        sees = [
            *sandbox.command(sandbox.Limits()),
            "sh",
            "-c",
            f"cat {place}/here; ls /tmp; touch /tmp/x",
        ]
        said = subprocess.run(sees, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["in", "sight", Path(place).name]
    assert not Path("/tmp/x").exists()


def test_a_sandbox_answers():
    needs_sandbox()
    chooser = random.Random(0)
    numbers = [chooser.random() for _ in range(5)]
    with sandbox.Sandbox(Limits(seconds=3), setup="def decode(x): return x", imports=[]) as box:
        cell = [["cell", "def double(number):\n    return 2 * number"]]
        box.ask({"cells": cell, "mine": {}, "name": "double", "function": True})
        assert box.answer(3) == {"function": True}
        for number in numbers:
            box.ask({"call": [number]})
            assert box.answer(3) == {"value": 2 * number}
        box.ask({"end": True})
        assert box.answer(3) == {"ended": True} and box.clean()
