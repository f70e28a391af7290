from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import optuna
import psutil
import pytest
from closed_form_trials import score_at
from optuna.trial import TrialState
from study_helpers import base_config, states, tune_request
from tune_process import start

from distune.config import StudyConfig, load_config, parse_config, with_values
from distune.errors import UserError
from distune.tuning import tune as tuning
from distune.tuning.coordinator.leases import Lease, this_host
from distune.tuning.study.names import study_to_continue
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import open_storage
from distune.tuning.study_dataset import Inspection
from distune.tuning.summary import config_of_trial
from distune.tuning.tune import TrialFunctions, TuneRequest, search_space, tune
from distune.utils.files.sealed_files import read_sealed
from tests.stand_ins import refusing_as

QUICK = TrialFunctions("closed_form_trials:quick")


def request(folder, **options):
    defaults = {
        "config": base_config(),
        "n_trials": 4,
        "logs": folder,
        "dataset": "sha256:0",
        "trial_function": "closed_form_trials:quick",
    }
    return tune_request(**{**defaults, **options})


def study_in(folder, name="study"):
    return optuna.load_study(study_name=name, storage=open_storage(f"sqlite:///{folder}/{name}.db"))


@pytest.mark.slow
def test_a_study_from_a_config_to_its_files(tmp_path, capsys):
    result = tune(request(tmp_path, workers=2, config_path="config/demo.yaml"))
    assert result.reason == "finished" and result.failure is None
    name = result.study_name
    assert name.startswith("medpix_tuning_20") and result.folder == tmp_path / name
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.db"]
    assert {p.name for p in result.folder.iterdir()} == {
        "best_config.yaml", "study.log", "study_summary.json", "trials", "workers",
    }  # fmt: skip
    assert {p.name for p in (result.folder / "trials").iterdir()} == {f"trial_000{n}" for n in range(4)}
    summary = json.loads((result.folder / "study_summary.json").read_text())
    assert summary["trials"]["finished"] == 4 and summary["config_path"] == "config/demo.yaml"
    assert (summary["storage"], summary["reason"]) == (f"sqlite:///{tmp_path}/{name}.db", "finished")
    assert result.best_config == result.folder / "best_config.yaml"
    assert score_at(load_config(result.best_config).model_dump(), 4) == pytest.approx(
        summary["best"]["value"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("4/4 trials | ") and "0 failed | 0 running | best 0." in lines[-1]
    log = (result.folder / "study.log").read_text()
    assert "trial 3: student epoch 4" in log and "finished" in log


@pytest.mark.slow
def test_the_same_command_resumes_an_unfinished_study_or_else_makes_a_new_one(tmp_path):
    first = tune(request(tmp_path, n_trials=30, timeout=0.5, trial_function="closed_form_trials:slow"))
    assert first.reason == "timeout"
    again = tune(request(tmp_path, n_trials=5))
    assert (again.study_name, again.summary["trials"]["finished"]) == (first.study_name, 5)
    time.sleep(1.1)  # names are by the second
    other_question = tune(request(tmp_path, n_trials=30, config=base_config(student__epochs=3), timeout=0.0))
    assert other_question.study_name != first.study_name
    time.sleep(1.1)
    done = tune(request(tmp_path, n_trials=5))
    assert done.study_name not in (first.study_name, other_question.study_name)


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
@pytest.mark.parametrize(("silent", "resumes"), [(86_400.0, True), (1.0, False)])
def test_after_a_restart_of_the_machine_the_same_command_resumes(tmp_path, caplog, silent, resumes):
    """The lease of before names another boot of this host: only its last beat tells whether somebody works on it."""
    name = tune(request(tmp_path, n_trials=2)).study_name
    study = study_in(tmp_path, name)
    lease = replace(Lease.new(1), host=f"{this_host()}/before", seen=time.time() - silent)
    study.set_user_attr(f"coordinator:{lease.coordinator}", lease.__dict__)
    question = search_space(base_config(), StudyConfig())
    settings = StudySettings(base_config(), question, "sha256:0")
    assert study_to_continue(tmp_path, None, settings, 4) == (name if resumes else None)
    assert (f"--study-name {name}" in caplog.text) is (not resumes)
    caplog.clear()
    assert study_to_continue(tmp_path, None, settings, 2) is None
    assert caplog.text == "", "it has its trials: there is nothing to resume"


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_what_comes_of_a_study(tmp_path, monkeypatch):
    audited = Inspection("sha256:0", {"findings": []})
    monkeypatch.setattr(tuning, "_dataset", refusing_as(tuning._dataset, lambda *_: audited))
    result = tune(request(tmp_path, n_trials=1, name="s"))
    assert (result.study_name, result.folder, result.reason, result.failure) == (
        "s",
        tmp_path / "s",
        "finished",
        None,
    )
    assert result.best_config == tmp_path / "s/best_config.yaml" and result.best_config.is_file()
    assert read_sealed(tmp_path / "s/audit.json") == {"findings": []}
    assert json.loads((tmp_path / "s/study_summary.json").read_text()).items() >= result.summary.items()
    looked = []
    stand_in = refusing_as(tuning.study_to_continue, lambda *given: looked.append(given))
    monkeypatch.setattr(tuning, "study_to_continue", stand_in)
    for strategy, teacher in (("joint", None), ("staged", "teacher")):
        logs = tmp_path / strategy
        none = tune(request(logs, n_trials=3, timeout=0.0, strategy=strategy))
        assert (none.reason, none.best_config, none.failure) == ("timeout", None, None)
        place, storage, settings, wanted, of_teachers = looked.pop()
        assert (place, storage, wanted) == (logs, None, 3) and none.study_name.startswith("medpix_tuning_20")
        assert getattr(of_teachers, "strategy", None) == teacher and settings.strategy == strategy


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_an_existing_study_on_another_question_is_refused_and_can_be_forked(tmp_path):
    tune(request(tmp_path, study_name="study"))
    changed = base_config(search_space={"alpha": {"type": "float", "low": 0.5, "high": 1.9}})
    with pytest.raises(UserError, match=r"alpha: .* high 2.0 .* high 1.9"):
        tune(request(tmp_path, study_name="study", config=changed))
    result = tune(request(tmp_path, study_name="study", config=changed, fork="narrow", n_trials=6))
    assert (result.study_name, result.summary["trials"]["complete"]) == ("narrow", 6)
    again = tune(request(tmp_path, study_name="study", config=changed, fork="narrow", n_trials=7))
    assert again.summary["trials"]["complete"] == 7
    with pytest.raises(UserError, match="there is no file"):
        tune(request(tmp_path, study_name="nothing", fork="x"))
    with pytest.raises(UserError, match="fork: name the study"):
        tune(request(tmp_path, fork="x"))


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_a_study_keeps_its_sampler_unless_asked_otherwise(tmp_path):
    tune(request(tmp_path, study_name="study", sampler="random", pruner="none", n_trials=1))
    tune(request(tmp_path, study_name="study", n_trials=2))
    assert study_in(tmp_path).user_attrs["sampler"] == "random"
    tune(request(tmp_path, study_name="study", sampler="qmc", n_trials=3))
    known = study_in(tmp_path).user_attrs
    assert (known["sampler"], known["pruner"]) == ("qmc", "none")


@pytest.mark.slow
def test_no_secret_of_the_storage_is_shown_or_written(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/study.db?auth_token=hunter2"
    try:
        tune(request(tmp_path, study_name="study", storage=url, n_trials=1))
    except UserError as error:
        assert "hunter2" not in str(error)
    shown = capsys.readouterr()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert "hunter2" not in shown.out + shown.err
    assert not any(b"hunter2" in text for text in written)


@pytest.mark.slow
def test_failures_end_in_the_result_and_keep_the_traceback(tmp_path):
    result = tune(request(tmp_path, study_name="study", trial_function="closed_form_trials:broken"))
    assert result.reason == "failed_alike" and result.best_config is None
    assert result.failure.kind == "crash" and result.failure.message == "division by zero"
    failed = study_in(tmp_path).trials[0].user_attrs
    assert "ZeroDivisionError: division by zero" in failed["failure_output"]
    assert "about to divide" in failed["failure_output"]


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
@pytest.mark.parametrize(
    ("epochs", "pruner", "is_told"), [(3, "median", True), (4, "median", False), (3, "none", False)]
)
def test_a_pruner_that_can_stop_no_trial_is_named(tmp_path, epochs, pruner, is_told):
    tune(
        request(
            tmp_path,
            study_name="study",
            config=base_config(student__epochs=epochs),
            pruner=pruner,
            n_trials=1,
        )
    )
    told = f"pruner {pruner}: {epochs} epochs are too few for it to stop a trial"
    assert (told in (tmp_path / "study" / "study.log").read_text()) is is_told


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "tpee"},
        {"pruner": "mean"},
        {"only": ("lr",)},
        {"study_name": "../x"},
        {"study_name": "s.db"},
        {"study_name": "s.db-wal"},
        {"study_name": "old", "fork": "s.DB"},
        {"storage": "no database"},
        {"storage": "sqlite://"},
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(tmp_path, options):
    with pytest.raises(UserError):
        tune(request(tmp_path / "logs", **options))
    assert not (tmp_path / "logs").exists()


def finish(process):
    code, output = process.ended()
    assert code == 0, output
    return output


def wait_for(condition, seconds=30.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")


def is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def epochs_done(folder):
    return [
        len(json.loads(p.read_text())) for p in sorted((folder / "study" / "trials").glob("*/state.json"))
    ]


def check_scores(study):
    """Every recorded score is what its parameters give, and every trial has all its epochs once."""
    base = parse_config(study.user_attrs["base_config"])
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
        config = config_of_trial(study, trial).model_dump()
        assert config == with_values(base, trial.user_attrs["overrides"]).model_dump()
        for epoch, score in trial.intermediate_values.items():
            assert score == score_at(config, epoch)
        if trial.state == TrialState.COMPLETE:
            assert trial.value == score_at(config, 6)
            assert list(trial.intermediate_values) == [1, 2, 3, 4, 5, 6]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The points of a study that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    config = base_config(student__epochs=6)
    tune(request(folder, config=config, n_trials=7, study_name="study", pruner="none"))
    study = study_in(folder)
    check_scores(study)
    return [(trial.params, trial.value) for trial in study.trials]


def start_until_held(folder):
    """A study of seven trials whose third one is in the middle and does not continue by itself."""
    process = start(folder, 7, function="held", pruner="none")
    wait_for((folder / "study" / "trials" / "trial_0002" / "held").exists, seconds=120.0)
    return process


def go(folder):
    (folder / "study" / "trials" / "go").touch()


def go_on(folder):
    """The same command again, until the study has its trials."""
    tune(request(folder, config=base_config(student__epochs=6), n_trials=7, study_name="study"))
    return study_in(folder)


@pytest.mark.slow
def test_a_killed_coordinator_s_study_resumes_as_if_nothing_had_happened(tmp_path, undisturbed):
    first = start_until_held(tmp_path)
    workers = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    assert workers
    wait_for(lambda: all(is_gone(worker) for worker in workers))
    assert states(study_in(tmp_path)) == {"COMPLETE": 2, "RUNNING": 1}
    study = go_on(tmp_path)
    assert states(study) == {"COMPLETE": 7}
    assert [(trial.params, trial.value) for trial in study.trials] == undisturbed
    assert study.trials[2].user_attrs["attempts"] == 2
    check_scores(study)


@pytest.mark.slow
def test_a_killed_worker_s_trial_resumes_where_it_was(tmp_path, undisturbed):
    process = start_until_held(tmp_path)
    for child in psutil.Process(process.pid).children():
        child.kill()
    go(tmp_path)
    finish(process)
    study = study_in(tmp_path)
    assert [(trial.params, trial.value) for trial in study.trials] == undisturbed
    assert [trial.user_attrs["attempts"] for trial in study.trials] == [1, 1, 2, 1, 1, 1, 1]
    check_scores(study)


@pytest.mark.slow
def test_a_signal_ends_a_study_in_order(tmp_path, undisturbed):
    process = start_until_held(tmp_path)
    process.send_signal(signal.SIGTERM)
    go(tmp_path)
    assert "reason interrupted" in finish(process)
    study = study_in(tmp_path)
    assert states(study) == {"COMPLETE": 2, "WAITING": 1}
    assert (tmp_path / "study" / "best_config.yaml").exists()
    summary = json.loads((tmp_path / "study" / "study_summary.json").read_text())
    assert (summary["reason"], summary["trials"]["waiting"]) == ("interrupted", 1)
    assert len(study.trials[2].intermediate_values) == epochs_done(tmp_path)[2] == 3
    study = go_on(tmp_path)
    assert [(trial.params, trial.value) for trial in study.trials] == undisturbed
    assert [session["reason"] for session in study.user_attrs["sessions"]] == ["interrupted", "finished"]


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_for_the_epoch(tmp_path, undisturbed):
    process = start_until_held(tmp_path)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    log = tmp_path / "study" / "study.log"
    wait_for(lambda: "interrupted" in log.read_text())
    assert process.poll() is None and all(not is_gone(worker) for worker in workers)
    process.send_signal(signal.SIGINT)
    assert "reason interrupted" in finish(process)
    assert all(is_gone(worker) for worker in workers)
    assert states(study_in(tmp_path)) == {"COMPLETE": 2, "WAITING": 1}
    assert epochs_done(tmp_path)[2] == 2
    assert [(trial.params, trial.value) for trial in go_on(tmp_path).trials] == undisturbed


@pytest.mark.slow
def test_two_coordinators_on_one_sqlite_study_share_its_budget(tmp_path):
    processes = [start(tmp_path, 8, function="quick", pruner="none", as_threads=True) for _ in range(2)]
    for process in processes:
        assert "reason finished" in finish(process)
    study = study_in(tmp_path)
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(complete) == 8
    assert all(t.user_attrs["failure_kind"] == "surplus" for t in study.trials if t not in complete)
    check_scores(study)


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_a_study_section_is_no_part_of_what_a_study_is_about(tmp_path):
    """A study from before there was one continues with a config that has one, and a trial's config knows none."""
    first = tune(request(tmp_path, study_name="study", n_trials=2))
    assert "study" not in study_in(tmp_path).user_attrs["base_config"]
    in_the_file = with_values(base_config(), {"study": {"name": "study", "n_trials": 3, "keep_best": 1}})
    again = tune(TuneRequest(in_the_file, logs=tmp_path, dataset="sha256:0", functions=QUICK))
    assert again.study_name == first.study_name and again.summary["trials"]["finished"] == 3
    assert "study" not in again.best_config.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_the_epochs_of_a_trial_are_those_of_the_section(tmp_path):
    result = tune(request(tmp_path, n_trials=1, student_epochs=2, teacher_epochs=1))
    best = load_config(result.best_config)
    assert (best.student.epochs, best.teacher.epochs) == (2, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("virtual_workers")
def test_a_study_whose_sampler_is_gone_names_the_others(tmp_path):
    tune(request(tmp_path, study_name="study", n_trials=1))
    study_in(tmp_path).set_user_attr("sampler", "cmaes")
    with pytest.raises(UserError, match="--sampler"):
        tune(request(tmp_path, study_name="study", n_trials=2))
    assert tune(request(tmp_path, study_name="study", n_trials=2, sampler="tpe")).reason == "finished"
