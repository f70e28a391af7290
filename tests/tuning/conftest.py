from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

# The trial functions and helpers of these tests; worker processes inherit the path and import them by name.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "executors")]
optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def virtual_workers() -> Iterator[None]:
    """The studies of a test run on workers of this process."""
    from study_helpers import in_this_process

    with in_this_process():
        yield
