"""The runs of a confirmation: every candidate with every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distune.config import Config, as_dict, load_config, with_values
from distune.confirmation.candidates import Candidate, config_identity
from distune.confirmation.statistics.files import MARKER, folds_folder, run_folder
from distune.errors import ConfigError, UserError
from distune.training.files.run_folder import RESULTS, WEIGHTS, read_results, results_of
from distune.training.keys import versions_behind
from distune.tuning.trials.folds import fold_folder
from distune.tuning.trials.messages import TrialTask
from distune.utils.files.paths import check_no_link
from distune.utils.text import counted


@dataclass(frozen=True)
class Job:
    """One run: a contender with a seed.

    Attributes:
        number: its number in the confirmation.
        contender: name of the contender.
        seed: of the run.
        config: complete.
        folder: the run folder, or that of the folds.
        folds: how many folds are trained one after the other; None for a single run.
        dataset: fingerprint that the data set must have; None where that is not known.
    """

    number: int
    contender: str
    seed: int
    config: Config
    folder: Path
    folds: int | None = None
    dataset: str | None = None

    @property
    def runs(self) -> list[Path]:
        """The folders of its runs: one, or one a fold."""
        if self.folds is None:
            return [self.folder]
        return [fold_folder(self.folder, number) for number in range(1, self.folds + 1)]

    @property
    def is_done(self) -> bool:
        """Whether the run has ended and can be evaluated, or was: results come last, weights may be gone then.

        Raises:
            UserError: its results are damaged; nothing is trained over them.
        """
        if self.folds is not None:  # the folds answer for themselves, and keep no weights
            return all(map(_has_finished, self.runs))
        has_answers = any((self.folder / name).is_file() for name in (WEIGHTS, MARKER))
        return has_answers and _has_finished(self.folder)

    @property
    def is_of_this_version(self) -> bool:
        """Whether the steps behind a run that is done are those of this installation."""
        now = versions_behind(self.config)
        return all((read_results(run) or {}).get("versions") == now for run in self.runs)

    def task(self, attempt: int) -> TrialTask:
        """What a worker gets."""
        folder, config = str(self.folder), as_dict(self.config)
        return TrialTask(self.number, config, folder, attempt=attempt, dataset=self.dataset)

    @property
    def lacks_weights(self) -> bool:
        """Whether it is a single run that is done and whose weights were deleted since."""
        return self.folds is None and self.is_done and not (self.folder / WEIGHTS).is_file()

    def forget(self) -> None:
        """Lets it count as not done: it is trained and evaluated again."""
        for run in self.runs:
            (run / RESULTS).unlink()

    def check_folder(self) -> None:
        """Refuses a folder in which another config was trained, and one that is a link and not done.

        Raises:
            UserError: names the folder and what differs.
        """
        if not self.is_done:
            check_no_link(self.folder.parent, self.folder, *self.runs)
        path = self.runs[0] / "config.yaml"
        try:
            there = config_identity(load_config(path)) if path.is_file() else None
        except ConfigError:  # cut off when the run was killed; the run writes it again
            return
        now = config_identity(self.config)
        if there is not None and there != now:
            keys = sorted(key for key in {*there, *now} if there.get(key) != now.get(key))
            raise UserError(
                f"{self.folder} holds a run of another config ({', '.join(keys)} differ); "
                "delete or move it and confirm again"
            )


def _has_finished(run: Path) -> bool:
    try:
        return results_of(run) is not None
    except UserError:
        raise UserError(
            f"{run / RESULTS} is damaged, so nothing is trained over it; restore it, or delete {run} and confirm again"
        ) from None


def jobs_of(
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    confirmation: Path,
    folds: int | None = None,
    dataset: str | None = None,
) -> list[Job]:
    """Every contender with every seed; runs that could share a teacher are not neighbours, so none waits for it.

    Args:
        candidates: who takes part.
        seeds: of the trainings.
        confirmation: folder of the confirmation.
        folds: of the study. With each seed a contender is then also trained once without each of them.
        dataset: fingerprint of the data set: folds, and whose labels `label_fraction` keeps, depend on no seed.
    """
    pairs = [(candidate, seed) for candidate in candidates for seed in seeds]
    jobs = [
        Job(
            number,
            candidate.name,
            seed,
            candidate.at(seed),
            run_folder(confirmation, candidate.name, seed),
            dataset=dataset,
        )
        for number, (candidate, seed) in enumerate(pairs)
    ]
    if folds is None:
        return jobs
    return jobs + [
        Job(
            job.number + len(jobs),
            job.contender,
            job.seed,
            with_values(job.config, {"data.fold": {"number": 1, "of": folds}}),
            folds_folder(confirmation, job.contender, job.seed),
            folds,
            job.dataset,
        )
        for job in jobs
    ]


def forget_other_versions(jobs: Sequence[Job], *, is_open: bool) -> None:
    """Lets runs that another version trained count as not done, so that all that are compared are of one version.

    Args:
        jobs: all of the confirmation.
        is_open: whether the test split was opened for these runs.

    Raises:
        UserError: there are such runs and the split was opened: what it showed can no longer be confirmed on it.
    """
    others = [job for job in jobs if job.is_done and not job.is_of_this_version]
    if others and is_open:
        some = f"{len(others)} of {counted(len(jobs), 'run')}, {others[0].folder} the first,"
        raise UserError(
            f"{some} were trained by other versions of Distune or its libraries (versions in results.json), and the "
            "test split was opened for them; resume with those versions, or once they have finished, train again "
            "with --again: the second opening is recorded"
        )
    for job in others:
        job.forget()
