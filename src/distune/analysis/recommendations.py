"""What to do next, decided from the findings by rules that each name their reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distune.analysis.dev_noise import DevNoise
from distune.analysis.parameters.bounds import AtBound
from distune.analysis.parameters.importance import Importance
from distune.analysis.progress import RunningBest
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown

TRIALS_PER_PARAMETER = 10
MANY_FAILURES = 0.1

More = Literal["still_improving", "too_few", "flat", "unknown"]


@dataclass(frozen=True)
class Recommendations:
    """The decisions.

    Attributes:
        more_trials: whether more trials are likely to help, and why.
        widen: parameters whose best trials lie at an end of the range and that matter: a sampler that crowds at an
            end puts its best trials there too.
        many_failures: whether a tenth of the trials or more failed.
    """

    more_trials: More
    widen: tuple[AtBound, ...]
    many_failures: bool


def recommend(
    study: StudyRecord,
    *,
    progress: RunningBest | Unknown,
    bounds: Sequence[AtBound],
    importance: Importance | Unknown,
    noise: DevNoise | Unknown,
) -> Recommendations:
    """Applies the rules."""
    named = () if isinstance(importance, Unknown) else importance.named
    return Recommendations(
        more_trials=_more(study, progress, noise),
        widen=tuple(found for found in bounds if found.parameter in named),
        many_failures=len(study.of("failed")) >= MANY_FAILURES * max(len(study.trials), 1),
    )


def _more(study: StudyRecord, progress: RunningBest | Unknown, noise: DevNoise | Unknown) -> More:
    """Improving means: the last third added more than dev moves a score (standard deviation), where that is known."""
    if isinstance(progress, Unknown):
        return "unknown"
    threshold = 0.0 if isinstance(noise, Unknown) else (noise.high - noise.low) / 4
    if progress.late_gain > threshold:
        return "still_improving"
    return "too_few" if progress.ended < TRIALS_PER_PARAMETER * len(study.space) else "flat"
