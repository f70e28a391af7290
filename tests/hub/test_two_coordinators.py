"""Two coordinators of one study that look at a hub whose `main` moves in between agree on one commit."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from huggingface_hub import constants

from distune.config import Config, load_config, save_config
from distune.models.encoders.catalogue import CATALOGUE
from distune.tuning.space.build import build_space
from distune.tuning.study.hub_commits import with_study_commits
from distune.tuning.study.settings import COMMITS, StudySettings
from distune.tuning.study.storage import open_storage
from distune.tuning.study.storage_retry import StorageRetry

from .server import HubServer

pytestmark = pytest.mark.slow

DEIT = CATALOGUE["deit-tiny"].location
COORDINATOR = f"""
import json, sys
from {__name__} import commits_of
print(json.dumps(commits_of(*sys.argv[1:])))
"""


def commits_of(config: Path | str, url: str) -> dict[str, str]:
    """What a coordinator of the shared study finds."""
    base = load_config(config)
    study = optuna.load_study(study_name="shared", storage=open_storage(url))
    settings = StudySettings(base, build_space(base), "sha256:0")
    return dict(with_study_commits(study, [settings], StorageRetry(), lambda: 0)[0].commits)


def coordinator(config: Path, url: str, cache: Path) -> subprocess.Popen[str]:
    """A coordinator on a host of its own, which has an empty cache."""
    return subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(config), url], cwd=Path(__file__).parents[2],
        env={**os.environ, "HF_HUB_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_they_agree_on_the_commit_of_the_first_to_write(
    hub: HubServer, tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has resolved `main` and fetches; then `main` moves, and the second resolves it before either writes."""
    config, url = tmp_path / "a.yaml", f"sqlite:///{tmp_path}/shared.db"
    save_config(tiny_config(**{"student.vision.name": "deit-tiny", "data.image_size": 32}), config)
    study = optuna.create_study(study_name="shared", storage=open_storage(url))
    study.set_user_attr(COMMITS, {})
    first_resolved, both_resolved, listed = threading.Event(), threading.Event(), itertools.count(1)

    def before(path: str) -> None:
        if path.endswith("main/config.json"):
            first_resolved.set()
        elif path.endswith("pytorch_model.bin"):
            assert both_resolved.wait(100)
        elif path == f"/api/models/{DEIT}" and next(listed) == 2:
            assert first_resolved.wait(100)
            time.sleep(0.3)  # until the first has its answer
            hub.moved[DEIT] = 1
            both_resolved.set()

    hub.before = before
    one = coordinator(config, url, tmp_path / "one")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "other"))
    said = [commits_of(config, url), json.loads(one.communicate(timeout=120)[0])]
    old, new = hub.commits(DEIT)
    assert said[0] == said[1] == study.user_attrs[COMMITS]
    assert said[0]["deit-tiny"] in (old, new)
    found = {file.name for host in ("one", "other") for file in (tmp_path / host).glob("*/snapshots/*")}
    assert found == {old, new}, "each resolved another one at first"
