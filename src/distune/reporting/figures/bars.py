"""Importance and gains: one row a parameter or comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, INK, ORANGE, finish, one

MOST_ROWS = 30
LOWEST = 2.6
LONGEST_LABEL = 70
LONGEST_LINE = 44


@dataclass(frozen=True)
class Gain:
    """A difference of scores with its interval.

    Attributes:
        label: what is compared.
        estimate: the difference.
        low: lower end of the interval.
        high: upper end.
    """

    label: str
    estimate: float
    low: float
    high: float


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
        f"Importance of {len(shares)} parameters; first is {first.parameter} with {formats.share(first.share)}. "
        f"{len(found.named)} lie above what shuffled scores give."
    )
    caption = "Share of importance; the dotted line is what shuffled scores give in one study of 20."
    return finish(figure, "importance", alt, caption)


def draw_confirmed(findings: Findings) -> Figure | None:
    """The comparisons of the confirmation, filled where its verdict tells a difference."""
    if isinstance(findings.confirmation, Unknown):
        return None
    # Baselines stay in the table: beside a lead of 0.7 over the majority class a gain of 0.01 cannot be seen.
    comparisons = findings.confirmation.numbers["comparisons"]
    made = [each for each in comparisons if each["kind"] != "against_baseline"]
    return draw_gains(
        [
            Gain(
                f"{formats.QUESTIONS.get(each['kind'], each['kind'])}: {each['first']} − {each['second']}",
                each["difference"],
                each["low"],
                each["high"],
            )
            for each in made
        ],
        [each["verdict"] != "not significantly different" for each in made],
    )


def draw_gains(gains: Sequence[Gain], clear: Sequence[bool]) -> Figure | None:
    """Confirmed gains with their intervals.

    Args:
        gains: one a comparison.
        clear: whether each is told from none.
    """
    if not gains:
        return None
    said = "; ".join(
        f"{gain.label} {formats.gain(gain.estimate)}, from {formats.gain(gain.low)} to {formats.gain(gain.high)}"
        for gain in gains
    )
    caption = (
        "Differences with their 95 % intervals, each as if it were the only one; filled where the verdict, which is "
        "corrected for their number, is better or worse. Baselines: in the table."
    )
    return _forest(gains, clear, "gains", f"Gains: {said}.", caption)


def _in_two_lines(label: str) -> str:
    """A long label broken after its question, so that two labels never touch."""
    label = formats.plain(label, LONGEST_LABEL)
    return label.replace(": ", ":\n", 1) if len(label) > LONGEST_LINE else label


def _forest(
    rows: Sequence[Gain], clear: Sequence[bool], name: str, alt: str, caption: str, sign: float = 1.0
) -> Figure:
    shown = list(zip(rows, clear, strict=True))[:MOST_ROWS][::-1]
    figure, axes = one(max(LOWEST, 0.9 + 0.36 * len(shown)))
    axes.axvline(0.0, color=INK, linewidth=1.0)
    for place, (row, is_clear) in enumerate(shown):
        colour = BLUE if is_clear else FAINT
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.8, solid_capstyle="round")
        axes.plot(
            [row.estimate], [place], "o", color=colour, markersize=6, fillstyle="full" if is_clear else "none"
        )
    axes.set_yticks(range(len(shown)), [_in_two_lines(row.label) for row, _ in shown])
    axes.set_ylim(-0.7, len(shown) - 0.3)
    left, right = ("worse", "better") if sign > 0 else ("better", "worse")
    axes.set_xlabel(f"← {left}  ·  difference of the score  ·  {right} →")
    return finish(figure, name, alt, caption)
