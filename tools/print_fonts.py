"""Fonts for the print: those of matplotlib for text and code, MathJax's as TrueType.

MathJax's own files hold cubic curves, which Chromium can only print as pictures of letters
(Type 3 fonts): they look too bold on screens.
"""

import re
from importlib.util import find_spec
from pathlib import Path

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable

FONT_RULE = re.compile(r"@font-face\b[^}]*}")
FORMULA_FONTS = "mathjax/output/chtml/fonts/woff-v2"  # seen from the style sheet
LARGEST_ERROR = 1  # of a curve, in thousandths of the font's size
TRUE_TYPE = "\x00\x01\x00\x00"
UNUSED = (  # limits that TrueType asks for and fonts without instructions leave at 0
    "maxTwilightPoints",
    "maxStorage",
    "maxFunctionDefs",
    "maxInstructionDefs",
    "maxStackElements",
    "maxSizeOfInstructions",
    "maxComponentElements",
)
FACES = {  # file: family in pdf.css, style, weight
    "STIXGeneral.ttf": ("Book Text", "normal", 400),
    "STIXGeneralItalic.ttf": ("Book Text", "italic", 400),
    "STIXGeneralBol.ttf": ("Book Text", "normal", 700),
    "STIXGeneralBolIta.ttf": ("Book Text", "italic", 700),
    "DejaVuSans.ttf": ("Book Sans", "normal", 400),
    "DejaVuSans-Oblique.ttf": ("Book Sans", "italic", 400),
    "DejaVuSans-Bold.ttf": ("Book Sans", "normal", 700),
    "DejaVuSansMono.ttf": ("Book Code", "normal", 400),
    "DejaVuSansMono-Oblique.ttf": ("Book Code", "italic", 400),
    "DejaVuSansMono-Bold.ttf": ("Book Code", "normal", 700),
}


def font_rules() -> str:
    """Style rules that name the fonts of text and code, which are the same on every machine."""
    folder = Path(find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf"
    return "".join(
        f'@font-face {{ font-family: "{family}"; font-style: {style}; font-weight: {weight};'
        f' src: url("{(folder / file).as_uri()}"); }}\n'
        for file, (family, style, weight) in FACES.items()
    )


def formula_font_rules(rules: str, fonts: Path) -> str:
    """The rules of the site's style sheet that name fonts of formulas, with those of a folder."""
    named = "\n".join(FONT_RULE.findall(rules))
    return named.replace(FORMULA_FONTS, fonts.as_uri())


def convert_fonts(source: Path, target: Path) -> None:
    """Write every font of a folder to another, those with cubic curves as TrueType."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.woff")):
        font = TTFont(path)
        if "CFF " in font:
            to_true_type(font)
        font.save(target / path.name)


def to_true_type(font: TTFont) -> None:
    """Replace a font's cubic curves by quadratic ones that are as good as the same."""
    names, outlines = font.getGlyphOrder(), font.getGlyphSet()
    table = newTable("glyf")
    table.glyphOrder, table.glyphs = names, {}
    for name in names:
        pen = TTGlyphPen(None)
        outlines[name].draw(Cu2QuPen(pen, LARGEST_ERROR, reverse_direction=True))
        table.glyphs[name] = pen.glyph()
    font["glyf"], font["loca"] = table, newTable("loca")
    del font["CFF "]
    font.sfntVersion = TRUE_TYPE
    limits, post = font["maxp"], font["post"]
    limits.tableVersion, limits.maxZones = 0x00010000, 1
    for name in UNUSED:
        setattr(limits, name, 0)
    post.formatType, post.extraNames, post.mapping, post.glyphOrder = 2.0, [], {}, names
