"""Predictions of a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.data.batches import ModelInputs, eval_batches
from distune.data.table import Task
from distune.models import Classifier
from distune.training.devices import Compute
from distune.training.metrics import confusion_matrix, macro_f1


@torch.no_grad()
def predict(
    model: Classifier, inputs: ModelInputs, rows: NDArray[np.int64], compute: Compute
) -> list[NDArray[np.float32]]:
    """Class probabilities of the given rows, in their order: one array (rows, classes) a task."""
    model.eval()
    compute = compute.for_model(model)
    position = np.empty(len(inputs), np.int64)
    position[rows] = np.arange(len(rows))
    labels = np.zeros((len(inputs), 0), np.int64)
    found: list[NDArray[np.float32]] = []
    for batch in eval_batches(inputs, labels, rows, batch_size=64, device=compute.device):
        with compute.autocast():
            output = model(batch.image, batch.text, batch.text_mask, with_map=False)
        for task, logits in enumerate(output.logits):
            if len(found) <= task:
                found.append(np.empty((len(rows), logits.shape[1]), np.float32))
            found[task][position[batch.rows.cpu().numpy()]] = logits.float().softmax(-1).cpu().numpy()
    return found


def task_scores(
    labels: NDArray[np.int64], probabilities: Sequence[NDArray[Any]], tasks: Sequence[Task]
) -> dict[str, float]:
    """Macro F1 by task."""
    return {
        task.name: float(macro_f1(confusion_matrix(labels[:, column], p.argmax(1), len(task.classes))))
        for column, (task, p) in enumerate(zip(tasks, probabilities, strict=True))
    }
