"""Pieces that several losses share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distune.data.table import Task
from distune.distillation.base import LossShapes
from distune.models.outputs import ModelOutput

SMALLEST_NORM = 1e-6


def unit(values: Tensor) -> Tensor:
    """Rows of (..., D) scaled to length 1; rows shorter than 1e-6 stay shorter than 1, with a finite gradient."""
    return F.normalize(values, dim=-1, eps=SMALLEST_NORM)


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL( softmax(teacher) || softmax(student) ), mean over the batch.

    Args:
        student: logits, (B, C).
        teacher: logits, (B, C).

    Returns:
        A scalar of at least 0, in nats.
    """
    log_student, log_teacher = F.log_softmax(student, dim=-1), F.log_softmax(teacher, dim=-1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def exclusive_weights(tasks: Sequence[Task]) -> tuple[float, ...] | None:
    """Weights of the tasks after every multi-label one of K labels became K of weight 1 / K; None where all are 1."""
    if all(task.kind != "multi_label" for task in tasks):
        return None
    return tuple(1.0 / task.width for task in tasks for _ in range(task.width))


def weighted_sum(terms: Sequence[Tensor], weights: Sequence[float] | None) -> Tensor:
    """Sum over the tasks of scalars; None weights all alike."""
    if weights is not None:
        terms = [weight * term for weight, term in zip(weights, terms, strict=True)]
    return torch.stack(list(terms)).sum()


def softened_divergence(
    student: ModelOutput, teacher: ModelOutput, T: float, weights: Sequence[float] | None = None
) -> Tensor:
    """sum_tasks T^2 * KL( softmax(z_t / T) || softmax(z_s / T) ), the distillation of Hinton et al. (2015)."""
    pairs = zip(student.logits, teacher.logits, strict=True)
    return weighted_sum([T * T * divergence(ours / T, theirs / T) for ours, theirs in pairs], weights)


def feature_pairs(student: ModelOutput, teacher: ModelOutput) -> tuple[tuple[Tensor, Tensor], ...]:
    """(student, teacher) features of the image and of the text, as far as both read them.

    Returns:
        Pairs of shapes (B, student_dim) and (B, teacher_dim); of an image or a text that some examples lack, with a row
        for each of the others.
    """
    pairs = (
        (student.image_feature, teacher.image_feature),
        (student.text_feature, teacher.text_feature),
    )
    present = (there(student, teacher, 0), there(student, teacher, 1))
    return tuple(
        (ours, theirs) if rows is None else (ours[rows], theirs[rows])
        for (ours, theirs), rows in zip(pairs, present, strict=True)
        if ours is not None and theirs is not None
    )


def there(student: ModelOutput, teacher: ModelOutput, modality: int) -> Tensor | None:
    """The examples whose image (0) or text (1) both models had, bool (B,); None where these are all."""
    masks = [each.absent[modality] for each in (student, teacher)]
    found: Tensor | None = None
    for absent in masks:
        if absent is not None:
            found = ~absent if found is None else found & ~absent
    return found


def mean_or_zero(values: Tensor) -> Tensor:
    """The mean; 0 of no values, as where no example of a batch has what is compared."""
    return values.mean() if values.numel() else values.sum()


class Regressors(nn.ModuleDict):
    """Linear maps from the student's features to the teacher's width, one for each modality that both read."""

    def __init__(self, shapes: LossShapes):
        super().__init__(
            {name: nn.Linear(shapes.student_dim, shapes.teacher_dim) for name in shapes.modalities}
        )

    def forward(self, student: ModelOutput, teacher: ModelOutput) -> tuple[tuple[Tensor, Tensor], ...]:
        """(mapped student, teacher) features of the image and of the text, (B, teacher_dim) each."""
        pairs = feature_pairs(student, teacher)
        return tuple(
            (regress(ours), theirs) for regress, (ours, theirs) in zip(self.values(), pairs, strict=True)
        )
