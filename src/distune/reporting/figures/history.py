"""The scores of all trials in the order of the study."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distune.analysis.findings import Findings
from distune.analysis.records import TrialRecord
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import (
    BLUE,
    INK,
    MANY_POINTS,
    ORANGE,
    PAPER,
    RED,
    finish,
    one,
    score_axis,
)


def draw(findings: Findings) -> Figure | None:
    """Complete trials, pruned ones at their last score, failed ones as marks, and the best so far."""
    study, best = findings.study, findings.ranking.best
    complete = study.complete
    if best is None or not complete:
        return None
    pruned = [trial for trial in study.of("pruned") if trial.intermediate]
    failed = study.of("failed")
    figure, axes = one(3.6)
    few = len(study.trials) <= MANY_POINTS
    size = 26 if len(study.trials) <= 200 else 8
    numbers = [trial.number for trial in complete]
    scores = np.array([trial.value for trial in complete], dtype=float)
    running = np.maximum.accumulate(scores) if study.sign > 0 else np.minimum.accumulate(scores)
    axes.step(numbers, running, where="post", color=INK, linewidth=1.2, label="best so far")
    axes.scatter(
        numbers, scores, s=size, color=BLUE, edgecolors=PAPER, linewidths=0.5, zorder=3, rasterized=not few,
        label=f"complete ({len(complete)})",
    )  # fmt: skip
    edge = _edge(scores, [_last(trial) for trial in pruned], study.sign)
    beyond = [trial for trial in pruned if study.sign * (_last(trial) - edge) < 0]
    if pruned:
        shown = [_last(trial) if trial not in beyond else edge for trial in pruned] if few else [
            max(_last(trial) * study.sign, edge * study.sign) * study.sign for trial in pruned
        ]  # fmt: skip
        axes.scatter(
            [trial.number for trial in pruned], shown, s=size, marker="v", facecolors="none", edgecolors=ORANGE,
            linewidths=1.1, rasterized=not few, label=f"pruned, at their last score ({len(pruned)})",
        )  # fmt: skip
    if failed:
        axes.plot(
            [trial.number for trial in failed], [0.02] * len(failed), "x", color=RED, markersize=6, linestyle="none",
            clip_on=False,
            transform=axes.get_xaxis_transform(), label=f"failed, no score ({len(failed)})", rasterized=not few,
        )  # fmt: skip
    axes.annotate(
        f"trial {best.number}: {formats.score(best.value)}", (best.number, float(best.value or 0.0)),
        xytext=(0, 9 if study.sign > 0 else -14), textcoords="offset points",
        ha=_alignment(best.number, study.trials[-1].number), fontsize=9,
    )  # fmt: skip
    axes.set_xlabel("trial")
    axes.set_ylabel(score_axis(findings))
    axes.margins(x=0.02, y=0.14)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4, columnspacing=1.4, handletextpad=0.5
    )
    caption = "Score of every trial."
    if pruned and study.folds is not None:
        caption += (
            " A pruned trial's mean is over fewer folds than a complete one's and cannot be compared with it."
        )
    if beyond:
        caption += f" {len(beyond)} pruned trials with scores beyond the edge are drawn at it."
    alt = (
        f"Scores of {len(complete)} complete trials between {formats.score(float(scores.min()))} and "
        f"{formats.score(float(scores.max()))}, {len(pruned)} pruned and {len(failed)} failed; "
        f"the best is trial {best.number} with {formats.score(best.value)}."
    )
    return finish(figure, "history", alt, caption)


def _alignment(number: int, last: int) -> str:
    """Where the text of a mark goes, so that it crosses no end of the axis."""
    place = number / max(last, 1)
    return "left" if place < 0.1 else "right" if place > 0.9 else "center"


def _last(trial: TrialRecord) -> float:
    return list(trial.intermediate.values())[-1]


def _edge(scores: NDArray[np.float64], pruned: list[float], sign: float) -> float:
    """The score at which the axis ends, so that early scores of pruned trials do not flatten the rest."""
    values = sign * scores
    spread = max(float(values.max() - values.min()), 1e-3)
    lowest = min([float(values.min()), *(sign * value for value in pruned)])
    return sign * max(lowest, float(values.min()) - 1.5 * spread)
