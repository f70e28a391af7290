"""The course of a confirmation: train, open the test split, evaluate, and write what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from distune import __version__
from distune.config import dump_config
from distune.config.revisions import encoders_of
from distune.confirmation.baselines import ends_of_grid, evaluate_baselines
from distune.confirmation.candidates import Candidate
from distune.confirmation.dry_run import check_predictions_are_read_back
from distune.confirmation.earlier import damaged_records, gains_before
from distune.confirmation.evaluation import Evaluation, evaluate_all
from distune.confirmation.expected_power import ExpectedPower, cases_to_evaluate, foresee
from distune.confirmation.jobs import Job, forget_other_versions, jobs_of
from distune.confirmation.opening import Opening
from distune.confirmation.request import ConfirmEndReason, ConfirmRequest, ConfirmResult
from distune.confirmation.run_job import FUNCTION
from distune.confirmation.statistics.files import (
    FOLDER,
    NUMBERS,
    PLAN,
    RECOMMENDED,
    join_folds,
    run_folder,
)
from distune.confirmation.statistics.numbers import confirmation_numbers
from distune.confirmation.statistics.scores.subgroups import write_subgroups
from distune.confirmation.train_candidates import TrainingEnd, train_all
from distune.confirmation.weights import drop_weights, has_room
from distune.data import Table
from distune.data.fingerprint import check_unchanged, table_fingerprint
from distune.data.table import EVALUATED, Split
from distune.errors import MachineError, UserError
from distune.store import Store
from distune.training.files.run_folder import read_results
from distune.training.scoring.scores import check_scores
from distune.tuning.coordinator.interrupts import Interrupts
from distune.tuning.executors.make import described, devices_for, make_executor
from distune.utils.files.atomic import check_outputs
from distune.utils.files.generated import write_generated
from distune.utils.files.sealed_files import write_sealed
from distune.utils.text import counted

Show = Callable[[str], None]
_log = logging.getLogger(__name__)


@dataclass
class Confirmation:
    """A confirmation whose study was read, and whose data are those of the study.

    Attributes:
        request: what was asked for.
        study: its name.
        folder: of the study.
        candidates: what is trained, the best of the search first.
        seeds: of the trainings.
        table: the data.
        study_seed: the study's own seed.
        opening: of the test split.
        interrupted: how often it was asked to stop.
        show: called with a line now and then.
        folds: of the study; None where its trials are evaluated on dev.
        searched: complete trials of the study.
        trial_folders: run folders of the study's trials by number, those of a fork among them.
    """

    request: ConfirmRequest
    study: str
    folder: Path
    candidates: Sequence[Candidate]
    seeds: tuple[int, ...]
    table: Table
    study_seed: int
    opening: Opening
    interrupted: Interrupts
    show: Show
    folds: int | None
    searched: int
    trial_folders: Mapping[int, Path]

    @property
    def _confirmation(self) -> Path:
        return self.folder / FOLDER

    @property
    def _devices(self) -> tuple[str, ...]:
        return self.request.devices or (self.candidates[0].config.training.device,)

    def run(self, notes: Sequence[str]) -> ConfirmResult:
        """Does what is left of it; `notes` are put on record with what else it notes.

        Raises:
            UserError: no run finished, or the test split was opened before, or what an earlier call left is damaged.
            OSError: a folder is where a file will be.
        """
        jobs = jobs_of(self.candidates, self.seeds, self._confirmation, self.folds, self.opening.dataset)
        for job in jobs:
            job.check_folder()
        check_outputs(self.folder)
        check_outputs(self._confirmation)
        for line in (*notes, *damaged_records(self.folder)):
            self._tell(line)
        evaluated: tuple[Split, ...] = EVALUATED if len(self.table.rows("test")) else ("dev",)
        check_scores(self.table, self.candidates[0].config.data.root, evaluated)
        check_predictions_are_read_back(self.table, evaluated, self._confirmation)
        forget_other_versions(jobs, is_open=self.opening.is_open)
        self._tell(str(self._expected_power or self._why_not_expected))
        result = self._compare(jobs, notes)
        while lost := [job for job in jobs if job.contender == result.recommended and job.lacks_weights]:
            self._tell(f"the weights of {result.recommended} are gone; it is trained again")
            for job in lost:
                job.forget()
            result = self._compare(jobs, notes)
        if result.recommended is not None:
            drop_weights(self._confirmation, result.recommended)
        return result

    def _compare(self, jobs: Sequence[Job], notes: Sequence[str]) -> ConfirmResult:
        """Trains and evaluates what is left, and writes the numbers of all."""
        trained = self._train(jobs)
        if trained.interrupted or self.interrupted():  # before the test split is opened
            return self._result("interrupted")
        if trained.low_disk:
            return self._result("low_disk")
        if trained.stopped_by is not None:
            ended = MachineError if trained.stopped_by.kind == "machine_fault" else UserError
            raise ended(
                f"{trained.stopped_by.message}\n"
                "Nothing was evaluated; once that is put right, the same command resumes it"
            )
        done = [job for job in jobs if job.is_done]
        self._check_kept(jobs, trained)
        if all(job.folds is not None for job in done):
            reasons = "\n".join(f"  {failure.kind}: {failure.message}" for failure in trained.failed.values())
            raise UserError(f"no run of the confirmation of {self.study} finished:\n{reasons}")
        self._check_data()
        settings = self._evaluate(done, self._opening_number)
        if settings is None:
            return self._result("interrupted")
        write_subgroups(self.table, self._confirmation)
        self._write_plan(jobs, trained, settings, notes)
        return self._result("incomplete" if trained.failed else "finished", self._write_numbers())

    def _check_data(self) -> None:
        """Refuses pictures that were changed while the runs were trained, before they are evaluated on them."""
        root = self.candidates[0].config.data.root
        check_unchanged(root, table_fingerprint(self.table), self.opening.dataset)

    def _check_kept(self, jobs: Sequence[Job], trained: TrainingEnd) -> None:
        """A run that was there, or ended well, and is gone would be left out of the comparison without a word."""
        gone = [job for job in jobs if not job.is_done and job.number not in trained.failed]
        if gone:
            raise UserError(
                f"{len(gone)} of {counted(len(jobs), 'run')}, {gone[0].folder} the first, were moved or deleted while "
                "this command worked; put them back, or the same command trains them again"
            )

    @cached_property
    def _opening_number(self) -> int:
        """Number of the opening of the test split, which is opened here; 0 without such a split.

        Once a call: after the numbers are written, `--again` would open it another time.
        """
        return self.opening.open() if len(self.table.rows("test")) else 0

    @cached_property
    def _expected_power(self) -> ExpectedPower | None:
        """The power for the tuning gain; None where it is not known; see `_why_not_expected`."""
        best, base = self.candidates[0], next(candidate for candidate in self.candidates if candidate.is_base)
        runs = [None if each.trial is None else self.trial_folders[each.trial] for each in (best, base)]
        cases, gain = cases_to_evaluate(self.table, self.folds), self.request.relevant_gain
        return foresee(runs[0], runs[1], self.folds, self.table.tasks, cases=cases, gain=gain)

    @property
    def _why_not_expected(self) -> str:
        if self.candidates[0].is_base:
            return "power: no trial scored above the base config in the search, so there is no tuning gain to show"
        return (
            "power: not known beforehand, as the search kept no answers of its best trial and the base config "
            "that can be compared"
        )

    def _train(self, jobs: Sequence[Job]) -> TrainingEnd:
        left = [job for job in jobs if not job.is_done]
        _log.info("confirmation of %s: %d of %d runs left", self.study, len(left), len(jobs))
        if not left:
            return TrainingEnd()
        self.show(
            f"{counted(len(left), 'run')} to train, {counted(len(jobs) - len(left), 'is there', 'are there')}"
        )
        try:
            self._fetch()
        except KeyboardInterrupt:
            return TrainingEnd(interrupted=True)
        request, workers = self.request, min(self.request.workers, len(left))
        devices = devices_for(
            request.executor, self._devices, workers, request.gpus_per_trial, ray_address=request.ray_address
        )
        self.show(f"devices: {described(request.executor, devices, request.gpus_per_trial)}")
        with make_executor(
            request.executor,
            FUNCTION,
            self.folder / "workers",
            workers=len(devices),
            devices=devices,
            threads=self.candidates[0].config.training.threads,
            ray_address=request.ray_address,
            gpus_per_trial=request.gpus_per_trial,
            interrupted=self.interrupted,
        ) as executor:
            return train_all(
                left,
                executor,
                interrupted=self.interrupted,
                has_room=lambda: has_room(self._confirmation),
                show=self._tell,
            )

    def _fetch(self) -> None:
        """Brings the encoders of all runs into the cache, so that no run waits for the hub.

        A name that nothing stands for is skipped: its run fails and is listed, and the others are evaluated.
        """
        from distune.models.encoders.hub.retry import HubRetry
        from distune.models.encoders.hub.revisions import fetch_encoders, is_known

        encoders = (found for candidate in self.candidates for found in encoders_of(candidate.config))
        wanted = ((encoder, kind) for (_, kind), encoder in encoders if is_known(encoder, kind))
        fetch_encoders(wanted, HubRetry(interrupted=self.interrupted))

    def _evaluate(self, done: Sequence[Job], number: int) -> dict[str, Any] | None:
        """Predictions of all runs and baselines; None where it was interrupted."""
        # The best trial's encoders, unless none of its runs ended: then they may be what cannot be built.
        whole = [job for job in done if job.folds is None]
        first = next(e for e in self.candidates if any(job.contender == e.name for job in whole))
        with Store(max_gb=first.config.cache.max_gb) as store:
            evaluation = Evaluation(self.table, store, self.study_seed, number, self._devices[0])
            if not evaluate_all(evaluation, whole, interrupted=self.interrupted, show=self._tell):
                return None
            for job in done:
                if job.folds is not None:
                    join_folds(job.runs, run_folder(self._confirmation, job.contender, job.seed))
            return evaluate_baselines(evaluation, first.at(self.seeds[0]), self._confirmation, self.folds)

    def _write_plan(
        self,
        jobs: Sequence[Job],
        trained: TrainingEnd,
        settings: dict[str, Any],
        notes: Sequence[str],
    ) -> None:
        failures = [
            {"contender": job.contender, "seed": job.seed, "kind": failure.kind, "message": failure.message}
            for job in jobs
            if (failure := trained.failed.get(job.number)) is not None
        ]
        plan = {
            "study": self.study,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "distune_version": __version__,
            "top": self.request.top,
            "seeds": list(self.seeds),
            "study_seed": self.study_seed,
            "searched": self.searched,
            "relevant_gain": self.request.relevant_gain,
            "new_cases": self.request.new_cases,
            "power_before": asdict(self._expected_power) if self._expected_power is not None else None,
            "folds": self.folds,
            "data_fingerprint": self.opening.dataset,
            "asked": [task.as_plain() for task in self.table.tasks],
            "may_lack": self.table.may_lack,
            "opening": self.opening.record(self._opening_number) if self._opening_number else None,
            "contenders": [self._about(candidate, jobs, failures) for candidate in self.candidates],
            "baselines": [{"name": name, "settings": about} for name, about in settings.items()],
            "failures": failures,
            "notes": [*notes, *ends_of_grid(settings)],
        }
        plan["gains_before"] = gains_before(self.folder, plan)
        write_sealed(self._confirmation / PLAN, plan)

    def _about(
        self, candidate: Candidate, jobs: Sequence[Job], failures: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        whole = [job for job in jobs if job.contender == candidate.name and job.folds is None]
        done = next((job for job in whole if job.is_done), None)
        results = (read_results(done.folder) if done else None) or {}
        return {
            "name": candidate.name,
            "kind": candidate.kind,
            "trial": candidate.trial,
            "rank": candidate.rank,
            "is_base": candidate.is_base,
            "search_score": candidate.search_score,
            "parameters": results.get("parameters"),
            "missing": [
                {key: failure[key] for key in ("seed", "kind", "message")}
                for failure in failures
                if failure["contender"] == candidate.name
            ],
        }

    def _write_numbers(self) -> dict[str, Any]:
        numbers = confirmation_numbers(self._confirmation)
        chosen = next(e for e in self.candidates if e.name == numbers["recommendation"]["contender"])
        write_generated(self.folder / RECOMMENDED, dump_config(chosen.config))
        write_sealed(self.folder / NUMBERS, numbers)
        return numbers

    def _tell(self, line: str) -> None:
        _log.info("%s", line)
        self.show(line)

    def _result(self, reason: ConfirmEndReason, numbers: dict[str, Any] | None = None) -> ConfirmResult:
        _log.info("confirmation of %s: %s", self.study, reason)
        return ConfirmResult(self.study, self.folder, reason, numbers or {})
