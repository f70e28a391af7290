"""What a study takes, from costs of an example that are written out here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from distune.config import Config
from distune.setup.estimate import Estimate, ExampleCost, estimated

TEACHER = ExampleCost(
    prefix_s=3.0,
    step_s=0.5,
    forward_s=0.1,
    activation_mb=2.0,
    stored_mb=1.5,
    weight_mb=100.0,
    trained_mb=10.0,
)
STUDENT = ExampleCost(
    prefix_s=1.0,
    step_s=0.2,
    forward_s=0.05,
    activation_mb=1.0,
    stored_mb=0.5,
    weight_mb=20.0,
    trained_mb=20.0,
)
SIZES = {"train": 60, "dev": 20, "examples": 100}
EPOCHS = 2 * (60 * 0.5 + 20 * 0.1) + 3 * (60 * 0.2 + 20 * 0.05)
"""Seconds of the teacher's two epochs and the student's three."""


@pytest.fixture
def of(tiny_config: Callable[..., Config]) -> Callable[..., Estimate]:
    def make(**values: Any) -> Estimate:
        config = tiny_config(study__n_trials=7, **values)
        alone = values.get("distillation__loss") == "none"
        return estimated(config, config.study, [STUDENT] if alone else [TEACHER, STUDENT], **SIZES)

    return make


def test_a_study_one_trial_after_the_other(of: Callable[..., Estimate]) -> None:
    found = of()
    targets = 100 * 0.1
    assert found.further_s == pytest.approx(EPOCHS + targets)
    assert found.first_s == pytest.approx(100 * 4.0 + EPOCHS + targets)
    assert found.study_s == pytest.approx(100 * 4.0 + 7 * (EPOCHS + targets))
    assert (found.trials, found.store_mb, found.trial_mb) == (7, 200.0, pytest.approx(30.2))
    # The teacher: its weights, a gradient and two moments of those that are trained, and 16 examples at once.
    assert found.memory_mb == pytest.approx(450 + 100 + 3 * 10 + 16 * 2)


@pytest.mark.parametrize(("workers", "rounds"), [(2, 4), (7, 1), (10, 1)])
def test_workers_share_the_trials_in_rounds(of: Callable[..., Estimate], workers: int, rounds: int) -> None:
    found = of(study__workers=workers)
    assert found.study_s == pytest.approx(100 * 4.0 + rounds * found.further_s)


def test_every_view_is_encoded_kept_and_asked_of_the_teacher(of: Callable[..., Estimate]) -> None:
    found = of(data__augment="light", data__views=3)
    assert found.first_s - found.further_s == pytest.approx(3 * 100 * 4.0)
    assert found.further_s == pytest.approx(EPOCHS + 3 * 100 * 0.1)
    assert found.store_mb == 600.0


def test_each_fold_is_a_training(of: Callable[..., Estimate]) -> None:
    assert of(study__folds=5).further_s == pytest.approx(5 * of().further_s)
    assert of(study__folds=5).trial_mb == pytest.approx(5 * 30 + 0.2)


def test_without_a_teacher(of: Callable[..., Estimate]) -> None:
    found = of(distillation__loss="none")
    assert found.further_s == pytest.approx(3 * (60 * 0.2 + 20 * 0.05))
    assert found.memory_mb == pytest.approx(450 + 20 + 3 * 20 + 16)
