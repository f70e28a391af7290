"""How far probabilities can be trusted: the bins of the reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.training.scoring.metrics import CALIBRATION_BINS, calibration_bin


@dataclass(frozen=True)
class ReliabilityBin:
    """Examples whose confidence lies in one bin.

    Attributes:
        low: lower end of the bin, not included.
        high: upper end, included.
        count: examples.
        confidence: their mean confidence; None without examples.
        accuracy: share that is right; None without examples.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def reliability(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], bins: int = CALIBRATION_BINS
) -> list[ReliabilityBin]:
    """The bins of the reliability diagram; their weighted gaps add up to the expected calibration error."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == truth
    bin_of = calibration_bin(confidence, bins)
    found = []
    for number in range(bins):
        inside = bin_of == number
        count = int(inside.sum())
        found.append(
            ReliabilityBin(
                number / bins,
                (number + 1) / bins,
                count,
                float(confidence[inside].mean()) if count else None,
                float(is_right[inside].mean()) if count else None,
            )
        )
    return found
