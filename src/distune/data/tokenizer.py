"""Texts -> token ids: the published vocabularies, and one that needs no vocabulary."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

PADDING, START, FIRST_WORD = 0, 1, 2
_WORD = re.compile(r"\w+|[^\w\s]")


class Tokenizer(Protocol):
    """Turns texts into token ids."""

    @property
    def identity(self) -> str:
        """Name of everything the ids depend on, for the store."""

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text, special tokens included, at least one and at most `max_tokens` long."""


class HashTokenizer:
    """Words and signs, each numbered by a stable hash; rare collisions are the price of having no vocabulary.

    Used where weights are random, because then no published vocabulary means anything.

    Args:
        buckets: number of ids; 0 is padding, 1 starts every text, the words share the rest.
        maximum: the model's own limit in tokens.
    """

    def __init__(self, buckets: int, maximum: int):
        self.buckets = buckets
        self.maximum = maximum

    @property
    def identity(self) -> str:
        """Name of everything the ids depend on."""
        return f"hashed-words-1-{self.buckets}-{self.maximum}"

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text: the start token, then the words, cut to `max_tokens` and the model's limit."""
        limit = min(max_tokens, self.maximum)
        return [[START, *map(self._number, _WORD.findall(text.casefold()))][:limit] for text in texts]

    def _number(self, word: str) -> int:
        return FIRST_WORD + zlib.crc32(word.encode()) % (self.buckets - FIRST_WORD)


class SubwordTokenizer:
    """A published vocabulary through the `tokenizers` package.

    Args:
        tokenizer: a `tokenizers.Tokenizer`; its truncation and padding settings are dropped.
        maximum: the model's own limit in tokens.
    """

    def __init__(self, tokenizer: Any, maximum: int):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.maximum = maximum
        self._identity = hashlib.sha256(tokenizer.to_str().encode()).hexdigest()

    @property
    def identity(self) -> str:
        """Name of everything the ids depend on."""
        return f"{self._identity}-{self.maximum}"

    def as_json(self) -> str:
        """The vocabulary and its rules as the `tokenizers` package writes them."""
        self._tokenizer.no_truncation()
        return str(self._tokenizer.to_str())

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text with the model's start and end tokens, cut to `max_tokens` and the model's limit."""
        self._tokenizer.enable_truncation(max_length=min(max_tokens, self.maximum))
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
