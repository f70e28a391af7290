from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from distune.config import DistillationConfig, TrainingConfig
from distune.data.table import MISSING, Task
from distune.distillation import LOSSES, Objective, balanced_class_weights
from distune.distillation.loss_parts import feature_pairs
from distune.distillation.losses.logit_standardisation import standardised
from distune.models.outputs import ModelOutput

MakeBatch = Callable[..., Any]


def objective(
    batch: Any, *, loss: str | None = "vanilla", training: dict[str, Any] | None = None, **values: Any
) -> Objective:
    config = DistillationConfig(loss=loss or "vanilla", **values)
    built = LOSSES[loss](config, batch.shapes) if loss else None
    return Objective(config, TrainingConfig(**(training or {})), built)


def terms(found: Objective, batch: Any) -> Any:
    return found(batch.student, batch.labels, batch.teacher, batch.index)


def cross_entropy(batch: Any, smoothing: float = 0.0, weights: Any = None) -> float:
    total = 0.0
    for task, logits in enumerate(batch.student.logits):
        log_p = log_softmax(logits.double().numpy(), axis=1)
        classes = log_p.shape[1]
        target = np.eye(classes)[batch.labels[:, task].numpy()] * (1 - smoothing) + smoothing / classes
        factor = np.ones(classes) if weights is None else weights[task]
        total += -(target * factor * log_p).sum(axis=1).mean()
    return total


def test_student_total_is_alpha_cross_entropy_plus_the_loss(make_batch: MakeBatch) -> None:
    batch = make_batch(0)
    found = terms(objective(batch, alpha=0.6), batch)
    assert float(found.cross_entropy) == pytest.approx(cross_entropy(batch), rel=1e-5)
    config = DistillationConfig(loss="vanilla")
    alone = LOSSES["vanilla"](config, batch.shapes)(batch.student, batch.teacher, batch.labels, batch.index)
    assert float(found.distillation) == pytest.approx(float(alone), rel=1e-6)
    assert float(found.total) == pytest.approx(0.6 * cross_entropy(batch) + float(alone), rel=1e-5)


