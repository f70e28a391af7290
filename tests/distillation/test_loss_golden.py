"""Each loss against its formula, written again in plain NumPy with loops where loops are clearest."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import log_softmax, softmax

from distune.config import DistillationConfig
from distune.data.table import MISSING
from distune.distillation import LOSSES
from distune.distillation.losses.attention_transfer import area_weights, grid_side, same_cells
from distune.distillation.losses.crd import MOST_NEGATIVES
from distune.distillation.losses.dist import row_disagreement
from distune.distillation.losses.rkd import angle_term, distance_term

T = 3.0
BETA = 130.0
WEIGHT = 1.3


def build(name: str, batch: Any, **values: Any) -> Any:
    torch.manual_seed(0)
    return LOSSES[name](DistillationConfig(loss=name, beta=BETA, T=T, **values), batch.shapes)


def number(loss: Any, batch: Any) -> float:
    return float(loss(batch.student, batch.teacher, batch.labels, batch.index).detach())


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def logit_pairs(batch: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(array(s), array(t)) for s, t in zip(batch.student.logits, batch.teacher.logits, strict=True)]


def feature_pairs(batch: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    student, teacher = batch.student, batch.teacher
    return [
        (array(student.image_feature), array(teacher.image_feature)),
        (array(student.text_feature), array(teacher.text_feature)),
    ]


def mapped_pairs(loss: Any, batch: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    layers = (loss.regressors.image, loss.regressors.text)
    return [
        (ours @ array(layer.weight).T + array(layer.bias), theirs)
        for layer, (ours, theirs) in zip(layers, feature_pairs(batch), strict=True)
    ]


def length_one(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def kl(teacher: np.ndarray, student: np.ndarray) -> float:
    return float(np.mean(stats.entropy(softmax(teacher, axis=1), softmax(student, axis=1), axis=1)))


def hinton(batch: Any) -> float:
    return sum(T**2 * kl(t / T, s / T) for s, t in logit_pairs(batch))


def huber(x: float) -> float:
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def test_vanilla_by_hand(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(0)
    assert number(build("vanilla", batch), batch) == pytest.approx(WEIGHT * hinton(batch), rel=1e-5)


def test_combined(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(1)
    loss = build("combined", batch)
    features = sum(np.mean((length_one(s) - length_one(t)) ** 2) for s, t in mapped_pairs(loss, batch))
    assert number(loss, batch) == pytest.approx(hinton(batch) + BETA * features, rel=1e-5)


def test_combined_adds_gamma_times_the_contrast(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(2)
    assert build("combined", batch).contrast is None
    loss = build("combined", batch, gamma=0.7).eval()
    plain = build("combined", batch)
    plain.regressors.load_state_dict(loss.regressors.state_dict())
    contrast = float(loss.contrast(batch.student, batch.teacher, batch.index).detach())
    assert contrast > 0.1
    assert number(loss, batch) == pytest.approx(number(plain, batch) + 0.7 * contrast, rel=1e-5)


def _contrast(loss: Any, batch: Any, drawn: np.ndarray) -> float:
    """Tian et al. with h as it stands in `Contrast`, one anchor at a time."""
    memory = array(loss.contrast.memory)
    total = 0.0
    for modality, (ours, theirs) in enumerate(feature_pairs(batch)):
        heads = (loss.contrast.student_heads[modality], loss.contrast.teacher_heads[modality])
        student, teacher = (
            length_one(rows @ array(head.weight).T + array(head.bias))
            for head, rows in zip(heads, (ours, theirs), strict=True)
        )
        constant = np.exp(1 / (2 * student.shape[1] * 0.07**2))
        for row, own in enumerate(batch.index.tolist()):
            others = drawn[drawn != own]
            for anchor, partner, bank in ((student, teacher, 1), (teacher, student, 0)):
                chance = len(others) * constant
                match = np.exp(anchor[row] @ partner[row] / 0.07)
                mismatch = np.exp(memory[modality, bank][others] @ anchor[row] / 0.07)
                total -= np.log(match / (match + chance)) + np.log(1 - mismatch / (mismatch + chance)).sum()
    return 0.3 * total / (4 * len(batch.index))


def test_crd_against_all_other_examples(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(3, examples=40)
    loss = build("crd", batch)
    expected = WEIGHT * _contrast(loss, batch, np.arange(40))
    assert number(loss, batch) == pytest.approx(expected, rel=1e-4)


def test_crd_draws_from_a_memory_larger_than_the_draw(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(4, examples=700)
    loss = build("crd", batch).eval()
    drawn = torch.randperm(700, generator=torch.Generator().manual_seed(0))[:MOST_NEGATIVES].numpy()
    assert number(loss, batch) == pytest.approx(WEIGHT * _contrast(loss, batch, drawn), rel=1e-4)
    loss.contrast.steps += 1
    assert number(loss, batch) != pytest.approx(WEIGHT * _contrast(loss, batch, drawn), rel=1e-4)


def test_crd_memory_follows_the_embeddings_of_the_batch_only(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(5)
    loss = build("crd", batch)
    before = array(loss.contrast.memory)
    number(loss.eval(), batch)
    assert np.array_equal(array(loss.contrast.memory), before)
    number(loss.train(), batch)
    after = array(loss.contrast.memory)
    rows = batch.index.numpy()
    rest = np.setdiff1d(np.arange(40), rows)
    assert np.array_equal(after[:, :, rest], before[:, :, rest])
    head = loss.contrast.teacher_heads[1]
    embedding = length_one(array(batch.teacher.text_feature) @ array(head.weight).T + array(head.bias))
    expected = length_one(0.5 * before[1, 1][rows] + 0.5 * embedding)
    assert np.allclose(after[1, 1][rows], expected, atol=1e-5)
    assert int(loss.contrast.steps) == 1


def test_rkd_pair_by_pair_and_triplet_by_triplet(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(6, count=5)
    total = 0.0
    for ours, theirs in feature_pairs(batch):
        pairs = list(itertools.combinations(range(5), 2))
        gaps = [np.array([np.linalg.norm(rows[i] - rows[j]) for i, j in pairs]) for rows in (ours, theirs)]
        student, teacher = (gap / gap.mean() for gap in gaps)
        total += np.mean([huber(a - b) for a, b in zip(student, teacher, strict=True)])
        angles = []
        for i, j, k in itertools.permutations(range(5), 3):
            cosines = [
                length_one(rows[i] - rows[j]) @ length_one(rows[k] - rows[j]) for rows in (ours, theirs)
            ]
            angles.append(huber(cosines[0] - cosines[1]))
        total += 2 * np.mean(angles)
    assert number(build("rkd", batch), batch) == pytest.approx(WEIGHT * 25 * total, rel=1e-4)


def test_rkd_of_two_examples_is_zero_whatever_they_are(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(7, count=2)
    assert number(build("rkd", batch), batch) == pytest.approx(0.0, abs=1e-6)
    for term, few in ((distance_term, 1), (angle_term, 2)):
        student = torch.rand(few, 4, requires_grad=True)
        term(student, torch.rand(few, 4)).backward()
        assert student.grad is not None and not student.grad.any(), "it can be trained on all the same"


def test_mmd_pair_by_pair(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(8, count=6)
    loss = build("mmd", batch)
    total = 0.0
    for ours, theirs in mapped_pairs(loss, batch):
        s, t = length_one(ours), length_one(theirs)
        both = np.concatenate([s, t])
        median = np.median([np.sum((a - b) ** 2) for a, b in itertools.combinations(both, 2)])

        def k(a: np.ndarray, b: np.ndarray, median: float = median) -> float:
            return float(np.exp(-np.sum((a - b) ** 2) / median))

        pairs = list(itertools.permutations(range(6), 2))
        total += np.mean([k(s[i], s[j]) + k(t[i], t[j]) - k(s[i], t[j]) - k(s[j], t[i]) for i, j in pairs])
    assert number(loss, batch) == pytest.approx(WEIGHT * 3 * total, rel=1e-4)


@pytest.mark.slow
def test_mmd_is_unbiased_for_paired_examples() -> None:
    from distune.distillation.losses.mmd import discrepancy

    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(2000):
        shared = torch.randn(6, 3, generator=generator)
        noise = 0.5 * torch.randn(6, 3, generator=generator)
        found.append(
            float(discrepancy(shared + noise, shared - noise))
        )  # dependent, with equal distributions
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_mmd_holds_its_bandwidth_still_when_it_pulls() -> None:
    """The gradient is that of the kernels alone; a student must not win by moving the median."""
    from distune.distillation.losses.mmd import discrepancy

    generator = np.random.default_rng(0)
    s, t = generator.normal(size=(4, 3)), generator.normal(size=(4, 3)) + 1
    both = np.concatenate([s, t])
    median = np.median([np.sum((a - b) ** 2) for a, b in itertools.combinations(both, 2)])
    expected = np.zeros_like(s)
    for i, j in itertools.permutations(range(4), 2):
        for other, sign in ((s[j], 2), (t[j], -2)):
            gap = s[i] - other
            expected[i] += sign * np.exp(-gap @ gap / median) * -2 * gap / median / 12
    student = torch.from_numpy(s).requires_grad_()
    discrepancy(student, torch.from_numpy(t)).backward()
    assert np.allclose(student.grad.numpy(), expected, atol=1e-10)


def test_dkd_adds_up_to_its_two_parts(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(9, classes=(2, 5))
    total = 0.0
    for task, (ours, theirs) in enumerate(logit_pairs(batch)):
        student, teacher = softmax(ours / T, axis=1), softmax(theirs / T, axis=1)
        rows = []
        for p, q, y in zip(student, teacher, batch.labels[:, task].tolist(), strict=True):
            of_target = stats.entropy([q[y], 1 - q[y]], [p[y], 1 - p[y]])
            others = stats.entropy(np.delete(q, y), np.delete(p, y)) if len(p) > 2 else 0.0
            rows.append(of_target + 8 * others)
        total += T**2 * np.mean(rows)
    assert number(build("dkd", batch), batch) == pytest.approx(WEIGHT * 0.2 * total, rel=1e-4)


def test_dkd_takes_the_teachers_class_where_there_is_no_label(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(9, classes=(2, 5))
    chosen = torch.stack([theirs.argmax(1) for theirs in batch.teacher.logits], dim=1)
    unlabelled, named = (
        replace(batch, labels=labels) for labels in (torch.full_like(chosen, MISSING), chosen)
    )
    assert (chosen != 0).any()
    assert number(build("dkd", batch), unlabelled) == number(build("dkd", batch), named)


def test_dist_compares_rows_of_three_numbers_or_more() -> None:
    rising, turned = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[3.0, 1.0, 2.0]])
    assert float(row_disagreement(rising, turned)) == pytest.approx(1.5)
    assert float(row_disagreement(rising[:, :2], turned[:, :2])) == 0.0


def test_dist_against_scipy(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(10, classes=(2, 5))
    total = 0.0
    for ours, theirs in logit_pairs(batch):
        student, teacher = softmax(ours / T, axis=1), softmax(theirs / T, axis=1)
        if student.shape[1] > 2:
            total += np.mean([1 - stats.pearsonr(a, b)[0] for a, b in zip(student, teacher, strict=True)])
        total += np.mean([1 - stats.pearsonr(a, b)[0] for a, b in zip(student.T, teacher.T, strict=True)])
    assert number(build("dist", batch), batch) == pytest.approx(WEIGHT * total, rel=1e-4)


def test_attention_transfer_on_equal_grids(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(11, tokens=(10, 10))
    s, t = length_one(array(batch.student.image_map)), length_one(array(batch.teacher.image_map))
    expected = WEIGHT * 100 * np.mean(np.sum((s - t) ** 2, axis=1))
    assert number(build("attention_transfer", batch), batch) == pytest.approx(expected, rel=1e-4)


def test_attention_transfer_averages_the_finer_grid(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(12, tokens=(4, 17))
    fine = array(batch.teacher.image_map)[:, 1:].reshape(-1, 2, 2, 2, 2)
    coarse = length_one(fine.mean(axis=(2, 4)).reshape(-1, 4))
    expected = (
        WEIGHT * 100 * np.mean(np.sum((length_one(array(batch.student.image_map)) - coarse) ** 2, axis=1))
    )
    assert number(build("attention_transfer", batch), batch) == pytest.approx(expected, rel=1e-4)


def test_attention_transfer_without_grids_goes_along_the_line(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(13, tokens=(7, 14))
    coarse = length_one(array(batch.teacher.image_map).reshape(-1, 7, 2).mean(axis=2))
    expected = (
        WEIGHT * 100 * np.mean(np.sum((length_one(array(batch.student.image_map)) - coarse) ** 2, axis=1))
    )
    assert number(build("attention_transfer", batch), batch) == pytest.approx(expected, rel=1e-4)


def test_area_weights_share_what_lies_across_an_edge() -> None:
    expected = [[2 / 3, 0], [1 / 3, 1 / 3], [0, 2 / 3]]
    assert np.allclose(area_weights(3, 2).numpy(), expected)


@pytest.mark.parametrize(
    ("tokens", "side"), [(196, 14), (197, 14), (198, 14), (49, 7), (64, 8), (1, 1), (7, None), (14, None)]
)
def test_grid_side(tokens: int, side: int | None) -> None:
    assert grid_side(tokens) == side
    maps = same_cells(torch.rand(2, tokens), torch.rand(2, 7))  # one of them may be no grid
    assert [each.shape for each in maps] == [(2, min(tokens, 7))] * 2


def test_similarity_preserving(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(14)
    total = sum(np.sum((length_one(s @ s.T) - length_one(t @ t.T)) ** 2) / 8 for s, t in feature_pairs(batch))
    expected = WEIGHT * 4 * total
    assert number(build("similarity_preserving", batch), batch) == pytest.approx(expected, rel=1e-4)


def test_logit_standardisation(make_batch: Callable[..., Any]) -> None:
    batch = make_batch(15, classes=(2, 5))
    (binary, five) = logit_pairs(batch)
    student, teacher = (stats.zscore(rows, axis=1) for rows in five)
    expected = T**2 * (kl(binary[1] / T, binary[0] / T) + kl(teacher / T, student / T))
    assert number(build("logit_standardisation", batch), batch) == pytest.approx(WEIGHT * expected, rel=1e-4)


def test_softened_divergence_agrees_with_the_cross_entropy_form(make_batch: Callable[..., Any]) -> None:
    """A second way to Hinton's number: cross entropy with soft targets minus their entropy."""
    batch = make_batch(16)
    total = 0.0
    for s, t in logit_pairs(batch):
        p = softmax(t / T, axis=1)
        total += T**2 * np.mean(-(p * log_softmax(s / T, axis=1)).sum(1) + (p * np.log(p)).sum(1))
    assert number(build("vanilla", batch), batch) == pytest.approx(WEIGHT * total, rel=1e-4)
