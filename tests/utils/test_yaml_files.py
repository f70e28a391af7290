"""YAML within limits: what is read, and what is refused in one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from distune.utils.files import yaml_files
from distune.utils.files.yaml_files import (
    DEEPEST,
    LARGEST,
    LONGEST_ECHO,
    LONGEST_NUMBER,
    YamlFileError,
    load_yaml,
    parse_yaml,
    yaml_text,
)


@pytest.mark.parametrize("special", [*map(chr, range(0xA1)), *"\xad\u2028\u2029\ufeff\ufffe\U000e0001😀"])
def test_what_is_written_is_read_as_the_same(special: str) -> None:
    texts = [special, f"a{special}b", f" {special}", f"{special} x", f"a {special} b", f"12{special}3"]
    assert parse_yaml(yaml_text({"b": texts, "a": None})) == {"b": texts, "a": None}


def test_keys_keep_their_order_and_a_width_its_lines() -> None:
    assert yaml_text({"b": ["é", 1, 0.5, True], "a": {}}) == "b:\n- é\n- 1\n- 0.5\n- true\na: {}\n"
    assert yaml_text({"a": "two words " * 20}).count("\n") > 2
    assert yaml_text({"a": "two words " * 20}, width=math.inf).count("\n") == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: [x, 2.5, true, null]", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("a: '010'\nb: 0\nc: 0.5\nd: '12:30'", {"a": "010", "b": 0, "c": 0.5, "d": "12:30"}),
        ("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}}),
        (
            "one: &b {x: 1}\nother: &c {y: 2}\nmore: {<<: *b, <<: *c}",
            {"one": {"x": 1}, "other": {"y": 2}, "more": {"x": 1, "y": 2}},
        ),
        ("1" * LONGEST_NUMBER, int("1" * LONGEST_NUMBER)),
        ("a: " + "x" * 500 + "\nb: '" + "1" * 500 + "'", {"a": "x" * 500, "b": "1" * 500}),
        ("a: '0x: 010'\nb: sha256:0", {"a": "0x: 010", "b": "sha256:0"}),
        ("[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1), "deep"),
    ],
)
def test_plain_values_are_read(text: str, value: Any) -> None:
    found = parse_yaml(text)
    assert isinstance(found, list) if value == "deep" else found == value


REFUSED = {
    "a: 1\nb: 2\na: 3": "line 3, column 1: the key 'a' stands twice",
    "x: {b: 1, b: 1}": "'b' stands twice",
    "a: 010": "another base",
    "a: 0_7": "another base",
    "a: 12:30": "another base",
    "a: 1:30.5": "another base",
    "1" * (LONGEST_NUMBER + 1): f"a number of {LONGEST_NUMBER + 1} characters",
    "a: 2026-13-45": "cannot be read as timestamp",
    'a: "\\ud800"': "Unicode",
    "a: !!python/object/apply:os.system [true]": "python/object",
    "a: !own 1": "!own",
    "? [a]\n: 1": "unhashable",
    "a: [": "line ",
    "a: 1\n--- \nb: 2": "",
    "[" * DEEPEST + "1" + "]" * DEEPEST: "deeper",
    "[" * 1_000: "deeper",
    "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]": "values",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_everything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(YamlFileError) as caught:
        parse_yaml(text)
    said = str(caught.value)
    assert REFUSED[text] in said and "\n" not in said and len(said) < LONGEST_ECHO + 200


def test_values_are_counted_keys_and_aliases_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_files, "MOST_VALUES", 9)
    for text in ("[1, 2, 3, 4, 5, 6, 7, 8]", "{a: 1, b: 2, c: 3, d: 4}", "[&a [1, 2], *a, 3, 4]"):
        assert parse_yaml(text)
    for text in ("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "{a: 1, b: 2, c: 3, d: 4, e: 5}", "[&a [1, 2], *a, 3, 4, 5]"):
        with pytest.raises(YamlFileError, match="values"):
            parse_yaml(text)


def test_a_file_is_there_regular_and_of_a_sensible_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST == 500_000
    monkeypatch.setattr(yaml_files, "LARGEST", 1_000)
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9")
    assert load_yaml(file) == {"a": "é"}
    file.write_bytes(b"#" * 1_000)
    assert load_yaml(file) is None
    for content, said in (
        (b"#" * 1_001, "larger than 1,000 bytes"),
        (b"a: \xff", "UTF-8"),
    ):
        file.write_bytes(content)
        with pytest.raises(YamlFileError, match=said):
            load_yaml(file)
    for path, said in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "no file"),
        (tmp_path / "a\0b", "no such file"),
    ):
        with pytest.raises(YamlFileError, match=said):
            load_yaml(path)


def test_a_message_is_cut_where_it_is_longer_than_a_line() -> None:
    longest = "x" * yaml_files.LONGEST_ECHO
    assert yaml_files._short(longest) == longest and yaml_files._short("a\n  b") == "a b"
    assert yaml_files._short(longest + "y") == f"{longest} ..."
