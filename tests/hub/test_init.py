"""What `distune init` chooses on a machine with a GPU, where a hub has the weights."""

from __future__ import annotations

import pytest
import torch

from distune.setup.machine import fitting

from .server import HubServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("texts", "words"), [(["a text"], ("bio-clinical-bert", "distilbert")), (None, ("none", "none"))]
)
def test_a_gpu_gets_the_classic_pair(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, texts: list[str] | None, words: tuple[str, str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = fitting([], texts, 500, 64)
    assert [encoder.name for encoder in found.teacher] == ["vit-base", words[0]]
    assert [encoder.name for encoder in found.student] == ["deit-small", words[1]]
    assert not found.frozen and "GPU" in found.why
    assert any("vit-base" in request for request in hub.requests)
