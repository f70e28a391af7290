"""torch's settings of a process, which a notebook may have changed for its own work: here they are torch's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock, local
from typing import Any

import torch

BACKENDS: tuple[tuple[Callable[[], bool], Callable[[bool], None]], ...] = (
    (torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp),
    (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    (torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
    (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    (lambda: bool(torch.backends.mkldnn.enabled), lambda on: setattr(torch.backends.mkldnn, "enabled", on)),
)
"""Ways to compute, all on by default: whether each is, and what turns it on or off."""

FULL = ("ieee", "none")
"""Names of full float32; of the second kind is what nobody set."""


class _OfTheProcess:
    """Settings that all threads share: torch's own from the first thread that needs them until the last one is done."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads = 0
        self._before = ExitStack()

    @contextmanager
    def are_defaults(self) -> Iterator[None]:
        with self._lock:
            if not self._threads:
                self._before = _set_defaults()
            self._threads += 1
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                if not self._threads:
                    self._before.close()


_PROCESS = _OfTheProcess()
_THREAD = local()


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Lets torch compute as where nobody changed its settings, and puts back what was there.

    Numbers depend on the default dtype and device, on autocast, on the precision of matrix products, and on which
    kernels may be used: with another setting a model would answer otherwise than when it was trained. Most hold for the
    whole process: of several threads in such blocks at once the last one puts back what was there before the first.
    """
    is_inner, _THREAD.is_inside = getattr(_THREAD, "is_inside", False), True
    with ExitStack() as stack:
        stack.callback(setattr, _THREAD, "is_inside", is_inner)
        # Within a block of its own, training may have changed them again.
        stack.enter_context(_set_defaults() if is_inner else _PROCESS.are_defaults())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))  # a mode, which each call of torch passes through
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def _set_defaults() -> ExitStack:
    """Sets what holds for the whole process; gives what puts back what was there."""
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
        for is_on, turn in BACKENDS:
            stack.callback(turn, is_on())  # what computes in the block may turn it off
            turn(True)
        stack.callback(_full_precision())
        return stack.pop_all()


def _full_precision() -> Callable[[], None]:
    """Lets matrix products and convolutions compute in full float32; gives what puts back what was before."""
    own = [
        (torch.backends.cuda, "matmul"),
        (torch.backends.mkldnn, "matmul"),
        (torch.backends.mkldnn, "conv"),
    ]
    places: list[Any] = [getattr(of, name, None) for of, name in own]
    before = [(each, each.fp32_precision) for each in places if hasattr(each, "fp32_precision")]  # torch 2.9
    overall: str | None = None
    with suppress(RuntimeError):  # each was given one of its own
        overall = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    for each, precision in before:
        if precision not in FULL:
            each.fp32_precision = FULL[0]

    def restore() -> None:
        torch.set_float32_matmul_precision(overall or "highest")
        for each, precision in before:
            each.fp32_precision = precision

    return restore
