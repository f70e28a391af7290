"""Whatever a config file holds, a message comes back: in time, short, with the place where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distune.config import load_config
from distune.errors import ConfigError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(8)
)
HOSTILE = {
    "alias bomb": (BOMB, "values"),
    "alias of itself": ("a: &a [*a]\n", "levels"),
    "deep flow": ("a: " + "[" * 600 + "]" * 600, "levels"),
    "deep block": ("\n".join(" " * i + "a:" for i in range(60)), "levels"),
    "long integer": ("seed: " + "9" * 5000, "number"),
    "long hexadecimal": ("seed: 0x" + "f" * 5000, "number"),
    "twice": ("seed: 1\nseed: 2\n", "line 2, column 1"),
    "twice in a section": ("student:\n  lr: 1\n  lr: 2\n", "line 3, column 3"),
    "bad date": ("seed: 2001-99-99\n", "line 1, column 7"),
    "no date": ("seed: !!timestamp x\n", "timestamp"),
    "no number": ("seed: !!int ''\n", "line 1, column 7"),
    "no decimal": ("seed: !!float ''\n", "float"),
    "no flag": ("seed: 1\nx: !!bool maybe\n", "line 2, column 4"),
    "unknown tag": ("seed: !!python/object/apply:os.system [id]\n", "line 1"),
    "sexagesimal": ("seed: 190:20:30:99999999999999999999\n", "seed"),
    "octal": ("seed: 010\n", "line 1, column 7"),
    "octal as a key": ("data: {label_map: {grade: {007: a}}}\n", "line 1, column 28"),
    "base 60": ("student: {epochs: 12:30}\n", "line 1, column 19"),
    "unclosed": ("seed: [1, 2\n", "line"),
    "tab": ("student:\n\tlr: 1\n", "line 2"),
    "nan": ("student: {lr: .nan}\n", "student.lr"),
    "infinite": ("student: {lr: .inf}\n", "student.lr"),
    "list as key": ("? [a, b]\n: 1\n", "line 1"),
    "null byte": ("seed: \0\n", "YAML"),
    "half a surrogate pair": ('name: "\\ud800"\n', "line 1, column 7"),
    "a surrogate pair in two escapes": ('name: "\\ud83d\\ude00"\n', "line 1"),
    "half a surrogate pair in a key": ('data: {tasks: {"\\udc00": {}}}\n', "line 1"),
    "nothing": ("", "mapping"),
    "unknown key with a dash": ("x-common: {lr: 1}\n", "x-common: unknown key"),
    "dash for underscore": (
        "data: {max-tokens: 3}\n",
        "data.max-tokens: unknown key (did you mean max_tokens?)",
    ),
    "dash in a name of the data": ("data: {label_map: {T1-w: {a: yes}}}\n", "data.label_map.T1-w.a: text"),
    "no-break space": ("seed: 1\nname:\u00a0x\ndata: {}\n", "line 2 holds U+00A0"),
    "quotes of a word processor": ("student: {lr: \u201c1e-3\u201d}\n", "U+201C"),
    "wide digits": ("student: {epochs: \uff11\uff10}\n", "U+FF11"),
    "minus sign": ("student: {lr: 1e\u22123}\n", "U+2212"),
    "word for a flag": ("name: no\n", "quotes"),
    "text for a list": ("data: {label_columns: kind}\n", "a list"),
    "empty section": ("student:\n", "leave it out"),
    "long text": ("student: {lr: " + "x" * 100_000 + "}\n", "student.lr"),
}


@pytest.mark.timeout(60)  # a bomb would take for ever
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_message(name: str, tmp_path: Path) -> None:
    content, token = HOSTILE[name]
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    message = str(raised.value)
    assert token in message
    assert len(message) < 3000


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch])
def test_what_is_no_file_with_a_config_is_refused_at_once(make: object, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError):
        load_config(path)


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(ConfigError, match="larger"):
        load_config(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: 7\n", encoding="utf-8-sig")
    assert load_config(path).seed == 7
