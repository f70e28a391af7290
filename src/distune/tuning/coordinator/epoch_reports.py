"""The epochs that active trials report: written into the study, and whether each ends its trial."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from distune.tuning.coordinator.active_trial import ActiveTrial
from distune.tuning.coordinator.ledger import Ledger
from distune.tuning.coordinator.proposals import JointProposals
from distune.tuning.search.teacher_pruner import earlier_teachers, should_prune_teacher
from distune.tuning.trials.messages import EpochReported


class EpochReports:
    """Writes the epochs that count into the study and asks the pruner of their stage.

    Args:
        ledger: the study.
        proposals: knows which stage is pruned by its scores, and how many epochs it has.
        prune_teacher: stop a trial whose teacher falls behind, before its student trains.
    """

    def __init__(self, ledger: Ledger, proposals: JointProposals, prune_teacher: bool):
        self._ledger = ledger
        self._proposals = proposals
        self._prune_teacher = prune_teacher

    def should_prune(self, active: ActiveTrial, event: EpochReported, trials: Sequence[FrozenTrial]) -> bool:
        """Whether to stop a trial.

        Args:
            active: the trial.
            event: its last epoch.
            trials: all trials of the study as they were last read.
        """
        if event.stage == self._proposals.stage:
            return self._by_score(active, event)
        if event.stage == "teacher" and self._prune_teacher:
            return self._by_teacher(active, event, trials)
        return False

    def _by_teacher(self, active: ActiveTrial, event: EpochReported, trials: Sequence[FrozenTrial]) -> bool:
        last = max(active.teacher_scores, default=0)
        if event.epoch not in active.teacher_scores:
            self._ledger.note(active.trial, active.with_teacher_score(event))
        if event.epoch < last:
            return False  # a resumed attempt reports again the epochs that were reported before
        earlier = earlier_teachers(event.number, trials)
        return should_prune_teacher(active.teacher_scores, earlier, event.epoch)

    def _by_score(self, active: ActiveTrial, event: EpochReported) -> bool:
        last = max(active.scores, default=0)
        if event.epoch not in active.scores:
            active.scores[event.epoch] = event.score
            self._ledger.report(active.trial, event.epoch, event.score)
        if event.epoch < last:
            return False  # a resumed attempt reports again the epochs that were reported before
        is_last = event.epoch >= self._proposals.epochs(active.config)
        return not is_last and self._ledger.should_prune(active.trial)
