"""Where and how a run computes: device, precision, threads, memory; and which worker gets which device.

Nothing is compiled with `torch.compile`: on a CPU a compiled step was slower and each worker would compile again
(`python -m benchmarks.compiled`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from distune.config import TrainingConfig
from distune.errors import UserError
from distune.models.classifier import Classifier
from distune.training.cost import reset_peak_memory
from distune.utils.text import counted

BF16_FROM = 400_000
"""Fewest trained weights in linear layers of the encoders from which training in bf16 pays on a CPU that is fast at it.

Milliseconds a step in fp32 and in bf16, medians in turns on one thread of an EPYC with AVX512-BF16. It pays for layers
of transformers: one of DeiT-tiny (0.44 million weights) 383 and 282, one of MiniLM (1.8 million) 1046 and 670. It does
not for heads on stored means (none) 7.8 and 8.1, tiny encoders (0.03 million) 124 and 146, and convolutions:
EfficientNet-Lite0 (none) 1030 and 1462.
"""


KINDS = ("cpu", "cuda", "mps")
"""Kinds of device; ROCm's are cuda to torch."""


@dataclass(frozen=True)
class Compute:
    """A device and the precision used on it.

    Attributes:
        device: torch device.
        bf16: whether forward passes run under bf16 autocast.
        bf16_from: fewest trained weights in linear layers of a model's encoders for which that holds; frozen layers
            have it always.
        deterministic: whether kernels that add up in another order each time are avoided.
    """

    device: torch.device
    bf16: bool
    bf16_from: int = 0
    deterministic: bool = False

    def for_model(self, model: Classifier) -> Compute:
        """The same with the precision that a model is trained and asked in, without its frozen layers."""
        modules = (module for encoder in model.encoders for module in encoder.modules())
        weights = (module.weight for module in modules if isinstance(module, nn.Linear))
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        return replace(self, bf16=self.bf16 and trained >= self.bf16_from, bf16_from=0)

    @property
    def precision(self) -> str:
        """The precision in words."""
        if not self.bf16:
            return "fp32 (TF32 in matrix products)" if _uses_tf32(self.device) else "fp32"
        small = f" (fp32 for models whose encoders train fewer than {self.bf16_from:,} linear weights)"
        return "bf16" + (small if self.bf16_from else "")

    @property
    def keeps_encoders(self) -> bool:
        """Whether encoders are kept for the next trial: on a CPU the memory is worth more than the seconds."""
        return self.device.type != "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        """The context for forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    @property
    def name(self) -> str:
        """Name of the device as a person knows it."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        if self.device.type == "mps":
            return "Apple GPU (mps)"
        return f"CPU, {counted(torch.get_num_threads(), 'thread')}"

    def peak_memory_mb(self) -> float | None:
        """Most device memory allocated since the last reset, MiB; None on a CPU.

        On mps it is what the driver holds for this process, which keeps what it once gave.
        """
        if self.device.type == "cuda":
            return float(torch.cuda.max_memory_allocated(self.device) / 2**20)
        if self.device.type == "mps":
            return float(torch.mps.driver_allocated_memory() / 2**20)
        return None


def compute_for(config: TrainingConfig) -> Compute:
    """Resolves device and precision for training, and sets this process up: threads, TF32, determinism, memory peaks.

    Raises:
        UserError: the device is not on this machine.
    """
    if config.deterministic:  # read when cuBLAS starts
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    compute = resolved(config)
    if compute.device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call] # resetting the peaks of an unused GPU raises
        torch.cuda.set_device(compute.device)
        torch.cuda.reset_peak_memory_stats(compute.device)
        torch.backends.cuda.matmul.allow_tf32 = True
        # cuDNN's attention makes a plan for each new shape, and texts differ in length.
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(not config.deterministic)
    # Only where it changes something: setting it imports torch's compiler, a second of every start.
    if config.deterministic or torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(config.deterministic, warn_only=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    reset_peak_memory()
    return compute


def resolved(config: TrainingConfig) -> Compute:
    """Device and precision; nothing in this process is changed.

    Raises:
        UserError: the device is not on this machine.
    """
    device = resolve_device(config.device)
    bf16, bf16_from = config.precision == "bf16", 0
    if config.precision == "auto":
        bf16 = _fast_bf16(device)
        bf16_from = BF16_FROM if bf16 and device.type == "cpu" else 0
    return Compute(device, bf16, bf16_from, config.deterministic)


def resolve_device(name: str) -> torch.device:
    """The device that a name stands for: auto, cpu, cuda, cuda:N or mps.

    auto is the first GPU, or Apple's, or else the CPU. Nothing is initialised by asking.

    Raises:
        UserError: it is no such name, or not on this machine.
    """
    there = _gpus()
    if name == "auto":
        return torch.device(there[0]) if there else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in KINDS:
        raise UserError(f"invalid device {name!r}; use auto, cpu, cuda:N or mps")
    if device.type == "cpu":
        return torch.device("cpu")
    device = torch.device(device.type, device.index or 0)
    if str(device) not in there:
        found = f"{', '.join(there)} and cpu" if there else "cpu alone"
        raise UserError(
            f"device {name} is not on this machine, which has {found}; name one of these, or auto"
        )
    return device


def worker_devices(
    asked: Sequence[str], workers: int, *, gpus_per_trial: float | None = None
) -> tuple[str, ...]:
    """The device of each worker, for local workers and for Ray's.

    Args:
        asked: names; local workers get them in turn, and auto stands for every GPU of this machine.
        workers: how many there are.
        gpus_per_trial: with Ray, the GPUs that it sets aside for a worker; None for local workers.

    Returns:
        One name a worker. A worker of Ray sees only the GPU that was set aside for it, which is its first.

    Raises:
        UserError: a device is not on this machine, or Ray shall use one without setting it aside.
    """
    if gpus_per_trial is None:
        each = [found for name in asked for found in (_gpus() if name == "auto" else ()) or [name]]
        resolved = [str(resolve_device(name)) for name in each]
        return tuple(resolved[worker % len(resolved)] for worker in range(workers))
    named = [name for name in asked if name not in ("auto", "cpu")]
    if named and not gpus_per_trial:
        raise UserError(
            f"device {', '.join(named)}: Ray itself chooses the GPUs of its workers; say with --gpus-per-trial how "
            "many a training gets (1, or less to share one), and leave the device at auto or cpu"
        )
    return ("cuda:0" if gpus_per_trial else "cpu",) * workers


def _gpus() -> list[str]:
    """The accelerators of this machine."""
    if torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["mps:0"] if torch.backends.mps.is_available() else []


def _uses_tf32(device: torch.device) -> bool:
    """Whether products of fp32 matrices are rounded to TF32: on NVIDIA's GPUs since Ampere, as torch is set here."""
    return (
        device.type == "cuda"
        and torch.version.hip is None
        and torch.backends.cuda.matmul.allow_tf32
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":  # not measured yet
        return False
    # Measured on an EPYC with AVX512-BF16: 1.3 to 1.5 times faster than fp32; emulated bf16 is slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
