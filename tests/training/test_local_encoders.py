"""A student whose text encoder is a local folder: refused before any epoch, and never built from another folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from distune.config import Config, EncoderConfig
from distune.errors import UserError
from distune.models.encoders.inspection import inspect_encoder
from distune.prediction.trained import load_run
from distune.training.run import run

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., Config]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("sound")
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(WORDS), **shape)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return folder


@pytest.fixture
def texts(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "texts"))


def change(folder: Path, how: Callable[[Tensor], Tensor]) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = "embeddings.word_embeddings.weight"
    save_file({**weights, name: how(weights[name])}, file, metadata={"format": "pt"})


def with_nan(folder: Path) -> None:
    change(folder, lambda weight: torch.full_like(weight, float("nan")))


def quantised(folder: Path) -> None:
    change(folder, lambda weight: (weight * 100).to(torch.int8))


def too_many_words(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join([*WORDS, "c"]))


def endless_layers(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**9}))


@pytest.mark.parametrize("damage", [with_nan, quantised, too_many_words, endless_layers])
def test_a_students_encoder_that_cannot_be_used_costs_no_epoch_of_its_teacher(
    damage: Callable[[Path], None], tiny_config: MakeConfig, texts: Path, tmp_path: Path
) -> None:
    damage(texts)
    with pytest.raises(UserError, match="texts"):
        run(tiny_config(student__text={"name": str(texts), "pretrained": True}), tmp_path / "run")
    assert not (tmp_path / "run/metrics.jsonl").exists()


@pytest.mark.parametrize("damage", [quantised, too_many_words, endless_layers])
def test_what_the_headers_of_an_encoders_files_say_is_checked_without_its_weights(
    damage: Callable[[Path], None], texts: Path
) -> None:
    config = EncoderConfig(name=str(texts))
    inspect_encoder(config, "text", None)
    damage(texts)
    with pytest.raises(UserError, match="texts"):
        inspect_encoder(config, "text", None)


def test_a_run_is_not_read_with_other_files_of_its_encoder_than_it_was_trained_with(
    tiny_config: MakeConfig, texts: Path, tmp_path: Path
) -> None:
    run(tiny_config(student__text={"name": str(texts), "pretrained": True}), tmp_path / "run")
    load_run(tmp_path / "run")
    for name in ("vocab.txt", "config.json", "model.safetensors"):
        file = texts / name
        before = file.read_bytes()
        file.write_bytes(before.replace(b"a\nb", b"b\na") if name == "vocab.txt" else before + b"\n")
        with pytest.raises(UserError, match=r"student\.text"):
            load_run(tmp_path / "run")
        file.write_bytes(before)
    load_run(tmp_path / "run")
