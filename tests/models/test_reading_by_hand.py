"""How a model's folder is read is part of its identity, and which folder of the cache it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distune.models.encoders.catalogue import CATALOGUE
from distune.models.encoders.fingerprint import _reading
from distune.models.encoders.hub.files import Needs
from distune.models.encoders.hub.snapshot import cached_snapshot


@pytest.mark.parametrize(
    ("files", "entry", "expected"),
    [
        ({"vocab.txt": "[PAD]\nhead\n"}, "bert-tiny", ""),
        ({"vocab.txt": "[PAD]\nhead\n"}, "bio-clinical-bert", "-cased"),
        ({"vocab.txt": "[PAD]\nHead\n"}, "bert-tiny", ""),
        ({"vocab.txt": "[PAD]\nHead\n"}, None, "-cased"),
        ({"vocab.txt": "[PAD]\nhead\n"}, None, ""),
        ({"vocab.txt": "Head\n", "tokenizer.json": "{}"}, "bio-clinical-bert", ""),
        (
            {"vocab.txt": "Head\n", "tokenizer_config.json": '{"do_lower_case": false}'},
            "bio-clinical-bert",
            "",
        ),
        ({}, "bio-clinical-bert", ""),
    ],
)
def test_a_vocabulary_that_is_read_with_its_capitals_has_another_identity(
    tmp_path: Path, files: dict[str, str], entry: str | None, expected: str
) -> None:
    """Where the folder does not say it; the catalogue knows better than the words."""
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    source = CATALOGUE[entry] if entry else tmp_path
    assert _reading(source, "text", tmp_path) == expected


@pytest.mark.parametrize(
    ("said", "entry", "expected"),
    [
        (None, "deit-tiny", ""),
        (None, None, "-pixels"),
        ({"image_mean": [0.5] * 3}, None, ""),
        ({"image_mean": 0.5}, None, "-pixels"),
        ({"do_rescale": False}, None, "-pixels"),
        ({"rescale_factor": 1 / 127.5}, "deit-tiny", "-pixels"),
        ({"include_top": True}, None, "-pixels"),
    ],
)
def test_pixels_that_are_read_otherwise_than_before_have_another_identity(
    tmp_path: Path, said: dict[str, Any] | None, entry: str | None, expected: str
) -> None:
    if said is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    assert _reading(CATALOGUE[entry] if entry else tmp_path, "vision", tmp_path) == expected


def test_the_only_complete_snapshot_is_taken_where_the_cache_has_no_main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--org--model"

    def complete(commit: str) -> Path:
        folder = place / "snapshots" / commit
        folder.mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_text("{}")
        return folder

    assert cached_snapshot("org/model", None, Needs()) is None
    first = complete("a" * 40)
    (place / "refs").mkdir()
    (place / "refs/v1").write_text("a" * 40)
    assert cached_snapshot("org/model", None, Needs()) == first, "a tag is no main"
    (place / "refs/main").write_text("b" * 40)
    assert cached_snapshot("org/model", None, Needs()) is None, "what main is has to be fetched"
    (place / "refs/main").unlink()
    (complete("c" * 40) / "model.safetensors").unlink()
    assert cached_snapshot("org/model", None, Needs()) == first
    complete("d" * 40)
    assert cached_snapshot("org/model", None, Needs()) is None, "nothing says which of two"
