"""Serve the site and the kernels that its live code runs in, on this machine only.

One Jupyter server does both, so that pages and kernels have one origin: no other page may ask it
for anything, and no rule of the browser or of Jupyter has to be relaxed.

    python tools/live.py [port]
"""

import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.web import StaticFileHandler, authenticated
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build/html"
PORT = 8001  # `make serve` has 8000
IDLE = 600  # seconds
SETTINGS = 'lineByLine.place = {"server": "/"};\n'


class SiteFiles(JupyterHandler, StaticFileHandler):
    """A file of the site, for readers who came with the token.

    The pages' scripts may ask the server for kernels, and these are the book's own pages; for
    everything else the server keeps Jupyter's usual rules.
    """

    @authenticated
    def get(self, path: str, include_body: bool = True) -> Any:
        _ = self.xsrf_token  # reading it sets the cookie that live code has to repeat
        return StaticFileHandler.get(self, path, include_body)

    @authenticated
    def head(self, path: str) -> Any:
        return StaticFileHandler.get(self, path, include_body=False)


class Settings(JupyterHandler):
    """In the place of the site's `settings.js`: code runs here and not at Binder."""

    @authenticated
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(SETTINGS)


class LiveServer(ServerApp):
    """A Jupyter server with the site and kernels.

    Whoever has the token has a kernel, and may do with it what the user of this machine may.
    """

    # No terminals, no editing of files, no notebooks: the pages ask for kernels alone.
    default_services = ("api", "auth", "kernels", "security")

    def load_config_file(self, suppress_errors: bool = True) -> None:
        """Leave the settings of this machine's other Jupyter servers alone.

        A password, or an origin allowed there, has no business here.
        """

    def init_signal(self) -> None:
        """End kernels and server on Ctrl-C without a question, with or without a terminal."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows has two of them
                signal.signal(getattr(signal, name), lambda *_: self.stop(from_signal=True))


def configuration(port: int, token: str) -> Config:
    """The server's settings; whatever is not named keeps Jupyter's default.

    The defaults that matter: requests that change something need the XSRF header, requests from
    other origins are refused, and so are host names that are not local.
    """
    config = Config()
    server = config.ServerApp
    server.ip = "127.0.0.1"  # cannot be reached from another machine
    server.port = port  # the next free one if it is taken
    server.default_url = "/index.html"
    server.root_dir = str(ROOT)  # kernels start below it, in book/
    server.open_browser = False
    server.allow_root = True  # containers; the notebooks of `make book` run as the same user
    server.allow_unauthenticated_access = False  # a handler without a rule of its own asks too
    server.log_level = "ERROR"
    config.IdentityProvider.token = token  # new at each start
    # A page that vanished without a word leaves a kernel; one that nobody is connected to goes.
    config.MappingKernelManager.cull_idle_timeout = IDLE
    config.MappingKernelManager.cull_interval = 60
    # Only this Python's kernel, whatever else is installed under the name python3.
    config.KernelSpecManager.kernel_dirs = []
    if sys.platform != "win32":
        # Files that only this user can read, where ports are open to everyone on the machine.
        config.KernelManager.transport = "ipc"
    return config


def make_server(site: Path, port: int) -> tuple[LiveServer, str]:
    """The server, ready to start, and the address to open."""
    token = secrets.token_hex(24)
    server = LiveServer(config=configuration(port, token))
    server.initialize(argv=[], find_extensions=False)
    server.no_browser_open_file = True  # no file with the token for a browser to open
    base = server.base_url
    names = "|".join(sorted(path.name.replace(".", r"\.") for path in site.iterdir()))
    server.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "_static/live/settings.js"), Settings),
            (url_path_join(base, f"((?:{names})(?:/.*)?)"), SiteFiles, {"path": str(site)}),
        ],
    )
    # The front page of the folder sends the browser on to the book's, without the token.
    return server, f"http://127.0.0.1:{server.port}{base}index.html?token={token}"


def main(arguments: list[str]) -> None:
    """Serve until Ctrl-C."""
    if not (SITE / "index.html").exists():
        raise SystemExit("There is no site yet: run `make book` first.")
    server, address = make_server(SITE, int(arguments[0]) if arguments else PORT)
    server.io_loop.add_callback(announce, address)  # once it listens
    server.start()


def announce(address: str) -> None:
    """Say where to go and how to end."""
    print(f"Open {address}")
    print("and choose Live code in a chapter's menu. Ctrl-C stops the server and all it runs.")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
