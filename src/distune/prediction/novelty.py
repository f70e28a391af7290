"""Whether examples are new to a student: none of them was in the data set that it was trained and tuned on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from distune.data import read_table
from distune.data.fingerprint import DIGEST_BYTES, image_fingerprint, image_fingerprints
from distune.data.pixels.image_size import size_of
from distune.data.pixels.images import DECODING, from_array, located, read_pixels
from distune.data.pixels.intensity import PixelRules
from distune.errors import DataError, UserError, is_of_the_machine
from distune.prediction.example_pixels import array_of, is_picture
from distune.prediction.examples import Example
from distune.prediction.load import config_of
from distune.prediction.predictor import Predictor
from distune.training.files.run_folder import was_trained_on
from distune.utils.threads import threaded

LEAST_WORDS = 5
"""Words from which an equal text tells that an example is the same, for a student that reads no image."""
SHOWN = 3
Size = tuple[int, ...] | None


@dataclass(frozen=True)
class Seen:
    """The content of a data set.

    Attributes:
        images: digests of its image files.
        texts: its texts.
        rules: how its image files become pixels, which the digests hold too.
        files: its image files, of which those that have the size of an example are decoded to be compared with it.
        is_as_it_was: it is the data set of the training; another one may lie in its place now.
    """

    images: frozenset[str]
    texts: frozenset[str]
    rules: PixelRules
    files: tuple[str, ...] = ()
    is_as_it_was: bool = True


def seen_by(predictor: Predictor) -> Seen | None:
    """What a student was trained and tuned on, whatever split it was in; None where that is not there to be read."""
    if (config := config_of(predictor)) is None:
        return None
    try:
        table = read_table(config.data, check_images=False)
        files = tuple(dict.fromkeys(filter(None, table.images)))
        digests = image_fingerprints(table)
        is_as_it_was = was_trained_on(Path(predictor.source), table, digests) is not False
        return Seen(frozenset(digests), frozenset(table.texts), table.rules, files, is_as_it_was)
    except (UserError, OSError) as error:  # it was moved or changed
        if is_of_the_machine(error):
            raise
        return None


def seen_before(examples: Sequence[Example], seen: Seen, *, reads_images: bool) -> list[int]:
    """Positions of the examples whose image was seen, or for a student that reads none whose text was.

    Files are compared byte by byte, and pictures of one size by their pixels: a file may have been saved again.
    """
    if not reads_images:
        return [
            row
            for row, example in enumerate(examples)
            if len((example.text or "").split()) >= LEAST_WORDS and example.text in seen.texts
        ]
    images = [None if example.problem else example.image for example in examples]
    sizes, of_files = list(threaded(_size, images)), list(threaded(_size, seen.files))
    shared = {*sizes} & {*of_files} - {None}

    def pixels(images: Sequence[Any], sizes: Sequence[Size]) -> list[str | None]:
        alike = [image if size in shared else None for image, size in zip(images, sizes, strict=True)]
        return list(threaded(partial(_pixels_of, seen.rules), alike, step=DECODING))

    known = {*pixels(seen.files, of_files)} - {None}
    contents = zip(contents_of(examples, seen.rules), pixels(images, sizes), strict=True)
    return [row for row, (content, shown) in enumerate(contents) if content in seen.images or shown in known]


def _size(image: Any) -> Size:
    """Both sides of an image, whichever way its camera was held; None where they are not known."""
    if isinstance(image, str | Path):
        try:
            found = size_of(located(image)[0])
        except UserError:  # named with its reason where the example is read
            return None
    elif is_picture(image):
        found = image.size
    else:
        found = image.shape[:2] if isinstance(image, np.ndarray) else None
    return tuple(sorted(found)) if found else None


def contents_of(examples: Sequence[Example], rules: PixelRules) -> list[str | None]:
    """A digest of each image: of a file's bytes, of the pixels of a picture in memory; None where it cannot be read."""

    def content(example: Example) -> str | None:
        if example.problem or example.image is None:
            return None
        if not isinstance(example.image, str | Path):  # in memory
            return _pixels_of(rules, example.image)
        try:
            return image_fingerprint(str(example.image), rules) or None
        except OSError as error:  # named with its reason where the example is read
            if is_of_the_machine(error):
                raise
            return None

    return list(threaded(content, examples, step="hashing images"))


def _pixels_of(rules: PixelRules, image: Any) -> str | None:
    """A digest of an image's pixels as they are before they are squared; None where it cannot be read."""
    try:
        if isinstance(image, str | Path):
            pixels = read_pixels(image, rules)
        elif is_picture(image) or isinstance(image, np.ndarray):
            pixels = from_array(array_of(image) if is_picture(image) else image, rules)
        else:  # as below
            return None
    except UserError:  # named with its reason where the example is read
        return None
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():  # grey in three channels
        pixels = pixels[..., 0]
    return hashlib.blake2b(
        repr(pixels.shape).encode() + pixels.tobytes(), digest_size=DIGEST_BYTES
    ).hexdigest()


def check_novelty(predictor: Predictor, name: str, examples: Sequence[Example]) -> bool | None:
    """Checks that no example was in the data set of the student's run.

    Returns:
        True where none was; None where that data set is not there, as it was, to compare with.

    Raises:
        DataError: some were; it says how many and names the first ones.
    """
    seen = seen_by(predictor)
    if seen is None:
        return None
    reads_images = "image" in predictor.model.modalities
    found = seen_before(examples, seen, reads_images=reads_images)
    if found:
        what = "images" if reads_images else "texts"
        shown = ", ".join(examples[row].id for row in found[:SHOWN])
        raise DataError(
            name,
            [
                f"{len(found)} of {len(examples)} {what} are in the data set that this student was trained and tuned "
                f"on, such as {shown}; external data are others: leave these out"
            ],
        )
    return True if seen.is_as_it_was else None
