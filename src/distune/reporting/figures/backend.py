"""Imports matplotlib whatever its settings say: no figure of ours is shown, and a backend may not be there."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_asked = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
finally:
    if _asked is not None:
        os.environ["MPLBACKEND"] = _asked
if _asked is not None:  # as matplotlib itself does, for the user's own figures in this process
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _asked
