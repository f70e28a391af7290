"""Scores over the search space: slices, the best pair, and all parameters side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from distune.analysis.findings import Findings
from distune.analysis.records import TrialRecord
from distune.analysis.space import Parameter
from distune.analysis.unknown import Unknown
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
REACH = 0.17
GRID_POINTS = 60
MOST_FITTED = 400
TOP = 10
MOST_LINES = 1000


def draw_slices(findings: Findings) -> Figure | None:
    """Score against each parameter."""
    parameters = _by_importance(findings)[:MOST_PANELS]
    trials = findings.study.complete
    if not parameters or len(trials) < FEWEST:
        return None
    rows = math.ceil(len(parameters) / COLUMNS)
    figure = canvas(0.5 + 1.75 * rows)
    panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel()
    few = len(trials) <= MANY_POINTS // 4
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
        _scale(axes, parameter)
        axes.set_title(formats.plain(parameter.name, 24), fontsize=8.5, fontweight="normal")
    for axes in panels[len(parameters) :]:
        axes.set_axis_off()
    figure.supylabel(score_axis(findings), fontsize=10, color=INK)
    alt = f"Score of {len(trials)} complete trials against each of {len(parameters)} parameters."
    caption = "Complete trials by each parameter's value; the ring is the best trial. Other parameters vary as well."
    return finish(figure, "slices", alt, caption)


def draw_contour(findings: Findings) -> Figure | None:
    """The score over the two most important numeric parameters, where trials are near."""
    parameters = [parameter for parameter in _by_importance(findings) if parameter.levels is None][:2]
    if len(parameters) < 2:
        return None
    across, up = parameters
    trials = [t for t in findings.study.complete if across.name in t.params and up.name in t.params]
    if len(trials) < FEWEST:
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
    for axis, parameter in ((axes.xaxis, across), (axes.yaxis, up)):
        axis.set_label_text(formats.plain(parameter.name, 40))
    _scale(axes, across)
    if up.log:
        log_scale(axes, "y", _log_ticks(up))
    alt = (
        f"Smoothed score over {across.name} and {up.name} from {len(trials)} complete trials; best at "
        f"{_pair(findings.ranking.trials[0], across, up)}."
    )
    caption = "The two numeric parameters of most importance; blank where no trial is near. Dots are complete trials."
    return finish(figure, "contour", alt, caption)


def draw_parallel(findings: Findings) -> Figure | None:
    """One line a trial through all parameters."""
    parameters = [
        p
        for p in findings.study.space.values()
        if p.levels != [] and (p.kind == "categorical" or p.low != p.high)
    ]
    trials = [trial for trial in findings.study.trials if trial.state in ("complete", "pruned")][-MOST_LINES:]
    if len(parameters) < 2 or len(trials) < FEWEST:
        return None
    best = {trial.number for trial in findings.ranking.top(TOP)}
    figure, axes = one(4.2)
    groups = (
        ("pruned", [t for t in trials if t.state == "pruned"], ORANGE, 0.35, 0.8),
        ("complete", [t for t in trials if t.state == "complete" and t.number not in best], FAINT, 0.5, 0.9),
        (f"best {len(best)}", [t for t in findings.study.complete if t.number in best], BLUE, 0.95, 1.8),
    )
    for label, members, colour, alpha, width in groups:
        lines = [line for trial in members if (line := _line(trial, parameters)) is not None]
        if lines:
            axes.add_collection(
                LineCollection(lines, colors=colour, alpha=alpha, linewidths=width, rasterized=len(lines) > 200,
                               linestyles="--" if label == "pruned" else "-")
            )  # fmt: skip
            axes.plot(
                [],
                [],
                color=colour,
                linewidth=width,
                linestyle="--" if label == "pruned" else "-",
                label=label,
            )
    for place, parameter in enumerate(parameters):
        axes.axvline(place, color=FAINT, linewidth=0.8, zorder=0)
        for height, name in _ends(parameter):
            axes.annotate(
                name,
                (place, height),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=7.5,
                va="center",
                bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
    axes.set_xlim(-0.2, len(parameters) - 0.4)
    axes.set_ylim(-0.06, 1.06)
    axes.set_xticks(
        range(len(parameters)), [formats.plain(p.name, 24) for p in parameters], rotation=32, ha="right"
    )
    axes.set_yticks([])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=3)
    alt = (
        f"{len(trials)} trials as lines through {len(parameters)} parameters; the best {len(best)} stand out."
    )
    return finish(figure, "parallel", alt, "Each line is a trial, from parameter to parameter.")


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
