from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import Config
from distune.store import Store
from distune.training.run import run


@pytest.fixture(scope="session")
def trained_run(
    tiny_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Trains a tiny run once for each set of changed values; tests must not change the folder."""
    runs: dict[str, Path] = {}

    def make(**values: object) -> Path:
        name = repr(sorted(values.items()))
        if name not in runs:
            folder = tmp_path_factory.mktemp("run") / "run"
            run(tiny_config(**values), folder, store=Store(folder.parent / "cache"))
            runs[name] = folder
        return runs[name]

    return make
