"""A tiny untrained image encoder for the demo and the tests: no download, seconds to train."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from distune.models.encoders.base import Freeze, Layers, Pixels, VisionEncoder, keep_first

_CHANNELS = (16, 32, 64, 64)


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    """Halves height and width. Group norm, because batches are small."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.GELU()
    )


class TinyCnn(VisionEncoder):
    """Four strided convolutions: 64 x 64 pixels -> 16 tokens; a layer is one of the last three.

    Args:
        layers: layers to keep; None keeps all.
        freeze: see `Encoder`.
        image_size: side of the image in pixels.
    """

    def __init__(self, *, layers: Layers = None, freeze: Freeze = "none", image_size: int | None = None):
        chain = [_halve(inputs, outputs) for inputs, outputs in pairwise(_CHANNELS)]
        kept = keep_first(chain, layers, "tiny-cnn")
        stem = nn.Sequential(Pixels((0.5,) * 3, (0.5,) * 3), _halve(3, _CHANNELS[0]))
        super().__init__(stem, kept, nn.Identity(), width=_CHANNELS[len(kept)], freeze=freeze)
        self.image_size = image_size or 64
