"""A student's encoder that starts from its teacher's layers (Sanh et al., 2019: DistilBERT)."""

from __future__ import annotations

import torch
from torch import nn

from distune.config import ModelConfig
from distune.errors import UserError
from distune.models.encoders.base import Encoder
from distune.models.encoders.inspection import inspect_encoder


def check_copyable(teacher: ModelConfig, student: ModelConfig) -> None:
    """Refuses, before anything is trained, choices in the two sections that copying would override or not fit.

    Raises:
        UserError: the teacher has no such encoder, the student's layers are listed by number, or the word embeddings
            have different ranks.
    """
    for part, ours in student.encoders.items():
        theirs = getattr(teacher, part)
        if theirs.is_absent:
            raise UserError(
                f"init_from_teacher: teacher.{part} is none, so there are no layers that the student's {part} encoder "
                "could start from; give the teacher one, or set init_from_teacher: false"
            )
        if isinstance(ours.layers, tuple):
            raise UserError(
                "init_from_teacher: it takes evenly spaced layers of the teacher's encoder, which contradicts "
                f"student.{part}.layers: {list(ours.layers)}; give a number of layers, {len(ours.layers)} for as many, "
                "or set init_from_teacher: false"
            )
        if theirs.embedding_rank != ours.embedding_rank:
            raise UserError(
                f"init_from_teacher: the student's {part}.embedding_rank is {ours.embedding_rank}, the teacher's "
                f"{theirs.embedding_rank}; give both the same, or set init_from_teacher: false"
            )


def check_start(teacher: ModelConfig, student: ModelConfig, image_size: int | None) -> None:
    """Refuses, before anything is trained, a student that cannot start from its teacher's layers.

    Args:
        teacher: its section.
        student: its section.
        image_size: side of the image in pixels; None takes each encoder's own.

    Raises:
        UserError: as `check_copyable` and `copy_layers`.
    """
    check_copyable(teacher, student)
    for kind in student.encoders:
        matching_parts(*(inspect_encoder(getattr(of, kind), kind, image_size) for of in (teacher, student)))


def copy_layers(teacher: Encoder, student: Encoder) -> None:
    """Copies embeddings, head and evenly spaced layers: every second one where the teacher is twice as deep.

    Args:
        teacher: encoder that is copied from.
        student: encoder of the same family, width and at most the same depth, with nothing frozen.

    Raises:
        UserError: the two do not match, or the student has frozen layers.
    """
    for source, target in matching_parts(teacher, student):
        target.load_state_dict(source.state_dict())


def matching_parts(teacher: Encoder, student: Encoder) -> list[tuple[nn.Module, nn.Module]]:
    """What `copy_layers` copies from where to where; only names and shapes are compared, so meta tensors will do.

    Raises:
        UserError: the two do not match, or the student has frozen layers.
    """
    if student.frozen_layers:
        raise UserError(
            "init_from_teacher: the student's encoder has frozen layers, which keep their published weights; "
            "set freeze: none or init_from_teacher: false"
        )
    if student.depth > teacher.depth:
        raise UserError(
            f"init_from_teacher: the student's encoder has {student.depth} layers, the teacher's only {teacher.depth}"
        )
    pairs: list[tuple[nn.Module, nn.Module]] = [
        (teacher.embeddings, student.embeddings),
        *(
            # Evenly spaced from the first on: 6 of 12 are layers 0, 2, 4, ..., 10.
            (teacher.layers[i * teacher.depth // student.depth], layer)
            for i, layer in enumerate(student.layers)
        ),
        (teacher.head, student.head),
    ]
    if type(teacher) is not type(student) or any(_shapes(theirs) != _shapes(ours) for theirs, ours in pairs):
        raise UserError(
            f"init_from_teacher: the teacher's {type(teacher).__name__} of width {teacher.width} and the student's "
            f"{type(student).__name__} of width {student.width} do not have the same layers; choose encoders of one "
            "family and width, or set init_from_teacher: false"
        )
    return pairs


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in module.state_dict().items()}
