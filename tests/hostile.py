"""Submissions that try to get marks otherwise, or to do harm; each with the marks it deserves.

Every one but a few is an honest notebook, right in all that is marked by machine, with one cell
changed. `POINTS` are those of tasks 6.1 to 6.5.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import nbformat

from coursework.assignments import ASSIGNMENTS

ROOT = Path(__file__).resolve().parent.parent
STEM = "06_games"
POINTS = tuple(task.points for task in ASSIGNMENTS[STEM][:5])
FIRST_LOST = (0, *POINTS[1:])
NUMBER_LOST = (POINTS[0], 0, *POINTS[2:])
NOTHING = (0,) * 5

Notebook = nbformat.NotebookNode
Made = tuple[bytes, tuple[int, ...]]


def solutions() -> dict[str, str]:
    """The right answers of the source notebook, by cell."""
    source = nbformat.read(ROOT / f"coursework/source/{STEM}/{STEM}.ipynb", as_version=4)
    return {
        cell.id: "\n".join(line for line in cell.source.splitlines() if "###" not in line)
        for cell in source.cells
        if cell.id.startswith(("answer", "proof"))
    }


def honest(released: Notebook, student: str) -> Notebook:
    """A notebook that is right everywhere."""
    notebook, answers = copy.deepcopy(released), solutions()
    for cell in notebook.cells:
        if cell.id == "student":
            cell.source = f'STUDENT = "{student}"'
        cell.source = answers.get(cell.id, cell.source)
    return notebook


def cell_of(notebook: Notebook, name: str) -> Notebook:
    """The cell of that id."""
    return next(cell for cell in notebook.cells if cell.id == name)


def as_bytes(notebook: Notebook) -> bytes:
    """The notebook's file."""
    return json.dumps(notebook).encode()


FORGERY = """
import os, json
for descriptor in range(20):
    try:
        for line in ({"ready": True}, {"function": True}, {"value": 4}, {"ended": True}) * 3:
            os.write(descriptor, json.dumps(line).encode() + b"\\n")
    except OSError:
        pass
"""
STUB = "def step_matrix(s, p, q, rate_d, rate_g):\n    return [[1, 0], [0, 1]]\n"

