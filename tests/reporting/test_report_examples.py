"""Images and texts of patients are on a page only where they are asked for."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from distune.analysis.findings import analyse
from distune.analysis.records.from_optuna import from_optuna
from distune.config import Config, save_config
from distune.reporting import html, markdown
from distune.reporting.contents import Written, build

SECRET = "Mrs <b>Smith</b>, 71"


@pytest.fixture
def pages(tiny_config: Callable[..., Config], tmp_path: Path) -> Callable[[bool], tuple[str, str]]:
    """HTML and Markdown of a study whose best trial has one confident mistake."""
    run = tmp_path / "trial_0000"
    run.mkdir()
    save_config(tiny_config(data__root=str(tmp_path)), run / "config.yaml")
    cv2.imwrite(str(tmp_path / "scan.png"), np.full((64, 64), 90, np.uint8))
    header = ["id", "group", "truth_k", "pred_k", "p_k_a", "p_k_b", "image", "text"]
    answers = [
        ["right", "c1", "a", "a", "0.9", "0.1", "scan.png", SECRET],
        ["wrong", "c2", "a", "b", "0.1", "0.9", "scan.png", SECRET],
    ]
    with (run / "predictions_dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *answers])
    rows = [{"first": "x1", "text": SECRET}]
    found = {"severity": "warning", "title": "same text", "detail": "2 texts.", "rows": rows}
    (tmp_path / "audit.json").write_text(json.dumps({"findings": [found], "sections": []}))
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trial(create_trial(value=0.5, user_attrs={"folder": str(run)}))
    findings = analyse(from_optuna(study, tmp_path))

    def rendered(examples: bool) -> tuple[str, str]:
        document = build(findings, {}, Written(), examples=examples)
        return html.render(document), markdown.render(document)

    return rendered


def test_a_page_holds_no_text_and_no_image_of_a_patient(pages: Callable[[bool], tuple[str, str]]) -> None:
    for page in pages(False):
        assert "x1" in page and "Smith" not in page and "data:image" not in page and "<img" not in page


def test_mistakes_are_shown_where_they_are_asked_for(pages: Callable[[bool], tuple[str, str]]) -> None:
    page, text = pages(True)
    assert page.count('<img src="data:image/jpeg;base64,') == 1
    assert "Wrong: 1 of 2 examples" in page and "keep it where they may be seen" in page
    assert "Smith" in page and "<b>" not in page
    assert "Smith" in text and "<b>" not in text and "data:image" not in text
