"""Every file in config/ is read, its encoders are known, and it trains on a small set of its own layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.config import Config, load_config, with_values
from distune.data.demo.demo import write_demo, write_wound_demo
from distune.models.encoders.catalogue import CatalogueEntry, find
from distune.training.run import run

FILES = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))
NEEDS_A_HUB = {"default_ultra", "wound"}


def test_the_named_configs_are_shipped() -> None:
    names = {file.stem for file in FILES}
    assert names >= {"default_ultra", "wound", "demo", "medpix_offline"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_encoders_have_known_names(file: Path) -> None:
    config = load_config(file)
    for model in (config.teacher, config.student):
        assert isinstance(find(model.vision.name, "vision"), CatalogueEntry)
        assert model.text.is_absent or isinstance(find(model.text.name, "text"), CatalogueEntry)


def test_default_ultra_is_the_classic_study() -> None:
    config = load_config(next(file for file in FILES if file.stem == "default_ultra"))
    reference = Config(name="medpix")
    assert config == reference
    names = [model.vision.name for model in (config.teacher, config.student)]
    assert names == ["vit-base", "deit-small"]


@pytest.fixture(scope="module")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As few examples as there can be: encoders of true size take their time with each image."""
    root = tmp_path_factory.mktemp("data") / "demo"
    write_demo(root, seed=1, examples=40)
    return root


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline configs have frozen encoders in common, which look at each example once."""
    return tmp_path_factory.mktemp("shared_cache")


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_config_trains(
    file: Path, small_root: Path, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTUNE_CACHE", str(shared_cache))
    config = load_config(file)
    root = small_root
    if config.data.reader == "wound":
        root = tmp_path / "wound"
        write_wound_demo(root, seed=1, examples=60)
    small = {"data.root": str(root), "teacher.epochs": 1, "student.epochs": 1, "training.device": "cpu"}
    if file.stem in NEEDS_A_HUB:
        for model in ("teacher", "student"):
            small |= {f"{model}.vision.name": "tiny-cnn", f"{model}.text.name": "tiny-text"}
    result = run(with_values(config, small), tmp_path / "run")
    assert result.score is not None and 0 <= result.score <= 1
    assert (tmp_path / "run/student.safetensors").exists()
