from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny stages are over before a checkpoint is due; here every epoch takes one."""
    monkeypatch.setattr("distune.training.files.checkpoint.EVERY_SECONDS", 0.0)
