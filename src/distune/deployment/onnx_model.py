"""An exported graph as a predictor's model, computed by onnxruntime."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distune.data.intensity import PixelRules
from distune.data.ragged import Ragged
from distune.data.table import Task
from distune.errors import UserError
from distune.prediction.predictor import Tokenizer

if TYPE_CHECKING:  # a bundle is read where pydantic is not installed
    from distune.config import Modality

INSTALL = "onnxruntime is not installed; pip install 'distune[edge]'"
PIXELS, IDS, MASK = "pixels", "ids", "mask"
"""Names of the graph's inputs: uint8 (B, 3, S, S), int64 (B, L), bool (B, L)."""
ABSENT: Mapping[Modality, str] = {"image": "image_absent", "text": "text_absent"}
"""Names of further ones of a student that can miss them: bool (B,) each."""
BATCH = 16
"""Examples at once: activations stay in a small machine's memory, and larger batches were no faster on a CPU."""


class OnnxModel:
    """A graph from prepared inputs to probabilities.

    Args:
        file: the graph; its metadata holds tasks and classes.
        tasks: the label columns, in the order of the graph's outputs.
        modalities: what it reads.
        tokenizer: makes the ids that it reads; None where it reads no text.
        max_tokens: longest text in tokens.
        image_size: side of the square image in pixels; 0 where it reads no image.
        rules: how deep pixels become 8 bits.
        max_megapixels: larger images are refused.

    Raises:
        UserError: onnxruntime is not installed, or the graph is of other tasks or classes.
    """

    def __init__(
        self,
        file: Path,
        *,
        tasks: tuple[Task, ...],
        modalities: tuple[Modality, ...],
        tokenizer: Tokenizer | None,
        max_tokens: int,
        image_size: int,
        rules: PixelRules,
        max_megapixels: float = math.inf,
    ):
        try:
            import onnxruntime
        except ImportError:
            raise UserError(INSTALL) from None
        self.tasks = tasks
        self.modalities = modalities
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.image_size = image_size
        self.rules = rules
        self.max_megapixels = max_megapixels
        self.batch_size = BATCH
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; what cannot be computed is raised
        # Weights that are stored in 8 bits become float32 once, here, and not at each prediction.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._session: Any = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        inputs = {each.name for each in self._session.get_inputs()}
        self.can_miss = not inputs.isdisjoint(ABSENT.values())
        self._check_tasks(file)

    def probabilities(
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        absent: Mapping[Modality, NDArray[np.bool_]] | None = None,
    ) -> list[NDArray[np.float32]]:
        """See `distune.prediction.predictor.Model`."""
        feed: dict[str, NDArray[Any]] = {}
        if pixels is not None:
            feed[PIXELS] = pixels
        if ids is not None:
            feed[IDS], feed[MASK] = ids.padded(np.arange(len(ids)))
        feed |= {ABSENT[name]: gone for name, gone in (absent or {}).items()}
        return list(self._session.run(None, feed))

    def _check_tasks(self, file: Path) -> None:
        written = self._session.get_modelmeta().custom_metadata_map.get("tasks", "[]")
        expected = tasks_as_text(self.tasks)
        if json.loads(written) != json.loads(expected):
            raise UserError(
                f"{file.parent}: labels.json names the classes {expected}, the graph was exported with {written}; "
                "take the labels.json of this bundle, or export again"
            )


def tasks_as_text(tasks: tuple[Task, ...]) -> str:
    """Tasks and classes in their order, and that a task is multi-label, as the graph's metadata holds them."""
    return json.dumps(
        [
            [task.name, list(task.classes), *([task.kind] if task.kind == "multi_label" else [])]
            for task in tasks
        ]
    )
