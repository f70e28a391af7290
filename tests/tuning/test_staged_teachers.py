"""The teachers of a staged search are trained once: no student trains another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from distune.config import Config, with_values
from distune.training.run import run, run_teacher
from distune.tuning.coordinator.proposals import suggest
from distune.tuning.space.build import build_space
from distune.tuning.space.space import Space
from distune.tuning.space.without_effect import fields_without_effect
from distune.tuning.staged import StudentSpace, split_settings
from distune.tuning.study.settings import StudySettings

SHARED = {
    "label_smoothing": {"type": "float", "low": 0.0, "high": 0.15, "key": "training.label_smoothing"},
    "batch": {"type": "categorical", "choices": [16, 32], "key": "training.batch_size"},
    "augment": {"type": "categorical", "choices": ["none", "light"], "key": "data.augment"},
    "views": {"type": "int", "low": 2, "high": 3, "key": "data.views", "when": {"augment": ["light"]}},
    "teacher_lr": {"type": "float", "low": 1e-3, "high": 4e-3, "log": True},
}


def drawn(space: Space, base: Config, seed: int) -> dict[str, object]:
    sampler = optuna.samplers.RandomSampler(seed=seed)
    return space.overrides(suggest(optuna.create_study(sampler=sampler).ask(), space, base))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_students_find_their_teachers_in_the_store(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    base = tiny_config(student__epochs=1, search_space=SHARED)
    space = build_space(base, ignored=fields_without_effect(base))
    of_teachers, of_students = split_settings(StudySettings(base, space, "sha256:0"))
    assert SHARED.keys() <= set(of_teachers.space.parameters)
    assert not SHARED.keys() & set(of_students.space.parameters)
    kept = {f"teacher {seed}": {"overrides": drawn(of_teachers.space, base, seed)} for seed in range(3)}
    for name, teacher in kept.items():
        run_teacher(with_values(base, teacher["overrides"]), tmp_path / name)
    students = StudentSpace.offering(kept, of_students.space)
    for seed in range(4):
        result = run(with_values(base, drawn(students, base, seed)), tmp_path / f"student {seed}")
        assert "teacher" not in result.cache["misses"]


def test_a_condition_on_what_teachers_settle_follows_the_chosen_teacher(
    tiny_config: Callable[..., Config],
) -> None:
    gamma = {"type": "float", "low": 0.1, "high": 1.0, "when": {"batch": [32]}}
    base = tiny_config(search_space={**SHARED, "gamma": gamma})
    _, of_students = split_settings(StudySettings(base, build_space(base), "sha256:0"))
    kept = {str(size): {"overrides": {"training.batch_size": size}} for size in (16, 32)}
    students = StudentSpace.offering(kept, of_students.space)
    for seed in range(12):
        found = drawn(students, base, seed)
        assert ("distillation.gamma" in found) == (found["training.batch_size"] == 32)
