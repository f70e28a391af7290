from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from distune.confirmation.confirm import confirm

sys.path.insert(0, str(Path(__file__).parent))
from confirmation_helpers import TRIALS, config_on, request_for, write_study

from tests.in_this_process import workers_in_this_process


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are threads; the tests that kill a confirmation start its command, which has real ones."""
    workers_in_this_process(monkeypatch)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared_cache")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, demo_root: Path, shared_cache: Path) -> Path:
    """The SQLite file of a study that was confirmed with 2 trials and 2 seeds; tests must not change it."""
    file = write_study(tmp_path_factory.mktemp("finished") / "logs" / "optuna", config_on(demo_root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTUNE_CACHE", str(shared_cache))
        workers_in_this_process(patch)
        result = confirm(request_for(file))
    assert result.reason == "finished"
    return file


@pytest.fixture
def confirmed(finished: Path, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the confirmed study that a test may change."""
    monkeypatch.setenv("DISTUNE_CACHE", str(shared_cache))
    shutil.copytree(finished.parent, tmp_path / "logs" / "optuna")
    return tmp_path / "logs" / "optuna" / finished.name


@pytest.fixture
def new_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_cache: Path) -> Callable[..., Path]:
    """Writes a study that nobody confirmed."""
    monkeypatch.setenv("DISTUNE_CACHE", str(shared_cache))
    return lambda base, *trials: write_study(tmp_path / "new" / "optuna", base, trials or TRIALS)
