"""One look for all figures, drawn without pyplot, and their way into the document.

The colours of a figure stand for roles. In the SVG each becomes a CSS variable with the colour as its fallback,
so that the page's light, dark and print palettes reach into the figures; the PNG keeps the colours on white.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine

from distune.analysis.findings import Findings
from distune.reporting.document import Figure
from distune.reporting.formats import plain

INK = "#1f2630"
FAINT = "#737e8c"
GRID = "#dde2e8"
PAPER = "#fefefe"
BLUE = "#0b6bb4"
ORANGE = "#c9690c"
GREEN = "#0e8a6b"
RED = "#c23b31"
PURPLE = "#8254b5"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, FAINT)
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    GRID: "--grid",
    PAPER: "--paper",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    RED: "--red",
    PURPLE: "--purple",
}
WIDTH = 4.8
"""Inches, so that letters of nine points are as high on a phone, and the page need not scroll sideways."""
MANY_POINTS = 1500
PNG_DPI = 150

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
OF_MATPLOTLIB = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "distune",
    "text.parse_math": False,
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
}


@contextmanager
def look() -> Iterator[None]:
    """The settings of all figures, whatever the user's own; text is never read as mathematics."""
    with matplotlib.rc_context(OF_MATPLOTLIB | SETTINGS):
        yield


def canvas(height: float) -> Canvas:
    """An empty figure of a height in inches."""
    return Canvas(figsize=(WIDTH, height), dpi=PNG_DPI)


def one(height: float) -> tuple[Canvas, Axes]:
    """A figure with one plot."""
    figure = canvas(height)
    return figure, figure.subplots()


def score_axis(findings: Findings) -> str:
    """What an axis of trials' scores is called."""
    if findings.study.folds is not None:
        return "mean score of the folds"
    return "score on dev" if findings.study.scored_on else "score"


def finish(figure: Canvas, name: str, alt: str, caption: str) -> Figure:
    """Saves a figure for both renderings."""
    alt = plain(alt, longest=1000)
    ConstrainedLayoutEngine().execute(figure)  # once for both files: each would draw twice to lay out its own
    vector, pixels = io.BytesIO(), io.BytesIO()
    figure.savefig(vector, format="svg")
    figure.savefig(pixels, format="png", facecolor=PAPER, metadata={"Software": None})
    return Figure(
        name, alt, plain(caption, longest=1000), _inline(vector.getvalue(), name, alt), pixels.getvalue()
    )


def _inline(svg: bytes, name: str, alt: str) -> str:
    """An SVG that can stand in a page beside others: own ids, no sizes, no metadata, themed colours."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(svg)
    for element in list(root):
        if element.tag == f"{{{SVG}}}metadata":
            root.remove(element)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    for element in root.iter():
        for attribute, value in element.attrib.items():
            element.set(attribute, _own(attribute, value, name))
    return ElementTree.tostring(root, encoding="unicode")


def _own(attribute: str, value: str, name: str) -> str:
    if attribute == "id":
        return f"{name}-{value}"
    if attribute == f"{{{XLINK}}}href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    if attribute in ("style", "fill", "stroke", "clip-path"):
        value = value.replace("url(#", f"url(#{name}-")
        return re.sub(r"#[0-9a-f]{6}", lambda found: _themed(found[0]), value)
    return value


def _themed(colour: str) -> str:
    return f"var({VARIABLES[colour]}, {colour})" if colour in VARIABLES else colour
