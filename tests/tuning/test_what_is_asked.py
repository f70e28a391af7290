"""From a request to the questions of its studies: nothing is opened, and nothing trains."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from study_helpers import base_config, memory_study, settings_of, tune_request

from distune.errors import ConfigError, UserError
from distune.tuning import tune as module
from distune.tuning.request import TuneRequest
from distune.tuning.search.pruners import WARMUP_EPOCHS
from distune.tuning.staged import TEACHER_WARMUP
from distune.tuning.study.open_study import FORKED_FROM
from distune.tuning.study.settings import StudySettings
from distune.tuning.study_dataset import Inspection
from distune.tuning.tune import _check, _searched, _study_settings, base_of, search_space, values_outside
from tests.stand_ins import refusing_as


def settings(**asked: Any) -> tuple[StudySettings, StudySettings | None]:
    request = tune_request(base_config(seed=9), config_path="c.yaml", **asked)
    base = base_of(request.config)
    return _study_settings(request, base, search_space(base, request.asked), "sha256:7")


@pytest.mark.slow
def test_a_study_is_about_what_was_asked_for() -> None:
    plain, none = settings()
    assert none is None and (plain.sampler, plain.pruner, plain.strategy) == ("tpe", "median", "joint")
    assert (plain.seed, plain.dataset, plain.config_path, plain.warmup) == (
        9,
        "sha256:7",
        "c.yaml",
        WARMUP_EPOCHS,
    )
    assert (plain.prune_teacher, plain.folds) == (False, None)
    asked, none = settings(sampler="qmc", pruner="percentile", prune_teacher=True)
    assert none is None and (asked.sampler, asked.pruner, asked.prune_teacher) == ("qmc", "percentile", True)
    for folds, warmup in ((2, 0), (5, 1)):
        folded, _ = settings(folds=folds)
        assert (folded.folds, folded.warmup) == (folds, warmup)
    students, teacher = settings(strategy="staged", sampler="random")
    assert teacher is not None and (students.strategy, teacher.strategy) == ("staged", "teacher")
    assert (students.warmup, teacher.warmup) == (WARMUP_EPOCHS, TEACHER_WARMUP)
    assert teacher.sampler == students.sampler == "random" and teacher.seed == students.seed == 9
    assert not set(teacher.space.parameters) & set(students.space.parameters)


@pytest.mark.parametrize(
    ("asked", "teachers", "warmup"),
    [({}, None, WARMUP_EPOCHS), ({"strategy": "staged"}, "teacher", WARMUP_EPOCHS), ({"folds": 2}, None, 0)],
)
def test_a_staged_search_asks_of_its_teachers_and_folds_have_a_warmup_of_their_own(
    asked: dict[str, Any], teachers: str | None, warmup: int
) -> None:
    study, teacher = settings(**asked, only=("alpha", "teacher_lr"))
    assert (study.warmup, teacher and teacher.strategy) == (warmup, teachers)


def test_trial_0_is_the_config_without_its_study_section(tmp_path: Path) -> None:
    config = base_config(
        study__n_trials=7, study__teacher_epochs=1, study__student_epochs=9, teacher__epochs=5
    )
    base = base_of(config)
    assert (base.teacher.epochs, base.student.epochs) == (1, 9) and base.study == type(base.study)()
    best = tmp_path / "best.yaml"
    best.write_text("student: {lr: 0.0003, epochs: 99}\nteacher: {dropout: 0.25}\n")
    started = base_of(base_config(study__start_from=str(best), study__teacher_epochs=1))
    assert (started.student.lr, started.teacher.dropout) == (0.0003, 0.25)
    assert (started.student.epochs, started.teacher.epochs) == (4, 1), "epochs stay"
    ranges = tmp_path / "space.yaml"
    ranges.write_text("search_space: {alpha: {type: float, low: 0.6, high: 0.7}}\n")
    spaced = base_of(base_config(study__space=str(ranges), study__student_epochs=9))
    assert spaced.student.epochs == 9
    assert (spaced.search_space["alpha"].low, spaced.search_space["alpha"].high) == (0.6, 0.7)


@pytest.mark.parametrize(
    ("asked", "added", "lost"),
    [
        ({}, set(), set()),
        ({"tune_fusion": True}, {"teacher_fusion", "student_fusion"}, set()),
        ({"tune_loss": True}, {"loss"}, set()),
        ({"tune_backbones": True}, {"student_vision", "student_text"}, set()),
        ({"only": ("alpha", "T")}, set(), None),
    ],
)
def test_the_groups_that_are_asked_for_join_the_space(
    asked: dict[str, Any], added: set[str], lost: Any
) -> None:
    def names(**given: Any) -> set[str]:
        request = tune_request(**given)
        return set(search_space(base_of(request.config), request.asked).parameters)

    found = names(**asked)
    if lost is None:
        assert found == {"alpha", "T"}
    else:
        assert {
            name for name in found - names() if not name.endswith("layers")
        } == added and not names() - found


def test_a_loss_that_asks_no_teacher_leaves_it_out() -> None:
    request = tune_request(base_config(distillation__loss="none"))
    assert not any(
        "teacher" in name for name in search_space(base_of(request.config), request.asked).parameters
    )


def test_what_is_left_out_of_the_search_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    gamma = {"type": "float", "low": 0.1, "high": 1}
    config = base_config(distillation__loss="vanilla", search_space={"gamma": gamma})
    _searched(base_of(config), config.study, Inspection("sha256:7"))
    values_outside(config)
    assert ["gamma" in record.getMessage() for record in caplog.records] == [True]


def test_values_outside_their_own_ranges_are_named_but_for_ranges_narrowed_on_purpose(tmp_path: Path) -> None:
    own = {"alpha": {"type": "float", "low": 0.6, "high": 0.7}}
    (line,) = values_outside(base_config(search_space=own, distillation__alpha=1.5))
    assert line.startswith("distillation.alpha 1.5")
    ranges = tmp_path / "space.yaml"
    ranges.write_text("search_space: {alpha: {type: float, low: 0.6, high: 0.7}}\n")
    assert values_outside(base_config(study__space=str(ranges), distillation__alpha=1.5)) == []
    assert values_outside(base_config()) == []


@pytest.mark.parametrize(("path", "named"), [(None, "config"), ("a/c.yaml", "a/c.yaml")])
def test_what_is_wrong_with_a_config_is_said_of_its_file_where_it_has_one(
    path: str | None, named: str
) -> None:
    request = TuneRequest(base_config(distillation__alpha=0.1), config_path=path)
    with pytest.raises(ConfigError, match=rf"^{named}: distillation\.alpha 0\.1"):
        module._check_new(request, "s")


@pytest.mark.parametrize(
    ("asked", "token"),
    [
        ({"name": "a", "fork": "b"}, None),
        ({"fork": "b"}, "--study-name"),
        ({"name": "a", "fork": "a"}, "another name"),
        ({"name": "a/b"}, "plain name"),
        ({"name": "a", "fork": "../b"}, "plain name"),
        ({"strategy": "staged"}, None),
        ({"strategy": "staged", "name": "a", "fork": "b"}, "fork copies"),
        ({"strategy": "staged", "prune_teacher": True}, "prune-teacher"),
        ({"folds": 3}, None),
        ({"folds": 3, "pruner": "percentile"}, None),
        ({"folds": 3, "strategy": "staged"}, "strategy joint"),
        ({"folds": 3, "prune_teacher": True}, "prune-teacher"),
        ({"folds": 3, "pruner": "hyperband"}, "hyperband"),
        ({"prune_teacher": True, "pruner": "hyperband"}, None),
        ({"executor": "slurm"}, "slurm"),
        ({"ray_address": "auto"}, "ray_address"),
        ({"executor": "ray", "gpus": ("cuda:0",)}, "cuda:0"),
        ({"gpus_per_trial": 0.5}, "gpus_per_trial"),
        ({"workers": 10_000}, "10,000"),
        ({"workers": 10_000, "executor": "ray", "ray_address": "local"}, "10,000"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_looked_at(
    asked: dict[str, Any], token: str | None
) -> None:
    try:
        request = tune_request(**asked)
        _check(request)
    except UserError as error:
        assert token is not None and token in str(error)
    else:
        assert token is None


def test_folds_of_a_fold_are_refused() -> None:
    config = base_config(data__fold={"number": 1, "of": 3})
    with pytest.raises(UserError, match=r"data\.fold"):
        _check(tune_request(config, folds=3))


def test_a_fork_that_is_there_must_be_about_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, there, asked = memory_study(settings_of()), memory_study(settings_of(seed=7)), settings_of()
    there.set_user_attr(FORKED_FROM, old.study_name)

    def check_there(folder: Path, url: str, name: str, check: Any, *, is_own_file: bool) -> bool:
        check(there)
        return True

    monkeypatch.setattr(module, "study_to_copy", lambda url, name: nullcontext(old))
    monkeypatch.setattr(module, "check_before_opening", check_there)
    request = tune_request(name="old", fork="new")
    with pytest.raises(UserError, match="something else"):
        module._check_study(request, tmp_path, "sqlite:///new.db", "new", asked)
    assert module._check_study(request, tmp_path, "sqlite:///new.db", "new", settings_of(seed=7))
    there.set_user_attr(FORKED_FROM, "another")
    with pytest.raises(UserError, match="no fork of"):
        module._check_study(request, tmp_path, "sqlite:///new.db", "new", settings_of(seed=7))


def test_leaks_and_folds_are_looked_at_as_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    inspected = refusing_as(
        module.inspect, lambda *given, **named: asked.append((given, named)) or "inspected"
    )
    monkeypatch.setattr(module, "inspect", inspected)
    commits = refusing_as(
        module.commits_so_far, lambda *given: asked.append(given) or {"deit-tiny": "c" * 40}
    )
    monkeypatch.setattr(module, "commits_so_far", commits)
    base = base_config(student__vision__name="deit-tiny")
    request = tune_request(
        base, dataset=None, config_path="c.yaml", logs=tmp_path, accept_leaks=True, folds=3, name="s"
    )
    assert module._dataset(request, base) == "inspected"  # type: ignore[comparison-overlap]
    looked, ((config, source), named) = asked
    assert looked == (tmp_path, None, "s", base) and source == "c.yaml"
    assert named == {"accept_leaks": True, "folds": 3} and config.student.vision.revision == "c" * 40
    assert module._dataset(tune_request(dataset="sha256:1"), base).fingerprint == "sha256:1"
