"""What the JSON files of a bundle say, checked field by field; no package is needed that a small machine lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.errors import UserError
from distune.utils.numbers import is_number, is_whole
from distune.utils.text import first_of, one_line

LARGEST_IMAGE = 4096
"""Side of a square in pixels; more than any encoder reads, and little enough to be held in memory."""
LONGEST_TEXT = 1_000_000
SHOWN = 5
"""Problems of a file that an error names."""
HASHED_WORDS, SUBWORDS = "hashed_words", "tokenizers"


@dataclass(frozen=True)
class Rule:
    """What a field may hold.

    Attributes:
        what: in words.
        holds: whether a value is such.
        needed: False for a field that older formats lack.
    """

    what: str
    holds: Callable[[Any], bool]
    needed: bool = True


def _whole(low: int, high: int) -> Rule:
    return Rule(
        f"a whole number from {low} to {high}", lambda value: is_whole(value) and low <= value <= high
    )


def _is_positive(value: Any) -> bool:
    return is_number(value) and value > 0


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_names(value: Any) -> bool:
    return _are_texts(value) and 0 < len(set(value)) == len(value)


def _is_encoding(value: Any) -> bool:
    try:
        return value is None or "a".encode(value).decode(value) == "a"
    except (TypeError, ValueError, LookupError):
        return False


def _one_of(*names: str, needed: bool = True) -> Rule:
    return Rule(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names, needed)


_POSITIVE = Rule("a number above 0", _is_positive)
FORMAT: Mapping[str, Rule] = {
    "format": Rule("a whole number from 1", lambda value: is_whole(value) and value > 0)
}
PREPROCESS: Mapping[str, Rule] = {
    "modalities": Rule(
        "image, text or both", lambda value: _are_names(value) and set(value) <= {"image", "text"}
    ),
    "image_size": _whole(0, LARGEST_IMAGE),
    "window": Rule(
        "null, or centre and width", lambda value: value is None or (_are_numbers(value) and value[1] > 0)
    ),
    "percentiles": Rule(
        "two numbers from 0 to 100, the lower one first",
        lambda value: _are_numbers(value) and 0 <= value[0] < value[1] <= 100,
    ),
    "max_image_megapixels": Rule("a number above 0", _is_positive, needed=False),
    "max_tokens": _whole(1, LONGEST_TEXT),
    "tokenizer": Rule("null, or an object", lambda value: value is None or isinstance(value, dict)),
    "columns": Rule(
        "lists of names", lambda value: isinstance(value, dict) and all(map(_are_texts, value.values()))
    ),
    "encoding": Rule("null, or the name of an encoding", _is_encoding, needed=False),
    "reading": Rule(
        "an object of tasks and label_map",
        lambda value: isinstance(value, dict) and set(value) <= {"tasks", "label_map"},
        needed=False,
    ),
}
TOKENIZERS: Mapping[str, Mapping[str, Rule]] = {
    HASHED_WORDS: {"maximum": _whole(1, 2**63), "buckets": _whole(3, 2**31)},
    SUBWORDS: {"maximum": _whole(1, 2**63)},
}
LABELS: Mapping[str, Rule] = {
    "tasks": Rule("a list of tasks", lambda value: isinstance(value, list) and value != [])
}
TASK: Mapping[str, Rule] = {
    "name": Rule("a text", lambda value: isinstance(value, str) and value != ""),
    "classes": Rule("a list of different texts", _are_names),
    "temperature": Rule("a number from 0.01 to 100", lambda value: is_number(value) and 0.01 <= value <= 100),
    "kind": _one_of("single_label", "ordinal", "multi_label", needed=False),
    "score": _one_of(
        "macro_f1", "balanced_accuracy", "auroc", "average_precision", "quadratic_kappa", needed=False
    ),
    "weight": Rule("a number from 0", lambda value: is_number(value) and value >= 0, needed=False),
}


def check_preprocess(file: Path, about: Mapping[str, Any]) -> None:
    """Checks what `preprocess.json` holds.

    Raises:
        UserError: fields are missing or hold something else; each is named.
    """
    _refuse(file, _problems(about, PREPROCESS))
    tokenizer = about["tokenizer"]
    if tokenizer is not None:
        kind = _one_of(*TOKENIZERS)
        _refuse(file, _problems(tokenizer, {"kind": kind}, "tokenizer."))
        _refuse(file, _problems(tokenizer, TOKENIZERS[tokenizer["kind"]], "tokenizer."))
    reads = {"image": about["image_size"] > 0, "text": tokenizer is not None}
    if {name for name, is_read in reads.items() if is_read} != set(about["modalities"]):
        _refuse(file, ["modalities: are others than image_size and tokenizer are for"])


def check_labels(file: Path, about: Mapping[str, Any]) -> None:
    """Checks what `labels.json` holds.

    Raises:
        UserError: fields are missing or hold something else; each is named.
    """
    _refuse(file, _problems(about, LABELS))
    tasks = about["tasks"]
    _refuse(
        file, [line for place, task in enumerate(tasks) for line in _problems(task, TASK, f"tasks.{place}.")]
    )
    if len({task["name"] for task in tasks}) < len(tasks):
        _refuse(file, ["tasks: two have one name"])


def check_format(file: Path, about: Mapping[str, Any]) -> None:
    """Checks that a format is named.

    Raises:
        UserError: it is not.
    """
    _refuse(file, _problems(about, FORMAT))


def _problems(about: Any, rules: Mapping[str, Rule], where: str = "") -> Iterator[str]:
    if not isinstance(about, dict):
        yield f"{where.rstrip('.')}: must be an object, not {one_line(about, 60)}"
        return
    for name, rule in rules.items():
        if name not in about:
            if rule.needed:
                yield f"{where}{name}: is missing; it is {rule.what}"
        elif not rule.holds(about[name]):
            yield f"{where}{name}: must be {rule.what}, not {one_line(repr(about[name]), 60)}"


def _refuse(file: Path, problems: Iterator[str] | list[str]) -> None:
    found = list(problems)
    if found:
        raise UserError(f"{file}: {first_of(found, SHOWN, '; ')}; export again")
