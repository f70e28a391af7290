from __future__ import annotations

import gc
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest

from distune.config import Config, parse_config

# In a shell's background SIGINT is ignored, which the processes of the tests would inherit, and rightly heed.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The numbers that the tests hold are a CPU's: a GPU adds up in another order, also from one run to the next.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# No test asks the real hub, which may be there or not; those of `hub` have one of their own.
os.environ["HF_HUB_OFFLINE"] = "1"

# No test fails because a machine is slow.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

CACHES = itertools.count()

gc.disable()  # until all tests are collected


def pytest_collection_finish() -> None:
    """What modules and tests are made of stays: the search for garbage never looks at it, and seldom at the rest."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or fills the user's cache; the folder is made by what fills it."""
    folder = tmp_path_factory.getbasetemp() / "caches" / f"{next(CACHES)}"
    monkeypatch.setenv("DISTUNE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session", autouse=True)
def quick_studies() -> Iterator[None]:
    """A new study in SQLite takes an eighth of its time: its migrations are read once, and no test waits for a disk."""
    from optuna.storages._rdb.storage import _VersionManager
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    read = _VersionManager._create_alembic_script
    migrations: list[Any] = []

    def read_once(manager: _VersionManager) -> Any:
        if not migrations:
            migrations.append(read(manager))
        return migrations[0]

    def wait_for_no_disk(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_VersionManager, "_create_alembic_script", read_once)
        event.listen(Engine, "connect", wait_for_no_disk)
        yield
        event.remove(Engine, "connect", wait_for_no_disk)


@pytest.fixture(scope="session", autouse=True)
def threads_and_precision() -> tuple[int, str] | None:
    """Of torch, before the first test; None where nothing has imported it."""
    torch = sys.modules.get("torch")
    return torch and (torch.get_num_threads(), torch.get_float32_matmul_precision())


@pytest.fixture(scope="session", autouse=True)
def quick_seeds() -> Iterator[None]:
    """Of every seed torch formats the stack three times, for devices that are not in use: a long one below pytest."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("cuda", "xpu", "mtia") if "torch" in sys.modules else ():
            patch.setattr(f"torch.{kind}.traceback", SimpleNamespace(format_stack=list), raising=False)
        yield


@pytest.fixture(autouse=True)
def torch_as_it_was(threads_and_precision: tuple[int, str] | None) -> Iterator[None]:
    """No test computes with the threads or the precision of another one, which give other last digits."""
    yield
    if threads_and_precision is not None:
        import torch

        threads, precision = threads_and_precision
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


@pytest.fixture
def plugins_forgotten() -> Iterator[None]:
    """The plugins that a test loads are unknown again after it."""
    from distune import plugins
    from distune.components import FUSIONS, LOSSES, READERS

    known = set(sys.modules)
    yield
    for name in set(plugins._loaded) & (set(sys.modules) - known):
        del sys.modules[name]
    plugins._loaded.clear()
    for components in (LOSSES, FUSIONS, READERS):
        components._added.clear()
        components._sources.clear()


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo set in the MedPix layout, made once; tests must not change it."""
    from distune.data.demo.demo import write_demo

    root = tmp_path_factory.mktemp("data") / "demo"
    write_demo(root, seed=1, examples=80)
    return root


@pytest.fixture(scope="session")
def tiny_config(demo_root: Path) -> Callable[..., Config]:
    """Makes a config that trains in a second; keyword arguments are values by dotted key with `__` for dots."""

    def make(**values: Any) -> Config:
        raw = {
            "name": "tiny",
            "seed": 3,
            "data": {"reader": "medpix", "root": str(demo_root), "max_tokens": 16, "image_size": 32},
            "teacher": _model(epochs=2, lr=2e-3, dim=16),
            "student": _model(epochs=3, lr=2e-3, dim=8),
            "training": {"batch_size": 16, "device": "cpu", "precision": "fp32"},
        }
        dotted = {key.replace("__", "."): value for key, value in values.items()}
        return parse_config(raw, overrides=dotted)

    return make


@pytest.fixture(scope="session")
def tiny_space() -> dict[str, Any]:
    """Search ranges that hold the values of `tiny_config`, which a new study asks for."""
    rate = {"type": "float", "low": 1e-5, "high": 1e-2, "log": True}
    return {
        **{f"{role}_lr": rate for role in ("teacher", "student")},
        **{
            f"{role}_fusion_dim": {"type": "categorical", "choices": [8, 16, 32]}
            for role in ("teacher", "student")
        },
        **{
            f"{role}_fusion_heads": {"type": "categorical", "choices": [2, 4]}
            for role in ("teacher", "student")
        },
    }


@pytest.fixture
def distune(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process, in an empty folder; gives exit code, output and errors."""
    from distune.cli import run_command

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["distune", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_command()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local workers are threads, for tests whose proof does not lie in a process of its own."""
    from tests.in_this_process import workers_in_this_process

    workers_in_this_process(monkeypatch)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The epochs that are trained, not those that are only reported again."""
    from distune.training import loop

    epochs: list[tuple[str, int]] = []
    one_epoch = loop._one_epoch

    def noting(state: Any, epoch: int, examples: Any, plan: Any, *others: Any) -> Any:
        epochs.append((plan.stage, epoch))
        return one_epoch(state, epoch, examples, plan, *others)

    monkeypatch.setattr(loop, "_one_epoch", noting)
    return epochs


def _model(*, epochs: int, lr: float, dim: int) -> dict[str, Any]:
    return {
        "vision": "tiny-cnn",
        "text": "tiny-text",
        "fusion_dim": dim,
        "fusion_layers": 1,
        "fusion_heads": 2,
        "fusion_tokens": "pooled",
        "epochs": epochs,
        "lr": lr,
    }
