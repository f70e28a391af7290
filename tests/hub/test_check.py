"""What training would stumble over is one sentence before it, in seconds, and costs no download of weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distune.checking import check_experiment
from distune.config import Config, EncoderConfig, with_values
from distune.errors import ConfigError, UserError
from distune.models.encoders.base import Encoder
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE, Kind
from distune.models.encoders.inspection import inspect_encoder

from .repositories import SPECIAL, Format, repositories, save
from .server import HubServer

VIT, BERT, DISTILBERT = "vit-base", "bio-clinical-bert", "distilbert"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    """A local folder with the files of a hub name; other formats and other values of its configuration on request."""

    def make(name: str, *formats: Format, **config: Any) -> Path:
        folder = repositories()[name].write(tmp_path, formats)
        if formats:
            others = {file for file in folder.iterdir() if file.suffix in (".bin", ".safetensors")}
            assert others
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
        return folder

    return make


def kind_of(name: str) -> Kind:
    return CATALOGUE[name].kind


def inspect(folder: Path | str, kind: Kind, image_size: int | None = None, **values: Any) -> Encoder:
    return inspect_encoder(EncoderConfig(name=str(folder), **values), kind, image_size)


def shapes(encoder: Encoder) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in encoder.state_dict().items()}


def assert_refused(folder: Path, kind: Kind, match: str, image_size: int | None = None) -> None:
    """One sentence of `check`, and of `train` as well."""
    config = EncoderConfig(name=str(folder))
    with pytest.raises(UserError, match=match) as caught:
        inspect_encoder(config, kind, image_size)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError) as trained:
        build_vision(config, 0, image_size) if kind == "vision" else build_text(config, 0)
    assert "\n" not in str(trained.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.source == "hub"])
def test_every_name_is_sound_without_a_download_of_its_weights(hub: HubServer, name: str) -> None:
    encoder = inspect_encoder(EncoderConfig(name=name), kind_of(name), None)
    assert all(tensor.is_meta for tensor in encoder.state_dict().values())
    assert not any(
        line.startswith("GET") and (".bin" in line or "model.safetensors" in line) for line in hub.requests
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["safetensors", "bin", "old bin", "sharded bin", "sharded safetensors"])
@pytest.mark.parametrize("name", [VIT, BERT])
def test_headers_tell_the_shapes_of_every_format(
    folder_of: Callable[..., Path], name: str, form: Format
) -> None:
    folder = folder_of(name, form)
    config = EncoderConfig(name=str(folder), layers=1, freeze=1)
    seen = inspect_encoder(config, kind_of(name), None)
    built = build_vision(config, 0, None) if kind_of(name) == "vision" else build_text(config, 0)
    assert shapes(seen) == shapes(built)


@pytest.mark.parametrize("form", ["safetensors", "bin", "old bin"])
@pytest.mark.parametrize("fault", ["half", "pointer", "empty"])
def test_a_damaged_weight_file(folder_of: Callable[..., Path], form: Format, fault: str) -> None:
    folder = folder_of(VIT, form)
    file = folder / ("model.safetensors" if form == "safetensors" else "pytorch_model.bin")
    content = file.read_bytes()
    file.write_bytes({"half": content[: len(content) // 2], "pointer": LFS, "empty": b""}[fault])
    assert_refused(folder, "vision", "Git LFS pointer" if fault == "pointer" else str(file.name))


def test_a_missing_shard(folder_of: Callable[..., Path]) -> None:
    folder = folder_of(VIT, "sharded safetensors")
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert_refused(folder, "vision", "with all its parts")


@pytest.mark.slow
@pytest.mark.parametrize("name", [VIT, BERT])
def test_weights_that_lack_a_part_or_belong_to_another_configuration(
    folder_of: Callable[..., Path], name: str
) -> None:
    folder = folder_of(name, "safetensors")
    state = dict(repositories()[name].tensors())
    (dropped,) = [
        key for key in state if "layer.1." in key and "intermediate" in key and key.endswith("weight")
    ]
    save({key: t for key, t in state.items() if key != dropped}, folder, "safetensors")
    assert_refused(folder, kind_of(name), "not in the file")
    save({**state, dropped: torch.zeros(3, 3)}, folder, "safetensors")
    assert_refused(folder, kind_of(name), "another shape")


def test_weights_without_a_vocabulary(folder_of: Callable[..., Path]) -> None:
    folder = folder_of(BERT)
    (folder / "vocab.txt").write_text("")
    assert_refused(folder, "text", "vocabulary|tokenizer")
    (folder / "vocab.txt").unlink()
    assert_refused(folder, "text", "no vocabulary")


def test_a_vocabulary_of_another_model(folder_of: Callable[..., Path]) -> None:
    folder = folder_of(BERT)
    words = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join([*words, "one", "more"]) + "\n")
    assert_refused(folder, "text", "do not belong together")


def test_a_tokenizer_that_needs_a_package_which_is_not_installed(folder_of: Callable[..., Path]) -> None:
    folder = folder_of(DISTILBERT)
    (folder / "tokenizer.json").unlink()
    about = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    assert_refused(folder, "text", "tokenizer cannot be read")


@pytest.mark.parametrize(
    ("name", "values", "match"),
    [
        (VIT, {"num_channels": 1}, "1 channels"),
        (VIT, {"model_type": "no-such-model"}, "cannot build|can build"),
        (BERT, {"num_attention_heads": 3}, "cannot be built"),
        (BERT, {"vocab_size": "many"}, "can build|cannot be built"),
    ],
)
def test_configurations_that_no_encoder_has(
    folder_of: Callable[..., Path], name: str, values: dict[str, Any], match: str
) -> None:
    assert_refused(folder_of(name, **values), kind_of(name), match)


def test_a_text_model_that_says_not_how_long_a_text_may_be(tmp_path: Path) -> None:
    from transformers import ElectraConfig, ElectraModel

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ElectraModel(ElectraConfig(vocab_size=9, embedding_size=8, **shape)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "max_position_embeddings": -1}))
    assert_refused(tmp_path, "text", "max_position_embeddings is -1")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xlm-roberta", "longformer"])
def test_a_model_that_looks_at_values_is_left_to_training(tmp_path: Path, family: str) -> None:
    """Its forward pass reads the mask's values, which the meta device does not have."""
    from transformers import AutoConfig, AutoModel

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    options = {"attention_window": 4} if family == "longformer" else {}
    words = [*SPECIAL, "the", "ct"]
    about = AutoConfig.for_model(family, vocab_size=len(words), **shape, **options)
    AutoModel.from_config(about).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    inspect(tmp_path, "text")
    built = build_text(EncoderConfig(name=str(tmp_path)), 0)
    tokens = built(torch.ones(1, 4, dtype=torch.int64), torch.ones(1, 4, dtype=torch.bool))
    assert tokens.shape == (1, 4, 16)


