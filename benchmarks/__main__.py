"""Measure the real models, the chapters and their pages, and print one table each.

    python -m benchmarks                     all of them
    python -m benchmarks model chapters      some of them

`python -m benchmarks.flows` compares the flows with other libraries, `benchmarks.importance` the
streamed bounds with Pyro's.

Machines are shared and noisy: CPU seconds and medians are given where they exist.
"""

import contextlib
import functools
import gzip
import http.server
import io
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient
from playwright.sync_api import Browser, sync_playwright

from helpers.autoregressive import log_prob
from helpers.digits import load_digits
from tools.browsers import find_browser

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "book").glob("[0-9]*.ipynb"))
PEER = "the peer's notebook: 86.53 nats, 950545 parameters, 274 to 334 CPU s"
PEERS_VAE = "the peer's: 96.70 and 93.60, 440416 parameters, 20 to 23 CPU s of training"
PEERS_FLOWS = "a histogram of each pixel: 106.33; the peer's flows: 142.8 exact, bound 155.6"

USAGE = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""

# When the last formula was there, the page had loaded, and by how much it jumped meanwhile
WATCH = """const watch = () => {
  const number = document.querySelectorAll('mjx-container').length;
  if (number !== window.formulas?.number) window.formulas = {number, at: performance.now()};
  setTimeout(watch, 10);
};
watch();"""
OPENED = """() => new Promise(done => {
  let shift = 0;
  new PerformanceObserver(list => list.getEntries().forEach(entry => shift += entry.value))
    .observe({type: 'layout-shift', buffered: true});
  const loaded = performance.getEntriesByType('navigation')[0].loadEventEnd;
  setTimeout(() => done({formulas: window.formulas.at, loaded, shift}), 300);
})"""
# Milliseconds from moving a slider one step to the second frame after it, for each step.
LATENCY = """async (slider) => {
  const frame = () => new Promise(requestAnimationFrame), times = [];
  for (let value = Number(slider.min); value <= Number(slider.max); value++) {
    const start = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await frame(); await frame();
    times.push(performance.now() - start);
  }
  return times;
}"""


def model(seeds: int = 5) -> None:
    """Run the cell of chapter 1 that trains its PixelCNN, once a seed, and score the model."""
    notebook = nbformat.read(ROOT / "book/01_autoregressive.ipynb", as_version=4)
    source = {cell.metadata.get("label"): cell.source for cell in notebook.cells}
    print("PixelCNN on the digits, nats per image on 447 test images")
    seconds, scores = [], []
    for seed in range(seeds):
        names: dict = {}
        exec(source["imports"], names)
        names["generator"].manual_seed(seed)
        started = time.process_time()
        exec(source["training"], names)
        seconds.append(time.process_time() - started)
        with torch.no_grad():
            surprise = -log_prob(names["model"], names["digits"].test)
        scores.append(surprise.mean().item())
        print(f"  seed {seed}: {scores[-1]:.2f} nats, {seconds[-1]:.1f} CPU s", flush=True)
    size = sum(p.numel() for p in names["model"].parameters())
    middle = statistics.median(scores)
    print(
        f"  median {middle:.2f} (sd {statistics.stdev(scores):.2f}), "
        f"{middle / names['BITS']:.3f} bits per dimension, {size} parameters, "
        f"median {statistics.median(seconds):.1f} CPU s; {PEER}"
    )


def flow(seeds: int = 5) -> None:
    """Run the cells of chapter 5 that train its flow for digits, once a seed, and score it."""
    notebook = nbformat.read(ROOT / "book/05_flows.ipynb", as_version=4)
    source = {cell.metadata.get("label"): cell.source for cell in notebook.cells}
    print("Sigmoidal flow on the digits, nats per image on 447 test images")
    seconds, bounds, exact = [], [], []
    for seed in range(seeds):
        names: dict = {}
        exec(source["imports"], names)
        exec(source["network"].replace("manual_seed(5)", f"manual_seed({seed})"), names)
        started = time.process_time()
        exec(source["training"], names)
        seconds.append(time.process_time() - started)
        bounds.append(-names["draws"].mean().item())
        exact.append(-names["exact"].mean().item())
        found = f"bound {bounds[-1]:.2f}, exact {exact[-1]:.2f}, {seconds[-1]:.1f} CPU s"
        print(f"  seed {seed}: {found}", flush=True)
    size = sum(p.numel() for p in names["pixelcnn"].parameters())
    print(
        f"  median: bound {statistics.median(bounds):.2f} (sd {statistics.stdev(bounds):.2f}), "
        f"exact {statistics.median(exact):.2f}, {size} parameters, "
        f"{statistics.median(seconds):.1f} CPU s with scoring; {PEERS_FLOWS}"
    )


