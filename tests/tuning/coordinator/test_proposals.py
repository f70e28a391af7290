"""From a trial's values to the config that its worker runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from distune.config import Config, as_dict, parse_config
from distune.errors import ConfigError
from distune.tuning.coordinator.proposals import FoldProposals, JointProposals, configured, distribution
from distune.tuning.space.build import build_space
from distune.tuning.study.settings import StudySettings, warmup_of_folds
from distune.tuning.trials import folds
from distune.tuning.trials.messages import TrialOutcome, TrialTask
from distune.tuning.trials.trial import config_of_task

DISTILBERT, DEIT = "a" * 40, "b" * 40
COMMITS = {"distilbert": DISTILBERT, "deit-tiny@v1": DEIT}
BASE = Config().replace(
    **{"student.text": "distilbert", "student.vision": {"name": "deit-small", "revision": "old"}}
)


def settings(**values: Any) -> StudySettings:
    return StudySettings(BASE, build_space(BASE), "sha256:0", commits=COMMITS, **values)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, {"text": DISTILBERT, "vision": "old"}),
        ({"student.vision.name": "deit-tiny"}, {"text": DISTILBERT, "vision": None}),
        (
            {"student.vision.name": "deit-tiny", "student.vision.revision": "v1"},
            {"text": DISTILBERT, "vision": DEIT},
        ),
        ({"student.text.name": "bert-mini"}, {"text": None, "vision": "old"}),
        ({"student.text": "none"}, {"text": None, "vision": "old"}),
    ],
)
def test_a_trial_has_its_values_and_the_commits_of_its_models(
    overrides: dict[str, Any], expected: dict[str, str | None]
) -> None:
    overrides = {"teacher.lr": 3e-5, **overrides}
    config = parse_config(JointProposals(settings()).config(overrides))
    assert {kind: getattr(config.student, kind).revision for kind in expected} == expected
    assert config.teacher.lr == 3e-5
    assert config == configured(BASE, overrides, COMMITS)
    assert as_dict(BASE)["student"]["vision"]["revision"] == "old"


def test_a_trial_with_folds_begins_with_the_first_of_them() -> None:
    proposals = FoldProposals(settings(folds=3))
    config = proposals.config({"teacher.lr": 3e-5})
    assert config["data"]["fold"] == {"number": 1, "of": 3} and config["teacher"]["lr"] == 3e-5
    assert proposals.epochs(config) == 3


def test_nothing_is_pruned_after_one_fold_but_where_there_are_two() -> None:
    assert [warmup_of_folds(folds) for folds in (2, 3, 5)] == [0, 1, 1]


def test_a_trial_trains_on_the_device_and_threads_of_its_worker() -> None:
    task = TrialTask(1, as_dict(BASE), "trial", device="cuda:1", threads=3)
    training = config_of_task(task).training
    assert (training.device, training.threads) == ("cuda:1", 3)
    assert task.config["training"]["device"] == BASE.training.device


def test_the_first_trial_is_the_base_config_also_where_it_is_resumed_after_others() -> None:
    space = build_space(BASE, only=("student_dropout", "alpha"))
    study = optuna.create_study()
    first = study.ask()
    proposals = JointProposals(StudySettings(BASE, space, "sha256:0", sampler="random"))
    for trial in (study.ask(), first):
        params, overrides = proposals.propose(study, trial)
        assert (overrides == {}) is (trial is first) and set(params) == {"student_dropout", "alpha"}
    assert params == {"student_dropout": BASE.student.dropout, "alpha": BASE.distillation.alpha}


def test_drawn_together_is_what_every_trial_has() -> None:
    """The others are drawn one by one, so that trials without them teach the sampler too."""
    when = {"type": "float", "low": 0.1, "high": 0.3, "when": {"student_fusion_layers": [1]}}
    base = BASE.replace(search_space={"student_dropout": when})
    space = build_space(base, only=("student_fusion_layers", "student_dropout", "alpha"))
    study = optuna.create_study()
    proposals = JointProposals(StudySettings(base, space, "sha256:0", sampler="tpe"))
    study.add_trial(optuna.trial.create_trial(value=0.5))  # trial 0 is the base config
    trial = study.ask()
    proposals.propose(study, trial)
    frozen = study.trials[trial.number]
    together = study.sampler.infer_relative_search_space(study, frozen)
    assert together == {
        name: distribution(space.parameters[name]) for name in ("student_fusion_layers", "alpha")
    }


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each whole config that is validated."""
    found: list[str] = []
    validate = Config.model_validate

    def counting(raw: Any, **options: Any) -> Config:
        found.append(str(raw))
        return validate(raw, **options)

    monkeypatch.setattr(Config, "model_validate", counting)
    return found


def test_a_config_is_validated_once_on_its_way_to_a_worker(tmp_path: Path, passes: list[str]) -> None:
    sent = JointProposals(settings()).config({"teacher.lr": 3e-5})
    config = config_of_task(
        TrialTask(1, json.loads(json.dumps(sent)), str(tmp_path), device="cpu", threads=1)
    )
    assert config.teacher.lr == 3e-5
    assert len(passes) == 1


def test_a_config_of_folds_is_validated_once_for_all_of_them(
    tmp_path: Path, passes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def outcome(config: Config, *_: Any) -> TrialOutcome:
        seen.append(config.data.fold)
        return TrialOutcome("complete", 0.5)

    monkeypatch.setattr(folds, "_found", outcome)
    sent = FoldProposals(settings(folds=3)).config({"teacher.lr": 3e-5})
    assert folds.run_folds_trial(TrialTask(1, sent, str(tmp_path)), lambda *_: True).score == 0.5
    assert [(fold.number, fold.of) for fold in seen] == [(1, 3), (2, 3), (3, 3)]
    assert len(passes) == 1


def test_values_that_break_a_rule_together_are_said_of_their_trial() -> None:
    with pytest.raises(ConfigError, match=r"^trial: "):
        configured(BASE, {"teacher.fusion_dim": 30, "teacher.fusion_heads": 4})
