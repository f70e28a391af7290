"""The student of a run folder as a predictor's model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distune.config import Config, Modality, as_dict, with_values
from distune.data.batches import tensor
from distune.data.ragged import Ragged
from distune.data.readers.read_table import pixel_rules
from distune.data.table import Task, label_columns
from distune.errors import UserError
from distune.models.answers import probabilities_of
from distune.models.classifier import NAMES, Classifier
from distune.models.fusion import masked_mean
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import columns_of
from distune.training.devices import Compute, resolved
from distune.training.files.prediction_files import predictions_file, read_split_predictions
from distune.training.files.run_folder import RESULTS, results_of
from distune.training.inputs.encoding import PREFIX_BATCH
from distune.training.predictions import EVALUATION_BATCH, as_written
from distune.training.scoring.temperature_scaling import task_temperature
from distune.training.student import load_student
from distune.training.torch_settings import torch_defaults


class TrainedStudent:
    """A student in torch, computed as in the evaluation of its run.

    Args:
        student: in eval mode.
        config: of its run.
        tasks: the label columns, in the order of the heads.
        compute: device and precision.
    """

    def __init__(self, student: Classifier, config: Config, tasks: tuple[Task, ...], compute: Compute):
        self.student = student.to(compute.device).eval()
        self.config = config
        self.tasks = tasks
        self.modalities = student.modalities
        self.tokenizer = None if student.text is None else student.text.tokenizer
        longest = config.data.max_tokens
        self.max_tokens = longest if student.text is None else min(longest, student.text.max_tokens)
        self.image_size = 0 if student.vision is None else student.vision.image_size
        self.rules = pixel_rules(config.data)
        self.max_megapixels = config.data.max_image_megapixels
        self.batch_size = EVALUATION_BATCH
        self.can_miss = student.can_miss
        self._compute = compute
        self._suffix = compute.for_model(student)

    @torch.no_grad()
    @torch_defaults()
    def probabilities(
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        absent: Mapping[Modality, NDArray[np.bool_]] | None = None,
    ) -> list[NDArray[np.float32]]:
        """See `Model`."""
        count = len(pixels) if pixels is not None else len(ids) if ids is not None else 0
        # Frozen layers see as many examples at once as when their activations are stored for training.
        is_frozen = any(encoder.frozen_layers for encoder in self.student.encoders)
        at_once = PREFIX_BATCH if is_frozen else self.batch_size
        parts: list[list[NDArray[np.float32]]] = [[] for _ in self.tasks]
        for start in range(0, count, at_once):
            rows = np.arange(start, min(start + at_once, count))
            answers = zip(parts, self._logits(pixels, ids, rows, absent or {}), self.tasks, strict=True)
            for part, logits, task in answers:
                part.append(as_written(probabilities_of(logits, task).cpu().numpy(), self._suffix))
        return [np.concatenate(part) for part in parts]

    def _logits(
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        rows: NDArray[np.int64],
        absent: Mapping[Modality, NDArray[np.bool_]],
    ) -> tuple[Tensor, ...]:
        model, device = self.student, self._compute.device
        image = text = mask = None
        with self._compute.autocast():
            if model.vision is not None and pixels is not None:
                image = self._stored(model.vision.prefix(tensor(pixels[rows], device)))
                if model.is_pooled and model.vision.is_frozen:
                    image = model.image_tokens(image).mean(1).float()
            if model.text is not None and ids is not None:
                tokens, mask = (tensor(array, device) for array in ids.padded(rows))
                text = self._stored(model.text.prefix(tokens, mask))
                if model.is_pooled and model.text.is_frozen:
                    text = masked_mean(model.text_tokens(text, mask), mask).float()
                    mask = mask[:, :1]  # a mean counts as one token
        with self._suffix.autocast():
            gone = [tensor(absent[name][rows], device) if name in absent else None for name in NAMES]
            output = model(image, text, mask, with_map=False, absent=(gone[0], gone[1]))
        return tuple(output.logits)

    def _stored(self, values: Tensor) -> Tensor:
        """Activations with the precision that the store keeps them in; pixels as they are."""
        if not values.is_floating_point():
            return values
        return values.bfloat16().float() if self._compute.bf16 else values.float()


@torch_defaults()
def load_run(folder: Path, device: str | None = None, precision: str | None = None) -> Predictor:
    """The predictor of a finished run.

    Args:
        folder: the run folder; it is only read.
        device: cpu, cuda:0, ...; None takes a GPU where there is one.
        precision: fp32 or bf16; None takes the run's.

    Raises:
        UserError: the run did not finish, its weights are gone, or its files do not belong together.
    """
    if results_of(folder) is None:
        raise UserError(
            f"{folder} has no {RESULTS}: the run did not finish; the command that started it resumes it"
        )
    student, config, tasks = load_student(folder)
    where = {
        "training.device": device or "auto",
        "training.precision": precision or config.training.precision,
    }
    compute = resolved(with_values(config, where, source="device (--gpu)").training)
    temperatures = fitted_temperatures(folder, tasks)
    model = TrainedStudent(student, config, tasks, compute)
    return Predictor(
        model, temperatures, columns_of(as_dict(config.data), model.modalities), str(folder.absolute())
    )


def fitted_temperatures(folder: Path, tasks: tuple[Task, ...]) -> dict[str, float]:
    """The temperature of each task with the smallest log loss on the run's dev predictions; 1 where none can be fitted.

    Raises:
        UserError: there are no dev predictions, or of other classes than the weights are.
    """
    dev = read_split_predictions(folder, "dev", tasks)
    if dev is None:
        raise UserError(
            f"there is no {predictions_file(folder, 'dev')}, which a finished run has; train it again"
        )
    return {
        task.name: task_temperature(task, dev.labels[:, columns], probabilities) or 1.0
        for task, columns, probabilities in zip(tasks, label_columns(tasks), dev.probabilities, strict=True)
    }
