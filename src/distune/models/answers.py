"""What a task's logits say: its probabilities. The one place that knows, for training, prediction and export alike.

What is predicted from them, `distune.training.scoring.metrics.decisions` says, which needs no torch:

    single_label   softmax over the classes; the most probable class
    ordinal        softmax over the classes, which have an order; the most probable class
    multi_label    a sigmoid for each label; every label whose probability is above one half
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from distune.data.table import Task
from distune.models.outputs import ModelOutput


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Probabilities of a task's classes in fp32.

    Args:
        logits: (B, classes).
        task: decides between softmax and sigmoid.

    Returns:
        (B, classes); rows add up to 1, but those of a multi-label task, where each column is a label of its own.
    """
    return logits.float().sigmoid() if task.kind == "multi_label" else logits.float().softmax(-1)


def as_exclusive(output: ModelOutput, tasks: Sequence[Task]) -> ModelOutput:
    """The same outputs with exclusive classes: in place of a multi-label task, for each label the logits of (no, yes).

    softmax((0, z)) is (1 - sigmoid(z), sigmoid(z)), so what is defined for exclusive classes is defined for labels. The
    order is that of the columns of a table's labels.

    Args:
        output: of a model with these tasks.
        tasks: in the order of the logits.
    """
    if all(task.kind != "multi_label" for task in tasks):
        return output
    logits: list[Tensor] = []
    for task, values in zip(tasks, output.logits, strict=True):
        if task.kind == "multi_label":
            logits += [torch.stack([torch.zeros_like(each), each], dim=1) for each in values.unbind(1)]
        else:
            logits.append(values)
    return replace(output, logits=tuple(logits))
