"""A process that cannot harm: bubblewrap around the worker, with limits and a watch from outside.

The worker sees Python and the system's libraries read-only, an empty folder of its own, and
nothing else: no course, no submissions, no network, no processes but its own. What comes out of it
is text that nobody trusts.
"""

import contextlib
import functools
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursework import seccomp

__all__ = ["Broken", "Limits", "Sandbox", "available", "close_all", "shown"]

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("worker.py")
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives")
MIB = 2**20
USERS = range(60_000, 65_000)  # spare user numbers, for a marker that runs as root
LOOK = 0.05  # seconds between two looks at a sandbox's memory
START = 60.0  # seconds for Python and the libraries to start
EXITED = "your code ended the Python process"
ADVICE = (
    "The sandbox needs Linux, bubblewrap and user namespaces. On Debian and Ubuntu:"
    " apt-get install bubblewrap; Ubuntu 24.04 also wants an AppArmor profile for it, or"
    " sysctl kernel.apparmor_restrict_unprivileged_userns=0. `--without-sandbox` marks without"
    " it: then a submission can read and change whatever you can."
)
_turns = itertools.count(os.getpid())
_running: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: For the cells of one answer, and for each value of a function.
        memory: Bytes for one process beyond its libraries; all together may have twice as much.
        disk: Bytes of its own folder, and of one file.
        processes: How many processes and threads.
        answer: Bytes of one reply.
    """

    seconds: float = 10.0
    memory: int = 1024 * MIB
    disk: int = 64 * MIB
    processes: int = 32
    answer: int = 4 * MIB


class Broken(Exception):
    """The sandbox is of no more use; the text says why, for the student."""


def prefixes() -> list[str]:
    """The folders in which Python and its packages stand."""
    binary = Path(sys.executable).resolve().parent.parent
    found = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), str(binary)}
    return sorted(
        folder
        for folder in found
        if Path(folder).is_relative_to(ROOT) or not Path(folder).is_relative_to("/usr")
    )


def shown(folder: Path) -> str | None:
    """The folder of the sandbox's view that a folder stands in; None if it is out of sight."""
    place = folder.resolve()
    for visible in (*SYSTEM, *prefixes()):
        if place.is_relative_to(visible):
            return visible
    return None


def view() -> list[str]:
    """bubblewrap's options for what can be seen: read-only, but for two small folders."""
    options: list[str] = []
    for path in SYSTEM + SYSTEM_FILES:
        options += ["--ro-bind-try", path, path]
    hidden = shown(ROOT)
    made = {"/tmp"}  # the worker's own, which is there before the rest
    for folder in sorted(prefixes(), key=lambda folder: Path(folder).is_relative_to(ROOT)):
        if hidden and Path(folder).is_relative_to(ROOT):
            options += covered()
            hidden = None
        for parent in reversed(Path(folder).parents):
            if str(parent) not in {"/", *made} and shown(parent) is None:
                options += ["--perms", "0755", "--dir", str(parent)]
                made.add(str(parent))
        options += ["--ro-bind", folder, folder]
    return [*options, *(covered() if hidden else [])]


def covered() -> list[str]:
    """bubblewrap's options that put an empty folder over the course."""
    return ["--perms", "0755", "--size", "4096", "--tmpfs", str(ROOT)]


def command(limits: Limits) -> list[str]:
    """bubblewrap with its options, up to the command that it is to run."""
    found = shutil.which("bwrap")
    if found is None:
        raise ValueError(f"found no bwrap on the path. {ADVICE}")
    alone = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    rights = ["--cap-drop", "ALL"]
    if os.geteuid() == 0:
        rights += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        alone += ["--unshare-user"]
    own = ["--perms", "1777", "--size", str(limits.disk), "--tmpfs", "/tmp"]
    shared = ["--perms", "1777", "--size", str(MIB), "--tmpfs", "/dev/shm"]
    return [
        *(found, "--die-with-parent", "--new-session", *alone, *rights, *own, *view()),
        *("--proc", "/proc", "--dev", "/dev", *shared),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),
    ]


def environment(home: str) -> dict[str, str]:
    """All that the worker's environment holds."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return threads | {"HOME": home, "TMPDIR": home, "MPLBACKEND": "Agg", "LANG": "C.UTF-8"}


def start_message(limits: Limits, confined: bool, setup: str, imports: list[str]) -> dict:
    """What the worker does before it takes questions."""
    user = None
    hard = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits.disk,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CPU": int(START + 20 * limits.seconds),
    }
    if confined and os.geteuid() == 0:
        user = USERS[next(_turns) % len(USERS)]
    if confined and (user or _counts_processes_apart()):
        hard["RLIMIT_NPROC"] = limits.processes
    return {
        **{"user": user, "limits": hard, "memory": limits.memory, "sweep": confined},
        **{"setup": setup, "imports": imports},
    }


def _counts_processes_apart() -> bool:
    """Whether the kernel counts a user's processes apart in each user namespace: since 5.14."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (5, 14)


@functools.cache
def available() -> str | None:
    """None if the sandbox works here; else why it does not, and what to do."""
    try:
        with Sandbox(Limits(), setup="", imports=[]):
            return None
    except (Broken, ValueError, OSError) as error:
        return f"{error}"


