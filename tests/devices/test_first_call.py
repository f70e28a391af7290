"""The first call on a GPU that this process has not used: CUDA's own check of that is put in place."""

from __future__ import annotations

import pytest
import torch

from distune.config import TrainingConfig
from distune.training.devices import compute_for
from distune.training.torch_settings import torch_defaults


class Uninitialised:
    """What CUDA does before anybody has initialised it, as far as torch's Python asks.

    c10's allocator refuses every device until then: `assertValidDevice` compares it with the number of per-device
    allocators, which is 0 (c10/cuda/CUDACachingAllocator.cpp).
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.is_initialised = False
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "_lazy_init", self._initialise)
        monkeypatch.setattr(torch.cuda, "get_device_properties", self._properties)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "set_device", lambda device: self._initialise())
        monkeypatch.setattr(torch._C, "_cuda_resetPeakMemoryStats", self._reset, raising=False)

    def _initialise(self) -> None:
        self.is_initialised = True

    def _reset(self, device: int) -> None:
        if not self.is_initialised:
            raise RuntimeError(f"Invalid device argument {device}: did you call init?")

    def _properties(self, device: object = None) -> object:
        self._initialise()
        return type("Properties", (), {"name": "Pretended H100", "major": 9, "minor": 0})


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_a_gpu_that_nobody_has_used_yet(monkeypatch: pytest.MonkeyPatch, device: str, precision: str) -> None:
    cuda = Uninitialised(monkeypatch)
    compute = compute_for(TrainingConfig(device=device, precision=precision))
    assert cuda.is_initialised
    assert compute.device.type == "cuda"
    assert compute.name == "Pretended H100"
    assert compute.bf16 is (precision != "fp32")


@pytest.mark.parametrize("deterministic", [False, True])
def test_attention_makes_no_plan_for_each_length_of_a_text(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    Uninitialised(monkeypatch)
    monkeypatch.setenv(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # which a deterministic run sets, and this test puts back
    with torch_defaults():
        assert torch.backends.cuda.cudnn_sdp_enabled()
        compute_for(TrainingConfig(device="cuda", deterministic=deterministic))
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.mem_efficient_sdp_enabled() is not deterministic
        assert torch.backends.cuda.flash_sdp_enabled() and torch.backends.cuda.math_sdp_enabled()
    compute_for(TrainingConfig(device="cpu"))


def test_the_check_is_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    Uninitialised(monkeypatch)
    with pytest.raises(RuntimeError, match="did you call init"):
        torch.cuda.reset_peak_memory_stats(torch.device("cuda:0"))
