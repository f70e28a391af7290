"""What a predictor asks of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.intensity import PixelRules
from distune.data.ragged import Ragged
from distune.data.table import Task
from distune.data.tokenizer import Tokenizer

if TYPE_CHECKING:  # a bundle is read where pydantic is not installed
    from distune.config import Modality


class Model(Protocol):
    """The student in torch, or its exported graph."""

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
