"""What the tests share: a seeded generator, a built site, and a browser without a network."""

import functools
import gc
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsers import find_browser
from bs4 import BeautifulSoup
from filelock import FileLock
from notebooks import KERNEL_ENVIRONMENT
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

from tests.kept import Kept

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parent.parent

# Names of other machines are not found, and their numbers lead nowhere
HOME_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

os.environ |= KERNEL_ENVIRONMENT  # nbval's kernels then run as those of `make book` do


LONGEST = (
    "test_build.py",
    "test_marking.py",
    "test_site.py",
    "test_live.py",
    "test_book.py",
    "test_pdf.py",
    "test_portrait_browser.py",
    "test_accessibility.py",
    "test_formulas.py",
    "test_reading.py",
    "test_coursework.py",
    "test_explore_browser.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep what nbval executes, for the site."""
    config.pluginmanager.register(Kept(ROOT))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the chapters, and then with the files that take longest.

    The site then needs no second execution, and no process ends alone with a long file.
    """
    order = {name: place for place, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        if item.path.suffix == ".ipynb":
            return -1
        return order.get(item.path.name, len(order))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Search less for garbage, and not in what all tests need: that is a tenth of their time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.fixture
def generator() -> "torch.Generator":
    """Random numbers that are the same in every run."""
    import torch  # the process that only hands out tests starts two seconds earlier without

    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def site(testrun_uid: str) -> Path:
    """The folder of the built site, brought up to date once for all processes of a run."""
    build, run = ROOT / "_build", ROOT / "_build/tested"
    build.mkdir(exist_ok=True)
    with FileLock(build / "tests.lock"):
        if not (run.exists() and run.read_text() == testrun_uid):
            result = subprocess.run([sys.executable, str(ROOT / "tools/build.py")], check=False)
            if result.returncode:
                pytest.fail("the book does not build: see the messages above", pytrace=False)
            run.write_text(testrun_uid)
    return build / "html"


@pytest.fixture(scope="session")
def trees(site: Path) -> "Trees":
    """Every page of the site, parsed, under its path; tests leave them as they are."""
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return Trees({str(path.relative_to(site)): path for path in sorted(pages)})


class Trees(Mapping[str, BeautifulSoup]):
    """Parses a page when it is asked for, and once."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self.paths, self.parsed = paths, {}

    def __getitem__(self, name: str) -> BeautifulSoup:
        if name not in self.parsed:
            self.parsed[name] = BeautifulSoup(self.paths[name].read_bytes(), "html.parser")
        return self.parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line of log for each."""

    def log_message(self, *_: object) -> None:
        pass

    def copyfile(self, *files: object) -> None:
        """Send a file, unless the page that asked for it is closed by now."""
        with suppress(ConnectionError):
            super().copyfile(*files)


@pytest.fixture(scope="session")
def site_url(site: Path) -> Iterator[str]:
    """Address of the site on a server of this machine."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one the test is skipped, or fails if BOOK_REQUIRE_BROWSER=1."""
    try:
        found = find_browser()
    except ValueError as lacking:
        if os.environ.get("BOOK_REQUIRE_BROWSER") == "1":
            pytest.fail(str(lacking), pytrace=False)
        pytest.skip(str(lacking))
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=[HOME_ONLY])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def reader(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that keeps what it has loaded, as a reader's does from page to page."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def open_page(
    browser: Browser, reader: BrowserContext, site_url: str
) -> Iterator[Callable[..., Page]]:
    """Opens a page of the site: `open_page("book/index.html", width=390, dark=True)`.

    Whatever a page asks of another machine fails. `page.trouble` lists that, with every error
    that the page reported and every file that it asked for in vain. No test finds a choice that
    another one made. A `first_visit` has nothing kept from other pages either; `on_response`, if
    given, then sees all that a page is made of.
    """
    contexts: list[BrowserContext] = []

    def open_one(
        path: str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        first_visit: bool = False,
        on_response: Callable[[Response], None] = lambda response: None,
    ) -> Page:
        if first_visit:
            contexts.append(browser.new_context())
        page = (contexts[-1] if first_visit else reader).new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.on("response", on_response)
        note_trouble(page)
        page.goto(f"{site_url}/{path}", wait_until="load")
        return page

    yield open_one
    for context in contexts:
        context.close()
    for page in reader.pages[1:]:
        page.close()
    for page in reader.pages:
        forget = {"origin": site_url, "storageTypes": "local_storage"}
        reader.new_cdp_session(page).send("Storage.clearDataForOrigin", forget)
        page.close()


def note_trouble(page: Page) -> None:
    """Note in `page.trouble` what fails in a page."""
    page.trouble = []

    def note_message(message) -> None:
        if message.type == "error":
            page.trouble.append(f"{message.text} at {message.location.get('url')}")

    page.on("console", note_message)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("requestfailed", lambda request: page.trouble.append(f"failed: {request.url}"))
