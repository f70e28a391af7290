"""The commands of the classic study, from an empty cache and then without a hub: the same numbers, no request."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml

from distune import reporting
from distune.cli import run_command
from distune.data.demo.demo import write_demo
from distune.data.demo.wounds import write_wound_demo
from distune.models.encoders.catalogue import CATALOGUE
from distune.training.files.run_folder import read_metrics
from tests.in_this_process import workers_in_this_process

from .server import HubServer

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "config"
SMALL = {"fusion_dim": 16, "fusion_heads": 2, "fusion_layers": 1, "epochs": 1}
HUB_NAMES = ("vit-base", "bio-clinical-bert", "deit-small", "distilbert")
Command = Callable[..., str]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("classic")
    write_demo(root / "default_ultra", seed=1, examples=40)
    write_wound_demo(root / "wound", seed=1, examples=60)
    return root


@pytest.fixture
def distune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs a command in this process, in an empty folder and with an empty store; gives what it printed."""

    def call(folder: str, *arguments: str | Path) -> str:
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setenv("DISTUNE_CACHE", str(tmp_path / folder / "store"))
        monkeypatch.setattr(sys, "argv", ["distune", *map(str, arguments)])
        try:
            run_command()
        except SystemExit as ended:
            assert not ended.code, capsys.readouterr()
        captured = capsys.readouterr()
        return captured.out + captured.err

    return call


def small(name: str, data: Path, folder: Path) -> Path:
    """A shipped config with another data root and small widths, images and texts; its encoders stay."""
    raw = yaml.safe_load((CONFIG / f"{name}.yaml").read_text(encoding="utf-8"))
    raw["data"] |= {"root": str(data / name), "image_size": 32, "max_tokens": 16}
    raw["teacher"] |= SMALL
    raw["student"] |= SMALL
    raw["training"] = {"device": "cpu", "threads": 1}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(raw))
    return file


def losses(folder: Path) -> list[list[tuple[float, float]]]:
    """Train loss and dev score of every epoch of every trial, after checking that none failed."""
    (file,) = folder.glob("logs/optuna/*.db")
    storage = f"sqlite:///{file}"
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in trials)
    assert all(trial.user_attrs["attempts"] == 1 for trial in trials)
    read = (read_metrics(folder / trial.user_attrs["folder"]) for trial in trials)
    return [[(record.train_loss, record.dev_score) for record in history] for history in read]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default_ultra", "wound"])
def test_train_from_an_empty_cache_and_again_without_a_hub(
    name: str, hub: HubServer, data: Path, distune: Command, tmp_path: Path
) -> None:
    config = small(name, data, tmp_path)
    distune("first", "train", config, "--out", "run")
    hub.die()
    distune("second", "train", config, "--out", "run")
    assert not hub.requests
    first, second = (json.loads((tmp_path / f / "run/results.json").read_text()) for f in ("first", "second"))
    assert first["splits"] == second["splits"] and first["teacher"] == second["teacher"]
    environment = json.loads((tmp_path / "second/run/environment.json").read_text())
    written = yaml.safe_load((tmp_path / "second/run/config.yaml").read_text())
    for (role, kind), encoder in zip(
        [("teacher", "vision"), ("teacher", "text"), ("student", "vision"), ("student", "text")],
        HUB_NAMES,
        strict=True,
    ):
        repository = CATALOGUE[encoder].location
        commit = hub.commits(repository)[0]
        assert environment["encoders"][f"{role}.{kind}"] == {"repository": repository, "commit": commit}
        assert written[role][kind]["revision"] == commit
    run = tmp_path / "second/run"
    image = next(path for path in sorted((data / name).rglob("*")) if path.suffix in (".png", ".jpg"))
    ask = ("--image", image, "--text", "axial ct")
    answer = distune("ask the run", "predict", run, *ask)
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        assert "0 changed predictions" in distune("export", "export", run, "--out", "bundle")
        exported = distune("ask the bundle", "predict", tmp_path / "export/bundle", *ask)
        assert classes(exported) == classes(answer)
    assert not hub.requests


def classes(answer: str) -> list[str]:
    """The predicted classes that `distune predict` printed; probabilities stand below each."""
    return [line for line in answer.splitlines() if not line.startswith(" ")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default_ultra", "wound"])
def test_tune_from_an_empty_cache_and_again_without_a_hub(
    name: str,
    hub: HubServer,
    data: Path,
    distune: Command,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporting, "installed", lambda: False)  # a report of each is no part of the proof
    config = small(name, data, tmp_path)
    hub.refuse(429, 20, match="/api/models")
    command = ("tune", "--config", config, "--n-trials", "2", "--only", "student_lr,alpha,beta,T")
    with monkeypatch.context() as patch:
        workers_in_this_process(patch)
        distune("first", *command)
    assert sum("answers 429" in message for message in caplog.messages) == 20
    hub.die()
    if name == "wound":  # the other one has worker processes, which find what was fetched
        workers_in_this_process(monkeypatch)
    distune("second", *command)
    assert not hub.requests
    first, second = losses(tmp_path / "first"), losses(tmp_path / "second")
    assert first == second
    assert len(first) == 2 and first[0] != first[1], "each trial trains by its own values"
    (best,) = (tmp_path / "first").glob("logs/optuna/*/best_config.yaml")
    commits = [yaml.safe_load(best.read_text())["student"][kind]["revision"] for kind in ("vision", "text")]
    assert commits == [hub.commits(CATALOGUE[encoder].location)[0] for encoder in HUB_NAMES[2:]]
