"""What every distillation loss promises, as tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from distune.config import DistillationConfig
from distune.data.table import MISSING
from distune.distillation.base import DistillationLoss, LossShapes
from distune.models.outputs import Absent, ModelOutput

CLASSES = (2, 5)
WIDTHS = (12, 20)
TOKENS = (9, 17)
EXAMPLES = 40


@dataclass(frozen=True)
class LossBatch:
    """What a loss gets: outputs of both models for the same examples, their labels and their train positions."""

    student: ModelOutput
    teacher: ModelOutput
    labels: Tensor
    index: Tensor

    def rows(self, rows: Tensor) -> LossBatch:
        """Some of the examples, in another order."""
        return LossBatch(
            _rows(self.student, rows), _rows(self.teacher, rows), self.labels[rows], self.index[rows]
        )


def loss_batch(seed: int, count: int = 8) -> LossBatch:
    """A batch as at the start of training: an undecided student, a teacher that is mostly right.

    Args:
        seed: the same one gives the same batch.
        count: of the examples; at most 40.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.stack([torch.randint(each, (count,), generator=generator) for each in CLASSES], dim=1)
    student, teacher = (
        _output(generator, labels, WIDTHS[i], TOKENS[i], noise=(0.3, 1.0)[i], sureness=(0.0, 4.0)[i])
        for i in range(2)
    )
    return LossBatch(student, teacher, labels, torch.randperm(EXAMPLES, generator=generator)[:count])


