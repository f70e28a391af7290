"""What a call may not leave changed in its process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def restored() -> Iterator[None]:
    """Puts back what training and tuning set: threads, kernels of a GPU, random state, and Optuna's verbosity."""
    import optuna
    import torch

    drawn = random.getstate()  # packages that are imported for the first time draw from it
    threads, verbosity = torch.get_num_threads(), optuna.logging.get_verbosity()
    tf32 = torch.backends.cuda.matmul.allow_tf32
    efficient = torch.backends.cuda.mem_efficient_sdp_enabled()  # type: ignore[no-untyped-call]
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    has_begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if has_begun else ()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cuda.enable_mem_efficient_sdp(efficient)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        optuna.logging.set_verbosity(verbosity)
        random.setstate(drawn)
