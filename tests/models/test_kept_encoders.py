"""Encoders that a warm process keeps are those that it would build, and no trial sees what another one trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from distune.config import parse_config
from distune.data.table import Task
from distune.models.classifier import Classifier, build_classifier
from distune.models.encoders import build_cache

TASKS = (Task("modality", ("CT", "MR")),)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    build_cache._kept.clear()


def built(keep_encoders: bool, seed: int = 1, size: int = 32, **values: Any) -> Classifier:
    section = {"vision": "tiny-cnn", "text": "tiny-text", "fusion_dim": 8, "fusion_heads": 2, **values}
    config = parse_config({"student": section}).student
    return build_classifier(config, TASKS, seed=seed, image_size=size, keep_encoders=keep_encoders)


def test_a_copy_is_what_would_be_built_whatever_was_trained_before() -> None:
    first = built(True)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1.0)
    fresh, copied = built(False).state_dict(), built(True).state_dict()
    assert len(build_cache._kept) == 2
    assert all(torch.equal(fresh[name], copied[name]) for name in fresh)


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"size": 64}, {"vision": {"name": "tiny-cnn", "freeze": 1}}, {"text": "none"}]
)
def test_another_encoder_is_not_taken_for_it(other: dict[str, Any]) -> None:
    built(True)
    fresh, copied = built(False, **other), built(True, **other)
    assert [p.requires_grad for p in fresh.parameters()] == [p.requires_grad for p in copied.parameters()]
    assert fresh.vision.image_size == copied.vision.image_size  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), copied.parameters(), strict=True))


def test_those_used_last_are_kept() -> None:
    for seed in (1, 2, 1, 3):
        built(True, seed=seed)
    assert len(build_cache._kept) == build_cache.MOST
    before = list(build_cache._kept)
    built(True, seed=1)
    assert set(build_cache._kept) == set(before)
    built(True, seed=2)
    assert set(build_cache._kept) != set(before)
