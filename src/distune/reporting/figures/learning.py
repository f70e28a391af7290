"""How the best trial learned: teacher and student, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import STAGES, Curve
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, INK, ORANGE, canvas, finish

Points = tuple[list[int], list[float]]


def draw_learning(findings: Findings) -> Figure | None:
    """Score and loss of the best trial; of a trial with folds, thin lines with their mean."""
    run, best = findings.best_run, findings.ranking.best
    if isinstance(run, Unknown) or isinstance(run.curves, Unknown) or best is None:
        return None
    by_stage = {stage: [curve for curve in run.curves if curve.stage == stage] for stage in STAGES}
    shown = {stage: curves for stage, curves in by_stage.items() if curves}
    folds = findings.study.folds
    held_out = "dev" if folds is None else "the fold left out"
    figure = canvas(2.3 * len(shown))
    said = []
    panels = figure.subplots(len(shown), 1, squeeze=False, sharey=True).ravel()
    for axes, (stage, curves) in zip(panels, shown.items(), strict=True):
        _panel(axes, curves, f"score on {held_out}")
        axes.set_title(stage.capitalize())
        epochs, scores = _mean([_scores(curve) for curve in curves])
        kept = int(np.argmax(scores))
        said.append(
            f"{stage} from {formats.score(scores[0])} to {formats.score(scores[-1])}, highest with "
            f"{formats.score(scores[kept])} in epoch {epochs[kept]}"
        )
        if folds is None:
            axes.plot(
                epochs[kept : kept + 1],
                scores[kept : kept + 1],
                "o",
                color=INK,
                markersize=9,
                fillstyle="none",
                markeredgewidth=1.6,
            )
    lines = (
        "; the ring is the epoch that is kept"
        if folds is None
        else f"; thin lines are the {folds} folds, thick ones their mean"
    )
    scales = "(solid, left scale) and train loss (dashed, right scale)"
    caption = f"Trial {best.number}: score on {held_out} {scales}{lines}."
    alt = f"Learning curves of trial {best.number}: score on {held_out} of the {', of the '.join(said)}."
    return finish(figure, "learning", alt, caption)


def _panel(axes: Axes, curves: Sequence[Curve], title: str) -> None:
    _lines(axes, curves, _scores, BLUE, "-")
    axes.set_xlabel("epoch")
    axes.set_ylabel(title, color=BLUE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if any(_losses(curve)[0] for curve in curves):
        right = axes.twinx()
        _lines(right, curves, _losses, ORANGE, "--")
        right.set_ylabel("train loss", color=ORANGE)
        right.grid(False)


def _lines(
    axes: Axes, curves: Sequence[Curve], read: Callable[[Curve], Points], colour: str, style: str
) -> None:
    if len(curves) > 1:
        for curve in curves:
            axes.plot(*read(curve), color=colour, linestyle=style, linewidth=0.8, alpha=0.45)
    axes.plot(
        *_mean([read(curve) for curve in curves]),
        color=colour,
        linestyle=style,
        linewidth=2.0,
        marker="o",
        markersize=4,
    )


def _mean(lines: Sequence[Points]) -> Points:
    """The mean at the epochs that all lines have."""
    by_epoch = [dict(zip(*line, strict=True)) for line in lines]
    epochs = sorted(set.intersection(*(set(line) for line in by_epoch)))
    return epochs, [float(np.mean([line[epoch] for line in by_epoch])) for epoch in epochs]


def _scores(curve: Curve) -> Points:
    return list(curve.epochs), list(curve.scores)


def _losses(curve: Curve) -> Points:
    known = [
        (epoch, loss) for epoch, loss in zip(curve.epochs, curve.losses, strict=True) if loss is not None
    ]
    return [epoch for epoch, _ in known], [loss for _, loss in known]
