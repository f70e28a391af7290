"""Where results are kept by default, relative to where the command is run."""

from __future__ import annotations

from pathlib import Path

STUDIES = Path("logs/optuna")
"""Studies: a folder and, without a storage of their own, an SQLite file each."""
RUNS = Path("logs/runs")
"""Single training runs, a folder each."""
