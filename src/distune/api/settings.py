"""What a call may not leave changed in its process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_ONE_THREAD = RLock()


@contextmanager
def random_kept() -> Iterator[None]:
    """Puts Python's random state back: packages that are imported for the first time draw from it."""
    drawn = random.getstate()
    try:
        yield
    finally:
        random.setstate(drawn)


@contextmanager
def restored() -> Iterator[None]:
    """Puts back what training and tuning set: threads, kernels of a GPU, random state, and Optuna's verbosity.

    One thread at a time: they share the random state, and would get numbers that no seed gives again. Gradients are
    computed, also where the caller computes none.
    """
    with _ONE_THREAD, random_kept():
        import optuna
        import torch

        threads, verbosity = torch.get_num_threads(), optuna.logging.get_verbosity()
        tf32 = torch.backends.cuda.matmul.allow_tf32
        efficient = torch.backends.cuda.mem_efficient_sdp_enabled()  # type: ignore[no-untyped-call]
        deterministic = torch.are_deterministic_algorithms_enabled()
        warns = torch.is_deterministic_algorithms_warn_only_enabled()
        has_begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = range(torch.cuda.device_count()) if has_begun else ()
        try:
            with torch.random.fork_rng(devices=devices), torch.inference_mode(False), torch.enable_grad():
                yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cuda.matmul.allow_tf32 = tf32
            torch.backends.cuda.enable_mem_efficient_sdp(efficient)
            torch.use_deterministic_algorithms(deterministic, warn_only=warns)
            optuna.logging.set_verbosity(verbosity)
