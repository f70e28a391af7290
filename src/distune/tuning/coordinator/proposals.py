"""From an asked trial to the config that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study
from optuna.trial import Trial

from distune.config import Config, SearchParameter, as_dict, laid_over, parse_config
from distune.config.revisions import pin_values, renamed
from distune.tuning.search.seeded_sampler import SeededSampler, sampler_of_values
from distune.tuning.space.space import Space, contains
from distune.tuning.study.settings import StudySettings
from distune.tuning.trials.messages import FOLD


class JointProposals:
    """Teacher and student parameters drawn together; the score is the student's; trial 0 is the base config.

    Args:
        settings: what the study is about.

    Attributes:
        stage: the one whose scores the pruner sees.
    """

    stage: ClassVar[str] = "student"

    def __init__(self, settings: StudySettings):
        self._settings = settings
        always = settings.space.always_active(settings.base)
        self._joint = {name: distribution(settings.space.parameters[name]) for name in always}

    def propose(self, study: Study, trial: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
        """Draws a trial's parameters; the same ones again for a trial that was interrupted.

        Returns:
            Every parameter that has an effect, by name, and what differs from the base config, by config key.
        """
        settings = self._settings
        if trial.number == 0:
            study.sampler = sampler_of_values(settings.space.base_values(settings.base))
            return suggest_base(trial, settings.space, settings.base), {}
        study.sampler = SeededSampler(settings.sampler, settings.seed, trial.number, self._joint)
        params = suggest(trial, settings.space, settings.base)
        return params, settings.space.overrides(params)

    def epochs(self, config: Mapping[str, Any]) -> int:
        """Scores that a complete trial reports in its stage."""
        return int(config[self.stage]["epochs"])

    def config(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The complete config of a trial as plain values; its worker validates them, once."""
        return _values(self._settings.base, overrides, self._settings.commits)

    @property
    def dataset(self) -> str:
        """The fingerprint of the data set that every trial reads: nothing that can be searched changes it."""
        return self._settings.dataset


class TeacherProposals(JointProposals):
    """The teacher's parameters alone; the score is the teacher's own; trial 0 is the base config's teacher."""

    stage = "teacher"


class FoldProposals(JointProposals):
    """As the joint ones; the score is the mean over the folds done so far, and the config names the first fold."""

    stage = FOLD

    def epochs(self, config: Mapping[str, Any]) -> int:
        """Scores that a complete trial reports: one a fold."""
        return int(config["data"]["fold"]["of"])

    def config(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The complete config of a trial's first fold, as plain values."""
        return super().config({**overrides, "data.fold": {"number": 1, "of": self._settings.folds}})


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


def configured(
    base: Config, overrides: Mapping[str, Any], commits: Mapping[str, str] | None = None
) -> Config:
    """The base config with a trial's values, and with the commits of its hub models where they are known.

    Raises:
        ConfigError: the values break a rule of the config together.
    """
    return parse_config(_values(base, overrides, commits or {}), source="trial")


def _values(base: Config, overrides: Mapping[str, Any], commits: Mapping[str, str]) -> dict[str, Any]:
    return pin_values(laid_over(as_dict(base), {**renamed(base, overrides), **overrides}), commits)
