"""Seeds: those that users give, and those derived from what they are for, so that no order of draws matters."""

from __future__ import annotations

import hashlib

from distune.errors import UserError

LARGEST_SEED = 2**31 - 1


def check_seed(seed: int) -> None:
    """Refuses what is no seed of a config either.

    Raises:
        UserError: the seed is negative or too large.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"seed {seed}: a seed is a whole number from 0 to {LARGEST_SEED}")


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**62) that depends on all parts and nothing else.

    Args:
        parts: for example the run's seed, the stage and the epoch.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2
