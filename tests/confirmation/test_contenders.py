from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import optuna
import pytest
from confirmation_helpers import STUDY, config_on, write_study
from optuna.storages import InMemoryStorage
from optuna.trial import create_trial

from distune.config import Config, with_values
from distune.confirmation.candidates import (
    Candidate,
    config_identity,
    confirmation_seeds,
    contenders,
    one_modality_each,
    student_alone,
    teacher_of,
)
from distune.confirmation.opening import plan_name
from distune.confirmation.statistics.comparisons import planned
from distune.errors import UserError
from distune.tuning.coordinator.active_trial import MICRO_BATCHES_KEY
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import opened


def candidates_of(folder: Path, base: Config, *trials: Any, top: int = 3) -> tuple[list[Any], list[str]]:
    file = write_study(folder, base, trials)
    with opened(f"sqlite:///{file}") as storage:
        return contenders(optuna.load_study(study_name=STUDY, storage=storage), top)


@pytest.fixture
def base(demo_root: Path) -> Config:
    return config_on(demo_root)


def test_the_best_come_first_and_a_config_takes_part_once() -> None:
    base, parts, one, two = Config(), {MICRO_BATCHES_KEY: 2}, {"student.lr": 1e-3}, {"student.lr": 2e-3}
    study = open_study(InMemoryStorage(), STUDY, StudySettings(base, build_space(base), "data"))
    for overrides, score in ((two, 0.2), (parts, 0.5), (one, 0.6), (one, 0.7), (one, 0.1)):
        attributes = {"overrides": overrides, **({"baseline": True} if overrides is parts else {})}
        study.add_trial(create_trial(value=score, user_attrs=attributes))
    found, notes = contenders(study, 3, one_modality=True)
    assert [(each.name, each.kind, each.rank, each.search_score) for each in found[:3]] == [
        ("trial_0003", "trial", 1, 0.7), ("base", "base", 2, 0.5), ("trial_0000", "trial", 3, 0.2)
    ]  # fmt: skip
    alone = [f"trial_0003_{kind}" for kind in ("image_alone", "text_alone", "student_alone", "teacher")]
    assert [each.name for each in found[3:]] == alone and not notes
    best, below = contenders(study, 1)[0][:2]
    assert (best.name, below.name, below.trial, below.search_score) == ("trial_0003", "base", 1, 0.5)
    assert below.config.training.accumulation == 2, "as its trial ran"
    assert "only 3 different" in contenders(study, 4)[1][0]
    lone = {"distillation.loss": "none", "student.text.name": "none"}
    study.add_trial(create_trial(value=0.9, user_attrs={"overrides": lone}))
    found, notes = contenders(study, 1, one_modality=True)
    assert [each.name for each in found] == ["trial_0005", "base"] and len(notes) == 2


@pytest.mark.slow
def test_a_base_among_the_top_takes_part_once(base: Config, tmp_path: Path) -> None:
    candidates, notes = candidates_of(
        tmp_path, base, ({}, 0.6), ({"student.lr": 1e-3}, 0.7), ({"student.lr": 2e-3}, 0.5), top=2
    )
    assert [(e.name, e.kind, e.trial, e.rank, e.search_score) for e in candidates] == [
        ("trial_0001", "trial", 1, 1, 0.7),
        ("base", "base", 0, 2, 0.6),
        ("trial_0001_student_alone", "student_alone", None, None, None),
        ("trial_0001_teacher", "teacher", None, None, None),
    ]
    assert not notes


@pytest.mark.slow
def test_a_base_below_the_top_comes_after_it(base: Config, tmp_path: Path) -> None:
    candidates, _ = candidates_of(tmp_path, base, ({}, 0.5), ({"student.lr": 1e-3}, 0.7), top=1)
    assert [(e.name, e.rank) for e in candidates][:2] == [("trial_0001", 1), ("base", None)]
    assert candidates[1].search_score == 0.5


