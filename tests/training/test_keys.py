"""What a trained model depends on changes its key, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from distune.config import Config, TrainingConfig
from distune.data import read_table
from distune.models.parameters import trained_state
from distune.store import Store, key_of
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps
from distune.training.keys import ELSEWHERE, student_key, teacher_key
from distune.training.teacher.teacher import Teacher, TeacherStage

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)

TRAINING: Mapping[str, Any] = {
    "batch_size": 8,
    "accumulation": 2,
    "schedule": "constant",
    "warmup": 0.2,
    "weight_decay": 0.02,
    "grad_clip": None,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "layerwise_lr_decay": 0.9,
    "ema": 0.9,
    "early_stopping": 2,
    "deterministic": True,
}
"""Another value of every field that changes what is trained."""
OF_BOTH = {
    "seed": 4,
    "data__image_size": 48,
    "data__max_tokens": 8,
    "data__missing": "allow",
    "teacher__lr": 1e-4,
    "teacher__epochs": 5,
    "teacher__dropout": 0.3,
    **{f"training__{name}": value for name, value in TRAINING.items()},
}
OF_STUDENT = {
    "student__lr": 1e-4,
    "student__epochs": 5,
    "student__fusion_dim": 16,
    "distillation__alpha": 0.5,
    "distillation__beta": 50.0,
    "distillation__T": 5.0,
    "distillation__loss": "vanilla",
    "distillation__unlabelled": False,
}
OF_NONE = {
    "name": "other",
    "cache__max_gb": 1.0,
    "data__views": 3,  # there are none without augment
    "data__on_bad_example": "drop",
    "study__n_trials": 3,
    **{
        f"training__{name}": value
        for name, value in (("threads", 2), ("precision", "auto"), ("device", "auto"))
    },
}


def keys(config: Config, compute: Compute = CPU) -> tuple[str, str]:
    return key_of(teacher_key(config, "data", compute)), key_of(student_key(config, "data", compute))


@pytest.mark.parametrize(("name", "value"), OF_BOTH.items())
def test_the_keys_of_both_hold(tiny_config: MakeConfig, name: str, value: Any) -> None:
    before, after = keys(tiny_config()), keys(tiny_config(**{name: value}))
    assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.parametrize(("name", "value"), OF_STUDENT.items())
def test_the_students_key_alone_holds(tiny_config: MakeConfig, name: str, value: Any) -> None:
    before, after = keys(tiny_config()), keys(tiny_config(**{name: value}))
    assert before[0] == after[0] and before[1] != after[1]


@pytest.mark.parametrize(("name", "value"), OF_NONE.items())
def test_no_key_holds(tiny_config: MakeConfig, name: str, value: Any) -> None:
    assert keys(tiny_config()) == keys(tiny_config(**{name: value}))


def test_every_setting_of_training_is_known_to_be_in_the_keys_or_not() -> None:
    assert {*TRAINING, *ELSEWHERE} == set(TrainingConfig.model_fields)


def test_views_data_device_and_precision_are_in_the_keys(tiny_config: MakeConfig) -> None:
    shown = {"data__augment": "light"}
    plain, four, three = (keys(tiny_config(**v)) for v in ({}, shown, {**shown, "data__views": 3}))
    assert len({plain[0], four[0], three[0]}) == len({plain[1], four[1], three[1]}) == 3
    config = tiny_config()
    others = (Compute(torch.device("cuda:1"), bf16=False), Compute(torch.device("cpu"), bf16=True))
    assert len({keys(config, compute)[0] for compute in (CPU, *others)}) == 3
    assert key_of(teacher_key(config, "other data", CPU)) != keys(config)[0]


def test_targets_with_a_map_are_others(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """And asked for again, they are found: one entry each."""
    store, found = Store(tmp_path), []
    for loss in ("vanilla", "attention_transfer", "vanilla", "attention_transfer"):
        config = tiny_config(distillation__loss=loss)
        table = read_table(config.data, config.seed, check_images=False)
        steps = InputSteps(table, config.data, store, CPU, config.seed)
        stage = TeacherStage(config, table, "data", steps, store, CPU)
        weights = {name: value.numpy() for name, value in trained_state(stage.build()).items()}
        found.append("image_map" in Teacher([], weights, [], {"of": "one teacher"}, stage).targets().features)
    assert found == [False, True, False, True]
    assert store.misses["targets"] == store.hits["targets"] == 2
