"""Where the pages of the built site are: all that _toc.yml names, chapters by themselves too."""

from pathlib import Path

import notebooks
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = [str(path.relative_to(ROOT).with_suffix(".html")) for path in notebooks.chapters(ROOT)]
PAGES = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]
