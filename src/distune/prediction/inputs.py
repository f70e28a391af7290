"""Examples on their way to a model: which can be answered, in which order, and what the model reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.images import located
from distune.data.pixels.several_pictures import holds_several
from distune.data.ragged import Ragged, ragged
from distune.errors import UserError
from distune.prediction.example_pixels import encoder_pixels
from distune.prediction.examples import Example
from distune.prediction.model import Model
from distune.utils.text import NOT_UNICODE, is_unicode
from distune.utils.threads import threaded

if TYPE_CHECKING:  # a bundle is read where pydantic is not installed
    from distune.config import Modality


class Inputs:
    """What a model reads of examples, and what is wrong with some of them.

    Attributes:
        problems: reason by row.
        answered: rows in the order in which they were read.
        several: image files of those that hold more pictures than the one that is read.
    """

    def __init__(self, examples: Sequence[Example], model: Model, *, takes_nothing: bool = False):
        self._examples = examples
        self._model = model
        found = (
            (row, _problem(example, model.modalities, model.can_miss, takes_nothing=takes_nothing))
            for row, example in enumerate(examples)
        )
        self.problems = {row: problem for row, problem in found if problem}
        self.answered: list[int] = []
        self.several: set[str] = set()
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
            model, image = self._model, self._examples[row].image
            pixels = encoder_pixels(image, model.image_size, model.rules, model.max_megapixels)
            if isinstance(image, str | Path) and located(image)[1] is None and holds_several(str(image)):
                self.several.add(str(image))
            return pixels
        except UserError as error:
            return str(error)


def lacks(example: Example, modality: Modality) -> bool:
    """Whether an example has no image, or no text that says anything, as in training with `data.missing: allow`."""
    if modality == "image":
        return example.image is None or (isinstance(example.image, str) and not example.image)
    return example.text is None or (isinstance(example.text, str) and not example.text.strip())


def _problem(
    example: Example, modalities: Sequence[Modality], can_miss: bool = False, *, takes_nothing: bool = False
) -> str | None:
    """Why an example cannot be answered, as far as its values tell."""
    reads = f"the model reads {' and '.join(modalities)}"
    if example.problem:
        return example.problem
    if can_miss and not takes_nothing and all(lacks(example, name) for name in modalities):
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
