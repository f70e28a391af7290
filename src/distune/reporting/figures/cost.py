"""The time of the trials by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from distune.analysis.findings import Findings
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.search_phases import seconds_by_stage
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import INK, SERIES, canvas, finish
from distune.utils.text import counted

MOST_BARS = 120
BRIEF = 0.03


def draw(findings: Findings) -> Figure | None:
    """Stacked bars by stage, one a trial; None where no trial records its stages."""
    staged = [
        (phase.title, trials)
        for phase in findings.phases
        if (trials := [trial for trial in phase.study.trials if trial.stage_seconds])
    ]
    return _by_stage(seconds_by_stage(findings.phases), staged) if staged else None


def _by_stage(by_stage: Mapping[str, float], phases: Sequence[tuple[str, list[TrialRecord]]]) -> Figure:
    """One plot a phase, side by side with the same scale."""
    trials = [trial for _, each in phases for trial in each]
    unit, name = _unit(max(sum((trial.stage_seconds or {}).values()) for trial in trials))
    figure = canvas(3.4)
    widths = [max(len(each), len(trials) / 4) for _, each in phases]
    plots = figure.subplots(1, len(phases), sharey=True, squeeze=False, width_ratios=widths)[0]
    for axes, (title, each) in zip(plots, phases, strict=True):
        _bars(axes, list(by_stage), _groups(each), unit)
        _pruned(axes, each, unit)
        axes.set_xlabel(f"trial of the {title}" if title else "trial")
    plots[0].set_ylabel(f"{name} per trial")
    handles, labels = plots[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, columnspacing=1.2, handletextpad=0.5)
    total = sum(by_stage.values())
    said = ", ".join(
        f"{stage} {formats.share(seconds / total)}" for stage, seconds in by_stage.items() if total
    )
    caption = "Time per trial by stage." + _from_the_store(trials)
    sizes = {-(-len(each) // MOST_BARS) for _, each in phases} - {1}
    if sizes:
        caption += (
            f" Each bar is the mean of {' or '.join(str(size) for size in sorted(sizes))} trials in a row."
        )
    return finish(
        figure,
        "cost",
        f"Time of {counted(len(trials), 'trial')} by stage, without the time between stages: {said}.",
        caption,
    )


def _bars(axes: Axes, stages: Sequence[str], groups: Sequence[list[TrialRecord]], unit: float) -> None:
    places = np.array([group[0].number for group in groups], dtype=float)
    width = 0.8 * (float(np.diff(places).min()) if len(places) > 1 else 1.0)
    bottom = np.zeros(len(groups))
    for colour, stage in zip(SERIES * 3, stages, strict=False):
        heights = np.array(
            [np.mean([(trial.stage_seconds or {}).get(stage, 0.0) for trial in group]) for group in groups]
        )
        axes.bar(
            places, heights / unit, width, bottom=bottom / unit, color=colour, label=formats.plain(stage, 30)
        )
        bottom += heights
    axes.grid(axis="x", visible=False)


def _pruned(axes: Axes, trials: list[TrialRecord], unit: float) -> None:
    """A mark above the bars of pruned trials, where each trial has a bar of its own."""
    pruned = [trial for trial in trials if trial.state == "pruned"]
    if not pruned or len(trials) > MOST_BARS:
        return
    heights = [sum((trial.stage_seconds or {}).values()) / unit for trial in pruned]
    axes.scatter(
        [trial.number for trial in pruned], [height + 0.03 * axes.get_ylim()[1] for height in heights],
        s=18, marker="v", facecolors="none", edgecolors=INK, linewidths=0.9, label="pruned",
    )  # fmt: skip


def _from_the_store(trials: Sequence[TrialRecord]) -> str:
    """Why some bars have no teacher; nothing where all have one, or none was found in the store."""
    found = [trial for trial in trials if _took_its_teacher(trial)]
    if not found or len(found) == len(trials):
        return ""
    one = len(found) == 1
    return (
        f" {'Trial' if one else 'Trials'} {formats.listing([str(trial.number) for trial in found])} took "
        f"{'its teacher' if one else 'their teachers'} from the store, so that stage is not seen."
    )


def _took_its_teacher(trial: TrialRecord) -> bool:
    """Whether the store had the teacher, so that the stage took almost no time."""
    stages = trial.stage_seconds or {}
    is_brief = stages.get("teacher", 0.0) < BRIEF * sum(stages.values())
    return is_brief and "student" in stages and bool((trial.cache or {}).get("hits"))


def _groups(trials: list[TrialRecord]) -> list[list[TrialRecord]]:
    """Trials one by one, or so many in a row that there are few enough bars."""
    size = -(-len(trials) // MOST_BARS)
    return [trials[start : start + size] for start in range(0, len(trials), size)]


def _unit(longest: float) -> tuple[float, str]:
    if longest < 120:
        return 1.0, "seconds"
    return (60.0, "minutes") if longest < 7200 else (3600.0, "hours")
