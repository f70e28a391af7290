from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from closed_form_trials import score_at
from optuna.trial import TrialState, create_trial
from study_helpers import base_config, coordinator, memory_study, settings_of, training, tune_request

from distune.config import as_dict, load_config
from distune.errors import UserError
from distune.tuning.coordinator.leases import PREFIX, Lease
from distune.tuning.summary import best_trial, config_of_trial, write_summary
from distune.tuning.tune import tune


@pytest.mark.slow
def test_the_summary_says_what_happened_and_the_best_config_runs_as_it_is(tmp_path):
    settings = settings_of(base_config(training__batch_size=4))
    study = memory_study(settings)

    def script(task):
        if task.number == 2:
            raise MemoryError("none left")
        yield from training(task)

    coordinator(study, settings, tmp_path, script, n_trials=12).run()
    url = "postgresql+psycopg://me:***@db/x"
    summary = write_summary(study, tmp_path, storage=url, reason="finished")
    assert json.loads((tmp_path / "study_summary.json").read_text()).items() >= summary.items()
    trials = summary["trials"]
    assert trials["finished"] == trials["complete"] + trials["pruned"] == 12
    assert (trials["failed"], trials["running"], trials["waiting"]) == (1, 0, 0)
    assert summary["failures"] == {"out_of_memory": 1}
    assert (summary["student_epochs"], summary["sampler"], summary["reason"]) == (4, "tpe", "finished")
    assert summary["storage"] == url
    best = max((t for t in study.trials if t.state == TrialState.COMPLETE), key=lambda t: t.value)
    assert (summary["best"]["number"], summary["best"]["value"]) == (best.number, best.value)
    assert summary["best"]["params"] == best.params
    assert summary["base"]["value"] == study.trials[0].value
    assert summary["seconds"]["mean_complete"] == 50.0 and summary["seconds"]["mean_pruned"] < 50.0
    assert summary["machine"]["devices"] == ["virtual"]
    config = load_config(tmp_path / "best_config.yaml")
    assert score_at(config.model_dump(), 4) == pytest.approx(best.value)
    assert (config.training.batch_size, config.student.epochs) == (4, 4)
    assert config == config_of_trial(study, best)
    study.add_trial(create_trial(value=1e9, user_attrs={"overrides": {"student.lr": 0.125}}))
    write_summary(study, tmp_path)
    assert load_config(tmp_path / "best_config.yaml").student.lr == 0.125, "a resumed study has another best"


def test_without_a_complete_trial_there_is_no_best_config(tmp_path):
    settings = settings_of()
    study = memory_study(settings)

    def script(task):
        raise RuntimeError("no")
        yield

    coordinator(study, settings, tmp_path, script, n_trials=2).run()
    summary = write_summary(study, tmp_path, reason="failed_alike")
    assert summary["best"] is None and summary["base"] is None
    assert summary["note"] == "no trial is complete, so there is no best config"
    assert not (tmp_path / "best_config.yaml").exists() and "best_config" not in summary["files"]
    assert best_trial(study.trials) is None


def test_the_best_of_equals_is_the_earliest_and_a_pruned_trial_is_never_best(tmp_path):
    settings = settings_of()
    study = memory_study(settings)
    for state, value in (("PRUNED", 0.9), ("COMPLETE", 0.5), ("COMPLETE", 0.7), ("COMPLETE", 0.7)):
        from optuna.trial import create_trial

        own = {"overrides": {}}
        study.add_trial(create_trial(state=TrialState[state], value=value, user_attrs=own))
    assert best_trial(study.trials).number == 2


def test_a_trial_that_ran_with_smaller_parts_keeps_them_in_the_best_config(tmp_path):
    settings = settings_of()
    study = memory_study(settings)

    def script(task):
        if task.config["training"]["accumulation"] == 1:
            raise MemoryError("too big")
        yield from training(task)

    coordinator(study, settings, tmp_path, script, n_trials=1, on_oom="retry").run()
    write_summary(study, tmp_path)
    config = load_config(tmp_path / "best_config.yaml")
    assert config.training.accumulation == 2
    assert as_dict(config)["teacher"] == as_dict(settings.base)["teacher"]


@pytest.mark.slow
def test_coordinators_that_end_together_write_whole_files(tmp_path):
    settings = settings_of()
    study = memory_study(settings)
    coordinator(study, settings, tmp_path, n_trials=2).run()
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: write_summary(study, tmp_path), range(80)))
    assert json.loads((tmp_path / "study_summary.json").read_text()).items() >= written[-1].items()
    assert load_config(tmp_path / "best_config.yaml") == config_of_trial(study, best_trial(study.trials))
    assert {path.name for path in tmp_path.iterdir()} == {"study_summary.json", "best_config.yaml", "trials"}


