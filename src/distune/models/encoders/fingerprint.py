"""What names an encoder in the store and in run folders."""

from __future__ import annotations

from pathlib import Path

from distune.config import EncoderConfig
from distune.models.encoders.catalogue import CatalogueEntry, Kind, find, known
from distune.models.encoders.pretrained.weights import file_hash, fingerprint, model_folder, weights_file
from distune.models.encoders.text.tokenizer import is_cased
from distune.models.encoders.vision.preprocessing import is_plain


def identity(config: EncoderConfig, kind: Kind, seed: int) -> str:
    """Names what an encoder's prefix computes, without building it: architecture, weights, and what is kept of them.

    The image size is not in it.

    Args:
        config: name, weights, layers, freeze, rank of the word embedding.
        kind: vision or text.
        seed: what random weights are seeded with.

    Raises:
        UserError: the name is unknown or the weights cannot be found.
    """
    source = find(config.name, kind)
    is_random = not config.pretrained or (isinstance(source, CatalogueEntry) and source.source == "built-in")
    if isinstance(source, CatalogueEntry) and is_random:
        weights = f"random-{seed}"
    elif isinstance(source, CatalogueEntry) and source.family == "efficientnet-lite":
        weights = file_hash(weights_file(source))
    else:
        folder = model_folder(source, kind, with_weights=not is_random, revision=config.revision)
        weights = fingerprint(folder)
        weights += f"-random-{seed}" if is_random else _reading(source, kind, folder)
    kept = f"layers={config.layers}|freeze={config.freeze}|rank={config.embedding_rank}"
    return f"{config.name}|{weights}|{kept}"


def _reading(source: CatalogueEntry | Path | str, kind: Kind, folder: Path) -> str:
    """How a folder's inputs are read, where earlier versions read them otherwise: their results are not used again."""
    entry = known(source, kind)
    if kind == "text":
        return "-cased" if is_cased(folder, entry.cased if entry else None) else ""
    return "" if is_plain(folder, entry) else "-pixels"
