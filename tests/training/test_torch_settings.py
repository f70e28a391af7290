"""What a notebook set in torch changes no number, and is there afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
import torch
from torch import Tensor, nn

from distune.training.torch_settings import torch_defaults


@contextmanager
def between(begin: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    begin()
    try:
        yield
    finally:
        end()


def kept() -> tuple[object, ...]:
    places = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv)
    return (
        torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"), torch.backends.mkldnn.enabled, torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.backends.cuda.cudnn_sdp_enabled(),
        *(place.fp32_precision for place in places),
    )  # fmt: skip


def of_matmul(precision: str) -> AbstractContextManager[None]:
    def end() -> None:
        torch.set_float32_matmul_precision("highest")
        for place in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
            place.fp32_precision = "none"

    return between(lambda: torch.set_float32_matmul_precision(precision), end)


SETTINGS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "nothing": nullcontext,
    "float64": lambda: between(
        lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)
    ),
    "another device": lambda: between(
        lambda: torch.set_default_device("meta"), lambda: torch.set_default_device(None)
    ),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "coarse products": lambda: of_matmul("medium"),
    "products of one backend": lambda: between(
        lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
        lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "none"),
    ),
    "coarse convolutions": lambda: between(
        lambda: setattr(torch.backends.mkldnn.conv, "fp32_precision", "bf16"),
        lambda: setattr(torch.backends.mkldnn.conv, "fp32_precision", "none"),
    ),
    "other kernels": lambda: between(
        lambda: setattr(torch.backends.mkldnn, "enabled", False),
        lambda: setattr(torch.backends.mkldnn, "enabled", True),
    ),
    "attention": lambda: torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
}


def answer() -> Tensor:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 64), nn.GELU(), nn.Linear(64, 2)
    )
    with torch.no_grad():
        hidden = layers(torch.randn(64, 3, 8, 8))
        return nn.functional.scaled_dot_product_attention(
            hidden[None, None], hidden[None, None], hidden[None, None]
        )


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_torch_changes_no_number_and_stays(name: str) -> None:
    expected = answer()
    with SETTINGS[name]():
        before = kept()
        with torch_defaults():
            found = answer()
        assert kept() == before
        with pytest.raises(KeyError), torch_defaults():
            raise KeyError
        assert kept() == before
    assert found.dtype == torch.float32 and found.device.type == "cpu"
    assert torch.equal(found, expected)


def test_threads_that_overlap_see_the_defaults_until_the_last_one_is_done() -> None:
    with SETTINGS["float64"]():
        before = kept()
        first, second = torch_defaults(), torch_defaults()
        with ThreadPoolExecutor(1) as other:
            first.__enter__()
            other.submit(second.__enter__).result()
            first.__exit__(None, None, None)
            assert torch.get_default_dtype() == torch.float32
            other.submit(second.__exit__, None, None, None).result()
        assert kept() == before


def test_a_block_within_another_puts_back_what_that_one_set() -> None:
    with torch_defaults():
        torch.backends.cuda.enable_mem_efficient_sdp(False)
        with torch_defaults():
            assert torch.backends.cuda.mem_efficient_sdp_enabled()
        assert not torch.backends.cuda.mem_efficient_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()
