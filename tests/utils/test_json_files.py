from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distune.utils.files.json_files import DEEPEST, parse_json, read_json

SOUND: list[Any] = [
    None,
    {"a": {"b": [1, 2.5, "é", "😀"]}, "c": {"b": 1}},
    json.loads("[" * DEEPEST + "]" * DEEPEST),
    [json.loads("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)), [], {}],
    [{"brackets in a text": "[{" * 500}] * 3,
]
DAMAGED = {
    "nothing": b"",
    "cut": b'{"a": 1',
    "no UTF-8": b'"\xff"',
    "half a surrogate pair in bytes": b'"\xed\xa0\x80"',
    "half a surrogate pair": b'"\\ud800"',
    "the other half": b'{"a": ["\\uDC00"]}',
    "halves the wrong way round": b'"\\ude00\\ud83d"',
    "half a pair in a key": b'{"a": {"\\ud83d": 1}}',
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice, escaped once": b'{"a": 1, "\\u0061": 1}',
    "a key twice deep inside": b'[[{"b": {"a": 1, "a": 2}}]]',
    "a level too many": b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    "objects too deep": b'{"a":' * 500 + b"1" + b"}" * 500,
    "lists and objects in turn": b'[{"a":' * DEEPEST + b"1" + b"}]" * DEEPEST,
    "deeper than Python calls": b"[" * 100_000,
    "a number of thousands of digits": b"9" * 5000,
    "a number beyond all": b"[1, -1e400]",
}


@pytest.mark.parametrize("value", SOUND)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_what_json_writes_is_read(value: Any, is_ascii: bool) -> None:
    written = json.dumps(value, ensure_ascii=is_ascii)
    assert parse_json(written) == parse_json(written.encode()) == value


@pytest.mark.parametrize("case", DAMAGED)
def test_whatever_is_wrong_is_a_value_error(tmp_path: Path, case: str) -> None:
    (tmp_path / "file.json").write_bytes(DAMAGED[case])
    with pytest.raises(ValueError):
        read_json(tmp_path / "file.json")


def test_a_caller_can_name_the_place_of_odd_text_itself() -> None:
    assert parse_json('{"a": "\\ud800"}', any_text=True) == {"a": "\ud800"}
