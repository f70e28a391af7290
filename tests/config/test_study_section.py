"""The `study` section: what it says, and that it changes nothing about runs and studies that do not use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.config import Config, StudyConfig, as_dict, load_config, parse_config, save_config, with_values
from distune.errors import ConfigError


def test_one_file_describes_a_study(tmp_path: Path) -> None:
    text = "study: {n_trials: 12, sampler: random, only: [alpha, T], gpus: [cuda:0], start_from: best.yaml}\n"
    (tmp_path / "c.yaml").write_text(text)
    study = load_config(tmp_path / "c.yaml").study
    assert (study.n_trials, study.sampler, study.only, study.gpus) == (
        12,
        "random",
        ("alpha", "T"),
        ("cuda:0",),
    )
    assert study.start_from == Path("best.yaml")


def test_it_is_written_only_where_it_says_something(tmp_path: Path) -> None:
    assert "study" not in as_dict(Config())
    asked = with_values(Config(), {"study.folds": 3})
    save_config(asked, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml") == asked
    assert "study" not in as_dict(with_values(asked, {"study": {}}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("study.n_trials", 0),
        ("study.timeout", -1),
        ("study.sampler", "cmaes"),
        ("study.pruner", "mean"),
        ("study.gpus_per_trial", 1.5),
        ("study.folds", 1),
        ("study.trials", 3),
        ("seed.sampler", 3),
    ],
)
def test_a_bad_setting_is_named_with_its_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError) as error:
        with_values(Config(), {key: value})
    assert key in str(error.value)


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"study": {"n_trials": 0, "on_oom": "x"}, "student": {"lr": -1}})
    assert len(error.value.problems) == 3


def test_every_field_is_documented() -> None:
    assert all(field.description for field in StudyConfig.model_fields.values())
