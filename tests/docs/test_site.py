"""The site builds strictly: every link is there, every page is in the navigation, and it asks for no server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .pages import ROOT

pytestmark = pytest.mark.slow

mkdocs = pytest.importorskip("mkdocs", reason="needs the extra docs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    build(config)
    return folder


def test_pages_made_from_the_code_are_there(site: Path) -> None:
    assert "distune confirm" in (site / "reference/cli/index.html").read_text()
    config = (site / "reference/config/index.html").read_text()
    assert "fusion_tokens" in config and "Undefined" not in config
    assert "DistillationLoss" in (site / "reference/api/index.html").read_text()
    rooms = (site / "reference/rooms/index.html").read_text()
    for path in (ROOT / "src/distune").rglob("*.py"):
        assert path.name == "__init__.py" or f"<code>{path.name}</code>" in rooms, path


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loaded = re.findall(
            r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+href="([^"]+)"', page.read_text()
        )
        assert [
            each for pair in loaded for each in pair if each.startswith(("http:", "https:", "//"))
        ] == [], page
