"""All parameters side by side: one line a trial, coloured by its score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize

from distune.analysis.findings import Findings
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import FAINT, INK, PAPER, finish, one, score_axis

MOST_LINES = 1000
MANY_LINES = 200
RAMP = ("#5f86b3", "#9a8f8a", "#d0660c")
"""From low to high scores, legible on light and on dark paper."""


def draw_parallel(findings: Findings) -> Figure | None:
    """One line a trial through all parameters."""
    study = findings.study
    parameters = [
        parameter
        for parameter in study.space.values()
        if (
            len(parameter.choices) > 1 if parameter.kind == "categorical" else parameter.low != parameter.high
        )
    ]
    trials = [trial for trial in study.trials if trial.state in ("complete", "pruned")][-MOST_LINES:]
    complete = [trial for trial in trials if trial.value is not None]
    if len(parameters) < 2 or isinstance(findings.importance, Unknown):
        return None
    figure, axes = one(4.4)
    _draw(
        axes, [t for t in trials if t.state == "pruned"], parameters, colors=FAINT, alpha=0.3, linewidths=0.7
    )
    # The better ones lie on top.
    ordered = sorted(complete, key=lambda trial: study.sign * (trial.value or 0.0))
    scores = np.array([trial.value for trial in ordered], dtype=float)
    ramp = LinearSegmentedColormap.from_list("score", RAMP if study.sign > 0 else RAMP[::-1])
    scale = Normalize(float(scores.min()), float(scores.max()))
    _draw(axes, ordered, parameters, array=scores, cmap=ramp, norm=scale, alpha=0.85, linewidths=1.2)
    best = findings.ranking.trials[0]
    _draw(axes, [best], parameters, colors=INK, linewidths=2.2)
    bar = figure.colorbar(ScalarMappable(scale, ramp), ax=axes, label=score_axis(findings), pad=0.02)
    bar.outline.set_edgecolor(FAINT)
    for place, parameter in enumerate(parameters):
        axes.axvline(place, color=FAINT, linewidth=0.8, zorder=0)
        for height, name in _ends(parameter):
            _annotate(axes, place, height, name)
    axes.set_xlim(-0.3, len(parameters) - 0.7)
    axes.set_ylim(-0.09, 1.09)
    axes.set_xticks(
        range(len(parameters)), [formats.plain(p.name, 24) for p in parameters], rotation=32, ha="right"
    )
    axes.set_yticks([])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    pruned = len(trials) - len(complete)
    alt = f"{len(trials)} trials as lines through {len(parameters)} parameters; the best is trial {best.number}."
    caption = (
        f"Each line is a trial, coloured by its score; the thick dark one is the best, trial {best.number}."
    )
    if pruned:
        caption += f" Grey: {pruned} pruned trials, without a final score."
    return finish(figure, "parallel", alt, caption)


def _draw(axes: Axes, trials: Sequence[TrialRecord], parameters: Sequence[Parameter], **look: Any) -> None:
    drawn = [
        (line, index) for index, trial in enumerate(trials) if (line := _line(trial, parameters)) is not None
    ]
    if "array" in look:
        look["array"] = look["array"][[index for _, index in drawn]]
    axes.add_collection(
        LineCollection([line for line, _ in drawn], rasterized=len(drawn) > MANY_LINES, **look)
    )


def _annotate(axes: Axes, place: int, height: float, name: str) -> None:
    """Names of the ends stand beyond them, where no line goes; those between have paper behind them."""
    beyond = {0.0: -8, 1.0: 8}.get(height, 0)
    axes.annotate(
        name, (place, height), xytext=(0 if beyond else 4, beyond), textcoords="offset points", fontsize=7.5,
        ha="center" if beyond else "left", va="center", zorder=5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def _line(trial: TrialRecord, parameters: Sequence[Parameter]) -> list[tuple[float, float]] | None:
    heights = [_height(parameter, trial.params.get(parameter.name)) for parameter in parameters]
    if any(height is None for height in heights):
        return None
    return [(float(place), height) for place, height in enumerate(heights) if height is not None]


def _height(parameter: Parameter, value: Any) -> float | None:
    if parameter.kind != "categorical":
        return parameter.position(value)
    if value not in parameter.choices:
        return None
    return parameter.choices.index(value) / max(len(parameter.choices) - 1, 1)


def _ends(parameter: Parameter) -> list[tuple[float, str]]:
    levels = parameter.levels
    if levels is not None and len(levels) <= 6:
        return [(_height(parameter, level) or 0.0, formats.plain(level, 12)) for level in levels]
    if parameter.kind == "categorical":
        return [
            (0.0, formats.plain(parameter.choices[0], 12)),
            (1.0, formats.plain(parameter.choices[-1], 12)),
        ]
    return [(float(end), formats.short(parameter, parameter.at(end))) for end in (0, 1)]