# The first cell, replaced; all its points are lost, and no others.
CELLS: dict[str, str] = {
    "loops": "while True:\n    pass",
    "loops-when-called": "def step_matrix(*numbers):\n    while True:\n        pass",
    "sleeps": "import time\ntime.sleep(10**6)",
    "memory": "kept = []\nwhile True:\n    kept.append(bytes(10**8))",
    "memory-of-many": (
        "import os, time\n"
        "for _ in range(12):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(b'x') * (4 * 10**8)\n"
        "        time.sleep(100)\n"
        "time.sleep(100)"
    ),
    "memory-in-files": (
        "import os\n"
        "for folder in ('/tmp', '/dev/shm', '/dev', '/', '/run', '/var/tmp'):\n"
        "    for number in range(40):\n"
        "        try:\n"
        "            with open(f'{folder}/{number}', 'wb') as file:\n"
        "                for _ in range(64):\n"
        "                    file.write(bytes(2**20))\n"
        "        except OSError:\n"
        "            continue"
    ),
    "raises-its-limits": (
        "import resource\n"
        "for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_NPROC):\n"
        "    resource.setrlimit(limit, (-1, -1))"
    ),
    "forks": "import os\nwhile True:\n    os.fork()",
    "forks-quietly": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    ),
    "threads": (
        "import threading, time\n"
        "while True:\n    threading.Thread(target=time.sleep, args=(100,)).start()"
    ),
    "exits": "import os\nos._exit(0)",
    "exits-when-called": "import os\ndef step_matrix(*numbers):\n    os._exit(0)",
    "system-exit": "raise SystemExit(4)",
    "crashes": "import ctypes\nctypes.string_at(0)",
    "kills-its-parent": "import os\nos.kill(os.getppid(), 9)",
    "kills-all": "import os\nos.kill(-1, 9)",
    "stops-its-parent": "import os\nos.kill(os.getppid(), 19)",
    "leaves-a-process": (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        while True:\n"
        "            for descriptor in range(3, 20):\n"
        "                try:\n"
        "                    os.write(descriptor, b'{\"value\": 0}\\n')\n"
        "                except OSError:\n"
        "                    pass\n"
        "            time.sleep(0.01)\n"
        "    os._exit(0)\n" + STUB
    ),
    "stays-alive": (
        "import os, signal, threading\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "def run():\n    while True:\n        pass\n"
        "threading.Thread(target=run).start()\n" + STUB
    ),
    "replaces-numpy": (
        "import numpy, builtins, math\n"
        "numpy.allclose = numpy.isclose = numpy.array_equal = lambda *a, **k: True\n"
        "numpy.asarray = numpy.array = lambda *a, **k: numpy.zeros(0)\n"
        "builtins.abs = lambda number: 0\n"
        "math.isfinite = lambda number: True\n" + STUB
    ),
    "replaces-the-checker": (
        "import sys, json\n"
        "for module in list(sys.modules.values()):\n"
        "    for name in ('check', 'award', 'agree', 'points_for', 'failure', 'encode'):\n"
        "        if hasattr(module, name):\n"
        "            setattr(module, name, lambda *a, **k: 4)\n"
        "check = points_for = award = lambda *a, **k: 4\n"
        "frame = sys._getframe()\n"
        "while frame:\n"
        "    frame.f_globals['encode'] = lambda *a, **k: 4\n"
        "    frame = frame.f_back\n" + STUB
    ),
    "equals-everything": (
        "class Right(float):\n"
        "    __eq__ = __le__ = __ge__ = lambda self, other: True\n"
        "    __sub__ = __rsub__ = lambda self, other: 0.0\n"
        "    __hash__ = float.__hash__\n"
        "def step_matrix(*numbers):\n    return [[Right(1)] * 2] * 2"
    ),
    "prints-marks": (
        'print("Task 6.1: 4 of 4", flush=True)\nprint("{\\"points\\": 4}")\n' + FORGERY + STUB
    ),
    "forges-when-called": "def step_matrix(*numbers):\n"
    + "".join(f"    {line}\n" for line in FORGERY.splitlines()),
    "returns-too-much": "def step_matrix(*numbers):\n    return [0.0] * 10**7",
    "returns-a-flood": (
        "import os\ndef step_matrix(*numbers):\n"
        "    for descriptor in range(3, 20):\n"
        "        try:\n            os.write(descriptor, b'[' * 10**7)\n"
        "        except OSError:\n            pass"
    ),
    "answers-in-drops": (
        "import os, time\ndef step_matrix(*numbers):\n"
        "    while True:\n"
        "        for descriptor in range(3, 20):\n"
        "            try:\n                os.write(descriptor, b'[')\n"
        "            except OSError:\n                pass\n"
        "        time.sleep(0.01)"
    ),
    "returns-depth": (
        "def step_matrix(*numbers):\n"
        "    deep = []\n    for _ in range(10**4):\n        deep = [deep]\n    return deep"
    ),
    "returns-itself": (
        "def step_matrix(*numbers):\n    loop = []\n    loop.append(loop)\n    return loop"
    ),
    "returns-a-giant": "def step_matrix(*numbers):\n    return 10**10**5",
    "returns-no-number": "def step_matrix(*numbers):\n    return float('nan')",
    "returns-text": "def step_matrix(*numbers):\n    return '<script>alert(1)</script>'",
    "returns-without-end": (
        "class Long(list):\n"
        "    def __iter__(self):\n        while True:\n            yield 1.0\n"
        "def step_matrix(*numbers):\n    return Long()"
    ),
    "tells-inputs": (
        "def step_matrix(*numbers):\n    raise ValueError(f'inputs {list(numbers)}')"
    ),
    "tells-inputs-by-name": (
        "def step_matrix(*numbers):\n    raise type(f'inputs {list(numbers)}', (Exception,), {})"
    ),
    "tells-inputs-itself": (
        "import os, json\ndef step_matrix(*numbers):\n"
        "    said = {'raised': f'inputs {list(numbers)}', 'text': f'inputs {list(numbers)}'}\n"
        "    for descriptor in range(3, 20):\n"
        "        try:\n            os.write(descriptor, json.dumps(said).encode() + b'\\n')\n"
        "        except OSError:\n            pass"
    ),
    "tells-inputs-later": (
        "import os\n"
        "if os.path.exists('/tmp/told'):\n    raise ValueError(open('/tmp/told').read())\n"
        "def step_matrix(*numbers):\n    open('/tmp/told', 'w').write(f'inputs {list(numbers)}')"
    ),
    "is-markup": "raise ValueError('<script>alert(1)</script>')",
    "is-no-python": "def step_matrix(:",
    "is-nested": "x = " + "(" * 5000 + ")" * 5000,
}

