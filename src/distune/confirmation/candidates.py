"""Who takes part in a confirmation: complete configs, to be trained with the same seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from optuna.study import Study
from optuna.trial import FrozenTrial

from distune.config import Config, as_dict, with_values
from distune.config.model import NO_ENCODER
from distune.errors import UserError
from distune.training.keys import uses_teacher
from distune.tuning.coordinator.active_trial import MICRO_BATCHES_KEY
from distune.tuning.coordinator.ledger import ranked
from distune.tuning.study.settings import comparable
from distune.tuning.summary import base_config_of, base_trial, config_of_trial
from distune.utils.seeds import derived_seed

Kind = Literal["trial", "base", "student_alone", "teacher", "image_alone", "text_alone"]


@dataclass(frozen=True)
class Candidate:
    """One config that is trained with every seed.

    Attributes:
        name: unique; names its folder.
        kind: what it is.
        config: complete, with the seed of the study's base config.
        trial: its number in the study; None for what is no trial.
        rank: 1 for the best trial of the search; None outside the top.
        search_score: dev score of the trial in the study.
    """

    name: str
    kind: Kind
    config: Config
    trial: int | None = None
    rank: int | None = None
    search_score: float | None = None

    @property
    def is_base(self) -> bool:
        """Whether this is the base config; among the top trials it has a rank too."""
        return self.kind == "base"

    def at(self, seed: int) -> Config:
        """The config with a seed of the confirmation."""
        return with_values(self.config, {"seed": seed})


def confirmation_seeds(study_seed: int, count: int) -> tuple[int, ...]:
    """Seeds that depend on the study's seed and their position alone, so that more seeds keep the first ones.

    None of them is the seed that the search itself used, on which its best trial was picked.
    """
    return tuple(derived_seed(study_seed, "confirmation", position) % 2**31 for position in range(count))


def contenders(study: Study, top: int, *, one_modality: bool = False) -> tuple[list[Candidate], list[str]]:
    """The top trials, the base config, and the best config's student without a teacher and its teacher.

    A config that occurs twice takes part once: the base may be among the top, and a later trial may repeat an
    earlier one, whose place the next best takes then.

    Args:
        study: with its trials.
        top: how many of the best trials take part.
        one_modality: also the best config's student without a teacher reading the image alone, and the text alone.

    Returns:
        The candidates, the best trial first, and one sentence for each that there is not.

    Raises:
        UserError: no trial is complete.
    """
    trials = study.get_trials(deepcopy=False)
    base = _base(study, trials)
    best_few = _best_few(study, trials, base, top)
    if not best_few:
        raise UserError(
            f"study {study.study_name} has no complete trial, so there is nothing to confirm; "
            "resume `distune tune`"
        )
    few = len(best_few)
    notes = (
        [f"only {few} different configs are complete in the study, of {top} asked for"] if few < top else []
    )
    candidates = best_few if any(candidate.is_base for candidate in best_few) else [*best_few, base]
    best = best_few[0]
    if one_modality:
        candidates = [*candidates, *one_modality_each(best)]
        if len(best.config.student.modalities) == 1:
            notes.append("the best config's student reads one modality: there is no other one to leave out")
    if not uses_teacher(best.config):
        notes.append("the best config uses no teacher: there is no distillation gain to measure")
        return candidates, notes
    return [*candidates, student_alone(best), teacher_of(best)], notes


def student_alone(best: Candidate) -> Candidate:
    """The same student, trained equally long and in the same way on the labels alone.

    `distillation.alpha` stays: with the teacher's part gone it only scales the loss. An alpha of 0 would leave nothing
    to learn from and becomes 1.
    """
    values: dict[str, Any] = {"distillation.loss": "none", "student.init_from_teacher": False}
    if not best.config.distillation.alpha:
        values["distillation.alpha"] = 1.0
    return Candidate(f"{best.name}_student_alone", "student_alone", with_values(best.config, values))


def one_modality_each(best: Candidate) -> list[Candidate]:
    """The best config's student without a teacher, once reading the image alone and once the text alone.

    Nothing where the student reads one of them anyway.
    """
    if len(best.config.student.modalities) == 1:
        return []
    alone = student_alone(best).config
    missing: tuple[tuple[Kind, str], ...] = (("image_alone", "text"), ("text_alone", "vision"))
    return [
        Candidate(f"{best.name}_{kind}", kind, with_values(alone, {f"student.{part}.name": NO_ENCODER}))
        for kind, part in missing
    ]


def teacher_of(best: Candidate) -> Candidate:
    """The teacher's own training in the student's place: its model, epochs and learning rate, on the labels."""
    values: dict[str, Any] = {
        "student": {**as_dict(best.config.teacher), "init_from_teacher": False},
        "distillation.loss": "none",
        "distillation.alpha": 1.0,
    }
    return Candidate(f"{best.name}_teacher", "teacher", with_values(best.config, values))


def config_identity(config: Config) -> dict[str, Any]:
    """What a config's results depend on, its seed included, by dotted key.

    `training.accumulation` is left out: a trial that ran out of memory gets more parts, and they change its results by
    chance alone, as another seed would.
    """
    return {key: value for key, value in comparable(as_dict(config)).items() if key != MICRO_BATCHES_KEY}


def _base(study: Study, trials: Sequence[FrozenTrial]) -> Candidate:
    trial = base_trial(trials)
    config = config_of_trial(study, trial) if trial else base_config_of(study)
    return Candidate(
        "base", "base", config, trial.number if trial else None, None, trial.value if trial else None
    )


def _best_few(study: Study, trials: Sequence[FrozenTrial], base: Candidate, top: int) -> list[Candidate]:
    found: list[Candidate] = []
    for candidate in _by_score(study, trials):
        if any(config_identity(candidate.config) == config_identity(other.config) for other in found):
            continue
        rank = len(found) + 1
        if rank > top:
            break
        if config_identity(candidate.config) == config_identity(base.config):
            found.append(replace(candidate, name="base", kind="base", rank=rank))
        else:
            found.append(replace(candidate, rank=rank))
    return found


def _by_score(study: Study, trials: Sequence[FrozenTrial]) -> Iterator[Candidate]:
    for trial in ranked(trials):
        config = config_of_trial(study, trial)
        yield Candidate(f"trial_{trial.number:04d}", "trial", config, trial.number, None, trial.value)
