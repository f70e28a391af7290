"""`distune cache` shows, checks and clears every kind of entry."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distune.cli import app
from distune.cli.commands.cache import _seconds
from distune.config import Config
from distune.errors import UserError
from distune.store import Store
from distune.training.run import run

STEPS = {
    "images",
    "tokens",
    "frozen_vision",
    "frozen_text",
    "image_means",
    "text_means",
    "regression",
    "teacher",
    "targets",
}


@pytest.fixture(scope="module")
def made(tiny_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that one run has filled."""
    folder = tmp_path_factory.mktemp("made")
    frozen = {
        f"{who}__{kind}__freeze": "all" for who in ("teacher", "student") for kind in ("vision", "text")
    }
    with Store(folder / "cache") as store:
        run(tiny_config(**frozen), folder / "run", store=store)
    return folder / "cache"


@pytest.fixture
def filled(made: Path, own_cache: Path) -> None:
    """The test's cache with the same entries."""
    shutil.copytree(made, own_cache, dirs_exist_ok=True)


def cache(*command: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["cache", *command])
    return result.exit_code, result.output.splitlines()


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_list_shows_every_step_with_its_size(own_cache: Path) -> None:
    code, lines = cache("list")
    *entries, total = lines
    assert code == 0 and {line.split()[-1].split("/")[0] for line in entries} == STEPS
    for line in entries:
        size, unit, *_, name = line.split()
        on_disk = sum(file.stat().st_size for file in (own_cache / name).iterdir())
        assert unit == "MB" and float(size) == pytest.approx(on_disk / 1e6, abs=0.06)
    assert total.startswith(f"{len(entries)} entries, ") and total.endswith(f" GB in {own_cache}")


@pytest.mark.parametrize("step", ["image_means", "text_means", "teacher"])
@pytest.mark.usefixtures("filled")
def test_verify_names_what_was_altered(own_cache: Path, step: str) -> None:
    assert cache("verify")[0] == 0
    file = max((own_cache / step).glob("*/*.npy"), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    code, (fault, total) = cache("verify")
    assert code == 1 and fault == f"{step}/{file.parent.name}: {file.name}: block 0 was altered"
    assert total.endswith("1 is not")


@pytest.mark.usefixtures("filled")
def test_clear_leaves_what_is_in_use(own_cache: Path) -> None:
    entries = Store().entries()
    count, means = len(entries), next(one for one in entries if one.name.startswith("text_means/"))
    with Store() as user:
        user.get("text_means", means.inputs, lambda draft: pytest.fail("it is there"))
        (said,) = cache("clear")[1]
        assert said == f"removed {count - 1} entries from {own_cache}; 1 is in use and stays"
    assert cache("clear")[1] == [f"removed 1 entry from {own_cache}; 0 are in use and stay"]
    assert Store().entries() == []


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("denied", ["lock", "entry", "content"])
def test_an_entry_that_cannot_be_deleted_is_named(
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    distune: Callable[..., tuple[int, str, str]],
    denied: str,
) -> None:
    entries = Store().entries()
    kept = next(one for one in entries if one.name.startswith("tokens/"))
    opened, renamed, removed = Path.open, Path.rename, shutil.rmtree

    def refuse(path: Path, *_: object) -> None:
        if kept.folder.name in path.name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    patches = {
        "lock": (Path, "open", lambda path, *mode: refuse(path) or opened(path, *mode)),
        "entry": (Path, "rename", lambda path, to: refuse(path) or renamed(path, to)),
        "content": (shutil, "rmtree", lambda path, **_: kept.folder.name in path.name or removed(path)),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*patches[denied])
        code, out, said = distune("cache", "clear")
    assert (
        code == 1 and kept.name in said and f"removed {len(entries) - 1} entries" in out and "0 are in" in out
    )
    assert cache("clear")[0] == 0 and not any(own_cache.glob("tokens/*"))


@pytest.mark.usefixtures("filled")
def test_list_names_kind_encoders_and_data_set(demo_root: Path) -> None:
    entries = {line.split()[-1].split("/")[0]: line for line in cache("list")[1][:-1]}
    for step, kind, encoders in (
        ("frozen_vision", "features", "tiny-cnn"),
        ("text_means", "features", "tiny-text"),
        ("teacher", "teachers", "tiny-cnn, tiny-text"),
        ("targets", "targets", "tiny-cnn, tiny-text"),
        ("images", "images", "-"),
    ):
        assert all(f"  {part}  " in entries[step].replace("   ", "  ") for part in (kind, encoders))
        assert str(demo_root) in entries[step]


@pytest.mark.usefixtures("filled")
def test_clear_by_kind_and_by_age(own_cache: Path) -> None:
    kinds = [entry.kind for entry in Store().entries()]
    for manifest in own_cache.glob("teacher/*/entry.json"):
        os.utime(manifest, (time.time() - 31 * 86400,) * 2)
    assert cache("clear", "--older-than", "30d", "--kind", "features")[1][0].startswith("removed 0 entries")
    assert cache("clear", "--older-than", "30d")[1][0].startswith(f"removed {kinds.count('teachers')} entr")
    assert cache("clear", "--kind", "features")[1][0].startswith(f"removed {kinds.count('features')} entr")
    assert {entry.kind for entry in Store().entries()} == {"images", "regression", "tokens", "targets"}


@pytest.mark.parametrize(
    "age", ["", " ", "9" * 400 + "d", "1", "-1d", "1.5h", "1w", "30minutes", "\u0661\u0661x"]
)
def test_an_age_that_is_none_is_refused(age: str) -> None:
    result = CliRunner().invoke(app, ["cache", "clear", "--older-than", age])
    assert isinstance(result.exception, UserError) and "--older-than" in str(result.exception)


def test_an_entry_of_an_older_version_is_listed_without_its_data_set(own_cache: Path) -> None:
    store = Store()
    store.get("tokens", {"texts": "x"}, lambda entry: None)
    (entry,) = Store().entries()
    assert (entry.dataset, entry.encoders, entry.kind) == ("", (), "tokens")


def test_the_entry_that_was_used_last_is_listed_first(own_cache: Path) -> None:
    store = Store()
    for number in range(3):
        store.get("tokens", {"texts": str(number)}, lambda entry: None)
    manifests = sorted(own_cache.glob("tokens/*/entry.json"))
    days = (2, 9, 5)
    for manifest, age in zip(manifests, days, strict=True):
        os.utime(manifest, (time.time() - age * 86400,) * 2)
    *entries, total = cache("list")[1]
    names = [line.split()[-1].rpartition("/")[2] for line in entries]
    assert names == [manifests[place].parent.name for place in (0, 2, 1)] and total.startswith("3 entries, ")
    assert cache("verify") == (0, ["3 entries are sound, 0 are not"])


def test_the_size_of_the_store_is_that_of_entries_of_every_kind(own_cache: Path) -> None:
    for step in ("images", "tokens"):
        Store().get(step, {}, lambda entry: None)
        with next(own_cache.glob(f"{step}/*/entry.json")).with_name("sparse").open("wb") as file:
            file.truncate(30_000_000)
    assert cache("list")[1][-1] == f"2 entries, 0.06 GB in {own_cache}"


def test_ages_are_days_hours_and_minutes() -> None:
    assert [_seconds(age) for age in ("2d", "3h", "90m")] == [172_800.0, 10_800.0, 5_400.0]
