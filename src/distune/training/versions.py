"""What a step depends on besides its inputs: the version of its code, and of the libraries that compute it."""

from __future__ import annotations

from importlib import metadata

import cv2

CODE = {
    "images": 1,
    "tokens": 1,
    "frozen_vision": 1,
    "frozen_text": 1,
    "image_means": 1,
    "text_means": 1,
    "teacher": 1,
    "student": 1,
    "targets": 2,
}
"""Raised when the code of a step changes its result; older entries, and runs that it began, are then left alone."""
INPUTS = ("images", "tokens", "frozen_vision", "frozen_text", "image_means", "text_means")
"""The steps that a model's inputs come from."""

_NETWORKS = ("torch", "transformers")
_LIBRARIES: dict[str, tuple[str, ...]] = {
    "images": ("opencv",),
    "tokens": ("tokenizers", "transformers"),
    "frozen_vision": _NETWORKS,
    "frozen_text": _NETWORKS,
    "image_means": _NETWORKS,
    "text_means": _NETWORKS,
    "teacher": _NETWORKS,
    "student": _NETWORKS,
    "targets": _NETWORKS,
}


def version_of(step: str) -> dict[str, int | str]:
    """The versions that belong to a step's key, by what they are of."""
    return {"code": CODE[step], **{library: installed(library) for library in _LIBRARIES[step]}}


def installed(library: str) -> str:
    """Version of an installed library."""
    # OpenCV is installed under several names: with and without windows, with and without extra modules.
    return cv2.__version__ if library == "opencv" else metadata.version(library)
