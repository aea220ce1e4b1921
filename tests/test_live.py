"""Live code: cells run in the page against a real server, and nothing is loaded before that."""

import contextlib
import functools
import http.client
import http.server
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import notebooks
import pytest
from bs4 import BeautifulSoup
from line_by_line.live_code import binder_place, chapter_script, is_shown, settings_script
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute
from test_accessibility import faint

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "book/_static/live"
CHAPTERS = notebooks.chapters(ROOT)
CHAPTER = "book/06_games.html"
SECONDS = 60_000  # milliseconds, for a machine that does other things too
# What cells show, without what is set by MathJax or drawn by scripts
SHOWN = """() => [...document.querySelectorAll('article div.cell')].map(cell => {
  const output = cell.querySelector('div.cell_output');
  if (!output) return '';
  const copy = output.cloneNode(true);
  copy.querySelectorAll('.math, script, style, .copybtn').forEach(e => e.remove());
  return copy.textContent.replace(/\\s+/g, '').replace(/’/g, "'"); // the build writes ’
})"""


@dataclass
class Server:
    """A program that serves, its address and the token that opens it."""

    process: subprocess.Popen
    url: str
    token: str

    def ask(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """The response to one request, not followed anywhere."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.content = response.read()
            return response

    def kernels(self) -> list[dict]:
        """The kernels that run."""
        response = self.ask("/api/kernels", Authorization=f"token {self.token}")
        return json.loads(response.content)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Stop the program, and return its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=15)
        self.process.stdout.close()
        return status


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[Server]:
    """What `make serve-live` starts when the book is built."""
    command = [sys.executable, str(ROOT / "tools/live.py"), "0"]  # any free port
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    address = re.search(r"(http://127\.0\.0\.1:\d+)/index\.html\?token=(\w+)", first_line(process))
    running = Server(process, address[1], address[2])
    yield running
    if process.poll() is None:
        running.end()


def first_line(process: subprocess.Popen) -> str:
    """What a program prints first."""
    return process.stdout.readline()


def press_live_code(page: Page) -> None:
    """Choose Live code in the menu, with keys alone."""
    page.locator(".dropdown-launch-buttons > button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Live code"
    page.keyboard.press("Enter")
    page.wait_for_selector(".live-panel")


def wait_for(page: Page, state: str) -> str:
    """Wait until live code is in a state, and return what it says."""
    page.wait_for_selector(f".live-panel[data-state={state}]", timeout=SECONDS)
    return page.inner_text(".live-panel [role=status]")


def wait_for_kernels(server: Server, count: int) -> None:
    """Wait until no more kernels than that run."""
    for _ in range(50):
        if len(server.kernels()) == count:
            return
        time.sleep(0.1)
    raise AssertionError(f"kernels of a page that is gone still run: {server.kernels()}")


def cell(page: Page, number: int) -> Locator:
    """A cell of the page, by its number."""
    return page.locator("article div.cell").nth(number - 1)


def unfold(page: Page) -> None:
    """Open the code that is folded away."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")


def run(page: Page, number: int, code: str | None = None) -> str:
    """Run a cell, edited if there is code for it, and return the text that it shows."""
    unfold(page)
    if code is not None:
        cell(page, number).locator("textarea").fill(code)
    bar = cell(page, number).locator(".live-bar")
    bar.evaluate("bar => { bar.dataset.state = ''; }")
    cell(page, number).locator("textarea").press("Shift+Enter")
    bar.and_(page.locator("[data-state=done], [data-state=error]")).wait_for(timeout=SECONDS)
    wait_for(page, "ready")
    return cell(page, number).locator("div.cell_output").inner_text()


