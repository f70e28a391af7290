"""Reports of staged searches, and of trials that ended before their student had a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from distune.analysis.findings import analyse
from distune.analysis.ranges import as_search_space
from distune.analysis.trials import from_optuna
from distune.config import Config, as_dict
from distune.reporting import markdown
from distune.reporting.contents import Written, build
from distune.reporting.report import write_report

KEPT = ("teacher 3", "base")
T = FloatDistribution(2.0, 6.0)
TEACHER = CategoricalDistribution(KEPT)


def study_of(strategy: str, pruned: set[int], **attributes: Any) -> optuna.Study:
    """Twelve trials; pruned ones have no score at all."""
    staged = strategy == "staged"
    study = optuna.create_study(study_name="s", direction="maximize")
    space = {"T": {"type": "float", "low": 2.0, "high": 6.0, "key": "distillation.T"}}
    if staged:
        space["teacher"] = {"type": "categorical", "choices": list(KEPT), "key": "teacher"}
    base = {"base_config": as_dict(Config()), "search_space": space, "sampler": "random", "pruner": "median"}
    for key, value in {**base, "strategy": strategy, "student_epochs": 2, **attributes}.items():
        study.set_user_attr(key, value)
    for number in range(12):
        has_score = number not in pruned
        params = {"T": 2.0 + number / 4, **({"teacher": KEPT[number % 2 == 0]} if staged else {})}
        score = 0.5 + number / 100
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if has_score else TrialState.PRUNED,
                value=score if has_score else None,
                params=params,
                distributions={"T": T, **({"teacher": TEACHER} if staged else {})},
                intermediate_values={1: score - 0.1, 2: score} if has_score else {},
                user_attrs={
                    "seconds": 60.0 if has_score else 20.0,
                    "stage_seconds": {"teacher": 20.0, **({"student": 40.0} if has_score else {})},
                    "baseline": number == 0,
                },
            )
        )
    return study


def test_trials_pruned_before_their_student_trained_are_counted_and_cost_what_they_took(
    tmp_path: Path,
) -> None:
    study = study_of("joint", {6, 9}, prune_teacher=True)
    write_report(study, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| Pruned | 2 | 17 % |" in text
    assert "stopped before its student was trained." in text
    saving = analyse(from_optuna(study)).cost.saving
    assert saving.saved == 2 * (60.0 - 20.0)


def test_a_study_whose_trials_were_all_pruned_without_a_score_has_a_report(tmp_path: Path) -> None:
    write_report(study_of("joint", set(range(12)), prune_teacher=True), tmp_path)
    assert "No trial is complete" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_staged_study_says_so_and_shows_what_its_best_teacher_is() -> None:
    chosen = {"number": 3, "score": 0.8, "params": {"teacher_lr": 4e-5, "teacher_fusion_dim": 384}}
    teachers = {"teacher 3": chosen, "base": {"number": 0, "score": 0.7, "params": {"teacher_lr": 1e-5}}}
    first = {"name": "s_teacher", "finished": 10, "complete": 6, "pruned": 4, "failed": 0}
    findings = analyse(from_optuna(study_of("staged", {6}, teachers=teachers, teacher_study=first)))
    text = markdown.render(build(findings, {}, Written()), "figures")
    assert "Strategy: staged: the teacher was tuned first" in text
    assert "(10 trials of teachers, 4 of them pruned, in the study s" in text
    assert findings.ranking.best.params["teacher"] == "teacher 3"
    changes = {change.parameter: (change.best, change.base) for change in findings.baseline.changes}
    assert changes["teacher"] == ("teacher 3", "base")
    assert (changes["teacher_lr"], changes["teacher_fusion_dim"]) == ((4e-5, 1e-5), (384, 512))
    best = text.split("## Best hyperparameters", 1)[1]
    assert "**4.00e-05**" in best and "1.00e-05" in best and "↑ 4.0×" in best
    assert set(as_search_space(findings.ranges)) == {"T"}  # a choice of teachers means nothing elsewhere
