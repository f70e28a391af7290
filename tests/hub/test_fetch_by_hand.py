"""Which files of a commit are fetched, and what is said of what cannot be: without a hub."""

from __future__ import annotations

import errno
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from distune.errors import UserError
from distune.models.encoders.hub import transfer as transfer_module
from distune.models.encoders.hub.fetch import Listing, _explained, fetch
from distune.models.encoders.hub.files import Needs
from distune.models.encoders.hub.retry import HubRetry
from distune.models.encoders.hub.transfer import Transfer, megabytes, rate, shown
from tests.stand_ins import refusing_as

snapshot_module: Any = import_module("distune.models.encoders.hub.snapshot")
fetch_module: Any = import_module("distune.models.encoders.hub.fetch")
SIZES = {
    "config.json": 2,
    "preprocessor_config.json": 3,
    "model.safetensors": 90,
    "sub/config.json": 5,
    "README.md": 7,
}


class Hub:
    """A repository whose branch may move, and a cache that holds some of its files."""

    def __init__(self, folder: Path, sizes: dict[str, int], commits: str):
        self.folder, self.sizes, self.commits = folder, sizes, list(commits)
        self.at = self.commits[0]
        self.downloads: list[tuple[str, str]] = []
        self.totals: list[int] = []
        self.absent: list[str] = []

    def listing(self, *_: Any) -> Listing:
        self.at = self.commits.pop(0) if len(self.commits) > 1 else self.commits[0]
        return Listing(self.at, self.sizes)

    def download(self, repository: str, name: str, revision: str, retry: HubRetry, **_: Any) -> Path:
        self.downloads.append((name, revision))
        path = self.folder / "snapshots" / self.commits[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    @contextmanager
    def shown(self, title: str, total: int, interrupted: Any) -> Iterator[Transfer]:
        self.totals.append(total)
        yield Transfer(title, total)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def made(sizes: dict[str, int] | None = None, commits: str = "a") -> Hub:
        one = Hub(tmp_path, SIZES if sizes is None else sizes, commits)
        for name, stand_in in (("listing", one.listing), ("_download", one.download), ("shown", one.shown)):
            monkeypatch.setattr(fetch_module, name, refusing_as(getattr(fetch_module, name), stand_in))
        noted = refusing_as(fetch_module._note_absence, lambda *given: one.absent.append(given[1]))
        monkeypatch.setattr(fetch_module, "_note_absence", noted)
        return one

    return made


@pytest.mark.parametrize(("weights", "names"), [(True, ["model.safetensors"]), (False, [])])
def test_what_is_needed_and_not_there_is_fetched_at_the_commit(
    hub: Any, tmp_path: Path, weights: bool, names: list[str]
) -> None:
    one = hub()
    (tmp_path / "snapshots/a").mkdir(parents=True)
    (tmp_path / "snapshots/a/preprocessor_config.json").touch()
    folder = fetch("org/model", None, Needs(weights=weights, processor=True), HubRetry())
    assert folder == tmp_path / "snapshots/a"
    assert one.downloads == [("config.json", "main"), *((name, "a") for name in names)]
    assert one.totals == [sum(SIZES[name] for name in names)] and one.absent == []


@pytest.mark.parametrize(("asked", "name"), [("v1", "v1"), (None, "main")])
def test_a_branch_that_moves_while_it_is_read_is_read_again(
    hub: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, asked: str | None, name: str
) -> None:
    one = hub(commits="ab")
    with caplog.at_level(logging.INFO):
        assert fetch("org/model", asked, Needs(), HubRetry()) == tmp_path / "snapshots/b"
    assert f"org/model: {name} moved" in caplog.text
    assert one.downloads[:2] == [("config.json", name)] * 2
    assert sorted(one.downloads[2:]) == [("model.safetensors", "b"), ("preprocessor_config.json", "b")]


def test_a_processor_that_is_not_there_is_noted_where_it_was_needed(hub: Any) -> None:
    sizes = {"config.json": 2, "model.safetensors": 9}
    for processor, absent in ((True, ["preprocessor_config.json"]), (False, [])):
        one = hub(sizes)
        fetch("org/model", None, Needs(processor=processor), HubRetry())
        assert one.absent == absent
    with pytest.raises(UserError, match=r"no config\.json"):
        hub({"model.safetensors": 9})
        fetch("org/model", None, Needs(), HubRetry())


def answered(code: int, kind: Any = HfHubHTTPError) -> Exception:
    made: Exception = kind("it says", response=SimpleNamespace(status_code=code, headers={}, request=None))
    return made


@pytest.mark.parametrize(
    ("error", "token"),
    [
        (answered(403, GatedRepoError), "gated; accept its terms"),
        (answered(404, RepositoryNotFoundError), "no such public model"),
        (answered(404, RevisionNotFoundError), "no revision 'v9'"),
        (answered(401), "answers 401, no right"),
        (answered(403), "answers 403, no right"),
        (answered(503), "no weights of org/model: .* answers 503"),
        (OSError(errno.ENOSPC, "No space left on device"), "cannot be kept in"),
        (OfflineModeIsEnabled("asked for"), "HF_HUB_OFFLINE is set"),
        (ConnectionError("no network"), "cannot be reached"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence_that_says_what_to_do(error: Exception, token: str) -> None:
    outer = ValueError("of the library")
    outer.__cause__ = error
    for raised in (error, outer):
        with pytest.raises(UserError, match=token) as said, _explained("org/model", "v9", "weights"):
            raise raised
        assert said.value.__cause__ is raised
        if isinstance(error, OSError) and error.errno is not None:
            break  # behind another error the disk is a reason among others


def test_a_download_is_tried_again_where_the_hub_refuses_for_the_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def download(*given: str, **more: Any) -> str:
        asked.append((given, more["revision"]))
        if len(asked) == 1:
            raise answered(503)
        return str(tmp_path / "x")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    retry = HubRetry(sleep=lambda seconds: None, clock=itertools.count().__next__)
    assert fetch_module._download("a/b", "x", "c0ffee", retry) == tmp_path / "x"
    assert asked == [(("a/b", "x"), "c0ffee")] * 2


def test_a_transfer_counts_within_its_total_and_ends_at_an_interrupt() -> None:
    seen: list[tuple[int, int]] = []
    stops = [0]
    transfer = Transfer("x", 10, lambda *at: seen.append(at), lambda: stops[0])
    for count in (4, -9, 7, 8):
        transfer.add(count)
    assert seen == [(4, 10), (0, 10), (7, 10), (10, 10)]
    stops[0] = 1
    with pytest.raises(KeyboardInterrupt):
        transfer.add(0)
    stops[0] = 0
    resumed = Transfer("x", 100, lambda *at: seen.append(at))
    file = resumed.bar()(initial=30, total=60)
    file.update(20)
    file.update(None)
    assert seen[-3:] == [(30, 100), (50, 100), (50, 100)]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_transfer_is_shown_and_ends_at_an_interrupt_on_a_terminal_and_in_a_log(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfer_module.sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setattr(transfer_module, "LINE_SECONDS", 0.0)
    stops = [0]
    with shown("x", 50_000_000, lambda: stops[0]) as transfer:
        assert (transfer.title, transfer.total) == ("x", 50_000_000)
        transfer.add(20_000_000)
        stops[0] = 1
        with pytest.raises(KeyboardInterrupt):
            transfer.add(1)
    said = capsys.readouterr().err
    assert "fetching x" in said and ("20.0/50.0 MB" if is_terminal else "20 of 50 MB") in said


@pytest.mark.parametrize(("total", "said"), [(999_999, ""), (1_000_000, "fetching x: 1.0 MB\n")])
def test_what_is_there_at_once_is_not_announced_in_a_log(
    total: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown("x", total) as transfer:
        transfer.add(total)
    assert capsys.readouterr().err == said


def test_the_absence_of_a_file_is_noted_for_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def download(*given: str, **more: Any) -> str:
        asked.append((given, more["revision"]))
        raise OSError("not there")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    fetch_module._note_absence("a/b", "vocab.txt", "c0ffee")
    assert asked == [(("a/b", "vocab.txt"), "c0ffee")]


def test_a_line_comes_every_few_seconds_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(transfer_module.time, "monotonic", lambda: now[0])
    lines, wait = transfer_module._Lines("x"), transfer_module.LINE_SECONDS
    for passed, said in ((wait / 2, 0), (wait, 1), (1.5 * wait, 0), (2 * wait, 1), (2.5 * wait, 0)):
        now[0] = 100.0 + passed
        lines(50_000_000, 100_000_000)
        assert len(capsys.readouterr().err.splitlines()) == said


def test_speed_and_time_left_in_words() -> None:
    assert rate(5_000_000, 25_000_000, 2.0) == "5.0 of 25 MB, 2.5 MB/s, 8 s left"
    assert rate(0, 25_000_000, 2.0) == "0.0 of 25 MB, 0.0 MB/s" == rate(0, 25_000_000, 0.0)
    assert [megabytes(count) for count in (9_940_000, 10_000_000, 0)] == ["9.9", "10", "0.0"]


def test_a_listing_has_the_commit_and_the_bytes_that_the_hub_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Api:
        def model_info(self, repository: str, **more: Any) -> Any:
            asked.append((repository, more["revision"], more["files_metadata"]))
            files = [SimpleNamespace(rfilename="a", size=3), SimpleNamespace(rfilename="b", size=None)]
            return SimpleNamespace(sha="c" * 40, siblings=files)

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    found = fetch_module.listing("org/model", "v1", HubRetry())
    assert found == Listing("c" * 40, {"a": 3, "b": 0}) and asked == [("org/model", "v1", True)]


@pytest.mark.parametrize("there", [True, False])
def test_what_is_left_of_a_commit_is_asked_at_the_commit_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    asked: list[Any] = []
    folder = tmp_path / ("c" * 40)
    folder.mkdir()
    (folder / "config.json").touch()
    monkeypatch.setattr(snapshot_module, "_named", lambda *_: folder if there else None)
    monkeypatch.setattr(
        snapshot_module, "listing", lambda repository, at, retry: asked.append(at) or Listing("x", SIZES)
    )
    found = snapshot_module.missing_sizes("org/model", "v1", Needs(weights=True), HubRetry())
    names = ["preprocessor_config.json", "model.safetensors"]
    assert found == {name: SIZES[name] for name in (names if there else ["config.json", *names])}
    assert asked == ["c" * 40 if there else "v1"]
