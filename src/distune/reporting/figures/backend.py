"""Imports matplotlib whatever its settings say: no figure of ours is shown, and a backend may not be there."""

from __future__ import annotations

import os
from contextlib import suppress

_asked = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
finally:
    if _asked is not None:
        os.environ["MPLBACKEND"] = _asked
if _asked is not None:  # as matplotlib itself does, for the user's own figures in this process
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _asked
