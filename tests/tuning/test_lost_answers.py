"""A storage may carry out a call and go away before it answers: the call is repeated, and no trial is lost."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState
from study_helpers import coordinator, setup_of, sqlite_study, states

from distune.tuning.leases import Lease
from distune.tuning.ledger import Ledger
from distune.tuning.storage import claim


@pytest.mark.parametrize("workers", [1, 3])
def test_a_trial_with_its_coordinator_s_name_that_nobody_runs_is_run(tmp_path, workers):
    setup = setup_of()
    study = sqlite_study(tmp_path, setup)
    lease = Lease.new(workers)
    study.ask().set_user_attr("coordinator", lease.coordinator)
    turns = []

    def give_up():
        turns.append(1)
        return 2 if len(turns) > 400 else 0

    one = coordinator(study, setup, tmp_path, n_trials=3, workers=workers, lease=lease, interrupted=give_up)
    assert one.run() == "finished"
    assert states(study) == {"COMPLETE": 3}


def waiting_study(folder):
    """A study whose one trial waits to go on, after its coordinator ended."""
    study = sqlite_study(folder, setup_of())
    gone = Ledger(study, "gone")
    gone.park(gone.ask(), {})
    return study


def test_a_trial_that_goes_on_is_never_in_two_hands(tmp_path):
    study = waiting_study(tmp_path)
    quick = Ledger(study, "quick")
    slow = Ledger(sqlite_study(tmp_path, setup_of()), "slow")
    begins, adopted = quick._storage.set_trial_state_values, []

    def begins_while_another_looks(trial_id, state, values=None):
        done = begins(trial_id, state, values)
        running = [trial for trial in slow.trials() if trial.state == TrialState.RUNNING]
        adopted.extend(slow.adopt(trial) for trial in running if trial.user_attrs["coordinator"] == "gone")
        return done

    quick._storage.set_trial_state_values = begins_while_another_looks
    assert quick.ask().number == 0
    assert [trial for trial in adopted if trial is not None] == []
    assert study.trials[0].user_attrs["coordinator"] == "quick"


def test_a_new_trial_that_another_coordinator_adopts_before_it_has_a_name_is_left_to_it(tmp_path):
    study = sqlite_study(tmp_path, setup_of())
    slow = Ledger(study, "slow")
    quick = Ledger(sqlite_study(tmp_path, setup_of()), "quick")
    ask, adopted = study.ask, []

    def asks_while_another_looks():
        trial = ask()
        if not adopted:
            adopted.extend(quick.adopt(frozen) for frozen in quick.trials())
        return trial

    study.ask = asks_while_another_looks
    assert slow.ask().number == 1
    assert [trial.number for trial in adopted] == [0]
    assert [trial.user_attrs["coordinator"] for trial in study.trials] == ["quick", "slow"]


def test_a_trial_that_is_claimed_over_another_s_claim_runs_once(tmp_path):
    study = waiting_study(tmp_path)
    first = Ledger(study, "first")
    second = Ledger(sqlite_study(tmp_path, setup_of()), "second")
    begins, claimed = first._storage.set_trial_state_values, []

    def begins_after_another_claim(trial_id, state, values=None):
        if not claimed:
            claimed.append(second._claims(second.trials()[0]._trial_id, "first"))
        return begins(trial_id, state, values)

    study._storage.set_trial_state_values = begins_after_another_claim
    assert first.ask().number == 1, "the waiting one has another name by now"
    assert claimed == [True]
    (running,) = [trial for trial in second.trials() if trial.user_attrs["coordinator"] == "second"]
    assert running.number == 0 and second.adopt(running) is not None
    assert study.trials[0].user_attrs["coordinator"] == "second"


def test_a_claim_whose_answer_was_lost_counts(tmp_path):
    study = waiting_study(tmp_path)
    again = Ledger(study, "again")
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, "coordinator", "again")
    assert again.ask().number == 0
    assert states(study) == {"RUNNING": 1}


def test_a_new_trial_s_name_whose_answer_was_lost_is_its_name(tmp_path, monkeypatch):
    study = sqlite_study(tmp_path, setup_of())

    def claims_twice(*arguments):
        assert claim(*arguments)
        return claim(*arguments)

    monkeypatch.setattr("distune.tuning.ledger.claim", claims_twice)
    assert Ledger(study, "one").ask().number == 0
    assert len(study.trials) == 1
