"""Samplers whose draws depend on the study's seed, the trial's number and the trials known, and on nothing else.

So a study that was killed and resumed asks for the same points as one that was not, and repeats none.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, PartialFixedSampler, QMCSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from distune.tuning.search.samplers import plain_sampler
from distune.utils.seeds import derived_seed

SEEDS = 2**32
"""How many seeds a sampler of Optuna's takes."""


class SeededSampler(BaseSampler):
    """The sampler of one trial.

    Args:
        name: one of `distune.tuning.search.samplers.SAMPLERS`.
        seed: the study's seed.
        number: the trial's number.
        joint: distributions of the parameters that every trial has; they are drawn together. The others are
            drawn one by one.
    """

    def __init__(self, name: str, seed: int, number: int, joint: dict[str, BaseDistribution]):
        self._name = name
        self._seed = seed
        self._number = number
        self._joint = {key: value for key, value in sorted(joint.items()) if not value.single()}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        if self._name == "random":
            return {}
        return dict(self._joint)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws the joint parameters."""
        seed = derived_seed(self._seed, self._number) % SEEDS
        if self._name == "qmc":
            return _NumberedQMC(self._seed, self._number).sample_relative(study, trial, search_space)
        if self._name == "gp":
            study = _without_other_spaces(study, search_space)
        return plain_sampler(self._name, seed).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draws one parameter, whatever was drawn before it."""
        seed = derived_seed(self._seed, self._number, param_name) % SEEDS
        name = "tpe" if self._name == "tpe" else "random"
        return plain_sampler(name, seed).sample_independent(study, trial, param_name, param_distribution)


def sampler_of_values(values: dict[str, Any]) -> BaseSampler:
    """Draws given values by the parameters' names, such as the base config's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PartialFixedSampler(values, RandomSampler())


class _NumberedQMC(QMCSampler):
    """Takes the point of the trial's number.

    Optuna counts the points in the study with a read and a write that two coordinators can interleave, and
    counts on when an interrupted trial asks again.
    """

    def __init__(self, seed: int, number: int):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(seed=seed, scramble=True, warn_independent_sampling=False)
        self._number = number

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number


def _without_other_spaces(study: Study, search_space: dict[str, BaseDistribution]) -> Study:
    """A view of the study that hides trials without some of the parameters; the Gaussian process needs all.

    Only the base config's trial can lack one, where its value lies outside the space.
    """
    view = copy.copy(study)

    def trials(
        deepcopy: bool = True, states: Sequence[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        found = study._get_trials(deepcopy=deepcopy, states=states, use_cache=use_cache)
        return [t for t in found if not t.state.is_finished() or search_space.keys() <= t.params.keys()]

    view._get_trials = trials  # type: ignore[method-assign,assignment]
    return view
