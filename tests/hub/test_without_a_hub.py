"""What passes, how long it is waited for, and what a model needs: by hand, without a hub."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from distune.config import Config, EncoderConfig, with_values
from distune.errors import UserError
from distune.models.encoders.hub import revisions
from distune.models.encoders.hub.files import Needs, complete_weights, weight_files
from distune.models.encoders.hub.retry import HubRetry, is_final, reason, status
from distune.models.encoders.hub.snapshot import _absent, cached_snapshot
from tests.stand_ins import refusing_as


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
    (tmp_path / index).write_text("{")
    assert complete_weights(tmp_path) == [], "an index that nobody can read names no file"


class Waits:
    """Time that passes only where somebody waits, and a hub that answers as a list says."""

    def __init__(self, *answers: Exception | str, stops_at: float = float("inf")):
        self.answers, self.now, self.asked, self.stops_at = list(answers), 0.0, list[float](), stops_at

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 0.5, "an interrupt is heard soon"
        self.now += seconds

    def action(self) -> str:
        self.asked.append(round(self.now, 3))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def retry(self) -> HubRetry:
        return HubRetry(lambda: int(self.now >= self.stops_at), self.sleep, lambda: self.now)


def test_a_hub_that_answers_is_asked_again_until_it_gives_what_is_wanted() -> None:
    made = Waits(answered(503), answered(429, Retry_After="7"), ConnectionError(), "the answer")
    assert made.retry()(made.action, "a model") == "the answer"
    assert made.asked == [0.0, 1.0, 8.0, 12.0]


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (answered(404), [0.0]),
        (OfflineModeIsEnabled("asked for"), [0.0]),
        (ConnectionError("no network"), [0.0, 1.0, 3.0, 7.0]),
        (answered(503, Retry_After="900"), [0.0, 900.0, 1800.0]),
        (answered(503, Retry_After="901"), [0.0, 901.0]),
        (answered(503, Retry_After="1801"), [0.0]),
    ],
)
def test_it_is_given_up_at_once_after_four_silences_or_after_half_an_hour(
    error: Exception, asked: list[float]
) -> None:
    made = Waits(error)
    with pytest.raises(type(error)) as raised:
        made.retry()(made.action, "a model")
    assert raised.value is error and made.asked == asked


def test_a_hub_that_has_answered_once_may_be_silent_for_longer() -> None:
    made = Waits(answered(500), *[ConnectionError()] * 6, "the answer")
    assert made.retry()(made.action, "a model") == "the answer" and len(made.asked) == 8
    again, retry = Waits("yes", *[ConnectionError()] * 6, "later"), Waits("yes").retry()
    retry._sleep, retry._clock = again.sleep, lambda: again.now
    assert (retry(again.action, "x"), retry(again.action, "x")) == ("yes", "later")


def test_an_interrupt_ends_the_wait() -> None:
    made = Waits(answered(429, Retry_After="100"), stops_at=2.0)
    with pytest.raises(KeyboardInterrupt):
        made.retry()(made.action, "a model")
    assert made.asked == [0.0] and made.now == 2.0


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [({}, 0), ({"a": 3, "b": 4}, 7), ({"a": 3, "b": 0}, None), (UserError("no hub"), None)],
)
def test_what_is_left_to_fetch_has_a_size_where_the_hub_says_all(
    monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int] | Exception, expected: int | None
) -> None:
    asked: list[object] = []

    def missing(repository: str, revision: str | None, needs: Needs, retry: HubRetry) -> dict[str, int]:
        asked.append((repository, revision, needs))
        if isinstance(sizes, Exception):
            raise sizes
        return sizes

    monkeypatch.setattr(revisions, "cached_snapshot", refusing_as(revisions.cached_snapshot, lambda *_: None))
    monkeypatch.setattr(revisions, "missing_sizes", refusing_as(revisions.missing_sizes, missing))
    encoder = EncoderConfig(name="deit-tiny", revision="c" * 40)
    assert revisions.bytes_to_fetch(encoder, "vision") == expected
    assert asked == [("facebook/deit-tiny-patch16-224", "c" * 40, Needs(weights=True))]
    for none in (EncoderConfig(name="tiny-cnn"), EncoderConfig(name="deit-tiny", pretrained=False)):
        assert revisions.bytes_to_fetch(none, "vision") == 0 and revisions.repository(none, "vision") is None
    there = refusing_as(revisions.cached_snapshot, lambda *_: Path("there"))
    monkeypatch.setattr(revisions, "cached_snapshot", there)
    assert revisions.bytes_to_fetch(encoder, "vision") == 0 and len(asked) == 1


def test_where_encoders_come_from_is_recorded_by_their_place_on_the_hub() -> None:
    config = with_values(
        Config(),
        {
            "teacher.vision": {"name": "deit-small", "revision": "a" * 40},
            "teacher.text": {"name": "org/model"},
            "student.vision": {"name": "tiny-cnn"},
            "student.text": {"name": "bert-tiny", "pretrained": False},
        },
    )
    assert revisions.origins(config) == {
        "teacher.vision": {"repository": "facebook/deit-small-patch16-224", "commit": "a" * 40},
        "teacher.text": {"repository": "org/model", "commit": None},
    }
    assert revisions.is_known(config.teacher.text, "text") and not revisions.is_known(
        config.teacher.vision, "text"
    )
    assert not revisions.is_known(EncoderConfig(name="nothing"), "vision")


def test_what_the_cache_says_that_a_commit_has_not_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    place, commit = tmp_path / "models--org--model", "c" * 40
    there = place / "snapshots" / commit
    there.mkdir(parents=True)
    (there / "config.json").write_text("{}")
    needed = Needs(weights=False, processor=True)
    assert _absent("org/model", commit) == [] and cached_snapshot("org/model", commit, needed) is None
    noted = place / ".no_exist" / commit / "preprocessor_config.json"
    noted.parent.mkdir(parents=True)
    noted.touch()
    assert _absent("org/model", commit) == ["preprocessor_config.json"]
    assert cached_snapshot("org/model", commit, needed) == there
    assert cached_snapshot("org/model", None, needed) == there, "it is the only complete one"
    assert cached_snapshot("org/model", "d" * 40, needed) is None
    other = place / "snapshots" / ("d" * 40)
    other.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (other / name).write_text("{}")
    assert cached_snapshot("org/model", None, needed) is None, "nobody said which of two"