@pytest.mark.slow
def test_a_config_that_was_tried_twice_takes_one_place(base: Config, tmp_path: Path) -> None:
    same = {"student.lr": 1e-3}
    # Half the batch in memory changes no result, and 4e-3 is what the base has.
    split, as_base = {**same, "training.accumulation": 2}, {"student.lr": 4e-3}
    trials = (({}, 0.5), (same, 0.7), (split, 0.7), (as_base, 0.69), ({"student.lr": 2e-3}, 0.6))
    candidates, notes = candidates_of(tmp_path, base, *trials, top=3)
    assert [e.name for e in candidates[:3]] == ["trial_0001", "base", "trial_0004"] and notes == []
    candidates, notes = candidates_of(tmp_path / "more", base, *trials, top=5)
    assert len(candidates) == 5 and len(notes) == 1 and notes[0].startswith("only 3 different configs")


@pytest.mark.slow
def test_a_student_that_has_no_teacher_has_no_distillation_gain(base: Config, tmp_path: Path) -> None:
    candidates, notes = candidates_of(tmp_path, base, ({}, 0.5), ({"distillation.loss": "none"}, 0.7), top=1)
    assert [e.name for e in candidates] == ["trial_0001", "base"]
    assert notes == ["the best config uses no teacher: there is no distillation gain to measure"]


@pytest.mark.slow
def test_without_its_teacher_a_student_inherits_nothing_and_still_learns(
    base: Config, tmp_path: Path
) -> None:
    overrides = {"student.init_from_teacher": True, "distillation.alpha": 0.0, "distillation.loss": "vanilla"}
    candidates, _ = candidates_of(tmp_path, base, ({}, 0.5), (overrides, 0.7), top=1)
    alone = next(e for e in candidates if e.kind == "student_alone").config
    changed = {"distillation.loss": "none", "distillation.alpha": 1.0, "student.init_from_teacher": False}
    assert alone == with_values(candidates[0].config, changed)


@pytest.mark.slow
def test_one_modality_alone_takes_part_where_the_best_student_reads_both(
    base: Config, tmp_path: Path
) -> None:
    file = write_study(
        tmp_path, base, [({}, 0.5), ({"student.text.name": "none"}, 0.7), ({"student.lr": 1e-3}, 0.6)]
    )
    with opened(f"sqlite:///{file}") as storage:
        study = optuna.load_study(study_name=STUDY, storage=storage)
        candidates, notes = contenders(study, 1, one_modality=True)
        assert [each.kind for each in candidates] == ["trial", "base", "student_alone", "teacher"]
        assert len(notes) == 1 and "no other one to leave out" in notes[0]
        study.add_trial(optuna.trial.create_trial(value=0.8, user_attrs={**study.trials[2].user_attrs}))
        candidates, notes = contenders(study, 1, one_modality=True)
    assert [each.kind for each in candidates][2:] == ["image_alone", "text_alone", "student_alone", "teacher"]
    assert not notes


