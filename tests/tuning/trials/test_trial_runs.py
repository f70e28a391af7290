"""What a trial asks of training, and what it hands back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_helpers import base_config

from distune.config import as_dict, with_values
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.errors import ConfigError, DataError, UserError
from distune.training import run as training
from distune.training.callbacks import Callback, EpochRecord
from distune.training.cost import Cost
from distune.training.files import results
from distune.training.files.results import RunResult
from distune.tuning.trials.folds import _check_unchanged, fold_folder, run_folds_trial
from distune.tuning.trials.messages import FOLD, TrialOutcome, TrialTask
from distune.tuning.trials.trial import (
    REGRESSION_SCORE,
    TEACHER_SCORE,
    config_of_task,
    outcome_of,
    run_teacher_trial,
    run_trial,
)
from tests.stand_ins import refusing_as

COST = Cost({"student": 2.0}, 100.0, 5.0, "CPU")
CACHE = {"hits": {"images": 2, "teacher": 1}, "misses": {"images": 4}, "seconds_saved": 7.5}


def result(score: float | None = 0.5, *, stopped: bool = False, **held: Any) -> RunResult:
    return RunResult(score, 2, stopped, held, COST, CACHE)


class Training:
    """Stands for training: reports an epoch of each run, and notes what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.asked: list[tuple[Any, Path, dict[str, Any]]] = []
        self.finished: dict[str, RunResult] = {}
        self.heard: list[tuple[str, int, float]] = []
        self.answer = True
        for name in ("run", "run_teacher"):
            monkeypatch.setattr(training, name, refusing_as(getattr(training, name), self._run))
        monkeypatch.setattr(results, "finished_run", refusing_as(results.finished_run, self._finished_run))

    def report(self, stage: str, epoch: int, score: float) -> bool:
        self.heard.append((stage, epoch, score))
        return self.answer

    def _run(self, config: Any, folder: Path, *, callback: Callback, **others: Any) -> RunResult:
        self.asked.append((config, folder, others))
        callback.on_epoch_end(EpochRecord("student", 1, 0.0, 0.0, 0.0, 0.25, {}, 0.0, 0.0))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "student.safetensors").write_bytes(b"weights")
        return result(len(self.asked) / 4)

    def _finished_run(
        self, config: Any, folder: Path, *, callback: Callback | None = None
    ) -> RunResult | None:
        found = self.finished.get(folder.name)
        if found and callback:
            callback.on_epoch_end(EpochRecord("student", 9, 0.0, 0.0, 0.0, 0.75, {}, 0.0, 0.0))
        return found


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Training:
    return Training(monkeypatch)


def task_of(folder: Path, **values: Any) -> TrialTask:
    config = with_values(base_config(), {key.replace("__", "."): value for key, value in values.items()})
    return TrialTask(3, as_dict(config), str(folder), device="cpu", threads=2, attempt=1)


def test_a_trial_trains_in_its_folder_and_reports_its_epochs(runs: Training, tmp_path: Path) -> None:
    for function in (run_trial, run_teacher_trial):
        outcome = function(replace(task_of(tmp_path / "t"), dataset="of the study"), runs.report)
        config, folder, others = runs.asked.pop()
        assert config.training.threads == 2 and folder == tmp_path / "t"
        assert others == {"check_images": False, "dataset": "of the study"}, "the study has checked them"
        assert outcome == outcome_of(result(0.25))
    assert runs.heard == [("student", 1, 0.25)] * 2


@pytest.mark.parametrize("function", [run_trial, run_teacher_trial, run_folds_trial])
def test_no_trial_trains_on_data_that_have_changed_since_the_study_began(
    function: Any, tiny_config: Any, tmp_path: Path, trained: list[tuple[str, int]]
) -> None:
    fold = {"data__fold": {"number": 1, "of": 2}} if function is run_folds_trial else {}
    task = TrialTask(
        3, as_dict(tiny_config(**fold)), str(tmp_path), device="cpu", threads=1, dataset="of the study"
    )
    with pytest.raises(DataError, match="has changed"):
        function(task, lambda *_: True)
    assert trained == [] and list(tmp_path.iterdir()) == []


def test_the_data_of_a_trial_by_folds_are_compared_as_they_are_split_for_everybody(tiny_config: Any) -> None:
    whole, of_fold = tiny_config(), tiny_config(data__fold={"number": 1, "of": 2})
    everybody, its_own = (
        table_fingerprint(read_table(config.data, check_images=False)) for config in (whole, of_fold)
    )
    assert everybody != its_own
    _check_unchanged(of_fold, everybody)
    with pytest.raises(DataError, match="has changed"):
        _check_unchanged(of_fold, its_own)


def test_a_finished_trial_reports_its_epochs_again_where_its_weights_are_there(
    runs: Training, tmp_path: Path
) -> None:
    task = task_of(tmp_path / "t")
    runs.finished["t"] = result(0.75)
    assert run_trial(task, runs.report).score == 0.25, "its weights are gone: it is trained again"
    assert run_trial(task, runs.report).score == 0.75
    assert len(runs.asked) == 1 and runs.heard == [("student", 1, 0.25), ("student", 9, 0.75)]


