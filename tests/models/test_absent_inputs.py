"""A model that can do without an image or a text: every fusion reads what it learnt in place of what is absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from distune.components import FUSIONS
from distune.config import DistillationConfig, ModelConfig, StudentConfig
from distune.data.table import Task
from distune.deployment.graph import Graph
from distune.distillation import LOSSES
from distune.distillation.base import LossShapes
from distune.models.classifier import Classifier, build_classifier
from distune.models.outputs import ModelOutput
from distune.testing.losses import CLASSES, EXAMPLES, WIDTHS, loss_batch

TASKS = (Task("kind", ("a", "b", "c")),)
GONE = torch.tensor([True, False, False, False])
NO_TEXT = torch.tensor([False, True, False, False])


def model(fusion: str = "concat_mlp", *, can_miss: bool = True, **values: Any) -> Classifier:
    section = {
        "vision": "tiny-cnn",
        "text": "tiny-text",
        "fusion": fusion,
        "fusion_dim": 16,
        "fusion_heads": 2,
    }
    config = ModelConfig.model_validate({**section, "epochs": 1, "lr": 1e-3, "dropout": 0.0, **values})
    built = build_classifier(config, TASKS, seed=3, image_size=16, can_miss=can_miss)
    if can_miss:
        for name in built.modalities:
            torch.nn.init.normal_(built.absent[name], generator=torch.Generator().manual_seed(len(name)))
    return built.eval()


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (4, 3, 16, 16), generator=random, dtype=torch.uint8)
    text = torch.randint(1, 40, (4, 6), generator=random)
    return image, text, torch.arange(6) < torch.tensor([[6], [3], [5], [2]])


def changed(seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Other contents where the image of the first and the text of the second example are absent."""
    (image, text, mask), (other_image, other_text, _) = batch(), batch(seed)
    image[0], text[1] = other_image[0], other_text[1]
    return image, text, mask


@pytest.mark.parametrize("tokens", ["sequence", "pooled"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_is_absent_is_not_read(fusion: str, tokens: str) -> None:
    built = model(fusion, fusion_tokens=tokens)
    with torch.no_grad():
        ours, theirs = (built(*given, absent=(GONE, NO_TEXT)) for given in (batch(), changed()))
        whole = built(*batch())
    for name in ("image_feature", "text_feature", "image_map"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
    torch.testing.assert_close(ours.logits[0], theirs.logits[0])
    torch.testing.assert_close(ours.logits[0][2:], whole.logits[0][2:])
    assert not torch.allclose(ours.logits[0][:2], whole.logits[0][:2])
    assert ours.logits[0].isfinite().all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_vectors_for_what_is_absent_are_trained(fusion: str) -> None:
    built = model(fusion).train()
    built(*batch(), absent=(GONE, NO_TEXT)).logits[0].square().sum().backward()
    for name in built.modalities:
        assert built.absent[name].grad is not None and built.absent[name].grad.abs().sum() > 0


def test_with_everything_there_it_is_the_model_without_them() -> None:
    plain, able = model(can_miss=False), model()
    assert set(able.state_dict()) - set(plain.state_dict()) == {"absent.image", "absent.text"}
    fresh = build_classifier(
        StudentConfig.model_validate({"vision": "tiny-cnn", "text": "tiny-text"}),
        TASKS,
        seed=3,
        can_miss=True,
    )
    assert not any(fresh.absent[name].any() for name in fresh.modalities), "they begin at zero"
    with torch.no_grad():
        assert torch.equal(plain(*batch()).logits[0], able(*batch()).logits[0])
    assert plain(*batch(), absent=(GONE, NO_TEXT)).absent == (None, None), (
        "nor does it look at what is absent"
    )


def test_dropout_takes_one_of_two_and_never_the_last() -> None:
    built = model(modality_dropout=0.8).train()
    many = [each.repeat(100, *[1] * (each.dim() - 1)) for each in batch()]
    gone = (GONE.repeat(100), NO_TEXT.repeat(100))
    torch.manual_seed(0)
    image, text = built(*many, absent=gone).absent
    assert image is not None and text is not None
    assert not (image & text).any()
    assert image[gone[0]].all() and text[gone[1]].all()
    both = ~(gone[0] | gone[1])
    assert 0.3 < image[both].float().mean() < 0.5 and 0.3 < text[both].float().mean() < 0.5
    image, text = built.eval()(*many, absent=gone).absent
    assert torch.equal(image, gone[0]) and torch.equal(text, gone[1])


def test_without_dropout_no_random_number_is_drawn() -> None:
    """Its numbers in training are those of a model that cannot drop anything."""
    built = model(modality_dropout=0.0).train()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    built._absent((GONE, NO_TEXT), batch()[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_dropped_of_a_model_that_reads_one_of_them() -> None:
    built = model(text="none", modality_dropout=0.8).train()
    image, text = built(*batch(), absent=(GONE, NO_TEXT)).absent
    assert text is None and image is not None and torch.equal(image, GONE)


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_compares_what_one_of_them_lacked(name: str) -> None:
    torch.manual_seed(0)
    loss = LOSSES[name](DistillationConfig(gamma=0.5), LossShapes(*WIDTHS, CLASSES, EXAMPLES)).eval()
    given = loss_batch(3)
    absent = (torch.arange(8) < 3, torch.arange(8) >= 6)

    def value(student: ModelOutput, gone: tuple[Tensor, Tensor] = absent) -> Tensor:
        found: Tensor = loss(replace(student, absent=gone), given.teacher, given.labels, given.index)
        return found

    def noisy(feature: Tensor | None, rows: Tensor) -> Tensor:
        assert feature is not None
        return torch.where(rows[:, None], 50 * torch.randn_like(feature), feature)

    other = replace(
        given.student,
        image_feature=noisy(given.student.image_feature, absent[0]),
        image_map=noisy(given.student.image_map, absent[0]),
        text_feature=noisy(given.student.text_feature, absent[1]),
    )
    torch.testing.assert_close(value(other), value(given.student))
    nothing = (torch.ones(8, dtype=torch.bool), torch.zeros(8, dtype=torch.bool))
    student = replace(given.student, image_feature=given.student.image_feature.requires_grad_())  # type: ignore[union-attr]
    for gone in (nothing, nothing[::-1], (nothing[0], nothing[0])):
        assert value(student, gone).isfinite()


def test_the_graph_that_is_exported_takes_what_is_absent_in_the_order_of_its_inputs() -> None:
    built = model()
    graph = Graph(built)
    assert graph.inputs == ("pixels", "ids", "mask", "image_absent", "text_absent")
    with torch.no_grad():
        image, text, mask = batch()
        held = built.vision.prefix(image), built.text.prefix(text, mask), mask  # type: ignore[union-attr]
        expected = built(*held, absent=(GONE, NO_TEXT)).logits[0].softmax(-1)
        torch.testing.assert_close(graph(image, text, mask, GONE, NO_TEXT)[0], expected)
    assert Graph(model(can_miss=False)).inputs == ("pixels", "ids", "mask")
