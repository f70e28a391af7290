from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from distune.distillation import LossShapes
from distune.models.outputs import ModelOutput


@dataclass(frozen=True)
class Batch:
    student: ModelOutput
    teacher: ModelOutput
    labels: Tensor
    index: Tensor
    shapes: LossShapes

    def rows(self, rows: Tensor | slice) -> Batch:
        return Batch(
            _rows(self.student, rows),
            _rows(self.teacher, rows),
            self.labels[rows],
            self.index[rows],
            self.shapes,
        )


MakeBatch = Callable[..., Batch]


def _rows(output: ModelOutput, rows: Tensor | slice) -> ModelOutput:
    return ModelOutput(
        tuple(logits[rows] for logits in output.logits),
        output.image_feature[rows],
        output.text_feature[rows],
        output.image_map[rows],
    )


def _features(generator: torch.Generator, count: int, width: int) -> Tensor:
    """Like pooled features of an encoder: a common offset, a few strong directions, some noise."""
    strengths = torch.linspace(1.0, 0.3, 16)
    strong = (torch.randn(count, 16, generator=generator) * strengths) @ torch.randn(
        16, width, generator=generator
    )
    offset = 0.7 * torch.randn(width, generator=generator)
    return offset + strong / 7**0.5 + 0.5 * torch.randn(count, width, generator=generator)


def _output(
    generator: torch.Generator,
    labels: Tensor,
    classes: Sequence[int],
    width: int,
    tokens: int,
    noise: float,
    sureness: float,
) -> ModelOutput:
    logits = tuple(
        noise * torch.randn(len(labels), count, generator=generator)
        + sureness * torch.nn.functional.one_hot(labels[:, task], count)
        for task, count in enumerate(classes)
    )
    image, text = (_features(generator, len(labels), width) for _ in range(2))
    image_map = torch.exp(0.1 * torch.randn(len(labels), tokens, generator=generator))
    return ModelOutput(logits, image, text, image_map)


@pytest.fixture(scope="session")
def make_batch() -> MakeBatch:
    """A batch as at the start of training: an undecided student, a teacher that is mostly right."""

    def make(
        seed: int = 0,
        *,
        count: int = 8,
        classes: Sequence[int] = (2, 5),
        widths: tuple[int, int] = (12, 20),
        tokens: tuple[int, int] = (9, 17),
        examples: int = 40,
        sureness: float = 4.0,
    ) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.stack([torch.randint(c, (count,), generator=generator) for c in classes], dim=1)
        student = _output(generator, labels, classes, widths[0], tokens[0], 0.3, 0.0)
        teacher = _output(generator, labels, classes, widths[1], tokens[1], 1.0, sureness)
        index = torch.randperm(examples, generator=generator)[:count]
        return Batch(student, teacher, labels, index, LossShapes(*widths, tuple(classes), examples))

    return make
