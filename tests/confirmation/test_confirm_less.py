"""A confirmation of a student that reads less than its teacher, with few labels and many unlabelled cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from confirmation_helpers import config_on, numbers_of, request_for

from distune.config import with_values
from distune.confirmation.confirm import confirm

pytestmark = pytest.mark.slow


def test_an_image_student_with_few_labels_is_confirmed(
    new_study: Callable[..., Path], demo_root: Path
) -> None:
    values = {"student.text": "none", "data.label_fraction": 0.4, "distillation.loss": "vanilla"}
    file = new_study(with_values(config_on(demo_root), values), ({}, 0.5))
    result = confirm(request_for(file, top=1, seeds=2, one_modality=True))
    assert result.reason == "finished"
    numbers = numbers_of(file)
    assert {"base", "base_student_alone", "base_teacher", "features_text"} <= set(numbers["contenders"])
    assert any(made["kind"] == "distillation_gain" for made in numbers["comparisons"])
    assert set(numbers["contenders"]["base"]["splits"]["test"]["conditions"]) == {"without_image"}
    plan = json.loads((file.with_suffix("") / "confirmation" / "plan.json").read_text())
    assert any("one modality" in note for note in plan["notes"])


def test_one_modality_contenders_are_trained_and_compared(
    new_study: Callable[..., Path], demo_root: Path
) -> None:
    file = new_study(config_on(demo_root), ({}, 0.5))
    assert confirm(request_for(file, top=1, seeds=2, one_modality=True)).reason == "finished"
    numbers = numbers_of(file)
    assert {"base_image_alone", "base_text_alone"} <= set(numbers["contenders"])
    made = [
        (each["first"], each["second"]) for each in numbers["comparisons"] if each["kind"] == "modality_gain"
    ]
    assert sorted(made) == [
        ("base_student_alone", "base_image_alone"),
        ("base_student_alone", "base_text_alone"),
    ]
