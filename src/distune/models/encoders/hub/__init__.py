"""The Hugging Face hub: one commit of a repository, fetched once, found again without a request."""

from distune.models.encoders.hub.fetch import fetch, listing
from distune.models.encoders.hub.files import Needs, weight_files
from distune.models.encoders.hub.snapshot import cached_snapshot, snapshot

__all__ = ["Needs", "cached_snapshot", "fetch", "listing", "snapshot", "weight_files"]
