"""Scores over the search space: slices, and the best pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from distune.analysis.findings import Findings
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import (
    BLUE,
    FAINT,
    INK,
    MANY_POINTS,
    ORANGE,
    PAPER,
    canvas,
    finish,
    log_scale,
    one,
    score_axis,
)

COLUMNS = 4
MOST_PANELS = 16
FEWEST = 8
FEWEST_FOR_CONTOUR = 15
REACH = 0.17
GRID_POINTS = 60
MOST_FITTED = 400
MOST_TICKS = 400


def draw_slices(findings: Findings) -> Figure | None:
    """Score against each parameter; pruned trials, which have no final score, as ticks at the foot."""
    parameters = _by_importance(findings)[:MOST_PANELS]
    trials = findings.study.complete
    if not parameters or len(trials) < FEWEST:
        return None
    rows = math.ceil(len(parameters) / COLUMNS)
    figure = canvas(0.5 + 1.75 * rows)
    panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    few = len(trials) <= MANY_POINTS // 4
    pruned = findings.study.of("pruned")[-MOST_TICKS:]
    best = findings.ranking.trials[0].number
    for axes, parameter in zip(panels, parameters, strict=False):
        shown = [trial for trial in trials if parameter.name in trial.params]
        places = np.array([_coordinate(parameter, trial.params[parameter.name]) for trial in shown])
        across, scores = _jittered(parameter, places), [trial.value or 0.0 for trial in shown]
        axes.scatter(
            across, scores, s=14 if few else 4, color=BLUE, alpha=0.75, edgecolors="none", rasterized=not few
        )
        for place, score, trial in zip(across, scores, shown, strict=True):
            if trial.number == best:
                _ring(axes, place, score)
        _rug(axes, parameter, pruned)
        _scale(axes, parameter)
        _span(axes, parameter)
        axes.set_title(formats.plain(parameter.name, 24), fontsize=8.5, fontweight="normal")
    for axes in panels[len(parameters) :]:
        axes.set_axis_off()
    figure.supylabel(score_axis(findings), fontsize=10, color=INK)
    alt = f"Score of {len(trials)} complete trials against each of {len(parameters)} parameters."
    caption = "Complete trials by each parameter's value; the ring is the best trial. Other parameters vary as well."
    if pruned:
        caption += " Ticks at the foot are pruned trials, which have no final score."
    return finish(figure, "slices", alt, caption)


def draw_contour(findings: Findings) -> Figure | None:
    """The score over two numeric parameters, the most important where that is known, where trials are near."""
    parameters = [parameter for parameter in _by_importance(findings) if parameter.levels is None][:2]
    if len(parameters) < 2:
        return None
    across, up = parameters
    trials = [t for t in findings.study.complete if across.name in t.params and up.name in t.params]
    if len(trials) < FEWEST_FOR_CONTOUR:
        return None
    points = np.array([[_at(p, trial.params[p.name]) for p in parameters] for trial in trials])
    scores = np.array([trial.value for trial in trials], dtype=float)
    if len(np.unique(points, axis=0)) < FEWEST:
        return None
    figure, axes = one(4.2)
    ticks = np.linspace(0.0, 1.0, GRID_POINTS)
    surface = _surface(points, scores, ticks)
    filled = axes.contourf(
        [across.at(tick) for tick in ticks],
        [up.at(tick) for tick in ticks],
        surface,
        levels=9,
        cmap="cividis",
        alpha=0.9,
    )
    bar = figure.colorbar(filled, ax=axes, label=f"{score_axis(findings)}, smoothed", pad=0.02)
    bar.outline.set_edgecolor(FAINT)
    axes.scatter(
        [trial.params[across.name] for trial in trials], [trial.params[up.name] for trial in trials], s=20, color=PAPER,
        edgecolors=INK, linewidths=0.8, rasterized=len(trials) > MANY_POINTS,
    )  # fmt: skip
    best = findings.ranking.trials[0]
    if best in trials:
        _ring(axes, best.params[across.name], best.params[up.name])
    for axis, parameter in ((axes.xaxis, across), (axes.yaxis, up)):
        axis.set_label_text(formats.plain(parameter.name, 40))
    _scale(axes, across)
    if up.log:
        log_scale(axes, "y", _log_ticks(up))
    alt = (
        f"Smoothed score over {across.name} and {up.name} from {len(trials)} complete trials; best at "
        f"{_pair(findings.ranking.trials[0], across, up)}."
    )
    which = (
        "Two numeric parameters"
        if isinstance(findings.importance, Unknown)
        else "The two most important numbers"
    )
    caption = f"{which}; blank where no trial is near. Dots are complete trials, the ring is the best."
    return finish(figure, "contour", alt, caption)


def _by_importance(findings: Findings) -> list[Parameter]:
    """Parameters that vary, the most important first where that is known."""
    complete = findings.study.complete
    varying = [
        parameter
        for parameter in findings.study.space.values()
        if len({str(trial.params.get(parameter.name)) for trial in complete}) > 1
    ]
    if isinstance(findings.importance, Unknown):
        return varying
    order = {share.parameter: rank for rank, share in enumerate(findings.importance.shares)}
    return sorted(varying, key=lambda parameter: order.get(parameter.name, len(order)))


def _coordinate(parameter: Parameter, value: Any) -> float:
    """Where a value is drawn: itself, or the index of a choice (beyond the last where it is no choice)."""
    if parameter.kind != "categorical":
        return float(value)
    return float(parameter.choices.index(value) if value in parameter.choices else len(parameter.choices))


def _jittered(parameter: Parameter, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of few levels are moved a little aside, so that they do not hide each other."""
    levels = parameter.levels
    if not levels or len(places) < 2:
        return places
    gap = 1.0 if parameter.kind == "categorical" or len(levels) < 2 else float(levels[1] - levels[0])
    return places + gap * np.random.default_rng(0).uniform(-0.16, 0.16, len(places))


