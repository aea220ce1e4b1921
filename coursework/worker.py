"""What runs inside the sandbox: a student's cells, one forked process for each question.

The marker passes this file as text to `python -I -c`, so nothing of the course is visible beside
it: only the standard library and what is installed. It knows no right answer. It reads messages,
one JSON object a line, and answers with one line each; whoever reads them trusts none.

    start     what to import, the set-up cell, and how much memory this may use
    run       cells, and the name of the answer; replied to with its value, or for a function with
              {"function": true}, and then with one value for each {"call": arguments},
              until {"end": true} comes
"""

import ctypes
import importlib
import io
import json
import math
import os
import re
import resource
import shutil
import signal
import sys
import types
from collections.abc import Callable
from typing import Any

NUMBERS = 100_000  # most numbers in one answer
DEPTH = 20  # deepest nesting of one
TEXT = 200  # characters kept of an error's message
SUBREAPER, DUMPABLE = 36, 4  # of prctl

UNFIT = "unfit"
NO_NUMBER = "needed numbers; got something else"
TOO_MANY = f"needed at most {NUMBERS} numbers"
TOO_DEEP = f"needed at most {DEPTH} levels of lists"


class Unfit(ValueError):
    """An answer that is not made of numbers."""


def read_line(descriptor: int) -> bytes:
    """The next line: its writer sends no more before it has an answer."""
    parts = []
    while not (parts and parts[-1].endswith(b"\n")):
        part = os.read(descriptor, 1 << 16)
        if not part:
            os._exit(0)
        parts.append(part)
    return b"".join(parts)


def write(descriptor: int, message: dict[str, Any]) -> None:
    """Send one message."""
    line = json.dumps(message, allow_nan=False).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]


def encode(value: Any, depth: int = 0) -> Any:
    """An answer as JSON: numbers, lists, and {"array": ...} or {"number": ...} for the rest.

    Raises:
        Unfit: If something in it is no number, or it is too large.
    """
    if depth > DEPTH:
        raise Unfit(TOO_DEEP)
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "dtype"):
        return encode_array(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        if len(value) > NUMBERS:
            raise Unfit(TOO_MANY)
        return [encode(item, depth + 1) for item in value]
    if value is None or value is Ellipsis:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": str(float(value))}
    if isinstance(value, int) and abs(value) < 2**63:  # bool too
        return value
    raise Unfit(NO_NUMBER)


def encode_array(value: Any) -> dict[str, Any]:
    """A NumPy array or scalar: its shape, which may hold a 0, and its numbers in one row."""
    if value.dtype.kind not in "biuf":
        raise Unfit(NO_NUMBER)
    if value.size > NUMBERS:
        raise Unfit(TOO_MANY)
    row = [encode(float(number)) for number in value.ravel()]
    return {"shape": list(value.shape), "array": row}


def compiled(source: str, label: str) -> types.CodeType:
    """A cell's code, without the magics that it may hold."""
    try:
        return compile(source, label, "exec")
    except SyntaxError:
        without = re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)
        return compile(without, label, "exec")


def failure(error: BaseException, label: str) -> dict[str, Any]:
    """What went wrong, in words, and in which line of the cell."""
    line, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == label:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        text = f"{error}"[:TEXT]
    except BaseException:
        text = ""
    kind = UNFIT if isinstance(error, Unfit) else type(error).__name__
    return {"raised": kind, "text": text, "line": line}


class Nowhere(io.TextIOBase):
    """Takes whatever is printed, and keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


def notebook(setup: str) -> dict[str, Any]:
    """The names of a fresh notebook in which the set-up cell has run."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    names = vars(module)
    sys.stdout = sys.stderr = Nowhere()
    names.update(display=lambda *_, **__: None, get_ipython=lambda: None)
    exec(compile(setup, "set-up", "exec"), names)
    names["check"] = lambda number, answer: None
    return names


def play(message: dict[str, Any], setup: str, source: int, target: int) -> None:
    """Run the cells of one question, and answer with a value or with values of a function."""
    names = notebook(setup)
    names["mine"] = names["decode"](message["mine"])
    names["numbers_of"] = lambda student: names["mine"]
    name, (*before, (label, cell)) = message["name"], message["cells"]
    for other, text in before:
        attempt(lambda text=text, other=other: exec(compiled(text, other), names))
    decode = names["decode"]
    try:
        exec(compiled(cell, label), names)
        if name not in names:
            raise NameError(f"there is no {name} after your cell has run")
        answer = names[name]
        if message["function"] and callable(answer):
            write(target, {"function": True})
        elif message["function"]:
            raise TypeError(f"needed {name} as a function; got {type(answer).__name__}")
        else:
            write(target, {"value": encode(answer)})
    except BaseException as error:
        write(target, failure(error, label))
        return
    while message["function"]:
        arguments = json.loads(read_line(source)).get("call")
        if arguments is None:
            return
        try:
            write(target, {"value": encode(answer(*decode(arguments)))})
        except BaseException as error:
            write(target, failure(error, label))


def attempt(action: Callable[[], Any]) -> None:
    """Do something, whatever it raises: an earlier cell that fails stops no later one."""
    try:
        action()
    except BaseException:
        return


def confine(start: dict[str, Any]) -> None:
    """Become an unprivileged user, and set the limits that hold for all that follows."""
    if start["user"] is not None:
        os.setgroups([])
        os.setresgid(*[start["user"]] * 3)
        os.setresuid(*[start["user"]] * 3)
    for limit, most in start["limits"].items():
        resource.setrlimit(getattr(resource, limit), (most, most))
    attempt(lambda: os.nice(5))
    attempt(lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"1000"))


def bound_memory(most: int) -> None:
    """Allow so many bytes more than this process has now, with all its libraries."""
    with open("/proc/self/statm") as file:
        pages = [int(word) * resource.getpagesize() for word in file.read().split()]
    resource.setrlimit(resource.RLIMIT_AS, [pages[0] + 2 * most] * 2)
    resource.setrlimit(resource.RLIMIT_DATA, [pages[5] + most] * 2)


def sweep() -> None:
    """Delete what a question's cells have written, so that nothing reaches the next one."""
    for folder in ("/tmp", "/dev/shm"):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            is_folder = os.path.isdir(path) and not os.path.islink(path)
            attempt(lambda remove=shutil.rmtree if is_folder else os.unlink, p=path: remove(p))


def hand_over(message: dict[str, Any], setup: str, source: int, target: int) -> None:
    """Answer one question in a process of its own, and wait for its end."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            play(message, setup, source, target)
        finally:
            os._exit(0)
    while os.waitpid(-1, 0)[0] != child:
        pass
    write(target, {"ended": True})


def main() -> None:
    """Serve questions until nobody asks any more."""
    source, target = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    start = json.loads(read_line(source))
    confine(start)
    libc = ctypes.CDLL(None)
    libc.prctl(SUBREAPER, 1, 0, 0, 0)
    libc.prctl(DUMPABLE, 0, 0, 0, 0)
    for name in start["imports"]:
        attempt(lambda name=name: importlib.import_module(name))
    bound_memory(start["memory"])
    write(target, {"ready": True})
    while True:
        message = json.loads(read_line(source))
        hand_over(message, start["setup"], source, target)
        if start["sweep"]:
            attempt(sweep)


if __name__ == "__main__":
    main()
