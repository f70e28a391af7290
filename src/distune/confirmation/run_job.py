"""What a worker runs for a confirmation: one training, or one for each fold."""

from __future__ import annotations

from distune.confirmation.statistics.files import OUT_OF_FOLD
from distune.tuning.trials.messages import Report, TrialOutcome, TrialTask

FUNCTION = "distune.confirmation.run_job:run_job"


def run_job(task: TrialTask, report: Report) -> TrialOutcome:
    """Runs a job of `confirmation.training`; the folder's name says whether it is one of folds.

    The config alone does not: it may name a single fold that the whole study was tuned on.

    Args:
        task: the complete config, the folder, the device and the threads.
        report: called with (stage, epoch, dev score); answers whether to continue.

    Raises:
        FloatingPointError: a loss is not finite.
        UserError: config or data break a rule.
    """
    if task.path.name == OUT_OF_FOLD:
        from distune.tuning.trials.folds import run_folds_trial

        return run_folds_trial(task, report)
    from distune.tuning.trials.trial import run_trial

    return run_trial(task, report)
