"""A folder whose name means something in URLs works everywhere: check, train, tune, report, predict, errors, export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from distune.config import Config, dump_config
from distune.tuning.study.storage_url import sqlite_file, sqlite_url

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "path", ["a/b.db", "/what?/b.db", "/a%2Fb/c.db", "what? now/a%3Fb #1/c.db", "file:x.db"]
)
def test_the_url_of_a_file_names_it(path: str) -> None:
    assert sqlite_file(make_url(sqlite_url(Path(path)))) == Path(path)


def test_every_command_works_there(
    tiny_config: Callable[..., Config],
    tiny_space: dict[str, Any],
    demo_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    distune: Callable[..., tuple[int, str, str]],
) -> None:
    folder = tmp_path / "what?" / "a%2Fb"
    shutil.copytree(demo_root, folder / "data")
    monkeypatch.chdir(folder)
    config = tiny_config(
        teacher__epochs=1, student__epochs=1, search_space=tiny_space, data__root=str(folder / "data")
    )
    Path("c.yaml").write_text(dump_config(config))
    study, run = folder / "logs/optuna/s", folder / "run"
    image = next((folder / "data/images").glob("*.png"))
    rows = [f"{path.name},{'ab'[n % 2]}" for n, path in enumerate(sorted((folder / "data/images").iterdir()))]
    Path("all.csv").write_text("\n".join(["file,label", *rows]))
    for command in (
        ("check", folder / "c.yaml", "--no-estimate"),
        ("audit", folder / "c.yaml", "--out", folder / "audit.json"),
        ("data", "split", folder / "all.csv", "--labels", "label", "--out", folder / "split"),
        ("train", folder / "c.yaml", "--out", run),
        ("tune", "--config", folder / "c.yaml", "--n-trials", "1", "--study-name", "s", "--gpu", "cpu"),
        ("status", study),
        ("report", study),
        ("errors", study),
        ("predict", study, "--image", image, "--text", "CT"),
        ("predict", run, "--image", image, "--text", "CT"),
        *([("export", run, "--out", folder / "bundle")] if _can_export() else []),
    ):
        code, _, errors = distune(*command)
        assert code == 0, (command, errors)
    assert (study / "report.html").is_file() and (study.parent / "s.db").is_file()


def _can_export() -> bool:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True
