from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from closed_form_trials import score_at
from optuna.trial import TrialState
from postgresql import NoPostgreSQL, running_server

from distune.tuning.storage import claim, open_storage
from distune.tuning.summary import config_of

HERE = Path(__file__).parent
COORDINATORS = 4
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@pytest.fixture(scope="module")
def server():
    try:
        with running_server() as found:
            yield found
    except NoPostgreSQL as error:
        pytest.skip(str(error))


def start(folder, n_trials, url, function):
    command = [sys.executable, str(HERE / "tune_process.py"), str(folder), str(n_trials), "1", function]
    return subprocess.Popen(
        [*command, f"storage={url}", f"study_name={folder.name}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "EPOCH_SECONDS": "0.02"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(processes):
    """What the processes print; all of them must find that the study is finished."""
    outputs = [process.communicate(timeout=90)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0 and "reason finished" in output, output
    return "\n".join(outputs)


def check(study, n_trials):
    """Exactly the wanted trials are finished, each once and with the scores of its parameters; none is left."""
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state in FINISHED]
    assert len(finished) == n_trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    others = [trial.user_attrs.get("failure_kind") for trial in trials if trial not in finished]
    assert set(others) <= {"surplus"}, "nothing runs, waits or failed"
    for trial in finished:
        config = config_of(study, trial).model_dump()
        for epoch, score in trial.intermediate_values.items():
            assert score == score_at(config, epoch)
    assert len({tuple(trial.params.values()) for trial in finished}) == n_trials


def test_four_coordinators_share_a_study_and_wait_out_a_stopped_server(server, tmp_path):
    folder = tmp_path / "shared"
    processes = [start(folder, 24, server.url, "slow") for _ in range(COORDINATORS)]
    study = wait_for_trials(server, "shared", 6)
    server.stop()
    time.sleep(3.0)
    assert all(process.poll() is None for process in processes)
    server.start()
    output = finish(processes)
    check(study, 24)
    log = (folder / "shared" / "study.log").read_text()
    assert "storage does not answer" in log
    owners = {trial.user_attrs["coordinator"] for trial in study.get_trials() if trial.state in FINISHED}
    assert len(owners) == COORDINATORS, "all of them took part"
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {"study.log", "study_summary.json", "best_config.yaml"} <= {path.name for path in written}
    for path in written:
        assert server.password.encode() not in path.read_bytes(), path
    assert server.password not in output and "distune:***@127.0.0.1" in log


def wait_for_trials(server, name, finished):
    """The study, once it has some finished trials."""
    storage = open_storage(server.url)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.05)
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError:
            continue
        if len(study.get_trials(deepcopy=False, states=FINISHED)) >= finished:
            return study
    raise AssertionError("the study never got that far")


def test_one_of_many_claimants_wins_and_may_ask_again(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="claims")
    trial = study.ask()
    assert claim(storage, trial._trial_id, "coordinator", None, "a")
    assert not claim(storage, trial._trial_id, "coordinator", None, "b")
    assert claim(storage, trial._trial_id, "coordinator", "a", "b")
    assert not claim(storage, trial._trial_id, "coordinator", "a", "c")


def test_a_wrong_password_is_refused_without_being_shown(server):
    from distune.errors import UserError

    wrong = server.url.replace(server.password, "hunter2")
    with pytest.raises(UserError, match=r"cannot be opened: .*authentication failed") as caught:
        open_storage(wrong)
    assert "hunter2" not in str(caught.value)