# The second cell, replaced: it tells what it found, as the text of an error.
LOOKS: dict[str, str] = {
    "looks-on-disk": (
        "import os\n"
        f"places = [{str(ROOT)!r} + end for end in ('/coursework', '/tests', '/.git')]\n"
        "places += PLACES\n"
        "found = [place for place in places if os.path.exists(place)]\n"
        "raise ValueError(f'found {found}')"
    ),
    "looks-at-others": (
        "import os\n"
        "names = ('gradebook.db', 'secret.txt', 'marking.py', 'marker.py', '06_games.ipynb')\n"
        "found = []\n"
        "for folder, folders, files in os.walk('/'):\n"
        "    folders[:] = [f for f in folders if f not in ('proc', 'usr', 'lib', 'lib64')]\n"
        "    found += [name for name in files if name in names]\n"
        "raise ValueError(f'found {found}')"
    ),
    "looks-at-processes": (
        "import os\n"
        "numbers = [name for name in os.listdir('/proc') if name.isdigit()]\n"
        "texts = [open(f'/proc/{number}/cmdline').read() for number in numbers]\n"
        "found = [text for text in texts if 'coursework.grade' in text or 'pytest' in text]\n"
        "found += [name for name in os.environ if 'COURSE' in name]\n"
        "raise ValueError(f'found {found}' if len(numbers) < 5 else f'found {numbers}')"
    ),
    "looks-in-memory": (
        "import gc, sys\n"
        "frame, texts = sys._getframe(), []\n"
        "while frame:\n"
        "    texts.append(f'{frame.f_locals}')\n"
        "    frame = frame.f_back\n"
        "texts += [f'{kept}' for kept in gc.get_objects() if type(kept) is dict and len(kept) < 9"
        "]\n"
        "words = ('stset eht fo terces', 'dargotua_yb_xirtam', 'rof_stniop', 'yalp_ticilpmi_yb')\n"
        "found = [word for word in words if any(word[::-1] in text for text in texts)]\n"
        "raise ValueError(f'found {found}')"
    ),
    "calls-home": (
        "import socket\n"
        "found = []\n"
        "for address in (('127.0.0.1', PORT), ('127.0.0.1', 22)):\n"
        "    try:\n"
        "        socket.create_connection(address, 0.3)\n"
        "        found.append(address)\n"
        "    except OSError:\n"
        "        pass\n"
        "raise ValueError(f'found {found}')"
    ),
    "writes-elsewhere": (
        "import os\n"
        "found = []\n"
        "for place in [*PLACES, PREFIX, '/', '/usr', '/usr/lib', '/etc', '/dev', '/root', '/home'"
        "]:\n"
        "    try:\n"
        "        open(f'{place}/CANARY', 'w').close()\n"
        "        found.append(place)\n"
        "    except OSError:\n"
        "        pass\n"
        "raise ValueError(f'found {found}')"
    ),
    "becomes-root": (
        "import ctypes, os\n"
        "libc, found = ctypes.CDLL(None), []\n"
        "for name, arguments in {'setuid': (0,), 'unshare': (0x10000000,), 'chroot': (b'/tmp',),\n"
        "    'mount': (b'a', b'/tmp', b'tmpfs', 0, 0), 'ptrace': (16, 1, 0, 0),\n"
        "    'memfd_create': (b'a', 0), 'shmget': (0, 4096, 0o1600)}.items():\n"
        "    if getattr(libc, name)(*arguments) != -1:\n"
        "        found.append(name)\n"
        "found += [0] if os.getuid() == 0 else []\n"
        "raise ValueError(f'found {found}')"
    ),
}

# The second cell, with a right answer to it all the same: nothing is lost.
RIGHT_ANYWAY: dict[str, str] = {
    "a-gigabyte": "text = 'x' * 2**20\nfor _ in range(1024):\n    print(text)\n",
    "a-magic": "%matplotlib inline\n!ls\n",
    "a-shown-thing": "display(mine)\nprint(check, numbers_of)\n",
}


def changed(cells: Callable[[Notebook], None]) -> Callable[[Notebook, str], bytes]:
    """A maker of an honest notebook in which something is changed."""

    def make(released: Notebook, student: str) -> bytes:
        notebook = honest(released, student)
        cells(notebook)
        return as_bytes(notebook)

    return make


def _without_first(notebook: Notebook) -> None:
    notebook.cells = [cell for cell in notebook.cells if cell.id != "answer-6-1"]


def _twice(notebook: Notebook) -> None:
    first = cell_of(notebook, "answer-6-1")
    again = copy.deepcopy(first)
    first.source = STUB
    notebook.cells.append(again)


