"""What cannot be an encoder, and what is said of it; built from pretended settings where no model is needed."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from distune.config import EncoderConfig
from distune.data.tokenizer import HashTokenizer
from distune.errors import UserError
from distune.models.encoders import build, build_cache
from distune.models.encoders.build import assemble_text, assemble_vision, build_text, build_vision, explained
from distune.models.encoders.build_cache import MOST, copied
from distune.models.encoders.catalogue import CATALOGUE, find, known
from distune.models.encoders.fingerprint import identity
from distune.models.encoders.pretrained.transformers_model import Origin
from distune.models.encoders.vision.efficientnet_lite import _norm
from tests.stand_ins import refusing_as

TEXT = {"model_type": "bert", "vocab_size": 40, "hidden_size": 8, "max_position_embeddings": 4}
VISION = {"model_type": "vit", "num_channels": 3}


def origin(**settings: Any) -> Origin:
    return Origin(SimpleNamespace(**settings), None)


class Made:
    """What a family was asked to build."""

    def __init__(self, *given: Any):
        self.given = given


class OfTheLibrary(Made):
    """A family that is taken as a whole."""


@pytest.fixture(autouse=True)
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "TEXT_FAMILIES", {"bert": Made})
    monkeypatch.setattr(build, "VISION_FAMILIES", {"vit": Made})
    monkeypatch.setattr(build, "AutoText", OfTheLibrary)
    monkeypatch.setattr(build, "AutoVision", OfTheLibrary)
    monkeypatch.setattr(build, "read_pixels", refusing_as(build.read_pixels, lambda *given: given))
    monkeypatch.setattr(build, "longest_text", lambda settings: settings.max_position_embeddings - 2)


@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({}, None),
        ({"max_position_embeddings": 3}, "max_position_embeddings is 3"),
        ({"vocab_size": None}, "no vocab_size"),
        ({"hidden_size": None}, "no hidden_size"),
        ({"max_position_embeddings": None}, "no max_position_embeddings"),
    ],
)
def test_a_text_encoder_says_how_many_words_and_how_long_a_text(
    changed: dict[str, Any], token: str | None
) -> None:
    settings = {name: value for name, value in (TEXT | changed).items() if value is not None}
    config = EncoderConfig(name="bert-tiny", pretrained=False)
    if token is None:
        made: Any = assemble_text(config, origin(**settings), None)
        tokenizer = made.given[2]
        assert isinstance(tokenizer, HashTokenizer) and (tokenizer.buckets, made.given[0]) == (40, config)
        assert len(tokenizer.encode(["a " * 50], 99)[0]) == 4
    else:
        with pytest.raises(UserError, match=token):
            assemble_text(config, origin(**settings), None)


def test_a_family_of_transformers_own_takes_no_rank_and_its_own_longest_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "TEXT_FAMILIES", {})
    config = EncoderConfig(name="bert-tiny", pretrained=False)
    made: Any = assemble_text(config, origin(**(TEXT | {"max_position_embeddings": 8})), None)
    assert len(made.given[2].encode(["a " * 50], 99)[0]) == 6
    with pytest.raises(UserError, match="max_position_embeddings is 5"):
        assemble_text(config, origin(**(TEXT | {"max_position_embeddings": 5})), None)
    ranked = EncoderConfig(name="bert-tiny", pretrained=False, embedding_rank=2)
    with pytest.raises(UserError, match="embedding_rank"):
        assemble_text(ranked, origin(**TEXT), None)


def test_trained_weights_read_their_own_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    read = refusing_as(build.read_tokenizer, lambda *given: asked.append(given) or "own")
    monkeypatch.setattr(build, "read_tokenizer", read)
    made: Any = assemble_text(EncoderConfig(name="bio-clinical-bert"), origin(**TEXT), tmp_path)
    assert made.given[2] == "own" and asked[0][0] == tmp_path and asked[0][2:] == (4, True)
    random: Any = assemble_text(EncoderConfig(name="bert-tiny", pretrained=False), origin(**TEXT), tmp_path)
    assert isinstance(random.given[2], HashTokenizer) and len(asked) == 1


@pytest.mark.parametrize(
    ("settings", "token"),
    [
        (VISION, None),
        (VISION | {"num_channels": 1}, "1 channels"),
        (VISION | {"num_channels": 4}, "4 channels"),
        ({"model_type": "bert"}, "no num_channels"),
        (VISION | {"text_config": 1, "vision_config": 2}, "in one"),
    ],
)
def test_an_image_encoder_takes_three_channels_and_nothing_else(
    settings: dict[str, Any], token: str | None
) -> None:
    config = EncoderConfig(name="deit-tiny", pretrained=False)
    if token is None:
        made: Any = assemble_vision(config, origin(**settings), None, 48)
        assert made.given[0] == config and made.given[3] == 48
        assert made.given[2][1] is CATALOGUE["deit-tiny"]
    else:
        with pytest.raises(UserError, match=token):
            assemble_vision(config, origin(**settings), None, 48)


def test_a_norm_of_one_value_a_channel_takes_what_it_has_seen() -> None:
    """The last batch may hold one example, whose features are one pixel where the image is small."""
    norm = _norm(2).train()
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    alone = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1)
    assert torch.allclose(norm(alone).flatten(), torch.tensor([2.0, 3.0]) / (1 + norm.eps) ** 0.5)
    pair = torch.cat([alone, -alone])
    expected = torch.nn.functional.batch_norm(pair, None, None, training=True, eps=norm.eps)
    assert torch.equal(norm(pair), expected)


@pytest.mark.parametrize("name", ["tiny-cnn", "efficientnet-lite0"])
def test_an_image_encoder_has_no_words_to_factorise(name: str) -> None:
    with pytest.raises(UserError, match="embedding_rank"):
        build_vision(EncoderConfig(name=name, pretrained=False, embedding_rank=4), 0, 32)
    with pytest.raises(UserError, match="embedding_rank"):
        build_text(EncoderConfig(name="tiny-text", embedding_rank=4), 0)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (UserError("said"), True),
        (OSError(errno.EIO, "disk"), True),
        (OSError(errno.EACCES, "right"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory"), True),
        (OSError(errno.ENOENT, "gone"), False),
        (ValueError("odd"), False),
        (KeyError("layers"), False),
    ],
)
def test_what_a_library_throws_is_explained_and_what_the_machine_lacks_is_not(
    error: Exception, passes: bool
) -> None:
    with pytest.raises(type(error) if passes else UserError) as caught, explained("name", "text"):
        raise error
    assert (caught.value is error) is passes
    if not passes:
        assert f"name: it cannot be built as the text encoder ({type(error).__name__}: " in str(caught.value)
        assert caught.value.__cause__ is error


def test_a_model_is_known_by_its_name_and_by_its_place_on_the_hub() -> None:
    entry = CATALOGUE["deit-tiny"]
    assert known(entry, "vision") is known(entry.location, "vision") is entry
    assert known(entry.location, "text") is known("org/other", "vision") is known(Path("x"), "vision") is None
    assert find("tiny-text", "text") is CATALOGUE["tiny-text"]
    with pytest.raises(UserError, match="unknown"):
        find("org/model/more", "text")


def test_the_identity_of_random_weights_names_all_that_is_kept() -> None:
    base: dict[str, Any] = {"name": "bert-tiny", "pretrained": False}
    changed: list[dict[str, Any]] = [
        {}, {"layers": 1}, {"freeze": 1}, {"freeze": "all"}, {"embedding_rank": 4}, {"name": "bert-mini"},
    ]  # fmt: skip
    names = [identity(EncoderConfig(**(base | each)), "text", 1) for each in changed]
    names.append(identity(EncoderConfig(**base), "text", 2))
    assert len(set(names)) == len(names)
    assert names[0] == "bert-tiny|random-1|layers=None|freeze=none|rank=None"


def test_encoders_that_were_used_last_are_kept_and_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cache, "_kept", build_cache.OrderedDict())
    made: list[str] = []

    def of(key: str) -> nn.Module:
        def fresh() -> Any:
            made.append(key)
            return nn.Linear(1, 1)

        return copied(key, fresh)

    first = of("a")
    with torch.no_grad():
        first.weight.fill_(7.0)  # type: ignore[operator]
    assert not torch.equal(of("a").weight, first.weight)  # type: ignore[arg-type]
    for key in "bcd":
        of(key)
    of("a")
    assert made == list("abcd") and len(build_cache._kept) == MOST
    of("e")
    for key in "ae":
        of(key)
    assert made == list("abcde")
    of("b")
    assert made == list("abcdeb"), "b was used the longest ago"
