"""What is asked of the answers of a plugin, on answers that are written out here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from distune.components import FUSIONS, LOSSES
from distune.config import Config
from distune.distillation.base import LossShapes
from distune.distillation.losses.vanilla import VanillaLoss
from distune.distillation.plugin_parts import (
    CLASSES,
    MOST_EXAMPLES,
    TOKENS,
    _check,
    _output,
    plugin_problems,
)
from distune.errors import UserError
from distune.models.fusion.base import FusionOutput
from distune.models.fusion.simple import Simple
from distune.tuning.space.without_effect import fields_without_effect


@pytest.mark.parametrize(
    ("found", "token"),
    [
        (torch.ones(2, 3, requires_grad=True), None),
        (torch.ones(2, 3), "has no gradient"),
        (torch.ones(3, 2, requires_grad=True), r"has the shape \(3, 2\); \(2, 3\) is needed"),
        (torch.full((2, 3), float("nan"), requires_grad=True), "is not finite"),
        (torch.full((2, 3), float("inf"), requires_grad=True), "is not finite"),
        (torch.tensor([[1.0] * 3, [1.0, math.nan, 1.0]], requires_grad=True), "is not finite"),
        ([[1.0] * 3] * 2, "is a list"),
        (None, "is a NoneType"),
    ],
)
def test_an_answer_is_a_finite_tensor_of_its_shape_with_a_gradient(found: Any, token: str | None) -> None:
    if token is None:
        _check("fused", found, (2, 3), "(examples, dim)")
    else:
        with pytest.raises(UserError, match=f"fused {token}"):
            _check("fused", found, (2, 3), "(examples, dim)")


@pytest.mark.parametrize(
    ("absent", "reads"), [(None, (True, True)), ("vision", (False, True)), ("text", (True, False))]
)
def test_a_model_answers_as_far_as_it_reads(
    tiny_config: Callable[..., Config], absent: str | None, reads: tuple[bool, bool]
) -> None:
    config = tiny_config(**({f"student__{absent}": "none"} if absent else {}))
    made = _output(config.student, 5)
    assert [tuple(logits.shape) for logits in made.logits] == [(5, count) for count in CLASSES]
    for feature, read in zip((made.image_feature, made.text_feature), reads, strict=True):
        assert (feature is not None) is read
        assert feature is None or (feature.shape == (5, 8) and feature.requires_grad)
    assert (made.image_map is not None) is reads[0] and (
        made.image_map is None or made.image_map.shape == (5, TOKENS)
    )


def test_what_distune_brings_is_not_tried_and_draws_no_random_number(
    tiny_config: Callable[..., Config],
) -> None:
    torch.manual_seed(0)
    drawn = torch.random.get_rng_state()
    assert plugin_problems(tiny_config()) == []
    assert torch.equal(drawn, torch.random.get_rng_state())


@pytest.mark.usefixtures("plugins_forgotten")
@pytest.mark.parametrize(
    ("table", "key"),
    [(LOSSES, "distillation__loss"), (FUSIONS, "student__fusion"), (FUSIONS, "teacher__fusion")],
)
def test_where_the_machine_runs_out_no_plugin_is_at_fault(
    tiny_config: Callable[..., Config], table: Any, key: str
) -> None:
    def own(*_: Any) -> Any:
        raise errors.pop()

    table.add("own", own, "source")
    config = tiny_config(**{key: "own"})
    errors: list[Exception] = [MemoryError(), ValueError("it says")]
    (problem,) = plugin_problems(config)
    assert problem == f"{key.replace('__', '.')}: own, made and tried on a batch: ValueError: it says"
    with pytest.raises(MemoryError):
        plugin_problems(config)


class Noted(Simple):
    """A fusion that keeps what it is built from and asked."""

    seen: ClassVar[list[Any]] = []

    def __init__(self, *sizes: Any) -> None:
        super().__init__(*sizes)
        self.seen.append(sizes)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> FusionOutput:
        self.seen.append([tuple(each.shape) for each in (image, text, text_mask)])
        return super().forward(image, text, text_mask)


@pytest.mark.usefixtures("plugins_forgotten")
@pytest.mark.parametrize(
    ("values", "examples", "tokens"),
    [
        ({"training__batch_size": 4, "student__fusion_tokens": "sequence"}, 4, TOKENS),
        ({"training__batch_size": 99, "student__fusion_tokens": "sequence"}, MOST_EXAMPLES, TOKENS),
        ({"training__batch_size": 4, "student__fusion_tokens": "pooled"}, 4, 1),
        ({"student__text": "none"}, None, None),  # a model of one encoder has no fusion
    ],
)
def test_a_fusion_is_tried_as_the_model_would_use_it(
    tiny_config: Callable[..., Config], values: dict[str, Any], examples: int | None, tokens: int | None
) -> None:
    FUSIONS.add("own", Noted, "source")
    Noted.seen.clear()
    config = tiny_config(student__fusion="own", student__dropout=0.25, **values)
    assert plugin_problems(config) == []
    if examples is None:
        assert Noted.seen == []
    else:
        sizes, shapes = Noted.seen
        model = config.student
        assert sizes == (model.fusion_dim, model.fusion_layers, model.fusion_heads, 0.25)
        assert shapes == [(examples, tokens, model.fusion_dim)] * 2 + [(examples, tokens)]


@pytest.mark.usefixtures("plugins_forgotten")
def test_a_loss_is_tried_on_what_both_models_read_and_its_gradient_too(
    tiny_config: Callable[..., Config],
) -> None:
    seen: list[LossShapes] = []

    class Own(VanillaLoss):
        def __init__(self, config: Any, shapes: LossShapes) -> None:
            super().__init__(config, shapes)
            seen.append(shapes)

        def compute(self, *given: Any) -> Tensor:
            term: Tensor = super().compute(*given)
            term.register_hook(lambda gradient: gradient / [])
            return term

    LOSSES.add("own", Own, "source")
    config = tiny_config(distillation__loss="own", teacher__vision="none", training__batch_size=4)
    (problem,) = plugin_problems(config)
    assert "TypeError" in problem
    dims = config.student.fusion_dim, config.teacher.fusion_dim
    assert seen == [LossShapes(*dims, CLASSES, 4, ("text",))]


@pytest.mark.usefixtures("plugins_forgotten")
@pytest.mark.parametrize("asks", [True, False])
def test_a_loss_that_asks_no_teacher_leaves_the_teacher_without_effect(
    tiny_config: Callable[..., Config], asks: bool
) -> None:
    LOSSES.add("own", type("Own", (VanillaLoss,), {"uses_teacher": asks}), "source")
    (teacher,) = (each for each in fields_without_effect(tiny_config()) if each.field == "teacher")
    assert ("own" in teacher.when["distillation.loss"]) is not asks