@pytest.fixture(scope="module")
def chapter(browser: Browser, server: Server) -> Iterator[Page]:
    """A chapter from the live server, opened with the token and live; tests leave it ready."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{server.url}/index.html?token={server.token}")
    page.wait_for_url("**/book/index.html")
    page.goto(f"{server.url}/{CHAPTER}")
    page.built = page.evaluate(SHOWN)
    press_live_code(page)
    page.beginning = page.inner_text(".live-panel [role=status]")
    page.held = page.evaluate("document.activeElement.className")
    wait_for(page, "ready")
    yield page
    context.close()


# What is built


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_cell_of_the_page_is_among_the_cells_to_run(site, trees, path):
    tree = trees[f"book/{path.stem}.html"]
    inputs = tree.select("article div.cell div.cell_input pre")
    cells = notebooks.code_cells(notebooks.read(path))
    shown = [cell.source.strip() for cell in cells if is_shown(cell)]
    assert [pre.get_text().strip() for pre in inputs] == shown
    script = (site / f"_static/live/{path.stem}.js").read_text("utf8")
    assert script == chapter_script(ROOT, path)
    carried = json.loads(script.removeprefix("lineByLine.chapter = ").rstrip(";\n"))
    assert [cell["code"] for cell in carried["cells"]] == [cell.source for cell in cells]
    naming = [t for t in tree.select("[onclick], [src], [href]") if "/live/" in str(t.attrs)]
    assert ["btn-live-code" in tag["class"] for tag in naming] == [True]
    assert f"'{path.stem}'" in naming[0]["onclick"]
    imports = [n for n, c in enumerate(cells, 1) if c.metadata.get("label") == "imports"]
    assert carried["setup"] == imports[0], "the first cells end with the imports"


def test_only_chapters_have_the_button(site):
    with_button = {
        page.stem for page in site.glob("book/*.html") if "btn-live-code" in page.read_text("utf8")
    }
    assert with_button == {path.stem for path in CHAPTERS}


def test_a_fork_runs_its_own_code():
    theme = {
        "repository_url": "https://github.com/someone/fork",
        "repository_branch": "work",
        "launch_buttons": {"binderhub_url": "https://binder.example.org"},
    }
    place = binder_place(theme)
    assert place == {"binder": "https://binder.example.org", "spec": "gh/someone/fork/work"}
    assert settings_script(place).startswith("lineByLine.place = {")


def test_scripts_name_no_other_machine():
    named = {
        word for path in SCRIPTS.iterdir() for word in re.findall(r"\w+://", path.read_text())
    }
    assert named == set()


# Before the button is pressed


def test_nothing_is_loaded_before_the_press(open_page: Callable[..., Page]):
    asked = []
    page = open_page(
        CHAPTER, first_visit=True, on_response=lambda response: asked.append(response.url)
    )
    assert [url for url in asked if "/live/" in url] == []
    assert page.evaluate("window.lineByLine === undefined")
    assert page.trouble == []


# The server


def test_server_gives_nothing_without_the_token(server: Server):
    for path in ("/", "/index.html", f"/{CHAPTER}", "/_static/live/settings.js"):
        response = server.ask(path)
        assert b"lineByLine" not in response.content
        while response.status == 302 and "login" not in response.getheader("Location"):
            response = server.ask(response.getheader("Location"))
        assert response.status == 302 and "/login?" in response.getheader("Location")
    assert server.ask("/api/kernels").status == 403
    assert server.ask("/api/kernels", "POST").status == 403
    assert server.ask("/api/kernels", Authorization="token wrong").status == 403


def cookies_of(server: Server) -> str:
    """What a browser that came with the token sends."""
    response = server.ask(f"/{CHAPTER}?token={server.token}")
    assert response.status == 200
    return "; ".join(line.split(";")[0] for line in response.headers.get_all("Set-Cookie"))


def test_other_pages_of_a_logged_in_browser_are_refused(server: Server):
    """Its cookies go along with their requests; that is not enough."""
    cookies = cookies_of(server)
    xsrf = re.search(r"_xsrf=([^;]+)", cookies)[1]
    home, elsewhere = server.url, "http://127.0.0.1:1"
    assert server.ask("/api/kernels", Cookie=cookies).status == 200
    assert server.ask("/api/kernels", "POST", Cookie=cookies).status == 403, "no XSRF header"
    foreign = {"Cookie": cookies, "X-XSRFToken": xsrf, "Origin": elsewhere}
    assert server.ask("/api/kernels", "POST", **foreign).status in (403, 404)
    assert server.ask("/api/kernels", Cookie=cookies, Host="evil.example.org").status == 403
    made = server.ask("/api/kernels", "POST", **(foreign | {"Origin": home}))
    assert made.status == 201
    path = f"/api/kernels/{json.loads(made.content)['id']}"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Cookie": cookies}
    assert server.ask(f"{path}/channels", Origin=elsewhere, **upgrade).status == 403
    assert server.ask(path, "DELETE", **(foreign | {"Origin": home})).status == 204


def test_server_serves_the_site_and_no_other_file(server: Server):
    cookies = cookies_of(server)
    settings = server.ask("/_static/live/settings.js", Cookie=cookies)
    assert settings.content == b'lineByLine.place = {"server": "/"};\n'
    for path in ("/book/../../../Makefile", "/files/Makefile", "/api/contents", "/Makefile"):
        assert server.ask(path, Cookie=cookies).status in (403, 404), path


# In the page


def test_the_press_says_what_happens_and_takes_the_keyboard_along(chapter: Page, server: Server):
    assert chapter.beginning in (
        f"Connecting to the server at {server.url}. What you run, runs there.",
        "Starting Python …",
    )
    assert chapter.held == "live-panel"
    assert chapter.locator(".live-panel [role=status]").count() == 1


def test_first_cells_run_by_themselves(chapter: Page):
    assert "ran in" in cell(chapter, 1).locator(".live-state").text_content()
    code = (
        "import os\nprint(games.__name__, os.path.basename(os.getcwd()), generator.initial_seed())"
    )
    assert run(chapter, 3, code).strip() == "helpers.games book 6"


def test_edited_cell_runs_torch(chapter: Page):
    assert run(chapter, 3, "import torch; print(torch.ones(3).sum().item())").strip() == "3.0"
    assert run(chapter, 3, "torch.arange(3)").strip() == "tensor([0, 1, 2])"


def test_error_shows_its_traceback_in_plain_text(chapter: Page):
    shown = run(chapter, 3, "def f():\n    return 1 / 0\n\nf()")
    assert "ZeroDivisionError: division by zero" in shown
    assert "----> 2" in shown or "return 1 / 0" in shown
    assert "\x1b" not in shown and "[0m" not in shown and "[31m" not in shown
    status = chapter.inner_text(".live-panel [role=status]")
    assert status == "Cell 3 ended with an error, shown below its code."
    assert "Run all above" in run(chapter, 3, "no_such_name")


def test_output_is_what_a_terminal_would_show(chapter: Page):
    code = "import sys\nfor i in range(3):\n    print(f'\\rstep {i}', end='')\nprint()\n"
    code += "print('\\x1b[31mred\\x1b[0m <b>', file=sys.stderr)"
    assert run(chapter, 3, code).split("\n")[0] == "step 2"
    assert cell(chapter, 3).locator(".stderr").inner_text().strip() == "red <b>"


def test_results_replace_the_built_ones_and_are_the_same(chapter: Page):
    """Hidden cells run too, and the original code comes back."""
    unfold(chapter)
    cell(chapter, 3).get_by_role("button", name="Original code of cell 3").click()
    cell(chapter, 15).get_by_role("button", name="Run all above cell 15").click()
    wait_for(chapter, "busy")
    wait_for(chapter, "ready")
    states = chapter.locator(".live-state").all_text_contents()
    assert [state for state in states[:14] if not state.startswith("ran in")] == []
    assert states[14] == ""
    live = chapter.evaluate(SHOWN)
    assert live[:14] == chapter.built[:14]
    assert cell(chapter, 3).locator("mjx-container").count() > 0, "formulas are not set"
    figure = cell(chapter, 14).locator("figure")
    assert figure.locator("img").get_attribute("src").startswith("data:image/png;base64,")
    assert figure.locator("img").get_attribute("alt").startswith("Three outward spirals")
    assert figure.locator("figcaption").count() == 1
    assert chapter.errors == []


def test_interactive_figure_of_a_live_cell_works(chapter: Page):
    code = cell(chapter, 6).locator("textarea").input_value()
    run(chapter, 6, code.replace('title="One step', 'title="A step of mine'))
    figure = cell(chapter, 6).locator(".explore")
    assert figure.get_attribute("aria-label").startswith("A step of mine")
    view = figure.locator(".explore-view")
    before = view.inner_html()
    figure.locator("input[type=range]").first.focus()
    chapter.keyboard.press("ArrowRight")
    assert view.inner_html() != before
    assert "stage 2 of 4" in figure.locator("[role=status]").text_content()


def test_keys_alone_reach_edit_and_run_a_cell(chapter: Page):
    """Tab goes on from the bar to the first cell, and leaves a field again."""
    unfold(chapter)
    chapter.locator(".live-panel").focus()
    field = chapter.locator("article textarea").first
    for _ in range(20):
        chapter.keyboard.press("Tab")
        if field.evaluate("field => field === document.activeElement"):
            break
    assert field.evaluate("field => field === document.activeElement")
    assert field.get_attribute("aria-label") == "Code of cell 1"
    chapter.keyboard.press("ControlOrMeta+a")
    chapter.keyboard.type("for i in range(2):\nprint(i)")
    assert field.input_value() == "for i in range(2):\n    print(i)", "the line is indented"
    chapter.keyboard.press("Control+[")
    assert field.input_value() == "for i in range(2):\nprint(i)"
    chapter.keyboard.press("Control+]")
    chapter.keyboard.press("Shift+Enter")
    chapter.wait_for_function(
        "document.querySelector('article div.cell .stream pre')?.textContent === '0\\n1\\n'"
    )
    wait_for(chapter, "ready")
    chapter.keyboard.press("Tab")
    assert "Copy" in chapter.evaluate("document.activeElement.textContent")
    chapter.keyboard.press("Tab")
    assert chapter.evaluate("document.activeElement.textContent") == "Run"
    cell(chapter, 1).get_by_role("button", name="Original code of cell 1").click()


def test_copy_and_field_lie_on_each_other(chapter: Page):
    """What is seen is the coloured copy; what is typed in lies over it, letter on letter."""
    unfold(chapter)
    sizes = chapter.evaluate(
        """() => [...document.querySelectorAll('.live-editor')].map(box => {
             const [pre, field] = [...box.children].map(e => getComputedStyle(e));
             const same = ['fontFamily', 'fontSize', 'lineHeight', 'paddingLeft', 'paddingTop',
                           'letterSpacing', 'tabSize', 'width', 'height'];
             return [...same.filter(name => pre[name] !== field[name]),
                     ...(box.children[1].scrollWidth > box.children[1].clientWidth ? ['w'] : []),
                     ...(box.children[1].scrollHeight > box.children[1].clientHeight ? ['h'] : []),
                     ...(box.children[0].textContent.trim() !== box.children[1].value.trim()
                       ? ['text'] : [])];
           })"""
    )
    assert len(sizes) > 30
    assert [size for size in sizes if size] == []


def test_endless_cell_can_be_stopped(chapter: Page):
    unfold(chapter)
    cell(chapter, 3).locator("textarea").fill("print('on')\nwhile True:\n    pass")
    cell(chapter, 3).get_by_role("button", name="Run cell 3").click()
    cell(chapter, 3).get_by_text("on", exact=True).last.wait_for(timeout=SECONDS)
    chapter.locator(".live-panel").get_by_role("button", name="Stop").click()
    wait_for(chapter, "ready")
    assert "KeyboardInterrupt" in cell(chapter, 3).locator(".traceback").inner_text()


def test_restart_forgets_what_ran_and_keeps_what_was_written(chapter: Page, server: Server):
    run(chapter, 3, "mine = 1")
    cell(chapter, 3).get_by_role("button", name="Restart Python").click()
    assert "Restarting" in wait_for(chapter, "busy")
    wait_for(chapter, "ready")
    assert cell(chapter, 3).locator("textarea").input_value() == "mine = 1"
    assert (
        run(chapter, 3, "print('mine' in globals(), torch.ones(1).item())").strip() == "False 1.0"
    )
    assert len(server.kernels()) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_live_page_fits_a_phone_and_stands_out(chapter: Page, dark):
    chapter.emulate_media(color_scheme="dark" if dark else "light")
    run(chapter, 3, "# a note\ndef f(x='text'):\n    return 1\nprint(f())\nnone")
    chapter.set_viewport_size({"width": 390, "height": 800})
    assert chapter.evaluate("document.documentElement.scrollWidth") <= 390
    assert faint(chapter) == []
    chapter.set_viewport_size({"width": 1280, "height": 900})
    chapter.emulate_media(color_scheme="light")


def test_python_that_dies_is_replaced_and_said(chapter: Page):
    unfold(chapter)
    cell(chapter, 3).locator("textarea").fill("import os; os._exit(1)")
    cell(chapter, 3).get_by_role("button", name="Run cell 3").click()
    chapter.wait_for_function(
        "document.querySelector('.live-panel [role=status]').textContent.includes('died')",
        timeout=SECONDS,
    )
    wait_for(chapter, "ready")
    assert run(chapter, 3, "print(1 + torch.ones(1).item())").strip() == "2.0"


def test_python_that_does_not_hear_at_first_is_asked_again(chapter: Page, server: Server):
    """As one may that has just started again: the first request is lost on its way."""
    page, lost = chapter.context.new_page(), []

    def lose_the_first(line: WebSocketRoute) -> None:
        kernel = line.connect_to_server()
        line.on_message(lambda said: kernel.send(said) if lost else lost.append(said))

    page.route_web_socket("**/channels**", lose_the_first)
    page.goto(f"{server.url}/{CHAPTER}")
    press_live_code(page)
    wait_for(page, "ready")
    assert "kernel_info_request" in lost[0]
    page.goto(f"{server.url}/book/notation.html")
    wait_for_kernels(server, 1)
    page.close()


def test_page_that_is_left_leaves_no_python(chapter: Page, server: Server):
    page = chapter.context.new_page()
    page.goto(f"{server.url}/{CHAPTER}")
    press_live_code(page)
    wait_for(page, "busy")
    assert len(server.kernels()) == 2
    page.goto(f"{server.url}/book/notation.html")
    wait_for_kernels(server, 1)
    page.close()


# Binder, of which a program of this test plays the part


OWN_FOLDERS = ("RUNTIME", "CONFIG", "DATA")  # nothing of this machine's other servers
MACHINE = """import sys
from jupyter_server.serverapp import ServerApp
server = ServerApp()
server.initialize(argv=sys.argv[1:], find_extensions=False)
server.start()
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> Iterator[Server]:
    """A Jupyter server with the settings that Binder gives its machines: a token, all origins."""
    port, token = free_port(), secrets.token_hex(8)
    options = {"ip": "127.0.0.1", "port": port, "allow_origin": "*", "root_dir": ROOT}
    options |= {"open_browser": False, "allow_root": True, "log_level": "ERROR"}
    arguments = [f"--ServerApp.{name}={value}" for name, value in options.items()]
    arguments.append(f"--IdentityProvider.token={token}")
    command = [sys.executable, "-c", MACHINE, *arguments]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path_factory.mktemp(name)) for name in OWN_FOLDERS}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | own
    )
    running = Server(process, f"http://127.0.0.1:{port}", token)
    yield running
    if process.poll() is None:
        running.end()


