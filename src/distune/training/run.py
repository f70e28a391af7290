"""A run: one teacher and one student trained from one config, in one folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.config import Config
from distune.data import Table, read_table
from distune.data.demo.demo import make_demo
from distune.data.fingerprint import check_unchanged, image_fingerprints, table_fingerprint
from distune.data.table import EVALUATED
from distune.distillation import LOSSES, LossShapes, Objective, label_shares, shared_modalities, undefined
from distune.distillation.loss_parts import exclusive_weights
from distune.errors import ConfigError, UserError
from distune.models.classifier import Classifier
from distune.models.init_from_teacher import check_start, copy_layers
from distune.store import Store, key_of
from distune.training.callbacks import Callback, EpochRecord, StopTraining, best_epoch
from distune.training.cost import Cost, carried, peak_process_mb
from distune.training.devices import Compute, compute_for
from distune.training.files.checkpoint import CheckpointFile
from distune.training.files.prediction_files import write_predictions
from distune.training.files.results import RunResult
from distune.training.files.run_folder import (
    ENVIRONMENT,
    OPENINGS,
    record_opening,
    remove_run,
    start_folder,
    write_metrics,
    write_results,
)
from distune.training.hub_commits import with_commits
from distune.training.inputs.inputs import InputSteps, files_hash
from distune.training.keys import student_key, uses_teacher, versions_behind
from distune.training.loop import Examples, Fitted, Plan, fit
from distune.training.predictions import Targets, predict
from distune.training.scoring.evaluation import evaluate
from distune.training.scoring.missing_modalities import scores_apart
from distune.training.scoring.scores import check_scores
from distune.training.student import (
    build_student,
    count_parameters,
    encoder_identities,
    save_student,
    student_seed,
)
from distune.training.teacher.teacher import Teacher, TeacherStage, class_weights
from distune.utils.files.paths import check_appendable, read_file

_log = logging.getLogger(__name__)


def run(
    config: Config,
    folder: Path,
    *,
    callback: Callback | None = None,
    open_test: bool = False,
    overwrite: bool = False,
    store: Store | None = None,
    check_images: bool = True,
    dataset: str | None = None,
) -> RunResult:
    """Trains teacher and student and fills the run folder.

    Called again with the same folder after an interruption, it resumes from the last checkpoint and ends with
    the same numbers; what another config or data set left in the folder is not used.

    Args:
        config: the experiment.
        folder: made where it is missing.
        callback: called around stages and after each epoch of the teacher and the student; may stop the run.
        open_test: also evaluate the test split, where there is one; recorded beside the run folder.
        overwrite: remove the run that the folder holds, once nothing is known to keep this one from its first epoch.
        store: where expensive steps are kept; the user's cache by default.
        check_images: decode every image first, to list the bad ones; skip it where that was done before.
        dataset: fingerprint that the data set must have, as its other runs in a study had; empty takes any.

    Raises:
        DataError: the data set breaks rules; all are listed. Or it has changed.
        FloatingPointError: a loss is not finite.
    """
    roles = ("teacher", "student") if uses_teacher(config) else ("student",)
    config = with_commits(config, None if overwrite else folder, roles)
    compute = compute_for(config.training)
    with store or Store(max_gb=config.cache.max_gb) as opened:
        job = _Run(config, folder, callback or Callback(), opened, compute)
        with carried(job.cost):
            job.check(check_images, dataset, open_test=open_test)
            job.build()
            job.begin(overwrite=overwrite)
            try:
                teacher, fitted = job.train()
            except StopTraining:
                return job.result(None, {})
            results = {} if fitted.stopped else job.evaluate(teacher)
            return job.result(fitted, results)


def run_teacher(
    config: Config,
    folder: Path,
    *,
    callback: Callback | None = None,
    check_images: bool = True,
    dataset: str | None = None,
) -> RunResult:
    """Trains the teacher alone and scores it on dev; every student after finds it in the store.

    Args:
        config: the experiment; its student does not matter.
        folder: made where it is missing.
        callback: called around the stages and after each epoch; may stop the run.
        check_images: as for `run`.
        dataset: as for `run`.

    Raises:
        DataError: the data set breaks rules; all are listed. Or it has changed.
        FloatingPointError: a loss is not finite.
    """
    config = with_commits(config, folder, ("teacher",))
    compute = compute_for(config.training)
    with Store(max_gb=config.cache.max_gb) as store:
        job = _Run(config, folder, callback or Callback(), store, compute)
        with carried(job.cost):
            job.check(check_images, dataset)
            job.begin()
            try:
                teacher = job.train_teacher()
            except StopTraining:
                return job.result(Fitted(job.history, stopped=True), {})
            results = job.evaluated_teacher(teacher)
            write_results(folder, results)
            return job.result(Fitted(teacher.history, stopped=False), results)


@dataclass
class _Run(Callback):
    """A run, and what training calls after each epoch."""

    config: Config
    folder: Path
    callback: Callback
    store: Store
    compute: Compute
    seconds: dict[str, float] = field(default_factory=dict)
    history: list[EpochRecord] = field(default_factory=list)
    is_new: bool = field(init=False)
    scores_test: bool = field(init=False)
    built: float = field(init=False)
    table: Table = field(init=False)
    fingerprint: str = field(init=False)
    begun: bytes = field(init=False)
    steps: InputSteps = field(init=False)
    student: Classifier = field(init=False)
    examples: Examples = field(init=False)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        self.callback.on_stage_start(stage)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.callback.on_stage_end(stage)
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def cost(self) -> Cost:
        in_use = self.compute.peak_memory_mb() or 0.0
        return Cost(dict(self.seconds), peak_process_mb(), in_use, self.compute.name)

    @property
    def cache(self) -> dict[str, Any]:
        found, computed = dict(self.store.hits), dict(self.store.misses)
        return {"hits": found, "misses": computed, "seconds_saved": self.store.seconds_saved}

    def check(self, check_images: bool, dataset: str | None, *, open_test: bool = False) -> None:
        """Reads the data, and refuses what can only fail later."""
        config = self.config
        if problems := undefined(config):
            raise ConfigError("config", problems)
        if config.student.init_from_teacher and uses_teacher(config):
            check_start(config.teacher, config.student, config.data.image_size)
        self.is_new = not self.folder.exists()
        self.store.about["dataset"] = str(config.data.root)
        with self.timed("data"):
            if dataset is None:  # that of a study is there, or the study ends
                make_demo(config)
            self.table = read_table(config.data, check_images=check_images)
            for note in self.table.notes if dataset is None else ():  # a study has said them once
                _log.warning("%s", note)
            self.scores_test = open_test and len(self.table.rows("test")) > 0
            check_scores(self.table, config.data.root, EVALUATED if self.scores_test else ("dev",))
            images = image_fingerprints(self.table)
            self.fingerprint = table_fingerprint(self.table, images)
            check_unchanged(config.data.root, self.fingerprint, dataset)
            files = files_hash(images)
            self.steps = InputSteps(
                self.table,
                config.data,
                self.store,
                self.compute,
                config.seed,
                files,
                self.callback.on_progress,
            )

    def build(self) -> None:
        """The student, before the teacher is trained: an encoder that cannot be built costs no epoch and no run."""
        started = time.perf_counter()
        self.student = build_student(self.config, self.table.tasks, keep_encoders=self.compute.keeps_encoders)
        self.built = time.perf_counter() - started

    def begin(self, *, overwrite: bool = False) -> None:
        """Writes what is known before training."""
        if self.is_new:  # one that was there, and is moved or deleted meanwhile, stays gone
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.scores_test:
            check_appendable(self.folder.parent / OPENINGS)  # the split is opened after the training
        if overwrite:
            if uses_teacher(self.config):
                self.teacher_stage().build()  # one that cannot be built costs no run either
            remove_run(self.folder)
        start_folder(self.folder, self.config, self.table, self.compute)
        self.begun = read_file(self.folder / ENVIRONMENT)

    @property
    def key(self) -> str:
        return key_of(student_key(self.config, self.fingerprint, self.compute))

    @property
    def checkpoint(self) -> CheckpointFile:
        """The student's; it stays until the results are written, so that a kill during evaluation costs no epoch."""
        return CheckpointFile(self.folder / "checkpoint_student.safetensors", self.key)

    def on_progress(self, step: str, done: int, total: int) -> None:
        self.callback.on_progress(step, done, total)

    def on_replay(self, stage: str, epochs: int) -> None:
        self.callback.on_replay(stage, epochs)

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.check_folder()
        self.history.append(record)
        write_metrics(self.folder, self.history)
        self.callback.on_epoch_end(record)

    def check_folder(self) -> None:
        """Refuses to write into another folder in this one's place, such as that of a run which began after a move."""
        there = self.folder / ENVIRONMENT
        if self.folder.is_dir() and not (there.is_file() and read_file(there) == self.begun):
            raise UserError(
                f"{self.folder}: another run began in this folder, or it was emptied, while this command trained; "
                "where its own was moved to, `distune train --out` with that folder resumes it"
            )

    def train(self) -> tuple[Teacher | None, Fitted]:
        teacher, targets = None, None
        if uses_teacher(self.config):
            teacher = self.train_teacher()
        if teacher and LOSSES[self.config.distillation.loss].uses_teacher:
            with self.timed("targets"):
                targets = teacher.targets()
        self.seconds["student"] = self.built
        with self.timed("student"):
            return teacher, self.train_student(teacher, targets)

    def teacher_stage(self) -> TeacherStage:
        return TeacherStage(self.config, self.table, self.fingerprint, self.steps, self.store, self.compute)

    def train_teacher(self) -> Teacher:
        with self.timed("teacher"):
            return self.teacher_stage().trained(self, self.folder / "checkpoint_teacher.safetensors")

    def evaluated_teacher(self, teacher: Teacher) -> dict[str, Any]:
        dev = self.scores(self.table.rows("dev"), teacher.dev_probabilities)
        return {
            "score": dev["score"],
            "best_epoch": best_epoch(teacher.history).epoch,
            "teacher": {"splits": {"dev": dev}, "regression": teacher.regression()},
            "cost": asdict(self.cost()),
            "cache": self.cache,
            "data_fingerprint": self.fingerprint,
        }

    def train_student(self, teacher: Teacher | None, targets: Targets | None) -> Fitted:
        config, table = self.config, self.table
        seed = student_seed(config)
        self.student.to(self.compute.device)
        if config.student.init_from_teacher and teacher:
            trained = teacher.model()
            for part in ("vision", "text"):
                if (ours := getattr(self.student, part)) is not None:
                    copy_layers(getattr(trained, part), ours)
        uses_map = LOSSES[config.distillation.loss].uses_map
        inputs = self.steps.for_model(self.student, config.student, seed, with_map=uses_map)
        self.examples = Examples(inputs, table.labels, table.tasks, self.student_rows(), table.rows("dev"))
        plan = Plan("student", config.student.epochs, config.student.lr, config.training, config.seed)
        fitted = fit(
            self.student,
            self.objective(targets, seed),
            self.examples,
            plan,
            self.compute,
            targets=targets,
            callback=self,
            checkpoint=self.checkpoint,
        )
        self.check_folder()
        if not fitted.stopped:
            save_student(self.folder, self.student, table)
        return fitted

    def objective(self, targets: Targets | None, seed: int) -> Objective:
        shapes = LossShapes(
            student_dim=self.config.student.fusion_dim,
            teacher_dim=targets.width if targets else self.config.teacher.fusion_dim,
            classes=tuple(len(task.classes) for task in self.table.as_exclusive().tasks),
            examples=len(self.student_rows()),
            modalities=shared_modalities(self.config),
            task_weights=exclusive_weights(self.table.tasks),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            loss = LOSSES[self.config.distillation.loss](self.config.distillation, shapes)
        weights = class_weights(self.config, self.table)
        shares = label_shares(self.table.labels[self.student_rows()])
        return Objective(
            self.config.distillation, self.config.training, loss, weights, shares, self.table.tasks
        ).to(self.compute.device)

    def student_rows(self) -> NDArray[np.int64]:
        """The rows of a student's epoch.

        One that learns from no unlabelled row sees the labelled ones again and again until it has seen as many, so that
        with and without a teacher, and with and without its answers on these rows, it takes the same number of steps.
        """
        taught, distillation = self.table.taught_rows(), self.config.distillation
        if LOSSES[distillation.loss].uses_teacher and distillation.unlabelled:
            return taught
        return np.resize(self.table.rows("train"), len(taught))

    def evaluate(self, teacher: Teacher | None) -> dict[str, Any]:
        with self.timed("evaluation"):
            splits = {"dev": self.evaluate_student("dev")}
            of_teacher = self.evaluated_teacher(teacher)["teacher"] if teacher else None
            if self.scores_test:
                record_opening(self.folder.parent, by=self.folder.name, dataset=self.fingerprint)
                splits["test"] = self.evaluate_student("test")
                if teacher and of_teacher:
                    of_teacher["splits"]["test"] = self.evaluate_teacher(teacher)
        best = best_epoch([record for record in self.history if record.stage == "student"])
        results = {
            "score": splits["dev"]["score"],
            "best_epoch": best.epoch,
            "splits": splits,
            "teacher": of_teacher,
            "test_split": "opened"
            if "test" in splits
            else "shut"
            if len(self.table.rows("test"))
            else "none",
            "parameters": count_parameters(self.student),
            "cost": asdict(self.cost()),
            "cache": self.cache,
            "data_fingerprint": self.fingerprint,
            "key": self.key,
            "encoders": encoder_identities(self.config),
            "versions": versions_behind(self.config),
        }
        write_results(self.folder, results)
        self.checkpoint.remove()
        return results

    def evaluate_student(self, split: Any) -> dict[str, Any]:
        rows = self.table.rows(split)
        probabilities = predict(self.student, self.examples.inputs, rows, self.compute)
        write_predictions(self.folder, split, self.table, rows, probabilities)
        return self.scores(rows, probabilities)

    def scores(self, rows: NDArray[np.int64], probabilities: Sequence[NDArray[Any]]) -> dict[str, Any]:
        found = evaluate(self.table.labels[rows], probabilities, self.table.tasks)
        apart = scores_apart(self.table, rows, probabilities)
        return {**found, "apart": apart} if apart else found

    def evaluate_teacher(self, teacher: Teacher) -> dict[str, Any]:
        model, rows = teacher.model(), self.table.rows("test")
        inputs = self.steps.for_model(model, self.config.teacher, teacher.model_seed)
        probabilities = predict(model, inputs, rows, self.compute)
        return self.scores(rows, probabilities)

    def result(self, fitted: Fitted | None, results: dict[str, Any]) -> RunResult:
        stopped = fitted is None or fitted.stopped
        epoch = None if fitted is None else fitted.history[-1] if stopped else fitted.best
        cost = Cost(**results["cost"]) if results else self.cost()
        return RunResult.of(epoch, results, cost, self.cache)
