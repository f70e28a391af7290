"""Where and how a run computes: device, precision, threads, memory.

Nothing is compiled with `torch.compile`: on a CPU a compiled step was slower and each worker would compile again
(`python -m benchmarks.compiled`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from distune.config import TrainingConfig
from distune.errors import UserError
from distune.models import Classifier
from distune.training.cost import reset_peak_memory

BF16_FROM = 400_000
"""Fewest trained weights in linear layers of the encoders from which training in bf16 pays on a CPU that is fast at it.

Milliseconds a step in fp32 and in bf16, medians in turns on one thread of an EPYC with AVX512-BF16. It pays for layers
of transformers: one of DeiT-tiny (0.44 million weights) 383 and 282, one of MiniLM (1.8 million) 1046 and 670. It does
not for heads on stored means (none) 7.8 and 8.1, tiny encoders (0.03 million) 124 and 146, and convolutions:
EfficientNet-Lite0 (none) 1030 and 1462.
"""


@dataclass(frozen=True)
class Compute:
    """A device and the precision used on it.

    Attributes:
        device: torch device.
        bf16: whether forward passes run under bf16 autocast.
        bf16_from: fewest trained weights in linear layers of a model's encoders for which that holds; frozen layers
            have it always.
    """

    device: torch.device
    bf16: bool
    bf16_from: int = 0

    def for_model(self, model: Classifier) -> Compute:
        """The same with the precision that a model is trained and asked in, without its frozen layers."""
        modules = (module for encoder in model.encoders for module in encoder.modules())
        weights = (module.weight for module in modules if isinstance(module, nn.Linear))
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        return Compute(self.device, self.bf16 and trained >= self.bf16_from)

    @property
    def precision(self) -> str:
        """The precision in words."""
        if not self.bf16:
            return "fp32"
        small = f" (fp32 for models whose encoders train fewer than {self.bf16_from:,} linear weights)"
        return "bf16" + (small if self.bf16_from else "")

    def autocast(self) -> AbstractContextManager[Any]:
        """The context for forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    @property
    def name(self) -> str:
        """Name of the device as a person knows it."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        count = torch.get_num_threads()
        return f"CPU, {count} {'thread' if count == 1 else 'threads'}"

    def peak_memory_mb(self) -> float | None:
        """Most device memory allocated since the last reset, MiB; None on a CPU."""
        if self.device.type != "cuda":
            return None
        return float(torch.cuda.max_memory_allocated(self.device) / 2**20)


def compute_for(config: TrainingConfig) -> Compute:
    """Resolves device and precision for training, and sets this process up for it: threads, TF32, peaks of memory.

    Raises:
        UserError: the device is not on this machine.
    """
    compute = resolved(config)
    if compute.device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call] # resetting the peaks of an unused GPU raises
        torch.cuda.reset_peak_memory_stats(compute.device)
        torch.backends.cuda.matmul.allow_tf32 = True
    if config.threads:
        torch.set_num_threads(config.threads)
    reset_peak_memory()
    return compute


def resolved(config: TrainingConfig) -> Compute:
    """Device and precision; nothing in this process is changed.

    Raises:
        UserError: the device is not on this machine.
    """
    name = config.device
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"training.device: {name!r} is no device; use auto, cpu or cuda:N") from None
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise UserError(f"training.device: {name} is not here ({count} GPUs found); use auto or cpu")
    elif device.type != "cpu":
        raise UserError(f"training.device: {name!r} is not supported; use auto, cpu or cuda:N")
    if config.precision == "auto":
        return _fastest(device)
    return Compute(device, bf16=config.precision == "bf16")


def _fastest(device: torch.device) -> Compute:
    bf16 = _fast_bf16(device)
    return Compute(device, bf16, BF16_FROM if bf16 and device.type == "cpu" else 0)


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Measured on an EPYC with AVX512-BF16: 1.3 to 1.5 times faster than fp32; emulated bf16 is slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
