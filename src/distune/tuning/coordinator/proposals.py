"""From an asked trial to the config that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from optuna.study import Study
from optuna.trial import Trial

from distune.config import Config, as_dict, laid_over, parse_config
from distune.config.revisions import pin_values, renamed
from distune.tuning.search.seeded_sampler import SeededSampler, sampler_of_values
from distune.tuning.space.suggest import distribution, suggest, suggest_base
from distune.tuning.study.settings import StudySettings
from distune.tuning.trials.messages import FOLD


@dataclass(frozen=True)
class Proposal:
    """What a trial tries.

    Args:
        params: every parameter that has an effect, by name.
        overrides: what differs from the base config, by config key.
    """

    params: Mapping[str, Any]
    overrides: Mapping[str, Any]


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

    def propose(self, study: Study, trial: Trial) -> Proposal:
        """Draws a trial's parameters; the same ones again for a trial that was interrupted."""
        settings = self._settings
        if trial.number == 0:
            study.sampler = sampler_of_values(settings.space.base_values(settings.base))
            return Proposal(suggest_base(trial, settings.space, settings.base), {})
        study.sampler = SeededSampler(settings.sampler, settings.seed, trial.number, self._joint)
        params = suggest(trial, settings.space, settings.base)
        return Proposal(params, settings.space.overrides(params))

    def epochs(self, config: Mapping[str, Any]) -> int:
        """Scores that a complete trial reports in its stage."""
        return int(config[self.stage]["epochs"])

    def config(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The complete config of a trial as plain values; its worker validates them, once."""
        return _values(self._settings.base, overrides, self._settings.commits)


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
