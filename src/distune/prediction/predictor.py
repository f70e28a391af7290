"""A trained model behind one small interface, whatever computes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.several_pictures import several_pictures
from distune.data.table import Task
from distune.errors import DataError, UserError
from distune.prediction.answers import Answers, joined
from distune.prediction.example_tables import read_examples
from distune.prediction.examples import Example, examples_of
from distune.prediction.inputs import Inputs
from distune.prediction.model import Model
from distune.prediction.table_columns import Columns
from distune.training.scoring.temperature_scaling import calibrated
from distune.utils.arguments import check_argument, check_callable, check_path, check_text
from distune.utils.files.paths import check_appendable

_log = logging.getLogger(__name__)
OnProgress = Callable[[int, int], None]
"""Called with the number of examples that are done, and of all."""
ROUNDING = 1e-3
"""By how much a model of low precision may answer less than 0 or more than 1."""


@dataclass(frozen=True)
class Predictor:
    """Predicts with a trained student; `distune.load` makes one.

    Images are paths, NumPy arrays (height, width) or (height, width, 3) in RGB, or Pillow images. Images and texts are
    prepared as they were for training.

    Attributes:
        model: what computes.
        temperatures: by task, fitted on dev; 1 leaves the probabilities as the model gives them.
        columns: names of the columns in tables of new examples.
        source: folder of the model, in full: a notebook may go to another folder.
        reading: of a bundle, how its run read its labels: `tasks` and `label_map`, as in the section `data`.
    """

    model: Model
    temperatures: Mapping[str, float]
    columns: Columns = field(default_factory=Columns)
    source: str = ""
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The label columns."""
        return self.model.tasks

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The classes of each task, in the order of the probabilities."""
        return {task.name: task.classes for task in self.tasks}

    def predict(self, images: Any, texts: Any = None) -> dict[str, NDArray[np.object_]]:
        """The predicted classes.

        Args:
            images: one image, a sequence of N images, or a data frame with a column for images and one for texts; None
                with texts alone, for a student that reads no image or was trained for rows without one.
            texts: one text, or one for each image.

        Returns:
            For each task the classes, (N,); of a multi-label task tuples of labels.

        Raises:
            DataError: an example cannot be read; all of them are named.
        """
        return self._answered(images, texts, is_calibrated=True).classes()

    def predict_proba(
        self, images: Any, texts: Any = None, *, is_calibrated: bool = True
    ) -> dict[str, NDArray[np.float64]]:
        """The probabilities of the classes, in the order of `classes`.

        Args:
            images: as for `predict`.
            texts: as for `predict`.
            is_calibrated: apply the temperatures.

        Returns:
            For each task the probabilities, (N, classes); rows add up to 1, but those of a multi-label task, where
            each column is a label of its own.

        Raises:
            DataError: an example cannot be read; all of them are named.
        """
        answers = self._answered(images, texts, is_calibrated=is_calibrated)
        return {task.name: found for task, found in zip(self.tasks, answers.probabilities, strict=True)}

    def predict_table(
        self,
        path: Path | str,
        root: Path | str | None = None,
        *,
        on_progress: OnProgress = lambda done, total: None,
    ) -> Answers:
        """Answers the examples of a table file: CSV in any common form, JSON lines or parquet.

        Args:
            path: the file.
            root: folder that image paths are relative to; None takes the one that holds the file.
            on_progress: called after each batch.

        Returns:
            The answers, which `write` writes to a file, and why some rows could not be read.

        Raises:
            DataError: the file cannot be read, or lacks a column.
            UserError: an argument is no path.
        """
        check_path("path", path)
        check_path("root", root, type(None))
        check_callable("on_progress", on_progress)
        path = Path(path)
        examples = read_examples(path, path.parent if root is None else Path(root), self.columns)
        return self.answer(examples, on_progress=on_progress)

    def evaluate(
        self,
        data: Any,
        texts: Sequence[str] | None = None,
        *,
        labels: Mapping[str, Sequence[str]] | None = None,
        groups: Sequence[str] | None = None,
        name: str | None = None,
        root: Path | str | None = None,
        record: bool = False,
        on_progress: OnProgress = lambda done, total: None,
    ) -> dict[str, Any]:
        """Evaluates the student on labelled examples that its study never saw.

        Args:
            data: a table file, a folder that is read as the data set of the run was, a `Table`, a data frame that also
                has a column for each task and perhaps `group`, or images.
            texts: one for each image.
            labels: class of each example by task, or its labels as text or a tuple; files, tables and data frames hold
                them themselves.
            groups: patient or case of each example; each its own by default.
            name: of the data, as it is recorded.
            root: folder that image paths in a table file are relative to; None takes the one that holds it.
            record: add the result to the run, or beside the files of the bundle.
            on_progress: called after each batch.

        Returns:
            The scores with 95 % intervals over cases, see `distune.prediction.evaluation.evaluate`; with `record` also
            `recorded`, the file.

        Raises:
            DataError: examples cannot be read or evaluated, or are in the data set that the student was trained on.
        """
        from distune.prediction import evaluation
        from distune.prediction.labelled import labelled

        check_path("root", root, type(None))
        check_text("name", name, type(None))
        check_argument("record", record, bool)
        check_callable("on_progress", on_progress)
        if record:
            check_appendable(Path(self.source) / evaluation.EXTERNAL)
        given = labelled(
            self,
            data,
            root=None if root is None else Path(root),
            texts=texts,
            labels=labels,
            groups=groups,
            name=name,
        )
        found = evaluation.evaluate(self, given, on_progress)
        if record:
            found["recorded"] = str(evaluation.record(Path(self.source), found))
        return found

    def export(
        self,
        out: Path | str | None = None,
        *,
        quantize: str = "none",
        max_score_drop: float | None = None,
        data_root: Path | str | None = None,
    ) -> Path:
        """Writes a bundle that predicts without torch, see `distune.export`.

        Returns:
            The bundle's folder.

        Raises:
            UserError: this is a bundle already, or the student cannot be exported.
        """
        from distune.deployment.export import export_source

        folder, _ = export_source(
            self.source, out, quantisation=quantize, max_score_drop=max_score_drop, data_root=data_root
        )
        return folder

    def answer(
        self,
        examples: Sequence[Example],
        *,
        on_progress: OnProgress = lambda done, total: None,
        is_calibrated: bool = True,
        takes_nothing: bool = False,
    ) -> Answers:
        """Answers all examples that can be read and names the others.

        Args:
            examples: N of them.
            on_progress: called after each batch.
            is_calibrated: apply the temperatures.
            takes_nothing: as in training, answer also those that lack all of the little that the model reads.
        """
        check_argument("examples", examples, list, tuple)
        for example in examples:
            check_argument("examples", example, Example)
        check_argument("is_calibrated", is_calibrated, bool)
        check_callable("on_progress", on_progress)
        model, inputs = self.model, Inputs(examples, self.model, takes_nothing=takes_nothing)
        order = inputs.order()
        parts: list[list[NDArray[np.float32]]] = [[] for _ in self.tasks]
        for start in range(0, len(order), model.batch_size):
            batch = order[start : start + model.batch_size]
            pixels, ids, good = inputs.read(batch)
            if good:
                answers = model.probabilities(pixels, ids, inputs.absent(good))
                for part, found in zip(parts, answers, strict=True):
                    part.append(found)
            left = len(order) - start - len(batch)
            on_progress(len(examples) - left, len(examples))
        if inputs.several:
            _log.warning("%s", several_pictures(sorted(inputs.several)))
        rows = np.array(inputs.answered, np.int64)
        back = np.argsort(rows)
        probabilities = [
            joined(part, len(task.classes))[back] for task, part in zip(self.tasks, parts, strict=True)
        ]
        if not all(((found >= -ROUNDING) & (found <= 1 + ROUNDING)).all() for found in probabilities):
            raise UserError(
                f"{self.source}: its model answers NaN, or numbers that are no probabilities; its weights are damaged: "
                "train or export it again"
            )
        if is_calibrated:
            probabilities = [
                calibrated(task, found, self.temperatures[task.name])
                for task, found in zip(self.tasks, probabilities, strict=True)
            ]
        return Answers(
            self.tasks,
            rows[back],
            tuple(examples[row].id for row in rows[back]),
            tuple(probabilities),
            tuple(_named(examples[row].id, inputs.problems[row]) for row in sorted(inputs.problems)),
        )

    def _answered(self, images: Any, texts: Any, *, is_calibrated: bool) -> Answers:
        examples = examples_of(images, texts, self.columns)
        answers = self.answer(examples, is_calibrated=is_calibrated)
        if answers.problems:
            raise DataError("examples that cannot be read", answers.problems)
        return answers


def _named(example: str, problem: str) -> str:
    """What is wrong with an example, which a file that is the example says by its own name."""
    return problem if problem.startswith(f"{example}: ") else f"{example}: {problem}"
