"""A base value outside of its own search range: refused before anything is written, resumed where it was begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from study_helpers import base_config, tune_request

from distune.config import Config, SearchParameter, StudyConfig, dump_config
from distune.errors import ConfigError, UserError
from distune.tuning import tune as tuning
from distune.tuning.space.impossible import _encoder_problems
from distune.tuning.space.inert import inert_values, without_effect
from distune.tuning.space.out_of_range import outside
from distune.tuning.space.space import Space, choice_of
from distune.tuning.space.without_effect import Ignored
from distune.tuning.tune import base_of, search_space, tune, values_outside

NARROW = {"teacher_lr": {"type": "float", "low": 1e-5, "high": 1e-4, "log": True}}
OF_ONE_LOSS = {
    "loss": {"type": "categorical", "choices": ["vanilla", "combined"]},
    "gamma": {"type": "float", "low": 0.0, "high": 0.5},
}
STEPS = {"teacher_lr": {"type": "float", "low": 1e-4, "high": 1e-2, "step": 3e-3}}
OF_NONE = ["teacher: the section"]
BOTH_NO_VISION = {f"{role}__vision": "none" for role in ("teacher", "student")}
FUSIONS_OF_ONE = ["student.fusion_heads: 2", "teacher.fusion_heads: 2", "teacher.fusion_layers: 1"]
FROZEN = {f"{role}__{part}__freeze": "all" for role in ("teacher", "student") for part in ("vision", "text")}
WIDER = {"teacher_lr": {"type": "float", "low": 1e-5, "high": 1e-2, "log": True}}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, None),
        ({"teacher__lr": 1e-3}, "teacher.lr 0.001"),
        (
            {"teacher__lr": 1e-3, "search_space": STEPS},
            "teacher.lr 0.001 lies outside of its search range, 0.0001 to 0.01 in steps of 0.003",
        ),
        ({"teacher__lr": 1e-3, "search_space": WIDER}, None),
        ({"student__fusion_dim": 64}, "student.fusion_dim 64"),
        ({"student__fusion_dim": 64, "study": {"only": ["alpha"]}}, None),
        ({"distillation__alpha": 0.1}, "distillation.alpha 0.1"),
        ({"teacher__lr": 1e-3, "study": {"space": "recommended"}}, None),  # narrowed on purpose
        ({"distillation__loss": "none", "distillation__beta": 1.0}, None),  # a value without effect
        ({"distillation__loss": "vanilla", "distillation__gamma": 0.9, "search_space": OF_ONE_LOSS}, None),
        (
            {"distillation__loss": "combined", "distillation__gamma": 0.9, "search_space": OF_ONE_LOSS},
            "distillation.gamma 0.9",
        ),
    ],
)
def test_the_values_that_are_outside(values: dict[str, Any], key: str | None) -> None:
    found = values_outside(base_config(**values))
    assert len(found) == (key is not None)
    assert all(line.startswith(str(key)) and "search_space." in line for line in found)


def choices(*values: Any, key: str | None = None) -> dict[str, Any]:
    return {"type": "categorical", "choices": values, "key": key}


@pytest.mark.parametrize(
    ("searched", "values", "wrong"),
    [
        ({"own": choices(0.0, 0.3, key="student.modality_dropout")}, {}, ["0.3"]),
        ({"own": choices(0.0, 0.3, key="student.modality_dropout")}, {"data__missing": "allow"}, []),
        ({"own": choices(3, 9, key="student.vision.layers")}, {}, ["9"]),
        ({"a": choices(3, 9, key="student.vision.layers"), "student_vision": choices("tiny-cnn", "deit-tiny")}, {}, []),
        ({"own": choices("all", 7, key="teacher.text.freeze")}, {}, ["7"]),
        ({"loss": choices("vanilla", "attention_transfer")}, BOTH_NO_VISION, ["'attention_transfer'"]),
        ({"loss": choices("vanilla", "rkd")}, {"student__vision": "none", "teacher__text": "none"}, ["'rkd'"]),
        ({"loss": choices("vanilla", "attention_transfer")}, {}, []),
        ({"teacher_fusion_dim": choices(30, 32)}, {"teacher__fusion_heads": 4}, ["30"]),
        ({"teacher_fusion_dim": choices(30, 32), "alpha": choices(0.5, 1.0)}, {"teacher__fusion_heads": 4}, ["30"]),
        ({"teacher_fusion_dim": choices(30, 32), "teacher_fusion_heads": choices(3)}, {"teacher__fusion_heads": 4}, []),
        ({"teacher_fusion_dim": choices(30, 32), "teacher_fusion_heads": choices(4, 3)}, {"teacher__fusion_heads": 4},
         []),
    ],
)  # fmt: skip
def test_a_value_with_which_every_trial_would_fail_is_known_before(
    searched: dict[str, Any], values: dict[str, Any], wrong: list[str], tiny_config: Callable[..., Config]
) -> None:
    config = tiny_config(search_space=searched, study={"only": list(searched)}, **values)
    found = [line for line in values_outside(config) if "cannot be" in line]
    assert [line.partition(" cannot be ")[2].partition(":")[0] for line in found] == wrong


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("data.image_size", ["teacher.vision", "student.vision"]),
        ("student.vision.name", ["student.vision"]),
        ("student.text.layers", ["student.text"]),
        ("teacher.lr", []),
    ],
)
@pytest.mark.parametrize("other", [None, "student_vision", "teacher_lr"])
def test_which_encoders_a_value_may_keep_from_being_built(
    key: str, named: list[str], other: str | None, tiny_config: Callable[..., Config]
) -> None:
    nine = {f"{role}__{part}__layers": 9 for role in ("teacher", "student") for part in ("vision", "text")}
    searched = {} if other is None else {other: SearchParameter(type="categorical", choices=("a",))}
    found = [line.partition(":")[0] for line in _encoder_problems(key, tiny_config(**nine), Space(searched))]
    assert found == [each for each in named if not (other == "student_vision" and each == "student.vision")]
    of_none = Space(searched, [Ignored("teacher", {"distillation.loss": frozenset({"none"})})])
    alone = tiny_config(distillation__loss="none", **nine)
    lines = [line.partition(":")[0] for line in _encoder_problems(key, alone, of_none)]
    assert lines == [each for each in found if each != "teacher.vision"], "no run has that teacher"


@pytest.mark.parametrize(
    ("values", "inert"),
    [
        ({"distillation__gamma": 5.0}, ["distillation.gamma: 5.0"]),
        ({"distillation__gamma": 5.0, "distillation__loss": "combined"}, []),
        ({"distillation__gamma": 5.0, "study": {"tune_loss": True}}, []),  # some trial reads it
        ({"distillation__beta": 3.0, "distillation__loss": "none"}, [*OF_NONE, "distillation.beta: 3.0"]),
        (
            {"distillation__beta": 3.0, "distillation__T": 3.0, "distillation__loss": "none"},
            [*OF_NONE, "distillation.T: 3.0", "distillation.beta: 3.0"],
        ),
        (
            {"distillation__unlabelled": False, "distillation__loss": "none"},
            [*OF_NONE, "distillation.unlabelled: False"],
        ),
        ({"distillation__loss": "none", "student__init_from_teacher": True}, []),
        (
            {
                "distillation__loss": "none",
                "search_space": {"student_init_from_teacher": choices(True, False)},
            },
            [],
        ),
        (BOTH_NO_VISION, ["data.image_size: 32", *FUSIONS_OF_ONE]),
        (
            {**BOTH_NO_VISION, "data__augment": "light"},
            ["data.augment: 'light'", "data.image_size: 32", *FUSIONS_OF_ONE],
        ),
        ({"student__vision": "none"}, ["student.fusion_heads: 2"]),  # the teacher reads the images
        (
            {"student__vision": "none", "distillation__loss": "none"},
            [*OF_NONE, "data.image_size: 32", "student.fusion_heads: 2"],
        ),
        ({"training__layerwise_lr_decay": 0.5, **FROZEN}, ["training.layerwise_lr_decay: 0.5"]),
        ({"training__layerwise_lr_decay": 0.5, **FROZEN, "teacher__text__freeze": 1}, []),
        (
            {
                "training__layerwise_lr_decay": 0.5,
                **{key: value for key, value in FROZEN.items() if key != "student__vision__freeze"},
                "student__vision": "none",
            },
            ["student.fusion_heads: 2", "training.layerwise_lr_decay: 0.5"],
        ),
        (
            {
                "training__layerwise_lr_decay": 0.5,
                **FROZEN,
                "search_space": {"first": {"type": "int", "low": 1, "high": 2, "key": "teacher.text.freeze"}},
            },
            [],
        ),
        (
            {
                "training__layerwise_lr_decay": 0.5,
                **FROZEN,
                "teacher__text__freeze": 1,
                "distillation__loss": "none",
            },
            [*OF_NONE, "training.layerwise_lr_decay: 0.5"],
        ),
        ({"training__early_stopping": 2}, ["training.early_stopping: 2"]),  # in three epochs
        ({"training__early_stopping": 1}, []),
        ({"distillation__beta": 0, "study": {"only": ["student_lr"]}}, ["the teacher"]),
        ({"distillation__beta": 0}, []),  # the search gives it a weight
        (
            {
                "distillation__beta": 0,
                "study": {"only": ["student_init_from_teacher"]},
                "search_space": {"student_init_from_teacher": choices(True, False)},
            },
            [],
        ),  # some trials start from its layers
        (
            {"distillation__beta": 0, "distillation__loss": "combined", "study": {"only": ["student_lr"]}},
            [],
        ),  # has other terms
        ({"distillation__beta": 0, "distillation__loss": "vanilla", "study": {"tune_loss": True}}, []),
        ({"distillation__beta": 1e-9, "distillation__loss": "vanilla"}, []),
        (
            {
                "training__early_stopping": 2,
                "search_space": {"student_epochs": {"type": "int", "low": 3, "high": 9}},
            },
            [],
        ),
        ({"student__text__pretrained": False}, ["student.text.pretrained: False"]),
        ({"data__views": 9}, ["data.views: 9"]),
        ({"student__fusion": "gated", "student__fusion_heads": 4}, ["student.fusion_heads: 4"]),
        ({"student__fusion": "cross_attention", "student__fusion_heads": 4}, []),
        ({"student__fusion": "gated", "student__fusion_heads": 4, "study": {"tune_fusion": True}}, []),
        (
            {"student__text": "none", "student__fusion": "gated"},
            ["student.fusion: 'gated'", "student.fusion_heads: 2"],
        ),
        (
            {"student__text": "none", "student__fusion_dim": 24},
            ["student.fusion_heads: 2"],
        ),  # the width of what its heads read
        ({"data__views": 9, "data__augment": "light"}, []),
        ({"data__views": 9, "search_space": {"own": choices("none", "light", key="data.augment")}}, []),
    ],
)
def test_values_that_nothing_reads_are_named(
    values: dict[str, Any], inert: list[str], tiny_config: Callable[..., Config]
) -> None:
    config = tiny_config(**{"distillation__loss": "vanilla", **values})
    base = base_of(config)
    found = inert_values(search_space(base, config.study), base)
    assert sorted(line.partition(" has no effect")[0] for line in found) == sorted(inert)


@pytest.mark.parametrize(
    ("values", "is_said"),
    [
        ({"alpha": 0, "loss": "none"}, True), ({"alpha": 1e-9, "loss": "none"}, False),
        ({"alpha": 0, "loss": "vanilla"}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("searched", "leaves_it"), [("", True), ("distillation.alpha", False), ("distillation.loss", False)]
)
def test_a_student_that_learns_nothing_is_named(
    values: dict[str, Any], is_said: bool, searched: str, leaves_it: bool
) -> None:
    base = base_config(**{f"distillation__{name}": value for name, value in values.items()})
    space = Space({"own": choice_of(0, 1, key=searched)} if searched else {})
    found = [line for line in inert_values(space, base) if "nothing to learn" in line]
    assert bool(found) is (is_said and not searched)


def test_a_field_is_no_part_of_one_whose_name_it_begins_with() -> None:
    base = base_config(student__fusion="concat_mlp", student__fusion_layers=3)
    ignored = tuple(Ignored(field, {}, "as said") for field in ("student.fusion", "student.fusion_layers"))
    assert len(inert_values(Space({}, ignored=ignored), base)) == 2


@pytest.mark.parametrize(
    ("workers", "named"), [(None, []), (1, ["cuda:1, cuda:2"]), (2, ["cuda:2"]), (3, [])]
)
def test_gpus_without_a_worker_are_named(workers: int | None, named: list[str]) -> None:
    asked = StudyConfig(gpus=("cuda:0", "cuda:1", "cuda:2"), workers=workers)
    lines = without_effect(Space({}), Config(), asked)
    assert [line for line in lines if "without a worker" in line] == [
        f"study.gpus: {name} without a worker, see study.workers" for name in named
    ]


@pytest.mark.slow
def test_a_new_study_is_refused_and_one_from_before_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_config(teacher__lr=1e-3)
    request = {"logs": tmp_path, "study_name": "s", "trial_function": "closed_form_trials:quick"}
    with pytest.raises(ConfigError, match=r"teacher.lr 0.001 .* 5e-06 to 0.0001"):
        tune(tune_request(base, n_trials=1, **request))
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as older:  # a version that did not ask
        older.setattr(tuning, "values_outside", lambda config: [])
        assert tune(tune_request(base, n_trials=1, **request)).reason == "finished"
    assert tune(tune_request(base, n_trials=2, **request)).summary["trials"]["finished"] == 2
    (tmp_path / "s.db").write_text("no database")
    with pytest.raises(UserError, match="not a database"):  # which is no new study's
        tune(tune_request(base, n_trials=2, **request))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("s", {"teacher__lr": 1e-3}, r"c\.yaml(.|\n)*teacher.lr 0.001"),
        ("s.db", {}, r"leave \.db out"),
        ("s.DB-wal", {}, r"leave \.DB-wal out"),
        ("s.db.old", {}, None),
        ("s", {}, None),
    ],
)
def test_what_a_new_study_is_refused_for(name: str, values: dict[str, Any], said: str | None) -> None:
    request = tune_request(base_config(**values), config_path="c.yaml")
    if said is None:
        tuning._check_new(request, name)
    else:
        with pytest.raises(UserError, match=said):
            tuning._check_new(request, name)


def test_what_tune_would_refuse_is_told_without_it(tiny_config: Callable[..., Config]) -> None:
    assert tuning.refused(base_config()) == []
    (line,) = tuning.refused(base_config(study={"folds": 3, "strategy": "staged"}))
    assert line.startswith("folds: ")
    (line,) = tuning.refused(tiny_config(study={"folds": 99}))
    assert "99" in line


def test_check_names_it_with_everything_else(
    tiny_config: Callable[..., Config], tmp_path: Path, distune: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "c.yaml").write_text(
        dump_config(tiny_config(data__root=str(tmp_path / "none"), search_space=NARROW))
    )
    code, _, said = distune("check", "c.yaml")
    assert code == 2
    assert "teacher.lr 0.002" in said and "no such folder" in said


def test_a_value_that_is_left_open_or_has_no_effect_lies_nowhere() -> None:
    layers = SearchParameter(type="int", low=1, high=3, key="student.text.layers")
    assert outside(Space({"layers": layers}), base_config()) == []
    rate = SearchParameter(type="float", low=0.1, high=0.2)
    space = Space({"student_lr": rate, "alpha": SearchParameter(type="categorical", choices=(0.25, 0.75))})
    lines = outside(space, base_config(student__lr=0.5, distillation__alpha=0.5))
    assert ["0.1 to 0.2" in lines[0], "[0.25, 0.75]" in lines[1], len(lines)] == [True, True, 2]
    assert len(outside(space, base_config(student__lr=0.5, distillation__alpha=0.5), ("alpha",))) == 1
    asked = rate.model_copy(update={"when": {"loss": ("none",)}})
    assert outside(Space({"student_lr": asked}), base_config(student__lr=0.5)) == []
