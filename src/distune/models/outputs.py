"""What a classifier computes for a batch; the teacher's answers have the same form."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

Absent = tuple[Tensor | None, Tensor | None]
"""True for examples without their image, and for those without their text, bool (B,) each; None where all have one."""


@dataclass(frozen=True)
class ModelOutput:
    """Outputs for B examples.

    Attributes:
        logits: one tensor a task, in the order of the table's tasks, each of shape (B, classes).
        image_feature: mean over the image tokens after projection, (B, fusion_dim); None without an image encoder.
        text_feature: masked mean over the text tokens after projection, (B, fusion_dim); None without a text encoder.
        image_map: mean square over channels of each projected image token, (B, image tokens); None without an image
            encoder.
        penalty: cost term that the fusion adds to its own training loss, a scalar; None for most.
        cost: expected share of the full computation that the fusion spent, (B,); None for most.
        absent: true for examples whose image, and whose text, was not there, bool (B,) each; None where all were.
    """

    logits: tuple[Tensor, ...]
    image_feature: Tensor | None
    text_feature: Tensor | None
    image_map: Tensor | None
    penalty: Tensor | None = None
    cost: Tensor | None = None
    absent: Absent = (None, None)
