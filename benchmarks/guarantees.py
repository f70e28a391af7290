"""What a study must hold after whatever was done to it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmarks.machine import machine, table
from distune.config import Config
from distune.tuning.summary import config_of_trial

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
Undisturbed = Callable[[int, Config], Sequence[float]]
"""Given a trial's number and config, the scores of all its student epochs when nobody interrupts it."""


@dataclass(frozen=True)
class Figure:
    """One line of the outcome; `holds` is None where nothing is required."""

    name: str
    measured: str
    wanted: str = ""
    holds: bool | None = None


def exactly(name: str, measured: int, wanted: int) -> Figure:
    """A figure that must be one number."""
    return Figure(name, str(measured), str(wanted), measured == wanted)


def below(name: str, measured: float, limit: float, unit: str) -> Figure:
    """A figure that must be under a limit."""
    return Figure(name, f"{measured:.3g} {unit}".strip(), f"< {limit:g} {unit}".strip(), measured < limit)


def guarantees(study: Study, n_trials: int, undisturbed: Undisturbed, log: Path) -> list[Figure]:
    """The exact number of trials, none left over, none counted twice, and every score as if nothing had happened.

    Args:
        study: after its end.
        n_trials: finished trials that were asked for.
        undisturbed: what a trial's scores should be.
        log: the study's log, where every result that counts has a line.
    """
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state in FINISHED]
    left = [trial for trial in trials if not trial.state.is_finished()]
    failed = [
        t for t in trials if t.state == TrialState.FAIL and t.user_attrs.get("failure_kind") != "surplus"
    ]
    told = Counter(
        line.split("trial ")[1].split(":")[0]
        for line in log.read_text().splitlines()
        if ": complete, score" in line or ": pruned, score" in line
    )
    points = Counter(tuple(trial.params.items()) for trial in finished)
    twice = sum(n > 1 for n in told.values()) + sum(n - 1 for n in points.values())
    wrong = sum(_wrong_scores(study, trial, undisturbed) for trial in finished)
    return [
        exactly("finished trials", len(finished), n_trials),
        exactly("running or waiting trials left", len(left), 0),
        exactly("failed trials", len(failed), 0),
        exactly("trials counted twice", twice, 0),
        exactly("scores other than undisturbed", wrong, 0),
        Figure("scores compared", str(sum(len(trial.intermediate_values) + 1 for trial in finished))),
    ]


def _wrong_scores(study: Study, trial: FrozenTrial, undisturbed: Undisturbed) -> int:
    expected = list(undisturbed(trial.number, config_of_trial(study, trial)))
    wrong = sum(expected[epoch - 1] != score for epoch, score in trial.intermediate_values.items())
    if trial.state == TrialState.COMPLETE:
        wrong += trial.value != max(expected)
        wrong += len(trial.intermediate_values) != len(expected)
    return wrong


def publish(figures: Sequence[Figure], out: Path | None) -> None:
    """Prints the figures as Markdown, writes them to `out` if given, and ends with 1 if one does not hold."""
    words = {True: "holds", False: "DOES NOT HOLD", None: ""}
    rows = [["figure", "measured", "wanted", ""]]
    rows += [[figure.name, figure.measured, figure.wanted, words[figure.holds]] for figure in figures]
    text = f"{machine()}\n\n{table(rows)}\n"
    print(text)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    sys.exit(any(figure.holds is False for figure in figures))
