"""What a run does in an order that matters: recording before looking, and copying both encoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distune.config import Config
from distune.training import run as run_module
from distune.training.files.run_folder import openings
from distune.training.run import run

MakeConfig = Callable[..., Config]


def test_the_opening_is_recorded_before_the_split_is_read(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = run_module.predict
    known: list[int] = []

    def noting(model: Any, inputs: Any, rows: Any, compute: Any) -> Any:
        known.append(len(openings(tmp_path)))
        return predict(model, inputs, rows, compute)

    monkeypatch.setattr(run_module, "predict", noting)
    run(tiny_config(), tmp_path / "run", open_test=True)
    assert known == [0, 1, 1]  # student on dev, then student and teacher on test


def test_both_encoders_of_a_student_that_begins_with_its_teachers(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Any] = []
    copy_layers = run_module.copy_layers

    def noting(source: Any, target: Any) -> None:
        copy_layers(source, target)
        copied.append((source, target))

    monkeypatch.setattr(run_module, "copy_layers", noting)
    run(tiny_config(student__init_from_teacher=True, student__epochs=1), tmp_path / "run")
    assert [type(target).__name__ for _, target in copied] == ["TinyCnn", "TinyText"]
