"""What was downloaded is found again, whoever downloaded it; a commit is resolved once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download, snapshot_download

from distune.config import EncoderConfig
from distune.errors import UserError
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.fingerprint import identity
from distune.models.encoders.hub.revisions import fetch_encoders

from .server import TOKEN, HubServer

pytestmark = pytest.mark.slow

DEIT, BERT = CATALOGUE["deit-tiny"].location, CATALOGUE["bert-tiny"].location


def by_transformers() -> None:
    from transformers import AutoImageProcessor, AutoModel

    AutoModel.from_pretrained(DEIT)
    AutoImageProcessor.from_pretrained(DEIT)


def whole_repository() -> None:
    snapshot_download(DEIT)


def filtered() -> None:
    snapshot_download(DEIT, allow_patterns=["*.json", "pytorch_model.bin"])


def file_by_file_at_a_commit(commit: str) -> None:
    for name in ("config.json", "preprocessor_config.json", "pytorch_model.bin"):
        hf_hub_download(DEIT, name, revision=commit)


@pytest.mark.parametrize("fill", [by_transformers, whole_repository, filtered])
def test_a_cache_that_others_filled_needs_no_request(hub: HubServer, fill: Callable[[], None]) -> None:
    fill()
    commit = hub.commits(DEIT)[0]
    hub.die()
    assert fetch_encoders([(EncoderConfig(name="deit-tiny"), "vision")]) == {"deit-tiny": commit}
    build_vision(EncoderConfig(name="deit-tiny"), 0, 32)
    assert not hub.requests


def test_a_lone_commit_without_a_branch_is_found(hub: HubServer) -> None:
    commit = hub.commits(DEIT)[0]
    file_by_file_at_a_commit(commit)
    hub.die()
    assert commit in identity(EncoderConfig(name="deit-tiny"), "vision", 0)


def test_of_two_commits_without_a_branch_none_is_taken_unasked(hub: HubServer) -> None:
    hub.moved[DEIT] = 1
    old, new = hub.commits(DEIT)
    file_by_file_at_a_commit(old)
    file_by_file_at_a_commit(new)
    hub.requests.clear()
    hub.moved[DEIT] = 2
    assert hub.commits(DEIT)[2] in identity(EncoderConfig(name="deit-tiny"), "vision", 0)
    assert old in identity(EncoderConfig(name="deit-tiny", revision=old), "vision", 0)


def test_offline_on_purpose_asks_nobody(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_repository()
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    build_vision(EncoderConfig(name="deit-tiny"), 0, 32)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        build_text(EncoderConfig(name="bert-tiny"), 0)
    assert not hub.requests


def test_a_moving_branch_changes_nothing_that_was_fetched(hub: HubServer) -> None:
    first = fetch_encoders([(EncoderConfig(name="deit-tiny"), "vision")])
    hub.moved[DEIT] = 1
    hub.requests.clear()
    assert fetch_encoders([(EncoderConfig(name="deit-tiny"), "vision")]) == first
    assert not hub.requests
    newest = hub.commits(DEIT)[1]
    asked = EncoderConfig(name="deit-tiny", revision=newest)
    assert fetch_encoders([(asked, "vision")]) == {f"deit-tiny@{newest}": newest}


def test_what_a_part_of_the_cache_lacks_is_fetched_at_its_commit(hub: HubServer) -> None:
    """`AutoModel` alone leaves a text model without its vocabulary; meanwhile `main` may have moved."""
    for name in ("config.json", "pytorch_model.bin"):
        hf_hub_download(BERT, name)
    hub.moved[BERT] = 1
    assert fetch_encoders([(EncoderConfig(name="bert-tiny"), "text")]) == {"bert-tiny": hub.commits(BERT)[0]}
    assert build_text(EncoderConfig(name="bert-tiny"), 0).tokenizer.encode(["ct"], 9) != [[2, 1, 3]]


def test_a_part_of_the_cache_is_named_where_nothing_can_be_fetched(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.json", "pytorch_model.bin"):
        hf_hub_download(BERT, name)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="no vocabulary"):
        build_text(EncoderConfig(name="bert-tiny"), 0)


def test_only_what_is_needed_is_fetched(hub: HubServer, cache: Path) -> None:
    build_vision(EncoderConfig(name="vit-base"), 0, 32)
    fetched = {file.name for file in cache.rglob("snapshots/*/*")}
    assert fetched == {"config.json", "preprocessor_config.json", "model.safetensors"}


def test_gated_and_private_models_say_so_and_name_the_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(DEIT)
    hub.private.add(BERT)
    with pytest.raises(UserError, match=r"gated.*HF_TOKEN"):
        build_vision(EncoderConfig(name="deit-tiny"), 0, 32)
    with pytest.raises(UserError, match=r"HF_TOKEN"):
        build_text(EncoderConfig(name="bert-tiny"), 0)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    build_vision(EncoderConfig(name="deit-tiny"), 0, 32)
    build_text(EncoderConfig(name="bert-tiny"), 0)


@pytest.mark.parametrize("revision", ["v9", "0" * 40])
def test_an_unknown_revision_is_named(hub: HubServer, revision: str) -> None:
    with pytest.raises(UserError, match=rf"no revision '{revision}'"):
        build_vision(EncoderConfig(name="deit-tiny", revision=revision), 0, 32)


def test_what_has_no_revisions_is_asked_for_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="revision"):
        identity(EncoderConfig(name="minilm-l6", revision="main"), "text", 0)
    with pytest.raises(UserError, match="revision"):  # before a teacher that is kept is found
        fetch_encoders([(EncoderConfig(name="tiny-text", revision="main"), "text")])
