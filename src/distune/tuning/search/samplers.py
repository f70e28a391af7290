"""Samplers: which point of the search space a trial tries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from distune.errors import UserError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

SAMPLERS = ("tpe", "random", "gp", "qmc")
"""What each is for, `StudyConfig.sampler` says."""


def check_sampler(name: str) -> None:
    """Refuses a sampler that does not exist.

    Raises:
        UserError: unknown name.
    """
    if name not in SAMPLERS:
        raise UserError(
            f"sampler: there is no {name!r}; choose another with --sampler: {', '.join(SAMPLERS)}"
        )


def plain_sampler(name: str, seed: int) -> BaseSampler:
    """Optuna's sampler of a name; multivariate TPE with the pending trials taken into account."""
    import optuna

    table: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
        "qmc": lambda: optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return table[name]()
