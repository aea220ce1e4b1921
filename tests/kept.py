"""What nbval executes is kept for the build of the site, which then executes nothing again."""

from pathlib import Path

import notebooks
import pytest
from nbval.plugin import IPyNbCell


class Kept:
    """A plugin of pytest: results of a chapter of which every cell passed go to the build's cache.

    Args:
        root: The book.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passed: dict[Path, list[IPyNbCell]] = {}
        self.seconds: dict[Path, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo
    ) -> pytest.TestReport:
        """Note a cell that passed; after the last one, keep them all."""
        report = yield
        if isinstance(item, IPyNbCell) and report.when == "call" and report.passed:
            self.passed.setdefault(item.path, []).append(item)
            self.seconds[item.path] = self.seconds.get(item.path, 0.0) + report.duration
            if len(self.passed[item.path]) == len(notebooks.code_cells(item.parent.nb)):
                self.keep(item.path)
        return report

    def keep(self, path: Path) -> None:
        """Put what the cells of a notebook showed where the build looks for it."""
        (self.root / "_build").mkdir(exist_ok=True)
        with notebooks.alone(self.root / "_build", notebooks.Progress()):
            if notebooks.executed(self.root, path) is None:
                notebook = notebooks.read(path)
                pairs = zip(notebooks.code_cells(notebook), self.passed[path], strict=True)
                for number, (cell, item) in enumerate(pairs, start=1):
                    cell.outputs, cell.execution_count = item.test_outputs, number
                notebooks.keep(self.root, path, notebook, self.seconds[path])
