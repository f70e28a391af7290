"""Every file of a model folder that changes what an encoder computes changes its name in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.config import EncoderConfig
from distune.models.encoders.fingerprint import identity

FILES = (
    "config.json",
    "model.safetensors.index.json",
    "model-00001-of-00001.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocab.txt",
)
INDEX = '{"weight_map": {"a": "model-00001-of-00001.safetensors"}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(INDEX if "index" in name else "{}")
    return tmp_path


def name_of(folder: Path, **others: object) -> str:
    return identity(EncoderConfig(name=str(folder), **others), "vision", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("file", FILES)
def test_a_changed_file_changes_the_name(folder: Path, file: str) -> None:
    before = name_of(folder)
    assert name_of(folder) == before
    (folder / file).write_text((folder / file).read_text() + " ")
    assert name_of(folder) != before


def test_random_weights_of_a_folder_are_those_of_their_seed(folder: Path) -> None:
    config = EncoderConfig(name=str(folder), pretrained=False)
    names = [identity(config, "text", seed) for seed in (1, 2)]
    assert "-random-1|" in names[0] and "-random-2|" in names[1]
    assert names[0].replace("-random-1|", "-random-2|") == names[1] and names[0] != name_of(folder)


def test_other_files_do_not(folder: Path) -> None:
    before = name_of(folder)
    (folder / "README.md").write_text("a model")
    assert name_of(folder) == before


def test_what_is_kept_of_the_layers_does(folder: Path) -> None:
    assert len({name_of(folder), name_of(folder, layers=1), name_of(folder, freeze=1)}) == 3


def test_pixels_that_earlier_versions_read_otherwise_have_another_name(folder: Path) -> None:
    assert "-pixels" not in name_of(folder)
    (folder / "preprocessor_config.json").write_text('{"rescale_offset": true}')
    assert "-pixels" in name_of(folder)
