"""An exported graph as a predictor's model, computed by onnxruntime."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from distune.data.pixels.intensity import PixelRules
from distune.data.ragged import Ragged
from distune.data.table import Task
from distune.data.tokenizer import Tokenizer
from distune.deployment.onnx_file import check_graph, scales_inputs
from distune.errors import UserError, has_run_out
from distune.utils.files.json_files import parse_json
from distune.utils.text import counted, one_line

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
        UserError: onnxruntime is not installed, the file is damaged, or the graph is of other inputs, tasks or classes.
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
        except ModuleNotFoundError:
            raise UserError(INSTALL) from None
        check_graph(file)
        self.tasks = tasks
        self.modalities = modalities
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.image_size = image_size
        self.rules = rules
        self.max_megapixels = max_megapixels
        self.batch_size = BATCH
        # One by one, so that an answer depends on no other example.
        self._at_once = 1 if scales_inputs(file) else BATCH
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what cannot be computed is raised, and named once
        # Weights that are stored in 8 bits become float32 once, here, and not at each prediction.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Older bundles use all 8 bits; without this, a processor without VNNI cuts their sums of products.
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own errors have no public class
            if has_run_out(error):
                raise
            raise UserError(
                f"{file}: is no graph that can be computed: {one_line(error)}; export again"
            ) from None
        self._file = file
        self.can_miss = any(each.name in ABSENT.values() for each in self._session.get_inputs())
        self._check_tasks()
        self._check_shapes()

    def probabilities(
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        absent: Mapping[Modality, NDArray[np.bool_]] | None = None,
    ) -> list[NDArray[np.float32]]:
        """See `distune.prediction.model.Model`."""
        count = len(pixels) if pixels is not None else len(ids) if ids is not None else 0
        batches = [slice(start, start + self._at_once) for start in range(0, count, self._at_once)]
        parts = [self._answers(pixels, ids, absent or {}, rows) for rows in batches]
        return [np.concatenate(task) for task in zip(*parts, strict=True)]

    def _answers(
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        absent: Mapping[Modality, NDArray[np.bool_]],
        rows: slice,
    ) -> list[NDArray[np.float32]]:
        feed: dict[str, NDArray[Any]] = {}
        if pixels is not None:
            feed[PIXELS] = pixels[rows]
        if ids is not None:
            feed[IDS], feed[MASK] = ids.padded(np.arange(len(ids))[rows])
        feed |= {ABSENT[name]: gone[rows] for name, gone in absent.items()}
        try:
            return list(self._session.run(None, feed))
        except Exception as error:  # see above
            if "memory" in str(error).lower():
                raise MemoryError(one_line(error)) from None
            raise UserError(f"{self._file}: cannot be computed: {one_line(error)}; export again") from None

    def _check_tasks(self) -> None:
        written = self._session.get_modelmeta().custom_metadata_map.get("tasks", "[]")
        expected = tasks_as_text(self.tasks)
        try:
            is_same = parse_json(written) == json.loads(expected)
        except ValueError:
            is_same = False
        if not is_same:
            raise UserError(
                f"{self._file.parent}: labels.json names the classes {expected}, the graph was exported with "
                f"{written}; take the labels.json of this bundle, or export again"
            )

    def _check_shapes(self) -> None:
        """The graph must read and answer what the other files of the bundle say; sizes left open are names."""
        size = self.image_size
        read = {PIXELS: [3, size, size]} if "image" in self.modalities else {}
        read |= {IDS: [], MASK: []} if "text" in self.modalities else {}
        read |= {ABSENT[name]: [] for name in self.modalities} if self.can_miss else {}
        inputs = {each.name: _sizes(each.shape) for each in self._session.get_inputs()}
        answered = [_sizes(each.shape)[-1:] for each in self._session.get_outputs()]
        expected = [[len(task.classes)] for task in self.tasks]
        if len(answered) != len(expected):
            raise UserError(
                f"{self._file}: answers {counted(len(answered), 'task')}, labels.json names {len(expected)}"
            )
        sizes_fit = all(found in (own, []) for found, own in zip(answered, expected, strict=True))
        if inputs != read or not sizes_fit:
            raise UserError(
                f"{self._file}: reads {inputs} and answers {answered}; preprocess.json and labels.json say {read} and "
                f"{expected}: these files are of different bundles, export again"
            )


def _sizes(shape: Sequence[object]) -> list[int]:
    """The sizes of a shape that are fixed."""
    return [size for size in shape if isinstance(size, int)]


def tasks_as_text(tasks: tuple[Task, ...]) -> str:
    """Tasks and classes in their order, and that a task is multi-label, as the graph's metadata holds them."""
    return json.dumps(
        [
            [task.name, list(task.classes), *([task.kind] if task.kind == "multi_label" else [])]
            for task in tasks
        ]
    )
