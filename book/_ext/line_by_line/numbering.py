"""Chapters carry the number of their file: 05_flows is chapter 5, whatever stands before it."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector

FILE_NUMBER = re.compile(r"(?:.*/)?(\d+)_")


assigned_by_place = Collector.assign_section_numbers


def assign_section_numbers(collector: Collector, env: BuildEnvironment) -> list[str]:
    """Number all sections by their place, then put each chapter's own number in front.

    Returns:
        The pages whose numbers changed.
    """
    before = env.toc_secnumbers
    assigned_by_place(collector, env)
    for name, numbers in env.toc_secnumbers.items():
        if match := FILE_NUMBER.match(name):
            own = int(match[1])
            env.toc_secnumbers[name] = {a: n and (own, *n[1:]) for a, n in numbers.items()}
            for node in [env.titles[name], *env.tocs[name].findall(nodes.reference)]:
                if node.get("secnumber"):
                    node["secnumber"] = [own, *node["secnumber"][1:]]
    now = env.toc_secnumbers
    return [name for name in now if now[name] != before.get(name)]


def setup(app: Sphinx) -> None:
    Collector.assign_section_numbers = assign_section_numbers
