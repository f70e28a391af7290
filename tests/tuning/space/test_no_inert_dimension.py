"""What a trial draws has an effect, and what has an effect is drawn: every fusion, fusion and loss together."""

from __future__ import annotations

import itertools

import optuna
import pytest
from study_helpers import base_config

from distune.config import Config, SearchParameter, value_at, with_values
from distune.distillation import LOSSES
from distune.errors import UserError
from distune.models.fusion import FUSIONS
from distune.tuning.coordinator.proposals import suggest
from distune.tuning.space.build import build_space, left_out
from distune.tuning.space.groups import fusion_group, loss_group
from distune.tuning.space.space import DEFAULT_SPACE
from distune.tuning.space.without_effect import fields_without_effect

EXTRA = {
    "gamma": SearchParameter(type="float", low=0.1, high=1.0),
    "teacher_fusion_tokens": SearchParameter(type="categorical", choices=("sequence", "pooled")),
    "student_fusion_tokens": SearchParameter(type="categorical", choices=("sequence", "pooled")),
}


class Chosen(optuna.samplers.RandomSampler):
    """Draws given choices of fusions and loss, the rest at random."""

    def __init__(self, **choices):
        super().__init__(seed=0)
        self.choices = choices

    def sample_independent(self, study, trial, name, distribution):
        if name in self.choices:
            return self.choices[name]
        return super().sample_independent(study, trial, name, distribution)


def space_of(base):
    groups = {**fusion_group(), **loss_group(base), **EXTRA}
    return build_space(base, groups=groups, ignored=fields_without_effect(base))


def expected(teacher, student, loss, starts_from_teacher):
    """The parameters with an effect, from the parts' own declarations."""
    trains_teacher = LOSSES[loss].uses_teacher or starts_from_teacher
    inert = {f"teacher_{field}" for field in FUSIONS[teacher].ignores}
    inert |= {f"student_{field}" for field in FUSIONS[student].ignores} | LOSSES[loss].ignores
    if loss != "combined":
        inert |= {"gamma"}
    names = {*DEFAULT_SPACE, *EXTRA, "teacher_fusion", "student_fusion", "loss"} - inert
    return {name for name in names if trains_teacher or not name.startswith("teacher_")}


@pytest.mark.slow
@pytest.mark.parametrize("starts_from_teacher", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_trial_draws_what_its_fusions_and_its_loss_use_and_nothing_else(loss, starts_from_teacher):
    base = base_config(student__init_from_teacher=starts_from_teacher)
    space = space_of(base)
    for teacher, student in itertools.product(FUSIONS, FUSIONS):
        sampler = Chosen(teacher_fusion=teacher, student_fusion=student, loss=loss)
        params = suggest(optuna.create_study(sampler=sampler).ask(), space, base)
        assert set(params) == expected(teacher, student, loss, starts_from_teacher)
    config = with_values(base, space.overrides(params))
    assert all(value_at(config, space.key(name)) == value for name, value in params.items())


def test_every_parameter_that_some_choice_ignores_is_conditional():
    always = set(space_of(Config()).always_active(Config()))
    assert always == {
        "student_lr",
        "student_fusion_dim",
        "student_dropout",
        "alpha",
        "loss",
        "student_fusion",
    }


def test_a_loss_that_asks_no_teacher_leaves_the_whole_teacher_out():
    base = base_config(distillation__loss="none")
    space = build_space(base, ignored=fields_without_effect(base))
    params = suggest(optuna.create_study(sampler=Chosen()).ask(), space, base)
    students = {name for name in DEFAULT_SPACE if name.startswith("student_")}
    assert set(params) == set(space.parameters) == {*students, "alpha"}
    with pytest.raises(UserError, match="teacher_lr, T would change nothing"):
        build_space(base, only=("teacher_lr", "T"), ignored=fields_without_effect(base))


def test_where_the_students_start_is_searched_the_teacher_counts():
    entry = {"type": "categorical", "choices": [True, False]}
    base = base_config(distillation__loss="none", search_space={"student_init_from_teacher": entry})
    space = build_space(base, ignored=fields_without_effect(base))
    for starts in (True, False):
        sampler = Chosen(student_init_from_teacher=starts)
        assert ("teacher_lr" in suggest(optuna.create_study(sampler=sampler).ask(), space, base)) is starts


@pytest.mark.parametrize("part", ["vision", "text"])
@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_model_of_one_modality_has_no_fusion_to_search(role, part):
    base = base_config(**{f"{role}__{part}": "none"})
    space = space_of(base)
    other = "student" if role == "teacher" else "teacher"
    assert not [name for name in space.parameters if name.startswith(f"{role}_fusion")]
    assert f"{role}_dropout" in space.parameters and space.never_read(f"{other}.fusion_dim", base) is None
    assert any(name.startswith(f"{other}_fusion") for name in space.parameters)


def test_views_without_augmentation_and_dropped_modalities_of_a_model_of_one_are_not_searched():
    search = {
        "views": {"type": "int", "low": 1, "high": 4, "key": "data.views"},
        "left_out": {"type": "float", "low": 0.0, "high": 0.5, "key": "student.modality_dropout"},
    }
    for values, kept in (
        ({"data__augment": "light"}, {"views", "left_out"}),
        ({}, {"left_out"}),
        ({"data__augment": "light", "student__text": "none"}, {"views"}),
    ):
        base = base_config(search_space=search, data__missing="allow", **values)
        space = build_space(base, ignored=fields_without_effect(base))
        assert set(search) & set(space.parameters) == kept
        assert bool(left_out(space, base)) is (len(kept) < 2)


def test_whether_there_is_a_text_encoder_can_be_searched():
    choice = SearchParameter(type="categorical", choices=("tiny-text", "none"))
    layers = SearchParameter(type="categorical", choices=(1, 2), key="student.text.layers")
    base = base_config()
    space = build_space(
        base,
        groups={"student_text": choice, "student_text_layers": layers, **EXTRA},
        ignored=fields_without_effect(base),
    )
    chosen = {"student.text.name": "none"}
    for name in ("student_fusion_layers", "student_fusion_tokens", "student_text_layers"):
        assert space.is_active(name, {}, base) and not space.is_active(name, chosen, base)
    assert space.is_active("student_dropout", chosen, base)
