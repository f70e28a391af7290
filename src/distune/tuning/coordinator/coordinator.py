"""The event loop that owns a study: ask, submit, handle events, answer, tell.

One thread; workers never open the study's storage. Every decision is made elsewhere by a plain function: how many
trials are needed (`budget`), whether a trial is pruned (`epoch_reports`), what follows a failure (`retry_policy`),
which weights stay (`retention`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from distune.training.cost import Cost
from distune.tuning.coordinator.active_trial import TAKEN_OVER, ActiveTrial
from distune.tuning.coordinator.budget import is_surplus, still_needed
from distune.tuning.coordinator.epoch_reports import EpochReports
from distune.tuning.coordinator.failures import LACKED_DATA, failed_alike, is_of_place
from distune.tuning.coordinator.ledger import Ledger, TrialCounts, count
from distune.tuning.coordinator.progress import Snapshot
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.coordinator.retention import Retention
from distune.tuning.coordinator.retry_policy import next_step
from distune.tuning.coordinator.takeover import Takeover
from distune.tuning.executors.base import Executor
from distune.tuning.study.attributes import SURPLUS
from distune.tuning.trials.messages import (
    EpochReported,
    Event,
    Failure,
    TrialFinished,
    TrialOutcome,
    TrialStarted,
)
from distune.tuning.trials.trial import read_progress

EndReason = Literal["finished", "timeout", "interrupted", "failed_alike", "low_disk"]
REFRESH_SECONDS = 2.0
SHOW_SECONDS = 5.0
"""Between two looks at what the active trials do between their epochs."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """When a coordinator ends.

    Args:
        n_trials: finished trials that the study shall have.
        timeout: seconds after which no new epoch begins.
        on_oom: "fail", or "retry" with half the batch in memory.
        prune_teacher: stop a trial whose teacher falls behind, before its student trains.
    """

    n_trials: int
    timeout: float | None = None
    on_oom: str = "fail"
    prune_teacher: bool = False


class Coordinator:
    """Runs a study on an executor until it has enough finished trials.

    Args:
        ledger: the study.
        proposals: draws parameters and makes configs.
        executor: where workers live.
        takeover: this coordinator's lease, and the trials of dead coordinators.
        retention: watches over the run folders.
        limits: when to end.
        interrupted: called in every round: 0 continue, 1 stop at the next epoch, 2 stop now.
        show: called with where the study stands after every change.
    """

    def __init__(
        self,
        ledger: Ledger,
        proposals: JointProposals,
        executor: Executor,
        takeover: Takeover,
        retention: Retention,
        limits: Limits,
        *,
        interrupted: Callable[[], int] = lambda: 0,
        show: Callable[[Snapshot], None] = lambda _: None,
    ):
        self._ledger = ledger
        self._proposals = proposals
        self._executor = executor
        self._takeover = takeover
        self._retention = retention
        self._limits = limits
        self._epochs = EpochReports(ledger, proposals, limits.prune_teacher)
        self._interrupted = interrupted
        self._show = show
        self._active: dict[int, ActiveTrial] = {}
        self._queue: list[ActiveTrial] = []
        self._failures: list[Failure] = []
        self._stopping: EndReason | None = None
        self._trials: list[FrozenTrial] = []
        self._counts = TrialCounts()
        self._started = self._refreshed = self._shown = executor.now()
        self.failure: Failure | None = None
        """Why the study was given up, where the reason is "failed_alike"."""

    def run(self) -> EndReason:
        """Runs until the study has its trials or something ends it; interrupted trials can be resumed later."""
        reason: EndReason = "interrupted"
        try:
            self._refresh()
            while True:
                self._keep_lease()
                if self._stopping is None:
                    self._stopping = self._reason_to_stop()
                if self._stopping is None:
                    self._dispatch()
                elif not self._is_busy or self._interrupted() > 1:
                    reason = self._stopping
                    return reason
                if self._executor.now() - self._shown > SHOW_SECONDS:
                    self._show_where_it_stands()
                for event in self._executor.wait(0.5):
                    self._keep_lease()
                    self._handle(event)
        finally:
            self._executor.close()
            # Workers are gone now, so nothing reports what these attempts cost: their seconds count up to here.
            for active in self._active.values():
                active.end_attempt(self._executor.now(), Cost())
            for active in (*self._active.values(), *self._queue):
                self._ledger.requeue(active.trial, active.spending())
            self._takeover.leave(reason)

    @property
    def _is_busy(self) -> bool:
        return any(not active.is_taken_over for active in self._active.values())

    def _reason_to_stop(self) -> EndReason | None:
        if self._interrupted():
            _log.warning("interrupted: trials stop at their next epoch; interrupt again to stop them now")
            return "interrupted"
        if self._limits.timeout is not None and self._executor.now() - self._started >= self._limits.timeout:
            return "timeout"
        if self.failure is not None:
            return "failed_alike"
        if self._counts.finished >= self._limits.n_trials and not self._is_busy:
            return "finished"
        if not self._is_busy and self._retention.is_low(0):
            return "low_disk"
        return None

    def _refresh(self) -> None:
        self._refreshed = self._executor.now()
        self._trials = self._ledger.trials()
        self._counts = count(self._trials)
        self._show_where_it_stands()

    def _show_where_it_stands(self) -> None:
        self._shown = self._executor.now()
        workers, wanted = self._executor.workers, self._limits.n_trials
        used, active = self._retention.bytes_used, self._active.values()
        at = next((found for each in active if (found := read_progress(each.path))), "")
        if not active and not self._queue and self._stopping is None:
            at = self._takeover.others(self._trials)
        self._show(Snapshot(self._counts, len(active), wanted, workers, used, at))

    def _keep_lease(self) -> None:
        """Renews the lease when it is due, drops trials that were taken over and takes over stale ones."""
        if not self._takeover.renew_if_due():
            return
        for number in self._takeover.lost(self._own_numbers()):
            self._drop(number)
        for trial in self._takeover.stale_trials(self._own_numbers()):
            _log.info("trial %d: its coordinator is gone; taking it over", trial.number)
            self._take(trial)

    def _own_numbers(self) -> set[int]:
        return {*self._active, *(one.trial.number for one in self._queue)}

    def _drop(self, number: int) -> None:
        """Drops a trial that another coordinator has taken over; its worker stops at its next epoch."""
        active = self._active.get(number)
        self._queue = [one for one in self._queue if one.trial.number != number]
        if active is None or not active.is_taken_over:
            _log.warning("trial %d was taken over by another coordinator; it is dropped here", number)
        if active is not None:
            active.stop_reason = TAKEN_OVER

    def _dispatch(self) -> None:
        if self._executor.free() and self._executor.now() - self._refreshed > REFRESH_SECONDS:
            self._refresh()
        while (
            self._executor.free() and self.failure is None and not self._retention.is_low(len(self._active))
        ):
            self._keep_lease()
            if not self._queue:
                if not still_needed(self._counts.finished, self._counts.running, self._limits.n_trials):
                    return
                self._take(self._ledger.ask())
            if self._queue:
                self._submit(self._queue.pop(0))

    def _take(self, trial: Trial) -> None:
        """Draws a trial's parameters and queues it, unless enough others may still finish."""
        try:
            self._queue_up(trial)
        except UpdateFinishedTrialError:
            self._drop(trial.number)

    def _queue_up(self, trial: Trial) -> None:
        # Read again: a coordinator that asked a moment earlier has a lower number, and it may be the last one needed.
        self._refresh()
        if is_surplus(trial.number, self._counts.alive, self._limits.n_trials):
            self._ledger.fail(trial, Failure(SURPLUS, "other coordinators' trials suffice"), {})
            self._refresh()
            return
        try:
            drawn = self._ledger.retrying(lambda: self._proposals.propose(self._ledger.study, trial))
        except (ValueError, TypeError) as error:
            if "fixed_params" not in self._trials[trial.number].system_attrs:
                raise
            failure = Failure(
                "config", f"another program asked for values that the space cannot hold: {error}"
            )
            _log.error("trial %d: %s: %s", trial.number, failure.kind, failure.message)
            self._ledger.fail(trial, failure, {})
            self._refresh()
            return
        scores = self._trials[trial.number].intermediate_values
        active = ActiveTrial.of(trial, *drawn, self._retention.path(trial.number), scores)
        self._ledger.note(trial, active.opening())
        active.config = self._proposals.config(active.overrides)
        active.dataset = self._proposals.dataset
        self._queue.append(active)

    def _submit(self, active: ActiveTrial) -> None:
        self._active[active.trial.number] = active
        active.begin()
        self._executor.submit(active.task())

    def _handle(self, event: Event) -> None:
        active = self._active.get(event.number)
        if active is None:
            return
        try:
            self._dispatch_event(active, event)
        except UpdateFinishedTrialError:
            self._drop(event.number)
        if isinstance(event, EpochReported):
            self._executor.answer(event.number, not active.stop_reason)
        elif isinstance(event, TrialFinished):
            self._refresh()
            self._retention.trim(self._trials)

    def _dispatch_event(self, active: ActiveTrial, event: Event) -> None:
        if isinstance(event, TrialFinished):
            del self._active[event.number]
        if active.is_taken_over:
            return
        if isinstance(event, TrialStarted):
            active.began = self._executor.now()
            self._ledger.note(active.trial, active.started(event.worker))
            _log.info("trial %d: attempt %d on %s", event.number, active.attempt, event.worker)
        elif isinstance(event, EpochReported):
            self._decide(active, event)
        else:
            self._end(active, event)

    def _decide(self, active: ActiveTrial, event: EpochReported) -> None:
        """Sets why the trial is stopped, if it is."""
        _log.info("trial %d: %s, score %.4f", event.number, event.label, event.score)
        active.progressed(event)
        self._retention.measure(active.path)  # a trial is biggest while it has checkpoints
        if self._epochs.should_prune(active, event, self._trials):
            active.stop_reason = "pruned"
        elif self._stopping or self._interrupted():
            active.stop_reason = "stopped"

    def _end(self, active: ActiveTrial, event: TrialFinished) -> None:
        active.end_attempt(self._executor.now(), event.result.cost)
        if isinstance(event.result, Failure):
            self._after_failure(active, event.result)
            return
        outcome = event.result
        if outcome.state != "complete" and (active.stop_reason or outcome.state) == "stopped":
            _log.info("trial %d: stopped; it is resumed with the study", event.number)
            self._ledger.requeue(active.trial, active.spending())
            return
        self._finish(active, outcome)

    def _finish(self, active: ActiveTrial, outcome: TrialOutcome) -> None:
        trial = active.trial
        size = self._retention.measure(active.path)
        values = active.closing(outcome) | {"disk_mb": size / 1e6}
        if outcome.state == "complete":
            is_recorded = self._ledger.complete(trial, outcome, values)
        else:
            is_recorded = self._ledger.prune(trial, values)
        if is_recorded:
            self._failures.clear()
            state = "complete" if outcome.state == "complete" else "pruned"
            _log.info("trial %d: %s, score %s", trial.number, state, outcome.score)

    def _after_failure(self, active: ActiveTrial, failure: Failure) -> None:
        number = active.trial.number
        is_others = is_of_place(failure, is_second=active.trial.user_attrs.get(LACKED_DATA, False))
        if is_others:
            _log.error("trial %d: %s; it is resumed with the study", number, failure.message)
            if failure.kind == "disk_full":
                self._stopping = self._stopping or "low_disk"
            else:
                self.failure = self.failure or failure
        # Its worker was ended with the study, or lacked what all trials need, which is no failure of the trial.
        if is_others or (self._stopping and failure.kind == "preempted"):
            lacked = {LACKED_DATA: True} if failure.kind == "data" else {}
            self._ledger.requeue(active.trial, {**active.spending(), **lacked})
            return
        step = next_step(failure, self._limits.on_oom, stalled=active.stalled, is_smaller=active.is_smaller)
        if step == "fail":
            self._fail(active, failure)
            return
        _log.warning("trial %d: %s (%s); retrying", number, failure.kind, failure.message)
        self._ledger.note(active.trial, active.spending())
        if step == "retry_smaller":
            self._ledger.start_over(active.trial, active.shrink_micro_batches())
            active.config = self._proposals.config(active.overrides)
        self._queue.append(active)

    def _fail(self, active: ActiveTrial, failure: Failure) -> None:
        _log.error("trial %d: %s: %s", active.trial.number, failure.kind, failure.message)
        if self._ledger.fail(active.trial, failure, active.ending()):
            self._failures.append(failure)
        self._refresh()
        self.failure = self.failure or failed_alike(self._failures, self._counts.finished)
