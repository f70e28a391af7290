"""How the best trial's student predicts: confusion matrices and calibration."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.analysis.reliability import fitted_on_dev, reliability
from distune.analysis.runs import Confusion, known_predictions
from distune.confirmation.statistics.files import OUT_OF_FOLD, run_folder
from distune.data.table import MISSING
from distune.errors import UserError
from distune.reporting import formats, verdicts
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, PAPER, SERIES, canvas, finish, one
from distune.training.scoring.metrics import CALIBRATION_BINS, calibration_error
from distune.training.scoring.temperature_scaling import with_temperature

FEWEST_IN_BIN = 5
MOST_CLASSES = 30
WRITTEN_CLASSES = 12
STRONGEST = 0.62
LONGEST_NAME = 60
LONGEST_LINE = 18
LONGEST_TITLE = 24
SHORT_NAME = 6
CELL, AROUND, LETTER = 0.4, 0.75, 0.075
"""Inches: a cell's side where there are few classes, title and axis label, and a letter of a class name."""
HIGHEST = 24.0


def draw_confusion(findings: Findings) -> Figure | None:
    """One matrix a task; the depth of a cell is its share of the row."""
    run, name = findings.scored_run.run, findings.scored_run.name
    if isinstance(run, Unknown) or isinstance(run.confusions, Unknown):
        return None
    shown = [matrix for matrix in run.confusions if 2 <= len(matrix.classes) <= MOST_CLASSES]
    if not shown:
        return None
    heights = [_height(matrix) for matrix in shown]
    figure = canvas(min(sum(heights), HIGHEST))
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights).ravel()
    for axes, matrix in zip(panels, shown, strict=True):
        _matrix(axes, matrix)
    said = [
        f"{matrix.task}: {int(np.trace(matrix.counts))} of {int(matrix.counts.sum())} on the diagonal"
        for matrix in shown
    ]
    caption = f"{_scored(findings)}: counts; rows are the truth, columns the prediction."
    return finish(figure, "confusion", f"Confusion matrices of {name}. {'; '.join(said)}.", caption)


def _height(matrix: Confusion) -> float:
    """Inches that a matrix takes with its class names below it."""
    names = _names(matrix)
    below = (
        LETTER * max(len(line) for name in names for line in name.split("\n")) if _is_turned(names) else 0.2
    )
    return CELL * max(len(matrix.classes), 2) + below + AROUND


def _scored(findings: Findings) -> str:
    """Whose answers they are, and of which examples."""
    scored, folds = findings.scored_run, findings.study.folds
    name = scored.name[:1].upper() + scored.name[1:]
    if scored.is_confirmed and scored.on != OUT_OF_FOLD:
        return f"{name} on {scored.on}, the model of the first seed{_own_score(findings)}, which distune predict loads"
    if folds is None:
        return f"{name} on {scored.on}"
    of_seed = " of the first new seed" * scored.is_confirmed
    return (
        f"{name} on train and dev, each example by the one of {folds} models{of_seed} that did not learn it"
    )


def _own_score(findings: Findings) -> str:
    """The score of that one model; a table holds the mean over all seeds."""
    numbers, run = verdicts.current(findings), findings.scored_run.run
    if numbers is None or isinstance(run, Unknown):
        return ""
    chosen, score = verdicts.recommended(numbers), verdicts.score_of_first_seed(numbers)
    first = numbers["contenders"][chosen]["seeds"][0]
    if score is None or run.folder != run_folder(run.folder.parents[1], chosen, first):
        return ""
    return f" (score {formats.score(score)})"


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
    names = _names(matrix)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    axes.set_xticks(range(size), names, rotation=90 if _is_turned(names) else 0)
    axes.set_yticks(range(size), names)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal", anchor="W")
    axes.grid(False)
    axes.set_title(formats.plain(matrix.task, LONGEST_TITLE))
    for spine in axes.spines.values():
        spine.set_visible(True)


def _names(matrix: Confusion) -> list[str]:
    return [_wrapped(name, len(matrix.classes)) for name in matrix.classes]


def _is_turned(names: list[str]) -> bool:
    """Whether the class names below a matrix stand upright, as they are too long to stand side by side."""
    return max(map(len, names)) > SHORT_NAME


def _wrapped(name: str, classes: int) -> str:
    """A class name in lines of a few words; in one that is cut where the rows are too low for two."""
    if classes > WRITTEN_CLASSES:
        return formats.plain(name, LONGEST_LINE)
    return textwrap.fill(formats.plain(name, LONGEST_NAME), LONGEST_LINE)


def draw_reliability(findings: Findings) -> Figure | None:
    """Accuracy against confidence, one line a task, with the interval of each bin."""
    run, name = findings.scored_run.run, findings.scored_run.name
    if isinstance(run, Unknown) or isinstance(run.predictions, Unknown):
        return None
    dev = known_predictions(run.folder)  # a trial with folds has none: no model of it is handed over
    try:
        temperatures = {} if isinstance(dev, Unknown) else fitted_on_dev(run.folder, dev)
    except UserError:  # which probabilities predict gives is not known; the page says what cannot be read
        return None
    figure, axes = one(3.8)
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="perfectly calibrated")
    said = []
    for colour, mark, task in zip(SERIES * 4, "osD^vP" * 4, run.predictions, strict=False):
        known = task.truth != MISSING
        truth = task.truth[known]
        probabilities = with_temperature(task.probabilities[known], temperatures.get(task.task, 1.0))
        error = calibration_error(truth, probabilities)
        bins = [one for one in reliability(truth, probabilities) if one.count >= FEWEST_IN_BIN]
        ends = [_interval(round(one.accuracy * one.count), one.count) for one in bins]
        accuracy = np.array([one.accuracy for one in bins])
        reach = (
            np.array([[a - low, high - a] for a, (low, high) in zip(accuracy, ends, strict=True)])
            .reshape(-1, 2)
            .T
        )
        axes.errorbar(
            [one.confidence for one in bins], accuracy, yerr=np.maximum(reach, 0.0), color=colour, marker=mark,
            markersize=5, markeredgecolor=PAPER, linewidth=1.4, elinewidth=0.9,
            label=f"{formats.plain(task.task, 40)} (error {formats.score(error)})",
        )  # fmt: skip
        said.append(f"{task.task} has an expected calibration error of {formats.score(error)}")
    axes.set_xlabel("mean confidence in the predicted class")
    axes.set_ylabel("accuracy")
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    figure.legend(loc="outside lower center", ncols=2)
    caption = (
        f"{_scored(findings)}, {_scaling(findings, bool(temperatures))}: accuracy by confidence in "
        f"{CALIBRATION_BINS} bins, with 95 % intervals as if no two examples were of one case; bins of fewer than "
        f"{FEWEST_IN_BIN} examples are not drawn."
    )
    return finish(figure, "reliability", f"Reliability of {name}: {'; '.join(said)}.", caption)


def _scaling(findings: Findings, is_scaled: bool) -> str:
    """Which probabilities they are."""
    if not is_scaled:
        return "before any temperature scaling"
    if findings.scored_run.on == OUT_OF_FOLD:
        return "with the temperature of the model that distune predict loads, which is fitted on dev"
    flatters = ", on these very examples, which flatters" if findings.scored_run.on == "dev" else ""
    return f"the probabilities that distune predict gives, with a temperature fitted on dev{flatters}"


def _interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
