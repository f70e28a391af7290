from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import pytest

from distune.config import Config


@pytest.fixture(scope="session")
def tiny_config(tiny_config: Callable[..., Config]) -> Callable[..., Config]:
    """As everywhere, of small images: convolutions are a third of a run, and these tests train hundreds."""

    def make(**values: Any) -> Config:
        return tiny_config(**{"data__image_size": 32, **values})

    return make


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny stages are over before a checkpoint is due; here every epoch takes one."""
    monkeypatch.setattr("distune.training.files.checkpoint.EVERY_SECONDS", 0.0)
