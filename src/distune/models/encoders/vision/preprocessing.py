"""What an image model wants its pixels to be: the library's own image processor says it, and is asked what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distune.errors import UserError, has_run_out
from distune.models.encoders.base import Pixels
from distune.models.encoders.catalogue import CatalogueEntry
from distune.models.encoders.hub.files import PROCESSORS
from distune.models.encoders.pretrained.transformers_model import first_line, quiet
from distune.utils.files.json_files import read_json

_GEOMETRY = ("do_resize", "do_center_crop", "do_pad")
_SIDE = 16
"""A square of so many pixels holds each byte once in every channel."""


def read_pixels(name: str, source: CatalogueEntry | None, settings: Any, folder: Path | None) -> Pixels:
    """The normalisation that an image model was trained with.

    Args:
        name: of the encoder, for messages.
        source: catalogue entry, if the model has one.
        settings: transformers configuration of the model.
        folder: of the model; what it says of its image processor has the last word, then the catalogue, then the
            library's default for the family. None takes the catalogue's.

    Raises:
        UserError: the processor cannot be read, or does more to a pixel than to scale and to shift it.
    """
    has_file = folder is not None and any((folder / each).is_file() for each in PROCESSORS)
    if source is not None and not has_file:
        return _catalogued(source)
    try:
        with quiet(), torch.device("cpu"):
            processor = _processor(settings, folder if has_file else None)
            found = _measured(processor, _stated(processor))
    except Exception as error:
        if has_run_out(error):
            raise
        raise UserError(
            f"{name}: its image processor cannot be used ({first_line(error)}), so it is not known how its pixels are "
            f"prepared; give the folder a {PROCESSORS[0]} that transformers can read"
        ) from error
    if found is None:
        raise UserError(
            f"{name}: its image processor {type(processor).__name__} does more to a pixel than to scale and to shift "
            "it, which Distune cannot do; take another image encoder"
        )
    return found


def is_plain(folder: Path, source: CatalogueEntry | None) -> bool:
    """Whether four keys of one file say all of it, which is what earlier versions read."""
    try:
        found = read_json(folder / PROCESSORS[0])
    except (OSError, ValueError):
        return source is not None
    rescaled = found.get("do_rescale", True) and abs(found.get("rescale_factor", 1 / 255) * 255 - 1) < 1e-6
    others = any(found.get(key) for key in ("rescale_offset", "include_top"))
    return bool(rescaled) and not others and not isinstance(found.get("image_mean"), float | int)


def _catalogued(source: CatalogueEntry) -> Pixels:
    flip = source.family == "mobilevit"
    mean, std = ((0.0,) * 3, (1.0,) * 3) if flip else (source.mean, source.std)
    return Pixels(mean, std, flip_channels=flip)


def _processor(settings: Any, folder: Path | None) -> Any:
    """The image processor that a folder describes; without one, the default of the model's family."""
    from transformers import AutoImageProcessor
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

    if folder is not None:
        return AutoImageProcessor.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    classes = IMAGE_PROCESSOR_MAPPING[type(settings)]
    return (classes.get("pil") or classes["torchvision"])()


def _stated(processor: Any) -> Pixels:
    """What the settings say, where they are the usual ones; its arithmetic is that of earlier versions."""
    mean, std = _three(0.0), _three(1.0)
    if getattr(processor, "do_normalize", False):
        mean, std = _three(processor.image_mean), _three(processor.image_std)
    return Pixels(mean, std, flip_channels=bool(getattr(processor, "do_flip_channel_order", False)))


def _three(values: Any) -> tuple[float, ...]:
    return tuple(values) if isinstance(values, list | tuple) else (float(values),) * 3


def _measured(processor: Any, stated: Pixels) -> Pixels | None:
    """What the processor makes of every byte in every channel.

    Returns:
        The stated arithmetic where it is the same, else the scale and shift that were seen; None where they explain
        not every byte.
    """
    # Three different pictures, so that a processor which swaps channels is seen to do so.
    ramp = np.arange(256, dtype=np.uint8).reshape(_SIDE, _SIDE)
    image = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1)
    off = {name: False for name in _GEOMETRY if getattr(processor, name, None)}
    answer = processor(images=image, return_tensors="pt", input_data_format="channels_last", **off)
    seen: Tensor = answer["pixel_values"].float()
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).unsqueeze(0)
    if seen.shape != pixels.shape:
        return None
    fits = [
        candidate
        for candidate in (stated, _linear(pixels, seen, flip=False), _linear(pixels, seen, flip=True))
        if torch.allclose(candidate(pixels), seen, rtol=1e-5, atol=1e-5)
    ]
    return fits[0] if fits else None


def _linear(pixels: Tensor, seen: Tensor, *, flip: bool) -> Pixels:
    """Scale and shift of each channel through its darkest and its brightest pixel."""
    inputs = (pixels.flip(1) if flip else pixels)[0].flatten(1)
    values = seen[0].flatten(1).double()
    low = torch.stack([values[c][inputs[c] == 0][0] for c in range(3)])
    high = torch.stack([values[c][inputs[c] == 255][0] for c in range(3)])
    return Pixels.of((high - low) / 255.0, low, flip_channels=flip)
