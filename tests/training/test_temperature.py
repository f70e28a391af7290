from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from distune.data.table import MISSING, Task
from distune.training.scoring.metrics import calibration_error, log_loss
from distune.training.scoring.temperature_scaling import fit_temperature, task_temperature, with_temperature


def overconfident(examples: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(z), probabilities told as softmax(temperature * z)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (examples, 4))
    honest = special.softmax(logits, axis=1)
    truth = (honest.cumsum(axis=1) < generator.random((examples, 1))).sum(axis=1)
    return truth.astype(np.int64), special.softmax(temperature * logits, axis=1)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_applied_is_found(true_temperature: float) -> None:
    truth, told = overconfident(6000, true_temperature)
    assert fit_temperature(truth, told) == pytest.approx(true_temperature, rel=0.06)


def test_the_temperature_is_where_the_gradient_of_the_loss_vanishes() -> None:
    truth, told = overconfident(200, 2.0)
    logits = np.log(told)

    def slope(T: float) -> float:
        # d/dT of mean(-z_y / T + log sum exp(z / T)) = mean(z_y - E_p[z]) / T^2
        p = special.softmax(logits / T, axis=1)
        return float(np.mean(logits[np.arange(200), truth] - (p * logits).sum(axis=1)))

    expected = optimize.brentq(slope, 0.1, 10.0)
    assert fit_temperature(truth, told) == pytest.approx(expected, rel=1e-4)


def test_scaling_keeps_the_prediction_and_matches_the_logits() -> None:
    _, told = overconfident(50, 2.0)
    scaled = with_temperature(told.astype(np.float32), 3.0)
    assert np.array_equal(scaled.argmax(1), told.argmax(1))
    assert np.allclose(scaled, special.softmax(np.log(told) / 3.0, axis=1), atol=1e-6)
    assert np.allclose(with_temperature(told, 1.0), told)


def test_recalibration_is_fitted_on_one_split_and_evaluated_on_the_other() -> None:
    dev, test = overconfident(3000, 3.0, seed=1), overconfident(3000, 3.0, seed=2)
    truth, before = test
    after = with_temperature(before, fit_temperature(*dev))
    assert calibration_error(truth, before) > 0.15
    assert calibration_error(truth, after) < 0.03
    assert log_loss(truth, after) < log_loss(truth, before)


def test_a_task_is_fitted_on_what_is_known_and_left_alone_where_all_is_right_or_nothing_known() -> None:
    truth, told = overconfident(200, 2.0)
    task = Task("kind", ("a", "b", "c", "d"))
    partly = np.where(np.arange(200) < 150, truth, MISSING)[:, None]
    assert task_temperature(task, partly, told) == fit_temperature(truth[:150], told[:150])
    assert task_temperature(task, told.argmax(1)[:, None], told) == 1.0
    assert task_temperature(task, np.full((200, 1), MISSING), told) is None


def test_all_labels_of_a_task_have_one_temperature() -> None:
    generator = np.random.default_rng(0)
    labels, told = generator.integers(0, 2, (100, 2)), generator.random((100, 2))
    pairs = np.concatenate([np.stack([1 - column, column], axis=1) for column in told.T])
    found = task_temperature(Task("findings", ("a", "b"), "multi_label"), labels, told)
    assert found == fit_temperature(labels.T.ravel(), pairs)


def test_certain_and_wrong_stays_finite() -> None:
    truth = np.array([0, 1, 1, 0])
    told = np.eye(2)[[0, 1, 0, 1]]
    temperature = fit_temperature(truth, told)
    assert 10 < temperature <= 20.001
    assert np.isfinite(with_temperature(told, temperature)).all()
