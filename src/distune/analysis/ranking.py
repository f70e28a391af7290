"""Which trials did best, and what became of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from distune.analysis.records.study_record import State, StudyRecord, TrialRecord
from distune.utils.numbers import is_number

TOP = 10
STATE_ORDER: tuple[State, ...] = ("complete", "pruned", "failed", "running")
UNNAMED_KIND = "kind not recorded"


@dataclass(frozen=True)
class FailureKind:
    """The failed trials of one kind.

    Attributes:
        kind: the kind, in one word.
        trials: the numbers of the trials.
        message: what the first of them said.
        apart: lowest and highest value of each parameter whose values lie beyond those of all trials that finished.
    """

    kind: str
    trials: tuple[int, ...]
    message: str | None
    apart: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranking:
    """Complete trials from best to worst, and counts.

    Attributes:
        trials: complete trials with a value, best first; the earlier one first where values are equal.
        counts: number of trials by state, states without trials left out.
        failures: failed trials by kind, the most frequent first.
    """

    trials: tuple[TrialRecord, ...]
    counts: Mapping[State, int]
    failures: tuple[FailureKind, ...]

    @property
    def best(self) -> TrialRecord | None:
        """The best complete trial, or None where no trial is complete."""
        return self.trials[0] if self.trials else None

    def top(self, count: int = TOP) -> tuple[TrialRecord, ...]:
        """The best trials."""
        return self.trials[:count]


def rank(study: StudyRecord) -> Ranking:
    """Orders the complete trials and counts the others."""
    ordered = sorted(study.complete, key=lambda trial: (-study.sign * (trial.value or 0.0), trial.number))
    states = Counter(trial.state for trial in study.trials)
    return Ranking(
        trials=tuple(ordered),
        counts={state: states[state] for state in STATE_ORDER if states[state]},
        failures=_failures(study.of("failed"), [*study.complete, *study.of("pruned")]),
    )


def _failures(failed: list[TrialRecord], finished: list[TrialRecord]) -> tuple[FailureKind, ...]:
    kinds: dict[str, list[TrialRecord]] = {}
    for trial in failed:
        kinds.setdefault(trial.failure_kind or UNNAMED_KIND, []).append(trial)
    found = [
        FailureKind(
            kind=kind,
            trials=tuple(trial.number for trial in trials),
            message=next((trial.failure_message for trial in trials if trial.failure_message), None),
            apart=dict(_apart(trials, finished)),
        )
        for kind, trials in kinds.items()
    ]
    return tuple(sorted(found, key=lambda failure: (-len(failure.trials), failure.kind)))


def _apart(
    failed: list[TrialRecord], finished: list[TrialRecord]
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Parameters that alone tell the failed trials from all others, by their lowest and highest failed value."""
    for name in failed[0].params:
        values, others = _numbers(name, failed), _numbers(name, finished)
        if len(failed) < 2 or not values or not others:
            continue
        if min(values) > max(others) or max(values) < min(others):
            yield name, (min(values), max(values))


def _numbers(name: str, trials: list[TrialRecord]) -> list[float]:
    """The values of a parameter; none where one of them is no number."""
    values = [trial.params.get(name) for trial in trials]
    return (
        [float(value) for value in values if isinstance(value, int | float)]
        if all(map(is_number, values))
        else []
    )
