"""A trial whose results were written but never received is reported again instead of trained again."""

from __future__ import annotations

import shutil

import pytest
from fold_trials import Listener
from study_helpers import coordinator, settings_of, sqlite_study

from distune.config import as_dict
from distune.training.files.run_folder import read_metrics
from distune.tuning.coordinator.leases import Lease
from distune.tuning.executors.local import LocalExecutor
from distune.tuning.trials.messages import TrialTask
from distune.tuning.trials.trial import run_trial

pytestmark = pytest.mark.slow

EPOCHS = [("teacher", 1), ("teacher", 2), ("student", 1), ("student", 2), ("student", 3)]


def task_of(config, folder, attempt=1):
    return TrialTask(0, as_dict(config), str(folder), attempt=attempt)


@pytest.fixture(scope="module")
def original(tmp_path_factory, tiny_config):
    """A finished trial that every test copies: its folder, its cache, its outcome and what it reported."""
    folder, heard = tmp_path_factory.mktemp("original"), Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTUNE_CACHE", str(folder / "cache"))
        outcome = run_trial(task_of(tiny_config(), folder / "run"), heard)
    assert [(stage, epoch) for stage, epoch, _ in heard.heard] == EPOCHS
    return folder, outcome, heard.heard


@pytest.fixture
def done(tmp_path, original, monkeypatch):
    """The outcome of a trial, what it reported, and its files."""
    folder, outcome, heard = original
    monkeypatch.setenv("DISTUNE_CACHE", str(folder / "cache"))
    shutil.copytree(folder / "run", tmp_path / "run")
    return outcome, heard, files(tmp_path / "run")


def files(folder):
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}


def test_a_finished_trial_has_the_same_outcome_and_trains_nothing(tmp_path, tiny_config, trained, done):
    outcome, heard, left = done
    again = Listener()
    assert run_trial(task_of(tiny_config(), tmp_path / "run", attempt=2), again) == outcome
    assert again.heard == heard and trained == []
    assert files(tmp_path / "run") == left, "no file was written again"


@pytest.mark.parametrize("stop_at", EPOCHS, ids=str)
def test_a_finished_trial_stops_where_it_would_have(tmp_path, tiny_config, trained, done, stop_at):
    outcome, heard, _ = done
    again = Listener(stop_at)
    stopped = run_trial(task_of(tiny_config(), tmp_path / "run", attempt=2), again)
    trained.clear()
    live = run_trial(task_of(tiny_config(), tmp_path / "live"), Listener(stop_at))
    assert again.heard == heard[: EPOCHS.index(stop_at) + 1]
    assert (stopped.state, stopped.score, stopped.best_epoch) == (live.state, live.score, live.best_epoch)
    assert stopped.cost.device == outcome.cost.device
    assert run_trial(task_of(tiny_config(), tmp_path / "run", attempt=3), Listener()) == outcome


@pytest.mark.parametrize(
    "changed", [{"student__lr": 1e-3}, {"training__accumulation": 2}, {"seed": 4}], ids=str
)
def test_a_trial_of_another_config_is_trained(tmp_path, tiny_config, trained, done, changed):
    run_trial(task_of(tiny_config(**changed), tmp_path / "run", attempt=2), Listener())
    assert [epoch for epoch in trained if epoch[0] == "student"] == EPOCHS[2:]


DAMAGES = [
    (name, damage)
    for name in ("results.json", "metrics.jsonl")
    for damage in ("torn", "empty", "gone", "foreign")
]


@pytest.mark.parametrize(("name", "damage"), [*DAMAGES, ("student.safetensors", "gone")])
def test_a_trial_whose_files_are_not_whole_is_trained(tmp_path, tiny_config, trained, done, name, damage):
    path = tmp_path / "run" / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes({"torn": whole[: len(whole) // 2], "empty": b"", "foreign": b'{"a": 1}\n'}[damage])
    again = run_trial(task_of(tiny_config(), tmp_path / "run", attempt=2), Listener())
    assert [epoch for epoch in trained if epoch[0] == "student"] == EPOCHS[2:]
    assert again.score == done[0].score and path.read_bytes()


def test_a_coordinator_hears_of_a_trial_that_its_dead_one_did_not(tmp_path, tiny_config, done):
    """Its time is that of the training, not of the look into its folder."""
    outcome, *_ = done
    settings = settings_of(tiny_config(), pruner="none")
    study = sqlite_study(tmp_path, settings)
    shutil.copytree(tmp_path / "run", tmp_path / "trials" / "trial_0000")
    before = files(tmp_path / "trials" / "trial_0000")["student.safetensors"]
    executor = LocalExecutor("distune.tuning.trials.trial:run_trial", tmp_path / "workers", threads=1)
    coordinator(study, settings, tmp_path, executor, n_trials=1, lease=Lease.new(1)).run()
    (trial,) = study.trials
    known = trial.user_attrs
    assert (trial.value, known["best_epoch"]) == (outcome.score, outcome.best_epoch)
    assert list(trial.intermediate_values.values()) == [
        record.dev_score for record in read_metrics(tmp_path / "run") if record.stage == "student"
    ]
    assert known["stage_seconds"] == outcome.cost.seconds
    assert known["seconds"] >= sum(outcome.cost.seconds.values())
    assert known["peak_memory_mb"] == outcome.cost.peak_memory_mb
    assert files(tmp_path / "trials" / "trial_0000")["student.safetensors"] == before
