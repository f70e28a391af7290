"""The image encoders against their published shapes, and what a processor makes of pixels."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.base import Pixels
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.inspection import inspect_encoder
from distune.models.encoders.pretrained.transformers_model import Origin, architecture
from distune.models.encoders.vision import auto_vision, mobilevit, vit
from distune.models.encoders.vision.auto_vision import AutoVision
from distune.models.encoders.vision.efficientnet_lite import (
    SIZES,
    Block,
    EfficientNetLite,
    SameConv,
    _blocks,
    _fill,
    _load,
    _norm,
)
from distune.models.encoders.vision.mobilevit import MobileVit
from distune.models.encoders.vision.preprocessing import _measured, _stated, read_pixels
from distune.models.encoders.vision.vit import Vit
from tests.stand_ins import refusing_as


@pytest.mark.parametrize(
    ("number", "channels", "depths", "size"),
    [
        (0, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 224),
        (1, (16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1), 240),
        (2, (16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1), 260),
    ],
)
def test_the_stages_of_the_family(
    number: int, channels: tuple[int, ...], depths: tuple[int, ...], size: int
) -> None:
    """Only the first block of a stage strides, and only it changes the channels."""
    blocks, place, inputs = _blocks(SIZES[number]), 0, 32
    strides, kernels, expansions = (1, 2, 2, 2, 1, 2, 1), (3, 3, 5, 3, 5, 5, 3), (1, 6, 6, 6, 6, 6, 6)
    for stage, (outputs, depth) in enumerate(zip(channels, depths, strict=True)):
        for repeat in range(depth):
            block, place = blocks[place], place + 1
            depthwise: Any = block.filter[0]
            assert depthwise.kernel_size == (kernels[stage],) * 2
            assert depthwise.stride == ((1 if repeat else strides[stage]),) * 2
            assert depthwise.groups == depthwise.in_channels == inputs * expansions[stage]
            assert (block.project[0].out_channels, block.channels) == (outputs, outputs)  # type: ignore[union-attr]
            assert bool(len(block.expand)) is (expansions[stage] > 1)
            assert block.has_shortcut is bool(repeat)
            inputs = outputs
    whole = EfficientNetLite(number, layers=len(blocks), image_size=32)
    assert (whole.width, whole.depth) == (1280, len(blocks)), (
        "all layers, named one by one, are the whole model"
    )
    assert place == len(blocks) and SIZES[number].image_size == size
    assert {
        (norm.eps, norm.momentum)
        for norm in Block(8, 8, 3, 1, 4).modules()
        if isinstance(norm, nn.BatchNorm2d)
    } == {(1e-3, 0.01)}
    assert not Block(8, 8, 3, 2, 1).has_shortcut, "what strides is smaller than what it reads"


@pytest.mark.parametrize(("outputs", "shortcut"), [(8, 1.0), (6, 0.0)])
def test_a_block_adds_what_it_reads_where_it_can(outputs: int, shortcut: float) -> None:
    block, read = Block(8, outputs, 3, 1, 4).eval(), torch.randn(2, 8, 5, 5)
    changed = block.project(block.filter(block.expand(read)))
    assert torch.equal(block(read), changed + shortcut * read[:, :outputs])
    assert not any(getattr(layer, "bias", None) is not None for layer in block.modules()
                   if isinstance(layer, nn.Conv2d)), "the weights that are published have none"  # fmt: skip


def test_pixels_are_what_the_weights_were_trained_on() -> None:
    """(pixel - 127) / 128."""
    made = EfficientNetLite(0, layers=1, image_size=32)
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    found = made.embeddings[0](pixels)  # type: ignore[index,operator]
    assert found[0, 1, 0].tolist() == pytest.approx([-127 / 128, 0.0, 1.0], abs=1e-6)
    assert (made.width, made.image_size) == (16, 32) and EfficientNetLite(1, layers=1).image_size == 240


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 7), (7, 6), (6, 7), (5, 9)])
def test_same_padding(kernel: int, stride: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    layer, features = SameConv(2, 2, kernel, stride, groups=2), torch.randn(1, 2, height, width)
    pads = []
    for side in (width, height):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    expected = F.conv2d(F.pad(features, pads), layer.weight, layer.bias, stride, groups=2)
    torch.testing.assert_close(layer(features), expected)
    assert expected.shape[2:] == (-(-height // stride), -(-width // stride))


def test_every_published_weight_has_its_place() -> None:
    """Each file entry is filled with a number of its own, and each module is asked for its own."""
    made = EfficientNetLite(0, image_size=32)
    stem, blocks, head = made.embeddings, list(made.layers), made.head
    places = {"_conv_stem.": stem[1], "_bn0.": stem[2], "_conv_head.": head[0], "_bn1.": head[1]}  # type: ignore[index]
    for number, block in enumerate(blocks):
        start = f"_blocks.{number}."
        names = (
            [("_expand_conv.", block.expand[0]), ("_bn0.", block.expand[1])] if len(block.expand) else []  # type: ignore[arg-type,index]
        )
        names += [("_depthwise_conv.", block.filter[0]), ("_bn1.", block.filter[1])]  # type: ignore[index]
        names += [("_project_conv.", block.project[0]), ("_bn2.", block.project[1])]  # type: ignore[index]
        places |= {start + name: module for name, module in names}
    published: dict[str, Tensor] = {}
    for number, (start, module) in enumerate(places.items()):
        for name, value in module.state_dict().items():  # type: ignore[union-attr]
            published[start + name] = torch.full_like(value, number + 1)
    _load(stem, blocks, head, published)  # type: ignore[arg-type]
    for number, module in enumerate(places.values()):
        for value in module.state_dict().values():  # type: ignore[union-attr]
            assert (value == number + 1).all()
    with pytest.raises(KeyError):
        _fill(head[0], {}, "_conv_head.")  # type: ignore[index]


SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


@pytest.mark.parametrize(("asked", "side"), [(None, 32), (48, 48)])
def test_random_positions_are_drawn_for_the_size_of_the_images(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, side: int
) -> None:
    """Only trained ones are interpolated."""
    monkeypatch.setattr(vit, "_resize", lambda *_: pytest.fail("interpolated"))
    config = EncoderConfig(name="deit-tiny", pretrained=False)
    made = Vit(config, Origin(architecture("vit", SMALL), None), Pixels((0.5,) * 3, (0.5,) * 3), asked)
    assert made.image_size == side
    positions: Any = made.embeddings[1].position_embeddings  # type: ignore[index,union-attr]
    assert positions.shape == (1, (side // 8) ** 2 + 1, 16)
    assert made(torch.zeros(1, 3, side, side, dtype=torch.uint8)).shape == (1, (side // 8) ** 2 + 1, 16)


@pytest.mark.parametrize(("family", "extra"), [("vit", 1), ("deit", 2)])
@pytest.mark.parametrize("side", [16, 32, 48])
def test_trained_positions_are_interpolated_and_trained_on(
    monkeypatch: pytest.MonkeyPatch, family: str, extra: int, side: int
) -> None:
    settings = architecture(family, SMALL)
    model = vit._model(Origin(settings, None))
    nn.init.normal_(model.embeddings.position_embeddings)
    trained, load = model.embeddings.position_embeddings, refusing_as(vit.load, lambda *_, **__: model)
    monkeypatch.setattr(vit, "load", load)
    config = EncoderConfig(name="deit-tiny", layers=1)
    made = Vit(config, Origin(settings, Path("trained")), Pixels((0.5,) * 3, (0.5,) * 3), side)
    positions = model.embeddings.position_embeddings
    assert (positions is trained) is (side == 32) and positions.is_leaf and positions.requires_grad
    first, grid = trained[:, :extra], trained[:, extra:].reshape(1, 4, 4, 16).permute(0, 3, 1, 2)
    moved = F.interpolate(grid, (side // 8,) * 2, mode="bicubic", align_corners=False)
    expected = torch.cat([first, moved.flatten(2).transpose(1, 2)], dim=1)
    torch.testing.assert_close(positions, expected)
    pixels = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    assert made.image_size == side and made(pixels).shape == (1, (side // 8) ** 2 + extra, 16)
    assert settings.image_size == 32, "or the weights would not fit"
    assert made.depth == 1 and made.head is model.layernorm
    with pytest.raises(UserError, match="image_size: 36"):
        Vit(config, Origin(settings, None), Pixels((0.5,) * 3, (0.5,) * 3), 36)


@pytest.mark.parametrize(("asked", "side"), [(None, 224), (64, 64)])
def test_an_encoder_is_inspected_at_the_size_of_the_images(asked: int | None, side: int) -> None:
    config = EncoderConfig(name="deit-tiny", pretrained=False, layers=1)
    seen: Any = inspect_encoder(config, "vision", asked)
    assert seen.image_size == side and not seen.training
    assert all(weight.is_meta for weight in seen.parameters())


STATED = Pixels((0.1, 0.2, 0.3), (0.5, 0.25, 0.125))


def processor(make: Any) -> Any:
    """An image processor that computes a function of float pixels (1, 3, H, W)."""

    def call(images: Any, **_: Any) -> dict[str, Tensor]:
        pixels = torch.from_numpy(np.array(images)).permute(2, 0, 1).unsqueeze(0)
        return {"pixel_values": make(pixels)}

    return call


@pytest.mark.parametrize(
    ("make", "flips"),
    [
        (STATED, False),
        (lambda pixels: pixels * 0.25 - 3.0, False),
        (lambda pixels: pixels.flip(1) * 0.25 - 3.0, True),
        (lambda pixels: pixels.flip(1) * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1), True),
    ],
)
def test_a_scale_and_a_shift_are_measured_also_of_swapped_channels(make: Any, flips: bool) -> None:
    found = _measured(processor(make), STATED)
    assert found is not None and found.flip_channels is flips
    assert (found is STATED) is (make is STATED)
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(found(pixels), make(pixels), rtol=1e-5, atol=1e-4)


def test_what_the_settings_say_is_taken_where_the_processor_normalises() -> None:
    said = SimpleNamespace(do_normalize=True, image_mean=[0.1, 0.2, 0.3], image_std=0.25)
    pixels = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    for normalises, flips, expected in (
        (True, False, [3.6, 3.2, 2.8]),
        (False, False, [1.0, 1.0, 1.0]),
        (True, True, [3.6, 3.2, 2.8]),
    ):
        said.do_normalize, said.do_flip_channel_order = normalises, flips
        found = _stated(said)
        assert found.flip_channels is flips
        torch.testing.assert_close(found(pixels).flatten(), torch.tensor(expected))


@pytest.mark.parametrize("make", [lambda pixels: pixels.float() ** 2, lambda pixels: pixels[:, :1] * 1.0])
def test_what_is_no_scale_is_not_explained(make: Any) -> None:
    assert _measured(processor(make), STATED) is None


def test_geometry_is_turned_off_where_a_processor_has_it() -> None:
    asked: dict[str, Any] = {}

    class Resizes(SimpleNamespace):
        def __call__(self, images: Any, **options: Any) -> Any:
            asked.update(options)
            return processor(STATED)(images)

    assert _measured(Resizes(do_resize=True, do_pad=False, do_center_crop=True), STATED) is STATED
    assert {name: value for name, value in asked.items() if name.startswith("do_")} == {
        "do_resize": False, "do_center_crop": False,
    }  # fmt: skip


class Grid(nn.Module):
    """Of pixels (B, 3, H, W) a map of 5 channels or tokens of 7, one for each 8 x 8."""

    def __init__(self, as_map: bool):
        super().__init__()
        self.as_map = as_map

    def forward(self, pixels: Tensor) -> Tensor:
        cells = F.avg_pool2d(pixels, 8)
        return (
            cells[:, :1].repeat(1, 5, 1, 1)
            if self.as_map
            else cells[:, 0].flatten(1)[..., None].repeat(1, 1, 7)
        )


@pytest.mark.parametrize(
    ("said", "asked", "side"), [(40, None, 40), (40, 64, 64), (None, None, 224), (None, 32, 32)]
)
@pytest.mark.parametrize("as_map", [True, False])
def test_a_model_that_is_taken_as_one_piece_shows_its_width(
    monkeypatch: pytest.MonkeyPatch, said: int | None, asked: int | None, side: int, as_map: bool
) -> None:
    monkeypatch.setattr(
        auto_vision, "whole_model", refusing_as(auto_vision.whole_model, lambda *_: Grid(as_map))
    )
    settings = SimpleNamespace() if said is None else SimpleNamespace(image_size=said)
    made = AutoVision(EncoderConfig(name="org/model", freeze="all"), Origin(settings, None), STATED, asked)
    assert (made.image_size, made.width, made.depth, made.is_frozen) == (side, 5 if as_map else 7, 1, True)
    pixels = torch.zeros(2, 3, side, side, dtype=torch.uint8)
    assert made(pixels).shape == (2, (side // 8) ** 2, made.width)


@pytest.mark.parametrize(("layers", "width"), [(None, 16), (5, 16), (4, 13), (1, 10)])
def test_a_mobilevit_that_is_cut_ends_with_the_channels_of_its_last_stage(
    monkeypatch: pytest.MonkeyPatch, layers: int | None, width: int
) -> None:
    stages, head = [nn.Identity() for _ in range(5)], nn.Conv2d(1, 1, 1)
    model = SimpleNamespace(conv_stem=nn.Identity(), encoder=SimpleNamespace(layer=stages), conv_1x1_exp=head)
    monkeypatch.setattr(mobilevit, "load", refusing_as(mobilevit.load, lambda *_, **__: model))
    settings = SimpleNamespace(neck_hidden_sizes=[9, 10, 11, 12, 13, 14, 16], image_size=256)
    config = EncoderConfig(name="mobilevit-small", layers=layers)
    made = MobileVit(config, Origin(settings, None), STATED, None)
    assert (made.width, made.depth, made.image_size) == (width, layers or 5, 256)
    assert (made.head is head) is (layers in (None, 5))
    assert MobileVit(config, Origin(settings, None), STATED, 64).image_size == 64


def test_a_file_beside_a_model_of_the_catalogue_has_the_last_word(tmp_path: Path) -> None:
    entry, settings = CATALOGUE["deit-tiny"], architecture("deit", {})
    pixels = torch.randint(0, 256, (1, 3, 4, 4), dtype=torch.uint8)
    catalogued = read_pixels("deit-tiny", entry, settings, None)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (entry.mean, entry.std))
    torch.testing.assert_close(catalogued(pixels), (pixels / 255 - mean) / std)
    torch.testing.assert_close(
        read_pixels("deit-tiny", entry, settings, tmp_path)(pixels), catalogued(pixels)
    )
    said = {"image_processor_type": "ViTImageProcessor", "do_normalize": False}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    (tmp_path / "config.json").write_text(settings.to_json_string())
    torch.testing.assert_close(read_pixels("deit-tiny", entry, settings, tmp_path)(pixels), pixels / 255)
    swapped = read_pixels("mobilevit-small", CATALOGUE["mobilevit-small"], None, None)
    torch.testing.assert_close(swapped(pixels), pixels.flip(1) / 255)


def test_a_single_value_a_channel_is_normalised_by_what_was_seen_and_more_by_themselves() -> None:
    norm, plain = _norm(2), nn.BatchNorm2d(2, eps=1e-3, momentum=0.01)
    norm.running_mean = torch.tensor([1.0, 3.0])
    several = torch.arange(8.0).reshape(1, 2, 2, 2)
    torch.testing.assert_close(norm.train()(several), plain.train()(several))
    norm.running_mean, norm.running_var = torch.tensor([1.0, 3.0]), torch.tensor([4.0, 1.0])
    single = torch.tensor([2.0, 5.0]).reshape(1, 2, 1, 1)
    expected = torch.tensor([1.0 / (4.0 + 1e-3) ** 0.5, 2.0 / (1.0 + 1e-3) ** 0.5])
    torch.testing.assert_close(norm(single).flatten(), expected)
    torch.testing.assert_close(norm.eval()(single).flatten(), expected)
