"""What trained models answer: class probabilities, and a teacher's outputs that every student step looks up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.config import Modality
from distune.data.batches import Batch, ModelInputs, eval_batches
from distune.data.device_arrays import Placed, Room
from distune.data.table import Task
from distune.models.answers import probabilities_of
from distune.models.classifier import Classifier
from distune.models.outputs import ModelOutput
from distune.store import Entry
from distune.training.devices import Compute
from distune.training.files.prediction_files import DIGITS

FEATURES = ("image_feature", "text_feature")
MAP = "image_map"


@dataclass(frozen=True)
class Targets:
    """Teacher outputs by view and table row; rows that no student is taught are NaN.

    Attributes:
        logits: one array a task, (views, N, classes).
        features: arrays of shape (views, N, ...) under the names in `FEATURES`, as far as the teacher has them, and
            `MAP` where a loss reads it.
    """

    logits: tuple[NDArray[Any], ...]
    features: dict[str, NDArray[Any]]
    _on: dict[torch.device, list[Placed]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Width of the teacher's features."""
        return int(next(self.features[name] for name in FEATURES if name in self.features).shape[-1])

    def placed(self, device: torch.device) -> list[Placed]:
        """The arrays for `train_batches`, on a device as far as they fit.

        A teacher that reads no image answers every view alike, so its arrays have one view.
        """
        if device not in self._on:
            room = Room(device)
            arrays = (*self.logits, *self.features.values())
            self._on[device] = [Placed(array, room, axes=2) for array in arrays]
        return self._on[device]

    def at(self, batch: Batch) -> ModelOutput:
        """The teacher's answers for a batch that `train_batches` made with `placed`."""
        tasks = len(self.logits)
        found = dict(zip(self.features, batch.targets[tasks:], strict=True))
        image, text = (found.get(name) for name in FEATURES)
        no_map = None if image is None else image[:, :0]
        return ModelOutput(
            logits=batch.targets[:tasks],
            image_feature=image,
            text_feature=text,
            image_map=found.get(MAP, no_map),
        )


def _features(modalities: Sequence[Modality], with_map: bool) -> tuple[str, ...]:
    features = tuple(f"{modality}_feature" for modality in modalities)
    return (*features, MAP) if with_map and "image" in modalities else features


@torch.no_grad()
def write_targets(
    entry: Entry,
    teacher: Classifier,
    inputs: ModelInputs,
    rows: NDArray[np.int64],
    compute: Compute,
    *,
    with_map: bool,
) -> None:
    """Asks the teacher about every view of the given rows and fills a store entry with its answers."""
    teacher.eval()
    compute = compute.for_model(teacher)
    arrays: dict[str, NDArray[Any]] = {}
    for view in range(inputs.views):
        batches = eval_batches(inputs, rows, batch_size=128, device=compute.device, view=view)
        for batch in batches:
            with compute.autocast():
                output = teacher(
                    batch.image, batch.text, batch.text_mask, with_map=with_map, absent=batch.absent
                )
            answers = {f"logits_{task}": logits for task, logits in enumerate(output.logits)}
            answers |= {name: getattr(output, name) for name in _features(teacher.modalities, with_map)}
            for name, answer in answers.items():
                if name not in arrays:
                    shape = (inputs.views, len(inputs), *answer.shape[1:])
                    arrays[name] = entry.new_array(name, shape, np.float32)
                    arrays[name][:] = np.nan
                arrays[name][view, batch.rows.cpu().numpy()] = answer.float().cpu().numpy()


def read_targets(
    entry: Entry, tasks: Sequence[Task], modalities: Sequence[Modality], *, with_map: bool
) -> Targets:
    """The targets that `write_targets` wrote of a teacher that reads the given modalities."""
    return Targets(
        tuple(entry.array(f"logits_{task}") for task in range(len(tasks))),
        {name: entry.array(name) for name in _features(modalities, with_map)},
    )


EVALUATION_BATCH = 64
"""Examples a forward pass."""


@torch.no_grad()
def predict(
    model: Classifier, inputs: ModelInputs, rows: NDArray[np.int64], compute: Compute
) -> list[NDArray[np.float32]]:
    """Class probabilities of the given rows, in their order: one array (rows, classes) a task."""
    model.eval()
    compute = compute.for_model(model)
    position = np.empty(len(inputs), np.int64)
    position[rows] = np.arange(len(rows))
    order, found = [], []
    for batch in eval_batches(inputs, rows, batch_size=EVALUATION_BATCH, device=compute.device):
        with compute.autocast():
            output = model(batch.image, batch.text, batch.text_mask, with_map=False, absent=batch.absent)
        answers = zip(output.logits, model.tasks, strict=True)
        found.append([probabilities_of(logits, task) for logits, task in answers])
        order.append(position[batch.host_rows.numpy()])
    back = np.argsort(np.concatenate(order))
    # Read from the device once: until here the host only gave orders.
    gathered = [torch.cat(task).cpu().numpy()[back] for task in zip(*found, strict=True)]
    return [as_written(task, compute) for task in gathered]


def as_written(probabilities: NDArray[np.float32], compute: Compute) -> NDArray[np.float32]:
    """Probabilities as they are scored and answered with: those of a model in bf16 have the digits that are written.

    Logits in bf16 are so coarse that many examples tie; the last bits of their softmax in fp32 would order them by
    chance, and a score would not be that of the file.
    """
    return probabilities.round(DIGITS) if compute.bf16 else probabilities
