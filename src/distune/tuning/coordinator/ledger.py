"""What a coordinator reads from its study and writes into it; every access waits out a database that is away."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from distune.errors import UserError
from distune.tuning.coordinator.leases import PREFIX, Lease, leases, sessions
from distune.tuning.study.attributes import SURPLUS, is_foreign
from distune.tuning.study.storage_retry import StorageRetry
from distune.tuning.study.transactions import (
    claim,
    count_trials,
    delete_scores,
    requeue_if_owned,
    set_attributes,
    waiting_trials,
)
from distune.tuning.trials.messages import Failure, TrialOutcome
from distune.utils.numbers import is_number

OWNER = "coordinator"
_CHANGED = (
    "another program {} while this command worked on it; restore its database from a copy. The run folders of its "
    "trials are kept"
)
UNNAMED_KIND = "kind not recorded"
"""Of a trial that another program failed."""
_log = logging.getLogger(__name__)


@dataclass
class TrialCounts:
    """Trials of a study by what became of them."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    foreign: int = 0
    best: tuple[int, float] | None = None
    alive: list[int] = field(default_factory=list)

    @property
    def finished(self) -> int:
        """Trials that count towards `n_trials`."""
        return self.complete + self.pruned


def count(trials: Iterable[FrozenTrial], *, minimise: bool = False, is_ours: bool = True) -> TrialCounts:
    """Counts trials; surplus ones are no failures, and what another program added to a study of ours is no run of it.

    Args:
        trials: of a study with one objective.
        minimise: whether the lowest value is the best; Distune's own studies maximise.
        is_ours: whether `tune` made the study.
    """
    sign = -1 if minimise else 1
    counts = TrialCounts()
    for trial in trials:
        if is_ours and is_foreign(trial):
            counts.foreign += 1
            continue
        if trial.state == TrialState.FAIL:
            counts.failed += trial.user_attrs.get("failure_kind") != SURPLUS
            continue
        counts.alive.append(trial.number)
        if trial.state == TrialState.COMPLETE:
            counts.complete += 1
            value = trial.value
            if (
                value is not None
                and is_number(value)
                and (counts.best is None or sign * value > sign * counts.best[1])
            ):
                counts.best = (trial.number, value)
        elif trial.state == TrialState.PRUNED:
            counts.pruned += 1
        elif trial.state == TrialState.RUNNING:
            counts.running += 1
        else:
            counts.waiting += 1
    return counts


def count_kinds(trials: Iterable[FrozenTrial], *, is_ours: bool = True) -> dict[str, int]:
    """The failed trials by kind, of those that `count` calls failed."""
    kinds = (
        trial.user_attrs.get("failure_kind", UNNAMED_KIND)
        for trial in trials
        if trial.state == TrialState.FAIL and not (is_ours and is_foreign(trial))
    )
    return dict(Counter(kind for kind in kinds if kind != SURPLUS))


