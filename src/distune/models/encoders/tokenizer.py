"""The tokenizer of a model folder."""

from __future__ import annotations

from pathlib import Path

from distune.data.tokenizer import SubwordTokenizer


def read_tokenizer(folder: Path, maximum: int) -> SubwordTokenizer:
    """The tokenizer of a model folder.

    Args:
        folder: holds `tokenizer.json`, or an older vocabulary that transformers converts.
        maximum: the model's own limit in tokens.
    """
    if (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        return SubwordTokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")), maximum)
    from transformers import AutoTokenizer

    converted = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    return SubwordTokenizer(converted.backend_tokenizer, maximum)
