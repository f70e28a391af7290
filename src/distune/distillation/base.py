"""What every distillation loss is: a weighted term that pulls the student towards the teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from distune.config import DistillationConfig, Modality
from distune.errors import UserError
from distune.models.outputs import ModelOutput

NEUTRAL_BETA = 100.0


@dataclass(frozen=True)
class LossShapes:
    """Sizes that a loss needs to build its own parameters and memories.

    Attributes:
        student_dim: width of the student's `image_feature` and `text_feature`.
        teacher_dim: width of the teacher's.
        classes: number of classes of each task; a multi-label one has become a task of two classes for each label.
        examples: number of train examples; every `index` is below it.
        task_weights: of the tasks in every sum over them; None weights all alike.
        modalities: what both models read, of "image" and "text" in this order: the features that can be compared.
    """

    student_dim: int
    teacher_dim: int
    classes: tuple[int, ...]
    examples: int
    modalities: tuple[Modality, ...] = ("image", "text")
    task_weights: tuple[float, ...] | None = None


class DistillationLoss(nn.Module, ABC):
    """One way to compare the student's outputs with the teacher's.

    A loss is computed in fp32 even under autocast, and its gradient never reaches the teacher. Its own parameters are
    trained with the student; what it remembers between steps is held in buffers, so a checkpoint is complete.

    Attributes:
        SCALE: documented constant that makes the term about as large as the cross entropy when training starts.
        ignores: those of "beta" and "T" that change nothing.
        couples_batch: the term compares examples with each other, so splitting a batch changes it.
        uses_teacher: false where the teacher's outputs change nothing.
        uses_map: the term reads `image_map`; elsewhere the models may leave it empty.
        compares_features: the term sums over the modalities that both models read, and needs one at least.
    """

    SCALE: ClassVar[float] = 1.0
    ignores: ClassVar[frozenset[str]] = frozenset()
    couples_batch: ClassVar[bool] = False
    uses_teacher: ClassVar[bool] = True
    uses_map: ClassVar[bool] = False
    compares_features: ClassVar[bool] = False

    def __init__(self, config: DistillationConfig, shapes: LossShapes):
        super().__init__()
        self.weight = config.beta / NEUTRAL_BETA
        self.T = config.T
        self.task_weights = shapes.task_weights

    def forward(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The distillation term, weighted.

        Args:
            student: outputs for B examples.
            teacher: outputs for the same examples.
            labels: the table's columns, int64 (B, columns): class indices, and 0 or 1 for each label of a multi-label
                task; `MISSING` where one is not known.
            index: position of each example in the train split, int64 (B,).

        Returns:
            A scalar in fp32: mean over the batch, sum over the tasks.
        """
        with torch.autocast(student.logits[0].device.type, enabled=False):
            term = self.compute(_as_float(student), _as_float(teacher, detach=True), labels, index)
        if not (isinstance(term, Tensor) and term.shape == ()):
            found = f"the shape {tuple(term.shape)}" if isinstance(term, Tensor) else type(term).__name__
            raise UserError(
                f"loss {type(self).__name__}: the term is of {found}; give a tensor of shape (): the mean over the "
                "batch, the sum over the tasks"
            )
        return term

    @abstractmethod
    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted term from fp32 outputs; the teacher's carry no gradient. Arguments as in `forward`."""


def _as_float(output: ModelOutput, *, detach: bool = False) -> ModelOutput:
    def convert(tensor: Tensor) -> Tensor:
        return tensor.detach().float() if detach else tensor.float()

    def where_there(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else convert(tensor)

    return ModelOutput(
        logits=tuple(convert(logits) for logits in output.logits),
        image_feature=where_there(output.image_feature),
        text_feature=where_there(output.text_feature),
        image_map=where_there(output.image_map),
        absent=output.absent,
    )
