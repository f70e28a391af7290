"""What to do next, decided from the findings by rules that each name their reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distune.analysis.baseline import Baseline
from distune.analysis.dev_noise import DevNoise
from distune.analysis.parameters.coverage import Coverage, ParameterCoverage
from distune.analysis.parameters.effects import Effect, Effects
from distune.analysis.parameters.patterns import Patterns
from distune.analysis.progress import Progress
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
        settled: parameters that the sampler settled on, with a sign beyond its own concentration.
        negligible: effects whose whole interval is smaller than the noise of a trial.
        widen: parameters whose best trials lie at an end of the range, with a sign beyond the sampler's
            concentration: a sampler that crowds at an end puts its best trials there too.
        gain_within_noise: whether the gain over the base is smaller than half the width of the best score's
            interval; None where either is unknown.
        many_failures: whether a tenth of the trials or more failed.
    """

    more_trials: More
    settled: tuple[str, ...]
    negligible: tuple[Effect, ...]
    widen: tuple[ParameterCoverage, ...]
    gain_within_noise: bool | None
    many_failures: bool


def recommend(
    study: StudyRecord,
    *,
    progress: Progress | Unknown,
    coverage: Coverage,
    effects: Effects | Unknown,
    patterns: Patterns | Unknown,
    baseline: Baseline | Unknown,
    noise: DevNoise | Unknown,
) -> Recommendations:
    """Applies the rules."""
    signs = _signs(effects, patterns)
    return Recommendations(
        more_trials=_more(study, progress, effects),
        settled=tuple(
            found.parameter for found in coverage.concentrated if found.parameter in signs and not found.bound
        ),
        negligible=() if isinstance(effects, Unknown) else tuple(_negligible(effects)),
        widen=tuple(found for found in coverage.bounds_hit if found.parameter in signs),
        gain_within_noise=_within_noise(baseline, noise),
        many_failures=len(study.of("failed")) >= MANY_FAILURES * max(len(study.trials), 1),
    )


def _more(study: StudyRecord, progress: Progress | Unknown, effects: Effects | Unknown) -> More:
    """Improving means: the last third added more than the noise of one trial, where that is known."""
    if isinstance(progress, Unknown):
        return "unknown"
    threshold = 0.0 if isinstance(effects, Unknown) else effects.noise
    if progress.late_gain > threshold:
        return "still_improving"
    return "too_few" if progress.ended < TRIALS_PER_PARAMETER * len(study.space) else "flat"


def _signs(effects: Effects | Unknown, patterns: Patterns | Unknown) -> set[str]:
    """Parameters with a clear effect, or with a pattern that the sampler's concentration does not explain."""
    signs: set[str] = set()
    if not isinstance(effects, Unknown):
        signs |= {effect.parameter for effect in effects.clear()}
    if not isinstance(patterns, Unknown):
        signs |= {pattern.parameter for pattern in patterns.patterns if pattern.is_beyond_sampler}
    return signs


def _negligible(effects: Effects) -> list[Effect]:
    """One contrast speaks for a parameter only where all its contrasts are small."""
    large = {
        effect.parameter
        for effect in effects.effects
        if max(abs(effect.low), abs(effect.high)) > effects.noise
    }
    return [effect for effect in effects.effects if effect.parameter not in large]


def _within_noise(baseline: Baseline | Unknown, noise: DevNoise | Unknown) -> bool | None:
    if isinstance(baseline, Unknown) or isinstance(baseline.gain, Unknown) or isinstance(noise, Unknown):
        return None
    return baseline.gain < (noise.high - noise.low) / 2
