"""What stands where a number cannot be known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unknown:
    """A number that the study does not hold.

    Attributes:
        reason: one sentence: what is missing, and where it would come from.
    """

    reason: str