@pytest.mark.slow
def test_a_study_without_a_complete_trial_cannot_be_confirmed(base: Config, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no complete trial"):
        candidates_of(tmp_path, base)


def test_seeds_depend_on_the_study_alone_and_more_of_them_keep_the_first() -> None:
    assert confirmation_seeds(42, 3) == confirmation_seeds(42, 5)[:3]
    assert len({*confirmation_seeds(42, 5), *confirmation_seeds(43, 5), 42}) == 11
    assert all(0 <= seed < 2**31 for seed in confirmation_seeds(42, 50))
    # Folders of stored confirmations are named after them: blake2b of the parts, its 64 bits shifted right by 2.
    digests = (
        hashlib.blake2b(f"42\x1fconfirmation\x1f{n}".encode(), digest_size=8).digest() for n in range(3)
    )
    stored = tuple((int.from_bytes(digest, "big") >> 2) % 2**31 for digest in digests)
    assert confirmation_seeds(42, 3) == stored


@pytest.mark.slow
def test_a_plan_is_the_same_wherever_the_data_lie_and_another_with_other_values(
    base: Config, tmp_path: Path
) -> None:
    candidates, _ = candidates_of(tmp_path, base, ({}, 0.5), top=1)
    elsewhere, _ = candidates_of(
        tmp_path / "b", with_values(base, {"training.device": "auto"}), ({}, 0.5), top=1
    )
    other, _ = candidates_of(tmp_path / "c", with_values(base, {"teacher.lr": 1e-3}), ({}, 0.5), top=1)
    names = [plan_name("s", each, (1, 2), "d") for each in (candidates, elsewhere, other)]
    assert names[0] == names[1] != names[2]
    assert plan_name("s", candidates, (1, 3), "d") != names[0] != plan_name("s", candidates, (1, 2), "e")


@pytest.mark.parametrize(
    ("key", "value", "is_another"),
    [("training.accumulation", 2, False), ("data.root", "elsewhere", False), ("seed", 7, True)],
)
def test_configs_are_the_same_but_for_what_changes_no_result_or_by_chance_alone(
    key: str, value: Any, is_another: bool
) -> None:
    one = Config()
    assert (config_identity(with_values(one, {key: value})) != config_identity(one)) is is_another


def test_one_modality_each_is_the_student_alone_without_an_encoder() -> None:
    best = Candidate("trial_0007", "trial", Config(), 7, 1, 0.9)
    image, text = one_modality_each(best)
    assert (image.name, image.kind) == ("trial_0007_image_alone", "image_alone")
    assert image.config.student.modalities == ("image",) and text.config.student.modalities == ("text",)
    alone = student_alone(best).config
    starts = Candidate("x", "trial", with_values(Config(), {"student.init_from_teacher": True}))
    assert not student_alone(starts).config.student.init_from_teacher
    light = Candidate("x", "trial", with_values(Config(), {"distillation.alpha": 0.3}))
    assert student_alone(light).config.distillation.alpha == 0.3, "it scales the loss, as in the best one"
    assert with_values(image.config, {"student.text.name": alone.student.text.name}) == alone
    assert one_modality_each(Candidate("x", "trial", image.config)) == []


def test_the_teacher_is_trained_in_the_students_place_on_labels_of_full_weight() -> None:
    best = Candidate("trial_0007", "trial", with_values(Config(), {"distillation.alpha": 0.3}))
    alone = teacher_of(best).config
    assert (alone.distillation.loss, alone.distillation.alpha) == ("none", 1.0)
    assert alone.student.vision == best.config.teacher.vision and alone.student.lr == best.config.teacher.lr


def test_one_modality_is_compared_with_the_student_alone() -> None:
    def about(name: str, kind: str, rank: int | None = None) -> dict[str, object]:
        return {"name": name, "kind": kind, "rank": rank, "is_base": kind == "base"}

    plan = [
        about("t", "trial", 1),
        about("base", "base"),
        about("i", "image_alone"),
        about("w", "text_alone"),
    ]
    kinds = [
        (p.first, p.second)
        for p in planned([*plan, about("s", "student_alone")], [])
        if p.kind == "modality_gain"
    ]
    assert kinds == [("s", "i"), ("s", "w")]
    kinds = [(p.first, p.second) for p in planned(plan, []) if p.kind == "modality_gain"]
    assert kinds == [("t", "i"), ("t", "w")]


def test_the_gap_is_the_teachers_score_minus_the_best_students() -> None:
    names = {"trial": "t", "base": "base", "teacher": "x"}
    plan = [
        {"name": name, "kind": kind, "rank": 1 if kind == "trial" else None, "is_base": kind == "base"}
        for kind, name in names.items()
    ]
    pairs = {pair.kind: (pair.first, pair.second) for pair in planned(plan, [])}
    assert pairs == {"tuning_gain": ("t", "base"), "teacher_gap": ("x", "t")}
