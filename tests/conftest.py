"""What the tests share: a seeded generator, a built site, and a browser without a network."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from browsers import find_browser
from notebooks import KERNEL_ENVIRONMENT
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

ROOT = Path(__file__).resolve().parent.parent

os.environ |= KERNEL_ENVIRONMENT  # nbval's kernels then run as those of `make book` do


LONGEST = (
    "test_build.py",
    "test_site.py",
    "test_marking.py",
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no process ends alone with one of them."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture
def generator() -> torch.Generator:
    """Random numbers that are the same in every run."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site, brought up to date."""
    result = subprocess.run([sys.executable, str(ROOT / "tools/build.py")], check=False)
    if result.returncode:
        pytest.fail("the book does not build: see the messages above", pytrace=False)
    return ROOT / "_build/html"


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
        launched = playwright.chromium.launch(executable_path=found)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser, site_url: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of the site: `open_page("book/index.html", width=390, dark=True)`.

    Requests to anywhere else are refused. `page.trouble` lists them, with every error that the
    page reported and every file that it asked for in vain. `on_response`, if given, sees every
    response.
    """
    contexts: list[BrowserContext] = []

    def open_one(
        path: str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        on_response: Callable[[Response], None] = lambda response: None,
    ) -> Page:
        scheme = "dark" if dark else "light"
        viewport = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=viewport, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.trouble = []
        page.on("response", on_response)
        watch(page, site_url)
        page.goto(f"{site_url}/{path}", wait_until="load")
        return page

    yield open_one
    for context in contexts:
        context.close()


def watch(page: Page, home: str) -> None:
    """Refuse requests that leave home, and note all trouble in `page.trouble`."""

    def allow_home_only(route) -> None:
        if route.request.url.startswith((home, "data:", "blob:")):
            route.continue_()
        else:
            page.trouble.append(f"asked for {route.request.url}")
            route.abort()

    def note_message(message) -> None:
        if message.type == "error":
            page.trouble.append(f"{message.text} at {message.location.get('url')}")

    page.route("**/*", allow_home_only)
    page.on("console", note_message)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("requestfailed", lambda request: page.trouble.append(f"failed: {request.url}"))
