"""The tiny encoders against their formulas, and what a folder of another model has to hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.hub.files import Needs
from distune.models.encoders.pretrained.weights import model_folder, needs, repository_of
from distune.models.encoders.text.tiny_text import TinyText
from distune.models.encoders.vision.tiny_cnn import TinyCnn


def attended(layer: object, hidden: Tensor) -> Tensor:
    """One example without padding, (L, width), head by head."""
    normed = layer.norm(hidden)  # type: ignore[attr-defined]
    query, key, value = layer.inputs(normed).split(64, dim=-1)  # type: ignore[attr-defined]
    heads = []
    for head in range(4):
        part = slice(16 * head, 16 * head + 16)
        weights = (query[:, part] @ key[:, part].T / 16**0.5).softmax(-1)
        heads.append(weights @ value[:, part])
    hidden = hidden + layer.outputs(torch.cat(heads, dim=-1))  # type: ignore[attr-defined]
    norm, up, activation, down = layer.feed_forward  # type: ignore[attr-defined]
    return hidden + down(activation(up(norm(hidden))))  # type: ignore[no-any-return]


def test_the_tiny_text_encoder() -> None:
    torch.manual_seed(0)
    encoder = TinyText()
    ids = torch.tensor([[1, 7, 9, 4], [1, 5, 0, 0]])
    mask = ids > 0
    found = encoder(ids, mask)
    table, places = encoder.embeddings.words.weight, encoder.embeddings.places.weight  # type: ignore[union-attr]
    for row, length in enumerate((4, 2)):
        hidden = table[ids[row, :length]] + places[:length]  # type: ignore[index]
        expected = encoder.head(attended(encoder.layers[0], hidden))  # type: ignore[arg-type]
        torch.testing.assert_close(found[row, :length], expected, atol=1e-5, rtol=1e-4)
    assert (encoder.width, encoder.depth, encoder.max_tokens) == (64, 1, 512)
    assert "embeddings.positions" not in encoder.state_dict(), "what follows from its length is not saved"
    assert encoder.embeddings.words.padding_idx == 0 and 0.05 < float(table.detach().std()) < 0.15  # type: ignore[union-attr,operator]


@pytest.mark.parametrize(("layers", "width", "side"), [(None, 64, 4), (3, 64, 4), (2, 64, 8), (1, 32, 16)])
def test_the_tiny_image_encoder(layers: int | None, width: int, side: int) -> None:
    torch.manual_seed(0)
    encoder = TinyCnn(layers=layers)
    assert (encoder.image_size, encoder.width) == (64, width) and TinyCnn(image_size=32).image_size == 32
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    values = pixels / 127.5 - 1
    for convolution, norm, _ in (encoder.embeddings[1], *encoder.layers):  # type: ignore[index,misc]
        values = F.conv2d(values, convolution.weight, stride=2, padding=1)
        values = F.gelu(F.group_norm(values, 8, norm.weight, norm.bias))
    assert values.shape == (2, width, side, side)
    torch.testing.assert_close(encoder(pixels), values.flatten(2).transpose(1, 2), atol=1e-5, rtol=1e-4)


HUB, PACKAGED = CATALOGUE["deit-tiny"], CATALOGUE["minilm-l6"]


@pytest.mark.parametrize("weights", [True, False])
def test_what_a_folder_has_to_hold(weights: bool) -> None:
    """Those in the catalogue know how their pixels are prepared; a text needs its words with its weights."""
    for source in (HUB, "org/model", Path("folder")):
        assert needs(source, "vision", with_weights=weights) == Needs(weights, False, source is not HUB)
        for asked in (None, True, False):
            vocabulary = weights if asked is None else asked
            found = needs(source, "text", with_weights=weights, with_vocabulary=asked)
            assert found == Needs(weights, vocabulary, False)


def test_where_a_model_comes_from(tmp_path: Path) -> None:
    assert (
        repository_of(HUB) == "facebook/deit-tiny-patch16-224" and repository_of("org/model") == "org/model"
    )
    assert repository_of(PACKAGED) is repository_of(tmp_path) is None
    with pytest.raises(UserError, match="only a model of the hub has revisions"):
        model_folder(tmp_path, "text", with_weights=False, revision="main")
    for name in ("tiny-cnn", "efficientnet-lite0"):
        with pytest.raises(UserError, match=f"revisions, {name} has none"):
            build_vision(EncoderConfig(name=name, revision="main"), 0, None)
    for name in ("tiny-text", "minilm-l6"):
        with pytest.raises(UserError, match=f"revisions, {name} has none"):
            build_text(EncoderConfig(name=name, revision="main"), 0)
    with pytest.raises(UserError, match="is in this folder with all its parts"):
        model_folder(tmp_path, "text", with_weights=True)
    assert model_folder(tmp_path, "text", with_weights=False) == tmp_path
    (tmp_path / "model.safetensors").touch()
    assert model_folder(tmp_path, "text", with_weights=True) == tmp_path
