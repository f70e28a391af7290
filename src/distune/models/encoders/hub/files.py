"""Which files of a repository or a folder a model needs."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from distune.utils.files.json_files import read_json

CONFIG = "config.json"
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Weights in the order in which transformers looks for them; `.bin` files are only ever read with `weights_only`."""
SHARDS = {WEIGHTS[1]: "model-*-of-*.safetensors", WEIGHTS[3]: "pytorch_model-*-of-*.bin"}
"""The files that an index stands for."""
SMALL = ("*.json", "vocab.txt", "merges.txt", "*.model")
"""Settings and vocabularies."""
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""Where transformers keeps what an image model wants its pixels to be."""


@dataclass(frozen=True)
class Needs:
    """What a model folder has to hold.

    Args:
        weights: its weights, not only its configuration.
        vocabulary: what its tokenizer reads.
        processor: how its pixels are to be prepared, where it says so at all.
    """

    weights: bool = True
    vocabulary: bool = False
    processor: bool = False

    def missing(self, folder: Path, absent: Collection[str] = ()) -> str:
        """What is not in a folder, in words; empty where nothing is missing.

        Args:
            folder: may hold a part of a repository.
            absent: files that the repository is known not to have.
        """
        names = _names(folder)
        if CONFIG not in names:
            return "configuration"
        if self.weights and not complete_weights(folder):
            return "weights"
        if self.vocabulary and not any_of(names, VOCABULARIES):
            return "vocabulary"
        if self.processor and not any_of(names, PROCESSORS) and PROCESSORS[0] not in absent:
            return "image preprocessing"
        return ""

    def choose(self, names: Collection[str]) -> list[str]:
        """The files of a repository to fetch, the small ones first."""
        wanted = any_of(names, SMALL)
        return [*wanted, *(name for name in weight_files(names) if name not in wanted and self.weights)]


def weight_files(names: Collection[str]) -> list[str]:
    """The files that hold a model's weights: one, or an index and its shards; none where there are no weights."""
    first = next((name for name in WEIGHTS if name in names), None)
    if first is None:
        return []
    return [first, *any_of(names, (SHARDS[first],))] if first in SHARDS else [first]


def complete_weights(folder: Path) -> list[Path]:
    """The files in a folder that hold a model's weights, an index left out; none where one of them is missing."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            files = [folder / part for part in _shards(folder / name)] if name in SHARDS else [folder / name]
            return files if all(file.is_file() for file in files) else []
    return []


def any_of(names: Collection[str], patterns: Sequence[str]) -> list[str]:
    """The names that match a pattern, sorted; files in subfolders never do."""
    return sorted(
        name for name in names if "/" not in name and any(fnmatch.fnmatch(name, each) for each in patterns)
    )


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []


def _shards(index: Path) -> list[str]:
    try:
        found = set(read_json(index)["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        return ["an unreadable index"]
    return sorted(Path(str(name)).name for name in found)
