from __future__ import annotations

import sys
from pathlib import Path

import optuna

# The trial functions and helpers of these tests; worker processes inherit the path and import them by name.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "executors")]
optuna.logging.set_verbosity(optuna.logging.WARNING)
