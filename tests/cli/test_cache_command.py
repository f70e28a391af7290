"""`distune cache` shows, checks and clears every kind of entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distune.cli import app
from distune.config import Config
from distune.store import Store
from distune.training.run import run

pytestmark = pytest.mark.slow

STEPS = {
    "images",
    "tokens",
    "frozen_vision",
    "frozen_text",
    "image_means",
    "text_means",
    "teacher",
    "targets",
}


@pytest.fixture
def filled(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    frozen = {
        f"{who}__{kind}__freeze": "all" for who in ("teacher", "student") for kind in ("vision", "text")
    }
    with Store() as store:
        run(tiny_config(**frozen), tmp_path / "run", store=store)


def cache(command: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["cache", command])
    return result.exit_code, result.output.splitlines()


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
    assert total.endswith("1 are not")


@pytest.mark.usefixtures("filled")
def test_clear_leaves_what_is_in_use(own_cache: Path) -> None:
    entries = Store().entries()
    count, means = len(entries), next(one for one in entries if one.name.startswith("text_means/"))
    with Store() as user:
        user.get("text_means", means.inputs, lambda draft: pytest.fail("it is there"))
        assert cache("clear")[1] == [f"removed {count - 1} entries from {own_cache}; 1 are in use and stay"]
    assert cache("clear")[1] == [f"removed 1 entries from {own_cache}; 0 are in use and stay"]
    assert Store().entries() == []
