"""`distune check` ends with 2 and one sentence for every fault of an encoder that training would stumble over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distune.config import Config, save_config
from distune.models.encoders.catalogue import CATALOGUE

from .repositories import Format, repositories
from .server import HubServer

pytestmark = pytest.mark.slow

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
Values = dict[str, Any]
SOUND = {"study.only": ["alpha"]}
"""The tiny widths lie outside of the usual search ranges."""
VISION, TEXT = "student.vision.name", "student.text.name"


def published(root: Path, name: str, *formats: Format, **config: Any) -> Path:
    """A folder with the files of a hub name; other values of its configuration on request."""
    folder = repositories()[name].write(root, formats)
    about = folder / "config.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), **config}))
    return folder


def half_a_weights_file(root: Path, hub: HubServer) -> Values:
    folder = published(root, "vit-base", "safetensors")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return {VISION: str(folder)}


def a_pointer_in_place_of_weights(root: Path, hub: HubServer) -> Values:
    folder = published(root, "vit-base", "bin")
    (folder / "pytorch_model.bin").write_bytes(LFS)
    return {VISION: str(folder)}


def a_tokenizer_whose_package_is_missing(root: Path, hub: HubServer) -> Values:
    folder = published(root, "distilbert")
    (folder / "tokenizer.json").unlink()
    about = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return {TEXT: str(folder)}


def no_vocabulary(root: Path, hub: HubServer) -> Values:
    folder = published(root, "bio-clinical-bert")
    (folder / "vocab.txt").unlink()
    return {TEXT: str(folder)}


def one_channel(root: Path, hub: HubServer) -> Values:
    return {VISION: str(published(root, "vit-base", num_channels=1))}


def an_impossible_image_size(root: Path, hub: HubServer) -> Values:
    return {VISION: str(published(root, "vit-base")), "data.image_size": 50}


def a_text_of_no_length(root: Path, hub: HubServer) -> Values:
    from transformers import ElectraConfig, ElectraModel

    ElectraModel(ElectraConfig(vocab_size=9, embedding_size=8, **SMALL)).save_pretrained(root / "electra")
    about = root / "electra" / "config.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "max_position_embeddings": -1}))
    return {TEXT: str(root / "electra")}


def a_whole_clip(root: Path, hub: HubServer) -> Values:
    from transformers import CLIPConfig, CLIPModel

    CLIPModel(CLIPConfig(text_config=SMALL, vision_config=SMALL)).save_pretrained(root / "clip")
    return {VISION: str(root / "clip")}


def a_gated_repository(root: Path, hub: HubServer) -> Values:
    hub.gated.add(CATALOGUE["deit-tiny"].location)
    return {VISION: "deit-tiny", "data.image_size": 32}


def a_private_repository(root: Path, hub: HubServer) -> Values:
    hub.private.add(CATALOGUE["bert-tiny"].location)
    return {TEXT: "bert-tiny"}


def layers_that_no_teacher_has(root: Path, hub: HubServer) -> Values:
    untrained = {
        "student.vision.name": "deit-tiny",
        "student.vision.pretrained": False,
        "data.image_size": 32,
    }
    return {**untrained, "student.init_from_teacher": True}


FAULTS = {
    half_a_weights_file: "cut off",
    a_pointer_in_place_of_weights: "Git LFS pointer",
    a_tokenizer_whose_package_is_missing: "tokenizer cannot be read",
    no_vocabulary: "no vocabulary",
    one_channel: "1 channels",
    an_impossible_image_size: "image_size: 50",
    a_text_of_no_length: "max_position_embeddings is -1",
    a_whole_clip: "in one",
    a_gated_repository: "HF_TOKEN",
    a_private_repository: "HF_TOKEN",
    layers_that_no_teacher_has: "init_from_teacher",
}


@pytest.fixture
def check(
    distune: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[[Config], tuple[int, str]]:
    """Runs the command in this process; gives its exit code and all that it printed."""

    def call(config: Config) -> tuple[int, str]:
        save_config(config, tmp_path / "a.yaml")
        code, out, err = distune("check", "a.yaml", "--no-estimate")
        return code, out + err

    return call


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_it_ends_with_2_and_says_what_is_wrong(
    fault: Callable[[Path, HubServer], Values],
    hub: HubServer,
    tiny_config: Callable[..., Config],
    tmp_path: Path,
    check: Callable[[Config], tuple[int, str]],
) -> None:
    code, said = check(tiny_config(**SOUND, **fault(tmp_path, hub)))
    assert code == 2
    assert FAULTS[fault] in said
    assert "Traceback" not in said and "sound" not in said


def test_what_is_to_fetch_is_said_with_its_size(
    hub: HubServer,
    tiny_config: Callable[..., Config],
    tmp_path: Path,
    check: Callable[[Config], tuple[int, str]],
) -> None:
    from distune.models.encoders.hub.revisions import fetch_encoders

    config = tiny_config(**SOUND, **{VISION: "deit-tiny", "data.image_size": 32})
    code, said = check(config)
    size = (hub.root / CATALOGUE["deit-tiny"].location / "pytorch_model.bin").stat().st_size
    assert not code and f"deit-tiny, {size / 1e6:.1f} MB" in said
    searched = tmp_path / "space.yaml"
    searched.write_text(
        "search_space: {student_vision: {type: categorical, choices: [tiny-cnn, deit-tiny]}}\n"
    )
    code, said = check(
        tiny_config(**{"study.space": str(searched), "study.only": ["alpha", "student_vision"]})
    )
    assert not code and "deit-tiny, " in said
    fetch_encoders([(config.student.vision, "vision")])
    hub.die()
    code, said = check(config)
    assert not code and "to fetch" not in said and not hub.requests


def test_a_size_that_the_hub_does_not_say_is_unknown(hub: HubServer) -> None:
    from distune.config import EncoderConfig
    from distune.models.encoders.hub.revisions import bytes_to_fetch

    hub.sizes = False
    assert bytes_to_fetch(EncoderConfig(name="deit-tiny"), "vision") is None
    hub.stop()
    assert bytes_to_fetch(EncoderConfig(name="tiny-cnn"), "vision") == 0
