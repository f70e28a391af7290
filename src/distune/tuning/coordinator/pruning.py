"""Whether a trial is good enough to go on after an epoch."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from distune.tuning.coordinator.active_trial import Assignment
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.search.teacher_pruner import earlier_teachers, keeps_up
from distune.tuning.trials.messages import Scored


class Judge:
    """Writes the epochs that count into the study and asks the rule that judges them.

    Args:
        ledger: the study.
        proposals: knows which stage is judged, and for how many epochs.
        prune_teacher: stop a trial whose teacher falls behind, before its student trains.
    """

    def __init__(self, ledger: Ledger, proposals: JointProposals, prune_teacher: bool):
        self._ledger = ledger
        self._proposals = proposals
        self._prune_teacher = prune_teacher

    def lets_go_on(self, assignment: Assignment, event: Scored, trials: Sequence[FrozenTrial]) -> bool:
        """Whether the trial is good enough so far.

        Args:
            assignment: the trial.
            event: its last epoch.
            trials: all trials of the study as they were last read.
        """
        if self._proposals.judges(event.stage):
            return self._pruner_agrees(assignment, event)
        if event.stage == "teacher" and self._prune_teacher:
            return self._teacher_keeps_up(assignment, event, trials)
        return True

    def _teacher_keeps_up(self, assignment: Assignment, event: Scored, trials: Sequence[FrozenTrial]) -> bool:
        last = max(assignment.teacher_scores, default=0)
        if event.epoch not in assignment.teacher_scores:
            self._ledger.note(assignment.trial, assignment.teaching(event))
        if event.epoch < last:
            return True  # an attempt goes over epochs that were judged before
        earlier = earlier_teachers(event.number, trials)
        return keeps_up(assignment.teacher_scores, earlier, event.epoch)

    def _pruner_agrees(self, assignment: Assignment, event: Scored) -> bool:
        last = max(assignment.scores, default=0)
        if event.epoch not in assignment.scores:
            assignment.scores[event.epoch] = event.score
            self._ledger.report(assignment.trial, event.epoch, event.score)
        if event.epoch < last:
            return True  # an attempt goes over epochs that were judged before
        is_last = event.epoch >= self._proposals.epochs(assignment.config)
        return is_last or self._ledger.goes_on(assignment.trial)