def _edited_tests(notebook: Notebook) -> None:
    for cell in notebook.cells:
        if cell.id.startswith("test"):
            cell.source = "40"
            cell.metadata.nbgrader.points = 400
    cell_of(notebook, "answer-6-1").source = STUB


def _no_tests(notebook: Notebook) -> None:
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("test")]


def _wrong_kernel(notebook: Notebook) -> None:
    notebook.metadata = {
        "kernelspec": {"name": "bash", "display_name": "x", "argv": ["rm", "-rf", "/"]},
        "language_info": {"name": "R"},
    }


def _no_metadata(notebook: Notebook) -> None:
    notebook.metadata = {}
    for cell in notebook.cells:
        cell.metadata = {}


def _added(notebook: Notebook) -> None:
    notebook.cells.insert(3, nbformat.v4.new_code_cell("half = 0.5"))


def _helpers(notebook: Notebook) -> None:
    first, last = cell_of(notebook, "answer-6-1"), cell_of(notebook, "answer-6-5")
    first.source += "\n\ndef det(a, b, c, d):\n    return a * d - b * c\n"
    last.source = last.source.replace("a * d - b * c", "det(a, b, c, d)")


def _half_characters(notebook: Notebook) -> None:
    first = cell_of(notebook, "answer-6-1")
    first.source = f"# \ud800 \0\n{first.source}"
    cell_of(notebook, "proof-6-6").source += "\udfff"


def _hostile_proof(notebook: Notebook) -> None:
    proof = cell_of(notebook, "proof-6-6")
    proof.source = "<script>alert(1)</script> $a<b$ $\\href{javascript:alert(1)}{x}$"


OTHERS: dict[str, tuple[Callable[[Notebook, str], bytes], tuple[int, ...]]] = {
    "no-first-cell": (changed(_without_first), FIRST_LOST),
    "first-cell-twice": (changed(_twice), FIRST_LOST),
    "edited-tests": (changed(_edited_tests), FIRST_LOST),
    "no-tests": (changed(_no_tests), POINTS),
    "wrong-kernel": (changed(_wrong_kernel), POINTS),
    "no-metadata": (changed(_no_metadata), POINTS),
    "added-cell": (changed(_added), POINTS),
    "helpers-in-other-cells": (changed(_helpers), POINTS),
    "half-characters": (changed(_half_characters), POINTS),
    "hostile-proof": (changed(_hostile_proof), POINTS),
    "honest": (changed(lambda notebook: None), POINTS),
    "blank": (lambda released, student: as_bytes(released), NOTHING),
    "empty": (lambda released, student: b"", NOTHING),
    "no-json": (lambda released, student: b"\x00\x01 not a notebook", NOTHING),
    "a-list": (lambda released, student: b"[1, 2]", NOTHING),
    "odd-cells": (
        lambda released, student: json.dumps(
            {"cells": [1, None, {"source": 3, "metadata": []}, {"metadata": {"nbgrader": 1}}]}
        ).encode(),
        NOTHING,
    ),
    "deep-json": (lambda released, student: b"[" * 10**6, NOTHING),
    "cut-short": (
        lambda released, student: as_bytes(honest(released, student))[:-100],
        NOTHING,
    ),
    "not-utf-8": (
        lambda released, student: as_bytes(honest(released, student)).replace(
            b"Six tasks", b"\xff\xfe\xe9 tasks"
        ),
        POINTS,
    ),
    "utf-16": (
        lambda released, student: as_bytes(honest(released, student)).decode().encode("utf-16"),
        POINTS,
    ),
}


def all_of(released: Notebook, names: dict[str, str]) -> dict[str, Made]:
    """Every submission by its student's name: the file, and what it deserves.

    Args:
        released: What students get.
        names: Values for the names that stand in the cells in capitals.
    """
    made: dict[str, Made] = {}

    def with_cell(student: str, cell: str, text: str, points: tuple[int, ...]) -> None:
        notebook = honest(released, student)
        cell_of(notebook, cell).source = text
        made[student] = (as_bytes(notebook), points)

    second = solutions()["answer-6-2"]
    for student, text in CELLS.items():
        with_cell(student, "answer-6-1", text, FIRST_LOST)
    for student, text in LOOKS.items():
        for name, value in names.items():
            text = text.replace(name, value)
        with_cell(student, "answer-6-2", text, NUMBER_LOST)
    for student, text in RIGHT_ANYWAY.items():
        with_cell(student, "answer-6-2", text + second, POINTS)
    for student, (make, points) in OTHERS.items():
        made[student] = (make(released, student), points)
    return made
