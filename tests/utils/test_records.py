"""Records that vouch for themselves, lines that are appended, and forms of what is read."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from distune.utils.files.json_files import DEEPEST, as_json, parse_json
from distune.utils.files.jsonl import append_line, read_lines
from distune.utils.files.paths import check_appendable
from distune.utils.files.sealed_files import missing_beside, read_sealed, was_changed, write_sealed
from distune.utils.forms import Form, fault


def test_a_record_is_read_as_it_was_written_and_never_when_it_was_changed(tmp_path: Path) -> None:
    record, page = tmp_path / "record.json", tmp_path / "page.csv"
    page.write_bytes(b"x" * (2**20 + 1))
    write_sealed(record, {"score": 0.5, "name": "é"}, [page])
    held = json.loads(record.read_text())
    assert list(held) == ["score", "name", "files", "checksum"] and list(held["files"]) == ["page.csv"]
    assert read_sealed(record) == {"score": 0.5, "name": "é"}
    assert was_changed(page, record) is False
    other = tmp_path / "other.csv"
    other.write_text("other")
    write_sealed(record, {}, [page, other])
    other.write_bytes(page.read_bytes())
    assert was_changed(other, record) is True, "the two were exchanged"
    write_sealed(record, {"score": 0.5, "name": "é"}, [page])
    for place in (0, 2**19, 2**20):
        page.write_bytes(b"x" * place + b"y" + b"x" * (2**20 - place))
        assert was_changed(page, record) is True
    assert was_changed(record, record) is None and was_changed(page, tmp_path / "none") is None
    for changes in ({"score": 0.6}, {"more": 1}, {"files": {}}, {"checksum": "00000000"}):
        for indent in (None, 2):  # and as it is written
            record.write_text(json.dumps({**held, **changes}, indent=indent) + "\n")
            with pytest.raises(ValueError, match="changed"):
                read_sealed(record)
            assert was_changed(page, record) is None
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):  # it may never end
        write_sealed(record, {}, [tmp_path / "pipe"])
    record.write_text(json.dumps({name: held[name] for name in ("score", "name", "files")}))
    with pytest.raises(ValueError, match="changed"):  # its checksum was taken away
        read_sealed(record)
    for earlier in ({"score": 0.5}, {}):
        record.write_text(json.dumps(earlier))
        assert read_sealed(record) == earlier and was_changed(page, record) is None
    record.write_text("[1]")
    with pytest.raises(ValueError, match="no JSON object"):
        read_sealed(record)


def test_the_checksum_of_a_record_is_the_one_that_it_always_had(tmp_path: Path) -> None:
    record, page = tmp_path / "record.json", tmp_path / "page.csv"
    page.write_bytes(b"page")
    write_sealed(record, {"score": 0.5, "a": [1]}, [page])
    held = json.loads(record.read_text())
    assert (held["files"], held["checksum"]) == ({"page.csv": f"{zlib.crc32(b'page'):08x}"}, "54524a09")


def test_what_a_record_names_and_is_gone_is_told_of_a_sound_record_alone(tmp_path: Path) -> None:
    record, page = tmp_path / "record.json", tmp_path / "page.csv"
    page.touch()
    write_sealed(record, {"a": 1}, [page])
    assert missing_beside(record) == []
    page.unlink()
    assert missing_beside(record) == [page]
    for damaged in (record.read_text()[:-9], record.read_text().replace("1", "2"), "[1]"):
        record.write_text(damaged)
        assert missing_beside(record) == []
    assert missing_beside(tmp_path / "none.json") == []


def test_a_record_of_no_files_names_none(tmp_path: Path) -> None:
    write_sealed(tmp_path / "record.json", {"a": 1})
    assert list(json.loads((tmp_path / "record.json").read_text())) == ["a", "checksum"]


def test_a_line_is_on_the_disk_when_it_was_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda number: synced.append(len((tmp_path / "log.jsonl").read_bytes())))
    append_line(tmp_path / "log.jsonl", {"a": 1})
    assert synced == [len(b'{"a": 1}\n')]


def test_lines_are_appended_whole_and_a_cut_one_is_ended_first(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    append_line(file, {"a": 1})
    append_line(file, {"b": "\u2028\r"})
    assert file.read_bytes().count(b"\n") == 2
    with file.open("ab") as handle:
        handle.write(b'{"cut": ')
    append_line(file, {"c": 3})
    with file.open("ab") as handle:
        handle.write(b'\n \n[1]\n{"d":\r"\xe2\x80\xa8"}')
    assert read_lines(file) == [{"a": 1}, {"b": "\u2028\r"}, None, {"c": 3}, None, {"d": "\u2028"}]
    assert read_lines(tmp_path / "none.jsonl") == []


def test_nothing_is_appended_to_what_is_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "real.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    (tmp_path / "dangling.jsonl").symlink_to(tmp_path / "none.jsonl")
    for name in ("link.jsonl", "dangling.jsonl", "", "none/log.jsonl"):
        with pytest.raises(OSError):
            check_appendable(tmp_path / name)
        with pytest.raises(OSError):
            append_line(tmp_path / name, {"a": 1})
    check_appendable(tmp_path / "new.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling.jsonl", "link.jsonl", "real.jsonl"]
    assert (tmp_path / "real.jsonl").read_bytes() == b""


class Inner(Form):
    size: int


class Outer(Form):
    name: str
    score: float | None
    parts: dict[str, Inner] | None = None


@pytest.mark.parametrize(
    ("held", "where"),
    [
        ({"name": "x", "score": None}, None),
        ({"name": "x", "score": 1, "more": 2, "parts": {"a": {"size": 1}}}, None),
        ({"name": "x"}, "score"),
        ({"name": 1, "score": 0.5}, "name"),
        ({"name": "x", "score": "0.5"}, "score"),
        ({"name": "x", "score": float("nan")}, "score"),
        ({"name": "x", "score": 1.0, "parts": {"a": {"size": True}}}, "parts.a.size"),
        ({"name": "x", "score": 1.0, "parts": {"a": {"size": 1.0}}}, "parts.a.size"),
    ],
)
def test_the_first_fault_of_a_record_is_named_by_its_place(held: dict[str, Any], where: str | None) -> None:
    whole = fault([1], Outer)  # type: ignore[arg-type]
    assert whole is not None and whole[0].isalpha()
    found = fault(held, Outer)
    assert found is None if where is None else found is not None and found.startswith(f"{where}: ")


def test_json_is_nested_as_deep_as_its_limit_and_no_deeper() -> None:
    for open_, close in (("[", "]"), ('{"a":', "}")):
        inner = "1" if close == "}" else ""
        parse_json(open_ * DEEPEST + inner + close * DEEPEST)
        with pytest.raises(ValueError, match="deeper"):
            parse_json(open_ * (DEEPEST + 1) + inner + close * (DEEPEST + 1))
    for number in ("NaN", "-Infinity", "[Infinity]"):
        with pytest.raises(ValueError, match="no number"):
            parse_json(number)
    with pytest.raises(ValueError):
        as_json({"a": float("nan")})
    assert as_json({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}\n'
