"""Where a study starts: the recommended table, a report's ranges, another study's best values."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from study_helpers import base_config, tune_request

from distune.analysis.parameters.ranges import Ranges, as_search_space
from distune.analysis.parameters.space import Parameter
from distune.config import load_config, save_config, value_at, with_values
from distune.errors import ConfigError, UserError
from distune.tuning.space.build import build_space
from distune.tuning.space.space import DEFAULT_SPACE
from distune.tuning.space.starting_point import started_from, with_space
from distune.tuning.tune import tune

PAGE = {  # the reference page's recommended table; fixed values are ranges of one
    "teacher_lr": (4e-5, 5e-5),
    "student_lr": (1e-4, 1.5e-4),
    "alpha": (0.5, 0.7),
    "beta": (110, 130),
    "T": (3.0, 3.5),
    "teacher_fusion_dim": (384,),
    "student_fusion_dim": (384,),
    "teacher_fusion_layers": (2,),
    "student_fusion_layers": (2,),
    "teacher_fusion_heads": (8,),
    "student_fusion_heads": (4,),
    "teacher_dropout": (0.18, 0.22),
    "student_dropout": (0.23, 0.27),
}


def test_the_recommended_space_is_the_reference_pages():
    space = build_space(with_space(base_config(), "recommended")).parameters
    assert {name: p.choices or (p.low, p.high) for name, p in space.items()} == PAGE
    assert {name for name, parameter in space.items() if parameter.log} == {"teacher_lr", "student_lr"}
    only = build_space(with_space(base_config(), "recommended"), only=("alpha", "T"))
    assert (only.parameters["alpha"].low, only.parameters["T"].high) == (0.5, 3.5)


def test_the_ranges_of_a_report_override_and_join_those_of_the_config(tmp_path: Path):
    found = {
        "alpha": Parameter("alpha", "float", low=0.6, high=0.8),
        "student_fusion_layers": Parameter("student_fusion_layers", "int", low=2, high=2),
        "loss": Parameter("loss", "categorical", choices=("combined", "crd"), key="distillation.loss"),
    }
    file = tmp_path / "recommended_space.yaml"
    file.write_text(yaml.safe_dump({"search_space": as_search_space(Ranges(found, (), 0))}))
    own = {
        "alpha": {"type": "float", "low": 0.1, "high": 9.0},
        "gamma": {"type": "float", "low": 0.1, "high": 1.0},
    }
    space = build_space(with_space(base_config(search_space=own), str(file))).parameters
    assert (space["alpha"].low, space["alpha"].high) == (0.6, 0.8)
    assert set(space) == {*DEFAULT_SPACE, "gamma", "loss"}
    assert space["loss"].choices == ("combined", "crd")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("name: medpix\n", "has no search_space section"),
        (
            "search_space: {alpha: {type: float, low: 2, high: 1}}\n",
            "search_space.alpha: low 2 is above high 1",
        ),
    ],
)
def test_a_file_that_names_no_ranges_is_refused(tmp_path: Path, text, message):
    if text is not None:
        (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        with_space(base_config(), str(tmp_path / "space.yaml"))


BEST = {
    "teacher.lr": 4.79e-5,
    "teacher.fusion": "gated",
    "teacher.fusion_dim": 384,
    "teacher.fusion_tokens": "pooled",
    "teacher.dropout": 0.185,
    "student.lr": 1.05e-4,
    "student.fusion_layers": 2,
    "student.fusion_heads": 4,
    "distillation.alpha": 0.518,
    "distillation.beta": 112.4,
    "distillation.T": 3.19,
    "distillation.loss": "crd",
}
OF_ITS_OWN_DATA = {
    "name": "elsewhere",
    "seed": 7,
    "data.root": "elsewhere",
    "data.max_tokens": 32,
    "teacher.epochs": 9,
    "student.epochs": 9,
    "teacher.vision.name": "vit-large",
    "student.text.name": "minilm",
    "training.batch_size": 4,
    "student.init_from_teacher": True,
}


def test_a_study_can_start_from_another_one_s_best_values(tmp_path: Path):
    save_config(with_values(base_config(), {**BEST, **OF_ITS_OWN_DATA}), tmp_path / "best_config.yaml")
    config = started_from(base_config(), tmp_path / "best_config.yaml")
    assert all(value_at(config, key) == value for key, value in BEST.items())
    assert all(value_at(config, key) == value_at(base_config(), key) for key in OF_ITS_OWN_DATA)
    assert with_values(base_config(), BEST) == config


@pytest.mark.slow
def test_the_start_is_trial_0_and_what_is_not_searched_keeps_its_value(tmp_path: Path):
    save_config(with_values(base_config(), BEST), tmp_path / "best_config.yaml")
    result = tune(
        tune_request(
            base_config(student__epochs=2),
            n_trials=3,
            only=("alpha", "beta", "T"),
            start_from=tmp_path / "best_config.yaml",
            space="recommended",
            logs=tmp_path / "logs",
            dataset="sha256:0",
            trial_function="closed_form_trials:quick",
        )
    )
    assert set(result.summary["search_space"]) == {
        "alpha",
        "beta",
    }  # crd has no temperature, which is not drawn
    assert result.summary["base"]["params"] == {"alpha": 0.518, "beta": 112.4}
    best = load_config(result.best_config)
    assert best.teacher.lr == 4.79e-5 and best.student.epochs == 2
    assert 0.5 <= best.distillation.alpha <= 0.7


def test_values_that_do_not_fit_the_config_are_named(tmp_path: Path):
    (tmp_path / "best.yaml").write_text("teacher: {fusion_dim: 100, fusion_heads: 8}\n")
    with pytest.raises(ConfigError, match="fusion_dim 100"):
        started_from(base_config(), tmp_path / "best.yaml")
