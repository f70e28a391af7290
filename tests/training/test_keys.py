"""What a trained model depends on changes its key, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from distune.config import Config, TrainingConfig, save_config, with_values
from distune.data import read_table
from distune.models.parameters import trained_state
from distune.store import Store, key_of
from distune.training import hub_commits
from distune.training import keys as keys_module
from distune.training.devices import Compute
from distune.training.hub_commits import with_commits
from distune.training.inputs.inputs import InputSteps
from distune.training.keys import (
    CODE,
    ELSEWHERE,
    INPUTS,
    installed,
    regression_key,
    student_key,
    teacher_key,
    uses_teacher,
    version_of,
    versions_behind,
)
from distune.training.teacher.teacher import Teacher, TeacherStage

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)

TRAINING: Mapping[str, Any] = {
    "batch_size": 8,
    "accumulation": 2,
    "schedule": "constant",
    "warmup": 0.2,
    "weight_decay": 0.02,
    "grad_clip": None,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "layerwise_lr_decay": 0.9,
    "ema": 0.9,
    "early_stopping": 2,
    "deterministic": True,
}
"""Another value of every field that changes what is trained."""
OF_BOTH = {
    "seed": 4,
    "data__image_size": 48,
    "data__max_tokens": 8,
    "data__missing": "allow",
    "teacher__lr": 1e-4,
    "teacher__epochs": 5,
    "teacher__dropout": 0.3,
    **{f"training__{name}": value for name, value in TRAINING.items()},
}
OF_STUDENT = {
    "student__lr": 1e-4,
    "student__epochs": 5,
    "student__fusion_dim": 16,
    "distillation__alpha": 0.5,
    "distillation__beta": 50.0,
    "distillation__T": 5.0,
    "distillation__loss": "vanilla",
    "distillation__unlabelled": False,
}
OF_NONE = {
    "name": "other",
    "cache__max_gb": 1.0,
    "data__views": 3,  # there are none without augment
    "data__on_bad_example": "drop",
    "study__n_trials": 3,
    **{
        f"training__{name}": value
        for name, value in (("threads", 2), ("precision", "auto"), ("device", "auto"))
    },
}


def keys(config: Config, compute: Compute = CPU) -> tuple[str, str]:
    return key_of(teacher_key(config, "data", compute)), key_of(student_key(config, "data", compute))


@pytest.mark.parametrize(("name", "value"), OF_BOTH.items())
def test_the_keys_of_both_hold(tiny_config: MakeConfig, name: str, value: Any) -> None:
    before, after = keys(tiny_config()), keys(tiny_config(**{name: value}))
    assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.parametrize(("name", "value"), OF_STUDENT.items())
def test_the_students_key_alone_holds(tiny_config: MakeConfig, name: str, value: Any) -> None:
    before, after = keys(tiny_config()), keys(tiny_config(**{name: value}))
    assert before[0] == after[0] and before[1] != after[1]


@pytest.mark.parametrize(("name", "value"), OF_NONE.items())
def test_no_key_holds(tiny_config: MakeConfig, name: str, value: Any) -> None:
    assert keys(tiny_config()) == keys(tiny_config(**{name: value}))


def test_every_setting_of_training_is_known_to_be_in_the_keys_or_not() -> None:
    assert {*TRAINING, *ELSEWHERE} == set(TrainingConfig.model_fields)


def test_views_data_device_and_precision_are_in_the_keys(tiny_config: MakeConfig) -> None:
    shown = {"data__augment": "light"}
    plain, four, three = (keys(tiny_config(**v)) for v in ({}, shown, {**shown, "data__views": 3}))
    assert len({plain[0], four[0], three[0]}) == len({plain[1], four[1], three[1]}) == 3
    config = tiny_config()
    others = (Compute(torch.device("cuda:1"), bf16=False), Compute(torch.device("cpu"), bf16=True))
    assert len({keys(config, compute)[0] for compute in (CPU, *others)}) == 3
    assert key_of(teacher_key(config, "other data", CPU)) != keys(config)[0]


@pytest.mark.slow
def test_targets_with_a_map_are_others(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """And asked for again, they are found: one entry each."""
    store, found = Store(tmp_path), []
    for loss in ("vanilla", "attention_transfer", "vanilla", "attention_transfer"):
        config = tiny_config(distillation__loss=loss)
        table = read_table(config.data, check_images=False)
        steps = InputSteps(table, config.data, store, CPU, config.seed)
        stage = TeacherStage(config, table, "data", steps, store, CPU)
        weights = {name: value.numpy() for name, value in trained_state(stage.build()).items()}
        found.append("image_map" in Teacher([], weights, [], {"of": "one teacher"}, stage).targets().features)
    assert found == [False, True, False, True]
    assert store.misses["targets"] == store.hits["targets"] == 2


@pytest.fixture
def of_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "installed", lambda library: "1")


@pytest.mark.usefixtures("of_one_version")
def test_the_keys_of_what_is_stored_stay_what_they_were(tiny_config: MakeConfig) -> None:
    """What was trained by an earlier version is found again: a field that is new stays out at its default."""
    config = tiny_config(data__image_size=None)
    teacher, student = teacher_key(config, "data", CPU), student_key(config, "data", CPU)
    assert (key_of(teacher)[:12], key_of(student)[:12]) == ("60240a149b8b", "1d21a385dafe")
    told = f"{teacher} {student}"
    for later in ("unlabelled", "deterministic", "modality_dropout", "missing", "revision", "source"):
        assert f"'{later}'" not in told
    assert teacher["views"] == 0 and teacher.keys() <= student.keys() | {"teacher"}
    assert student["learns_from"] == teacher and student["targets"] == version_of("targets")


def test_what_a_student_alone_and_one_that_begins_with_its_teacher_depend_on(tiny_config: MakeConfig) -> None:
    alone, heir = (
        tiny_config(distillation__loss="none", student__init_from_teacher=value) for value in (False, True)
    )
    assert (uses_teacher(alone), uses_teacher(heir), uses_teacher(tiny_config())) == (False, True, True)
    for config, has_teacher in ((alone, False), (heir, True)):
        key = student_key(config, "data", CPU)
        assert key["targets"] is None and (key["learns_from"] is not None) is has_teacher
        assert ("teacher" in versions_behind(config)) is has_teacher
        assert "targets" not in versions_behind(config)
    both = versions_behind(tiny_config())
    assert both.keys() == {*INPUTS, "student", "teacher", "targets"}
    assert both["images"] == {"code": CODE["images"], "opencv": installed("opencv")}
    assert installed("opencv") == cv2.__version__ and installed("torch").startswith("2.")


def test_opencv_names_its_own_version_whatever_its_package_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "__version__", "9.9")
    assert installed.__wrapped__("opencv") == "9.9"


REGRESSION = {
    "data__image_size": 48, "data__max_tokens": 8, "seed": 4, "teacher__vision__layers": 1, "teacher__text__layers": 1,
}  # fmt: skip
NO_REGRESSION = {
    "student__vision__layers": 1,
    "teacher__lr": 1e-4,
    "teacher__fusion_dim": 8,
    "teacher__epochs": 9,
    "training__ema": 0.9,
    "distillation__T": 9.0,
    "student__lr": 1e-4,
}


@pytest.mark.parametrize(("name", "value"), [*REGRESSION.items(), *NO_REGRESSION.items()])
def test_a_regression_depends_on_the_teachers_encoders_and_the_data_alone(
    tiny_config: MakeConfig, name: str, value: Any
) -> None:
    before, after = (
        key_of(regression_key(tiny_config(**changed), "data", CPU)) for changed in ({}, {name: value})
    )
    assert (before != after) is (name in REGRESSION)
    assert key_of(regression_key(tiny_config(), "other", CPU)) != before
    cuts = regression_key(tiny_config(teacher__vision__layers=1), "data", CPU)["cuts"]
    assert cuts == [[1, None], [None, None]], "pretrained weights are those of the whole encoder"
    elsewhere = Compute(torch.device("cpu"), bf16=True)
    assert key_of(regression_key(tiny_config(), "data", elsewhere)) != before


def test_a_version_is_that_of_the_code_and_of_the_libraries_behind_a_step() -> None:
    assert version_of("images") == {"code": CODE["images"], "opencv": cv2.__version__}
    found = version_of("regression")
    assert found["scikit-learn"] == metadata.version("scikit-learn") and found["torch"] == metadata.version(
        "torch"
    )
    assert found.keys() == {"code", "torch", "transformers", "scikit-learn"}


def test_a_commit_is_in_the_weights_and_not_in_the_section(tiny_config: MakeConfig) -> None:
    config = tiny_config()
    pinned = with_values(config, {"student.vision.revision": "0" * 40, "teacher.text.revision": "1" * 40})
    assert keys(config) == keys(pinned)


@pytest.mark.parametrize("roles", [("teacher", "student"), ("student",)])
def test_a_run_that_resumes_keeps_the_commits_that_its_folder_names(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roles: tuple[str, ...]
) -> None:
    asked: list[tuple[str, str | None]] = []

    def fetched(encoders: Any) -> dict[str, str]:
        asked.extend((encoder.name, encoder.revision) for encoder, _ in encoders)
        return {
            name if revision is None else f"{name}@{revision}": revision or "new" for name, revision in asked
        }

    monkeypatch.setattr(hub_commits, "fetch_encoders", fetched)
    config = tiny_config(
        teacher__vision="org/a", teacher__text="org/b", student__vision="org/c", student__text="org/d"
    )
    first = with_commits(config, tmp_path, roles)
    names = ["org/a", "org/b", "org/c", "org/d"][0 if "teacher" in roles else 2 :]
    assert asked == [(name, None) for name in names]
    found = [first.teacher.vision.revision, first.student.vision.revision, first.student.text.revision]
    assert found == ["new" if "teacher" in roles else None, "new", "new"]
    asked.clear()
    save_config(with_values(first, {"student.vision.revision": "old"}), tmp_path / "config.yaml")
    again = with_commits(config, tmp_path, roles)
    assert again.student.vision.revision == "old" and ("org/c", "old") in asked
    (tmp_path / "config.yaml").write_text("[")
    asked.clear()
    assert with_commits(config, tmp_path, roles) == first
