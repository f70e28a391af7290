"""Contract suites for losses, fusions and readers of your own, which pytest runs.

Example:
    >>> from distune.testing import LossContract
    >>> class TestMyLoss(LossContract):
    ...     loss = MyLoss  # doctest: +SKIP
"""

from distune.testing.fusions import FusionContract
from distune.testing.losses import LossContract
from distune.testing.readers import ReaderContract

__all__ = ["FusionContract", "LossContract", "ReaderContract"]