class LossContract:
    """Tests of one loss: subclass it as `Test...` and set `loss`."""

    loss: ClassVar[type[DistillationLoss]]

    def build(self, seed: int = 0, **values: float) -> DistillationLoss:
        """The loss with some weights; the same seed gives the same parameters."""
        torch.manual_seed(seed)
        config = DistillationConfig().model_copy(update=values)
        return self.loss(config, LossShapes(*WIDTHS, CLASSES, EXAMPLES))

    def build_for(self, **shapes: Any) -> DistillationLoss:
        """The loss for other models or tasks than both modalities and tasks of equal weight."""
        torch.manual_seed(0)
        return self.loss(DistillationConfig(), LossShapes(*WIDTHS, CLASSES, EXAMPLES, **shapes))

    def value(self, loss: DistillationLoss, batch: LossBatch) -> Tensor:
        """The weighted term."""
        found: Tensor = loss(batch.student, batch.teacher, batch.labels, batch.index)
        return found

    def test_is_a_finite_scalar_with_finite_gradients(self) -> None:
        """Also for a batch of one example, and where all examples are the same."""
        batches = [loss_batch(1, count) for count in (1, 2, 3, 8)]
        for batch in [*batches, loss_batch(2).rows(torch.zeros(4, dtype=torch.int64))]:
            leaf = _with_gradients(batch)
            found = self.value(self.build(), leaf)
            assert found.shape == () and found.dtype == torch.float32 and found.isfinite()
            if found.requires_grad:
                found.backward()  # type: ignore[no-untyped-call]
            assert all(each.grad is None or each.grad.isfinite().all() for each in _tensors(leaf.student))

    def test_gradient_never_reaches_the_teacher_but_every_parameter(self) -> None:
        """What a loss learns is trained with the student; the teacher is fixed."""
        batch, loss = _with_gradients(loss_batch(3)), self.build()
        found = self.value(loss, batch)
        assert found.requires_grad is self.loss.uses_teacher, "it is computed where uses_teacher alone"
        if found.requires_grad:
            found.backward()  # type: ignore[no-untyped-call]
            assert any(each.grad is not None and each.grad.any() for each in _tensors(batch.student)), (
                "the gradient does not reach the student"
            )
        assert all(each.grad is None for each in _tensors(batch.teacher)), "the gradient reaches the teacher"
        for name, parameter in loss.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, f"{name} is never trained"

    def test_declares_whether_it_uses_the_teacher(self) -> None:
        """Elsewhere no teacher is trained, and the term is left out."""
        batch = loss_batch(3)
        before = self.value(self.build(), batch)
        after = self.value(self.build(), replace(batch, teacher=loss_batch(11).teacher))
        assert torch.equal(before, after) is not self.loss.uses_teacher
        assert self.loss.uses_teacher or before == 0, "a term without a teacher is never computed"

    def test_leaves_what_it_is_given_as_it_was(self) -> None:
        """The cross entropy reads the same outputs after it."""
        batch, same = loss_batch(12), loss_batch(12)
        self.value(self.build(), batch)
        for given, kept in ((batch.student, same.student), (batch.teacher, same.teacher)):
            assert all(map(torch.equal, _tensors(given), _tensors(kept))), "it changes a tensor in place"
        assert torch.equal(batch.labels, same.labels), "it changes the labels in place"
        assert not any(each.requires_grad for each in _tensors(batch.teacher)), (
            "the teacher's outputs are to learn"
        )

    def test_leaves_the_random_numbers_to_the_seed_of_training(self) -> None:
        """It may draw some, as dropout does; a seed of its own would repeat them at every step."""
        batch, loss, drawn = loss_batch(12), self.build(), []
        for seed in (1, 2):
            torch.manual_seed(seed)
            self.value(loss, batch)
            drawn.append(torch.rand(8))
        assert not torch.equal(*drawn), "it sets a seed; leave that to the config"

    def test_a_label_may_be_unknown(self) -> None:
        """Of an example without a label of a task, the teacher's answer counts alone."""
        batch = loss_batch(13)
        labels = batch.labels.clone()
        labels[::2, 0], labels[:3, 1] = MISSING, MISSING
        assert self.value(self.build(), replace(batch, labels=labels)).isfinite()

    def test_a_task_counts_with_its_weight(self) -> None:
        """So that a multi-label task of ten labels counts as one task, not as ten."""
        batch = loss_batch(14)
        other = replace(batch.student, logits=(batch.student.logits[0], -3 * batch.student.logits[1]))
        values = [
            self.value(self.build_for(task_weights=(1.0, 0.0)), replace(batch, student=student))
            for student in (batch.student, other)
        ]
        assert torch.equal(*values), "a task of weight 0 counts; weight the terms by task_weights"

    def test_what_either_model_lacks_is_not_compared(self) -> None:
        """Of an example without its image, or its text, the features of that say nothing."""
        lacking = torch.arange(8) < 2
        for absent, parts in (
            ((lacking, None), ("image_feature", "image_map")),
            ((None, lacking), ("text_feature",)),
        ):
            values = []
            for seed in (15, 16):
                batch, other = loss_batch(15), loss_batch(seed)
                student = _mixed(batch.student, other.student, lacking, parts, absent)
                teacher = _mixed(batch.teacher, other.teacher, lacking, parts, absent)
                values.append(self.value(self.build(), replace(batch, student=student, teacher=teacher)))
            _close(*values)

    def test_works_where_the_models_share_one_modality(self) -> None:
        """Images alone, or texts alone, are classified, too."""
        batch = loss_batch(16)
        for name in ("image", "text"):
            if self.loss.uses_map and name == "text":
                continue
            lacking = ("text_feature",) if name == "image" else ("image_feature", "image_map")
            loss = self.build_for(modalities=(name,))
            lacks: Any = dict.fromkeys(lacking)
            student, teacher = (replace(each, **lacks) for each in (batch.student, batch.teacher))
            assert self.value(loss, replace(batch, student=student, teacher=teacher)).isfinite()

    def test_declares_what_has_no_effect(self) -> None:
        """`ignores` keeps a study from searching what changes nothing."""
        batch = loss_batch(4)
        base = self.value(self.build(beta=100.0, T=2.0), batch)
        changed = {"beta": {"beta": 150.0, "T": 2.0}, "T": {"beta": 100.0, "T": 5.0}}
        unmoved = {
            name
            for name, values in changed.items()
            if torch.equal(self.value(self.build(0, **values), batch), base)
        }
        assert unmoved == self.loss.ignores

    def test_is_linear_in_beta(self) -> None:
        """So that one range of beta serves every loss."""
        batch = loss_batch(5)
        none, once, twice = (
            float(self.value(self.build(beta=beta), batch).detach()) for beta in (0.0, 100.0, 200.0)
        )
        assert abs((twice - once) - (once - none)) <= 1e-5 * max(abs(twice), 1.0)

    def test_order_of_the_examples_does_not_matter(self) -> None:
        """A batch is a set."""
        batch = loss_batch(6)
        shuffled = batch.rows(torch.tensor([3, 1, 7, 0, 6, 2, 5, 4]))
        _close(self.value(self.build(), batch), self.value(self.build(), shuffled))

    def test_declares_whether_examples_are_compared(self) -> None:
        """`couples_batch` says that micro-batches change the result."""
        batch, loss = loss_batch(7), self.build()
        whole = self.value(self.build(), batch)
        halves = [self.value(loss, batch.rows(torch.arange(start, start + 4))) for start in (0, 4)]
        is_same = torch.allclose(whole, torch.stack(halves).mean(), rtol=1e-5, atol=1e-7)
        assert is_same is not self.loss.couples_batch

    def test_autocast_changes_nothing(self) -> None:
        """A loss is computed in fp32."""
        batch = loss_batch(8)
        plain = self.value(self.build(), batch)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(self.value(self.build(), batch), plain)

    def test_resumes_from_its_saved_state(self) -> None:
        """What a loss remembers between steps is in its buffers, so a checkpoint is complete."""
        batch, whole, resumed = loss_batch(9), self.build(), self.build(seed=1)
        for _ in range(2):
            self.value(whole, batch)
        resumed.load_state_dict(whole.state_dict())
        for _ in range(2):
            assert torch.equal(self.value(resumed, batch), self.value(whole, batch))

    def test_declares_whether_it_reads_the_map(self) -> None:
        """Elsewhere the models leave `image_map` empty, and the loss must not miss it."""
        if self.loss.uses_map:
            return
        batch, empty = loss_batch(10), torch.zeros(8, 0)
        without = replace(
            batch,
            student=replace(batch.student, image_map=empty),
            teacher=replace(batch.teacher, image_map=empty),
        )
        assert torch.equal(self.value(self.build(), without), self.value(self.build(), batch))


