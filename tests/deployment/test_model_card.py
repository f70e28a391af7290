"""What a card says of the scores of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from distune.config import Config
from distune.data.table import MISSING, Split, Table, Task
from distune.deployment.model_card import _data, _scores

TASKS = (Task("kind", ("a", "b")),)


@pytest.mark.parametrize(("test_split", "is_said"), [("opened", False), ("shut", True), ("none", False)])
def test_a_test_split_that_was_not_opened_is_said_to_be_so(
    tmp_path: Path, test_split: str, is_said: bool
) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"test_split": test_split}))
    said = "\n".join(_scores(tmp_path, TASKS, {"kind": 1.23456}))
    assert ("did not open" in said) is is_said and "kind 1.235" in said
    assert ("no test split" in said) is (test_split == "none")


def test_rows_that_a_student_learnt_from_without_labels_are_counted(tmp_path: Path) -> None:
    splits: tuple[Split, ...] = ("train", "dev", "unlabelled", "unlabelled")
    labels = np.array([[0], [1], [MISSING], [MISSING]])
    names = tuple("abcd")
    table = Table(tmp_path, names, names, names, labels, ("p", "q", "r", "r"), splits, TASKS)
    said = "\n".join(_data(Config(), table))
    assert (
        "- train: 1 example of 1 " in said and "- unlabelled: 2 examples of 1 " in said and "test" not in said
    )


def test_a_test_split_that_a_confirmation_opened_is_no_shut_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"test_split": "shut"}))
    scored = {"score": 0.7713, "interval": [0.6, 0.8], "examples": 47}
    monkeypatch.setattr("distune.deployment.model_card.score_with_interval", lambda *_: scored)
    said = "\n".join(_scores(tmp_path, TASKS, {"kind": 1.0}))
    assert "| test | 0.7713 |" in said and "did not open" not in said and "confirmation" in said
