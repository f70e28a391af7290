"""The peak memory of a run is its own: not its parent's, and not that of the trial before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SOURCE = str(Path(__file__).parents[2] / "src")
CHILD = """
import json
from distune.config import TrainingConfig
from distune.training.devices import compute_for
from distune.training.cost import peak_process_mb
started = peak_process_mb()
block = bytearray(b"x") * (400 * 2**20)
full = peak_process_mb()
del block
compute_for(TrainingConfig(device="cpu"))
print(json.dumps([started, full, peak_process_mb()]))
"""
FAT_PARENT = """
import subprocess, sys
block = bytearray(b"x") * (1200 * 2**20)
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget its peak")
def test_peak_is_neither_the_parents_nor_that_of_work_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAT_PARENT, CHILD],
        env={"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    started, full, after = json.loads(done.stdout)
    assert started < 900
    assert full > started + 300
    assert after < full - 300
