"""The commits of hub models: found and fetched once, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distune.config import Config, EncoderConfig
from distune.config.revisions import encoders_of, model_key
from distune.errors import UserError
from distune.models.encoders.catalogue import CatalogueEntry, Kind, find
from distune.models.encoders.hub.retry import HubRetry
from distune.models.encoders.hub.snapshot import cached_snapshot, missing_sizes
from distune.models.encoders.pretrained.weights import model_folder, needs, refuse_revision, repository_of


def repository(encoder: EncoderConfig, kind: Kind) -> str | None:
    """The hub's name of the model that an encoder is made from; None where it needs nothing from there.

    Raises:
        UserError: the name is unknown or of the other kind.
    """
    source = find(encoder.name, kind)
    needs_no_files = isinstance(source, CatalogueEntry) and not encoder.pretrained
    return None if needs_no_files else repository_of(source)


def is_known(encoder: EncoderConfig, kind: Kind) -> bool:
    """Whether an encoder's name stands for something."""
    try:
        repository(encoder, kind)
    except UserError:
        return False
    return True


def fetch_encoders(
    encoders: Iterable[tuple[EncoderConfig, Kind]], retry: HubRetry | None = None
) -> dict[str, str]:
    """Brings everything that encoders need from the hub into the cache; what is there is not asked for again.

    Args:
        encoders: with their kinds; those that need no hub are skipped.
        retry: how long a hub that refuses is asked again.

    Returns:
        The commit of each, by `distune.config.revisions.model_key`.

    Raises:
        UserError: one of them cannot be had.
    """
    retry = retry or HubRetry()
    commits: dict[str, str] = {}
    for encoder, kind in encoders:
        source = find(encoder.name, kind)
        refuse_revision(source, encoder.revision)
        if repository(encoder, kind) is not None:
            folder = model_folder(
                source, kind, with_weights=encoder.pretrained, revision=encoder.revision, retry=retry
            )
            commits.setdefault(model_key(encoder), folder.name)
    return commits


def bytes_to_fetch(encoder: EncoderConfig, kind: Kind) -> int | None:
    """Bytes that the hub would send for an encoder; 0 where nothing is missing here, None where it does not say.

    Args:
        encoder: any; those that need no hub need nothing.
        kind: vision or text.
    """
    name = repository(encoder, kind)
    wanted = needs(find(encoder.name, kind), kind, with_weights=encoder.pretrained)
    if name is None or cached_snapshot(name, encoder.revision, wanted):
        return 0
    try:
        left = missing_sizes(name, encoder.revision, wanted, HubRetry())
    except UserError:
        return None
    return sum(left.values()) if all(left.values()) else None


def origins(config: Config) -> dict[str, Any]:
    """Repository and commit of each encoder that comes from the hub, by section and field; for the records."""
    found = {}
    for (role, kind), encoder in encoders_of(config):
        name = repository(encoder, kind)
        if name is not None:
            found[f"{role}.{kind}"] = {"repository": name, "commit": encoder.revision}
    return found
