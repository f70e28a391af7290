from __future__ import annotations

import sys
from pathlib import Path

import optuna

# The trial functions and helpers of these tests; worker processes inherit the path and import them by name.
sys.path.insert(0, str(Path(__file__).parent))
optuna.logging.set_verbosity(optuna.logging.WARNING)
