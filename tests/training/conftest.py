from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny stages are over before a checkpoint is due; here every epoch takes one."""
    monkeypatch.setattr("distune.training.files.checkpoint.EVERY_SECONDS", 0.0)
