"""The encoders of a first config: the largest whose passes over the data take minutes, by the number of examples.

By the catalogue's times and not by this machine's: the same table gives the same config wherever and whenever it is
asked for, on a busy machine too. `distune check` measures what the config takes here.
"""

from __future__ import annotations

from dataclasses import dataclass

from distune.config import EncoderConfig
from distune.config.model import NO_ENCODER
from distune.errors import UserError
from distune.models.encoders.catalogue import CATALOGUE, MILLISECONDS, TIMED_TOKENS, Kind
from distune.models.encoders.fingerprint import identity
from distune.utils.text import counted

BUDGET = 600.0
"""Seconds that all passes through frozen encoders may take together, on one CPU thread."""


@dataclass(frozen=True)
class Encoders:
    """Encoders of teacher and student, and why these.

    Attributes:
        teacher: image and text encoder.
        student: image and text encoder.
        frozen: whether they are kept as they are, and pass over the data once.
        why: one sentence.
        image_size: side of the images; None takes each encoder's own.
    """

    teacher: tuple[EncoderConfig, EncoderConfig]
    student: tuple[EncoderConfig, EncoderConfig]
    frozen: bool
    why: str
    image_size: int | None = None


_STUDENT, _WORDS = "efficientnet-lite0", "minilm-l6"
_LADDER = (
    ("efficientnet-lite2", None),
    ("efficientnet-lite1", None),
    (_STUDENT, None),
    (_STUDENT, 160),
    (_STUDENT, 128),
)
"""Image encoders of the teacher, the best first, and sides of the image."""


def fitting(count: int, tokens: float | None) -> Encoders:
    """Chooses encoders: large ones on a GPU that has their weights, else packaged ones kept frozen, else tiny ones.

    Args:
        count: examples in all.
        tokens: of a text, on average; None where the data set has no texts.
    """
    import torch

    text = tokens is not None
    if torch.cuda.is_available() and (large := _large(text)) is not None:
        return large
    name, size, seconds = within_budget(count, tokens)
    teacher, student = (_pair(_frozen(one), _frozen(_WORDS), text=text) for one in (name, _STUDENT))
    if not (_are_there(teacher) and _are_there(student)):
        return _tiny(
            text, "the packages with pretrained encoders are not installed (pip install 'distune[offline]')"
        )
    if seconds > 20 * BUDGET:
        minutes, examples = f"{seconds / 60:.0f} minutes", counted(count, "example")
        return _tiny(text, f"pretrained ones would take {minutes} over {examples} on one CPU thread")
    smaller = f", on images of {size} pixels because there are so many" if size else ""
    return Encoders(
        teacher,
        student,
        frozen=True,
        image_size=size,
        why=f"pretrained ones from packages, kept frozen{smaller}: one pass over "
        f"{counted(count, 'example')} takes about "
        f"{seconds:.0f} s on one CPU thread",
    )


def within_budget(count: int, tokens: float | None) -> tuple[str, int | None, float]:
    """The teacher's best image encoder whose pass, with those of the student's and of the texts, fits `BUDGET`.

    Args:
        count: examples.
        tokens: of a text, on average; None for no text.

    Returns:
        Its name, the side of its images where they are made smaller, and the seconds of all passes; the last of the
        ladder where none fits.
    """
    by_text = MILLISECONDS[_WORDS] * (tokens or 0.0) / TIMED_TOKENS
    for name, size in _LADDER:
        own = CATALOGUE[name].image_size or 1
        by_image = sum(MILLISECONDS[one] for one in {name, _STUDENT}) * ((size or own) / own) ** 2
        seconds = count * (by_image + by_text) / 1000
        if seconds <= BUDGET:
            break
    return name, size, seconds


def _frozen(name: str) -> EncoderConfig:
    return EncoderConfig(name=name, freeze="all")


def _pair(vision: EncoderConfig, words: EncoderConfig, *, text: bool) -> tuple[EncoderConfig, EncoderConfig]:
    return vision, words if text else EncoderConfig(name=NO_ENCODER)


def _tiny(text: bool, why: str) -> Encoders:
    tiny = _pair(EncoderConfig(name="tiny-cnn"), EncoderConfig(name="tiny-text"), text=text)
    return Encoders(tiny, tiny, False, f"tiny ones, trained from scratch: {why}")


def _large(text: bool) -> Encoders | None:
    """The classic pair, if its weights can be found."""
    teacher = _pair(EncoderConfig(name="vit-base"), EncoderConfig(name="bio-clinical-bert"), text=text)
    student = _pair(EncoderConfig(name="deit-small"), EncoderConfig(name="distilbert"), text=text)
    if not (_are_there(teacher) and _are_there(student)):
        return None
    return Encoders(
        teacher, student, False, "the classic pair: this machine has a GPU and can get their weights"
    )


def _are_there(encoders: tuple[EncoderConfig, EncoderConfig]) -> bool:
    """Whether the weights of an image and a text encoder can be found."""
    kinds: tuple[Kind, Kind] = ("vision", "text")
    try:
        for encoder, kind in zip(encoders, kinds, strict=True):
            if not encoder.is_absent:
                identity(encoder, kind, 0)
    except UserError:
        return False
    return True
