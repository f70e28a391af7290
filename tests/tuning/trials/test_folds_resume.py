"""A trial by folds that was interrupted resumes where it was, with the numbers of one that was not."""

from __future__ import annotations

import shutil
import time

import pytest
from fold_trials import Listener, task_of

from distune.training.cost import cost_until
from distune.training.files import checkpoint
from distune.tuning.trials.folds import run_folds_trial
from tests.forked import forked

pytestmark = pytest.mark.slow

TEACHER, STUDENT = [("teacher", 1), ("teacher", 2)], [("student", 1), ("student", 2), ("student", 3)]


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch):
    """Tiny stages are over before a checkpoint is due; here every epoch takes one."""
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny_config):
    """Trains a config by folds in a folder of its own, each config once; gives the outcome, the reports, the folder."""
    known, cache = {}, tmp_path_factory.mktemp("cache")

    def run(**values):
        key = tuple(sorted(values.items()))
        if key not in known:
            folder, heard = tmp_path_factory.mktemp("uninterrupted"), Listener()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DISTUNE_CACHE", str(cache))
                outcome = run_folds_trial(task_of(tiny_config(**values), folder / "run"), heard)
            known[key] = outcome, heard.heard, folder / "run"
        return known[key]

    return run


def answers(folder):
    return [(folder / f"fold_{number}" / "predictions_dev.csv").read_text() for number in (1, 2)]


@pytest.mark.parametrize(
    ("stop_at", "left"),
    [
        (("fold 1 teacher", 1), [TEACHER[1], *STUDENT, *TEACHER, *STUDENT]),
        (("fold", 1), [*TEACHER, *STUDENT]),
        (("fold 2 student", 2), [STUDENT[2]]),
    ],
    ids=["in the first teacher", "between the folds", "in the second student"],
)
def test_a_trial_resumes_from_its_last_fold_and_epoch_with_equal_scores(
    tmp_path, tiny_config, uninterrupted, trained, stop_at, left
):
    expected, whole, its_folder = uninterrupted()
    folder = tmp_path / "cut"
    assert run_folds_trial(task_of(tiny_config(), folder), Listener(stop_at)).state == "stopped"
    trained.clear()
    rest = Listener()
    outcome = run_folds_trial(task_of(tiny_config(), folder, attempt=2), rest)
    assert trained == left
    assert (outcome.state, outcome.score) == ("complete", expected.score)
    assert outcome.extra["fold_scores"] == expected.extra["fold_scores"]
    assert set(rest.heard) <= set(whole) and rest.heard[-1] == whole[-1]
    assert answers(folder) == answers(its_folder)
    assert not list(folder.rglob("*.safetensors"))


def run_until_killed(task, folder):
    checkpoint.EVERY_SECONDS = 0.0

    def hang(stage, epoch, score):
        (folder / f"{stage} {epoch}").touch()
        time.sleep(60.0 if (stage, epoch) == ("fold 2 student", 2) else 0.0)
        return True

    run_folds_trial(task, hang)


def test_a_trial_killed_in_its_second_fold_resumes_with_equal_scores(
    tmp_path, tiny_config, uninterrupted, trained
):
    expected, _, its_folder = uninterrupted()
    process = forked(run_until_killed, task_of(tiny_config(), tmp_path / "killed"), tmp_path)
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "fold 2 student 2").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    trained.clear()
    outcome = run_folds_trial(task_of(tiny_config(), tmp_path / "killed", attempt=2), Listener())
    # The last checkpoint may still have been written; the first fold is not trained again.
    assert trained == STUDENT[-len(trained) :]
    assert outcome.score == expected.score
    assert answers(tmp_path / "killed") == answers(its_folder)


@pytest.fixture(scope="module")
def cut(tmp_path_factory, tiny_config):
    """A trial that was stopped in its second student, and the cache that it filled; tests must not change them."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTUNE_CACHE", str(folder / "cache"))
        run_folds_trial(task_of(tiny_config(), folder / "run"), Listener(("fold 2 student", 1)))
    return folder


@pytest.mark.parametrize("changed", [{"training__accumulation": 2}, {"student__lr": 1e-3}], ids=str)
@pytest.mark.parametrize("attempt", [1, 2])
def test_folds_of_another_config_are_trained_again(
    tmp_path, tiny_config, uninterrupted, trained, cut, monkeypatch, changed, attempt
):
    """Smaller micro-batches after running out of memory are another config."""
    expected, *_ = uninterrupted(**changed)
    monkeypatch.setenv("DISTUNE_CACHE", str(cut / "cache"))
    shutil.copytree(cut / "run", tmp_path / "used")
    trained.clear()
    outcome = run_folds_trial(task_of(tiny_config(**changed), tmp_path / "used", attempt), Listener())
    assert [epoch for epoch in trained if epoch[0] == "student"] == [*STUDENT, *STUDENT]
    assert outcome.extra["fold_scores"] == expected.extra["fold_scores"]


def test_a_trial_that_fails_in_a_later_fold_says_what_all_its_folds_cost(tmp_path, tiny_config):
    def fails(stage, epoch, score):
        if stage == "fold 2 teacher":
            raise RuntimeError("the roof fell in")
        return True

    with pytest.raises(RuntimeError) as caught:
        run_folds_trial(task_of(tiny_config(), tmp_path), fails)
    cost = cost_until(caught.value)
    assert cost.seconds["student"] > 0, "of the first fold"
    assert cost.peak_memory_mb > 100 and cost.device.startswith("CPU")
