"""Commands that keep the book true over the years, one module a job: `python -m upkeep.NAME`."""

import sys
from pathlib import Path

# The commands of `tools` and the book's extension import each other by their bare names.
sys.path += [str(Path(__file__).resolve().parents[1] / name) for name in ("tools", "book/_ext")]
