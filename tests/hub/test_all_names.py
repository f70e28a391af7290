"""Every hub name loads from the files that are published under it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distune.config import EncoderConfig
from distune.models.encoders.base import Encoder
from distune.models.encoders.build import build_text, build_vision
from distune.models.encoders.catalogue import CATALOGUE

from .repositories import Format, repositories
from .server import HubServer

pytestmark = pytest.mark.slow

NAMES = [name for name, entry in CATALOGUE.items() if entry.source == "hub"]


def build(name: str) -> Encoder:
    kind = CATALOGUE[name].kind
    config = EncoderConfig(name=name)
    return build_vision(config, 0, None) if kind == "vision" else build_text(config, 0)


def assert_weights(name: str, encoder: Encoder) -> None:
    """Every tensor is a published one, and every published one that is no head is used."""
    repository = repositories()[name]
    kept = {key: t for key, t in repository.tensors().items() if not key.startswith(repository.heads)}
    left = {key: t for key, t in kept.items() if "position_ids" not in key and "num_batches" not in key}
    for key, tensor in encoder.state_dict().items():
        if "num_batches_tracked" in key:
            continue
        same = [name for name, t in left.items() if t.shape == tensor.shape and torch.equal(t, tensor)]
        assert same, key
        del left[same[0]]
    assert not left


def test_all_names_of_the_catalogue_are_published() -> None:
    assert set(repositories()) == set(NAMES) and len(NAMES) == 14
    assert all(repositories()[name].name == CATALOGUE[name].location for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_every_weight_and_is_found_again_without_a_request(hub: HubServer, name: str) -> None:
    encoder = build(name)
    assert_weights(name, encoder)
    assert hub.requests
    hub.die()
    again = build(name)
    assert all(torch.equal(t, again.state_dict()[key]) for key, t in encoder.state_dict().items())
    assert not hub.requests


@pytest.mark.parametrize("form", ["bin", "old bin", "sharded bin", "safetensors", "sharded safetensors"])
@pytest.mark.parametrize("name", ["vit-base", "bio-clinical-bert"])
def test_every_format_of_weights_is_read(hub: HubServer, tmp_path: Path, name: str, form: Format) -> None:
    hub.root = tmp_path / "other"
    repositories()[name].write(hub.root, (form,))
    assert_weights(name, build(name))
