"""Reports of studies whose scores are means over folds."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from confirmed_numbers import CONFIRMATION
from studies import FOLDS, confirmation_of, fold_folders, fold_study

from distune.analysis.findings import analyse
from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import read_run
from distune.cli.commands.confirm import _print_optimism
from distune.reporting import markdown
from distune.reporting.appendix.contenders import contenders
from distune.reporting.contents import Written, build
from distune.reporting.document import TableBlock
from distune.reporting.figures import draw
from distune.reporting.figures.learning import draw_learning
from distune.reporting.figures.style import look

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("folds")
    findings = analyse(from_optuna(fold_study(fold_folders(folder / "trial_0013")), folder))
    return markdown.render(build(findings, draw(findings), Written()))


def test_every_score_is_called_a_mean_over_folds(page: str) -> None:
    assert "- **Score on 3 folds of train and dev:** 0.6300" in page
    assert "Mean score of the folds done so far" in page
    for wrong in ("on the dev split", "Dev F1", "Score on dev", "on dev,", "after each student epoch"):
        assert wrong not in page


def test_a_confirmation_trains_every_contender_once_and_on_every_fold(page: str) -> None:
    assert "At most 120 trainings" in page


def test_base_and_best_are_shown_fold_by_fold(page: str) -> None:
    assert "| 2 | 0.6000 | 0.7300 | +0.1300 |" in page and "no test of the gain" in page


def test_the_rule_that_pruned_is_that_of_folds(page: str) -> None:
    assert "after the same fold" in page


def test_pruned_trials_have_fewer_folds_than_the_scores_beside_them(page: str) -> None:
    assert "of fewer folds" in page and "median at the same fold" in page


def test_time_saved_is_that_of_the_workers(page: str) -> None:
    assert "Pruning saved **0.0 to 60 s**" in page


def test_answers_of_all_folds_are_shown_together(page: str) -> None:
    """Six of nine right with a confidence of 0.9, three wrong with 0.6: an error of 6/9 · 0.1 + 3/9 · 0.6."""
    assert "type: 6 of 9 on the diagonal" in page
    assert "type has an expected calibration error of 0.2667" in page
    assert page.count("by the one of 3 models") == 2


def test_a_confirmation_on_folds_shows_the_model_that_it_recommends(tmp_path: Path) -> None:
    """In the search six of nine answers are right; those of the recommended model's new folds are all wrong."""
    study = from_optuna(fold_study(fold_folders(tmp_path / "trial_0013")), tmp_path)
    numbers = confirmation_of(study) | {"split": "folds"}
    name = numbers["recommendation"]["contender"]
    for about in numbers["contenders"].values():
        about["splits"]["folds"] = about["splits"]["test"]
    numbers["examples"]["folds"] = numbers["examples"]["test"]
    run = tmp_path / "confirmation" / name / f"seed_{numbers['contenders'][name]['seeds'][0]}"
    run.mkdir(parents=True)
    rows = [f"x{row},g{row},b,0.9,0.1" for row in range(9)]
    (run / "predictions_folds.csv").write_text("\n".join(["id,group,truth_type,p_type_a,p_type_b", *rows]))
    (tmp_path / "confirmation.json").write_text(json.dumps(numbers))
    findings = analyse(study)
    said = markdown.render(build(findings, draw(findings), Written()))
    assert said.count("on the diagonal") == said.count("type: 0 of 9 on the diagonal") == 1
    assert f"by the one of {FOLDS} models of the first new seed" in said


def test_what_is_not_there_of_the_folds_says_why(page: str, tmp_path: Path) -> None:
    assert page.count("fold_1/metrics.jsonl") == 1
    run = read_run(tmp_path, FOLDS)
    assert not isinstance(run, Unknown) and isinstance(run.confusions, Unknown)
    assert "fold_1/results.json" in run.confusions.reason
    (fold_folders(tmp_path) / "fold_2" / "predictions_dev.csv").unlink()
    run = read_run(tmp_path, FOLDS)
    assert not isinstance(run, Unknown) and isinstance(run.predictions, Unknown)
    assert "fold_2/predictions_dev.csv" in run.predictions.reason


def test_the_learning_curves_of_all_folds_are_drawn_with_their_mean(tmp_path: Path) -> None:
    folder = fold_folders(tmp_path / "trial_0013")
    for fold, scores in enumerate(((0.2, 0.5, 0.6), (0.4, 0.7), (0.3, 0.6, 0.5)), start=1):
        lines = [
            {"stage": stage, "epoch": epoch, "dev_score": score, "train_loss": 1.0 / epoch}
            for stage in ("teacher", "student")
            for epoch, score in enumerate(scores, start=1)
        ]
        (folder / f"fold_{fold}" / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    findings = analyse(from_optuna(fold_study(folder), tmp_path))
    with look():
        drawn = draw_learning(findings)
    assert drawn is not None
    assert drawn.alt.count("from 0.3000 to 0.6000, highest with 0.6000 in epoch 2") == 2
    assert drawn.svg.count("stroke-opacity: 0.45") == 2 * 2 * FOLDS
    (folder / "fold_2" / "metrics.jsonl").unlink()
    run = read_run(folder, FOLDS)
    assert not isinstance(run, Unknown) and isinstance(run.curves, Unknown)


def test_the_cases_of_all_folds_are_joined(tmp_path: Path) -> None:
    run = read_run(fold_folders(tmp_path), FOLDS)
    assert not isinstance(run, Unknown) and not isinstance(run.predictions, Unknown)
    (task,) = run.predictions
    assert task.groups == ("g1",) * 2 + ("g2",) * 3 + ("g3",) * 4
    assert task.truth.tolist() == [0] * 9 and task.probabilities.argmax(1).tolist() == [
        0,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        1,
    ]


def test_contenders_are_shown_on_the_folds_that_evaluate_them() -> None:
    numbers: dict[str, Any] = copy.deepcopy(CONFIRMATION) | {"split": "folds", "optimistic": True}
    numbers["examples"] = {"dev": {"examples": 9, "cases": 9}, "folds": {"examples": 20, "cases": 20}}
    for about in numbers["contenders"].values():
        about["splits"] = {"dev": about["splits"]["dev"], "test": None, "folds": about["splits"]["test"]}
    found = contenders(numbers, FOLDS).blocks[0]
    assert isinstance(found, TableBlock) and found.header[-2:] == ("Score on dev", "Score on folds")
    assert all("0." in str(cell) for row in found.rows for cell in row[-2:])


@pytest.mark.parametrize("folds", [None, FOLDS])
def test_a_confirmation_does_not_set_a_mean_over_folds_against_dev(
    folds: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = {"mean": 0.6, "low": 0.5, "high": 0.7}
    found = {"contender": "best", "search_score": 0.7, "folds": folds, "dev": dev, "test": None, "loss": None}
    _print_optimism(found)
    printed = capsys.readouterr().out
    if folds is None:
        assert "best: 0.7000 in the search, 0.6000 over seeds on dev" in printed
    else:
        assert "in the search (mean over 3 folds of train and dev, not dev alone), 0.6000" in printed
