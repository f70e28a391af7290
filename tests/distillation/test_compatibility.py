"""The page that says what is defined says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.config import Config, with_values
from distune.distillation import LOSSES, undefined
from distune.models.fusion import FUSIONS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tasks.md"
READS = {
    "in common: image": {"student.text": "none"},
    "in common: text": {"student.vision": "none"},
    "nothing": {"student.text": "none", "teacher.vision": "none"},
}


def rows() -> dict[str, list[str]]:
    lines = [
        line.strip("| ").split(" | ")
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line[:3] == "| `"
    ]
    return {cells[0].strip("`"): cells[1:] for cells in lines if len(cells) == 5}


def test_the_page_has_every_loss_and_every_fusion() -> None:
    assert [name for name in rows() if name != "distillation.loss"] == list(LOSSES)
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in FUSIONS)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_it_calls_refused_is_refused(loss: str) -> None:
    _, _, common, nothing = rows()[loss]
    refused = {
        reads: bool(undefined(with_values(Config(), {**values, "distillation.loss": loss})))
        for reads, values in READS.items()
    }
    assert refused["nothing"] == (nothing == "refused")
    assert refused["in common: text"] == ("the text: refused" in common)
    assert not refused["in common: image"]
