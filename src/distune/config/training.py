"""The sections `distillation`, `training` and `cache`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from distune.components import LOSSES
from distune.config.section import ConfigSection, Fraction

LossName = Annotated[str, AfterValidator(LOSSES.check)]


def _names_a_device(device: str) -> str:
    if not re.fullmatch(r"auto|(cpu|cuda|mps)(:\d{1,4})?", device):
        raise ValueError(f"invalid device {device!r}; use auto, cpu, cuda:N or mps")
    return device


DeviceName = Annotated[str, AfterValidator(_names_a_device)]


class DistillationConfig(ConfigSection):
    """What the student learns from the teacher."""

    loss: LossName = "combined"
    """The distillation loss."""
    alpha: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the cross entropy with the labels."""
    beta: Annotated[float, Field(ge=0.0)] = 100.0
    """Weight of the distillation term; 100 is neutral for every loss."""
    T: Annotated[float, Field(gt=0.0)] = 2.0
    """Temperature of the softened probabilities."""
    gamma: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the contrastive term that `combined` can add."""
    unlabelled: bool = True
    """Learn the teacher's answers on unlabelled rows too; false: on the labelled ones alone, for as many steps."""


class TrainingConfig(ConfigSection):
    """What teacher and student training share."""

    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 16
    """Examples a step."""
    accumulation: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Parts that a batch is split into, to save memory; dropout, rounding and losses that compare examples differ."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up."""
    warmup: Fraction = 0.1
    """Share of all steps in which the learning rate rises from zero."""
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 0.01
    """AdamW's decoupled weight decay."""
    grad_clip: Annotated[float, Field(gt=0.0)] | None = 1.0
    """Largest norm of the gradient; empty does not clip."""
    label_smoothing: Fraction = 0.0
    """Share of the probability spread over all classes in the cross entropy."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weight classes by the inverse of their frequency in the train split."""
    layerwise_lr_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor on the learning rate for each encoder layer down from the fusion: the last one has rate x factor, the one
    before it rate x factor squared; fusion and heads have the full rate."""
    ema: Fraction = 0.0
    """Decay of an exponential moving average of the weights; 0 is off."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """Stop after N epochs without a better dev score; empty never stops early."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16 autocast; auto uses it where the device is fast at it and, on a CPU, the encoders are large enough."""
    deterministic: bool = False
    """Avoid kernels of a GPU that add up in another order each time: slower, but the same numbers on one machine."""
    device: DeviceName = "auto"
    """cpu, cuda:0, mps; auto takes the first GPU if there is one, and a study's workers all of them in turn."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """CPU threads; empty divides the cores among the workers of one study, at most OMP_NUM_THREADS each. Where two
    studies share a machine, set each one's share of them."""


class CacheConfig(ConfigSection):
    """The store of results of expensive pure steps."""

    max_gb: Annotated[float, Field(gt=0.0, le=1e9)] = 20.0
    """Size that the store keeps under, in gigabytes."""