def ranked(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The complete trials that ran here, the highest score first, the earliest of equals."""
    complete = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and is_number(trial.value) and not is_foreign(trial)
    ]
    return sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))


class Ledger:
    """The study as one coordinator sees it.

    Args:
        study: an open study.
        owner: the coordinator's name, stamped on its trials.
        retry: repeats calls while the storage is away.
    """

    def __init__(self, study: Study, owner: str, retry: StorageRetry | None = None):
        self.study = study
        self._owner = owner
        self._storage = study._storage
        self.retrying = retry or StorageRetry()
        self._known: list[FrozenTrial] = []
        self._question = self.retrying(lambda: self._question_in(study.user_attrs))

    def trials(self) -> list[FrozenTrial]:
        """All trials in the order of their numbers; not to be changed.

        Raises:
            UserError: another program deleted some.
        """
        found = self.retrying(lambda: self.study.get_trials(deepcopy=False))
        # A new trial gets the number of one that was deleted.
        is_same = all(old._trial_id == new._trial_id for old, new in zip(self._known, found, strict=False))
        is_whole = all(trial.number == place for place, trial in enumerate(found))
        if len(found) < len(self._known) or not is_same or not is_whole:
            raise UserError(_CHANGED.format("deleted trials of the study"))
        self._known = found
        return self._known

    def ask(self) -> Trial:
        """A requeued trial, or else a new one; this coordinator owns it."""
        return self._requeued() or self._new()

    def _requeued(self) -> Trial | None:
        """The first waiting trial that this coordinator can claim; Optuna's own `ask` would not name its owner."""
        for trial_id in self.retrying(lambda: waiting_trials(self._storage, self.study._study_id)):
            # Claim first, then set RUNNING: a coordinator that dies in between leaves a waiting trial. Another one may
            # have claimed it after us and before it ran: then it is not ours.
            if (
                self._claims(trial_id, self._read(trial_id).user_attrs.get(OWNER))
                and self._begins(trial_id)
                and self._owns(trial_id)
            ):
                return self.retrying(lambda trial_id=trial_id: Trial(self.study, trial_id))  # type: ignore[misc]
        return None

    def _new(self) -> Trial:
        """A new trial that has this coordinator as its owner from the start, which Optuna's `ask` could not give it."""
        self.study._thread_local.cached_all_trials = (
            None  # as `ask` does: the sampler reads the storage again
        )
        template = create_trial(state=TrialState.RUNNING, user_attrs={OWNER: self._owner})
        study_id = self.study._study_id
        trial_id = self.retrying(lambda: self._storage.create_new_trial(study_id, template))
        return self.retrying(lambda: Trial(self.study, trial_id))

    def _begins(self, trial_id: int) -> bool:
        try:
            return self.retrying(lambda: self._storage.set_trial_state_values(trial_id, TrialState.RUNNING))
        except UpdateFinishedTrialError:
            return False

    def take_over(self, frozen: FrozenTrial) -> Trial | None:
        """Takes over a stale trial; None if another coordinator was quicker or it no longer runs."""
        if not self._claims(frozen._trial_id, frozen.user_attrs.get(OWNER)):
            return None
        # Its coordinator may have requeued it meanwhile: then it waits for the next `ask`.
        if self._read(frozen._trial_id).state != TrialState.RUNNING:
            return None
        return self.retrying(lambda: Trial(self.study, frozen._trial_id))

    def _claims(self, trial_id: int, old: str | None) -> bool:
        """Makes this coordinator the owner in place of an old one.

        Returns:
            Whether it is the owner now, read again: the answer to the claim may have been lost on its way.
        """
        if old != self._owner:
            self.retrying(lambda: claim(self._storage, trial_id, OWNER, old, self._owner))
        return self._owns(trial_id)

    def note(self, trial: Trial, values: Mapping[str, Any]) -> None:
        """Writes user attributes of a trial that runs."""
        self.retrying(lambda: set_attributes(self._storage, trial._trial_id, values))
        trial._cached_frozen_trial.user_attrs.update(values)  # as `Trial.set_user_attr` does

    def should_prune(self, trial: Trial) -> bool:
        """Whether the pruner stops a trial after its last reported epoch.

        It compares with the trials as they were last read: reading every running trial again for every epoch of every
        other one would take a coordinator of many workers most of its time, and only finished ones count.
        """
        trial.study = self._as_last_read()
        try:
            return self.retrying(trial.should_prune)
        finally:
            trial.study = self.study

    def report(self, trial: Trial, epoch: int, score: float) -> None:
        """Reports an epoch's score."""
        self.retrying(lambda: trial.report(score, epoch))

    def start_over(self, trial: Trial, values: Mapping[str, Any]) -> None:
        """Writes user attributes of a trial that starts over, and deletes the scores that it has reported."""
        if self._owns(trial._trial_id):
            # Scores first: a coordinator that dies here leaves a trial that runs out of memory once more.
            self.retrying(lambda: delete_scores(self._storage, trial._trial_id))
            trial._cached_frozen_trial.intermediate_values.clear()  # what Optuna shows its pruners
            self.note(trial, values)

    def complete(self, trial: Trial, outcome: TrialOutcome, values: Mapping[str, Any]) -> bool:
        """Ends a trial with its score and user attributes; False if another coordinator has taken it over."""
        return self._tell(trial, values, TrialState.COMPLETE, outcome.score)

    def prune(self, trial: Trial, values: Mapping[str, Any]) -> bool:
        """Ends a trial as pruned; its value is the last score."""
        return self._tell(trial, values, TrialState.PRUNED)

    def fail(self, trial: Trial, failure: Failure, values: Mapping[str, Any]) -> bool:
        """Ends a trial as failed; it gets no value."""
        why = {
            "failure_kind": failure.kind, "failure_message": failure.message, "failure_output": failure.output,
        }  # fmt: skip
        return self._tell(trial, {**values, **why}, TrialState.FAIL)

    def requeue(self, trial: Trial, values: Mapping[str, Any]) -> None:
        """Requeues an interrupted trial, for the next coordinator of the study."""
        if not self._owns(trial._trial_id):
            return
        try:
            self.note(trial, values)
            is_own = self.retrying(
                lambda: requeue_if_owned(self._storage, trial._trial_id, OWNER, self._owner)
            )
        except UpdateFinishedTrialError:
            is_own = False
        if not is_own:  # another coordinator took it over just now, and may have ended it
            _log.warning("trial %d was taken over by another coordinator; it is dropped here", trial.number)

    def write_lease(self, lease: Lease) -> None:
        """Renews this coordinator's lease."""
        self.retrying(lambda: self.study.set_user_attr(PREFIX + lease.coordinator, lease.__dict__))

    def write_sessions(self) -> None:
        """Writes when the tuning command ran on the study, for reports."""
        found = sessions(self.leases())
        self.retrying(lambda: self.study.set_user_attr("sessions", found))

    def leases(self) -> dict[str, Lease]:
        """All coordinators' leases; read every few seconds and at the end, so what else may not change is seen here.

        Raises:
            UserError: another program changed what the study is about.
        """
        known = self.retrying(lambda: self.study.user_attrs)
        if self.retrying(lambda: self._question_in(known)) != self._question:
            raise UserError(
                _CHANGED.format("changed what the study is about (its direction or its base config)")
            )
        if self.retrying(lambda: count_trials(self._storage, self.study._study_id)) < len(self._known):
            raise UserError(_CHANGED.format("deleted trials of the study"))
        return leases(known)

    def _question_in(self, known: Mapping[str, Any]) -> tuple[Any, ...]:
        """What makes the scores of a study comparable; Optuna remembers the direction, so its database is asked."""
        database = getattr(self._storage, "_backend", self._storage)
        return (
            database.get_study_directions(self.study._study_id),
            *(known.get(key) for key in ("base_config", "data_fingerprint", "metric")),
        )

    def _as_last_read(self) -> Study:
        view = copy.copy(self.study)

        def get_trials(
            deepcopy: bool = True, states: Container[TrialState] | None = None
        ) -> list[FrozenTrial]:
            found = [trial for trial in self._known if states is None or trial.state in states]
            return copy.deepcopy(found) if deepcopy else found

        view.get_trials = get_trials  # type: ignore[method-assign]
        return view

    def _owns(self, trial_id: int) -> bool:
        return is_owned(self._read(trial_id), self._owner)

    def _read(self, trial_id: int) -> FrozenTrial:
        return self.retrying(lambda: self._storage.get_trial(trial_id))

    def _tell(
        self, trial: Trial, values: Mapping[str, Any], state: TrialState, value: float | None = None
    ) -> bool:
        if not self._owns(trial._trial_id):
            _log.warning(
                "trial %d was taken over by another coordinator; its result here is dropped", trial.number
            )
            return False
        self.note(trial, values)
        self.retrying(lambda: self.study.tell(trial, value, state, skip_if_finished=True))
        return True


def is_owned(trial: FrozenTrial, owner: str) -> bool:
    """Whether a trial is unfinished and a coordinator's own."""
    return trial.user_attrs.get(OWNER) == owner and not trial.state.is_finished()


def timestamp() -> str:
    """The time as people and `datetime.fromisoformat` read it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
