from __future__ import annotations

import math
import signal
import threading
import time
from contextlib import contextmanager

import optuna
import pytest
from closed_form_trials import score_at
from mariadb import MariaDB
from optuna.storages._rdb.models import StudyUserAttributeModel as Attribute
from optuna.trial import TrialState
from postgresql import PostgreSQL
from servers import NoServer, running
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from tune_process import start

from distune.errors import UserError
from distune.tuning.coordinator.failures import TAIL
from distune.tuning.study import read_only, slow_answers
from distune.tuning.study import storage as storage_module
from distune.tuning.study.read_only import reading
from distune.tuning.study.storage import engine_options, open_storage
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.study.transactions import claim, delete_scores, requeue_if_owned
from distune.tuning.summary import config_of_trial

pytestmark = pytest.mark.slow

COORDINATORS = 3
N_TRIALS = 9
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB], ids=lambda kind: kind.__name__)
def server(request):
    try:
        with running(request.param) as found:
            yield found
    except NoServer as error:
        pytest.skip(str(error))


def coordinator(folder, url):
    options = {"storage": url, "study_name": folder.name, "as_threads": True}
    return start(folder, N_TRIALS, function="all_held", epoch_seconds=0.02, **options)


def finish(processes):
    """What the processes print; all of them must find that the study is finished."""
    ends = [process.ended() for process in processes]
    for code, output in ends:
        assert code == 0 and "reason finished" in output, output
    return "\n".join(output for _, output in ends)


def check(study, n_trials):
    """Exactly the wanted trials are finished, each once and with the scores of its parameters; none is left."""
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state in FINISHED]
    assert len(finished) == n_trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    others = [trial.user_attrs.get("failure_kind") for trial in trials if trial not in finished]
    assert set(others) <= {"surplus"}, "nothing runs, waits or failed"
    for trial in finished:
        config = config_of_trial(study, trial).model_dump()
        for epoch, score in trial.intermediate_values.items():
            assert score == score_at(config, epoch)
    assert len({tuple(trial.params.values()) for trial in finished}) == n_trials


def test_coordinators_wait_out_a_stopped_server_and_ctrl_c_ends_one_that_waits(server, tmp_path):
    folder = tmp_path / "shared"
    processes = [coordinator(folder, server.url) for _ in range(COORDINATORS)]
    study = until_held(server, "shared", processes)
    log = folder / "shared" / "study.log"
    server.stop()
    ended = processes.pop()
    ended.send_signal(signal.SIGINT)
    code, said = ended.ended()
    assert code == 2 and "Traceback" not in said, said
    assert "does not answer" in said
    go(folder)
    wait_for(lambda: log.read_text().count("storage does not answer") >= COORDINATORS)
    assert all(process.poll() is None for process in processes)
    server.start()
    output = finish(processes) + said
    check(study, N_TRIALS)
    owners = {trial.user_attrs["coordinator"] for trial in study.get_trials() if trial.state in FINISHED}
    assert len(owners) == COORDINATORS - 1, "all that were left took part, and one took the trial over"
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {"study.log", "study_summary.json", "best_config.yaml"} <= {path.name for path in written}
    for path in written:
        assert server.password.encode() not in path.read_bytes(), path
    assert server.password not in output and "distune:***@127.0.0.1" in log.read_text()


def go(folder):
    (folder / folder.name / "trials" / "go").touch()


def wait_for(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)


def until_held(server, name, processes):
    """The study, once each coordinator has a trial in the middle of which it stays."""
    storage = open_storage(server.url)

    def are_held():
        assert all(process.poll() is None for process in processes)
        if name not in optuna.get_all_study_names(storage):
            return False
        trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
        owners = {trial.user_attrs["coordinator"] for trial in trials if 2 in trial.intermediate_values}
        return len(owners) == len(processes)

    wait_for(are_held)
    return optuna.load_study(study_name=name, storage=storage)


def test_one_of_many_claimants_wins_and_may_ask_again(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="claims")
    trial_id = study.ask()._trial_id
    for old in (None, "0"):
        won: list[str] = []
        barrier = threading.Barrier(6)

        def run(name, old=old, won=won, barrier=barrier):
            barrier.wait()
            if StorageRetry()(lambda: claim(storage, trial_id, "coordinator", old, name)):
                won.append(name)

        together([lambda name=name: run(name) for name in "123456"])
        owner = storage.get_trial(trial_id).user_attrs["coordinator"]
        assert won == [owner]
        assert claim(storage, trial_id, "coordinator", owner, owner), "its answer may have been lost"
        assert claim(storage, trial_id, "coordinator", owner, "0")
        assert not claim(storage, trial_id, "coordinator", owner, "late")


def test_a_trial_is_left_by_its_owner_alone_who_may_ask_again(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="left")
    trial_id = study.ask()._trial_id
    claim(storage, trial_id, "coordinator", None, "a")
    assert not requeue_if_owned(storage, trial_id, "coordinator", "b")
    assert storage.get_trial(trial_id).state == TrialState.RUNNING
    assert requeue_if_owned(storage, trial_id, "coordinator", "a")
    assert storage.get_trial(trial_id).state == TrialState.WAITING
    assert requeue_if_owned(storage, trial_id, "coordinator", "a"), "its answer may have been lost"
    claim(storage, trial_id, "coordinator", "a", "b")
    assert not requeue_if_owned(storage, trial_id, "coordinator", "a")


