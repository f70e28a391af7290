"""Losses of multi-label and ordinal tasks, against NumPy by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax

from distune.config import DistillationConfig, TrainingConfig
from distune.data.table import MISSING, Task
from distune.distillation import LOSSES, LossShapes, Objective, balanced_class_weights, label_shares
from distune.distillation.loss_parts import exclusive_weights
from distune.distillation.ordinal import ordinal_loss
from distune.models.answers import as_exclusive
from distune.models.outputs import ModelOutput

TASKS = (
    Task("side", ("a", "b")),
    Task("findings", ("p", "q", "r"), "multi_label"),
    Task("grade", ("x", "y", "z"), "ordinal"),
)
LABELS = np.array([[0, 1, 0, 1, 2], [1, 0, 0, 0, 0], [1, 1, MISSING, 0, 1], [0, 0, 1, 1, MISSING]])
SHAPES = LossShapes(4, 5, (2, 2, 2, 2, 3), 4, task_weights=exclusive_weights(TASKS))


def output(seed: int, width: int) -> ModelOutput:
    random = torch.Generator().manual_seed(seed)
    logits = tuple(2 * torch.randn(4, len(task.classes), generator=random) for task in TASKS)
    image, text = (torch.randn(4, width, generator=random) for _ in range(2))
    return ModelOutput(logits, image, text, torch.rand(4, 4, generator=random))


def cumulative(logits: np.ndarray, truth: int, smoothing: float) -> float:
    p, classes = softmax(logits), len(logits)
    total = 0.0
    for k in range(classes - 1):
        above = p[k + 1 :].sum()
        target = (1 - smoothing) * (truth > k) + smoothing * (classes - 1 - k) / classes
        total -= target * np.log(above) + (1 - target) * np.log(1 - above)
    return total / (classes - 1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ordinal_loss_by_hand(smoothing: float) -> None:
    logits = 3 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    truth = torch.tensor([0, 1, 2, 3, 3, 0])
    found = ordinal_loss(logits, truth, label_smoothing=smoothing)
    expected = [cumulative(row, int(y), smoothing) for row, y in zip(logits.numpy(), truth, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_ordinal_loss_is_dearer_further_off_and_the_cross_entropy_for_two_classes() -> None:
    sure = torch.tensor([[8.0, 0.0, 0.0]]).repeat(3, 1)
    near_to_far = ordinal_loss(sure, torch.arange(3))
    assert near_to_far[0] < near_to_far[1] < near_to_far[2]
    two = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    truth = torch.tensor([0, 1, 1, 0, 1])
    plain = torch.nn.functional.cross_entropy(two, truth, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(ordinal_loss(two, truth, label_smoothing=0.1), plain)


def test_balanced_weights_count_known_labels() -> None:
    """Three examples have a label, two of them of the first class: 3 / (2 * 2) and 3 / (2 * 1)."""
    (weights,) = balanced_class_weights(np.array([[0], [0], [1], [MISSING]]), [2])
    assert weights.tolist() == [0.75, 1.5]


@pytest.mark.parametrize(("weighted", "smoothing"), [(False, 0.0), (True, 0.0), (False, 0.1)])
def test_the_hard_labels_of_every_kind_by_hand(weighted: bool, smoothing: float) -> None:
    student, shares = output(0, 4), label_shares(LABELS)
    assert shares == (1.0, 1.0, 0.75, 1.0, 0.75)
    weights = balanced_class_weights(LABELS, SHAPES.classes) if weighted else None
    training = TrainingConfig(label_smoothing=smoothing)
    objective = Objective(DistillationConfig(), training, None, weights, shares, TASKS)
    found = objective(student, torch.from_numpy(LABELS)).cross_entropy.item()
    side, findings, grade = (logits.numpy().astype(np.float64) for logits in student.logits)

    def mean(column: int, losses: list[float]) -> float:
        known = [row for row in range(4) if LABELS[row, column] != MISSING]
        factor = weights[column].numpy() if weights else np.ones(3)
        return float(np.mean([factor[LABELS[row, column]] * losses[row] for row in known]))

    def smoothed(log_p: np.ndarray, truth: int) -> float:
        target = (1 - smoothing) * np.eye(2)[truth] + smoothing / 2
        return -float(target @ log_p)

    expected = mean(0, [smoothed(log_softmax(side[row]), LABELS[row, 0]) for row in range(4)])
    for k in range(3):
        p = expit(findings[:, k])
        log_p = np.log(np.stack([1 - p, p], axis=1))
        expected += mean(1 + k, [smoothed(log_p[row], int(LABELS[row, 1 + k] == 1)) for row in range(4)]) / 3
    expected += mean(4, [cumulative(grade[row], LABELS[row, 4], smoothing) for row in range(4)])
    assert found == pytest.approx(expected, rel=1e-5)


def test_softened_labels_by_hand() -> None:
    """The divergence of each label's Bernoulli distribution, meant over the labels."""
    student, teacher = output(0, 4), output(1, 5)
    loss = LOSSES["vanilla"](DistillationConfig(beta=150.0, T=3.0), SHAPES)
    labels = torch.from_numpy(LABELS)
    found = loss(as_exclusive(student, TASKS), as_exclusive(teacher, TASKS), labels, torch.arange(4)).item()
    expected = 0.0
    for task, ours, theirs in zip(TASKS, student.logits, teacher.logits, strict=True):
        s, t = ours.numpy() / 3.0, theirs.numpy() / 3.0
        if task.kind == "multi_label":
            p, q = expit(t), expit(s)
            each = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(axis=1)
        else:
            p, q = softmax(t, axis=1), softmax(s, axis=1)
            each = (p * np.log(p / q)).sum(axis=1)
        expected += 9.0 * each.mean()
    assert found == pytest.approx(1.5 * expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_defined_for_every_kind(name: str) -> None:
    """Finite, with a gradient to all that it compares, and the plain sum where there is no multi-label task."""
    torch.manual_seed(0)
    config = DistillationConfig(gamma=0.5)
    loss = LOSSES[name](config, SHAPES)
    student = output(0, 4)
    for logits in student.logits:
        logits.requires_grad_()
    objective = Objective(config, TrainingConfig(), loss, None, label_shares(LABELS), TASKS)
    terms = objective(student, torch.from_numpy(LABELS), output(1, 5), torch.arange(4))
    terms.total.backward()
    assert torch.isfinite(terms.total)
    assert all(logits.grad is not None and torch.isfinite(logits.grad).all() for logits in student.logits)


def test_a_multi_label_task_of_equal_labels_weighs_as_one_task() -> None:
    """Three labels alike are worth one task of two classes: the mean, not the sum."""
    one, same = output(0, 4).logits[1][:, :1], Task("t", ("p", "q", "r"), "multi_label")
    other = output(1, 4).logits[1][:, :1]

    def term(copies: int, task: Task) -> Any:
        shapes = LossShapes(4, 4, (2,) * copies, 4, task_weights=exclusive_weights([task]))
        outputs = [ModelOutput((z.repeat(1, copies),), None, None, None) for z in (one, other)]
        loss = LOSSES["vanilla"](DistillationConfig(), shapes)
        ours, theirs = (as_exclusive(each, [task]) for each in outputs)
        return loss(ours, theirs, torch.zeros(4, copies, dtype=torch.int64), torch.arange(4))

    torch.testing.assert_close(term(3, same), term(1, Task("t", ("p",), "multi_label")))
