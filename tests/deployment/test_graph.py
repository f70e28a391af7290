"""Every fusion and every family of encoders is exported and computes what torch computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distune.components import FUSIONS
from distune.config import ModelConfig
from distune.data.pixels.intensity import DEFAULT
from distune.data.ragged import ragged
from distune.data.table import Task
from distune.models.classifier import Classifier, build_classifier
from distune.models.encoders.catalogue import CATALOGUE

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from distune.deployment.graph import Graph, write_graph  # noqa: E402
from distune.deployment.onnx_model import OnnxModel  # noqa: E402

pytestmark = pytest.mark.slow

TASKS = (Task("organ", ("a", "b", "c")), Task("side", ("l", "r")))


def student(**values: Any) -> Classifier:
    size = values.pop("size", 32)
    section = {
        "vision": "tiny-cnn", "text": "tiny-text", "fusion_dim": 16, "fusion_heads": 2, "epochs": 1, "lr": 1e-3,
        **values,
    }  # fmt: skip
    return build_classifier(ModelConfig.model_validate(section), TASKS, seed=5, image_size=size)


def assert_parity(model: Classifier, file: Path) -> None:
    write_graph(model, TASKS, file)
    size = model.vision.image_size if model.vision else 0
    exported = OnnxModel(
        file,
        tasks=TASKS,
        modalities=model.modalities,
        tokenizer=None,
        max_tokens=64,
        image_size=size,
        rules=DEFAULT,
    )
    random = np.random.default_rng(0)
    for lengths in ([9], [1, 30, 7], [5, 5]):
        pixels = random.integers(0, 256, (len(lengths), 3, size, size)).astype(np.uint8) if size else None
        ids = (
            ragged([random.integers(1, 100, length) for length in lengths], np.int64) if model.text else None
        )
        given = [] if pixels is None else [torch.from_numpy(pixels)]
        if ids is not None:
            given += [torch.from_numpy(array) for array in ids.padded(np.arange(len(ids)))]
        with torch.no_grad():
            expected = Graph(model)(*given)
        for ours, theirs in zip(exported.probabilities(pixels, ids), expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
            np.testing.assert_allclose(ours.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("tokens", ["sequence", "pooled"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion(tmp_path: Path, fusion: str, tokens: str) -> None:
    assert_parity(student(fusion=fusion, fusion_tokens=tokens), tmp_path / "model.onnx")


@pytest.mark.parametrize("absent", ["vision", "text"])
def test_one_modality(tmp_path: Path, absent: str) -> None:
    assert_parity(student(**{absent: "none"}), tmp_path / "model.onnx")


TRANSFORMER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = {"vocab_size": 128, "max_position_embeddings": 48}
PATCHES = {"image_size": 32, "patch_size": 8}
VISION: dict[str, dict[str, Any]] = {
    "vit": {**TRANSFORMER, **PATCHES},
    "deit": {**TRANSFORMER, **PATCHES},
    "mobilevit": {
        "hidden_sizes": [8, 12, 16],
        "neck_hidden_sizes": [4, 4, 8, 8, 8, 8, 16],
        "image_size": 64,
        "num_attention_heads": 2,
    },
    "dinov2": {**TRANSFORMER, **PATCHES},
}
TEXT: dict[str, dict[str, Any]] = {
    "bert": {**TRANSFORMER, **WORDS},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, **WORDS},
    "mobilebert": {**TRANSFORMER, **WORDS, "embedding_size": 8, "intra_bottleneck_size": 8},
    "electra": {**TRANSFORMER, **WORDS, "embedding_size": 16},
}
KNOWN = {"efficientnet-lite", "tiny-cnn", "tiny-text"} | VISION.keys() | TEXT.keys()


def untrained(folder: Path, family: str, values: dict[str, Any], **others: Any) -> dict[str, Any]:
    """An encoder of a family with random weights, from a folder that holds its configuration alone."""
    from transformers import AutoConfig

    AutoConfig.for_model(family, **values).save_pretrained(folder)
    return {"name": str(folder), "pretrained": False, **others}


@pytest.mark.parametrize("freeze", ["none", "all"])
@pytest.mark.parametrize("family", VISION)
def test_every_family_of_image_encoders(tmp_path: Path, family: str, freeze: str) -> None:
    encoder = untrained(tmp_path / family, family, VISION[family], freeze=freeze)
    size = VISION[family]["image_size"]
    assert_parity(student(vision=encoder, text="none", size=size), tmp_path / "model.onnx")


@pytest.mark.parametrize("size", [32, 45])
def test_efficientnet_lite(tmp_path: Path, size: int) -> None:
    encoder = {"name": "efficientnet-lite0", "pretrained": False, "layers": 4}
    assert_parity(student(vision=encoder, text="none", size=size), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("family", "rank"),
    [*((family, None) for family in TEXT), *((family, 4) for family in TEXT if "bert" in family)],
)
def test_every_family_of_text_encoders(tmp_path: Path, family: str, rank: int | None) -> None:
    encoder = untrained(tmp_path / family, family, TEXT[family], embedding_rank=rank, freeze="all")
    assert_parity(student(text=encoder, vision="none"), tmp_path / "model.onnx")


def test_no_family_of_the_catalogue_is_left_out() -> None:
    assert {entry.family for entry in CATALOGUE.values()} <= KNOWN


def test_exporting_leaves_the_student_in_eval_mode(tmp_path: Path) -> None:
    model = student().eval()
    write_graph(model, TASKS, tmp_path / "model.onnx")
    assert not model.training and not model.dropout.training
