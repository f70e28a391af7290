"""Confirming a study: the one function that the CLI calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.study import Study
from optuna.trial import TrialState

from distune import __version__
from distune.analysis.records.sources import database_file
from distune.config import save_config, with_values
from distune.config.revisions import encoders_of
from distune.confirmation.baselines import ends_of_grid, evaluate_baselines
from distune.confirmation.candidates import Candidate, confirmation_seeds, contenders
from distune.confirmation.dry_run import check_predictions_are_read_back
from distune.confirmation.evaluation import Evaluation, evaluate_all
from distune.confirmation.expected_power import ExpectedPower, cases_to_evaluate, foresee
from distune.confirmation.opening import Opening, plan_name
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
from distune.confirmation.statistics.scores.subgroups import FILE as SUBGROUPS
from distune.confirmation.statistics.scores.subgroups import write_subgroups
from distune.confirmation.train_candidates import Job, TrainingEnd, forget_other_versions, jobs_of, train_all
from distune.confirmation.weights import drop_weights, has_room
from distune.data import Table, read_table
from distune.data.fingerprint import table_fingerprint
from distune.data.table import Split
from distune.errors import UserError
from distune.store import Store, cache_folder
from distune.training.files.run_folder import read_results
from distune.training.scoring.scores import check_scores
from distune.tuning.coordinator.interrupts import Interrupts, interrupts
from distune.tuning.coordinator.progress import log_file
from distune.tuning.coordinator.retention import folder_name
from distune.tuning.executors.make import check_executor, described, devices_for, make_executor
from distune.tuning.status import status_of
from distune.tuning.study.names import name_in
from distune.tuning.study.open_study import check_study_name, is_made_by_tune
from distune.tuning.study.read_only import reading
from distune.tuning.study.settings import NEUTRAL_KEYS
from distune.tuning.study.storage import default_url
from distune.tuning.study.storage_url import redacted
from distune.utils.atomic import check_replaceable
from distune.utils.default_folders import STUDIES
from distune.utils.sealed_files import write_sealed
from distune.utils.text import counted

Show = Callable[[str], None]
_log = logging.getLogger(__name__)


def confirm(request: ConfirmRequest, show: Show = lambda line: None) -> ConfirmResult:
    """Trains the contenders of a study over seeds, evaluates them once on the test split and compares them.

    After any interruption the same request resumes where it was.

    Args:
        request: what to confirm.
        show: called with a line now and then.

    Raises:
        UserError: there is no such study, it still runs, its data have changed, or the test split was opened before.
    """
    check_executor(
        request.executor,
        devices=request.devices,
        ray_address=request.ray_address,
        gpus_per_trial=request.gpus_per_trial,
    )
    if request.devices:
        devices_for(request.executor, request.devices, request.workers)
    settings = _settings(request)
    cache_folder()  # each run would fail for it
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _study(request) as (study, folder):
        candidates, notes = contenders(study, request.top, one_modality=request.one_modality)
        fingerprint = str(study.user_attrs["data_fingerprint"])
        seed = int(study.user_attrs["seed"])
        name, folds = study.study_name, study.user_attrs.get("folds")
        searched = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if settings:
        candidates = [replace(each, config=with_values(each.config, settings)) for each in candidates]
    confirmation = folder / FOLDER
    confirmation.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_alone(confirmation))
        stack.enter_context(log_file(folder / "confirmation.log"))
        interrupted = stack.enter_context(interrupts())
        seeds = confirmation_seeds(seed, request.seeds)
        opening = Opening(folder, plan_name(name, candidates, seeds, fingerprint), fingerprint, request.again)
        opening.check()  # before the data are read, which takes its time
        table = _table(candidates[0], fingerprint, request.subgroup_columns)
        work = _Confirmation(
            request, name, folder, candidates, seeds, table, seed, opening, interrupted, show, folds, searched
        )
        return work.run([*notes, *_about(table, folds)])


@dataclass
class _Confirmation:
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

    @property
    def confirmation(self) -> Path:
        return self.folder / FOLDER

    @property
    def devices(self) -> tuple[str, ...]:
        return self.request.devices or (self.candidates[0].config.training.device,)

    def run(self, notes: Sequence[str]) -> ConfirmResult:
        jobs = jobs_of(self.candidates, self.seeds, self.confirmation, self.folds)
        for job in jobs:
            job.check_folder()
        check_replaceable(*(self.folder / name for name in (NUMBERS, RECOMMENDED)))
        check_replaceable(*(self.confirmation / name for name in (PLAN, SUBGROUPS)))
        has_test = len(self.table.rows("test")) > 0
        evaluated: tuple[Split, ...] = ("dev", "test") if has_test else ("dev",)
        check_scores(self.table, self.candidates[0].config.data.root, evaluated)
        check_predictions_are_read_back(self.table, evaluated, self.confirmation)
        forget_other_versions(jobs, is_open=self.opening.is_open)
        self.tell(str(self.expected_power or self.why_not_expected))
        trained = self.train(jobs)
        if trained.interrupted or self.interrupted():  # before the test split is opened
            return self.result("interrupted")
        if trained.low_disk:
            return self.result("low_disk")
        done = [job for job in jobs if job.is_done]
        self.check_kept(jobs, trained)
        if all(job.folds is not None for job in done):
            reasons = "\n".join(f"  {failure.kind}: {failure.message}" for failure in trained.failed.values())
            raise UserError(f"no run of the confirmation of {self.study} finished:\n{reasons}")
        number = self.opening.open() if has_test else 0
        settings = self.evaluate(done, number)
        if settings is None:
            return self.result("interrupted")
        write_subgroups(self.table, self.confirmation)
        self.write_plan(jobs, trained, number, settings, notes)
        return self.result("incomplete" if trained.failed else "finished", self.write_numbers())

    def check_kept(self, jobs: Sequence[Job], trained: TrainingEnd) -> None:
        """A run that was there, or ended well, and is gone would be left out of the comparison without a word."""
        gone = [job for job in jobs if not job.is_done and job.number not in trained.failed]
        if gone:
            raise UserError(
                f"{len(gone)} of {counted(len(jobs), 'run')}, {gone[0].folder} the first, were moved or deleted while "
                "this command worked; put them back, or the same command trains them again"
            )

    @cached_property
    def expected_power(self) -> ExpectedPower | None:
        """The power for the tuning gain; None where the search kept no predictions, or where the base is the best."""
        best, base = self.candidates[0], next(candidate for candidate in self.candidates if candidate.is_base)
        folders = [
            None if candidate.trial is None else self.folder / "trials" / folder_name(candidate.trial)
            for candidate in (best, base)
        ]
        cases, gain = cases_to_evaluate(self.table, self.folds), self.request.relevant_gain
        return foresee(folders[0], folders[1], self.folds, self.table.tasks, cases=cases, gain=gain)

    @property
    def why_not_expected(self) -> str:
        if self.candidates[0].is_base:
            return "power: no trial scored above the base config in the search, so there is no tuning gain to show"
        return (
            "power: not known beforehand, as the search kept no answers of its best trial and the base config "
            "that can be compared"
        )

    def train(self, jobs: Sequence[Job]) -> TrainingEnd:
        left = [job for job in jobs if not job.is_done]
        _log.info("confirmation of %s: %d of %d runs left", self.study, len(left), len(jobs))
        if not left:
            return TrainingEnd()
        self.show(
            f"{counted(len(left), 'run')} to train, {counted(len(jobs) - len(left), 'is there', 'are there')}"
        )
        try:
            self.fetch()
        except KeyboardInterrupt:
            return TrainingEnd(interrupted=True)
        request, workers = self.request, min(self.request.workers, len(left))
        devices = devices_for(request.executor, self.devices, workers, request.gpus_per_trial)
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
                has_room=lambda: has_room(self.confirmation),
                show=self.tell,
            )

    def fetch(self) -> None:
        """Brings the encoders of all runs into the cache, so that no run waits for the hub.

        A name that nothing stands for is skipped: its run fails and is listed, and the others are evaluated.
        """
        from distune.models.encoders.hub.retry import HubRetry
        from distune.models.encoders.hub.revisions import fetch_encoders, is_known

        encoders = (found for candidate in self.candidates for found in encoders_of(candidate.config))
        wanted = ((encoder, kind) for (_, kind), encoder in encoders if is_known(encoder, kind))
        fetch_encoders(wanted, HubRetry(interrupted=self.interrupted))

    def evaluate(self, done: Sequence[Job], number: int) -> dict[str, Any] | None:
        """Predictions of all runs and baselines; None where it was interrupted."""
        # The best trial's encoders, unless none of its runs ended: then they may be what cannot be built.
        whole = [job for job in done if job.folds is None]
        first = next(e for e in self.candidates if any(job.contender == e.name for job in whole))
        with Store(max_gb=first.config.cache.max_gb) as store:
            evaluation = Evaluation(self.table, store, self.study_seed, number, self.devices[0])
            if not evaluate_all(evaluation, whole, interrupted=self.interrupted, show=self.tell):
                return None
            for job in done:
                if job.folds is not None:
                    join_folds(job.runs, run_folder(self.confirmation, job.contender, job.seed))
            return evaluate_baselines(evaluation, first.at(self.seeds[0]), self.confirmation, self.folds)

    def write_plan(
        self,
        jobs: Sequence[Job],
        trained: TrainingEnd,
        number: int,
        settings: dict[str, Any],
        notes: Sequence[str],
    ) -> None:
        failures = [
            {"contender": job.contender, "seed": job.seed, "kind": failure.kind, "message": failure.message}
            for job in jobs
            if (failure := trained.failed.get(job.number)) is not None
        ]
        write_sealed(
            self.confirmation / PLAN,
            {
                "study": self.study,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "distune_version": __version__,
                "top": self.request.top,
                "seeds": list(self.seeds),
                "study_seed": self.study_seed,
                "searched": self.searched,
                "relevant_gain": self.request.relevant_gain,
                "new_cases": self.request.new_cases,
                "power_before": asdict(self.expected_power) if self.expected_power is not None else None,
                "folds": self.folds,
                "data_fingerprint": self.opening.dataset,
                "asked": [task.as_plain() for task in self.table.tasks],
                "may_lack": self.table.may_lack,
                "opening": self.opening.record(number) if number else None,
                "contenders": [self.about(candidate, jobs, failures) for candidate in self.candidates],
                "baselines": [{"name": name, "settings": about} for name, about in settings.items()],
                "failures": failures,
                "notes": [*notes, *ends_of_grid(settings)],
            },
        )

    def about(
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

    def write_numbers(self) -> dict[str, Any]:
        numbers = confirmation_numbers(self.confirmation)
        chosen = next(e for e in self.candidates if e.name == numbers["recommendation"]["contender"])
        save_config(chosen.config, self.folder / RECOMMENDED)
        write_sealed(self.folder / NUMBERS, numbers)
        drop_weights(self.confirmation, chosen.name)
        return numbers

    def tell(self, line: str) -> None:
        _log.info("%s", line)
        self.show(line)

    def result(self, reason: ConfirmEndReason, numbers: dict[str, Any] | None = None) -> ConfirmResult:
        _log.info("confirmation of %s: %s", self.study, reason)
        return ConfirmResult(self.study, self.folder, reason, numbers or {})


@contextmanager
def _study(request: ConfirmRequest) -> Iterator[tuple[Study, Path]]:
    """Opens the study and finds its folder."""
    if request.storage is not None:
        check_study_name(request.study)
        url, name, folder = request.storage, request.study, STUDIES / request.study
    else:
        file = database_file(Path(request.study))
        url, name, folder = default_url(file.parent, file.stem), file.stem, file.with_suffix("")
    with reading(url) as storage:
        name = name_in(storage, name, url, is_own_file=request.storage is None)
        study = optuna.load_study(study_name=name, storage=storage)
        if not is_made_by_tune(study):
            raise UserError(f"study {study.study_name} was not made by distune tune; it cannot be confirmed")
        if status_of(study, redacted(url), datetime.now().astimezone()).workers:
            raise UserError(
                f"study {study.study_name} is still running: its best trials may change; "
                "let it finish or stop it, then confirm"
            )
        yield study, folder


@contextmanager
def _alone(confirmation: Path) -> Iterator[None]:
    """Keeps a second confirmation of the same study away."""
    try:
        with filelock.FileLock(confirmation / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise UserError(
            f"another process confirms this study already ({confirmation}); wait for it"
        ) from None


def _settings(request: ConfirmRequest) -> dict[str, Any]:
    """What lies over the study's configs, by dotted key: where the confirmation runs."""
    places = [key for key in NEUTRAL_KEYS if "." in key]
    if others := [key for key in request.settings if key not in places]:
        raise UserError(
            f"{others[0]} cannot be set: a confirmation trains the configs of the study as they are; "
            f"only {', '.join(places)} may be others. Tune again with another value"
        )
    moved = {} if request.data_root is None else {"data.root": str(request.data_root)}
    return {**request.settings, **moved}


def _table(candidate: Candidate, fingerprint: str, subgroups: tuple[str, ...]) -> Table:
    config = candidate.config
    if subgroups:
        config = with_values(config, {"data.subgroup_columns": list(subgroups)})
    table = read_table(config.data, config.seed, check_images=False)
    if table_fingerprint(table) != fingerprint:
        raise UserError(
            f"{config.data.root}: the data set is not the one that the study was tuned on; "
            "name that one with --data-root, or tune again"
        )
    return table


def _about(table: Table, folds: int | None) -> list[str]:
    if len(table.rows("test")):
        return []
    evaluated = "dev" if folds is None else f"{folds} folds of train and dev"
    return [
        f"the data set has no test split: everything is evaluated on {evaluated}, which the search has seen"
    ]
