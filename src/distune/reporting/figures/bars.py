"""Importance, effects and gains: one row a parameter or comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, INK, ORANGE, PAPER, finish, one

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
    """Both importances beside what shuffled copies of the parameters get."""
    found = findings.importance
    if isinstance(found, Unknown):
        return None
    shares = found.shares[:MOST_ROWS][::-1]
    figure, axes = one(1.2 + 0.34 * len(shares))
    rows = np.arange(len(shares))
    axes.barh(rows + 0.19, [share.ped_anova for share in shares], 0.36, color=BLUE, label="PED-ANOVA")
    axes.barh(rows - 0.19, [share.fanova or 0.0 for share in shares], 0.36, color=ORANGE, hatch="///",
              edgecolor=PAPER, linewidth=0, label="fANOVA", xerr=[share.fanova_spread or 0.0 for share in shares],
              error_kw={"ecolor": FAINT, "elinewidth": 1.2})  # fmt: skip
    for noise, colour, method in (
        (found.noise_ped_anova, BLUE, "PED-ANOVA"),
        (found.noise_fanova, ORANGE, "fANOVA"),
    ):
        axes.axvline(noise, color=colour, linestyle=":", linewidth=1.6, label=f"shuffled copies, {method}")
    axes.set_yticks(rows, [formats.plain(share.parameter, 40) for share in shares])
    axes.set_xlabel("share of importance")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=4)
    first = shares[-1]
    alt = (
        f"Importance of {len(shares)} parameters by PED-ANOVA and fANOVA; first is {first.parameter} with "
        f"{formats.share(first.ped_anova)} by PED-ANOVA. {len(found.above_noise)} lie above shuffled copies in both."
    )
    caption = "Share of importance; the dotted lines are the most that a shuffled copy of a parameter gets."
    return finish(figure, "importance", alt, caption)


def draw_effects(findings: Findings) -> Figure | None:
    """Each contrast with its interval."""
    found = findings.effects
    if isinstance(found, Unknown):
        return None
    rows = [
        Gain(
            f"{formats.plain(effect.parameter, 30)}: {formats.value(effect.parameter, effect.contrast[0])} → "
            f"{formats.value(effect.parameter, effect.contrast[1])}",
            effect.estimate,
            effect.low,
            effect.high,
        )
        for effect in found.effects
    ]
    clear = [effect.is_clear for effect in found.effects]
    alt = f"Estimated effects of {len(rows)} contrasts with 95 percent intervals; {sum(clear)} clearly differ from 0."
    caption = "Effect on the score with its 95 % interval; filled where it is clear after Holm's correction."
    return _forest(rows, clear, "effects", alt, caption, findings.study.sign)


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
