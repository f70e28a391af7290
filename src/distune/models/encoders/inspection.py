"""Whether an encoder can be trained, in seconds: its files' headers are read, and it is run without numbers."""

from __future__ import annotations

import logging
import re
from contextlib import nullcontext
from pathlib import Path

import torch

from distune.config import EncoderConfig
from distune.errors import UserError, has_run_out
from distune.models.encoders.base import Encoder, VisionEncoder
from distune.models.encoders.build import (
    assemble_text,
    assemble_vision,
    build_text,
    build_vision,
    explained,
    settings_of,
)
from distune.models.encoders.catalogue import CatalogueEntry, Kind, find
from distune.models.encoders.hub.fetch import listing
from distune.models.encoders.hub.files import WEIGHTS, weight_files
from distune.models.encoders.hub.retry import HubRetry
from distune.models.encoders.hub.snapshot import cached_snapshot, snapshot
from distune.models.encoders.pretrained.transformers_model import Origin, first_line
from distune.models.encoders.pretrained.weights import model_folder, needs, repository_of

_log = logging.getLogger(__name__)
_NEEDS_NUMBERS = re.compile(
    r"\bmeta (tensor|device|backend|kernel)|\bregister_meta\b|'Meta' backend", re.IGNORECASE
)
"""What torch says, under several types of error, of a layer that reads values: the meta device has only shapes."""


def inspect_encoder(config: EncoderConfig, kind: Kind, image_size: int | None) -> Encoder:
    """Builds what training would build and sends one example through it; of a hub model, shapes in place of weights.

    Of a hub model that is not in the cache, the small files are fetched, the weights are not.

    Args:
        config: of the encoder.
        kind: vision or text.
        image_size: side of the image in pixels; None takes the encoder's own.

    Returns:
        The encoder; that of a hub model is on the meta device.

    Raises:
        UserError: says what is wrong with it.
    """
    source = find(config.name, kind)
    with torch.random.fork_rng(devices=[]), explained(config.name, kind):
        if isinstance(source, CatalogueEntry) and source.family in (
            "tiny-cnn",
            "tiny-text",
            "efficientnet-lite",
        ):
            # As it is: torch's first step with shapes alone loads its compiler, which takes a second.
            encoder: Encoder = (
                build_vision(config, 0, image_size) if kind == "vision" else build_text(config, 0)
            )
            _run(encoder.eval(), config.name, "cpu")
        else:
            encoder = _assembled(config, source, kind, image_size).eval().to("meta")
            _run(encoder, config.name, "meta")
    return encoder


def _assembled(
    config: EncoderConfig, source: CatalogueEntry | Path | str, kind: Kind, image_size: int | None
) -> Encoder:
    folder, has_weights = _folder(config, source, kind)
    settings = settings_of(source, kind, folder)
    origin = Origin(settings, folder if has_weights else None, headers_only=True)
    with nullcontext() if has_weights else torch.device("meta"):
        if kind == "vision":
            return assemble_vision(config, origin, folder, image_size)
        return assemble_text(config, origin, folder)


def _folder(
    config: EncoderConfig, source: CatalogueEntry | Path | str, kind: Kind
) -> tuple[Path | None, bool]:
    """A model's folder, and whether it holds weights that training would take."""
    if isinstance(source, CatalogueEntry) and not config.pretrained:
        return None, False
    repository = repository_of(source)
    wanted = needs(source, kind, with_weights=config.pretrained)
    if repository is None or not config.pretrained or cached_snapshot(repository, config.revision, wanted):
        folder = model_folder(source, kind, with_weights=config.pretrained, revision=config.revision)
        return folder, config.pretrained
    small = needs(source, kind, with_weights=False, with_vocabulary=kind == "text")
    folder = snapshot(repository, config.revision, small)
    if not weight_files(listing(repository, folder.name, HubRetry()).sizes):
        raise UserError(f"{repository}: it has none of {', '.join(WEIGHTS)}; name another model")
    return folder, False


def is_at_hand(source: CatalogueEntry | Path | str, kind: Kind, config: EncoderConfig) -> bool:
    """Whether an encoder can be inspected without the hub."""
    repository = repository_of(source)
    wanted = needs(source, kind, with_weights=config.pretrained)
    return repository is None or cached_snapshot(repository, config.revision, wanted) is not None


def _run(encoder: Encoder, name: str, device: str) -> None:
    """One example goes through the encoder; what the meta device cannot run is left to training."""
    with torch.device(device), torch.no_grad():
        try:
            if isinstance(encoder, VisionEncoder):
                side = encoder.image_size
                encoder(torch.zeros(1, 3, side, side, dtype=torch.uint8))
            else:
                encoder(torch.zeros(1, 4, dtype=torch.int64), torch.ones(1, 4, dtype=torch.bool))
        except Exception as error:
            if has_run_out(error):
                raise
            if _NEEDS_NUMBERS.search(str(error)):
                _log.debug("%s: not run on the meta device: %s", name, error)
                return
            what = f"images of {encoder.image_size} pixels" if isinstance(encoder, VisionEncoder) else "texts"
            raise UserError(
                f"{name}: it cannot take {what} ({first_line(error)}); "
                + (
                    "set data.image_size to one that it takes"
                    if "images" in what
                    else "take another text encoder"
                )
            ) from error
