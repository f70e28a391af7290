from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import Config
from distune.store import Store
from distune.training.run import run


@pytest.fixture(scope="session")
def run_folder(tiny_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny trained run; tests must not change it."""
    folder = tmp_path_factory.mktemp("run") / "run"
    run(tiny_config(), folder, store=Store(folder.parent / "cache"), open_test=True)
    return folder


@pytest.fixture(scope="session")
def bundle(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle; tests must not change it."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from distune.deployment.export import export_run

    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    export_run(run_folder, folder)
    return folder
