"""Pixels are what the library's own image processor makes of them, whatever a model's settings say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distune.errors import UserError
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.vision.preprocessing import is_plain, read_pixels

FAMILIES = (
    *(
        "vit",
        "deit",
        "mobilevit",
        "mobilevitv2",
        "convnextv2",
        "swin",
        "dinov2",
        "beit",
        "efficientnet",
        "levit",
    ),
    *("poolformer", "mobilenet_v2", "resnet", "bit", "segformer"),
)
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_normalize": True}
ODD: dict[str, dict[str, Any]] = {
    "four keys": {**HALF, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.25, 0.125]},
    "bytes as they are": {**HALF, "do_rescale": False},
    "bytes as they are, not normalised": {"do_rescale": False, "do_normalize": False},
    "other factor": {**HALF, "rescale_factor": 1 / 127.5},
    "factor of one": {**HALF, "rescale_factor": 1.0},
    "scalar mean and std": {"image_mean": 0.5, "image_std": 0.25, "do_normalize": True},
    "not normalised": {"do_normalize": False},
}


def settings_of(family: str) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(family)


def expected(folder: Path, images: Tensor) -> Tensor:
    """What the library's processor computes of images of the right size."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder)
    geometry = ("do_resize", "do_center_crop", "do_pad")
    off = {name: False for name in geometry if getattr(processor, name, None)}
    values: Tensor = processor(images=list(images.numpy()), return_tensors="pt", **off)["pixel_values"]
    return values.float()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (2, 3, 32, 32), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_settings(odd: str, file: str, images: Tensor, tmp_path: Path) -> None:
    values = {"image_processor_type": "ViTImageProcessor", **ODD[odd]}
    content = values if file.startswith("pre") else {"image_processor": values}
    (tmp_path / file).write_text(json.dumps(content))
    (tmp_path / "config.json").write_text(settings_of("vit").to_json_string())
    pixels = read_pixels("a model", None, settings_of("vit"), tmp_path)
    torch.testing.assert_close(pixels(images), expected(tmp_path, images), rtol=1e-5, atol=1e-4)
    assert is_plain(tmp_path, None) == (file.startswith("pre") and odd in ("four keys", "not normalised"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_with_its_own_processor(family: str, images: Tensor, tmp_path: Path) -> None:
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

    settings = settings_of(family)
    IMAGE_PROCESSOR_MAPPING[type(settings)]["pil"]().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(settings.to_json_string())
    reference = expected(tmp_path, images)
    for folder in (tmp_path, None):  # what a folder says, and what the family does where it says nothing
        pixels = read_pixels("a model", None, settings, folder or _without_processor(tmp_path))
        torch.testing.assert_close(pixels(images), reference, rtol=1e-5, atol=1e-5)


def _without_processor(folder: Path) -> Path:
    for file in folder.glob("*processor*"):
        file.unlink()
    return folder


@pytest.mark.parametrize(
    "name", [n for n, e in CATALOGUE.items() if e.kind == "vision" and e.source == "hub"]
)
def test_the_catalogue_says_the_same_as_the_published_file(name: str, images: Tensor, tmp_path: Path) -> None:
    from ..hub.repositories import repositories

    entry, repository = CATALOGUE[name], repositories()[name]
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(repository.files["preprocessor_config.json"])
    )
    (tmp_path / "config.json").write_text(json.dumps(repository.config))
    from_file = read_pixels(name, entry, settings_of(entry.family), tmp_path)(images)
    torch.testing.assert_close(from_file, read_pixels(name, entry, None, None)(images), rtol=0, atol=0)
    torch.testing.assert_close(from_file, expected(tmp_path, images), rtol=1e-5, atol=1e-5)


def test_what_is_more_than_a_scale_is_refused(tmp_path: Path) -> None:
    values = {
        "image_processor_type": "ImageGPTImageProcessor",
        "clusters": [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]],
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    (tmp_path / "config.json").write_text(settings_of("vit").to_json_string())
    with pytest.raises(UserError, match="image processor"):
        read_pixels("a model", None, settings_of("vit"), tmp_path)


def test_a_model_without_any_processor_is_refused() -> None:
    with pytest.raises(UserError, match="image processor"):
        read_pixels("a model", None, settings_of("clip_vision_model"), None)
