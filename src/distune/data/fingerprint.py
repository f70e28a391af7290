"""Content hashes of a data set, for keys of everything that is computed from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from distune.data.pixels.images import located, reading_rule
from distune.data.pixels.intensity import PixelRules
from distune.data.table import Table
from distune.errors import DataError
from distune.utils.files.paths import read_file
from distune.utils.threads import threaded

DIGEST_BYTES = 16


def image_fingerprints(table: Table) -> list[str]:
    """Hashes the content of every image file, and the rule by which deep or turned ones become pixels.

    Returns:
        One hexadecimal BLAKE2b digest (32 characters) an example, empty for one without an image; equal pictures from
        equal files have equal digests.
    """
    distinct = list(dict.fromkeys(table.images))
    found = threaded(lambda image: image_fingerprint(image, table.rules), distinct, step="hashing images")
    digests = dict(zip(distinct, found, strict=True))
    return [digests[path] for path in table.images]


def image_fingerprint(image: str, rules: PixelRules) -> str:
    """Hashes the content of an image file, and the rule by which it becomes pixels where it is deep or turned.

    Empty for an example without an image.
    """
    if not image:
        return ""
    file, frame = located(image)
    content = read_file(Path(file))
    made = hashlib.blake2b(content, digest_size=DIGEST_BYTES)
    made.update(reading_rule(content, rules, frame).encode())
    return made.hexdigest()


def check_unchanged(root: Path, found: str, wanted: str | None) -> None:
    """Refuses a data set that is not what it was: scores of both would be compared as if they were of one.

    Args:
        root: of the data set.
        found: its `table_fingerprint`.
        wanted: the one that it must have; None takes any.

    Raises:
        DataError: it has another one.
    """
    if wanted is not None and found != wanted:
        raise DataError(
            root,
            [
                "the data set has changed since the study began (a label, text, split or picture of it); put it back, "
                "or begin another study"
            ],
        )


def table_fingerprint(table: Table, images: Sequence[str] | None = None) -> str:
    """Hashes everything about a table that a training run depends on: all but where it lies.

    Args:
        table: the data set.
        images: its `image_fingerprints`, where the caller has them already.

    Returns:
        A hexadecimal BLAKE2b digest (32 characters).
    """
    content = {
        "ids": table.ids,
        "images": list(image_fingerprints(table) if images is None else images),
        "texts": table.texts,
        "labels": table.labels.tolist(),
        "groups": table.groups,
        "splits": table.splits,
        "tasks": [task.as_plain() for task in table.tasks],
    }
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    # JSON keeps the borders between values, which joining them would lose; piece by piece, as a large set needs it.
    for piece in json.JSONEncoder().iterencode(content):
        digest.update(piece.encode())
    return digest.hexdigest()
