"""What a call may not leave changed in its process."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import RLock
from typing import Any, ParamSpec, TypeVar

_ONE_THREAD = RLock()
Given = ParamSpec("Given")
Result = TypeVar("Result")


def public(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """What holds for every public function: numbers of NumPy are as good as Python's, and random states stay."""

    @wraps(function)
    def called(*given: Given.args, **named: Given.kwargs) -> Result:
        with random_kept():
            return function(*map(_plain, given), **{name: _plain(value) for name, value in named.items()})

    return called


def _plain(value: Any) -> Any:
    numpy = sys.modules.get("numpy")  # without it there are no such numbers
    return value.item() if numpy is not None and isinstance(value, numpy.generic) else value


@contextmanager
def random_kept() -> Iterator[None]:
    """Puts Python's random state back: packages that a function imports when it is first called draw from it."""
    drawn = random.getstate()
    try:
        yield
    finally:
        random.setstate(drawn)


@contextmanager
def restored() -> Iterator[None]:
    """Puts back what training and tuning set: threads, kernels of a GPU, random state, and Optuna's verbosity.

    One thread at a time: they share the random state, and would get numbers that no seed gives again. What the caller
    set of torch does not count: gradients are computed, and all else is as in `torch_defaults`.
    """
    with _ONE_THREAD, random_kept():
        import optuna
        import torch

        from distune.training.torch_settings import torch_defaults

        threads, verbosity = torch.get_num_threads(), optuna.logging.get_verbosity()
        deterministic = _deterministic()
        has_begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = range(torch.cuda.device_count()) if has_begun else ()
        try:
            with (
                torch.random.fork_rng(devices=devices),
                torch.inference_mode(False),  # computes gradients, also where the caller wants none
                torch.autograd.set_detect_anomaly(False),
                torch_defaults(),
            ):
                yield
        finally:
            torch.set_num_threads(threads)
            if _deterministic() != deterministic:  # setting it imports torch's compiler, which takes a second
                is_on, warns = deterministic
                torch.use_deterministic_algorithms(is_on, warn_only=warns)
            optuna.logging.set_verbosity(verbosity)


def _deterministic() -> tuple[bool, bool]:
    """Whether torch takes deterministic kernels alone, and only warns where there is none."""
    import torch

    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
