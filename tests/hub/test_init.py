"""What `distune init` chooses on a machine with a GPU, where a hub has the weights."""

from __future__ import annotations

import pytest
import torch

from distune.setup.encoders import fitting

from .server import HubServer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("tokens", "words"), [(20.0, ("bio-clinical-bert", "distilbert")), (None, ("none", "none"))]
)
def test_a_gpu_gets_the_classic_pair(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, tokens: float | None, words: tuple[str, str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = fitting(500, tokens)
    assert [encoder.name for encoder in found.teacher] == ["vit-base", words[0]]
    assert [encoder.name for encoder in found.student] == ["deit-small", words[1]]
    assert not found.frozen and "GPU" in found.why
    assert any("vit-base" in request for request in hub.requests)
