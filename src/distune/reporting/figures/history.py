"""The scores of all trials in the order of the study, and how far those went that have none."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distune.analysis.findings import Findings
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import (
    BLUE,
    INK,
    MANY_POINTS,
    ORANGE,
    PAPER,
    RED,
    canvas,
    finish,
    score_axis,
)
from distune.utils.text import counted


def draw(findings: Findings) -> Figure | None:
    """Complete trials with the best so far; below them, on an axis of their own, where the others ended.

    The last score of a pruned trial is of fewer epochs or folds than a final one, so the two share no axis.
    """
    study, best = findings.study, findings.ranking.best
    if best is None:
        return None
    ended = [trial for trial in study.trials if trial.state in ("pruned", "failed")]
    figure = canvas(3.6 if ended else 2.8)
    panels = figure.subplots(
        2 if ended else 1, 1, sharex=True, squeeze=False, height_ratios=(3, 1) if ended else None
    ).ravel()
    few = len(study.trials) <= MANY_POINTS
    _complete(panels[0], findings, best, few)
    panels[0].set_ylabel(score_axis(findings))
    if ended:
        _ended(panels[1], study, ended, few)
    panels[-1].set_xlabel("trial")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.0, handletextpad=0.4)
    scores = [trial.value or 0.0 for trial in study.complete]
    counts = {state: len(study.of(state)) for state in ("pruned", "failed")}
    alt = (
        f"Scores of {counted(len(scores), 'complete trial')} between {formats.score(min(scores))} and "
        f"{formats.score(max(scores))}, {counts['pruned']} pruned and {counts['failed']} failed; "
        f"the best is trial {best.number} with {formats.score(best.value)}."
    )
    caption = "Score of every complete trial" + " in the table" * bool(study.absent)
    if ended and not _has_steps(study):
        caption += "; below, the trials that ended without one"
    elif ended:
        caption += (
            f"; below, the {_step(study)} after which the others ended: scores of pruned ones are of fewer "
            f"{_step(study)} and cannot be compared"
        )
    return finish(figure, "history", alt, f"{caption}.")


def _complete(axes: Axes, findings: Findings, best: TrialRecord, few: bool) -> None:
    study = findings.study
    numbers = [trial.number for trial in study.complete]
    scores = np.array([trial.value for trial in study.complete], dtype=float)
    running = np.maximum.accumulate(scores) if study.sign > 0 else np.minimum.accumulate(scores)
    last = study.trials[-1].number
    axes.step(
        [*numbers, last],
        [*running, running[-1]],
        where="post",
        color=INK,
        linewidth=1.2,
        label="best so far" + " in the table" * bool(study.absent),
    )
    axes.scatter(
        numbers, scores, s=_size(study), color=BLUE, edgecolors=PAPER, linewidths=0.5, zorder=3, rasterized=not few,
        label=f"complete ({len(numbers)})",
    )  # fmt: skip
    axes.annotate(
        f"trial {best.number}: {formats.score(best.value)}", (best.number, float(best.value or 0.0)),
        xytext=(0, 9 if study.sign > 0 else -14), textcoords="offset points",
        ha=_alignment(best.number, last), fontsize=9,
    )  # fmt: skip
    axes.margins(x=0.02, y=0.14)


def _ended(axes: Axes, study: StudyRecord, ended: list[TrialRecord], few: bool) -> None:
    for state, mark, colour in (("pruned", "v", ORANGE), ("failed", "x", RED)):
        shown = [trial for trial in ended if trial.state == state]
        if shown:
            axes.plot(
                [trial.number for trial in shown], [len(trial.intermediate) for trial in shown], mark, color=colour,
                markersize=5 if _size(study) > 10 else 2.5, linestyle="none", fillstyle="none", clip_on=False,
                rasterized=not few, label=f"{state} ({len(shown)})",
            )  # fmt: skip
    if not _has_steps(study):
        axes.set_yticks([])
        return
    axes.set_ylim(-0.3, max(len(trial.intermediate) for trial in study.trials) + 0.3)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes.set_ylabel(_step(study))


def _has_steps(study: StudyRecord) -> bool:
    return any(trial.intermediate for trial in study.trials)


def _step(study: StudyRecord) -> str:
    return "folds" if study.folds is not None else "epochs"


def _size(study: StudyRecord) -> int:
    return 26 if len(study.trials) <= 200 else 8


def _alignment(number: int, last: int) -> str:
    """Where the text of a mark goes, so that it crosses no end of the axis."""
    place = number / max(last, 1)
    return "left" if place < 0.1 else "right" if place > 0.9 else "center"
