"""How the best score grew over the study."""

from __future__ import annotations

from dataclasses import dataclass

from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown

THIRDS = 3
FEWEST = 9


@dataclass(frozen=True)
class RunningBest:
    """The running best.

    Attributes:
        ended: number of complete and pruned trials.
        late_gain: how much the last third added to the best score of the trials before it.
    """

    ended: int
    late_gain: float


def progress(study: StudyRecord) -> RunningBest | Unknown:
    """Looks at complete and pruned trials in the order of their numbers."""
    if study.absent:
        return Unknown("The table may hold the best trials alone, so no trend can be seen.")
    ended = [trial for trial in study.trials if trial.state in ("complete", "pruned")]
    scores = [study.sign * trial.value if trial.value is not None else float("-inf") for trial in ended]
    if len(ended) < FEWEST or max(scores) == float("-inf"):
        return Unknown(f"A trend needs {FEWEST} complete and pruned trials; this study has {len(ended)}.")
    cut = len(ended) - len(ended) // THIRDS
    before, after = max(scores[:cut]), max(scores[cut:])
    if before == float("-inf"):
        return Unknown("No trial of the first two thirds is complete, so no trend can be seen.")
    return RunningBest(len(ended), max(after - before, 0.0))
