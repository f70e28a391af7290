"""The event loop that owns a study: asks, hands out, hears, answers, records.

One thread; workers never open the study's storage. Every decision is made elsewhere by a plain function: how many
trials are needed (`budget`), what follows a failure (`failures`), which weights stay (`retention`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from distune.errors import ConfigError
from distune.training.cost import Cost
from distune.tuning.coordinator.active_trial import LOST, Assignment
from distune.tuning.coordinator.budget import is_surplus, still_needed
from distune.tuning.coordinator.failures import SURPLUS, failed_alike, next_step
from distune.tuning.coordinator.ledger import Counts, Ledger, count
from distune.tuning.coordinator.progress import Snapshot
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.coordinator.pruning import Judge
from distune.tuning.coordinator.retention import Retention
from distune.tuning.coordinator.takeover import Adoption
from distune.tuning.executors.base import Executor
from distune.tuning.trials.messages import Ended, Event, Failure, Scored, Started, TrialOutcome

Reason = Literal["finished", "timeout", "interrupted", "failed_alike", "low_disk"]
REFRESH_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """When a coordinator ends.

    Args:
        n_trials: finished trials that the study shall have.
        timeout: seconds after which no epoch is begun any more.
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
        adoption: this coordinator's lease, and the trials of dead ones.
        retention: watches over the run folders.
        limits: when to end.
        interrupted: asked at every turn: 0 go on, 1 stop at the next epoch, 2 stop now.
        show: told where the study stands after every change.
    """

    def __init__(
        self,
        ledger: Ledger,
        proposals: JointProposals,
        executor: Executor,
        adoption: Adoption,
        retention: Retention,
        limits: Limits,
        *,
        interrupted: Callable[[], int] = lambda: 0,
        show: Callable[[Snapshot], None] = lambda _: None,
    ):
        self._ledger = ledger
        self._proposals = proposals
        self._executor = executor
        self._adoption = adoption
        self._retention = retention
        self._limits = limits
        self._judge = Judge(ledger, proposals, limits.prune_teacher)
        self._interrupted = interrupted
        self._show = show
        self._active: dict[int, Assignment] = {}
        self._queue: list[Assignment] = []
        self._failures: list[Failure] = []
        self._stopping: Reason | None = None
        self._trials: list[FrozenTrial] = []
        self._counts = Counts()
        self._started = self._looked = executor.now()
        self.failure: Failure | None = None
        """Why the study was given up, where the reason is "failed_alike"."""

    def run(self) -> Reason:
        """Works until the study has its trials or something ends it; interrupted trials can go on later."""
        reason: Reason = "interrupted"
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
                for event in self._executor.wait(0.5):
                    self._keep_lease()
                    self._hear(event)
        finally:
            self._executor.close()
            for assignment in self._active.values():
                assignment.leave(self._executor.now(), Cost())
            for assignment in (*self._active.values(), *self._queue):
                self._ledger.park(assignment.trial, assignment.spending())
            self._adoption.leave(reason)

    @property
    def _is_busy(self) -> bool:
        return any(not assignment.is_lost for assignment in self._active.values())

    def _reason_to_stop(self) -> Reason | None:
        if self._interrupted():
            _log.warning("asked to stop: trials end at their next epoch; asked once more, they end at once")
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
        self._looked = self._executor.now()
        self._trials = self._ledger.trials()
        self._counts = count(self._trials)
        workers, wanted = self._executor.workers, self._limits.n_trials
        used = self._retention.bytes_used
        self._show(Snapshot(self._counts, len(self._active), wanted, workers, used))

    def _keep_lease(self) -> None:
        """Lets the other coordinators know of this one, in time; what changed hands meanwhile is taken or left."""
        if not self._adoption.is_due():
            return
        for number in self._adoption.lost(self._in_hand()):
            self._lose(number)
        for trial in self._adoption.orphans(self._in_hand()):
            _log.info("trial %d: its coordinator is gone; going on with it", trial.number)
            self._take(trial)

    def _in_hand(self) -> set[int]:
        return {*self._active, *(one.trial.number for one in self._queue)}

    def _lose(self, number: int) -> None:
        """Lets a trial go that another coordinator runs by now; its worker stops at its next epoch."""
        assignment = self._active.get(number)
        self._queue = [one for one in self._queue if one.trial.number != number]
        if assignment is None or not assignment.is_lost:
            _log.warning("trial %d was taken over by another coordinator; it is dropped here", number)
        if assignment is not None:
            assignment.told = LOST

    def _dispatch(self) -> None:
        if self._executor.free() and self._executor.now() - self._looked > REFRESH_SECONDS:
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
        """Draws a trial's parameters and queues it, unless enough others are on their way."""
        try:
            self._queue_up(trial)
        except UpdateFinishedTrialError:
            self._lose(trial.number)

    def _queue_up(self, trial: Trial) -> None:
        self._refresh()
        if is_surplus(trial.number, self._counts.alive, self._limits.n_trials):
            self._ledger.fail(trial, Failure(SURPLUS, "other coordinators' trials are enough"), {})
            self._refresh()
            return
        proposal = self._ledger.propose(self._proposals, trial)
        scores = self._trials[trial.number].intermediate_values
        assignment = Assignment.of(trial, proposal, self._retention.path(trial.number), scores)
        self._ledger.note(trial, assignment.opening())
        try:
            assignment.config = self._proposals.config(assignment.overrides)
        except ConfigError as error:
            self._fail(assignment, Failure("config", str(error)))
        else:
            self._queue.append(assignment)

    def _submit(self, assignment: Assignment) -> None:
        self._active[assignment.trial.number] = assignment
        assignment.begin()
        self._executor.submit(assignment.task())

    def _hear(self, event: Event) -> None:
        assignment = self._active.get(event.number)
        if assignment is None:
            return
        try:
            self._handle(assignment, event)
        except UpdateFinishedTrialError:
            self._lose(event.number)
        if isinstance(event, Scored):
            self._executor.answer(event.number, not assignment.told)
        elif isinstance(event, Ended):
            self._refresh()
            self._retention.trim(self._trials)

    def _handle(self, assignment: Assignment, event: Event) -> None:
        if isinstance(event, Ended):
            del self._active[event.number]
        if assignment.is_lost:
            return
        if isinstance(event, Started):
            assignment.began = self._executor.now()
            self._ledger.note(assignment.trial, assignment.started(event.worker))
            _log.info("trial %d: attempt %d on %s", event.number, assignment.attempt, event.worker)
        elif isinstance(event, Scored):
            self._decide(assignment, event)
        else:
            self._end(assignment, event)

    def _decide(self, assignment: Assignment, event: Scored) -> None:
        """Sets why the trial is told to stop, if it is."""
        _log.info("trial %d: %s, score %.4f", event.number, event.label, event.score)
        assignment.progressed(event)
        self._retention.measure(assignment.path)  # a trial is biggest while it has checkpoints
        if not self._judge.lets_go_on(assignment, event, self._trials):
            assignment.told = "pruned"
        elif self._stopping or self._interrupted():
            assignment.told = "stopped"

    def _end(self, assignment: Assignment, event: Ended) -> None:
        assignment.leave(self._executor.now(), event.result.cost)
        if isinstance(event.result, Failure):
            self._after_failure(assignment, event.result)
            return
        outcome = event.result
        if outcome.state != "complete" and (assignment.told or outcome.state) == "stopped":
            _log.info("trial %d: stopped; it goes on with the study", event.number)
            self._ledger.park(assignment.trial, assignment.spending())
            return
        self._finish(assignment, outcome)

    def _finish(self, assignment: Assignment, outcome: TrialOutcome) -> None:
        trial = assignment.trial
        size = self._retention.measure(assignment.path)
        values = assignment.closing(outcome) | {"disk_mb": size / 1e6}
        if outcome.state == "complete":
            is_told = self._ledger.complete(trial, outcome, values)
        else:
            is_told = self._ledger.prune(trial, values)
        if is_told:
            self._failures.clear()
            state = "complete" if outcome.state == "complete" else "pruned"
            _log.info("trial %d: %s, score %s", trial.number, state, outcome.score)

    def _after_failure(self, assignment: Assignment, failure: Failure) -> None:
        number = assignment.trial.number
        if self._stopping and failure.kind == "preempted":
            self._ledger.park(assignment.trial, assignment.spending())
            return
        step = next_step(failure, assignment.attempts, self._limits.on_oom)
        if step == "fail":
            self._fail(assignment, failure)
            return
        _log.warning("trial %d: %s (%s); trying again", number, failure.kind, failure.message)
        self._ledger.note(assignment.trial, assignment.spending())
        if step == "smaller":
            self._ledger.start_over(assignment.trial, assignment.make_smaller())
            assignment.config = self._proposals.config(assignment.overrides)
        self._queue.append(assignment)

    def _fail(self, assignment: Assignment, failure: Failure) -> None:
        _log.error("trial %d: %s: %s", assignment.trial.number, failure.kind, failure.message)
        if self._ledger.fail(assignment.trial, failure, assignment.ending()):
            self._failures.append(failure)
        self._refresh()
        self.failure = self.failure or failed_alike(self._failures, self._counts.finished)
