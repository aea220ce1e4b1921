"""Which program on this machine opens the pages: for the PDF, the tests and the benchmarks."""

import shutil

BROWSERS = (  # the first is Chromium without windows, which opens pages a third faster
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def find_browser() -> str:
    """The path of a Chromium.

    Raises:
        ValueError: If there is none on the path.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise ValueError(
            f"This needs one of the browsers {', '.join(BROWSERS)} on the path, and there is "
            "none. On Debian: apt-get install chromium; elsewhere install Chrome or Chromium."
        )
    return found
