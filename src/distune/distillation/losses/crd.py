"""`crd`: contrast with a memory of other examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distune.config import DistillationConfig
from distune.distillation.base import DistillationLoss, LossShapes
from distune.distillation.loss_parts import feature_pairs, mean_or_zero, there, unit
from distune.models.outputs import ModelOutput

EMBEDDING_DIM = 128
MOST_NEGATIVES = 512
SHARPNESS = 0.07
MOMENTUM = 0.5


class Contrast(nn.Module):
    """The contrastive term of `crd`, scaled but without beta.

    Each example of each modality has two embeddings of length 1, e_s = unit(G_s h_s) and e_t = unit(G_t h_t), with
    linear heads G trained with the student. Two memories a modality hold every train example's last embeddings. At
    each step up to 512 examples are drawn from the memory without replacement; against an anchor stand its own partner
    and those N of them that are other examples:

        h(a, b) = exp(a.b / tau) / ( exp(a.b / tau) + N c )
        L(anchor) = -log h(anchor, partner) - sum_{n = 1..N} log( 1 - h(anchor, negative_n) )
        CRD = SCALE * mean over {image, text} of ( L(e_s; negatives of teachers) + L(e_t; negatives of students) ) / 2

    tau = 0.07. c = exp(1 / (2 dim tau^2)) is the mean of exp(a.b / tau) over directions drawn uniformly, which the
    memories hold at first: the normalisation that the authors' implementation measures on its first batch. The
    memories follow with momentum 0.5 while training. The negatives are drawn from a generator seeded with a step
    counter that is a buffer, on other devices than a CPU from the device's own, which every epoch seeds; so a resumed
    run draws the same ones.
    """

    SCALE: ClassVar[float] = 0.3
    memory: Tensor
    steps: Tensor

    def __init__(self, shapes: LossShapes):
        super().__init__()
        self.student_heads = nn.ModuleList(
            nn.Linear(shapes.student_dim, EMBEDDING_DIM) for _ in shapes.modalities
        )
        self.teacher_heads = nn.ModuleList(
            nn.Linear(shapes.teacher_dim, EMBEDDING_DIM) for _ in shapes.modalities
        )
        # (modality, student or teacher, example, dimension)
        self.register_buffer(
            "memory", unit(torch.randn(len(shapes.modalities), 2, shapes.examples, EMBEDDING_DIM))
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, student: ModelOutput, teacher: ModelOutput, index: Tensor) -> Tensor:
        """The scaled term; in training mode it also updates the memories.

        Args:
            student: outputs for B examples in fp32.
            teacher: outputs for the same examples in fp32, without gradient.
            index: position of each example in the train split, int64 (B,).

        Returns:
            A scalar of at least 0.
        """
        drawn = self._draw()
        present = [
            there(student, teacher, number)
            for number, feature in enumerate((student.image_feature, student.text_feature))
            if feature is not None and (teacher.image_feature, teacher.text_feature)[number] is not None
        ]
        places = [index if rows is None else index[rows] for rows in present]
        terms = []
        embeddings = []
        # Both losses of a modality before the memories move: an anchor must not meet its own new embedding.
        for modality, (ours, theirs) in enumerate(feature_pairs(student, teacher)):
            other = places[modality][:, None] != drawn
            of_student = unit(self.student_heads[modality](ours))
            of_teacher = unit(self.teacher_heads[modality](theirs))
            students, teachers = self.memory[modality][:, drawn]
            terms.append(noise_contrast(of_student, of_teacher, teachers, other))
            terms.append(noise_contrast(of_teacher, of_student, students, other))
            embeddings.append(torch.stack([of_student, of_teacher]))
        if self.training:
            self._remember(embeddings, places)
        return self.SCALE * torch.stack(terms).mean()

    def _draw(self) -> Tensor:
        """Positions of this step's negatives, (min(512, examples),)."""
        count, device = self.memory.shape[2], self.memory.device
        if device.type != "cpu":  # to read the counter there, or to send positions, would hold up every step
            return torch.randperm(count, device=device)[:MOST_NEGATIVES]
        generator = torch.Generator().manual_seed(int(self.steps))
        return torch.randperm(count, generator=generator)[:MOST_NEGATIVES]

    @torch.no_grad()
    def _remember(self, embeddings: Sequence[Tensor], places: Sequence[Tensor]) -> None:
        """Moves the memories of these examples half way to their new embeddings, (2, B, dim) a modality."""
        for memory, new, index in zip(self.memory, embeddings, places, strict=True):
            memory[:, index] = unit(MOMENTUM * memory[:, index] + (1 - MOMENTUM) * new.detach())
        self.steps += 1


def noise_contrast(anchor: Tensor, partner: Tensor, negatives: Tensor, other: Tensor) -> Tensor:
    """Noise-contrastive loss of telling the partner from the negatives.

    Args:
        anchor: (B, dim), length 1.
        partner: (B, dim), length 1.
        negatives: (K, dim), length 1.
        other: bool (B, K): the negative is not the anchor's own example.

    Returns:
        Mean over the batch of -log h(partner) - sum_n log(1 - h(negative_n)); 0 for an anchor without negatives.
    """
    count = other.sum(dim=1)
    # log(N c) of the docstring; with it h is a sigmoid, and softplus keeps both logarithms finite.
    offset = count.clamp_min(1).log() + 1 / (2 * anchor.shape[1] * SHARPNESS**2)
    match = (anchor * partner).sum(dim=1) / SHARPNESS - offset
    mismatch = anchor @ negatives.T / SHARPNESS - offset[:, None]
    each = F.softplus(-match) + (F.softplus(mismatch) * other).sum(dim=1)
    return mean_or_zero(each * (count > 0))


class ContrastiveLoss(DistillationLoss):
    """Makes the student's feature of an example recognisable among the teacher's of other examples.

    Formula:
        beta / 100 * CRD(h_s, h_t), see `Contrast`.

    Shapes: features (B, student_dim) and (B, teacher_dim), image and text. Weights: beta; SCALE = 0.3 is part of CRD.
    Its minimum is above 0 and not at equal features: the heads matter. T has no effect.

    Source: Tian, Krishnan, Isola, "Contrastive Representation Distillation", ICLR 2020.
    """

    ignores: ClassVar[frozenset[str]] = frozenset({"T"})
    couples_batch: ClassVar[bool] = True
    compares_features: ClassVar[bool] = True

    def __init__(self, config: DistillationConfig, shapes: LossShapes):
        super().__init__(config, shapes)
        self.contrast = Contrast(shapes)

    def compute(self, student: ModelOutput, teacher: ModelOutput, labels: Tensor, index: Tensor) -> Tensor:
        """The weighted contrast; it updates the memories in training mode."""
        term: Tensor = self.contrast(student, teacher, index)
        return self.weight * term
