"""What a coordinator sees of its study, and what another program must not change in it meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import OperationalError
from study_helpers import memory_study, settings_of

from distune.errors import UserError
from distune.tuning.coordinator import ledger as ledger_module
from distune.tuning.coordinator.leases import PREFIX, Lease
from distune.tuning.coordinator.ledger import OWNER, Ledger, ranked
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.trials.messages import Failure, TrialOutcome


@pytest.fixture
def study() -> optuna.Study:
    return memory_study(settings_of())


@pytest.mark.parametrize("key", ["base_config", "data_fingerprint", "metric"])
def test_a_study_that_is_about_something_else_now_is_given_up(study: optuna.Study, key: str) -> None:
    ledger = Ledger(study, "me")
    study.set_user_attr("sampler", "another")  # no part of what its scores mean
    study.ask()  # nor is a trial that another coordinator adds
    assert ledger.leases() == {}
    study.set_user_attr(key, "another")
    with pytest.raises(UserError, match="base config"):
        ledger.leases()


def test_a_study_whose_direction_was_turned_is_given_up(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(study, "me")
    turned = [optuna.study.StudyDirection.MINIMIZE]
    monkeypatch.setattr(study._storage, "get_study_directions", lambda study_id: turned)
    with pytest.raises(UserError, match="direction"):
        ledger.leases()


def running(number: int, trial_id: int) -> FrozenTrial:
    found = create_trial(state=TrialState.RUNNING)
    found.number, found._trial_id = number, trial_id
    return found


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [
        ((10,), (0,)),  # the last one is gone
        ((10, 12), (0, 1)),  # it was deleted, and a new one has its number
        ((10, 12, 13), (0, 1, 2)),  # and another one came since
        ((10, 11), (0, 2)),  # one between was deleted
        ((10, 11, 11), (0, 1, 1)),
    ],
)
def test_trials_that_another_program_deletes_are_missed(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch, ids: tuple[int, ...], numbers: tuple[int, ...]
) -> None:
    held = [running(0, 10), running(1, 11)]
    monkeypatch.setattr(study, "get_trials", lambda deepcopy: list(held))
    ledger = Ledger(study, "me")
    assert ledger.trials() == held
    held.append(running(2, 12))
    assert ledger.trials() == held, "new ones may come"
    held[:] = [running(number, trial_id) for number, trial_id in zip(numbers, ids, strict=True)]
    with pytest.raises(UserError, match="deleted trials"):
        ledger.trials()


def test_a_lease_and_the_sessions_are_written_into_the_study(study: optuna.Study) -> None:
    ledger, lease = Ledger(study, "me"), Lease.new(2, ["cpu"], 7)
    ledger.write_lease(lease)
    assert study.user_attrs[PREFIX + lease.coordinator] == lease.__dict__
    ledger.write_sessions()
    (session,) = study.user_attrs["sessions"]
    assert (session["workers"], session["devices"], session["reason"]) == (2, ["cpu"], None)


def test_how_a_trial_ends_stands_in_the_study(study: optuna.Study) -> None:
    ledger = Ledger(study, "me")
    trials = [ledger.ask() for _ in range(4)]
    for trial in trials:
        ledger.report(trial, 1, 0.25)
        ledger.report(trial, 2, 0.125)
    failure = Failure("crash", "boom", "the end")
    assert ledger.complete(trials[0], TrialOutcome("complete", 0.75), {"x": 1})
    assert ledger.prune(trials[1], {"x": 2})
    assert ledger.fail(trials[2], failure, {"x": 3})
    ledger.requeue(trials[3], {"x": 4})
    ended = study.trials
    assert [trial.state.name for trial in ended] == ["COMPLETE", "PRUNED", "FAIL", "WAITING"]
    assert [trial.value for trial in ended] == [0.75, 0.125, None, None], "of a pruned one the last score"
    own = {OWNER: "me"}
    why = {"failure_kind": "crash", "failure_message": "boom", "failure_output": "the end"}
    assert [trial.user_attrs for trial in ended] == [
        {**own, "x": 1}, {**own, "x": 2}, {**own, "x": 3, **why}, {**own, "x": 4},
    ]  # fmt: skip
    assert [trial.intermediate_values for trial in ended] == [{1: 0.25, 2: 0.125}] * 4
    again = Ledger(study, "other").ask()
    assert again.number == 3 and study.trials[3].user_attrs[OWNER] == "other", "the waiting one comes first"


def test_what_is_known_of_an_interrupted_trial_is_written_before_another_coordinator_may_have_it(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, seen = Ledger(study, "me"), []
    trial = ledger.ask()
    real = ledger_module.requeue_if_owned

    def requeue(*given: Any) -> bool:
        seen.append(study.trials[0].user_attrs.get("x"))
        return real(*given)

    monkeypatch.setattr(ledger_module, "requeue_if_owned", requeue)
    ledger.requeue(trial, {"x": 1})
    assert seen == [1] and study.trials[0].state == TrialState.WAITING
    assert not caplog.messages, "nobody has taken it over"
    second = ledger.ask()
    monkeypatch.setattr(ledger_module, "requeue_if_owned", lambda *given: False)
    ledger.requeue(second, {})
    assert "taken over" in caplog.text


def test_of_two_that_take_over_a_trial_the_quicker_has_it(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db")
    Ledger(study, "gone").ask()
    as_both_read_it = study.trials[0]
    assert Ledger(study, "me").take_over(as_both_read_it) is not None
    assert Ledger(study, "other").take_over(as_both_read_it) is None


def test_an_answer_that_is_lost_after_the_storage_took_it_is_asked_for_again(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(study, "me")
    trial = ledger.ask()
    monkeypatch.setattr(ledger, "retrying", lambda call: (call(), call())[1])
    assert ledger.complete(trial, TrialOutcome("complete", 0.75), {"x": 1})
    assert [(found.state.name, found.value) for found in study.trials] == [("COMPLETE", 0.75)]


def test_what_is_noted_is_known_at_once_and_a_new_trial_learns_from_all(study: optuna.Study) -> None:
    ledger = Ledger(study, "me")
    study._thread_local.cached_all_trials = []  # as the sampler read them before
    trial = ledger.ask()
    ledger.note(trial, {"x": [1]})
    assert trial.user_attrs["x"] == [1] == trial._cached_frozen_trial.user_attrs["x"]
    assert len(study._get_trials(deepcopy=False, use_cache=True)) == 1


def test_the_best_come_first_and_the_earliest_of_equals() -> None:
    trials = []
    for number, value in ((3, 0.5), (1, 0.75), (0, 0.5), (2, float("inf"))):
        trials.append(create_trial(value=value, user_attrs={"overrides": {}}))
        trials[-1].number = number
    assert [trial.number for trial in ranked(trials)] == [1, 0, 3]


def test_what_has_ended_stays_as_it_ended(study: optuna.Study) -> None:
    ledger = Ledger(study, "me")
    trial = ledger.ask()
    assert ledger.complete(trial, TrialOutcome("complete", 0.75), {"x": 1})
    assert not ledger.prune(trial, {"x": 2}) and not ledger.fail(trial, Failure("crash", "boom"), {"x": 2})
    ledger.requeue(trial, {"x": 2})
    ledger.start_over(trial, {"x": 2})
    assert ledger.take_over(study.trials[0]) is None and not ledger._begins(trial._trial_id)
    (found,) = study.trials
    assert (found.state, found.value, found.user_attrs["x"]) == (TrialState.COMPLETE, 0.75, 1)


def test_a_storage_that_does_not_answer_is_asked_again(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a coordinator reads or writes, and each only once where it works."""
    waits: list[float] = []
    ledger = Ledger(study, "me", StorageRetry(sleep=waits.append))
    calls: dict[str, int] = {}

    def failing_at_first(name: str, call: Any) -> Any:
        def again(*given: Any, **named: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            if calls[name] == 1:
                raise OperationalError("SELECT", None, Exception("server closed the connection"))
            return call(*given, **named)

        return again

    storage = study._storage
    names = ("create_new_trial", "get_trial", "get_all_trials", "set_trial_user_attr", "set_study_user_attr",
             "set_trial_intermediate_value", "set_trial_state_values", "get_study_user_attrs",
             "get_n_trials")  # fmt: skip
    for name in names:
        monkeypatch.setattr(storage, name, failing_at_first(name, getattr(storage, name)))
    trial = ledger.ask()
    ledger.trials()
    ledger.leases()
    ledger.write_lease(Lease.new(1))
    del calls["set_study_user_attr"]
    ledger.write_sessions()
    ledger.report(trial, 1, 0.5)
    ledger.note(trial, {"x": 1})
    del calls["get_trial"]
    ledger.requeue(trial, {"x": 2})
    (found,) = study.trials
    assert found.state == TrialState.WAITING and found.user_attrs["x"] == 2
    assert {name for name in names if calls.get(name, 0) > 1} == set(names) and len(waits) == len(names) + 2


@pytest.mark.parametrize("thief", ["other", None])
def test_a_trial_that_another_coordinator_has_taken_is_written_by_it_alone(
    study: optuna.Study, thief: str | None
) -> None:
    ledger = Ledger(study, "me")
    trial = ledger.ask()
    ledger.report(trial, 1, 0.25)
    study._storage.set_trial_user_attr(trial._trial_id, OWNER, thief)
    assert not ledger.complete(trial, TrialOutcome("complete", 0.75), {"x": 1})
    assert not ledger.prune(trial, {"x": 1}) and not ledger.fail(trial, Failure("crash", "boom"), {"x": 1})
    ledger.requeue(trial, {"x": 1})
    ledger.start_over(trial, {"x": 1})
    (found,) = study.trials
    assert found.state == TrialState.RUNNING and "x" not in found.user_attrs
    assert found.intermediate_values == {1: 0.25}


def test_a_trial_that_starts_over_has_no_scores(study: optuna.Study) -> None:
    ledger = Ledger(study, "me")
    trial = ledger.ask()
    ledger.report(trial, 1, 0.25)
    ledger.start_over(trial, {"smaller": True})
    (found,) = study.trials
    assert found.intermediate_values == {} and found.user_attrs == {OWNER: "me", "smaller": True}
    assert trial._cached_frozen_trial.intermediate_values == {}


def test_the_pruner_compares_with_the_trials_as_they_were_last_read(study: optuna.Study) -> None:
    seen: list[Any] = []

    class Asks(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
            complete = study.get_trials(states=(TrialState.COMPLETE,))
            seen.append(([each.number for each in complete], trial.number, trial.last_step))
            complete[0].user_attrs["x"] = 1  # a copy, as Optuna gives
            return study.get_trials(deepcopy=False)[0].number == 0

    study.pruner = Asks()
    ledger = Ledger(study, "me")
    for _ in range(2):
        ledger.complete(ledger.ask(), TrialOutcome("complete", 0.5), {})
    running = ledger.ask()
    ledger.trials()
    ledger.complete(ledger.ask(), TrialOutcome("complete", 0.5), {})  # not read since
    trial = ledger.ask()
    ledger.report(trial, 3, 0.5)
    assert ledger.should_prune(trial)
    assert seen == [([0, 1], 4, 3)] and "x" not in study.trials[0].user_attrs
    assert study.trials[running.number].state == TrialState.RUNNING
    assert trial.study is study
