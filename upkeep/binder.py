"""Do what Binder does, as far as that goes without a container engine.

    python -m upkeep.binder

repo2docker writes the Dockerfile. The packages of its base image that matter here are installed
in an empty environment, then the Dockerfile's own pip command runs in it, beside a copy of the
files that the image would hold. There every chapter runs from first cell to last and has to stay
below 1 GiB, which is what Binder guarantees, and JupyterLab is opened on each chapter.

Not done here: building the image, and the real mybinder.org. Both are services or need Docker.
"""

import contextlib
import json
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tools.browsers import find_browser
from tools.notebooks import chapters

from . import environments
from .environments import HOME, ROOT, Unavailable
from .kernels import Failed, execute

RESULTS = Path(__file__).with_name("binder.json")
GUARANTEED = 1024  # MiB that Binder guarantees
BASE = ("jupyterlab", "notebook", "ipykernel", "ipywidgets", "jupyterlab_widgets", "ipython")
INSTALL = re.compile(r"^RUN \$\{KERNEL_PYTHON_PREFIX\}/bin/pip (install .+)$", re.MULTILINE)
COPY_BOOK = "COPY --chown=0:0 src/ ${REPO_DIR}/"


def dockerfile(root: Path) -> str:
    """The Dockerfile that repo2docker makes of a repository; no engine is asked.

    Raises:
        Unavailable: If repo2docker is not installed.
        RuntimeError: If it refuses the repository.
    """
    program = shutil.which("jupyter-repo2docker", path=programs())
    if program is None:
        raise Unavailable("repo2docker is missing: pip install -r requirements-upkeep.txt")
    return environments.run([program, "--no-build", "--debug", root]).stdout


def programs() -> str:
    """The path, with the programs of this Python first."""
    import sysconfig

    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])


def install_step(text: str) -> list[str]:
    """The words of the one pip command of a Dockerfile.

    Raises:
        ValueError: If there is not exactly one, or it comes after the book is copied, so that
            every change of a sentence would install everything again.
    """
    found = list(INSTALL.finditer(text))
    if len(found) != 1:
        raise ValueError(f"needed one pip command in the Dockerfile, found {len(found)}")
    if COPY_BOOK not in text or found[0].start() > text.index(COPY_BOOK):
        raise ValueError("pip has to run before the book is copied, or nothing is kept")
    return found[0][1].replace('"', "").split()