class Binder(http.server.BaseHTTPRequestHandler):
    """Binder's event stream: how far it is, then where the machine is, or why there is none."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        for event in self.server.events:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.2)
        with contextlib.suppress(OSError):
            self.rfile.read(1)  # the page closes the line

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def binder(machine: Server) -> Iterator[http.server.ThreadingHTTPServer]:
    """The part of Binder that the page asks for a machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Binder) as running:
        running.asked, running.daemon_threads = [], True
        running.url = f"http://127.0.0.1:{running.server_port}"
        running.progress = [{"phase": "waiting"}, {"phase": "launching", "message": "Pod"}]
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


class PlainSite(http.server.SimpleHTTPRequestHandler):
    """The built site, with the test's Binder in place of the real one."""

    def do_GET(self) -> None:
        if "/live/settings.js" not in self.path:
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(settings_script(self.server.place).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def plain_url(site: Path, binder) -> Iterator[str]:
    """Address of a server of plain files, like the one that readers have."""
    handler = functools.partial(PlainSite, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.place = {"binder": binder.url, "spec": "gh/owner/book/main"}
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def binder_page(browser: Browser, plain_url: str) -> Iterator[Page]:
    """A chapter that runs its code at the test's Binder.

    It has no routes until a test adds one: with any, Playwright drops what a page asks for when
    it is left.
    """
    context = browser.new_context()
    page = context.new_page()
    page.said = []
    page.expose_function("note", lambda text: page.said.append(text))
    page.goto(f"{plain_url}/{CHAPTER}")
    page.evaluate(
        """new MutationObserver(() => {
             const status = document.querySelector('.live-panel [role=status]');
             if (status) note(status.textContent);
           }).observe(document.querySelector('article'), {childList: true, subtree: true})"""
    )
    yield page
    context.close()


def wait_until_up(machine: Server) -> None:
    """Wait until the server answers."""
    for _ in range(100):
        with contextlib.suppress(OSError), urlopen(f"{machine.url}/api", timeout=5):
            return
        time.sleep(0.2)
    raise TimeoutError(machine.url)


def test_binder_gives_a_machine_that_the_next_page_uses_too(binder_page: Page, binder, machine):
    wait_until_up(machine)
    ready = {"phase": "ready", "url": f"{machine.url}/", "token": machine.token}
    binder.asked, binder.events = [], [*binder.progress, ready]
    press_live_code(binder_page)
    wait_for(binder_page, "ready")
    host = urlsplit(binder.url).netloc
    asking = f"Asking {host} for a machine; this takes a minute or two. What you run, runs there."
    assert asking in binder_page.said
    assert f"{host} is waiting for its turn …" in binder_page.said
    assert f"{host} is starting the machine …" in binder_page.said
    assert run(binder_page, 3, "print(torch.ones(3).sum().item())").strip() == "3.0"
    assert binder.asked == ["/build/gh/owner/book/main"]

    binder_page.goto(binder_page.url.replace("06_games", "01_autoregressive"))
    wait_for_kernels(machine, 0)
    press_live_code(binder_page)
    wait_for(binder_page, "busy")
    assert len(binder.asked) == 1, "a second machine was asked for"
    binder_page.locator(".live-panel").get_by_role("button", name="Close").click()
    assert "closed" in wait_for(binder_page, "ended")
    wait_for_kernels(machine, 0)


def test_binder_that_fails_is_said_and_can_be_asked_again(binder_page: Page, binder):
    binder.events = [*binder.progress, {"phase": "failed", "message": "no such branch"}]
    press_live_code(binder_page)
    said = wait_for(binder_page, "failed")
    assert "could not start a machine: no such branch" in said
    assert "use Colab" in said
    binder.events = [*binder.progress]
    binder_page.locator(".live-panel").get_by_role("button", name="Try again").click()
    wait_for(binder_page, "starting")
    binder_page.locator(".live-panel").get_by_role("button", name="Close").click()
    wait_for(binder_page, "ended")


def test_binder_out_of_reach_is_said(binder_page: Page, binder):
    binder_page.route("**/build/**", lambda route: route.abort())
    press_live_code(binder_page)
    assert "does not answer. It may be busy or down" in wait_for(binder_page, "failed")


def test_missing_script_is_said_and_the_button_works_again(binder_page: Page, binder):
    binder.events = [*binder.progress]
    binder_page.route("**/live/output.js*", lambda route: route.abort())
    press_live_code(binder_page)
    assert "output.js could not be loaded" in wait_for(binder_page, "failed")
    binder_page.unroute("**/live/output.js*")
    press_live_code(binder_page)
    wait_for(binder_page, "starting")
    assert binder_page.locator(".live-panel").count() == 1


# Pieces of the scripts


MARKDOWN = {
    "**a** and *b*": "<p><strong>a</strong> and <em>b</em></p>",
    "`a*b*c` 2*3*4": "<p><code>a*b*c</code> 2<em>3</em>4</p>",
    "$a_1*b*c<d$": '<p><span class="math notranslate nohighlight">\\(a_1*b*c&lt;d\\)</span></p>',
    "$$\nx\n$$": '<div class="math notranslate nohighlight">\\[x\\]</div>',
    '<a id="x"></a>\ntext': '<p><a id="x"></a>\ntext</p>',
    "- a\n- b": "<ul><li>a</li><li>b</li></ul>",
    "## Two": '<p role="heading" aria-level="2"><strong>Two</strong></p>',
    "[a](b.html)": '<p><a href="b.html">a</a></p>',
    "a\n\n| x |\n| --- |\n| 1 \\| 2 |\n\nb": (
        '<p>a</p><div class="pst-scrollable-table-container"><table class="table"><thead><tr>'
        "<th>x</th></tr></thead><tbody><tr><td>1 | 2</td></tr></tbody></table></div><p>b</p>"
    ),
    "```\na\n\n< b\n```": (
        '<div class="highlight-python notranslate"><div class="highlight"><pre>a\n\n&lt; b</pre>'
        "</div></div>"
    ),
}
PYTHON = {
    "def f(x): return None": [
        ("k", "def"),
        ("nf", "f"),
        ("n", "x"),
        ("k", "return"),
        ("kc", "None"),
    ],
    'f\'{a}\' + "b\\"" # c': [("s2", "f'{a}'"), ("o", "+"), ("s2", '"b\\""'), ("c1", "# c")],
    '"""one\ntwo""" x': [("s2", '"""one\ntwo"""'), ("n", "x")],
    "x.sum(1e-3, 0xff)": [("n", "x"), ("n", "sum"), ("mi", "1e-3"), ("mi", "0xff")],
    "len(α1)": [("nb", "len"), ("n", "α1")],
}


@pytest.fixture(scope="module")
def pieces(browser: Browser) -> Iterator[Page]:
    """An empty page with the scripts that need no server."""
    page = browser.new_page()
    page.evaluate("window.lineByLine = {}")
    for name in ("editor", "output"):
        page.add_script_tag(path=SCRIPTS / f"{name}.js")
    yield page
    page.close()


@pytest.mark.parametrize("text", MARKDOWN, ids=repr)
def test_markdown_of_an_output(pieces: Page, text):
    assert pieces.evaluate("text => lineByLine.markdown(text)", text) == MARKDOWN[text]


@pytest.mark.parametrize("code", PYTHON, ids=repr)
def test_colours_of_code(pieces: Page, code):
    shown = pieces.evaluate("code => lineByLine.coloured(code)", code)
    tree = BeautifulSoup(shown, "html.parser")
    assert tree.get_text() == code
    assert [(span["class"][0], span.text) for span in tree.select("span")] == PYTHON[code]


def test_colouring_changes_no_letter_of_the_book(pieces: Page):
    for path in CHAPTERS:
        sources = [cell.source for cell in notebooks.code_cells(notebooks.read(path))]
        changed = pieces.evaluate(
            """codes => codes.filter(code => {
                 const pre = document.createElement('pre');
                 pre.innerHTML = lineByLine.coloured(code);
                 return pre.textContent !== code;
               })""",
            sources,
        )
        assert changed == []


# Last, because it ends the server


def test_end_of_the_server_is_said_and_leaves_no_python(chapter: Page, server: Server):
    pid = int(run(chapter, 3, "import os; print(os.getpid())"))
    assert server.end(signal.SIGINT) == 0
    said = wait_for(chapter, "failed")
    assert "connection to Python is lost" in said and "make serve-live" in said
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    chapter.locator(".live-panel").get_by_role("button", name="Try again").click()
    chapter.wait_for_function("document.body.innerText.includes('does not answer')")
    assert "make serve-live" in wait_for(chapter, "failed")
    assert cell(chapter, 3).get_by_role("button", name="Run cell 3").is_disabled()
    elsewhere = [url for url in chapter.requests if not url.startswith((server.url, "data:"))]
    assert elsewhere == []
