"""CMA-ES on a study's trials, its state computed anew from their scores at every draw.

Optuna's own sampler keeps that state as a pickle in the study's database, and reading a pickle runs whatever its writer
put into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from cmaes import CMA

GENERATION = "cma:generation"
"""System attribute of a trial: the generation that it was drawn in; Optuna's own name for it."""
FIRST_SPREAD = 1 / 6
"""Standard deviation of the first generation, as a share of each parameter's range; it starts from the middle."""


def evolved(
    study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution], seed: int
) -> dict[str, Any]:
    """Draws numeric parameters together from the cloud that the trials so far have moved and shaped.

    Hansen and Ostermeier, "Completely derandomized self-adaptation in evolution strategies", 2001. A generation is
    over when as many of its trials are complete as make a population; pruned ones have no final score and do not count.

    Args:
        study: the study; its scores are maximised.
        trial: the one that is drawn; it is marked with its generation.
        search_space: its numeric parameters.
        seed: of the draw.
    """
    if not search_space:
        return {}
    transform = _SearchSpaceTransform(dict(search_space), transform_0_1=True)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    strategy = replayed(transform, complete, seed)
    if GENERATION not in trial.system_attrs:  # one that goes on was drawn before
        study._storage.set_trial_system_attr(trial._trial_id, GENERATION, strategy.generation)
    return dict(transform.untransform(strategy.ask()))


def replayed(transform: _SearchSpaceTransform, complete: list[FrozenTrial], seed: int) -> CMA:
    """The strategy after all generations that are over.

    Args:
        transform: from parameters to the unit cube.
        complete: the complete trials; the first ones that ended are a generation's, late ones are left out.
        seed: of the next draw; the state does not depend on it.
    """
    from cmaes import CMA

    size = len(transform.bounds)
    strategy = CMA(
        mean=np.full(size, 0.5),
        sigma=FIRST_SPREAD,
        bounds=transform.bounds,
        seed=seed,
        n_max_resampling=10 * size,
    )
    generations: dict[Any, list[FrozenTrial]] = {}
    for trial in sorted(complete, key=lambda trial: (trial.datetime_complete or datetime.max, trial.number)):
        generations.setdefault(trial.system_attrs.get(GENERATION), []).append(trial)
    while len(population := generations.get(strategy.generation, [])) >= strategy.population_size:
        solutions = [(transform.transform(one.params), -float(one.value or 0.0)) for one in population]
        strategy.tell(solutions[: strategy.population_size])
    return strategy
