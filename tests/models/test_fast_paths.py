"""The fast ways that the encoders and the optimizer are meant to take."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distune.config import EncoderConfig, TrainingConfig, parse_config
from distune.data.table import Task
from distune.models.classifier import build_classifier
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.vision.efficientnet_lite import SameConv
from distune.models.parameters import parameter_groups
from distune.training.optimizer import Optimizer


def random_weights(name: str, layers: int | None) -> EncoderConfig:
    return EncoderConfig(name=name, pretrained=False, layers=layers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("vision", "vit-base"),
        ("vision", "deit-tiny"),
        ("text", "minilm-l6"),
        ("text", "distilbert"),
        ("text", "mobile-bert"),
    ],
)
def test_attention_is_fused(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    attention = nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or attention(*a, **k)
    )
    config = random_weights(name, 2)
    if kind == "vision":
        build_vision(config, 0, 32)(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    else:
        ids = torch.ones(1, 8, dtype=torch.int64)
        build_text(config, 0)(ids, ids.bool())
    assert len(calls) == 2, "once a layer"


@pytest.mark.parametrize(("name", "layers"), [("efficientnet-lite0", 2), ("mobilevit-xx-small", 3)])
def test_convolutions_have_their_channels_innermost(name: str, layers: int) -> None:
    encoder = build_vision(random_weights(name, layers), 0, 64)
    layouts: list[bool] = []

    def note(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        layouts.append(output.is_contiguous(memory_format=torch.channels_last))

    convolutions = [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    for module in convolutions:
        assert module.weight.is_contiguous(memory_format=torch.channels_last)
        module.register_forward_hook(note)
    encoder(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert len(layouts) == len(convolutions) > 3 and all(layouts)


@pytest.mark.slow
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_the_optimizer_is_torchs_fused_adamw(decay: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, also for a parameter without a gradient at first, and where it is loaded on the way."""
    calls: list[int] = []
    fused = torch._fused_adamw_
    monkeypatch.setattr(torch, "_fused_adamw_", lambda *a, **k: calls.append(1) or fused(*a, **k))
    section = {"vision": "tiny-cnn", "text": "tiny-text", "fusion_dim": 8}
    config = parse_config({"student": section, "training": {"layerwise_lr_decay": decay}})
    model, other = (
        build_classifier(config.student, [Task("modality", ("CT", "MR"))], seed=0, image_size=32)
        for _ in range(2)
    )
    training = TrainingConfig(warmup=0, schedule="constant", grad_clip=None, layerwise_lr_decay=decay)
    optimizer = Optimizer(model, nn.Module(), 1e-2, 10, training)
    groups = parameter_groups(other, 1e-2, training.weight_decay, decay)
    adamw = torch.optim.AdamW(groups, fused=True)
    generator, late = torch.Generator().manual_seed(0), next(model.parameters())
    for step in range(4):
        for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
            if step or ours is not late:
                ours.grad = torch.randn(ours.shape, generator=generator)
                theirs.grad = ours.grad.clone()
        optimizer.step()
        adamw.step()
        if step == 1:
            saved, optimizer = optimizer.state(), Optimizer(model, nn.Module(), 1e-2, 10, training)
            optimizer.load(saved, 2)
    assert len({group["weight_decay"] for group in groups}) == 2 and (len(groups) > 2) is (decay < 1)
    assert len(calls) >= 2 * 3 * len(groups), "both in each step after the first"
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert ours.grad is None and torch.equal(ours, theirs)


def test_the_odd_pixel_of_same_padding_lies_at_the_right_and_the_bottom() -> None:
    layer = SameConv(1, 1, 3, stride=2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(9.0).reshape(1, 1, 3, 3))
    image = torch.zeros(1, 1, 4, 3)
    image[0, 0, 0, 0] = 1.0  # 4 rows need one more below, 3 columns one on each side
    with torch.no_grad():
        found = layer(image)[0, 0]
    # The kernel starts at the first row, and one column before the first: its cell (0, 1) lies on the lit pixel.
    assert found.tolist() == [[1.0, 0.0], [0.0, 0.0]]
