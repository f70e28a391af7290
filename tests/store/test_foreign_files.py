"""A cache folder that holds other things: they are never listed, and never removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.errors import UserError
from distune.store import Store

KEY, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
FOREIGN = [
    "notes.txt",
    "thesis/chapter1/a.tex",
    "code/.pre-commit-config.yaml",
    "code/.a-b/file",
    f"thumbnails/{KEY}/picture.png",
    f"thumbnails/.{KEY}-{OTHER}/picture.png",
    f"step/.{KEY}-notes",
    "locks/mine/file",
    "images/scan.png",
]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"mine" * 1000)
    return tmp_path


def test_what_is_not_the_stores_is_left_alone(shared: Path) -> None:
    with Store(shared, max_gb=1e-9) as store:  # every entry is one too many
        store.get("step", {"a": 1}, lambda entry: entry.values.update(x=1))
        assert [entry.folder.parent.name for entry in store.entries()] == ["step"]
        assert store.verify() == {}
    with Store(shared) as store:
        assert len(store.clear()) == 1 and store.entries() == []
    assert all((shared / name).is_file() for name in FOREIGN)


def test_a_user_without_a_home_is_asked_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(path: str) -> str:  # as for a user whom the system does not know
        return path

    monkeypatch.delenv("DISTUNE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", nowhere)
    with pytest.raises(UserError, match="DISTUNE_CACHE"):
        Store()
