"""What all encoders share, on one of three linear layers: cut, frozen, and set to training in its parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from distune.errors import UserError
from distune.models.encoders.base import Encoder, Pixels, VisionEncoder, keep_first, keep_layers

WIDTH = 4


def linear() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5))


def encoder(freeze: Any = "none", kind: type[Encoder] = Encoder) -> Encoder:
    torch.manual_seed(0)
    return kind(linear(), [linear() for _ in range(3)], linear(), width=WIDTH, freeze=freeze)


INPUTS = torch.linspace(-1, 1, 2 * WIDTH).reshape(2, WIDTH)


@pytest.mark.parametrize(("freeze", "frozen"), [("none", 0), (1, 2), (3, 4), ("all", 5)])
def test_a_prefix_is_frozen_and_the_rest_is_trained(freeze: Any, frozen: int) -> None:
    """The embeddings go with the first layer, the head with all of them alone."""
    made = encoder(freeze)
    stages = [made.embeddings, *made.layers, made.head]
    assert (made.depth, made.is_frozen) == (3, freeze == "all")
    assert made.frozen_layers == {"none": 0, "all": 3}.get(freeze, freeze)
    for mode in (True, False, True):
        assert made.train(mode) is made and made.training is mode
        for place, stage in enumerate(stages):
            inside = place < frozen
            assert {each.requires_grad for each in stage.parameters()} == {not inside}
            assert {module.training for module in stage.modules()} == {mode and not inside}
    assert list(made.frozen_modules()) == stages[:frozen]
    groups = made.layer_groups()
    assert [[id(p) for p in group] for group in groups] == [
        [id(p) for p in stage.parameters()] for stage in stages[frozen:]
    ]


@pytest.mark.parametrize("freeze", ["none", 1, 2, "all"])
def test_prefix_and_suffix_are_the_whole_and_no_gradient_enters_the_prefix(freeze: Any) -> None:
    made, whole = encoder(freeze).eval(), encoder().eval()
    expected = INPUTS
    for stage in (whole.embeddings, *whole.layers, whole.head):
        expected = stage(expected)
    hidden = made.prefix(INPUTS)
    torch.testing.assert_close(made(INPUTS), expected)
    torch.testing.assert_close(made.suffix(hidden), expected)
    if freeze == "none":
        assert hidden is INPUTS
    else:
        assert not hidden.requires_grad
        cut = whole.embeddings(INPUTS)
        for stage in whole.layers[: made.frozen_layers]:
            cut = stage(cut)
        torch.testing.assert_close(hidden, whole.head(cut) if freeze == "all" else cut)
    if freeze == "all":
        assert made.suffix(hidden) is hidden


def test_more_layers_than_there_are_cannot_be_frozen() -> None:
    assert encoder(3).frozen_layers == 3
    with pytest.raises(UserError, match="freeze: 4"):
        encoder(4)


class Maps(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values


def test_a_map_becomes_tokens_row_by_row() -> None:
    made = VisionEncoder(Maps(), [], Maps(), width=2, freeze="none")
    image = torch.arange(2 * 2 * 3 * 4.0).reshape(2, 2, 3, 4)
    tokens = made(image)
    assert tokens.shape == (2, 12, 2)
    assert tokens[1, 5].tolist() == [float(image[1, channel, 1, 1]) for channel in range(2)]
    assert made(tokens) is tokens


@pytest.mark.parametrize("flip", [False, True])
def test_pixels_are_scaled_channel_by_channel(flip: bool) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)
    pixels = torch.arange(2 * 3 * 2 * 2, dtype=torch.uint8).reshape(2, 3, 2, 2) * 10
    expected = torch.stack(
        [(pixels[:, 2 - c if flip else c] / 255 - mean[c]) / std[c] for c in range(3)], dim=1
    )
    made = Pixels(mean, std, flip_channels=flip)
    torch.testing.assert_close(made(pixels), expected)
    assert made.state_dict() == {}
    same = Pixels.of(made.scale.flatten(), made.shift.flatten(), flip_channels=flip)
    torch.testing.assert_close(same(pixels), expected)


LAYERS = [nn.Identity() for _ in range(4)]


@pytest.mark.parametrize(
    ("wanted", "kept"), [(None, (0, 1, 2, 3)), (2, (0, 1)), (4, (0, 1, 2, 3)), ((1, 4), (0, 3)), ((3,), (2,))]
)
def test_layers_are_kept_by_their_number_or_by_their_numbers_from_one(
    wanted: Any, kept: tuple[int, ...]
) -> None:
    assert [id(layer) for layer in keep_layers(LAYERS, wanted, "e")] == [id(LAYERS[place]) for place in kept]
    if not isinstance(wanted, tuple):
        assert keep_first(LAYERS, wanted, "e") == keep_layers(LAYERS, wanted, "e")
    else:
        with pytest.raises(UserError, match="only the first ones"):
            keep_first(LAYERS, wanted, "e")


@pytest.mark.parametrize("wanted", [5, (1, 5)])
def test_layers_that_are_not_there_cannot_be_kept(wanted: Any) -> None:
    with pytest.raises(UserError, match="layers: 5"):
        keep_layers(LAYERS, wanted, "e")
