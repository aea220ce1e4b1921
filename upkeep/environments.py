"""Environments for a test: another Python, other versions, made by uv and thrown away after."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "_build/upkeep"
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


class Unavailable(Exception):
    """What this machine lacks; the message says what that is and how to get it."""


def run(command: Sequence[object], **settings: object) -> subprocess.CompletedProcess:
    """Run a command and return what it printed, errors too.

    Raises:
        RuntimeError: If it fails; the message holds the command and the end of its output.
    """
    words = [str(word) for word in command]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    text = {"encoding": "utf8", "errors": "replace"}
    result = subprocess.run(words, check=False, **streams, **text, **settings)
    if result.returncode:
        raise RuntimeError(f"failed: {' '.join(words)}\n{result.stdout[-3000:]}")
    return result


def interpreter(version: str) -> Path:
    """The Python of a version such as "3.12": on the path, of pyenv, or fetched by uv.

    Raises:
        Unavailable: If it is not here and cannot be fetched.
    """
    candidates = [Path(sys.executable), shutil.which(f"python{version}")]
    candidates += sorted(PYENV.glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in filter(None, candidates):
        if _version(Path(candidate)) == version:
            return Path(candidate)
    try:
        run([*uv(), "python", "install", "-q", version], timeout=600)
        return Path(run([*uv(), "python", "find", version]).stdout.splitlines()[-1])
    except (RuntimeError, subprocess.TimeoutExpired):
        raise Unavailable(
            f"no Python {version} on the path or in pyenv, and uv could not fetch one"
        ) from None


def _version(python: Path) -> str | None:
    """Which Python a program is; None if it does not start (a shim for one that is not there)."""
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def uv() -> list[str]:
    """The command that starts uv.

    Raises:
        Unavailable: If it is not installed.
    """
    try:
        from uv import find_uv_bin
    except ImportError:
        raise Unavailable("uv is missing: pip install -r requirements-dev.txt") from None
    return [find_uv_bin()]


def create(folder: Path, python: Path, lines: Iterable[str], *options: object) -> Path:
    """Make an environment with these requirements; return its Python.

    Raises:
        RuntimeError: If the versions do not go together, or the registry does not answer.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    run([*uv(), "venv", "-q", "--python", python, folder])
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(lines) + "\n")
    inside = python_of(folder)
    command = [*uv(), "pip", "install", "-q", "--python", inside, "-r", listed, *options]
    run([*command, *torch_options()], timeout=3600)
    return inside


def torch_options() -> list[str]:
    """Options by which uv takes the CPU build of torch, where the index of those builds answers.

    PyPI's for Linux bring several GB of CUDA libraries; they do as well, where the space is.
    """
    if sys.platform != "linux" or not _answers(TORCH_INDEX):
        return []
    return ["--torch-backend", "cpu"]


def _answers(url: str) -> bool:
    from urllib.request import urlopen

    try:
        with urlopen(f"{url}/torch/", timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installed(python: Path) -> dict[str, str]:
    """Names and versions of what an environment holds."""
    freeze = run([*uv(), "pip", "freeze", "-q", "--python", python]).stdout
    return dict(PIN.findall(freeze))


def pins(*files: str) -> dict[str, str]:
    """The pins `name==version` of requirements files of this repository."""
    return {n: v for file in files for n, v in PIN.findall((ROOT / file).read_text("utf8"))}
