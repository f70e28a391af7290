"""The staged strategy: teachers first, by their own scores; then students, with the best teachers as a choice.

Both stages are studies in one storage. A kept teacher stands for the values that its trial ran with, so that the
student's trials find it trained in the store. What teacher and student share in training and data is tuned with the
teachers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from distune.config import Config, SearchParameter
from distune.errors import UserError
from distune.tuning.coordinator.ledger import count, ranked
from distune.tuning.space.space import TEACHER, Space
from distune.tuning.study.attributes import OVERRIDES
from distune.tuning.study.settings import StudySettings
from distune.tuning.summary import params_of
from distune.utils.text import counted

SUFFIX = "_teacher"
"""The teacher study's name is the study's with this."""
BASE = "base"
KEPT = 3
FEWEST_TEACHERS = 5
OF_TEACHERS = (TEACHER, "training", "data")
"""The sections that a trained teacher depends on: a student with values of its own would train another teacher, as one
does that is retried with smaller micro-batches after it ran out of memory."""
TEACHER_WARMUP = 1
"""Teachers train for few epochs: pruned from the second on."""


def stage_budgets(n_trials: int) -> tuple[int, int]:
    """Finished trials of the teacher's stage and of the student's.

    A third for the teacher, at least five; at least one is left for the student.
    """
    teachers = min(max(n_trials // 3, FEWEST_TEACHERS), n_trials - 1)
    return teachers, n_trials - teachers


def describe_budget(n_trials: int) -> str:
    """How a staged search spends its trials, and from how many on the students get two thirds of them."""
    teachers, students = stage_budgets(n_trials)
    if not teachers:
        return "strategy staged: the one trial is the base config; no teacher is tuned"
    text = f"strategy staged: teachers get {teachers} and students {students} of {counted(n_trials, 'trial')}"
    if is_small(n_trials):
        text += f"; with {3 * FEWEST_TEACHERS} or more, students get two thirds"
    return text


def is_small(n_trials: int) -> bool:
    """Whether the fewest teachers take more than their third of a budget."""
    return n_trials < 3 * FEWEST_TEACHERS


def split_settings(settings: StudySettings) -> tuple[StudySettings, StudySettings]:
    """The set-ups of the teacher's and of the student's study.

    Args:
        settings: what a joint search would be about.

    Raises:
        UserError: the search space leaves the teacher alone, or no student asks it.
    """
    space = settings.space
    if TEACHER in space.parameters:
        raise UserError("strategy staged: `teacher` names the choice of teachers; rename that parameter")
    teachers = {name for name in space.parameters if _is_for_teachers(space.key(name))}
    if not space.is_section_used(TEACHER, settings.base):
        loss = settings.base.distillation.loss
        raise UserError(f"strategy staged: the loss {loss} asks no teacher; use --strategy joint")
    if not teachers:
        raise UserError("strategy staged: no parameter of the teacher is searched; use --strategy joint")
    of_teacher = space.part(teachers)
    # Which teacher is good is asked of the teacher alone, whatever the base config's loss makes of it.
    alone = [each for each in space.ignored if all(map(_is_for_teachers, each.when))]
    return (
        replace(settings, space=Space(of_teacher, alone), strategy="teacher", warmup=TEACHER_WARMUP),
        replace(settings, space=Space(space.part(space.parameters.keys() - teachers), space.ignored),
                strategy="staged"),
    )  # fmt: skip


@dataclass(frozen=True)
class StudentSpace(Space):
    """The student's search space with kept teachers as a choice.

    Args:
        teachers: what each choice differs from the base config in, by config key.
    """

    teachers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @staticmethod
    def offering(teachers: Mapping[str, Mapping[str, Any]], space: Space) -> StudentSpace:
        """A space with a choice of teachers.

        Args:
            teachers: as `best_teachers` describes them.
            space: of the student's study.
        """
        choice = SearchParameter(type="categorical", choices=tuple(teachers), key=TEACHER)
        parameters = {TEACHER: choice, **space.parameters}
        values = {name: teacher[OVERRIDES] for name, teacher in teachers.items()}
        whole = StudentSpace(parameters, space.ignored, values)
        return replace(whole, parameters={name: parameters[name] for name in whole.in_order()})

    def base_values(self, base: Config) -> dict[str, Any]:
        """The base config's own value of every parameter; its teacher is the first one that was tried."""
        others = Space({name: p for name, p in self.parameters.items() if name != TEACHER})
        return {TEACHER: BASE, **others.base_values(base)}

    def overrides(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as values by config key, the chosen teacher's own among them."""
        others = {name: value for name, value in params.items() if name != TEACHER}
        return {**self.teachers.get(params.get(TEACHER, BASE), {}), **super().overrides(others)}

    def deciding(self, name: str) -> set[str]:
        """The parameters that decide whether one is drawn."""
        asks_teacher = name != TEACHER and any(map(_is_for_teachers, self.condition_keys(name)))
        return super().deciding(name) | ({TEACHER} if asks_teacher else set())


def best_teachers(study: Study) -> dict[str, dict[str, Any]]:
    """The teachers that a student can choose from, best first.

    The best few complete trials, equal ones once, and the base config's teacher where it is complete.

    Returns:
        By choice: the trial's `number`, its `score`, its `params` by name and its `overrides` by config key.
    """
    complete = ranked(study.get_trials(deepcopy=False))
    kept: list[FrozenTrial] = []
    for trial in complete:
        if len(kept) < KEPT and all(params_of(trial) != params_of(other) for other in kept):
            kept.append(trial)
    base = next((trial for trial in complete if trial.user_attrs.get("baseline")), None)
    if base is not None and all(params_of(base) != params_of(other) for other in kept):
        kept.append(base)
    return {_choice(trial): _description(trial) for trial in kept}


def settle(study: Study, teachers: Mapping[str, Mapping[str, Any]], settings: StudySettings) -> StudySettings:
    """Fixes the choice of teachers in the student's study; one that is fixed already stays.

    Args:
        study: the student's.
        teachers: what `best_teachers` found; empty where no teacher was tried, which leaves the base config's.
        settings: the student's, without teachers.

    Returns:
        The set-up with the teachers in its space.
    """
    only_base: dict[str, Any] = {BASE: {"number": None, "score": None, "params": {}, OVERRIDES: {}}}
    fixed = study.user_attrs.get("teachers") or dict(teachers) or only_base
    with_teachers = replace(settings, space=StudentSpace.offering(fixed, settings.space))
    study.set_user_attr("teachers", fixed)
    study.set_user_attr("search_space", with_teachers.space.as_dict())
    return with_teachers


def outline(study: Study) -> dict[str, Any]:
    """The teacher study in numbers, for summaries and reports."""
    trials = study.get_trials(deepcopy=False)
    counts = count(trials)
    return {
        "name": study.study_name,
        "finished": counts.finished,
        "complete": counts.complete,
        "pruned": counts.pruned,
        "failed": counts.failed,
        "best": counts.best[0] if counts.best else None,
        "score": counts.best[1] if counts.best else None,
        "seconds": sum(trial.user_attrs.get("seconds", 0.0) for trial in trials),
    }


def _is_for_teachers(key: str) -> bool:
    return key.partition(".")[0] in OF_TEACHERS


def _choice(trial: FrozenTrial) -> str:
    return BASE if trial.user_attrs.get("baseline") else f"teacher {trial.number}"


def _description(trial: FrozenTrial) -> dict[str, Any]:
    overrides = trial.user_attrs.get(OVERRIDES, {})
    return {"number": trial.number, "score": trial.value, "params": params_of(trial), OVERRIDES: overrides}