class Sandbox:
    """A running worker: `ask` it, and wait for its `answer`. Leaving the context ends it.

    Args:
        limits: What it may use.
        setup: The cell that runs before every question's cells.
        imports: Packages that it imports once, before questions come.
        confined: Whether bubblewrap stands around it; without, the limits alone hold.

    Raises:
        Broken: If it does not start.
        ValueError: If there is no bubblewrap.
    """

    def __init__(
        self, limits: Limits, *, setup: str, imports: list[str], confined: bool = True
    ) -> None:
        self.limits, self.confined = limits, confined
        self.folder = None if confined else tempfile.mkdtemp(prefix="unsafe-marking-")
        self.process = self._started()
        _running.add(self)
        self.rest, self.looked = b"", 0.0
        for pipe in (self.process.stdin, self.process.stdout):
            os.set_blocking(pipe.fileno(), False)
        try:
            self.ask(start_message(limits, confined, setup, imports))
            if self.answer(START) != {"ready": True}:
                raise Broken("the sandbox did not start as it should")
            self.alone = len(family(self.process.pid))
        except Broken as broken:
            said = self.close() or f"{broken}"
            raise Broken(f"the sandbox does not start: {said}. {ADVICE}") from None

    def _started(self) -> subprocess.Popen:
        python = [sys.executable, "-I", "-c", WORKER.read_text()]
        rules = seccomp.program() if self.confined else None
        with tempfile.TemporaryFile() as file:
            around = command(self.limits) if self.confined else []
            if rules is not None:
                file.write(rules)
                file.flush()
                os.lseek(file.fileno(), 0, os.SEEK_SET)
                around += ["--seccomp", str(file.fileno())]
            return subprocess.Popen(
                [*around, *python],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(self.folder or "/tmp"),
                cwd=self.folder or "/",
                pass_fds=[file.fileno()] if rules is not None else [],
                start_new_session=True,
            )

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises:
            Broken: If the worker does not take it.
        """
        line = memoryview(json.dumps(message).encode() + b"\n")
        pipe, end = self.process.stdin.fileno(), time.monotonic() + self.limits.seconds
        while line:
            try:
                line = line[os.write(pipe, line) :]
            except BlockingIOError:
                self._wait(pipe, select.POLLOUT, end)
            except OSError:
                raise Broken(EXITED) from None

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next message, within so many seconds.

        Raises:
            Broken: If none comes, or one that is no JSON object, or the sandbox uses too much.
        """
        pipe, end = self.process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self.rest:
            self._wait(pipe, select.POLLIN, end)
            try:
                part = os.read(pipe, 1 << 16)
            except BlockingIOError:
                continue
            if not part:
                raise Broken(EXITED)
            self.rest += part
            if len(self.rest) > self.limits.answer:
                raise Broken("your answer is too large")
        line, _, self.rest = self.rest.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise Broken("your code wrote where only the marker writes")
        return message

    def _wait(self, pipe: int, event: int, end: float) -> None:
        """Wait for a pipe, with looks at the clock and at the memory, however little comes."""
        poll = select.poll()
        poll.register(pipe, event)
        ready = False
        while not ready:
            ready = bool(poll.poll(1000 * LOOK))
            now = time.monotonic()
            if now > end:
                raise Broken("your code took too long")
            if now > self.looked + LOOK:
                self.look()
                self.looked = now

    def look(self) -> None:
        """See what all processes in the sandbox use.

        Raises:
            Broken: If it is more than the limits allow.
        """
        running = family(self.process.pid)
        if len(running) > self.limits.processes:
            raise Broken("your code started too many processes")
        if sum(running.values()) > 2 * self.limits.memory:
            raise Broken(f"your code used more than {2 * self.limits.memory // MIB} MB of memory")

    def clean(self) -> bool:
        """Whether no process is left from the last question."""
        return not self.rest and len(family(self.process.pid)) == self.alone

    def close(self) -> str:
        """End it with all that runs in it; what bubblewrap or Python complained about."""
        _running.discard(self)
        if self.confined:
            self.process.kill()  # what runs in a process namespace ends with its first process
        else:
            end_family(self.process)
        self.process.wait()
        os.set_blocking(self.process.stderr.fileno(), False)
        complaint = self.process.stderr.read(4096) or b""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return complaint[-300:].decode(errors="replace").strip()


def close_all() -> None:
    """End all sandboxes of this process, at once."""
    for sandbox in list(_running):
        sandbox.close()


def end_family(process: subprocess.Popen) -> None:
    """Kill what a process started, again and again while there is more, and then itself."""
    for _ in range(100):
        running = family(process.pid)
        for member in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        if not running:
            break
    process.kill()


def family(process: int) -> dict[int, int]:
    """All living processes that a process started, directly or not: their memory by number."""
    found: dict[int, int] = {}
    for child in children(process):
        if memory := memory_of(child):
            found[child] = memory
        found |= family(child)
    return found


def children(process: int) -> list[int]:
    """The numbers of the processes that a process started itself."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def memory_of(process: int) -> int:
    """Bytes of memory that are a process's own or shared, and no file's; 0 if it has ended."""
    total = 0
    with contextlib.suppress(OSError), open(f"/proc/{process}/status") as file:
        for line in file:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += 1024 * int(line.split()[1])
    return total
