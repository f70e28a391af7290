"""From an asked trial to the config that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.study import Study
from optuna.trial import Trial

from distune.config import Config, as_dict, with_values
from distune.config.revisions import pinned, renamed
from distune.tuning.search.seeded_sampler import BaseValues, SeededSampler
from distune.tuning.space.suggest import distribution, suggest, suggest_base
from distune.tuning.study.study import Setup
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
    """Teacher and student parameters drawn together, judged by the student's score; trial 0 is the base config.

    Args:
        setup: what the study is about.
    """

    def __init__(self, setup: Setup):
        self._setup = setup
        always = setup.space.always_active(setup.base)
        self._joint = {name: distribution(setup.space.parameters[name]) for name in always}

    def propose(self, study: Study, trial: Trial) -> Proposal:
        """Draws a trial's parameters; the same ones again for a trial that was interrupted."""
        setup = self._setup
        if trial.number == 0:
            study.sampler = BaseValues(setup.space.base_values(setup.base))
            return Proposal(suggest_base(trial, setup.space, setup.base), {})
        study.sampler = SeededSampler(setup.sampler, setup.seed, trial.number, self._joint)
        params = suggest(trial, setup.space, setup.base)
        return Proposal(params, setup.space.overrides(params))

    def judges(self, stage: str) -> bool:
        """Whether the pruner judges the scores of a stage."""
        return stage == "student"

    def epochs(self, config: Mapping[str, Any]) -> int:
        """Judged epochs of a complete trial."""
        return int(config["student"]["epochs"])

    def config(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The complete config of a trial.

        Raises:
            ConfigError: the values break a rule of the config together.
        """
        return as_dict(configured(self._setup.base, overrides, self._setup.commits))


class TeacherProposals(JointProposals):
    """The teacher's parameters alone, judged by the teacher's own score; trial 0 is the base config's teacher."""

    def judges(self, stage: str) -> bool:
        """Whether the pruner judges the scores of a stage."""
        return stage == "teacher"

    def epochs(self, config: Mapping[str, Any]) -> int:
        """Judged epochs of a complete trial."""
        return int(config["teacher"]["epochs"])


class FoldProposals(JointProposals):
    """As the joint ones, judged by the mean score over the folds done so far; the config names the first fold.

    Args:
        setup: what the study is about; it says how many folds there are.
    """

    def judges(self, stage: str) -> bool:
        """Whether the pruner judges the scores of a stage."""
        return stage == FOLD

    def epochs(self, config: Mapping[str, Any]) -> int:
        """Judged scores of a complete trial: one a fold."""
        return int(config["data"]["fold"]["of"])

    def config(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The complete config of a trial's first fold.

        Raises:
            ConfigError: the values break a rule of the config together.
        """
        return super().config({**overrides, "data.fold": {"number": 1, "of": self._setup.folds}})


def configured(
    base: Config, overrides: Mapping[str, Any], commits: Mapping[str, str] | None = None
) -> Config:
    """The base config with a trial's values, and with the commits of its hub models where they are known."""
    values = {**renamed(base, overrides), **overrides}
    config = with_values(base, values, source="trial") if values else base
    return pinned(config, commits) if commits else config
