"""Drawing a trial's parameters from a search space with Optuna."""

from __future__ import annotations

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from distune.config import Config, SearchParameter
from distune.tuning.space.space import Space, contains


def distribution(parameter: SearchParameter) -> BaseDistribution:
    """A parameter as Optuna describes it."""
    if parameter.type == "categorical":
        return CategoricalDistribution(parameter.choices or ())
    low, high = parameter.low or 0.0, parameter.high or 0.0
    if parameter.type == "int":
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(parameter.step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=parameter.step)


def suggest(trial: Trial, space: Space, base: Config) -> dict[str, Any]:
    """Draws every parameter that has an effect, given those drawn before it.

    Parameters that the trial already has (it was interrupted) keep their values.
    """
    params: dict[str, Any] = {}
    for name, parameter in space.parameters.items():
        if space.is_active(name, space.overrides(params), base):
            params[name] = _draw(trial, name, parameter)
    return params


def suggest_base(trial: Trial, space: Space, base: Config) -> dict[str, Any]:
    """Gives a trial the base config's own values.

    Only values that the space contains are kept in Optuna's table of parameters; one that lies outside (a range
    narrower than the base config's choice) is left out there, so that no sampler learns from a point that was
    never tried.

    Returns:
        The base value of every parameter that has an effect, inside the space or not.
    """
    params: dict[str, Any] = {}
    for name, value in space.base_values(base).items():
        if space.is_active(name, space.overrides(params), base):
            params[name] = value
            if contains(space.parameters[name], value):
                _draw(trial, name, space.parameters[name])
    return params


def _draw(trial: Trial, name: str, parameter: SearchParameter) -> Any:
    if parameter.type == "categorical":
        return trial.suggest_categorical(name, parameter.choices or ())
    low, high = parameter.low or 0.0, parameter.high or 0.0
    if parameter.type == "int":
        step = int(parameter.step or 1)
        return trial.suggest_int(name, int(low), int(high), step=step, log=parameter.log)
    return trial.suggest_float(name, low, high, step=parameter.step, log=parameter.log)
