"""Contract suites for losses, fusions and readers of your own, which pytest runs, and workers of virtual time.

Example:
    >>> from distune.testing import LossContract
    >>> class TestMyLoss(LossContract):
    ...     loss = MyLoss  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from distune.utils.lazy import lazy_names

if TYPE_CHECKING:
    from distune.testing.fusions import FusionContract
    from distune.testing.losses import LossContract
    from distune.testing.readers import ReaderContract

__all__ = ["FusionContract", "LossContract", "ReaderContract"]

# So that `distune.testing.simulated`, which workers of tests import, brings no torch.
__getattr__ = lazy_names(
    __name__,
    {
        "FusionContract": "distune.testing.fusions",
        "LossContract": "distune.testing.losses",
        "ReaderContract": "distune.testing.readers",
    },
)