def test_a_worker_s_device_and_threads_lie_over_the_config_and_change_nothing_else(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    before = as_dict(config_of_task(task))
    found = config_of_task(TrialTask(3, task.config, str(tmp_path), device="cuda:1", threads=5))
    assert (found.training.device, found.training.threads) == ("cuda:1", 5)
    assert as_dict(with_values(found, {"training.device": "cpu", "training.threads": 2})) == before
    assert task.config["training"]["threads"] is None, "the task's own values stay"
    with pytest.raises(ConfigError, match=r"^trial 3: training.device"):
        config_of_task(TrialTask(3, task.config, str(tmp_path), device="abacus"))


def test_no_trial_runs_where_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="link"):
        config_of_task(task_of(tmp_path / "link"))


def test_the_result_of_a_run_is_the_outcome_of_its_trial() -> None:
    cached = {"cache_hits": 3, "cache_misses": 4, "cache_seconds_saved": 7.5}
    assert outcome_of(result()) == TrialOutcome("complete", 0.5, 2, COST, cached)
    assert outcome_of(result(0.25, stopped=True)) == TrialOutcome("stopped", 0.25, 2, COST, cached)
    teacher = {"splits": {"dev": {"score": 0.75}, "test": {"score": 0.125}}}
    assert outcome_of(result(teacher=teacher)).extra == {**cached, TEACHER_SCORE: 0.75}
    for score in (0.625, 0.0):
        both = outcome_of(result(teacher={"splits": {"dev": {"score": score}}, "regression": score})).extra
        assert both == {**cached, TEACHER_SCORE: score, REGRESSION_SCORE: score}


def folds_task(folder: Path, folds: int = 2) -> TrialTask:
    return task_of(folder, data__fold={"number": 1, "of": folds})


def test_a_trial_by_folds_trains_one_after_the_other_and_keeps_no_weights(
    runs: Training, tmp_path: Path
) -> None:
    outcome = run_folds_trial(folds_task(tmp_path, 3), runs.report)
    assert [folder for _, folder, _ in runs.asked] == [fold_folder(tmp_path, n) for n in (1, 2, 3)]
    assert [config.data.fold.number for config, _, _ in runs.asked] == [1, 2, 3]
    assert {config.data.fold.of for config, _, _ in runs.asked} == {3}
    assert all(others == {"check_images": False} for _, _, others in runs.asked)
    assert runs.heard == [
        ("fold 1 student", 1, 0.25), (FOLD, 1, 0.25), ("fold 2 student", 1, 0.25), (FOLD, 2, 0.375),
        ("fold 3 student", 1, 0.25), (FOLD, 3, 0.5),
    ]  # fmt: skip
    assert (outcome.state, outcome.score, outcome.cost.seconds) == ("complete", 0.5, {"student": 6.0})
    assert outcome.extra["fold_scores"] == [0.25, 0.5, 0.75] and not list(tmp_path.rglob("*.safetensors"))


def test_a_fold_that_is_done_is_not_trained_again_and_its_seconds_count_once(
    runs: Training, tmp_path: Path
) -> None:
    runs.finished["fold_1"] = result(0.75)
    outcome = run_folds_trial(folds_task(tmp_path), runs.report)
    assert [folder.name for _, folder, _ in runs.asked] == ["fold_2"]
    assert outcome.score == 0.5 and outcome.cost == Cost({"student": 2.0}, 100.0, 5.0, "CPU")


@pytest.mark.parametrize(("folds", "state", "trained"), [(2, "stopped", 1), (1, "complete", 1)])
def test_a_stop_after_the_last_fold_stops_nothing(
    runs: Training, tmp_path: Path, folds: int, state: str, trained: int
) -> None:
    task = folds_task(tmp_path)
    if folds == 1:
        runs.finished["fold_1"] = result(0.75)
    answers = iter([True, False] if folds == 2 else [True, True, False])
    outcome = run_folds_trial(task, lambda *told: next(answers))
    assert (outcome.state, len(runs.asked)) == (state, trained)


def test_a_fold_that_was_stopped_stops_its_trial(runs: Training, tmp_path: Path) -> None:
    for number, found in ((1, result(0.75)), (2, result(0.25, stopped=True))):
        runs.finished[f"fold_{number}"] = found
    outcome = run_folds_trial(folds_task(tmp_path, 3), runs.report)
    assert (outcome.state, outcome.score, outcome.extra["fold_scores"]) == ("stopped", 0.75, [0.75])
    assert runs.asked == []


def test_a_fold_that_fails_says_what_all_until_then_cost(
    runs: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.finished["fold_1"] = result(0.75)

    def fails(*given: Any, **named: Any) -> Any:
        raise FloatingPointError

    monkeypatch.setattr(training, "run", fails)
    with pytest.raises(FloatingPointError) as raised:
        run_folds_trial(folds_task(tmp_path), runs.report)
    assert raised.value.__dict__["cost"].peak_memory_mb == 100.0
