"""What a student takes over from its teacher's encoder, on linear layers whose weights are their own number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from distune import checking
from distune.config import Config, EncoderConfig, ModelConfig, with_values
from distune.errors import UserError
from distune.models import init_from_teacher
from distune.models.encoders.base import Encoder
from distune.models.init_from_teacher import check_copyable, check_start, copy_layers, matching_parts


class Other(Encoder):
    """Of the same shapes, and computed otherwise."""


def encoder(
    depth: int, first: float, *, width: int = 2, kind: type[Encoder] = Encoder, **how: Any
) -> Encoder:
    """Embeddings, layers and head hold `first`, `first` + 1, ... in each of their weights."""
    stages = [nn.Linear(width, width) for _ in range(depth + 2)]
    for number, stage in enumerate(stages):
        nn.init.constant_(stage.weight, first + number)
        nn.init.constant_(stage.bias, -first - number)
    return kind(stages[0], stages[1:-1], stages[-1], width=width, **({"freeze": "none"} | how))


def numbers(made: Encoder) -> list[float]:
    return [stage.weight[0, 0].item() for stage in (made.embeddings, *made.layers, made.head)]  # type: ignore[index,union-attr]


@pytest.mark.parametrize(
    ("depth", "taken"), [(1, [0]), (2, [0, 3]), (3, [0, 2, 4]), (4, [0, 1, 3, 4]), (6, [0, 1, 2, 3, 4, 5])]
)
def test_evenly_spaced_layers_from_the_first_on_and_both_ends_are_copied(
    depth: int, taken: list[int]
) -> None:
    teacher, student = encoder(6, 10.0), encoder(depth, 100.0)
    copy_layers(teacher, student)
    assert numbers(teacher) == [10.0 + number for number in range(8)], "the teacher stays as it is"
    assert numbers(student) == [10.0, *(11.0 + number for number in taken), 17.0]
    assert student.head.bias[0].item() == -17.0  # type: ignore[index,union-attr]
    with torch.no_grad():
        student.head.weight.zero_()  # type: ignore[operator,union-attr]
    assert numbers(teacher)[-1] == 17.0, "they share no weight"


@pytest.mark.parametrize(
    ("student", "token"),
    [
        (encoder(3, 0.0), "3 layers, the teacher's only 2"),
        (encoder(2, 0.0, freeze=1), "frozen layers"),
        (encoder(2, 0.0, freeze="all"), "frozen layers"),
        (encoder(2, 0.0, width=3), "width 3"),
        (encoder(2, 0.0, kind=Other), "Other"),
    ],
)
def test_what_does_not_match_is_refused(student: Encoder, token: str) -> None:
    with pytest.raises(UserError, match=token):
        matching_parts(encoder(2, 0.0), student)


@pytest.mark.parametrize("with_bias", [True, False])
def test_layers_with_other_weights_beside_those_of_one_shape_are_refused(with_bias: bool) -> None:
    teacher, student = encoder(1, 0.0), encoder(1, 0.0)
    (student if with_bias else teacher).layers[0] = nn.Linear(2, 2, bias=False)
    with pytest.raises(UserError, match="same layers"):
        matching_parts(teacher, student)


def test_a_teacher_with_frozen_layers_may_be_copied() -> None:
    teacher, student = encoder(2, 10.0, freeze="all"), encoder(2, 100.0)
    copy_layers(teacher, student)
    assert numbers(student) == numbers(teacher)
    assert all(weight.requires_grad for weight in student.parameters())


@pytest.mark.parametrize(
    ("teacher", "student", "token"),
    [
        ({}, {}, None),
        ({"vision.name": "none"}, {}, r"teacher\.vision is none"),
        ({"text.name": "none"}, {}, r"teacher\.text is none"),
        ({"text.name": "none"}, {"text.name": "none"}, None),
        ({}, {"vision.name": "none"}, None),
        ({}, {"text.layers": [1, 3]}, r"student\.text\.layers: \[1, 3\]"),
        ({}, {"text.layers": 2}, None),
        ({"text.layers": [1, 3]}, {}, None),
        ({"text.embedding_rank": 4}, {}, "rank is None"),
        ({"text.embedding_rank": 4}, {"text.embedding_rank": 4}, None),
    ],
)
def test_choices_that_cannot_be_copied_are_refused_before_anything_is_built(
    teacher: dict[str, Any], student: dict[str, Any], token: str | None
) -> None:
    config = with_values(
        Config(),
        {
            **{f"teacher.{key}": value for key, value in teacher.items()},
            **{f"student.{key}": value for key, value in student.items()},
        },
    )
    sections: tuple[ModelConfig, ModelConfig] = config.teacher, config.student
    if token is None:
        check_copyable(*sections)
    else:
        with pytest.raises(UserError, match=token):
            check_copyable(*sections)


@pytest.mark.parametrize(
    ("values", "token"),
    [
        ({}, None),
        ({"student__text": "none"}, None),
        ({"teacher__vision": "none"}, r"teacher\.vision is none"),
        ({"teacher__vision__layers": 2}, "3 layers, the teacher's only 2"),
        ({"student__vision__layers": 2}, None),
        ({"student__text__freeze": "all"}, "frozen layers"),
    ],
)
def test_what_a_student_starts_from_is_looked_at_before_anything_is_trained(
    tiny_config: Callable[..., Config], values: dict[str, Any], token: str | None
) -> None:
    config = tiny_config(**values)
    if token is None:
        check_start(config.teacher, config.student, 32)
    else:
        with pytest.raises(UserError, match=token):
            check_start(config.teacher, config.student, 32)


def test_encoders_are_compared_at_the_size_of_the_images(
    tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[Any] = []
    look = init_from_teacher.inspect_encoder
    monkeypatch.setattr(
        init_from_teacher, "inspect_encoder", lambda *given: sizes.append(given[2]) or look(*given)
    )
    config = tiny_config()
    check_start(config.teacher, config.student, 32)
    assert sizes == [32] * 4


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"student.init_from_teacher": False}, []),
        ({}, ["student.vision", "student.text"]),
        ({"teacher.text.name": "bad"}, ["teacher.text", "student.vision"]),
        ({"teacher.text.name": "bad", "student.text.embedding_rank": 8}, ["teacher.text", "init_from_teacher"]),
    ],
)  # fmt: skip
def test_each_encoder_that_cannot_be_built_or_copied_is_named(
    values: dict[str, Any], named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspected(asked: EncoderConfig, kind: str, image_size: int) -> Encoder:
        if asked.name == "bad":
            raise UserError("not built")
        return encoder(1 + (asked.name in ("deit-small", "distilbert")), 0.0)  # the students are deeper

    monkeypatch.setattr(checking, "inspect_encoder", inspected)
    config = with_values(Config(), {"student.init_from_teacher": True} | values)
    assert [line.partition(":")[0] for line in checking._encoder_problems(config)] == named
