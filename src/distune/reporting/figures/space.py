"""Scores over the search space, one panel a parameter."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullLocator

from distune.analysis.findings import Findings
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, parameters
from distune.reporting.document import Figure
from distune.reporting.figures.style import (
    BLUE,
    INK,
    MANY_POINTS,
    ORANGE,
    canvas,
    finish,
    score_axis,
)
from distune.utils.text import counted

COLUMNS = 3
MOST_PANELS = 16
MOST_TICKS = 400


def draw_slices(findings: Findings) -> Figure | None:
    """Score against each parameter; pruned trials, which have no final score, as ticks at the foot."""
    if isinstance(findings.importance, Unknown):
        return None
    space, trials = findings.study.space, findings.study.complete
    searched = [space[share.parameter] for share in findings.importance.shares[:MOST_PANELS]]
    rows = math.ceil(len(searched) / COLUMNS)
    figure = canvas(0.5 + 1.75 * rows)
    panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    few = len(trials) <= MANY_POINTS // 4
    pruned = findings.study.of("pruned")[-MOST_TICKS:]
    best = findings.ranking.trials[0].number
    for axes, parameter in zip(panels, searched, strict=False):
        shown = [trial for trial in trials if parameter.name in trial.params]
        across = [_coordinate(parameter, trial.params[parameter.name]) for trial in shown]
        scores = [trial.value or 0.0 for trial in shown]
        axes.scatter(
            across, scores, s=14 if few else 4, color=BLUE, alpha=0.5, edgecolors="none", rasterized=not few
        )
        for place, score, trial in zip(across, scores, shown, strict=True):
            if trial.number == best:
                axes.plot(
                    [place], [score], "o", markersize=9, fillstyle="none", color=ORANGE, markeredgewidth=1.8
                )
        _rug(axes, parameter, pruned)
        _scale(axes, parameter)
        _span(axes, parameter)
        axes.set_title(formats.plain(parameter.name, 24), fontsize=8.5, fontweight="normal")
    for axes in panels[len(searched) :]:
        axes.set_axis_off()
    figure.supylabel(score_axis(findings), fontsize=10, color=INK)
    alt = f"Score of {counted(len(trials), 'complete trial')} against each of {counted(len(searched), 'parameter')}."
    caption = "Complete trials by each parameter's value; the ring is the best trial. Other parameters vary as well."
    if pruned:
        caption += " Ticks at the foot are pruned trials, which have no final score."
    return finish(figure, "slices", alt, caption)


def _coordinate(parameter: Parameter, value: Any) -> float:
    """Where a value is drawn: itself, or the index of a choice (beyond the last where it is no choice)."""
    if parameter.kind != "categorical":
        return float(value)
    return float(parameter.choices.index(value) if value in parameter.choices else len(parameter.choices))


def _rug(axes: Axes, parameter: Parameter, pruned: list[TrialRecord]) -> None:
    held = [trial.params[parameter.name] for trial in pruned if parameter.name in trial.params]
    places = [_coordinate(parameter, value) for value in held]
    ticks = LineCollection(
        [[(place, 0.01), (place, 0.06)] for place in places], colors=ORANGE, alpha=0.55, linewidths=1.0,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.add_collection(ticks, autolim=False)


def _span(axes: Axes, parameter: Parameter) -> None:
    """The axis shows the whole searched range, tried or not, and what the base config brought from outside."""
    if parameter.kind == "categorical":
        low, high, is_log = 0.0, float(len(parameter.choices) - 1), False
    else:
        assert parameter.low is not None and parameter.high is not None
        low, high, is_log = parameter.low, parameter.high, parameter.log
    shown = axes.dataLim.intervalx
    low, high = min(low, shown[0]), max(high, shown[1])
    if is_log:
        margin = (high / low) ** 0.06
        axes.set_xlim(low / margin, high * margin)
    else:
        margin = 0.06 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)


def _scale(axes: Axes, parameter: Parameter) -> None:
    if parameter.kind == "categorical":
        axes.set_xticks(
            range(len(parameter.choices)), [formats.plain(choice, 14) for choice in parameter.choices]
        )
    elif parameter.log:
        ticks = _log_ticks(parameter)
        axes.set_xscale("log")
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.xaxis.set_minor_locator(NullLocator())
    elif parameter.levels is not None and len(parameter.levels) <= 6:
        axes.set_xticks(parameter.levels)


def _log_ticks(parameter: Parameter) -> dict[float, str]:
    """Both ends and the middle, which are enough to read a range of factors."""
    middle = float(f"{parameter.at(0.5):.1g}")
    return {
        value: parameters.short(parameter, value)
        for value in (parameter.low, middle, parameter.high)
        if value
    }
