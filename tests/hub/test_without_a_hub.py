"""What passes, how long it is waited for, and what a model needs: by hand, without a hub."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from distune.models.encoders.hub.files import Needs, complete_weights, weight_files
from distune.models.encoders.hub.retry import HubRetry, is_final, reason, status


def answered(code: int, kind: type[HfHubHTTPError] = HfHubHTTPError, **headers: str) -> HfHubHTTPError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = SimpleNamespace(status_code=code, headers=named, request=None)
    return kind("it says", response=response)  # type: ignore[arg-type]


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "final"),
    [
        *((answered(code), False) for code in (408, 429, 500, 502, 503, 504)),
        *((answered(code), True) for code in (400, 401, 403, 404, 410)),
        (answered(500, RepositoryNotFoundError), True),
        (HFValidationError("no name"), True),
        (OfflineModeIsEnabled("asked for"), True),
        (EntryNotFoundError("no such file"), True),
        (caused_by(EntryNotFoundError("not in the cache"), ConnectionError("no network")), False),
        (caused_by(ValueError("within"), OSError(errno.ENOSPC, "no room")), True),
        (ConnectionError("no network"), False),
        (TimeoutError("silence"), False),
    ],
)
def test_what_is_asked_again(error: Exception, final: bool) -> None:
    assert is_final(error) is final


def test_the_status_and_its_reason_are_found_behind_other_errors() -> None:
    wrapped = caused_by(ValueError("outer"), answered(503))
    assert (status(wrapped), status(ConnectionError())) == (503, None)
    assert "503" in reason(wrapped) and "429" in reason(answered(429))
    assert "no network" in reason(caused_by(ValueError("outer"), ConnectionError("no network")))


@pytest.mark.parametrize(
    ("error", "attempt", "seconds"),
    [
        (answered(503), 1, 1.0),
        (answered(503), 5, 16.0),
        (answered(503), 9, 60.0),
        (answered(429, Retry_After="7"), 5, 7.0),
        (answered(429, RateLimit='"api";r=0;t=12'), 1, 12.0),
        (answered(429, Retry_After="soon"), 2, 2.0),
        (
            answered(429, Retry_After="0"),
            51,
            60.0,
        ),  # a hub that says so for ever is not to be asked without end
        (ConnectionError(), 3, 4.0),
    ],
)
def test_how_long_it_is_waited(error: Exception, attempt: int, seconds: float) -> None:
    assert HubRetry()._wait(error, attempt) == seconds


def files(*names: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        for name in names:
            (folder / name).write_text("{}")
        return folder

    return write


@pytest.mark.parametrize(
    ("needs", "there", "absent", "missing"),
    [
        (Needs(), files("model.safetensors"), (), "configuration"),
        (Needs(), files("config.json"), (), "weights"),
        (Needs(), files("config.json", "pytorch_model.bin"), (), ""),
        (Needs(weights=False), files("config.json"), (), ""),
        (Needs(weights=False, vocabulary=True), files("config.json"), (), "vocabulary"),
        (Needs(weights=False, vocabulary=True), files("config.json", "vocab.txt"), (), ""),
        (Needs(weights=False, processor=True), files("config.json"), (), "image preprocessing"),
        (Needs(weights=False, processor=True), files("config.json"), ("preprocessor_config.json",), ""),
        (Needs(weights=False, processor=True), files("config.json", "processor_config.json"), (), ""),
    ],
)
def test_what_a_folder_lacks(
    tmp_path: Path, needs: Needs, there: Callable[[Path], Path], absent: tuple[str, ...], missing: str
) -> None:
    assert needs.missing(there(tmp_path), absent) == missing
    assert needs.missing(tmp_path / "none", absent) == "configuration"


def test_the_first_format_of_the_weights_is_taken_with_all_its_shards(tmp_path: Path) -> None:
    index, shards = "model.safetensors.index.json", [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    assert weight_files(["pytorch_model.bin", "model.safetensors", "x/model.safetensors"]) == [
        "model.safetensors"
    ]
    assert weight_files([*shards, index, "pytorch_model.bin"]) == [index, *shards]
    chosen = Needs().choose(["config.json", "README.md", "sub/vocab.txt", "vocab.txt", *shards, index])
    assert sorted(chosen) == sorted(["config.json", "vocab.txt", index, *shards])
    assert Needs(weights=False).choose(["config.json", *shards]) == ["config.json"]
    (tmp_path / index).write_text(json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}))
    (tmp_path / shards[0]).touch()
    assert complete_weights(tmp_path) == []
    (tmp_path / shards[1]).touch()
    assert complete_weights(tmp_path) == [tmp_path / name for name in shards]
