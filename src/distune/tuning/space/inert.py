"""Values of a config that its own choices leave without effect, such as the weight of a term that the loss lacks."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from distune.config import Config, StudyConfig, value_at
from distune.tuning.space.build import left_out
from distune.tuning.space.groups import asked_groups
from distune.tuning.space.space import Space

_NOT_SAID = ("fusion_tokens", "fusion_dim")
"""A fusion that ignores the first is pooled anyhow, as the value says that is not the default; the second is the width
of a model without fusion, too, and only not searched."""


def without_effect(space: Space, base: Config, asked: StudyConfig) -> list[str]:
    """One line for each setting that changes nothing in a study: of the base config, its search, or how it searches.

    Args:
        space: the search space.
        base: the base config.
        asked: the `study` section.
    """
    lines = [*inert_values(space, base), *left_out(space, base, asked.only)]
    for field, group in asked_groups(asked, base).items():
        if not group.keys() & space.parameters.keys():
            lines.append(f"study.{field} has no effect: none of {', '.join(group)} is searched")
    if asked.prune_teacher and (ignored := space.never_read("teacher", base)):
        lines.append(f"study.prune_teacher has no effect {ignored.because(base)}")
    if asked.workers is not None and asked.workers < len(asked.gpus):
        lines.append(
            f"study.gpus: {', '.join(asked.gpus[asked.workers :])} without a worker, see study.workers"
        )
    return lines


def inert_values(space: Space, base: Config) -> list[str]:
    """One line for each value that is not the default and that no trial, and no run of the config, reads.

    Args:
        space: the search space, and what is ignored; without parameters, the runs of the config alone are meant.
        base: the base config.
    """
    default = Config()
    lines: dict[str, str] = {}
    for each in space.ignored:
        if each.field.endswith(_NOT_SAID) or any(f"{each.field}.".startswith(f"{key}.") for key in lines):
            continue
        value = _value(base, each.field)
        if value != _value(default, each.field) and space.is_certain(each, base):
            shown = "the section" if isinstance(value, BaseModel) else repr(value)
            lines[each.field] = f"{each.field}: {shown} has no effect {each.because(base)}"
    return [*lines.values(), *_no_distillation(space, base), *_no_loss(space, base), *_patience(space, base)]


def _value(config: Config, key: str) -> Any:
    with suppress(KeyError):  # of a task, which the defaults have not, and no key where its name has a point
        return value_at(config, key)


def _no_distillation(space: Space, base: Config) -> list[str]:
    """The weight of a loss's only term is zero; `combined` has other terms."""
    searched = {space.key(name) for name in space.parameters}
    asked, key = base.distillation, "distillation.beta"
    has_weight = asked.beta or key in searched or space.never_read(key, base)
    has_other_terms = asked.loss == "combined" or "distillation.loss" in searched
    gives_layers = base.student.init_from_teacher or "student.init_from_teacher" in searched
    if has_weight or has_other_terms or gives_layers:
        return []
    return [f"the teacher has no effect with distillation.loss {asked.loss!r} and {key} 0"]


def _no_loss(space: Space, base: Config) -> list[str]:
    """Labels of no weight are all that a student without a teacher has."""
    searched = {space.key(name) for name in space.parameters}
    asked = base.distillation
    if asked.loss != "none" or asked.alpha or searched & {"distillation.loss", "distillation.alpha"}:
        return []
    return ["distillation.alpha: 0 leaves the student nothing to learn, with distillation.loss 'none'"]


def _patience(space: Space, base: Config) -> list[str]:
    """Early stopping ends a stage after an epoch that is not its last, the best one so many epochs before."""
    searched = {space.key(name) for name in space.parameters}
    roles = [role for role in ("teacher", "student") if space.is_section_used(role, base)]
    longest = max(value_at(base, f"{role}.epochs") for role in roles)
    patience = base.training.early_stopping
    decided = not searched & {"training.early_stopping", *(f"{role}.epochs" for role in roles)}
    if patience is None or patience + 1 < longest or not decided:
        return []
    return [f"training.early_stopping: {patience} has no effect in at most {longest} epochs"]
