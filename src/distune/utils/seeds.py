"""Seeds derived from what they are for, so that nothing depends on the order of earlier draws."""

from __future__ import annotations

import hashlib


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**62) that depends on all parts and nothing else.

    Args:
        parts: for example the run's seed, the stage and the epoch.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2