def _output(
    generator: torch.Generator, labels: Tensor, width: int, tokens: int, *, noise: float, sureness: float
) -> ModelOutput:
    count = len(labels)
    logits = tuple(
        noise * torch.randn(count, classes, generator=generator)
        + sureness * torch.nn.functional.one_hot(labels[:, task], classes)
        for task, classes in enumerate(CLASSES)
    )
    image, text = (torch.randn(count, width, generator=generator) + 0.7 for _ in range(2))
    return ModelOutput(logits, image, text, torch.exp(0.1 * torch.randn(count, tokens, generator=generator)))


def _tensors(output: ModelOutput) -> list[Tensor]:
    found = [*output.logits, output.image_feature, output.text_feature, output.image_map]
    return [each for each in found if each is not None]


def _changed(output: ModelOutput, change: Any) -> ModelOutput:
    logits, features = tuple(map(change, output.logits)), _tensors(output)[len(output.logits) :]
    return ModelOutput(logits, *map(change, features))


def _rows(output: ModelOutput, rows: Tensor) -> ModelOutput:
    return _changed(output, lambda each: each[rows])


def _mixed(
    one: ModelOutput, other: ModelOutput, rows: Tensor, parts: Sequence[str], absent: Absent
) -> ModelOutput:
    """An output with some rows of another one in some of its parts."""
    taken: Any = {
        part: torch.where(rows[:, None], getattr(other, part), getattr(one, part)) for part in parts
    }
    return replace(one, absent=absent, **taken)


def _with_gradients(batch: LossBatch) -> LossBatch:
    def leaf(each: Tensor) -> Tensor:
        return each.clone().requires_grad_()

    return replace(batch, student=_changed(batch.student, leaf), teacher=_changed(batch.teacher, leaf))


def _close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
