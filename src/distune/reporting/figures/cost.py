"""The time of the trials by stage."""

from __future__ import annotations

import numpy as np

from distune.analysis.findings import Findings
from distune.analysis.records import TrialRecord
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, ORANGE, RED, SERIES, finish, one

MOST_BARS = 120
STATE_COLOURS = {"complete": BLUE, "pruned": ORANGE, "failed": RED}


def draw(findings: Findings) -> Figure | None:
    """Stacked bars by stage where stages are recorded, else one bar a trial by its state."""
    staged = [trial for trial in findings.study.trials if trial.stage_seconds]
    if staged:
        return _by_stage(findings, staged)
    timed = [
        trial for trial in findings.study.trials if trial.seconds is not None and trial.state in STATE_COLOURS
    ]
    return _by_state(timed) if timed else None


def _by_stage(findings: Findings, trials: list[TrialRecord]) -> Figure:
    stages = list(findings.cost.stages)
    groups = _groups(trials)
    figure, axes = one(3.4)
    places = np.array([group[0].number for group in groups], dtype=float)
    width = 0.8 * (float(np.diff(places).min()) if len(places) > 1 else 1.0)
    bottom = np.zeros(len(groups))
    unit, name = _unit(max(sum((trial.stage_seconds or {}).values()) for trial in trials))
    for colour, stage in zip(SERIES * 3, stages, strict=False):
        heights = np.array(
            [np.mean([(trial.stage_seconds or {}).get(stage, 0.0) for trial in group]) for group in groups]
        )
        axes.bar(
            places, heights / unit, width, bottom=bottom / unit, color=colour, label=formats.plain(stage, 30)
        )
        bottom += heights
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{name} per trial")
    axes.grid(axis="x", visible=False)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=6, columnspacing=1.2, handletextpad=0.5
    )
    total = sum(findings.cost.stages.values())
    said = ", ".join(
        f"{stage} {formats.share(seconds / total)}"
        for stage, seconds in findings.cost.stages.items()
        if total
    )
    caption = "Time per trial by stage."
    if len(groups) < len(trials):
        caption += f" Each bar is the mean of {len(groups[0])} trials in a row."
    return finish(figure, "cost", f"Time of {len(trials)} trials by stage: {said}.", caption)


def _by_state(trials: list[TrialRecord]) -> Figure:
    groups = _groups(trials)
    figure, axes = one(3.0)
    unit, name = _unit(max(trial.seconds or 0.0 for trial in trials))
    for state, colour in STATE_COLOURS.items():
        shown = [[t.seconds or 0.0 for t in group if t.state == state] for group in groups]
        heights = np.array([float(np.mean(seconds)) / unit if seconds else 0.0 for seconds in shown])
        if heights.any():
            axes.bar(
                [group[0].number for group in groups],
                heights,
                0.8 * len(groups[0]),
                color=colour,
                label=state,
            )
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{name} per trial")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    mean = float(np.mean([trial.seconds or 0.0 for trial in trials]))
    return finish(
        figure,
        "cost",
        f"Time of {len(trials)} trials, {formats.duration(mean)} on average.",
        "Time per trial. The trials do not record their stages.",
    )


def _groups(trials: list[TrialRecord]) -> list[list[TrialRecord]]:
    """Trials one by one, or so many in a row that there are few enough bars."""
    size = -(-len(trials) // MOST_BARS)
    return [trials[start : start + size] for start in range(0, len(trials), size)]


def _unit(longest: float) -> tuple[float, str]:
    if longest < 120:
        return 1.0, "seconds"
    return (60.0, "minutes") if longest < 7200 else (3600.0, "hours")
