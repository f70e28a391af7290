"""How the best trial's student predicts: confusion matrices and calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from distune.analysis.findings import Findings
from distune.analysis.runs import Confusion, Predictions
from distune.analysis.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, PAPER, SERIES, WIDTH, canvas, finish, one

BINS = 10
MOST_CLASSES = 30
WRITTEN_CLASSES = 12
STRONGEST = 0.62
LONGEST_NAME = 22


def draw_confusion(findings: Findings) -> Figure | None:
    """One matrix a task; the depth of a cell is its share of the row."""
    run, best = findings.best_run, findings.ranking.best
    if isinstance(run, Unknown) or isinstance(run.confusions, Unknown) or best is None:
        return None
    shown = [matrix for matrix in run.confusions if 2 <= len(matrix.classes) <= MOST_CLASSES]
    if not shown:
        return None
    sizes = [max(len(matrix.classes), 2) + 2.5 for matrix in shown]
    in_a_row = sum(sizes) <= 18
    height = (
        max(2.6, WIDTH * max(sizes) / sum(sizes) * 0.72) if in_a_row else sum(0.34 * s + 1.2 for s in sizes)
    )
    figure = canvas(min(height, 24.0))
    panels = (
        figure.subplots(1, len(shown), squeeze=False, width_ratios=sizes)
        if in_a_row
        else figure.subplots(len(shown), 1, squeeze=False, height_ratios=sizes)
    ).ravel()
    for axes, matrix in zip(panels, shown, strict=True):
        _matrix(axes, matrix)
    said = [
        f"{matrix.task}: {int(np.trace(matrix.counts))} of {int(matrix.counts.sum())} on the diagonal"
        for matrix in shown
    ]
    caption = f"Trial {best.number} {_judged(findings)}: counts; rows are the truth, columns the prediction."
    return finish(
        figure, "confusion", f"Confusion matrices of trial {best.number}. {'; '.join(said)}.", caption
    )


def _judged(findings: Findings) -> str:
    """Which examples the answers are of, and whose answers they are."""
    folds = findings.study.folds
    if folds is None:
        return "on dev"
    return f"on train and dev, each example by the one of {folds} models that did not learn it"


def _matrix(axes: Axes, matrix: Confusion) -> None:
    counts, size = matrix.counts, len(matrix.classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row in range(size):
        for column in range(size):
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=float(STRONGEST * shares[row, column]),
                          edgecolor="none")
            )  # fmt: skip
            if size <= WRITTEN_CLASSES or counts[row, column]:
                axes.text(
                    column,
                    row,
                    str(counts[row, column]),
                    ha="center",
                    va="center",
                    fontsize=9 if size <= 8 else 7,
                )
    names = [formats.plain(name, LONGEST_NAME) for name in matrix.classes]
    axes.set_xticks(range(size), names, rotation=35, ha="right")
    axes.set_yticks(range(size), names)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(False)
    axes.set_title(formats.plain(matrix.task, LONGEST_NAME))
    for spine in axes.spines.values():
        spine.set_visible(True)


def draw_reliability(findings: Findings) -> Figure | None:
    """Accuracy against confidence, one line a task."""
    run, best = findings.best_run, findings.ranking.best
    if isinstance(run, Unknown) or isinstance(run.predictions, Unknown) or best is None:
        return None
    from distune.training.metrics import calibration_error

    figure, axes = one(3.8)
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="perfectly calibrated")
    said = []
    for colour, mark, task in zip(SERIES * 4, "osD^vP" * 4, run.predictions, strict=False):
        confidence, accuracy, counts = _bins(task)
        error = calibration_error(task.truth, task.probabilities)
        axes.plot(
            confidence,
            accuracy,
            color=colour,
            linewidth=1.4,
            label=f"{formats.plain(task.task, 40)} (error {error:.3f})",
        )
        axes.scatter(confidence, accuracy, s=18 + 160 * counts / counts.sum(), color=colour, marker=mark,
                     edgecolors=PAPER, linewidths=0.6, zorder=3)  # fmt: skip
        said.append(f"{task.task} has an expected calibration error of {error:.3f}")
    axes.set_xlabel("mean confidence in the predicted class")
    axes.set_ylabel("accuracy")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    axes.legend(loc="upper left")
    caption = (
        f"Trial {best.number} {_judged(findings)}, before any temperature scaling: accuracy by confidence in ten bins; "
        "larger marks hold more examples."
    )
    return finish(figure, "reliability", f"Reliability of trial {best.number}: {'; '.join(said)}.", caption)


def _bins(task: Predictions) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean confidence, accuracy and count of the bins that hold examples."""
    confidence = task.probabilities.max(axis=1)
    correct = (task.probabilities.argmax(axis=1) == task.truth).astype(float)
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    held = counts > 0
    means = [
        np.bincount(place, weights=values, minlength=BINS)[held] / counts[held]
        for values in (confidence, correct)
    ]
    return means[0], means[1], counts[held]