def together(calls):
    threads = [threading.Thread(target=call) for call in calls]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def test_a_transaction_that_a_deadlock_ends_is_repeated(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="deadlock")
    for key in "ab":
        study.set_user_attr(key, 0)
    both_hold_one = threading.Barrier(2)
    attempts: list[str] = []

    def write(first, second):
        attempts.append(first)
        with Session(storage.engine) as session, session.begin():
            for key in (first, second):
                where = (Attribute.study_id == study._study_id, Attribute.key == key)
                session.execute(update(Attribute).where(*where).values(value_json=f'"{first}"'))
                if key == first and attempts.count(first) == 1:
                    both_hold_one.wait(timeout=60)

    together(
        [lambda: StorageRetry()(lambda: write("a", "b")), lambda: StorageRetry()(lambda: write("b", "a"))]
    )
    assert len(attempts) == 3
    assert study.user_attrs == dict.fromkeys("ab", attempts[-1])


def test_what_another_coordinator_wrote_meanwhile_is_seen_and_may_be_written_over(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="meanwhile")
    study.set_user_attr("a", 0)
    its_value = select(Attribute).where(Attribute.study_id == study._study_id)
    with Session(storage.engine) as session, session.begin():
        assert session.scalars(its_value).one().value_json == "0"
        together([lambda: study.set_user_attr("a", 1)])
        session.expire_all()
        assert session.scalars(its_value).one().value_json == "1"
        together([lambda: study.set_user_attr("a", 2)])
        session.scalars(its_value).one().value_json = "3"
    assert study.user_attrs == {"a": 3}


def test_scores_and_parameters_are_kept_bit_by_bit_and_forgotten_together(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="scores")
    trial = study.ask()
    scores = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, math.inf, -math.inf]
    for epoch, score in enumerate(scores):
        trial.report(score, epoch)
    trial.report(math.nan, len(scores))
    alpha = trial.suggest_float("alpha", 0.0, 1.0)
    found = storage.get_trial(trial._trial_id)
    *kept, last = found.intermediate_values.values()
    assert kept == scores and math.isnan(last) and found.params == {"alpha": alpha}
    delete_scores(storage, trial._trial_id)
    assert storage.get_trial(trial._trial_id).intermediate_values == {}


def test_the_longest_output_of_a_failure_fits_and_what_does_not_fit_is_refused_at_once(server):
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="long")
    output = "\N{SNOWMAN WITHOUT SNOW}\N{GRINNING FACE}" * (TAIL // 2)
    trial = study.ask()
    trial.set_user_attr("failure_output", output)
    assert storage.get_trial(trial._trial_id).user_attrs == {"failure_output": output}
    with pytest.raises(UserError, match=r"refuses a value"):
        StorageRetry()(lambda: study.set_user_attr("k" * 1000, 0))


def test_what_another_program_has_locked_is_not_waited_for_without_end_or_a_word(server, monkeypatch, caplog):
    monkeypatch.setattr(slow_answers, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(slow_answers, "waiting_for", slow_answers.Watch())
    lock = (
        "LOCK TABLES studies WRITE"
        if "mysql" in server.url
        else "LOCK TABLE studies IN ACCESS EXCLUSIVE MODE"
    )
    monkeypatch.setattr(storage_module, "LOCK_SECONDS", 1)
    monkeypatch.setattr(read_only, "LOCK_SECONDS_OF_READERS", 1)
    storage = open_storage(server.url)
    with reading(server.url) as readable, open_storage(server.url).engine.connect() as other:
        other.execute(text(lock))
        with pytest.raises(UserError, match=r"does not answer.*[Ll]ock"):
            StorageRetry(limit=0.0)(storage.get_all_studies)
        with pytest.raises(UserError, match="cannot be read"):
            readable.get_all_studies()
        other.invalidate()  # in a pool it would keep the lock
    assert "has not answered" in caplog.text


def test_a_server_that_is_frozen_is_given_up_and_one_that_works_again_is_asked_again(server, monkeypatch):
    """Before, as between statements: PostgreSQL's drivers wait for ever, and TCP is answered by the system."""
    monkeypatch.setattr(slow_answers, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(slow_answers, "FROZEN_SECONDS", 1.0)
    monkeypatch.setattr(slow_answers, "waiting_for", slow_answers.Watch())
    monkeypatch.setattr(storage_module, "engine_options", frozen_soon)
    storage = open_storage(server.url)
    with storage.engine.connect() as connection, frozen(server), pytest.raises(OperationalError):
        connection.execute(text("SELECT 1"))
    with frozen(server), pytest.raises(UserError, match="does not answer"):
        StorageRetry(limit=1.0)(storage.get_all_studies)
    assert StorageRetry()(storage.get_all_studies) is not None


def frozen_soon(url):
    options = engine_options(url, lock_seconds=1)
    options["connect_args"]["connect_timeout"] = 1
    return options


@contextmanager
def frozen(server):
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def test_a_wrong_password_is_refused_without_being_shown(server):
    wrong = server.url.replace(server.password, "hunter2")
    with pytest.raises(
        UserError, match=r"cannot be opened: .*(authentication failed|Access denied)"
    ) as caught:
        open_storage(wrong)
    assert "hunter2" not in str(caught.value)


SET_PASSWORD = {"postgresql": "ALTER USER distune PASSWORD '{}'", "mysql": "SET PASSWORD = PASSWORD('{}')"}


def test_a_password_may_have_letters_of_any_alphabet(server):
    storage = open_storage(server.url)

    def change(password):
        with storage.engine.begin() as connection:
            connection.execute(text(SET_PASSWORD[storage.engine.name].format(password)))

    change("Müllй")
    try:
        again = open_storage(server.url.replace(server.password, "Müllй"))
        assert optuna.get_all_study_names(again) == optuna.get_all_study_names(storage)
    finally:
        change(server.password)
