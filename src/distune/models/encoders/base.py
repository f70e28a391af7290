"""What all encoders share: raw inputs -> frozen prefix -> hidden state -> trained suffix -> tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from distune.data.tokenizer import Tokenizer
from distune.errors import UserError

Freeze = Literal["none", "all"] | int
Layers = int | Sequence[int] | None


class Encoder(nn.Module):
    """Embeddings, a chain of layers and a head, cut into a frozen prefix and a trained suffix.

    The prefix is a pure function of its inputs: its modules stay in eval mode and have no gradient, whatever
    `train()` says, so its results can be kept. With nothing frozen it is the identity and the suffix takes the raw
    inputs; with everything frozen the suffix is the identity.

    Subclasses say how a layer is called by overriding `embed`, `apply_layer` and `finish`.

    Args:
        embeddings: raw inputs -> first hidden state.
        layers: the layers that are kept, from the input side to the output side.
        head: last hidden state -> tokens; frozen with "all" only.
        width: width of the tokens.
        freeze: "none", "all", or the number of frozen layers; the embeddings are frozen with the first of them.

    Raises:
        UserError: more layers are to be frozen than there are.
    """

    def __init__(
        self,
        embeddings: nn.Module,
        layers: Iterable[nn.Module],
        head: nn.Module,
        *,
        width: int,
        freeze: Freeze,
    ):
        super().__init__()
        self.embeddings = embeddings
        self.layers = nn.ModuleList(layers)
        self.head = head
        self.width = width
        self.depth = len(self.layers)
        if isinstance(freeze, int) and freeze > self.depth:
            raise UserError(
                f"freeze: {freeze} is more than the encoder's {self.depth} layers; freeze fewer or all"
            )
        self.frozen_layers = freeze if isinstance(freeze, int) else self.depth if freeze == "all" else 0
        self.is_frozen = freeze == "all"
        for module in self.frozen_modules():
            module.requires_grad_(False).eval()
        self.train(self.training)

    def prefix(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Raw inputs -> hidden state after the frozen layers, without gradient.

        Args:
            inputs: raw inputs (B, ...).
            mask: true at real tokens, (B, L); texts only.
        """
        if not self.frozen_layers:
            return inputs
        with torch.no_grad():
            hidden = self._through(self.embed(inputs, mask), mask, 0, self.frozen_layers)
            return self.finish(hidden, mask) if self.is_frozen else hidden

    def suffix(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """What `prefix` returned -> tokens (B, S, width)."""
        if self.is_frozen:
            return hidden
        if not self.frozen_layers:
            hidden = self.embed(hidden, mask)
        return self.finish(self._through(hidden, mask, self.frozen_layers, self.depth), mask)

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Raw inputs -> tokens (B, S, width)."""
        return self.suffix(self.prefix(inputs, mask), mask)

    def embed(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Raw inputs -> first hidden state."""
        hidden: Tensor = self.embeddings(inputs)
        return hidden

    def apply_layer(self, layer: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One layer."""
        changed: Tensor = layer(hidden)
        return changed

    def finish(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Last hidden state -> tokens (B, S, width)."""
        tokens: Tensor = self.head(hidden)
        return tokens

    def frozen_modules(self) -> Iterator[nn.Module]:
        """The modules of the prefix."""
        if self.frozen_layers:
            yield self.embeddings
        yield from self.layers[: self.frozen_layers]
        if self.is_frozen:
            yield self.head

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The trained parameters, grouped by layer from the input side to the output side."""
        groups = [[p for p in stage.parameters() if p.requires_grad] for stage in self._stages()]
        return [group for group in groups if group]

    def train(self, mode: bool = True) -> Encoder:
        """Sets the mode of the suffix; the prefix stays in eval mode."""
        self.training = mode
        frozen = {id(module) for module in self.frozen_modules()}
        for module in self._stages():
            if id(module) not in frozen:  # those are left alone: to walk through them takes as long as a step
                module.train(mode)
        return self

    def _stages(self) -> list[nn.Module]:
        return [self.embeddings, *self.layers, self.head]

    def _through(self, hidden: Tensor, mask: Tensor | None, first: int, end: int) -> Tensor:
        for layer in self.layers[first:end]:
            hidden = self.apply_layer(layer, hidden, mask)
        return hidden


class VisionEncoder(Encoder):
    """Raw inputs are uint8 pixels (B, 3, image_size, image_size), RGB.

    Attributes:
        image_size: side of the square image in pixels.
    """

    image_size: int

    def finish(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Applies the head and turns a feature map (B, C, H, W) into tokens (B, H * W, C), row by row."""
        tokens: Tensor = self.head(hidden)
        return tokens.flatten(2).transpose(1, 2) if tokens.dim() == 4 else tokens


class TextEncoder(Encoder):
    """Raw inputs are token ids int64 (B, L) and a mask (B, L), true at real tokens.

    Attributes:
        tokenizer: makes the ids.
        max_tokens: longest text that the encoder takes, in tokens.
    """

    tokenizer: Tokenizer
    max_tokens: int


class Pixels(nn.Module):
    """Bytes -> what an encoder was trained on: (x / 255 - mean) / std.

    Args:
        mean: of each channel, on the scale of 0 to 1.
        std: of each channel, on the scale of 0 to 1.
        flip_channels: the encoder takes BGR.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, flip_channels: bool = False):
        super().__init__()
        spread = torch.tensor(std).view(3, 1, 1)
        # Not part of the weights: they belong to the encoder's name.
        self.register_buffer("scale", 1.0 / (255.0 * spread), persistent=False)
        self.register_buffer("shift", -torch.tensor(mean).view(3, 1, 1) / spread, persistent=False)
        self.flip_channels = flip_channels

    @classmethod
    def of(cls, scale: Tensor, shift: Tensor, *, flip_channels: bool = False) -> Pixels:
        """Bytes times a scale plus a shift, each of the three channels with its own."""
        made = cls((0.0,) * 3, (1.0,) * 3, flip_channels=flip_channels)
        made.scale = scale.float().view(3, 1, 1)
        made.shift = shift.float().view(3, 1, 1)
        return made

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) -> float of the same shape."""
        values = pixels.flip(1) if self.flip_channels else pixels
        return values * self.scale + self.shift


def keep_layers(layers: Sequence[nn.Module], wanted: Layers, name: str) -> list[nn.Module]:
    """The layers to keep, where any of them can follow any other.

    Args:
        layers: all of them.
        wanted: the first so many, or those with these numbers, counted from 1; None keeps all.
        name: of the encoder, for messages.

    Raises:
        UserError: there are fewer.
    """
    if wanted is None:
        return list(layers)
    last = wanted if isinstance(wanted, int) else max(wanted)
    if last > len(layers):
        raise UserError(
            f"layers: {last} is more than the {len(layers)} layers of {name}; ask for fewer, or none"
        )
    return list(layers[:last]) if isinstance(wanted, int) else [layers[number - 1] for number in wanted]


def keep_first(layers: Sequence[nn.Module], wanted: Layers, name: str) -> list[nn.Module]:
    """As `keep_layers`, where each layer takes only what the one before it gives.

    Raises:
        UserError: layers are chosen by their numbers, or there are fewer.
    """
    if isinstance(wanted, Sequence):
        raise UserError(
            f"layers: each layer of {name} takes the shape that the one before it gives, so only the first ones can "
            f"be kept; give their number instead of {list(wanted)}"
        )
    return keep_layers(layers, wanted, name)
