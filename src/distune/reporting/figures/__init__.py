"""The figures of the report, drawn once from the findings."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.reporting.document import Figure
from distune.reporting.figures import backend as backend
from distune.reporting.figures import bars, cost, curves, history, learning, model, space, style
from distune.utils.progress import report_progress

DRAWERS = (
    history.draw,
    curves.draw_all,
    bars.draw_importance,
    space.draw_slices,
    learning.draw_learning,
    model.draw_confusion,
    model.draw_reliability,
    cost.draw,
    bars.draw_confirmed,
)
NAMES = (
    *("history", "intermediate", "importance", "slices"),
    *("learning", "confusion", "reliability", "cost", "gains"),
    *("effects", "contour", "parallel"),  # of reports of earlier versions
)


def draw(findings: Findings) -> dict[str, Figure]:
    """Draws every figure that the findings hold the numbers for, by name."""
    with style.look():
        drawn = []
        for done, drawer in enumerate(DRAWERS, start=1):
            drawn.append(drawer(findings))
            report_progress("drawing figures", done, len(DRAWERS))
    return {figure.name: figure for figure in drawn if figure is not None}
