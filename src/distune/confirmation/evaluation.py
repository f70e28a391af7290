"""One pass over all finished runs: what each student answers on dev and test, with all of its input and with less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from distune.config import Config, with_values
from distune.confirmation.jobs import Job
from distune.confirmation.missing_inputs import Conditions
from distune.confirmation.statistics.files import CONDITIONS, MARKER, split_name
from distune.data.fingerprint import image_fingerprints
from distune.data.table import EVALUATED, Split, Table
from distune.errors import UserError
from distune.store import Store
from distune.training.devices import Compute, compute_for
from distune.training.files.prediction_files import write_predictions
from distune.training.files.run_folder import seal
from distune.training.inputs.inputs import InputSteps, files_hash
from distune.training.predictions import predict
from distune.training.student import load_student, student_seed
from distune.utils.files.sealed_files import read_sealed
from distune.utils.progress import report_progress


@dataclass
class Evaluation:
    """Fills run folders with predictions.

    Args:
        table: all examples.
        store: where decoded images, tokens and frozen features are.
        seed: of the swapped texts.
        opening: number of the opening of the test split; 0 where there is none.
        device: to predict on.
    """

    table: Table
    store: Store
    seed: int
    opening: int
    device: str

    def __post_init__(self) -> None:
        self._conditions = Conditions(self.table, self.seed)

    @property
    def splits(self) -> tuple[Split, ...]:
        """Those that are evaluated."""
        return EVALUATED if self.opening else ("dev",)

    def is_done(self, folder: Path, made_from: str = "") -> bool:
        """Whether a folder holds the predictions for all splits; those of an earlier opening are the same.

        Args:
            folder: of a run or a baseline.
            made_from: names what the predictions depend on, where the folder itself does not fix it.
        """
        try:
            marker = read_sealed(folder / MARKER)
        except (FileNotFoundError, ValueError):
            return False
        return (marker.get("splits"), marker.get("made_from", "")) == (list(self.splits), made_from)

    def mark(self, folder: Path, made_from: str = "", *others: str) -> None:
        """Says that a folder holds all predictions, and other files of these names; to be called last."""
        about = {"opening": self.opening, "splits": list(self.splits), "made_from": made_from}
        seal(folder / MARKER, about, *others)

    def compute(self, config: Config) -> Compute:
        """Device and precision for a config."""
        return compute_for(with_values(config, {"training.device": self.device}).training)

    def steps(self, config: Config) -> InputSteps:
        """The way from the table to a model's inputs; the files are hashed once for all models."""
        compute = self.compute(config)
        return InputSteps(
            self.table, config.data, self.store, compute, config.seed, self._files, report_progress
        )

    @cached_property
    def _files(self) -> str:
        return files_hash(image_fingerprints(self.table))

    def evaluate(self, folder: Path) -> None:
        """Writes the predictions of one run folder for every split and condition.

        Raises:
            UserError: the folder has no weights, or its run saw other classes.
        """
        student, config, tasks = load_student(folder)
        if tasks != self.table.tasks:
            raise UserError(f"{folder}: its run had other classes than the data set has now")
        steps = self.steps(config)
        model = student.to(steps.compute.device)
        inputs = steps.for_model(model, config.student, student_seed(config))
        for split in self.splits:
            rows = self.table.rows(split)
            for condition in (None, *CONDITIONS):
                given = self._conditions.make(condition, rows, model, steps, inputs) if condition else inputs
                if given is not None:
                    answers = predict(model, given, rows, steps.compute)
                    write_predictions(folder, split_name(split, condition), self.table, rows, answers)
        self.mark(folder)


def evaluate_all(
    evaluation: Evaluation,
    jobs: Sequence[Job],
    *,
    interrupted: Callable[[], int] = lambda: 0,
    show: Callable[[str], None] = lambda line: None,
) -> bool:
    """Evaluates every run that is not evaluated yet.

    Returns:
        Whether all are evaluated; False where it was interrupted between two runs.
    """
    left = [job for job in jobs if not evaluation.is_done(job.folder)]
    for number, job in enumerate(left, 1):
        if interrupted():
            return False
        if job.lacks_weights:
            raise UserError(
                f"{job.folder / MARKER} is damaged or of other splits, and the weights, which would answer again, are "
                f"gone; restore it, or delete {job.folder} and confirm again"
            )
        evaluation.evaluate(job.folder)
        show(
            f"{number}/{len(left)}  {job.contender} seed {job.seed}: predicted {', '.join(evaluation.splits)}"
        )
    return True