def image_files(root: Path) -> list[str]:
    """Files of the repository that the image holds: git's, without those in .dockerignore."""
    from repo2docker.buildpacks.base import exclude_paths

    listed = environments.run(["git", "-C", root, "ls-files"]).stdout.splitlines()
    lines = (root / "binder/.dockerignore").read_text("utf8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    kept = {Path(name).as_posix() for name in exclude_paths(str(root), patterns)}
    return [name for name in listed if name in kept]


def base_requirements(python: str) -> list[str]:
    """What matters here of the environment that repo2docker starts from, as pip names it."""
    import repo2docker

    folder = Path(repo2docker.__file__).parent / "buildpacks/conda"
    lock = (folder / f"environment.py-{python}-linux-64.lock").read_text("utf8")
    versions = {name: re.search(rf"/{name}-(\d[^-/]*)-", lock) for name in BASE}
    return [f"{name}=={found[1]}" for name, found in versions.items()]


def build(folder: Path) -> dict[str, object]:
    """Make the environment of the image: its base, then its own step. Say how large and quick."""
    python = (ROOT / "binder/runtime.txt").read_text().strip().removeprefix("python-")
    base = base_requirements(python)
    inside = environments.create(folder, environments.interpreter(python), ["pip", *base])
    before, started = size(folder), time.monotonic()
    step = install_step(dockerfile(ROOT))
    settings = {"PIP_RETRIES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environments.run([inside, "-m", "pip", *step], cwd=ROOT, env=os.environ | settings)
    versions = environments.installed(inside)
    if extra := [
        n for n in versions if n.startswith(("nvidia", "cuda", "triton", "jupyter-book"))
    ]:
        raise ValueError(f"the image would hold what no reader needs: {', '.join(extra)}")
    return {
        "python": python,
        "base": base,
        "torch": versions["torch"],
        "install_seconds": round(time.monotonic() - started),
        "added_mib": round(size(folder) - before),
    }


def size(folder: Path) -> float:
    """What a folder takes, in MiB."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20


def run_chapters(python: Path, home: Path) -> dict[str, dict]:
    """Run each chapter in a copy of the image's files; time, and peak memory of the kernel."""
    ended = {}
    for path in chapters(ROOT):
        started = time.monotonic()
        _, memory = execute(home / path.relative_to(ROOT), python)
        seconds = round(time.monotonic() - started, 1)
        ended[path.stem] = {"seconds": seconds, "peak_mib": round(memory)}
        print(f"{path.stem}: {seconds} s, {memory:.0f} MiB at most", flush=True)
    return ended


@contextlib.contextmanager
def lab(python: Path, home: Path) -> Iterator[tuple[str, str]]:
    """JupyterLab in the image's files, new as Binder starts it; its address and its token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, token = free.getsockname()[1], secrets.token_hex(8)
    command = [python, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as workspaces:
        command += [f"--LabApp.workspaces_dir={workspaces}"]
        server = subprocess.Popen([str(word) for word in command], cwd=home, **quiet)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/api?token={token}", server)
            yield address, token
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=10)
            server.kill()  # one that waits for its kernels, which end with it
            server.wait()


def wait_for(url: str, server: subprocess.Popen) -> None:
    """Wait until a server answers.

    Raises:
        RuntimeError: If it ends, or does not answer in two minutes.
    """
    for _ in range(240):
        if server.poll() is not None:
            break
        with contextlib.suppress(URLError, OSError):
            return urlopen(url, timeout=5).close()
        time.sleep(0.5)
    raise RuntimeError("JupyterLab did not start")


def opened(python: Path, home: Path, paths: list[str]) -> dict[str, str]:
    """The title of the tab that JupyterLab shows for each link of the site's Binder buttons.

    Each link gets a server of its own, as on Binder: JupyterLab opens again what was open before.

    Raises:
        Unavailable: If there is no browser.
    """
    try:
        executable = find_browser()
    except ValueError as lacking:
        raise Unavailable(str(lacking)) from None
    from playwright.sync_api import sync_playwright

    titles = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        for path in paths:
            with lab(python, home) as (address, token):
                page = browser.new_context().new_page()
                page.goto(f"{address}/lab/tree/{path}?token={token}", timeout=120_000)
                page.wait_for_selector(".jp-NotebookPanel h1", timeout=120_000)
                current = page.locator("#jp-main-dock-panel .lm-mod-current .lm-TabBar-tabLabel")
                titles[path] = current.first.inner_text()
                page.context.close()
        browser.close()
    return titles


def links() -> list[str]:
    """The places that the site's Binder buttons open; the built pages are asked.

    Raises:
        Unavailable: If the site is not built.
    """
    pages = [ROOT / "_build/html/book" / f"{path.stem}.html" for path in chapters(ROOT)]
    if not all(page.exists() for page in pages):
        raise Unavailable("the site is not built: run `make book` first")
    found = [
        re.search(r'mybinder\.org/[^"]*urlpath=lab/tree/([^"&]+)', p.read_text("utf8"))
        for p in pages
    ]
    return [match[1] if match else "" for match in found]


def check() -> dict[str, object]:
    """Do it all; return the figures.

    Raises:
        ValueError: If something is not as it should be.
    """
    places, folder = links(), HOME / "binder"
    about = build(folder)
    print(f"The image's own step: {about['added_mib']} MiB in {about['install_seconds']} s")
    python = environments.python_of(folder)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for file in image_files(ROOT):
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, home / file)
        about["book_mib"] = round(size(home), 1)
        about["chapters"] = run_chapters(python, home)
        about["opened"] = opened(python, home, places)
    if wrong := trouble(about):
        raise ValueError("\n".join(wrong))
    shutil.rmtree(folder)
    return about


def trouble(about: dict) -> list[str]:
    """What is not as it should be; nothing if all is well."""
    wrong = [
        f"{name} takes {ended['peak_mib']} MiB; Binder guarantees {GUARANTEED}"
        for name, ended in about["chapters"].items()
        if ended["peak_mib"] >= GUARANTEED
    ]
    names = {f"book/{name}.ipynb" for name in about["chapters"]}
    if set(about["opened"]) != names:
        wrong.append(
            f"the buttons open {sorted(about['opened'])}, the chapters are {sorted(names)}"
        )
    for path, title in about["opened"].items():
        if title != Path(path).name:
            wrong.append(f"the button for {path} opens {title}")
    return wrong


def main() -> None:
    """Check, and keep the figures."""
    try:
        about = check()
    except (Unavailable, RuntimeError, ValueError, Failed) as error:
        raise SystemExit(str(error)) from error
    about |= {
        "date": time.strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
    }
    RESULTS.write_text(json.dumps(about, indent=1) + "\n", "utf8")
    print("Binder's steps were done here without an engine; mybinder.org itself was not asked.")


if __name__ == "__main__":
    main()
