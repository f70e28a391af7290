"""What a coordinator does after a failure and at the end of an attempt, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from study_helpers import coordinator, memory_study, settings_of

from distune.training.cost import Cost
from distune.tuning.coordinator.active_trial import MICRO_BATCHES_KEY, SMALLER, ActiveTrial
from distune.tuning.coordinator.coordinator import LACKED_DATA, Coordinator
from distune.tuning.coordinator.progress import Snapshot
from distune.tuning.study.attributes import OVERRIDES
from distune.tuning.trials.messages import EpochReported, Failure, TrialFinished, TrialOutcome, TrialStarted
from distune.tuning.trials.trial import PROGRESS


def submitted(folder: Path, **others: Any) -> tuple[Coordinator, ActiveTrial, Any]:
    """A coordinator, its one active trial, and the study."""
    settings = settings_of()
    study = memory_study(settings)
    found = coordinator(study, settings, folder, n_trials=5, **others)
    found._take(found._ledger.ask())
    found._submit(active := found._queue.pop(0))
    return found, active, study


@pytest.mark.parametrize(
    ("kind", "on_oom", "stopping", "lacked", "became", "queued", "stops", "fails"),
    [
        ("preempted", "fail", None, False, "RUNNING", True, None, False),
        (
            "preempted",
            "fail",
            "timeout",
            False,
            "WAITING",
            False,
            "timeout",
            False,
        ),  # it was ended with the study
        ("crash", "fail", "timeout", False, "FAIL", False, "timeout", False),
        ("crash", "retry", None, False, "FAIL", False, None, False),
        ("out_of_memory", "fail", None, False, "FAIL", False, None, False),
        ("out_of_memory", "retry", None, False, "RUNNING", True, None, False),
        ("disk_full", "fail", None, False, "WAITING", False, "low_disk", False),
        ("disk_full", "fail", "timeout", False, "WAITING", False, "timeout", False),
        ("no_access", "fail", None, False, "WAITING", False, None, True),
        ("data", "fail", None, False, "WAITING", False, None, True),
        ("data", "fail", None, True, "FAIL", False, None, False),
    ],
)
def test_what_follows_a_failure(
    tmp_path: Path, kind: str, on_oom: str, stopping: Any, lacked: bool, became: str, queued: bool, stops: Any,
    fails: bool,
) -> None:  # fmt: skip
    found, active, study = submitted(tmp_path, on_oom=on_oom)
    found._stopping = stopping
    if lacked:
        found._ledger.note(active.trial, {LACKED_DATA: True})
    failure = Failure(kind, "why", cost=Cost({"student": 4.0}, 100.0))
    found._end(active, TrialFinished(0, failure))
    (trial,) = study.trials
    assert trial.state.name == became and found._queue == ([active] if queued else [])
    assert (found._stopping, found.failure) == (stops, failure if fails else None)
    assert found._failures == ([failure] if became == "FAIL" else [])
    assert (trial.user_attrs["seconds"], trial.user_attrs["peak_memory_mb"]) == (4.0, 100.0), "what it cost"
    assert (trial.user_attrs.get("failure_kind") == kind) is (became == "FAIL")
    assert trial.user_attrs.get(LACKED_DATA, False) is (kind == "data")


def test_a_trial_that_ran_out_of_memory_starts_over_with_half_the_batch_at_a_time(tmp_path: Path) -> None:
    found, active, study = submitted(tmp_path, on_oom="retry")
    found._ledger.report(active.trial, 1, 0.5)
    active.scores[1] = 0.5
    whole = active.config["training"]["accumulation"]
    found._after_failure(active, Failure("out_of_memory", "why"))
    (trial,) = study.trials
    assert trial.intermediate_values == {} and active.scores == {} and trial.user_attrs[SMALLER] is True
    assert (
        active.config["training"]["accumulation"]
        == 2 * whole
        == trial.user_attrs[OVERRIDES][MICRO_BATCHES_KEY]
    )
    found._queue.clear()
    found._after_failure(active, Failure("out_of_memory", "why"))
    assert study.trials[0].state == TrialState.FAIL and found._queue == [], "once"


@pytest.mark.parametrize(
    ("interrupted", "stopping", "pruned", "reason"),
    [
        (0, None, False, ""),
        (1, None, False, "stopped"),
        (0, "timeout", False, "stopped"),
        (1, None, True, "pruned"),
    ],
)
def test_how_an_epoch_is_answered(
    tmp_path: Path,
    interrupted: int,
    stopping: Any,
    pruned: bool,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, active, study = submitted(tmp_path, interrupted=lambda: interrupted)
    found._stopping = stopping
    monkeypatch.setattr(study.pruner, "prune", lambda study, trial: pruned)
    answered: list[tuple[int, bool]] = []
    monkeypatch.setattr(found._executor, "answer", lambda number, proceed: answered.append((number, proceed)))
    found._handle(EpochReported(0, "student", 1, 0.5))
    assert active.stop_reason == reason and answered == [(0, not reason)]
    assert study.trials[0].intermediate_values == {1: 0.5}
    found._handle(EpochReported(7, "student", 1, 0.5))
    assert len(answered) == 1, "of a trial that it does not run"


def test_a_trial_that_ended_elsewhere_while_it_was_drawn_is_not_queued(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, _, study = submitted(tmp_path)
    trial = found._ledger.ask()
    study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    found._take(trial)
    assert found._queue == [] and "trial 1 was taken over" in caplog.text


def test_what_is_shown_of_where_a_study_stands(tmp_path: Path) -> None:
    shown: list[Snapshot] = []
    found, active, _ = submitted(tmp_path, workers=3, show=shown.append)
    active.path.mkdir(parents=True)
    (active.path / PROGRESS).write_text("decoding")
    found._retention.measure(active.path)
    found._show_where_it_stands()
    assert shown[-1] == Snapshot(found._counts, 1, 5, 3, len("decoding"), "decoding")
    assert found._counts.running == 1


def test_a_trial_that_was_taken_over_is_told_to_stop_and_writes_nothing(tmp_path: Path) -> None:
    found, active, study = submitted(tmp_path)
    found._handle(TrialStarted(0, "worker-0"))
    assert study.trials[0].user_attrs["worker"] == "worker-0" and active.began is not None
    found._drop(0)
    found._handle(EpochReported(0, "student", 1, 0.5))
    found._handle(TrialFinished(0, TrialOutcome("complete", 0.5)))
    assert study.trials[0].state == TrialState.RUNNING and study.trials[0].intermediate_values == {}
    assert found._active == {}


def test_what_a_finished_trial_says_of_itself(tmp_path: Path) -> None:
    found, active, study = submitted(tmp_path)
    (active.path / "sub").mkdir(parents=True)
    (active.path / "sub" / "x.bin").write_bytes(b"x" * 5000)
    active.scores = {1: 0.25, 3: 0.5}
    outcome = TrialOutcome(
        "complete", 0.5, best_epoch=1, cost=Cost({"student": 4.0}), extra={"cache_hits": 3}
    )
    found._handle(TrialFinished(0, outcome))
    (trial,) = study.trials
    assert trial.value == 0.5 and trial.state == TrialState.COMPLETE
    held = {
        key: trial.user_attrs[key]
        for key in ("best_epoch", "epochs_done", "disk_mb", "cache_hits", "stage_seconds")
    }
    assert held == {
        "best_epoch": 1, "epochs_done": 3, "disk_mb": 0.005, "cache_hits": 3, "stage_seconds": {"student": 4.0},
    }  # fmt: skip
