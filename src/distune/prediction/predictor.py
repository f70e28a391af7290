"""A trained model behind one small interface, whatever computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.intensity import PixelRules
from distune.data.ragged import Ragged, ragged
from distune.data.table import Task
from distune.data.tokenizer import Tokenizer
from distune.errors import DataError, UserError
from distune.prediction.answers import Answers, calibrated, joined
from distune.prediction.examples import Columns, Example, encoder_pixels, examples_of, read_examples
from distune.utils.arguments import check_argument, check_callable, check_path, check_text
from distune.utils.jsonl import check_appendable
from distune.utils.text import NOT_UNICODE, is_unicode
from distune.utils.threads import threaded

if TYPE_CHECKING:  # a bundle is read where pydantic is not installed
    from distune.config import Modality

OnProgress = Callable[[int, int], None]
"""Called with the number of examples that are done, and of all."""


class Model(Protocol):
    """What a predictor asks: the student in torch, or its exported graph."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The label columns, in the order of the answers."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the model reads: image, text, or both."""

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Makes the ids that the model reads; None where it reads no text."""

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens; the rest is cut."""

    @property
    def image_size(self) -> int:
        """Side of the square image in pixels; 0 where the model reads no image."""

    @property
    def rules(self) -> PixelRules:
        """How deep pixels become 8 bits."""

    @property
    def max_megapixels(self) -> float:
        """Larger images are refused."""

    @property
    def batch_size(self) -> int:
        """Most examples at once."""

    @property
    def can_miss(self) -> bool:
        """Whether it learnt to answer examples that lack their image or their text."""

    def probabilities(
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        absent: Mapping[Modality, NDArray[np.bool_]] | None = None,
    ) -> list[NDArray[np.float32]]:
        """Probabilities of B examples as the model gives them, one array (B, classes) a task.

        Args:
            pixels: (B, 3, S, S), RGB; None where the model reads no image.
            ids: token ids of B texts; None where the model reads no text.
            absent: of a model that can miss them, which examples lack the image or the text, (B,) each.
        """


@dataclass(frozen=True)
class Predictor:
    """Predicts with a trained student; `distune.load` makes one.

    Images are paths, NumPy arrays (height, width) or (height, width, 3) in RGB, or Pillow images. Images and texts are
    prepared as they were for training.

    Attributes:
        model: what computes.
        temperatures: by task, fitted on dev; 1 leaves the probabilities as the model gives them.
        columns: names of the columns in tables of new examples.
        source: where the model came from.
    """

    model: Model
    temperatures: Mapping[str, float]
    columns: Columns = field(default_factory=Columns)
    source: str = ""

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
            labels: class of each example by task; files, tables and data frames hold them themselves.
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
    ) -> Answers:
        """Answers all examples that can be read and names the others.

        Args:
            examples: N of them.
            on_progress: called after each batch.
            is_calibrated: apply the temperatures.
        """
        check_argument("examples", examples, list, tuple)
        for example in examples:
            check_argument("examples", example, Example)
        check_argument("is_calibrated", is_calibrated, bool)
        check_callable("on_progress", on_progress)
        model, work = self.model, _Work(examples, self.model)
        order = work.order()
        parts: list[list[NDArray[np.float32]]] = [[] for _ in self.tasks]
        for start in range(0, len(order), model.batch_size):
            batch = order[start : start + model.batch_size]
            pixels, ids, good = work.read(batch)
            if good:
                answers = model.probabilities(pixels, ids, work.absent(good))
                for part, found in zip(parts, answers, strict=True):
                    part.append(found)
            left = len(order) - start - len(batch)
            on_progress(len(examples) - left, len(examples))
        rows = np.array(work.answered, np.int64)
        back = np.argsort(rows)
        probabilities = [
            joined(part, len(task.classes))[back] for task, part in zip(self.tasks, parts, strict=True)
        ]
        if not all(np.isfinite(found).all() for found in probabilities):
            raise UserError(
                f"{self.source}: its model answers NaN or infinite; its weights are damaged: train or export it again"
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
            tuple(f"{examples[row].id}: {work.problems[row]}" for row in sorted(work.problems)),
        )

    def _answered(self, images: Any, texts: Any, *, is_calibrated: bool) -> Answers:
        examples = examples_of(images, texts, self.columns)
        answers = self.answer(examples, is_calibrated=is_calibrated)
        if answers.problems:
            raise DataError("examples that cannot be read", answers.problems)
        return answers


class _Work:
    """Examples on their way to a model, and what is wrong with some of them.

    Attributes:
        problems: reason by row.
        answered: rows in the order in which they were read.
    """

    def __init__(self, examples: Sequence[Example], model: Model):
        self._examples = examples
        self._model = model
        found = (
            (row, _problem(example, model.modalities, can_miss=model.can_miss))
            for row, example in enumerate(examples)
        )
        self.problems = {row: problem for row, problem in found if problem}
        self.answered: list[int] = []
        self._ids: dict[int, list[int]] = {}

    def order(self) -> list[int]:
        """The usable rows, longest texts first, as in evaluation: little padding, and most memory at the start."""
        usable = [row for row in range(len(self._examples)) if row not in self.problems]
        if self._model.tokenizer is not None:
            texts = [self._examples[row].text or "" for row in usable]
            ids = self._model.tokenizer.encode(texts, self._model.max_tokens)
            self._ids = dict(zip(usable, ids, strict=True))
        return sorted(usable, key=lambda row: -len(self._ids.get(row, ())))

    def absent(self, rows: Sequence[int]) -> dict[Modality, NDArray[np.bool_]] | None:
        """Which of the rows lack what the model reads; None for a model that cannot do without."""
        if not self._model.can_miss:
            return None
        return {
            name: np.array([lacks(self._examples[row], name) for row in rows], bool)
            for name in self._model.modalities
        }

    def read(self, rows: Sequence[int]) -> tuple[NDArray[np.uint8] | None, Ragged | None, list[int]]:
        """Pixels and ids of those of the rows that can be read, and which these are."""
        pixels, good = None, list(rows)
        if "image" in self._model.modalities:
            read = list(threaded(self._pixels, rows))
            self.problems |= {
                row: found for row, found in zip(rows, read, strict=True) if isinstance(found, str)
            }
            good = [row for row in rows if row not in self.problems]
            decoded = [found for found in read if not isinstance(found, str)]
            pixels = np.stack(decoded) if decoded else None
        self.answered += good
        has_text = self._model.tokenizer is not None and good
        return pixels, ragged([self._ids[row] for row in good], np.int64) if has_text else None, good

    def _pixels(self, row: int) -> NDArray[np.uint8] | str:
        """The pixels of an image, or the reason why there are none."""
        if self._model.can_miss and lacks(self._examples[row], "image"):
            size = self._model.image_size
            return np.zeros((3, size, size), np.uint8)  # not read
        try:
            model = self._model
            return encoder_pixels(
                self._examples[row].image, model.image_size, model.rules, model.max_megapixels
            )
        except UserError as error:
            return str(error)


def lacks(example: Example, modality: Modality) -> bool:
    """Whether an example has no image, or no text that says anything, as in training with `data.missing: allow`."""
    if modality == "image":
        return example.image is None or (isinstance(example.image, str) and not example.image)
    return example.text is None or (isinstance(example.text, str) and not example.text.strip())


def _problem(example: Example, modalities: Sequence[Modality], *, can_miss: bool = False) -> str | None:
    """Why an example cannot be answered, as far as its values tell."""
    reads = f"the model reads {' and '.join(modalities)}"
    if example.problem:
        return example.problem
    if can_miss and all(lacks(example, name) for name in modalities):
        return f"nothing of what the model reads ({' and '.join(modalities)})"
    if "image" in modalities and lacks(example, "image") and not can_miss:
        return f"no image, and {reads}"
    if "text" not in modalities or (can_miss and lacks(example, "text")):
        return None
    if example.text is None:
        return f"no text, and {reads}; an empty text, '', is one that says nothing"
    if not isinstance(example.text, str):
        return f"a text of type {type(example.text).__name__}"
    return None if is_unicode(example.text) else NOT_UNICODE