def _rug(axes: Axes, parameter: Parameter, pruned: list[TrialRecord]) -> None:
    held = [trial.params[parameter.name] for trial in pruned if parameter.name in trial.params]
    places = _jittered(parameter, np.array([_coordinate(parameter, value) for value in held]))
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


def _ring(axes: Axes, across: float, score: float) -> None:
    axes.plot([across], [score], "o", markersize=9, fillstyle="none", color=ORANGE, markeredgewidth=1.8)


def _scale(axes: Axes, parameter: Parameter) -> None:
    if parameter.kind == "categorical":
        axes.set_xticks(
            range(len(parameter.choices)), [formats.plain(choice, 14) for choice in parameter.choices]
        )
    elif parameter.log:
        log_scale(axes, "x", _log_ticks(parameter))
    elif parameter.levels is not None and len(parameter.levels) <= 6:
        axes.set_xticks(parameter.levels)


def _log_ticks(parameter: Parameter) -> dict[float, str]:
    """Both ends and the middle, which are enough to read a range of factors."""
    middle = float(f"{parameter.at(0.5):.1g}")
    return {
        value: formats.short(parameter, value) for value in (parameter.low, middle, parameter.high) if value
    }


def _at(parameter: Parameter, value: Any) -> float:
    place = parameter.position(value)
    return 0.5 if place is None else place


def _surface(points: NDArray[np.float64], scores: NDArray[np.float64], ticks: NDArray[np.float64]) -> Any:
    """A smoothed score on a grid, masked where no trial is near."""
    from scipy.interpolate import RBFInterpolator
    from scipy.spatial import cKDTree

    across, up = np.meshgrid(ticks, ticks)
    grid = np.column_stack([across.ravel(), up.ravel()])
    chosen = np.random.default_rng(0).permutation(len(points))[:MOST_FITTED]
    smooth = RBFInterpolator(points[chosen], scores[chosen], kernel="linear", smoothing=0.05, degree=0)
    values = np.clip(smooth(grid), scores.min(), scores.max())
    distance, _ = cKDTree(points).query(grid)
    return np.ma.masked_where(distance > REACH, values).reshape(across.shape)


def _pair(trial: TrialRecord, across: Parameter, up: Parameter) -> str:
    shown = [f"{p.name} {formats.value(p.name, trial.params.get(p.name))}" for p in (across, up)]
    return " and ".join(shown)