def test_wall_time_counts_coordinators_that_overlap_once_and_pauses_not_at_all(tmp_path):
    study = memory_study(settings_of())
    for name, started, seen in (
        ("a", 100.0, 160.0),
        ("b", 130.0, 150.0),
        ("c", 150.0, 200.0),
        ("d", 500.0, 510.0),
    ):
        lease = Lease(name, "host", 1, 0.0, started=started, seen=seen)
        study.set_user_attr(PREFIX + name, lease.__dict__)
    found = write_summary(study, tmp_path)
    assert found["seconds"]["wall"] == 110.0
    machine = found["machine"]
    assert (machine["peak_memory_mb"], machine["peak_device_mb"], machine["disk_mb"]) == (0.0, 0.0, 0)
    study.add_trial(create_trial(value=0.5, user_attrs={"overrides": {}}))
    machine = write_summary(study, tmp_path)["machine"]
    assert (machine["peak_memory_mb"], machine["peak_device_mb"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "name", ["study_summary.json", "best_config.yaml", "report.md", "report.html", "base_config.yaml"]
)
def test_what_no_file_can_replace_is_named_before_the_study_begins(tmp_path, name):
    place = tmp_path / "s" / name
    place.parent.mkdir()
    os.mkfifo(place)
    with pytest.raises(OSError, match="regular") as refused:
        tune(tune_request(config=base_config(), n_trials=1, logs=tmp_path, name="s", dataset="sha256:0"))
    assert refused.value.filename == str(place) and not (tmp_path / "s.db").exists()


def test_a_study_that_lost_its_base_config_is_named(tmp_path):
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(value=0.5, user_attrs={"overrides": {}}))
    with pytest.raises(UserError, match="base config"):
        write_summary(study, tmp_path)


def test_a_summary_adds_up_what_its_trials_say(tmp_path):
    study = memory_study(settings_of())
    for state, value, about in (
        ("COMPLETE", 0.5, {"baseline": True, "fixed_params": {"alpha": 9.0}, "seconds": 10.0, "device": "cpu",
                           "peak_memory_mb": 100.0, "peak_device_mb": 50.0, "disk_mb": 1.0, "folder": "a"}),
        ("COMPLETE", 0.7, {"seconds": 30.0, "device": "cuda:0", "peak_memory_mb": 300.0, "disk_mb": 2.0,
                           "best_epoch": 3, "folder": "b", "teacher_score": 0.4}),
        ("COMPLETE", 0.6, {"seconds": 600.0, "copied_from": ["old", 3]}),
        ("PRUNED", None, {"seconds": 4.0, "device": "cpu", "peak_device_mb": 20.0}),
        ("PRUNED", None, {}),
        ("FAIL", None, {"seconds": 900.0, "failure_kind": "crash"}),
    ):  # fmt: skip
        attributes = {"overrides": {}, **about}
        study.add_trial(create_trial(state=TrialState[state], value=value, user_attrs=attributes))
    found = write_summary(study, tmp_path, reason="timeout")
    assert json.loads((tmp_path / "study_summary.json").read_text()).items() >= found.items()
    assert found["trials"] == {
        "finished": 5, "complete": 3, "pruned": 2, "running": 0, "waiting": 0, "failed": 1,
    }  # fmt: skip
    assert found["seconds"] == {"wall": 0.0, "mean_complete": 20.0, "mean_pruned": 4.0}
    machine = {
        key: found["machine"][key] for key in ("devices", "peak_memory_mb", "peak_device_mb", "disk_mb")
    }
    assert machine == {
        "devices": ["cpu", "cuda:0"], "peak_memory_mb": 300.0, "peak_device_mb": 50.0, "disk_mb": 3.0,
    }  # fmt: skip
    best, base = found["best"], found["base"]
    assert (best["number"], best["value"], best["best_epoch"], best["folder"]) == (1, 0.7, 3, "b")
    assert "teacher" in best["teacher_warning"] and base["teacher_warning"] is None
    assert (base["number"], base["params"], found["note"]) == (0, {"alpha": 9.0}, None)
    assert found["files"] == {
        "summary": str(tmp_path / "study_summary.json"), "log": str(tmp_path / "study.log"),
        "trials": str(tmp_path / "trials"), "best_config": str(tmp_path / "best_config.yaml"),
    }  # fmt: skip
