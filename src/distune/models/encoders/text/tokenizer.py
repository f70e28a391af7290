"""The tokenizer of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distune.data.tokenizer import SubwordTokenizer
from distune.errors import UserError, has_run_out
from distune.models.encoders.hub.files import VOCABULARIES, any_of
from distune.utils.files.json_files import read_json
from distune.utils.files.paths import read_file


def read_tokenizer(folder: Path, settings: Any, maximum: int, cased: bool | None = None) -> SubwordTokenizer:
    """The tokenizer of a model folder.

    Args:
        folder: holds `tokenizer.json`, or an older vocabulary that transformers converts.
        settings: transformers configuration of the model, which names the kind of tokenizer.
        maximum: the model's own limit in tokens.
        cased: whether capitals count, where the folder does not say it; None looks for capitals in the vocabulary.

    Raises:
        UserError: there is no vocabulary, with which every word would be unknown, or it cannot be read.
    """
    if not any_of([file.name for file in folder.iterdir()], VOCABULARIES):
        raise UserError(
            f"{folder}: there are weights, but no vocabulary (none of {', '.join(VOCABULARIES)}), so every word would "
            "be unknown; copy the tokenizer's files into the folder, or set pretrained: false"
        )
    try:
        tokenizer = _read(folder, settings, cased)
    except Exception as error:  # a package that it needs, a broken file, a kind that is not known
        if has_run_out(error):
            raise
        said = " ".join(str(error).split())[:300]
        raise UserError(
            f"{folder}: the tokenizer cannot be read ({said}); install what it names, or take another text encoder"
        ) from error
    words = tokenizer.get_vocab_size(with_added_tokens=True)
    if words <= len(tokenizer.get_added_tokens_decoder()):
        raise UserError(f"{folder}: the vocabulary is empty, so every word would be unknown; fetch it again")
    if words > settings.vocab_size:
        raise UserError(
            f"{folder}: the vocabulary has {words} entries, the weights only {settings.vocab_size}; the two do not "
            "belong together"
        )
    return SubwordTokenizer(tokenizer, maximum)


def is_cased(folder: Path, known: bool | None) -> bool | None:
    """Whether capitals count in a vocabulary that nothing in its folder says it of.

    Args:
        folder: of the model.
        known: what the catalogue says; None looks for capitals in `vocab.txt`.

    Returns:
        None where the folder says it, or has another kind of vocabulary.
    """
    vocabulary = folder / "vocab.txt"
    if (folder / "tokenizer.json").is_file() or not vocabulary.is_file():
        return None
    try:
        said = read_json(folder / "tokenizer_config.json")
    except (FileNotFoundError, ValueError):
        said = {}
    if "do_lower_case" in said:
        return None
    if known is not None:
        return known
    words = read_file(vocabulary).decode("utf-8").splitlines()
    return any(word != word.lower() for word in words if not (word.startswith("[") and word.endswith("]")))


def _read(folder: Path, settings: Any, cased: bool | None) -> Any:
    if (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    from transformers import AutoTokenizer

    counts = is_cased(folder, cased)
    options = {} if counts is None else {"do_lower_case": not counts}
    converted = AutoTokenizer.from_pretrained(
        str(folder), config=settings, local_files_only=True, trust_remote_code=False, **options
    )
    return converted.backend_tokenizer
