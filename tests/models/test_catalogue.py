"""Names of encoders: what each means, and what is said where it means nothing or cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE, MILLISECONDS, CatalogueEntry, find


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_the_table_states_the_size_that_is_built(entry: CatalogueEntry) -> None:
    if entry.millions > 20:
        from transformers import AutoConfig, AutoModel

        with torch.device("meta"):
            config = AutoConfig.for_model(entry.family, **entry.architecture)
            options = {} if entry.family == "distilbert" else {"add_pooling_layer": False}
            count = sum(p.numel() for p in AutoModel.from_config(config, **options).parameters())
    else:
        config = EncoderConfig(name=entry.name, pretrained=False)
        encoder = build_vision(config, 0, None) if entry.kind == "vision" else build_text(config, 0)
        assert entry.image_size == getattr(encoder, "image_size", None)
        count = sum(p.numel() for p in encoder.parameters())
    assert round(count / 1e6, 1) == entry.millions


def test_every_name_of_the_issue_is_known() -> None:
    vision = {name for name, entry in CATALOGUE.items() if entry.kind == "vision"}
    text = set(CATALOGUE) - vision
    assert MILLISECONDS.keys() == CATALOGUE.keys()
    assert vision == {
        *("vit-large", "vit-base", "deit-base", "deit-small", "deit-tiny"),
        *("mobilevit-small", "mobilevit-x-small", "mobilevit-xx-small"),
        *("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "tiny-cnn"),
    }
    assert text == {
        *("bio-clinical-bert", "distilbert", "mobile-bert", "minilm", "bert-mini", "bert-tiny"),
        *("minilm-l6", "tiny-text"),
    }


def test_what_a_name_can_mean(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert find("deit-tiny", "vision") is CATALOGUE["deit-tiny"]
    assert find(str(tmp_path), "vision") == tmp_path
    assert find("organisation/model-1.0", "text") == "organisation/model-1.0"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("diet-small", "vision", "unknown vision encoder 'diet-small'.*did you mean deit-small"),
        ("bert-tiny", "vision", "bert-tiny is a text encoder, not a vision encoder"),
        ("qqqq", "text", "known: bio-clinical-bert, distilbert"),
        ("../outside", "text", "unknown text encoder"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, kind: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(name, kind)  # type: ignore[arg-type]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.timeout(60)  # no attempt to reach the hub, which is repeated for minutes
def test_without_hub_and_weights_one_sentence_says_what_and_the_two_ways_out(offline: Path) -> None:
    with pytest.raises(UserError) as caught:
        build_vision(EncoderConfig(name="deit-tiny"), 0, None)
    message = str(caught.value)
    assert message.startswith("no weights of facebook/deit-tiny-patch16-224: ")
    assert "on a machine with a network" in message and "pretrained: false" in message
    assert "\n" not in message and ". " not in message
    assert type(caught.value.__cause__).__name__ == "OfflineModeIsEnabled"


def test_a_hub_model_that_is_cached_needs_no_hub(offline: Path) -> None:
    from transformers import BertConfig, BertModel

    from distune.models.encoders.fingerprint import identity

    snapshot = offline / "models--prajjwal1--bert-tiny" / "snapshots" / ("a" * 40)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=8, **shape)).save_pretrained(snapshot)
    refs = offline / "models--prajjwal1--bert-tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    (snapshot / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ct", "of", "head"])
    )
    encoder = build_text(EncoderConfig(name="bert-tiny"), 0)
    assert encoder.width == 16
    assert encoder.tokenizer.encode(["CT of head"], 10) == [[2, 5, 6, 7, 3]]
    assert "a" * 40 in identity(EncoderConfig(name="bert-tiny"), "text", 0)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(UserError, match="prajjwal1/bert-tiny"):
        build_text(EncoderConfig(name="bert-tiny"), 0)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    gone = replace(CATALOGUE["efficientnet-lite0"], location="no_such_package_here")
    monkeypatch.setitem(CATALOGUE, "efficientnet-lite0", gone)
    with pytest.raises(UserError, match=r"distune\[offline\]"):
        build_vision(EncoderConfig(name="efficientnet-lite0"), 0, None)
    assert build_vision(EncoderConfig(name="efficientnet-lite0", pretrained=False), 0, None).width == 1280


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(UserError, match=r"none of model\.safetensors"):
        build_vision(EncoderConfig(name=str(tmp_path)), 0, None)


def test_models_that_need_foreign_code_are_refused(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass EvilConfig: pass\n")
    (tmp_path / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoConfig": "evil.EvilConfig"}}'
    )
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="without foreign code"):
        build_vision(EncoderConfig(name=str(tmp_path)), 0, None)
    assert not marker.exists()


SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
OLD_NAMES = (
    ("layers.", "encoder.layer."),
    ("attention.q_proj", "attention.attention.query"),
    ("attention.k_proj", "attention.attention.key"),
    ("attention.v_proj", "attention.attention.value"),
    ("attention.o_proj", "attention.output.dense"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
)


def old_checkpoint(folder: Path) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A ViT under the names that the published checkpoints have, with the head that Distune leaves out."""
    import json

    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    model = ViTModel(ViTConfig(**SHAPE), add_pooling_layer=False)
    state = {"classifier.weight": torch.zeros(5, 16), "classifier.bias": torch.zeros(5)}
    for name, tensor in model.state_dict().items():
        for new, old in OLD_NAMES:
            name = name.replace(new, old)
        state[f"vit.{name}"] = tensor.contiguous()
    (folder / "config.json").write_text(json.dumps({**SHAPE, "model_type": "vit"}))
    return model, state


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_checkpoints_with_the_published_names_are_read_completely(file: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model, state = old_checkpoint(tmp_path)
    if file.endswith(".bin"):
        torch.save(state, tmp_path / file)
    else:
        save_file(state, tmp_path / file, metadata={"format": "pt"})
    encoder = build_vision(EncoderConfig(name=str(tmp_path)), 0, None)
    ours, theirs = encoder.layers.state_dict(), model.layers.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    _, state = old_checkpoint(tmp_path)
    del state["vit.encoder.layer.1.attention.attention.query.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"layers.1.attention.q_proj.weight"):
        build_vision(EncoderConfig(name=str(tmp_path)), 0, None)
