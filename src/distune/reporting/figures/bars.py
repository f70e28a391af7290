"""Importance and gains: one row a parameter or comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, INK, ORANGE, PAPER, canvas, finish, one
from distune.utils.text import counted

MOST_ROWS = 30
LONGEST_LABEL = 70
VERY_DIFFERENT = 4.0
"""How many times farther the widest interval may reach than the narrowest on one scale."""


@dataclass(frozen=True)
class Gain:
    """A difference of scores with its interval.

    Attributes:
        label: what is compared.
        estimate: the difference.
        low: lower end of the interval.
        high: upper end.
        is_significant: whether the verdict is better or worse.
    """

    label: str
    estimate: float
    low: float
    high: float
    is_significant: bool


def draw_importance(findings: Findings) -> Figure | None:
    """The importance of each parameter beside what shuffled scores give."""
    found = findings.importance
    if isinstance(found, Unknown):
        return None
    shares = found.shares[:MOST_ROWS][::-1]
    figure, axes = one(1.2 + 0.34 * len(shares))
    colours = [BLUE if share.parameter in found.named else FAINT for share in shares]
    axes.barh(range(len(shares)), [share.share for share in shares], 0.6, color=colours)
    axes.axvline(found.floor, color=ORANGE, linestyle=":", linewidth=1.6)
    axes.set_yticks(range(len(shares)), [formats.plain(share.parameter, 40) for share in shares])
    axes.set_xlabel("share of importance")
    axes.grid(axis="y", visible=False)
    first = shares[-1]
    alt = (
        f"Importance of {counted(len(shares), 'parameter')}; first is {first.parameter} with "
        f"{formats.share(first.share)}. "
        f"{counted(len(found.named), 'lies', 'lie')} above what shuffled scores give."
    )
    caption = "Share of importance; the dotted line is what shuffled scores give in one study of 20."
    return finish(figure, "importance", alt, caption)


def draw_confirmed(findings: Findings) -> Figure | None:
    """The comparisons that answer the page's questions, filled where the verdict is better or worse."""
    numbers = verdicts.current(findings)
    if numbers is None:
        return None
    return draw_gains(
        [
            Gain(
                f"{verdicts.named(numbers, each['first'])} − {verdicts.named(numbers, each['second'])}",
                each["difference"],
                each["low"],
                each["high"],
                each["verdict"] in verdicts.ANSWERS,
            )
            for each in (*verdicts.first_answers(numbers), *verdicts.further_answers(numbers))
        ]
    )


def draw_gains(gains: Sequence[Gain]) -> Figure | None:
    """Confirmed gains with their intervals; those of very different size on scales of their own.

    Args:
        gains: one a comparison.
    """
    if not gains:
        return None
    said = "; ".join(
        f"{gain.label} {formats.gain(gain.estimate)}, from {formats.gain(gain.low)} to {formats.gain(gain.high)}"
        for gain in gains
    )
    caption = (
        "Differences with their 95 % intervals; filled where the verdict is significantly better or worse."
    )
    panels = _by_size(gains)
    if len(panels) > 1:
        caption += " The panels have scales of their own."
    figure = canvas(sum(0.75 + 0.46 * len(rows) for rows in panels) + 0.2)
    heights = [len(rows) + 0.6 for rows in panels]
    plots = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    titles = ("Finer scale", "Coarser scale") if len(panels) > 1 else ("",)
    for axes, rows, title in zip(plots, panels, titles, strict=True):
        _rows(axes, rows)
        axes.set_title(title)
    plots[-1].set_xlabel("← second scores higher · difference · first scores higher →")
    return finish(figure, "gains", f"Gains: {said}.", caption)


def _by_size(gains: Sequence[Gain]) -> list[list[Gain]]:
    """Gains in their order, in two groups where the widest reaches much farther from 0 than the narrowest."""
    reach = [max(-gain.low, gain.high) for gain in gains]
    if max(reach) <= VERY_DIFFERENT * min(reach):
        return [list(gains)]
    edge = math.sqrt(max(reach) * max(min(reach), max(reach) / 1e6))
    small = [gain for gain, each in zip(gains, reach, strict=True) if each <= edge]
    return [small, [gain for gain, each in zip(gains, reach, strict=True) if each > edge]]


def _rows(axes: Axes, gains: Sequence[Gain]) -> None:
    """One line a gain, the first at the top; its label stands above it, so that a small screen shows the zero line."""
    axes.axvline(0.0, color=INK, linewidth=1.0, zorder=1)
    for place, gain in enumerate(reversed(gains)):
        colour = BLUE if gain.is_significant else FAINT
        axes.plot([gain.low, gain.high], [place, place], color=colour, linewidth=1.8, solid_capstyle="round")
        axes.plot(
            [gain.estimate],
            [place],
            "o",
            color=colour,
            markersize=6,
            fillstyle="full" if gain.is_significant else "none",
        )
        axes.annotate(
            formats.plain(gain.label, LONGEST_LABEL), (0, place), xycoords=("axes fraction", "data"),
            xytext=(4, 5), textcoords="offset points", fontsize=9, zorder=1.5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.5, len(gains) - 0.2)
