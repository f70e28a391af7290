"""The page in a real browser: nothing overflows, no error is logged, every figure is drawn."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *(
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--v=0",
    ),
)
FRAME = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="report.html" style="border:0;width:{width}px;height:900px"></iframe>
<script>
document.getElementById("page").onload = event => {{
  const page = event.target.contentDocument, root = page.documentElement;
  const folded = [...page.querySelectorAll("details")].filter(part => !part.open).length;
  const conclusion = page.querySelector(".headlines").getBoundingClientRect().bottom;
  const contents = page.querySelector("nav").getBoundingClientRect().top;
  page.querySelectorAll("details").forEach(part => part.open = true);
  const channels = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(value => {{
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }});
  const light = colour => {{
    const [red, green, blue] = channels(colour);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }};
  const paper = light(event.target.contentWindow.getComputedStyle(page.body).backgroundColor);
  const contrast = colour => (Math.max(light(colour), paper) + 0.05) / (Math.min(light(colour), paper) + 0.05);
  const style = node => event.target.contentWindow.getComputedStyle(node);
  const figures = [...page.querySelectorAll("figure svg")].map(svg => svg.getBoundingClientRect());
  document.title = JSON.stringify({{
    folded, conclusionFirst: Number(conclusion <= contents),
    cut: [...page.querySelectorAll("table.stacked")].filter(
      table => table.parentElement.scrollWidth > table.parentElement.clientWidth + 1).length,
    stacked: page.querySelectorAll("table.stacked").length,
    edged: [...page.querySelectorAll(".scroll")].filter(
      box => box.scrollWidth > box.clientWidth + 1 && !style(box).backgroundImage.includes("gradient")).length,
    scrolled: [...page.querySelectorAll("figure .scroll")].filter(
      box => box.scrollWidth > box.clientWidth + 1).length,
    smallest: Math.min(...[...page.querySelectorAll("figure svg text")].map(
      node => node.getBoundingClientRect().height)),
    overflow: root.scrollWidth - root.clientWidth,
    width: root.clientWidth,
    figures: figures.length,
    empty: figures.filter(box => box.width < 100 || box.height < 100).length,
    unnamed: [...page.querySelectorAll("figure svg")].filter(svg => !svg.getAttribute("aria-label")).length,
    outside: [...page.querySelectorAll("body *")].filter(
      node => !node.closest(".scroll") && node.getBoundingClientRect().right > root.clientWidth + 1).length,
    wide: [...page.querySelectorAll("table, figure svg")].filter(
      node => node.getBoundingClientRect().right > root.clientWidth + 1).length,
    foreign: page.querySelectorAll("script, img, iframe, b, i, [onerror], [href^=javascript]").length,
    asText: page.body.textContent.split("<script>alert").length - 1,
    paper,
    texts: page.querySelectorAll("figure svg text").length,
    illegible: [...page.querySelectorAll("figure svg text")].filter(node => contrast(style(node).fill) < 3).length
      + [...page.querySelectorAll("p, li, td, th, h1, h2, h3, a, dd, dt, figcaption")].filter(
        node => contrast(style(node).color) < 3).length,
    drawnAsText: [...page.querySelectorAll("figure svg text")].filter(
      node => node.textContent.includes("<script>")).length,
  }});
}};
</script>"""


DARK = "@media (prefers-color-scheme: dark)"


def measured(page: Path, folder: Path, width: int, *, media: str | None = None) -> dict[str, float]:
    """Opens a page in a frame of a width, as if for a medium, checks that its console stays empty, and measures it."""
    assert CHROMIUM is not None
    text = page.read_text(encoding="utf-8")
    assert media is None or media in text
    (folder / "report.html").write_text(text.replace(media or "\0", "@media all"), encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    command = [
        *(CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1500,1000"),
        *("--allow-file-access-from-files", "--virtual-time-budget=10000", "--dump-dom"),
        (folder / "frame.html").as_uri(),
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    title = re.search(r"<title>(.*?)</title>", found.stdout)
    assert title is not None, found.stderr[-2000:]
    assert not [line for line in found.stderr.splitlines() if ":CONSOLE" in line]
    return dict(json.loads(title[1]))


PAPER = 718
"""Pixels between the margins of a sheet of A4."""
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)"
)


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("name", ["written", "hostile"])
def test_on_paper_nothing_is_cut_off(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    page: Path = request.getfixturevalue(name) / "report.html"
    found = measured(page, tmp_path, PAPER, media="@media print")
    assert found["width"] == PAPER
    assert found["overflow"] == found["wide"] == 0


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("media", [None, DARK])
def test_every_text_stands_out_from_light_and_from_dark_paper(
    written: Path, tmp_path: Path, media: str | None
) -> None:
    found = measured(written / "report.html", tmp_path, 1400, media=media)
    assert (found["paper"] < 0.05) == (media == DARK)
    assert found["texts"] > 150 and found["illegible"] == 0


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [390, 1400])
class TestInTheBrowser:
    def test_the_page_fits_and_logs_no_error(self, written: Path, tmp_path: Path, width: int) -> None:
        found = measured(written / "report.html", tmp_path, width)
        assert found["width"] == width
        assert found["overflow"] == found["outside"] == found["edged"] == 0
        assert (found["folded"], found["conclusionFirst"]) == (2, 1)
        assert found["stacked"] > 2 and (found["cut"] == 0 or width > 640)
        assert (found["figures"], found["empty"], found["unnamed"]) == (8, 0, 0)
        assert found["scrolled"] == 0 and found["smallest"] > 7

    def test_hostile_text_of_a_confirmed_study_stays_text_and_breaks_nothing(
        self, hostile: Path, tmp_path: Path, width: int
    ) -> None:
        found = measured(hostile / "report.html", tmp_path, width)
        assert found["overflow"] == found["outside"] == 0
        assert (found["figures"], found["empty"], found["unnamed"]) == (9, 0, 0)
        assert found["foreign"] == 0
        assert found["asText"] > 20 and found["drawnAsText"] >= 2