def parameters(module: torch.nn.Module) -> int:
    """How many numbers a module learns."""
    return sum(numbers.numel() for numbers in module.parameters())


def vae(seeds: int = 5) -> None:
    """Run the cell of chapter 3 that trains its largest autoencoder, once a seed."""
    notebook = nbformat.read(ROOT / "book/03_variational.ipynb", as_version=4)
    source = {cell.metadata.get("label"): cell.source for cell in notebook.cells}
    print("Autoencoder with 16 latent numbers on the digits, nats per image on 447 test images")
    rows = []
    for seed in range(seeds):
        names: dict = {"digits": load_digits(), "parameters": parameters}
        exec(source["imports"], names)
        names["generator"].manual_seed(seed)
        with contextlib.redirect_stdout(io.StringIO()):  # the cell shows a table
            exec(source["autoencoder"], names)
        rows.append((names["one_sample"], names["thousand"], names["seconds"]))
        found = "one sample {:.2f}, 1000 samples {:.2f}, {:.1f} CPU s".format(*rows[-1])
        print(f"  seed {seed}: {found}", flush=True)
    size = parameters(names["vae"])
    one, thousand, seconds = map(statistics.median, zip(*rows, strict=True))
    spread = statistics.stdev(row[1] for row in rows)
    print(
        f"  median: one sample {one:.2f}, 1000 samples {thousand:.2f} (sd {spread:.2f}), "
        f"{size} parameters, {seconds:.1f} CPU s of training; {PEERS_VAE}"
    )


def chapters() -> None:
    """Execute each chapter in a fresh kernel: wall time, CPU time and peak memory."""
    print("Chapters from first cell to last, one run each")
    for path in CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(USAGE))
        started = time.monotonic()
        where = {"metadata": {"path": path.parent}}
        NotebookClient(notebook, timeout=300, resources=where).execute()
        wall = time.monotonic() - started
        cpu, memory = notebook.cells[-1].outputs[0].text.split()
        print(
            f"  {path.stem}: {wall:.1f} s wall with the kernel's start, {float(cpu):.1f} CPU s, "
            f"{float(memory):.0f} MiB peak"
        )


def pages() -> None:
    """Weigh each chapter's page, time how it opens and its sliders, from a local server."""
    print("Pages, as a server with gzip sends them; times are medians of five visits")
    with served(ROOT / "_build/html") as (address, browser):
        for path in CHAPTERS:
            visits = [visit(browser, f"{address}/book/{path.stem}.html") for _ in range(5)]
            first = visits[0]
            formulas, loaded, shift = (
                statistics.median(one[key] for one in visits)
                for key in ("formulas", "loaded", "shift")
            )
            print(
                f"  {path.stem}: {first['weight'] / 1e6:.2f} MB in {first['requests']} requests, "
                f"formulas there after {formulas:.0f} ms, loaded after {loaded:.0f} ms, "
                f"layout shift {shift:.3f}"
            )
            for times in first["sliders"]:
                print(
                    f"    slider to second frame: median {statistics.median(times):.0f} ms, "
                    f"max {max(times):.0f} ms, {len(times)} moves"
                )


def visit(browser: Browser, address: str) -> dict[str, object]:
    """What a page weighs, when it was there, and how its figures move, with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, received = context.new_page(), []
    page.add_init_script(WATCH)
    page.on("response", lambda response: received.append(response.body()))
    page.goto(address, wait_until="networkidle")
    found = page.evaluate(OPENED) | {
        "weight": sum(len(gzip.compress(body)) for body in received),
        "requests": len(received),
        "sliders": [
            [t for _ in range(5) for t in slider.evaluate(LATENCY)]
            for figure in page.locator(".explore").all()
            for slider in figure.locator("input[type=range]").all()[:1]
        ],
    }
    context.close()
    return found


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, Browser]]:
    """A local server's address for a folder, and Chromium."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    if not (folder / "index.html").exists():
        raise SystemExit("Pages need a built site: run `make book` first.")
    handler = functools.partial(Quiet, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=find_browser())
        yield f"http://127.0.0.1:{server.server_port}", browser
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    parts = {"model": model, "vae": vae, "flow": flow, "chapters": chapters, "pages": pages}
    wanted = sys.argv[1:] or list(parts)
    unknown = sorted(set(wanted) - set(parts))
    if unknown:
        raise SystemExit(f"choose from {', '.join(parts)}; got {', '.join(unknown)}")
    for name in wanted:
        parts[name]()
