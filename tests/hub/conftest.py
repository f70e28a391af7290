from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .repositories import repositories
from .server import HubServer


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repositories of all hub names; tests must not change them."""
    root = tmp_path_factory.mktemp("published")
    for repository in repositories().values():
        repository.write(root)
    return root


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that serves them, and an empty cache, for this process and for those that it starts."""
    from huggingface_hub import constants

    server = HubServer(published)
    cache = tmp_path / "hf" / "hub"
    use(server, cache, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.stop()


@pytest.fixture
def cache(hub: HubServer, tmp_path: Path) -> Path:
    """The Hugging Face cache of the test."""
    return tmp_path / "hf" / "hub"


def use(server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in (("ENDPOINT", server.url), ("HUGGINGFACE_CO_URL_TEMPLATE", template)):
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    for name, value in (("HF_ENDPOINT", server.url), ("HF_HUB_CACHE", str(cache)), ("NO_PROXY", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_HOME", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
