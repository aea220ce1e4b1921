"""Links are followed, on a server of this machine: a dead one is found, a good one passes."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import QuietHandler
from upkeep.links import external_links, follow, judge


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server with one page."""
    (tmp_path / "here.html").write_text("<p>here</p>")
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def site_with(folder: Path, *links: str) -> Path:
    """A site of one page with such links."""
    folder.mkdir()
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    (folder / "index.html").write_text(f'{anchors}<a href="other.html">own</a>')
    return folder


def test_a_dead_link_is_found_and_a_good_one_is_not(address, tmp_path):
    good, dead = f"{address}/here.html", f"{address}/gone.html"
    pages = external_links(site_with(tmp_path / "site", good, dead))
    assert pages == {good: "index.html", dead: "index.html"}
    said = judge(follow(list(pages)), pages)
    assert f"index.html: {dead} (broken: 404" in said
    assert good not in said
    assert judge(follow([good]), {good: "index.html"}) == ""


def test_no_network_is_said_and_not_taken_for_dead_links():
    nowhere = ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"]
    said = judge(follow(nowhere), dict.fromkeys(nowhere, "index.html"))
    assert "None of 2 links to other machines could be reached" in said


def test_a_link_that_was_passed_over_is_named():
    assert "was not followed" in judge([], {"https://example.org": "index.html"})
