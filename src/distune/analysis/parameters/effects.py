"""The effect of each parameter on the score, with an interval, from all trials including the pruned ones.

Model: score = intercept + sum over parameters of a straight line on the search scale (numbers) or of one level a
choice (categories) + noise. The coefficients have a wide normal prior (three standard deviations of the
scores), so the model can be solved with few trials too; the noise variance is the residual sum of squares over
the residual degrees of freedom, and intervals are Student's t with these.

A pruned trial has no final score. It is imputed from its parameters and its last score at epoch e by a regression of
the final scores of complete trials on their parameters and scores at e, with the noise of that regression drawn in;
this is done 20 times and the 20 fits are joined by Rubin's rules (Rubin, 1987), so that an imputed score counts for
less than a measured one.
Where fewer than five complete trials report at e, the pruned trial is left out.

What it cannot see: humps (a best value in the middle of the range) and interactions. The sampler chose the trials,
so an effect in a region that it hardly visited rests on few of them; the interval says so by being wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.analysis.parameters.detectable import in_words
from distune.analysis.parameters.holm import holm
from distune.analysis.parameters.imputation import ANCHORS, anchors, can_impute, imputed, usable_steps
from distune.analysis.parameters.linear import CONFIDENCE, fit, joined
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.records.unknown import Unknown

IMPUTATIONS = 20
SPARE = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """One contrast of one parameter.

    Attributes:
        parameter: the parameter's name.
        contrast: what is compared: from low to high, or one choice against the mean of the others.
        target: value that a positive effect favours: the high end, or the choice.
        estimate: difference of the score.
        low: lower end of the 95 % interval.
        high: upper end.
        p: two-sided p-value of no effect.
        p_holm: the p-value after Holm's correction over all contrasts.
    """

    parameter: str
    contrast: tuple[Any, Any]
    target: Any
    estimate: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def is_clear(self) -> bool:
        """Whether it differs from zero at 5 % after the correction."""
        return self.p_holm < 1 - CONFIDENCE


@dataclass(frozen=True)
class Effects:
    """The effects of all parameters and what they rest on.

    Attributes:
        effects: in the order of the search space.
        complete: complete trials used.
        pruned: pruned trials used.
        noise: standard deviation of the score that the parameters do not explain.
        left_out: one sentence for each thing that is left out.
    """

    effects: tuple[Effect, ...]
    complete: int
    pruned: int
    noise: float
    left_out: tuple[str, ...]

    def clear(self) -> list[Effect]:
        """The effects that survive the correction, largest first."""
        return sorted((effect for effect in self.effects if effect.is_clear), key=lambda e: -abs(e.estimate))


@dataclass(frozen=True)
class _Contrast:
    parameter: str
    contrast: tuple[Any, Any]
    target: Any
    weights: Floats


def effects(study: StudyRecord) -> Effects | Unknown:
    """Fits the model; needs more trials than coefficients and five to spare."""
    names = [name for name in study.space if _varies(study, name)]
    complete = [trial for trial in study.complete if _has_all(trial, names, study.space)]
    steps = usable_steps(complete)
    pruned = [
        trial
        for trial in study.of("pruned")
        if _has_all(trial, names, study.space) and can_impute(trial, steps)
    ]
    trials = [*complete, *pruned]
    design, contrasts = _design(trials, names, study.space)
    needed = design.shape[1] + SPARE
    if not names or len(trials) < needed or len(complete) < ANCHORS:
        return Unknown(
            f"Effects need more trials: for the parameters that vary here, {needed}, of which {ANCHORS} complete; "
            f"this study has {len(complete)} complete and {len(pruned)} usable pruned."
            f"{in_words([trial.value for trial in complete if trial.value is not None], len(contrasts))}"
        )
    scores = np.array([trial.value for trial in complete], dtype=float)
    rng = np.random.default_rng(study.seed or 0)
    measured, unmeasured = design[: len(complete)], design[len(complete) :]
    known = anchors(complete, measured, {max(trial.intermediate) for trial in pruned})
    fits = [
        fit(design, np.concatenate([scores, imputed(pruned, unmeasured, known, rng)]))
        for _ in range(IMPUTATIONS if pruned else 1)
    ]
    found = [joined(contrast.weights, fits) for contrast in contrasts]
    corrected = holm([p for _, _, p in found])
    return Effects(
        effects=tuple(
            Effect(
                parameter=contrast.parameter,
                contrast=contrast.contrast,
                target=contrast.target,
                estimate=estimate,
                low=estimate - half,
                high=estimate + half,
                p=p,
                p_holm=p_holm,
            )
            for contrast, (estimate, half, p), p_holm in zip(contrasts, found, corrected, strict=True)
        ),
        complete=len(complete),
        pruned=len(pruned),
        noise=float(np.mean([np.sqrt(one.variance) for one in fits])),
        left_out=_left_out(study, names, complete, pruned),
    )


def _varies(study: StudyRecord, name: str) -> bool:
    """Whether every complete trial has the parameter and it takes more than one value."""
    values = [trial.params.get(name) for trial in study.complete]
    return None not in values and len({(type(value).__name__, value) for value in values}) > 1


def _has_all(trial: TrialRecord, names: Sequence[str], space: Mapping[str, Parameter]) -> bool:
    return all(name in trial.params and space[name].holds(trial.params[name]) for name in names)


def _design(
    trials: Sequence[TrialRecord], names: Sequence[str], space: Mapping[str, Parameter]
) -> tuple[Floats, list[_Contrast]]:
    """Columns of the model, and for each contrast the weights of the coefficients."""
    columns: list[Floats] = [np.ones(len(trials))]
    pending: list[tuple[str, tuple[Any, Any], Any, dict[int, float]]] = []
    for name in names:
        parameter = space[name]
        values = [trial.params[name] for trial in trials]
        if parameter.kind != "categorical":
            pending.append((name, (parameter.low, parameter.high), parameter.high, {len(columns): 1.0}))
            columns.append(np.array([parameter.position(value) or 0.0 for value in values]) - 0.5)
            continue
        seen = [choice for choice in parameter.choices if choice in values]
        first = len(columns)
        columns += [np.array([float(value == choice) for value in values]) for choice in seen]
        for index, choice in enumerate(seen):
            others = [c for c in seen if c != choice]
            weights = {first + other: -1 / len(others) for other in range(len(seen)) if other != index}
            if others and not (len(seen) == 2 and index == 0):
                against = others[0] if len(others) == 1 else "the other choices"
                pending.append((name, (against, choice), choice, {**weights, first + index: 1.0}))
    contrasts = []
    for name, contrast, target, weights in pending:
        vector = np.zeros(len(columns))
        for column, weight in weights.items():
            vector[column] = weight
        contrasts.append(_Contrast(name, contrast, target, vector))
    return np.stack(columns, axis=1), contrasts


def _left_out(
    study: StudyRecord, names: Sequence[str], complete: Sequence[TrialRecord], pruned: Sequence[TrialRecord]
) -> tuple[str, ...]:
    said = []
    without = [name for name in study.space if name not in names]
    if without:
        said.append(
            f"Parameters that are constant or that not every trial has are left out: {', '.join(without)}."
        )
    if len(complete) < len(study.complete):
        said.append(
            f"{len(study.complete) - len(complete)} complete trials outside the search space are left out."
        )
    dropped = len(study.of("pruned")) - len(pruned)
    if dropped:
        said.append(
            f"{dropped} pruned trials are left out: too few complete trials report a score at the step where they end."
        )
    failed = len(study.of("failed"))
    if failed:
        said.append(f"{failed} failed trials are left out.")
    return tuple(said)
