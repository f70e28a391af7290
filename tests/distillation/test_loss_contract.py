"""What every distillation loss promises, whatever its formula."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distune.config import DistillationConfig
from distune.distillation import LOSSES, DistillationLoss
from distune.errors import UserError
from distune.models.outputs import ModelOutput

Batch = Any
MakeBatch = Callable[..., Batch]

REACHES = {
    "vanilla": {"logits"},
    "combined": {"logits", "image_feature", "text_feature"},
    "crd": {"image_feature", "text_feature"},
    "rkd": {"image_feature", "text_feature"},
    "mmd": {"image_feature", "text_feature"},
    "dkd": {"logits"},
    "dist": {"logits"},
    "attention_transfer": {"image_map"},
    "similarity_preserving": {"image_feature", "text_feature"},
    "logit_standardisation": {"logits"},
    "none": set(),
}
LEARNING = {"combined", "crd", "mmd"}
ZERO_AT_EQUAL = sorted(set(LOSSES) - {"crd"})


def build(name: str, batch: Batch, seed: int = 0, **values: Any) -> DistillationLoss:
    torch.manual_seed(seed)
    return LOSSES[name](DistillationConfig(loss=name, **values), batch.shapes)


def value(loss: DistillationLoss, batch: Batch) -> Tensor:
    return loss(batch.student, batch.teacher, batch.labels, batch.index)


def number(loss: DistillationLoss, batch: Batch) -> float:
    return float(value(loss, batch).detach())


def tensors(output: ModelOutput) -> dict[str, Tensor]:
    named = {field.name: getattr(output, field.name) for field in fields(output) if field.name != "absent"}
    logits = {f"logits{task}": each for task, each in enumerate(named.pop("logits"))}
    return logits | {name: each for name, each in named.items() if each is not None}


def with_gradient(batch: Batch) -> Batch:
    def leaf(output: ModelOutput) -> ModelOutput:
        def each(tensor: Tensor) -> Tensor:
            return tensor.clone().requires_grad_()

        return ModelOutput(
            tuple(each(logits) for logits in output.logits),
            each(output.image_feature),
            each(output.text_feature),
            each(output.image_map),
        )

    return replace(batch, student=leaf(batch.student), teacher=leaf(batch.teacher))


def test_every_name_of_the_config_has_a_loss() -> None:
    assert set(LOSSES) == set(REACHES)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"none"}))
@pytest.mark.parametrize("modality", [0, 1])
def test_what_either_model_lacks_is_not_compared(name: str, modality: int, make_batch: MakeBatch) -> None:
    """The student lacks the input of the first two examples, the teacher that of the last two."""
    batch = make_batch(1, count=8)
    lacking = torch.zeros(2, 8, dtype=torch.bool)
    lacking[0, :2] = lacking[1, -2:] = True
    absent = [(mask, None) if modality == 0 else (None, mask) for mask in lacking]
    student, teacher = replace(batch.student, absent=absent[0]), replace(batch.teacher, absent=absent[1])
    part = ("image_feature", "text_feature")[modality]
    others = ("image_map",) if modality == 0 else ()

    def altered(output: ModelOutput, rows: Tensor) -> ModelOutput:
        shown = {key: getattr(output, key).clone() for key in (part, *others)}
        for each in shown.values():
            each[rows] += 3.0 * torch.arange(each[rows].numel()).view_as(each[rows]).sin()
        return replace(output, **shown)

    def found(one: ModelOutput, other: ModelOutput) -> float:
        return number(build(name, batch), replace(batch, student=one, teacher=other))

    before, both = found(student, teacher), lacking[0] | lacking[1]
    assert found(altered(student, both), altered(teacher, both)) == pytest.approx(before, abs=1e-6)
    if part in REACHES[name] or REACHES[name] & set(others):
        assert found(altered(student, ~both), teacher) != pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"none"}))
@pytest.mark.parametrize("lacks", ["student", "teacher"])
def test_an_image_that_one_model_alone_reads_changes_nothing(
    name: str, lacks: str, make_batch: MakeBatch
) -> None:
    """The other one reads texts, of which both lack the first."""
    gone = torch.tensor([True, *[False] * 7])
    batch = make_batch(1, count=8)
    texts = replace(batch, shapes=replace(batch.shapes, modalities=("text",)))
    models = {
        role: replace(getattr(batch, role), image_feature=None, absent=(None, gone))
        for role in ("student", "teacher")
    }
    other = "teacher" if lacks == "student" else "student"
    image = getattr(batch, other).image_feature
    alone = number(build(name, texts), replace(texts, **models))
    models[other] = replace(models[other], image_feature=image)
    assert number(build(name, texts), replace(texts, **models)) == alone


@pytest.mark.parametrize("name", LOSSES)
class TestContract:
    @pytest.mark.parametrize("count", [1, 2, 3, 8])
    def test_is_a_finite_scalar_with_finite_gradients(
        self, name: str, count: int, make_batch: MakeBatch
    ) -> None:
        batch = with_gradient(make_batch(1, count=count, classes=(2, 5, 3)))
        found = value(build(name, batch), batch)
        assert found.shape == ()
        assert found.dtype == torch.float32
        assert torch.isfinite(found)
        if found.requires_grad:
            found.backward()
        for each in tensors(batch.student).values():
            assert each.grad is None or torch.isfinite(each.grad).all()

    def test_gradient_reaches_the_student_and_its_own_parameters_only(
        self, name: str, make_batch: MakeBatch
    ) -> None:
        batch = with_gradient(make_batch(2))
        loss = build(name, batch)
        found = value(loss, batch)
        assert found.requires_grad == bool(REACHES[name])
        if found.requires_grad:
            found.backward()
        reached = {
            key.rstrip("01")
            for key, each in tensors(batch.student).items()
            if each.grad is not None and each.grad.abs().max() > 0
        }
        assert reached == REACHES[name]
        assert all(each.grad is None for each in tensors(batch.teacher).values())
        assert bool(list(loss.parameters())) == (name in LEARNING)
        for parameter in loss.parameters():
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0

    def test_is_linear_in_beta_down_to_zero(self, name: str, make_batch: MakeBatch) -> None:
        batch = make_batch(4)
        none, once, twice = (number(build(name, batch, beta=beta), batch) for beta in (0, 100, 200))
        assert twice - once == pytest.approx(once - none, rel=1e-5)
        if name != "combined":
            assert none == 0.0

    def test_is_continuous_over_the_search_space(self, name: str, make_batch: MakeBatch) -> None:
        batch = make_batch(5)
        for T in (2.0, 2.5, 6.0):
            for beta in (0.0, 50.0, 200.0):
                here = number(build(name, batch, beta=beta, T=T), batch)
                near = number(build(name, batch, beta=beta + 1e-3, T=T + 1e-4), batch)
                assert here == pytest.approx(near, rel=1e-3, abs=1e-3)

    def test_autocast_changes_nothing(self, name: str, make_batch: MakeBatch) -> None:
        batch = make_batch(9)
        plain = value(build(name, batch), batch)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(value(build(name, batch), batch), plain)
            half = replace(
                batch.student,
                logits=tuple(each.bfloat16() for each in batch.student.logits),
                image_feature=batch.student.image_feature.bfloat16(),
                text_feature=batch.student.text_feature.bfloat16(),
                image_map=batch.student.image_map.bfloat16(),
            )
            found = value(build(name, batch), replace(batch, student=half))
        assert found.dtype == torch.float32
        assert float(found.detach()) == pytest.approx(float(plain.detach()), rel=0.05)

    def test_degenerate_batches_stay_finite(self, name: str, make_batch: MakeBatch) -> None:
        whole = make_batch(10)
        same = whole.rows(torch.zeros(4, dtype=torch.int64))
        zeros = {"image_feature": torch.zeros(4, 12), "text_feature": torch.zeros(4, 12)}
        flat = {"image_map": torch.zeros(4, 9), "logits": (torch.zeros(4, 2), torch.full((4, 5), 3.0))}
        sure = {"logits": (torch.eye(2)[[0, 1, 0, 1]] * 200, torch.eye(5)[[0, 1, 2, 3]] * 200)}
        for changes in ({}, zeros, flat, sure):
            batch = with_gradient(replace(same, student=replace(same.student, **changes)))
            found = value(build(name, batch), batch)
            assert torch.isfinite(found)
            if found.requires_grad:
                found.backward()
            for each in tensors(batch.student).values():
                assert each.grad is None or torch.isfinite(each.grad).all()

    def test_same_seed_same_steps(self, name: str, make_batch: MakeBatch) -> None:
        batch = make_batch(11)
        first, second = build(name, batch, seed=3), build(name, batch, seed=3)
        for _ in range(3):
            assert torch.equal(value(first, batch), value(second, batch))

    def test_declares_whether_it_reads_the_map(self, name: str, make_batch: MakeBatch) -> None:
        batch = make_batch(13)
        empty = torch.zeros(8, 0)
        batch = replace(
            batch,
            student=replace(batch.student, image_map=empty),
            teacher=replace(batch.teacher, image_map=empty),
        )
        if LOSSES[name].uses_map:
            with pytest.raises(ValueError, match="image_map"):
                value(build(name, batch), batch)
        else:
            assert torch.isfinite(value(build(name, batch), batch))

    def test_documents_formula_and_source(self, name: str) -> None:
        text = inspect.getdoc(LOSSES[name]) or ""
        for word in ("Formula", "Shapes", "eights: ", "Source: "):
            assert word in text
        scale = LOSSES[name].SCALE
        assert scale == 1.0 or f"SCALE = {scale:g}" in text


@pytest.mark.parametrize("name", [name for name in LOSSES if "logits" in REACHES[name]])
def test_temperature_is_no_second_weight(name: str, make_batch: MakeBatch) -> None:
    sizes = []
    for T in (2.0, 6.0):
        batch = with_gradient(make_batch(6, count=32, classes=(4, 6), sureness=1.0))
        value(build(name, batch, T=T), batch).backward()
        sizes.append(float(torch.cat([each.grad for each in batch.student.logits], dim=1).norm()))
    assert 1 / 2 < sizes[1] / sizes[0] < 2  # without T^2 (or with one too many): 1/9 or 9


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"none"}))
def test_as_large_as_the_cross_entropy_at_the_start(name: str, make_batch: MakeBatch) -> None:
    for seed, (classes, T) in enumerate([((2, 5), 2.0), ((2, 5), 4.0), ((3, 4), 2.0), ((4, 10), 3.0)]):
        batch = make_batch(
            seed, count=16, classes=classes, widths=(384, 512), tokens=(196, 197), examples=1653
        )
        pairs = zip(batch.student.logits, batch.labels.T, strict=True)
        cross_entropy = sum(float(F.cross_entropy(logits, truth)) for logits, truth in pairs)
        assert 0.2 < number(build(name, batch, T=T), batch) / cross_entropy < 5


@pytest.mark.parametrize("name", ZERO_AT_EQUAL)
def test_zero_where_the_student_equals_the_teacher(name: str, make_batch: MakeBatch) -> None:
    batch = make_batch(20, widths=(12, 12), tokens=(9, 9))
    batch = replace(batch, student=batch.teacher)
    loss = build(name, batch)
    if hasattr(loss, "regressors"):
        for layer in loss.regressors.children():
            torch.nn.init.eye_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    assert number(loss, batch) == pytest.approx(0.0, abs=2e-5)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"none"}))
def test_gradient_steps_bring_the_student_closer(name: str, make_batch: MakeBatch) -> None:
    batch = with_gradient(make_batch(21))
    loss = build(name, batch)
    parameters = [*tensors(batch.student).values(), *loss.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.05)
    start = number(loss, batch)
    for _ in range(25):
        optimizer.zero_grad()
        value(loss, batch).backward()
        optimizer.step()
    assert number(loss, batch) < 0.7 * start


@pytest.mark.parametrize(("found", "said"), [(torch.ones(2), r"the shape \(2,\)"), (1.0, "float")])
def test_a_term_is_one_number_in_a_tensor(make_batch: MakeBatch, found: Any, said: str) -> None:
    class PerExample(DistillationLoss):
        def compute(self, *_: Any) -> Any:
            return found

    batch = make_batch()
    loss = PerExample(DistillationConfig(), batch.shapes)
    with pytest.raises(UserError, match=f"PerExample: the term is of {said}"):
        value(loss, batch)
