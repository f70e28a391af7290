"""What a study is about, and what keeps it from being resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_helpers import base_config, settings_of

from distune.components import LOSSES
from distune.config import SearchParameter, TaskConfig, as_dict
from distune.config.revisions import encoders_of
from distune.tuning.space.space import Space
from distune.tuning.study import settings as module
from distune.tuning.study.settings import (
    COMMITS,
    METRIC,
    PLUGINS,
    StudySettings,
    comparable,
    differing,
    encoder_files,
    own_scores,
    plugin_sources,
)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ({"type": {}}, ""),
        ({"type": {"weight": 0.5}}, " (type: macro f1 with weight 0.5)"),
        ({"type": {"weight": 2}, "site": {}}, " (type: macro f1 with weight 2)"),
        ({"type": {"score": "auroc"}, "site": {"score": "balanced_accuracy", "weight": 3}},
         " (type: auroc, site: balanced accuracy with weight 3)"),
    ],
)  # fmt: skip
def test_the_metric_names_what_tasks_count_with(tasks: dict[str, Any], said: str) -> None:
    configs = {name: TaskConfig(**about) for name, about in tasks.items()}
    assert own_scores(configs).lower() == said
    base = base_config(data__tasks=tasks)
    assert settings_of(base).metric == METRIC + own_scores(base.data.tasks)
    assert settings_of(base, folds=3).metric == (
        "mean over 3 folds of the mean over tasks of the macro F1" + own_scores(base.data.tasks)
    )


def test_a_study_says_all_that_it_is_about() -> None:
    base = base_config(teacher__epochs=3, student__epochs=7)
    settings = settings_of(
        base, sampler="gp", pruner="percentile", seed=5, config_path="c.yaml", warmup=4, prune_teacher=True,
        folds=None, commits={"a": "1"}, strategy="staged",
    )  # fmt: skip
    found = settings.as_attributes()
    assert found.pop("distune_version")
    assert found == {
        "base_config": as_dict(base), "config_path": "c.yaml", "search_space": settings.space.as_dict(),
        "data_fingerprint": "sha256:0", "metric": METRIC, "folds": None, "sampler": "gp", "pruner": "percentile",
        "pruner_settings": {"percentile": 75.0, "n_startup_trials": 5, "n_warmup_steps": 4}, "strategy": "staged",
        "prune_teacher": True, "seed": 5, "teacher_epochs": 3, "student_epochs": 7, COMMITS: {"a": "1"},
    }  # fmt: skip


BASE = base_config()


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"seed": 7}, "seed"),
        ({"dataset": "sha256:1"}, "data_fingerprint"),
        ({"strategy": "staged"}, "strategy"),
        ({"folds": 3}, "folds"),
        ({"base": base_config(student__lr=0.5)}, "base config student.lr"),
        (
            {"base": base_config(data__root="/elsewhere", training__device="cuda:0", training__threads=3)},
            None,
        ),
        ({"base": base_config(data__subgroup_columns=["sex"], cache__max_gb=1.0)}, None),
        ({"base": base_config(data__max_tokens=9)}, "base config data.max_tokens"),
        ({"sampler": "gp", "pruner": "none", "warmup": 9, "prune_teacher": True, "config_path": "x"}, None),
    ],
)
def test_what_keeps_a_study_from_being_resumed(values: dict[str, Any], key: str | None) -> None:
    settings = settings_of(BASE)
    lines = differing(settings.as_attributes(), replace(settings, **values))
    assert [line.partition(":")[0] for line in lines] == ([key] if key else [])


def test_a_key_that_one_side_lacks_is_absent_there() -> None:
    settings, fold = settings_of(BASE), {"number": 1, "of": 3}
    lines = differing(settings.as_attributes(), replace(settings, base=base_config(data__fold=fold)))
    assert "base config data.fold.of: absent in the study, 3 now" in lines


def test_another_search_space_is_another_question_but_for_the_choice_of_teachers() -> None:
    settings = settings_of(BASE)
    parameters = dict(settings.space.parameters)
    alpha = parameters.pop("alpha")
    without = replace(settings, space=Space(parameters))
    assert [line.split(",")[0] for line in differing(settings.as_attributes(), without)] == [
        "search space alpha: type float"
    ]
    (added,) = differing(without.as_attributes(), settings)
    assert added.startswith("search space alpha: absent in the study, type float")
    wider = replace(
        settings, space=Space({**settings.space.parameters, "alpha": alpha.model_copy(update={"high": 9.0})})
    )
    (changed,) = differing(settings.as_attributes(), wider)
    assert "high 2.0 in the study" in changed and "high 9.0 now" in changed
    choice = SearchParameter(type="categorical", choices=("base",), key="teacher")
    staged = replace(settings, space=Space({"teacher": choice, **settings.space.parameters}))
    assert differing(staged.as_attributes(), settings) == []


@pytest.mark.parametrize(
    ("old", "commits", "new", "differs"),
    [
        (None, {}, None, False),
        (None, {}, "v1", True),
        ("v1", {}, "v2", True),
        (None, {"deit-tiny": "c" * 40}, "c" * 40, False),  # the commit that the study found by its name
        ("v1", {"deit-tiny@v1": "c" * 40}, "c" * 40, False),
        ("v1", {"deit-tiny@v1": "c" * 40}, "d" * 40, True),
    ],
)
def test_another_revision_of_a_model_is_another_question(
    old: str | None, commits: dict[str, str], new: str | None, differs: bool
) -> None:
    def of(revision: str | None, **about: Any) -> StudySettings:
        return settings_of(base_config(student__vision={"name": "deit-tiny", "revision": revision}), **about)

    lines = differing(of(old, commits=commits).as_attributes(), of(new))
    assert [line.partition(":")[0] for line in lines] == ["base config student.vision.revision"] * differs
    assert dict(encoders_of(of(old).base))["student", "vision"].revision == old


def test_a_plugin_s_source_is_part_of_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(base_config(distillation__loss="vanilla"))
    choice = SearchParameter(type="categorical", choices=("vanilla", "cosine"), key="distillation.loss")
    space = Space({**settings.space.parameters, "loss": choice})
    monkeypatch.setattr(
        type(LOSSES), "source", lambda self, name: {"p": f"{self.kind} of {name}"} if name == "cosine" else {}
    )
    assert plugin_sources(settings.base, settings.space) == {}
    assert plugin_sources(settings.base, space) == {f"{LOSSES.kind} cosine": f"{LOSSES.kind} of cosine"}
    known = replace(settings, space=space)
    attributes = known.as_attributes()
    assert PLUGINS in attributes and differing(attributes, known) == []
    changed = {**attributes, PLUGINS: {f"{LOSSES.kind} cosine": "old"}}
    assert [line.partition(":")[0] for line in differing(changed, known)] == [f"plugin {LOSSES.kind} cosine"]
    other = {**attributes, PLUGINS: {"loss gone": "old"}}
    assert differing(other, known) == [], (
        "what is used no more, or was built in, is no difference of a plugin"
    )
    before = {key: value for key, value in attributes.items() if key != PLUGINS}
    assert differing(before, known) == [], "from before they were kept"


def test_a_config_of_an_older_version_has_the_defaults_of_what_is_new() -> None:
    old = as_dict(BASE)
    del old["training"]["accumulation"]
    assert comparable(old) == comparable(as_dict(BASE))
    found = comparable(as_dict(BASE))
    assert "student.lr" in found and not any(key.endswith(".revision") for key in found)
    for neutral in module.NEUTRAL_KEYS:
        assert not any(key == neutral or key.startswith(f"{neutral}.") for key in found)
    assert any(key.startswith("data.") for key in found) and any(key.startswith("training.") for key in found)


@pytest.mark.parametrize(
    ("key", "is_neutral"),
    [("data.root", True), ("data.root2", False), ("study.n_trials", True), ("search_space.alpha.low", True),
     ("data.tables", True), ("student.vision.revision", True), ("student.vision.name", False), ("studyx", False)],
)  # fmt: skip
def test_which_keys_say_where_a_study_runs(key: str, is_neutral: bool) -> None:
    assert module._is_neutral(key) is is_neutral


def test_folders_of_encoders_are_told_from_models_and_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, holds in (("tiny-text", "config.json"), ("own", "config.json"), ("empty", "other.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / holds).write_text("{}")
    base = base_config(student__text="tiny-text", teacher__text="own")
    choice = SearchParameter(type="categorical", choices=("own", "empty"), key="student.text.name")
    found = encoder_files(base, Space({"text": choice}))
    assert list(found) == ["own"], "a model of that name is not the folder"