def test_teacher_ignores_alpha_and_needs_no_teacher(make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    found = objective(batch, loss=None, alpha=0.2)(batch.student, batch.labels)
    assert float(found.total) == pytest.approx(cross_entropy(batch), rel=1e-5)
    assert float(found.distillation) == 0.0


def test_control_needs_no_teacher_and_keeps_alpha(make_batch: MakeBatch) -> None:
    batch = make_batch(2)
    found = objective(batch, loss="none", alpha=0.5)(batch.student, batch.labels)
    assert float(found.total) == pytest.approx(0.5 * cross_entropy(batch), rel=1e-5)


def test_loss_without_teacher_is_refused(make_batch: MakeBatch) -> None:
    batch = make_batch(3)
    with pytest.raises(ValueError, match="VanillaLoss"):
        objective(batch)(batch.student, batch.labels)


@pytest.mark.parametrize("edge", [{"alpha": 0.0}, {"beta": 0.0}, {"alpha": 0.0, "beta": 0.0}])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_edges_of_the_weights_leave_out_exactly_their_term(
    loss: str, edge: dict[str, float], make_batch: MakeBatch
) -> None:
    batch = make_batch(4)
    torch.manual_seed(0)
    at = terms(objective(batch, loss=loss, **edge), batch)
    torch.manual_seed(0)
    near = terms(objective(batch, loss=loss, **dict.fromkeys(edge, 0.0001)), batch)
    assert torch.isfinite(at.total)
    assert float(at.total.detach()) == pytest.approx(float(near.total.detach()), abs=2e-3)
    expected = edge.get("alpha", 1.0) * float(at.cross_entropy) + float(at.distillation.detach())
    assert float(at.total.detach()) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_label_smoothing_and_class_weights(make_batch: MakeBatch) -> None:
    batch = make_batch(5, classes=(2, 5))
    weights = (np.array([0.5, 2.0]), np.array([1.0, 0.2, 3.0, 1.0, 0.7]))
    found = Objective(
        DistillationConfig(),
        TrainingConfig(label_smoothing=0.1),
        None,
        tuple(torch.from_numpy(each) for each in weights),
    )(batch.student, batch.labels)
    assert float(found.total) == pytest.approx(cross_entropy(batch, 0.1, weights), rel=1e-5)


def test_equal_parts_of_a_batch_give_the_mean_even_with_class_weights(make_batch: MakeBatch) -> None:
    batch = make_batch(6)
    weights = (torch.tensor([0.2, 3.0]), torch.tensor([1.0, 0.2, 3.0, 1.0, 0.7]))
    found = Objective(DistillationConfig(), TrainingConfig(), None, weights)
    whole = found(batch.student, batch.labels).total
    parts = [batch.rows(slice(start, start + 2)) for start in range(0, 8, 2)]
    mean = torch.stack([found(part.student, part.labels).total for part in parts]).mean()
    assert float(whole) == pytest.approx(float(mean), rel=1e-6)


def test_penalty_is_added_with_its_gradient(make_batch: MakeBatch) -> None:
    batch = make_batch(7)
    penalty = torch.tensor(0.25, requires_grad=True)
    plain = terms(objective(batch), batch)
    found = terms(objective(batch), replace(batch, student=replace(batch.student, penalty=penalty)))
    assert float(found.total.detach()) == pytest.approx(float(plain.total) + 0.25, rel=1e-6)
    found.total.backward()
    assert float(penalty.grad) == 1.0
    assert torch.equal(found.distillation, plain.distillation)


def test_parameters_and_state_are_those_of_the_loss(make_batch: MakeBatch) -> None:
    batch = make_batch(8)
    found = objective(batch, loss="combined")
    assert len(list(found.parameters())) == 4
    assert list(objective(batch, loss=None).parameters()) == []
    other = objective(batch, loss="combined")
    other.load_state_dict(found.state_dict())
    assert torch.equal(terms(other, batch).total, terms(found, batch).total)


def test_bf16_logits_give_an_fp32_objective(make_batch: MakeBatch) -> None:
    batch = make_batch(9)
    logits = tuple(each.bfloat16() for each in batch.student.logits)
    half = replace(batch, student=replace(batch.student, logits=logits))
    found = terms(objective(batch), half)
    assert found.total.dtype == torch.float32
    assert float(found.total) == pytest.approx(float(terms(objective(batch), batch).total), rel=0.02)


def test_bf16_answers_of_a_teacher_are_made_fp32_before_anything_is_computed(make_batch: MakeBatch) -> None:
    batch = make_batch(9)
    rounded = tuple(each.bfloat16() for each in batch.teacher.logits)
    half = replace(batch, teacher=replace(batch.teacher, logits=rounded))
    same = replace(batch, teacher=replace(batch.teacher, logits=tuple(each.float() for each in rounded)))
    assert torch.equal(terms(objective(batch), half).total, terms(objective(batch), same).total)


def test_balanced_weights_against_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([[0, 2], [0, 1], [1, 0], [0, 0], [0, 0]])
    binary, three = balanced_class_weights(labels, (2, 3))
    expected = compute_class_weight("balanced", classes=np.arange(2), y=labels[:, 0])
    assert np.allclose(binary.numpy(), expected)
    assert np.allclose(three.numpy(), [5 / 9, 5 / 3, 5 / 3])
    assert float(three[labels[:, 1]].mean()) == pytest.approx(1.0)


def test_balanced_weight_of_a_class_without_examples_is_finite() -> None:
    (weights,) = balanced_class_weights(np.array([[0], [0]]), (2,))
    assert weights.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("kind", ["single_label", "ordinal"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_each_example_weighs_as_its_class_does_and_none_without_a_label(kind: Any, smoothing: float) -> None:
    """Three of four examples have a label, as over the epoch: the mean is over those that have."""
    logits = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.5], [0.0, 0.0, 0.0], [1.0, 1.0, 3.0]])
    labels = torch.tensor([[0], [2], [MISSING], [2]])
    weights = torch.tensor([2.0, 5.0, 0.5])
    plain = Objective(
        DistillationConfig(),
        TrainingConfig(label_smoothing=smoothing),
        tasks=(Task("t", ("a", "b", "c"), kind),),
    )
    weighed = Objective(
        DistillationConfig(alpha=0.1),
        TrainingConfig(label_smoothing=smoothing),
        None,
        (weights,),
        (0.75,),
        plain.tasks,
    )
    found = weighed(ModelOutput((logits,), None, None, None), labels)
    each = []
    for row, label in ((0, 0), (1, 2), (3, 2)):
        one = ModelOutput((logits[row : row + 1],), None, None, None)
        if kind == "ordinal" or not smoothing:
            each.append(float(plain(one, torch.tensor([[label]])).total) * float(weights[label]))
        else:  # torch weighs the smoothed classes by their own weights
            log_p = log_softmax(logits[row].double().numpy())
            target = np.eye(3)[label] * (1 - smoothing) + smoothing / 3
            each.append(float(-(target * weights.numpy() * log_p).sum()))
    assert float(found.total) == pytest.approx(sum(each) / 3, rel=1e-5)
    assert float(found.cross_entropy) == float(found.total), "without a loss alpha is 1"


@pytest.mark.parametrize("lacks", ["student", "teacher"])
def test_features_are_compared_as_far_as_both_have_them(lacks: str) -> None:
    image, text = torch.randn(3, 2), torch.randn(3, 2)
    whole, part = ModelOutput((), image, text, None), ModelOutput((), None, text + 1, None)
    models = (part, whole) if lacks == "student" else (whole, part)
    ((ours, theirs),) = feature_pairs(*models)
    assert ours is models[0].text_feature and theirs is models[1].text_feature
    gone = torch.tensor([True, False, False]), torch.tensor([False, True, False])
    first, second = feature_pairs(
        replace(whole, absent=(gone[0], None)), replace(whole, absent=(gone[1], gone[1]))
    )
    assert torch.equal(first[0], image[2:]) and torch.equal(second[1], text[[0, 2]])
    assert torch.equal(first[0], first[1]) and torch.equal(second[0], second[1])


def test_logits_of_three_classes_and_more_are_standardised() -> None:
    two = torch.tensor([[1.0, 4.0]])
    assert standardised(two) is two
    found = standardised(torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
    torch.testing.assert_close(found, torch.tensor([[-(1.5**0.5), 0.0, 1.5**0.5], [0.0, 0.0, 0.0]]))
