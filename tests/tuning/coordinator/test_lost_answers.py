"""A storage may carry out a call and go away before it answers: the call is repeated, and no trial is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from optuna.trial import TrialState
from sqlalchemy import event
from study_helpers import coordinator, settings_of, sqlite_study, states

from distune.tuning.coordinator.leases import Lease, leases
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.study.transactions import requeue_if_owned

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 3])
def test_a_trial_with_its_coordinator_s_name_that_nobody_runs_is_run(tmp_path, workers):
    settings = settings_of()
    study = sqlite_study(tmp_path, settings)
    lease = Lease.new(workers)
    study.ask().set_user_attr("coordinator", lease.coordinator)
    turns = []

    def give_up():
        turns.append(1)
        return 2 if len(turns) > 400 else 0

    one = coordinator(
        study, settings, tmp_path, n_trials=3, workers=workers, lease=lease, interrupted=give_up
    )
    assert one.run() == "finished"
    assert states(study) == {"COMPLETE": 3}


def waiting_study(folder):
    """A study whose one trial waits to be resumed, after its coordinator ended."""
    study = sqlite_study(folder, settings_of())
    gone = Ledger(study, "gone")
    gone.requeue(gone.ask(), {})
    return study


def test_a_resumed_trial_never_has_two_owners(tmp_path):
    study = waiting_study(tmp_path)
    quick = Ledger(study, "quick")
    slow = Ledger(sqlite_study(tmp_path, settings_of()), "slow")
    begins, adopted = quick._storage.set_trial_state_values, []

    def begins_while_another_looks(trial_id, state, values=None):
        done = begins(trial_id, state, values)
        running = [trial for trial in slow.trials() if trial.state == TrialState.RUNNING]
        adopted.extend(
            slow.take_over(trial) for trial in running if trial.user_attrs["coordinator"] == "gone"
        )
        return done

    quick._storage.set_trial_state_values = begins_while_another_looks
    assert quick.ask().number == 0
    assert [trial for trial in adopted if trial is not None] == []
    assert study.trials[0].user_attrs["coordinator"] == "quick"


def test_a_new_trial_has_its_owner_from_the_start(tmp_path, monkeypatch):
    """Nobody ever sees a running trial without an owner: one transaction makes both."""
    study = sqlite_study(tmp_path, settings_of())
    monkeypatch.setattr("distune.tuning.coordinator.ledger.claim", lambda *_: pytest.fail("claimed later"))
    trial = Ledger(study, "one").ask()
    assert trial.user_attrs == {"coordinator": "one"}
    assert study.trials[0].state == TrialState.RUNNING and study.trials[0].datetime_start is not None


def test_a_trial_that_was_requeued_while_another_took_it_over_runs_once(tmp_path):
    study = sqlite_study(tmp_path, settings_of())
    one, other = Ledger(study, "one"), Ledger(sqlite_study(tmp_path, settings_of()), "other")
    trial = one.ask()
    (running,) = other.trials()
    one.requeue(trial, {})
    in_hand = [other.take_over(running), other.ask()]
    assert [taken.number for taken in in_hand if taken is not None] == [0]
    assert study.trials[0].state == TrialState.RUNNING
    assert study.trials[0].user_attrs["coordinator"] == "other"


@pytest.mark.parametrize("at", ["UPDATE trials SET state", "UPDATE trial_user_attributes"])
def test_a_trial_that_is_taken_over_in_the_middle_of_a_requeue_runs_once(tmp_path, at):
    """The one that parks it was taken for dead; the other one comes before its last writes, or waits for them."""
    study = sqlite_study(tmp_path, settings_of())
    one = Ledger(study, "one")
    other, third = (Ledger(sqlite_study(tmp_path, settings_of()), name) for name in ("other", "third"))
    trial = one.ask()
    (running,) = other.trials()
    adoptions = []

    def adopts_meanwhile(connection, cursor, statement, *_):
        if statement.startswith(at) and not adoptions:
            adoptions.append(pool.submit(other.take_over, running))
            wait(adoptions, timeout=2.0)  # long where the parking one holds the lock

    with ThreadPoolExecutor(1) as pool:
        event.listen(study._storage._backend.engine, "before_cursor_execute", adopts_meanwhile)
        one.requeue(trial, {})
    adopted = adoptions[0].result()
    trial_of_third = third._requeued()
    assert [taken.number for taken in (adopted, trial_of_third) if taken is not None] == [0]
    assert study.trials[0].state == TrialState.RUNNING
    assert study.trials[0].user_attrs["coordinator"] == ("third" if adopted is None else "other")


def test_a_trial_that_ends_elsewhere_while_it_is_parked_keeps_no_other_one_from_it(tmp_path, monkeypatch):
    """At its end a coordinator parks all its trials and closes its lease."""
    settings = settings_of()
    study = sqlite_study(tmp_path, settings)
    thief = sqlite_study(tmp_path, settings)
    turns = []

    def ends_before_it_is_parked(storage, trial_id, key, owner):
        if trial_id == study.trials[0]._trial_id:
            thief._storage.set_trial_user_attr(trial_id, "coordinator", "thief")
            thief._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
        return requeue_if_owned(storage, trial_id, key, owner)

    def stops_at_once():
        turns.append(1)
        return 2 if len(turns) > 10 else 0

    monkeypatch.setattr("distune.tuning.coordinator.ledger.requeue_if_owned", ends_before_it_is_parked)
    one = coordinator(study, settings, tmp_path, n_trials=3, workers=3, interrupted=stops_at_once)
    assert one.run() == "interrupted"
    assert states(study) == {"COMPLETE": 1, "WAITING": 2}
    (lease,) = leases(study.user_attrs).values()
    assert lease.ended == "interrupted"


def test_a_trial_that_is_claimed_over_another_s_claim_runs_once(tmp_path):
    study = waiting_study(tmp_path)
    first = Ledger(study, "first")
    second = Ledger(sqlite_study(tmp_path, settings_of()), "second")
    begins, claimed = first._storage.set_trial_state_values, []

    def begins_after_another_claim(trial_id, state, values=None):
        if not claimed:
            claimed.append(second._claims(second.trials()[0]._trial_id, "first"))
        return begins(trial_id, state, values)

    study._storage.set_trial_state_values = begins_after_another_claim
    assert first.ask().number == 1, "the waiting one has another name by now"
    assert claimed == [True]
    (running,) = [trial for trial in second.trials() if trial.user_attrs["coordinator"] == "second"]
    assert running.number == 0 and second.take_over(running) is not None
    assert study.trials[0].user_attrs["coordinator"] == "second"


def test_a_claim_whose_answer_was_lost_counts(tmp_path):
    study = waiting_study(tmp_path)
    again = Ledger(study, "again")
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, "coordinator", "again")
    assert again.ask().number == 0
    assert states(study) == {"RUNNING": 1}
