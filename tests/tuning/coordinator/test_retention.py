from __future__ import annotations

import shutil

import pytest
from optuna.trial import TrialState, create_trial
from study_helpers import coordinator, memory_study, settings_of, training

from distune.tuning.coordinator.retention import Retention, folder_name, weights_to_drop


def trial(number, state, value=None):
    made = create_trial(state=state, value=value, user_attrs={"overrides": {}})
    made.number = number
    return made


C, P, F, R, W = (
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAIL,
    TrialState.RUNNING,
    TrialState.WAITING,
)


@pytest.mark.parametrize(
    ("trials", "keep", "dropped"),
    [
        ([(C, 0.5), (C, 0.7), (C, 0.6)], 2, [0]),
        ([(C, 0.5), (C, 0.7)], 3, []),
        ([(C, 0.5), (C, 0.5), (C, 0.5)], 1, [1, 2]),  # the earliest of equals
        ([(P, 0.9), (C, 0.1), (F, None)], 1, [0, 2]),  # a pruned trial is no best trial
        ([(R, None), (W, None), (C, 0.5)], 0, [2]),  # running and waiting ones need theirs
    ],
)
def test_weights_stay_for_the_best_and_the_running(trials, keep, dropped):
    made = [trial(number, state, value) for number, (state, value) in enumerate(trials)]
    assert weights_to_drop(made, keep) == dropped


def write(folder, number, size=1000):
    path = folder / folder_name(number)
    (path / "fold_1").mkdir(parents=True)
    for name in ("student.safetensors", "fold_1/checkpoint_student.safetensors", "metrics.jsonl"):
        (path / name).write_bytes(b"x" * size)
    return path


def test_only_weights_inside_the_study_are_deleted(tmp_path):
    outside = write(tmp_path / "other", 0)
    folder = tmp_path / "trials"
    paths = [write(folder, number) for number in range(2)]
    (paths[0] / "mine").mkdir()
    for name in ("backup.safetensors", "mine/student.safetensors"):
        (paths[0] / name).touch()
    (paths[0] / "a").symlink_to("gone")  # as a checkpoint that is replaced while it is counted
    retention = Retention(folder, keep=1)
    assert retention.bytes_used == 6000
    retention.trim([trial(0, C, 0.1), trial(1, C, 0.2), trial(2, F)])
    left = {str(p.relative_to(paths[0])) for p in paths[0].rglob("*") if p.is_file()}
    assert left == {"metrics.jsonl", "backup.safetensors", "mine/student.safetensors"}
    assert len(list(paths[1].rglob("*.safetensors"))) == 2
    assert len(list(outside.rglob("*.safetensors"))) == 2
    assert retention.bytes_used == 4000
    (paths[0] / "student.safetensors").touch()
    retention.trim([trial(0, C, 0.1), trial(1, C, 0.2)])
    assert (paths[0] / "student.safetensors").exists(), "it is looked at once"


def test_no_weights_are_deleted_where_a_link_leads_to(tmp_path):
    outside = write(tmp_path / "other", 0)
    folder = tmp_path / "trials"
    path = write(folder, 0)
    (path / "fold_2").symlink_to(outside / "fold_1")
    (folder / folder_name(1)).symlink_to(outside)
    Retention(folder, keep=1).trim([trial(0, C, 0.1), trial(1, C, 0.2), trial(2, C, 0.3)])
    assert len(list(outside.rglob("*.safetensors"))) == 2
    assert not (path / "student.safetensors").exists()


def test_disk_is_low_below_the_reserve_or_the_room_for_all_active_trials(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10_000}))
    folder = tmp_path / "trials"
    assert Retention(folder, reserve_gb=1e-5).is_low(0) is False
    assert Retention(folder, reserve_gb=2e-5).is_low(0) is True
    retention = Retention(folder, reserve_gb=0.0)
    retention.measure(write(folder, 0, size=1000))
    assert [retention.is_low(active) for active in range(4)] == [False, False, False, True]
    both = Retention(folder, reserve_gb=5e-6)
    assert [both.is_low(active) for active in range(4)] == [False, False, False, True], (
        "the larger one of both"
    )
    folder = tmp_path / "study" / "trials"
    both = Retention(folder, reserve_gb=5e-6)
    shutil.rmtree(folder.parent, ignore_errors=True)
    assert both.is_low(0) is False and folder.is_dir(), "it may be deleted in mid-study"


def test_a_study_keeps_the_weights_of_its_best_three(tmp_path):
    settings = settings_of(pruner="none")
    study = memory_study(settings)

    def saves(task):
        task.path.mkdir(parents=True)
        (task.path / "student.safetensors").write_bytes(b"weights")
        yield from training(task)

    coordinator(study, settings, tmp_path, saves, n_trials=8, workers=2).run()
    best = sorted(study.trials, key=lambda t: -t.value)[:3]
    kept = {path.parent.name for path in (tmp_path / "trials").rglob("*.safetensors")}
    assert kept == {folder_name(t.number) for t in best}
    assert all(t.user_attrs["disk_mb"] == pytest.approx(7e-6) for t in study.trials)