@pytest.mark.slow
def test_a_layer_that_is_not_written_is_no_fault_of_the_meta_device(
    folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.bert.modeling_bert import BertLayer

    def unwritten(*_: Any, **__: Any) -> None:
        raise NotImplementedError("no such attention")

    monkeypatch.setattr(BertLayer, "forward", unwritten)
    with pytest.raises(UserError, match="no such attention"):
        inspect(folder_of(BERT), "text")


def test_a_whole_clip_is_no_image_encoder(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    part = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    CLIPModel(CLIPConfig(text_config=part, vision_config=part)).save_pretrained(tmp_path)
    assert_refused(tmp_path, "vision", "in one")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "values", "size"),
    [
        ("vit", {"image_size": 32, "patch_size": 8}, 50),
        ("dinov2", {"image_size": 28, "patch_size": 14}, 8),
    ],
)
def test_an_image_size_that_the_encoder_cannot_take(
    family: str, values: dict[str, Any], size: int, tmp_path: Path
) -> None:
    from transformers import AutoConfig, AutoModel

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    AutoModel.from_config(AutoConfig.for_model(family, **shape, **values)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"image_size|cannot take images"):
        inspect(tmp_path, "vision", size)
    inspect(tmp_path, "vision", 56 if family == "dinov2" else 64)


@pytest.mark.slow
def test_an_untrained_architecture_is_inspected_as_well() -> None:
    for name in (
        "deit-tiny",
        "mobilevit-xx-small",
        "efficientnet-lite0",
        "tiny-cnn",
        "bert-tiny",
        "tiny-text",
    ):
        inspect(name, kind_of(name), pretrained=False)
    with pytest.raises(UserError, match="layers: 13"):
        inspect("vit-base", "vision", pretrained=False, layers=13)


@pytest.mark.slow
def test_gated_and_private_models_are_refused_by_check(hub: HubServer) -> None:
    hub.gated.add(CATALOGUE["deit-tiny"].location)
    hub.private.add(CATALOGUE["bert-tiny"].location)
    for name, match in (("deit-tiny", "gated.*HF_TOKEN"), ("bert-tiny", "no such public model.*HF_TOKEN")):
        with pytest.raises(UserError, match=match):
            inspect(name, kind_of(name))


@pytest.mark.slow
def test_check_lists_every_encoder_that_is_wrong_and_what_else_is(
    tiny_config: Callable[..., Config], folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    half, pointer = folder_of(VIT, "safetensors"), folder_of(BERT, "bin")
    (half / "model.safetensors").write_bytes((half / "model.safetensors").read_bytes()[:500])
    (pointer / "pytorch_model.bin").write_bytes(LFS)
    config = tiny_config(**{"teacher.vision.name": str(half), "student.text.name": str(pointer)})
    with pytest.raises(ConfigError) as caught:
        check_experiment(config, "a.yaml")
    assert [line.partition(":")[0] for line in caught.value.problems] == ["teacher.vision", "student.text"]
    assert not caught.value.examples
    root = shutil.copytree(config.data.root, tmp_path / "data")
    next(path for path in sorted(root.rglob("*.png"))).write_bytes(b"cut")
    with pytest.raises(ConfigError) as both:
        check_experiment(with_values(config, {"data.root": str(root)}), "a.yaml", ["known"])
    named = [line.partition(":")[0] for line in both.value.problems]
    assert named[:3] == ["known", "teacher.vision", "student.text"] and len(named) > 3
    assert len(both.value.examples) == 1


def test_what_is_left_of_a_copy_is_no_concern(folder_of: Callable[..., Path], tmp_path: Path) -> None:
    """Weights in a format that is not read, and files in folders, change nothing."""
    folder = folder_of(VIT, "safetensors")
    before = shapes(inspect(folder, "vision", 32))
    (folder / "onnx").mkdir()
    shutil.copy(folder / "config.json", folder / "onnx" / "config.json")
    (folder / "flax_model.msgpack").write_bytes(b"")
    assert shapes(inspect(folder, "vision", 32)) == before
