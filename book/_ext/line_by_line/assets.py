"""What a page loads: fonts of formulas from a Python package, icons cut to those shown."""

import re
import shutil
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

from line_by_line import formulas

MATHJAX_PARTS = (
    "tex-chtml.js",  # for live code only
    "output/chtml/fonts/woff-v2",
    "input/tex/extensions",
)
FONT_AWESOME = Path(pydata_sphinx_theme.__file__).parent.joinpath(
    "theme/pydata_sphinx_theme/static/vendor/fontawesome/6.5.2"
)
ICON_NAME = re.compile(r"\bfa-([a-z][a-z-]*)")
ICON_CODE = re.compile(r"[\uf000-\uf8ff]|\\\\?(f[0-9a-f]{3})\b")
ICON_RULES = """\
@font-face { font-family: icons-solid; src: url(icons-solid-900.woff) format("woff"); }
@font-face { font-family: icons-brands; src: url(icons-brands-400.woff) format("woff"); }
@font-face { font-family: "Font Awesome 5 Free"; src: url(icons-solid-900.woff) format("woff"); }
:root {
  --fa-font-solid: normal 900 1em/1 icons-solid;
  --fa-font-regular: normal 900 1em/1 icons-solid;
  --fa-font-brands: normal 400 1em/1 icons-brands;
}
.fas, .fa-solid, .fab { display: inline-block; font: var(--fa-font-solid); }
.fab { font: var(--fa-font-brands); }
.fa-lg { font-size: 1.25em; vertical-align: middle; }
"""


def copy_mathjax(static: Path) -> None:
    """Put the parts of MathJax that the pages ask for beside them; they are not in the theme."""
    for part in MATHJAX_PARTS:
        origin, target = formulas.mathjax() / part, static / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(origin, target)


def cut_icons(outdir: Path) -> None:
    """Write fonts and a style sheet with the icons that the site shows, and no others.

    The theme's script draws its 2,000 icons by searching the whole page, and weighs 540 kB
    compressed; the few that the book shows come to 5 kB.
    """
    static = outdir / "_static"
    named, unnamed = icons_by_name(outdir), icons_by_code(static)
    for style in ("solid-900", "brands-400"):
        file = FONT_AWESOME / f"webfonts/fa-{style}.ttf"
        font = TTFont(file, recalcTimestamp=False)  # else each build has another file
        cutter = subset.Subsetter()
        cutter.populate(unicodes=unnamed | set(named.values()))
        cutter.subset(font)
        font.flavor = "woff"
        font.save(static / f"icons-{style}.woff")
    rules = [f'.fa-{name}::before {{ content: "\\{code:x}"; }}' for name, code in named.items()]
    (static / "icons.css").write_text(ICON_RULES + "\n".join(rules) + "\n", "utf8")


def icons_by_name(outdir: Path) -> dict[str, int]:
    """Code points of the icons that pages and scripts ask for as `fa-name`."""
    sources = [*outdir.rglob("*.html"), *outdir.glob("_static/scripts/*.js")]
    names = set().union(*(ICON_NAME.findall(path.read_text("utf8")) for path in sources))
    sheet = _one_by_one((FONT_AWESOME / "css/all.min.css").read_text("utf8"))
    known = dict(re.findall(r'\.fa-([a-z-]+):before\{content:"\\([0-9a-f]+)"\}', sheet))
    return {name: int(known[name], 16) for name in sorted(names & known.keys())}


def icons_by_code(static: Path) -> set[int]:
    """Code points of the icons that style sheets write out, such as those of admonitions."""
    sheets = "".join(path.read_text("utf8") for path in static.glob("styles/*.css"))
    return {int(m[1], 16) if m[1] else ord(m[0]) for m in ICON_CODE.finditer(sheets)}


def _one_by_one(sheet: str) -> str:
    """Rules that share their declarations (`.fa-a:before,.fa-b:before{...}`) written apart."""
    rule = re.compile(r"([^{}]+)(\{[^{}]*\})")
    return "".join(name + body for names, body in rule.findall(sheet) for name in names.split(","))


def add_assets(app: Sphinx, error: Exception | None) -> None:
    """Complete `_static` when the pages are written."""
    if app.builder.format == "html" and error is None:
        copy_mathjax(Path(app.outdir, "_static"))
        cut_icons(Path(app.outdir))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", add_assets)
