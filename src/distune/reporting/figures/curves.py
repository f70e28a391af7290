"""The intermediate scores of all trials."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from distune.analysis.findings import Findings
from distune.analysis.records.study_record import TrialRecord
from distune.reporting.document import Figure
from distune.reporting.figures.style import BLUE, FAINT, INK, ORANGE, RED, finish, one, score_axis
from distune.utils.text import counted

MANY_LINES = 200
MOST_LINES = 1000
COLOURS = {"complete": BLUE, "pruned": ORANGE, "failed": RED, "running": FAINT}


def draw_all(findings: Findings) -> Figure | None:
    """The intermediate scores of every trial that reports any.

    Means over few folds cannot be compared with means over many, so those are drawn as differences to the
    complete trials' median at the same fold.
    """
    study, best = findings.study, findings.ranking.best
    trials = [trial for trial in study.trials if trial.intermediate]
    if not trials or max(len(trial.intermediate) for trial in trials) < 2:
        return None
    medians = _medians(study.complete) if study.folds is not None else {}
    skipped = max(len(trials) - MOST_LINES, 0)
    figure, axes = one(3.6)
    many = len(trials) > MANY_LINES
    labelled: set[str] = set()
    for trial in trials[skipped:]:
        steps, scores = _line(trial, medians)
        label = "" if trial.state in labelled else {"running": "unfinished"}.get(trial.state, trial.state)
        labelled.add(trial.state)
        axes.plot(
            steps, scores, color=COLOURS[trial.state], linewidth=0.9, alpha=0.15 if many else 0.5, rasterized=many,
            linestyle="--" if trial.state != "complete" else "-", label=label or "_nolegend_",
        )  # fmt: skip
        if trial.state != "complete":
            axes.plot(steps[-1:], scores[-1:], "v", color=COLOURS[trial.state], markersize=4, rasterized=many)
    if best is not None and best.intermediate:
        axes.plot(*_line(best, medians), color=INK, linewidth=2.2, label=f"best, trial {best.number}")
    axes.set_xlabel(f"{study.scored_stage} epoch" if study.folds is None else "folds done")
    axes.set_ylabel(score_axis(findings) if not medians else "mean score − median of complete trials")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = figure.legend(loc="outside lower center", ncols=3, columnspacing=1.4)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    caption = (
        "Mean score of the folds done so far, as the difference to the complete trials' median at the same fold"
        if medians
        else "Mean score of the folds done so far"
        if study.folds is not None
        else f"Score after each {study.scored_stage} epoch"
    )
    caption += "; pruned and failed trials end where their line ends."
    if skipped:
        caption += f" Not drawn: the first {counted(skipped, 'trial')}."
    curves = "Learning curves" if study.folds is None else "Means over folds"
    states = [trial.state for trial in trials[skipped:]]
    early = [f"{states.count(state)} {state}" for state in ("pruned", "failed") if state in states]
    alt = f"{curves} of {counted(len(states), 'trial')}" + (
        f"; {' and '.join(early)} end early." if early else "."
    )
    return finish(figure, "intermediate", alt, caption)


def _medians(complete: Sequence[TrialRecord]) -> dict[int, float]:
    """The complete trials' median at each step."""
    steps = {step for trial in complete for step in trial.intermediate}
    return {
        step: statistics.median(trial.intermediate[step] for trial in complete if step in trial.intermediate)
        for step in steps
    }


def _line(trial: TrialRecord, medians: dict[int, float]) -> tuple[list[int], list[float]]:
    held = trial.intermediate
    if not medians:
        return list(held), list(held.values())
    steps = [step for step in held if step in medians]
    return steps, [held[step] - medians[step] for step in steps]
