"""Scores over epochs: of all trials, and of the best one with its teacher."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distune.analysis.findings import Findings
from distune.analysis.runs import Curve
from distune.analysis.unknown import Unknown
from distune.reporting import formats
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, INK, ORANGE, RED, canvas, finish, one, score_axis

MANY_LINES = 200
MOST_LINES = 1000


def draw_all(findings: Findings) -> Figure | None:
    """The intermediate scores of every trial that reports any."""
    trials = [trial for trial in findings.study.trials if trial.intermediate]
    best = findings.ranking.best
    if not trials or max(len(trial.intermediate) for trial in trials) < 2:
        return None
    skipped = max(len(trials) - MOST_LINES, 0)
    figure, axes = one(3.6)
    many = len(trials) > MANY_LINES
    colours = {"complete": BLUE, "pruned": ORANGE, "failed": RED, "running": FAINT}
    labelled: set[str] = set()
    for trial in trials[skipped:]:
        steps, scores = list(trial.intermediate), list(trial.intermediate.values())
        label = "" if trial.state in labelled else {"running": "unfinished"}.get(trial.state, trial.state)
        labelled.add(trial.state)
        axes.plot(
            steps, scores, color=colours[trial.state], linewidth=0.9, alpha=0.15 if many else 0.5, rasterized=many,
            linestyle="--" if trial.state != "complete" else "-", label=label or "_nolegend_",
        )  # fmt: skip
        if trial.state != "complete":
            axes.plot(steps[-1:], scores[-1:], "v", color=colours[trial.state], markersize=4, rasterized=many)
    if best is not None and best.intermediate:
        axes.plot(
            list(best.intermediate), list(best.intermediate.values()), color=INK, linewidth=2.2,
            label=f"best, trial {best.number}",
        )  # fmt: skip
    folds = findings.study.folds
    axes.set_xlabel("student epoch" if folds is None else "folds done")
    axes.set_ylabel(score_axis(findings))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4, columnspacing=1.4)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    pruned = len(findings.study.of("pruned"))
    each = "Score after each student epoch" if folds is None else "Mean score of the folds done so far"
    caption = f"{each}; pruned trials end where their line ends."
    if skipped:
        caption += f" The first {skipped} trials are not drawn."
    curves = "Learning curves" if folds is None else "Means over folds"
    alt = f"{curves} of {len(trials) - skipped} trials; {pruned} pruned ones end early."
    return finish(figure, "intermediate", alt, caption)


def draw_best(findings: Findings) -> Figure | None:
    """Teacher and student of the best trial."""
    run, best = findings.best_run, findings.ranking.best
    if isinstance(run, Unknown) or isinstance(run.curves, Unknown) or best is None:
        return None
    figure = canvas(3.0)
    panels = figure.subplots(1, len(run.curves), squeeze=False)[0]
    for axes, curve in zip(panels, run.curves, strict=True):
        _panel(axes, curve)
    said = [
        f"{curve.stage} from {formats.score(curve.scores[0])} to {formats.score(curve.scores[-1])}"
        for curve in run.curves
    ]
    caption = f"Trial {best.number}: score on dev (solid, left scale) and train loss (dashed, right scale)."
    alt = f"Learning curves of trial {best.number}: dev score of the {', of the '.join(said)}."
    return finish(figure, "learning", alt, caption)


def _panel(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.epochs, curve.scores, "o-", color=BLUE, markersize=4)
    axes.set_title(curve.stage.capitalize())
    axes.set_xlabel("epoch")
    axes.set_ylabel("score on dev", color=BLUE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    losses = [
        (epoch, loss) for epoch, loss in zip(curve.epochs, curve.losses, strict=True) if loss is not None
    ]
    if losses:
        right = axes.twinx()
        right.plot(
            [epoch for epoch, _ in losses], [loss for _, loss in losses], "s--", color=ORANGE, markersize=3.5
        )
        right.set_ylabel("train loss", color=ORANGE)
        right.grid(False)
