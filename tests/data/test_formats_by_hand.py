"""Bytes that are decoded, and separators that are told apart, one rule at a time."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest

from distune.data.readers.table_formats import TableError, _cell, _fit, decoded, open_table, row_fault

TEXT = "a,b\nÄrger,€\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8-sig"),
        (codecs.BOM_UTF8 * 2 + TEXT.encode(), "utf-8-sig"),
        (TEXT.encode("cp1252"), "cp1252"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "utf-32"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), "utf-32"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_the_encoding_is_found_out(content: bytes, name: str) -> None:
    assert decoded(content) == (TEXT, name)


def test_rows_of_json_lines_end_at_a_line_feed_alone_and_are_counted_from_one(tmp_path: Path) -> None:
    lines = '{"a": "x\u2028y\x85z"}\n\n{"a": "b"}\r\n'
    (tmp_path / "t.jsonl").write_text(lines, encoding="utf-8", newline="")
    assert list(open_table(tmp_path / "t.jsonl").rows) == [(1, ["x\u2028y\x85z"]), (3, ["b"])]
    for header in ('{"\\ud800": 1}', '{"a": 1, "\\ud800": 1}'):
        (tmp_path / "t.jsonl").write_text(header)
        with pytest.raises(TableError, match="Unicode") as refused:
            open_table(tmp_path / "t.jsonl")
        assert refused.value.row == 1


def test_rows_of_parquet_are_counted_below_their_header(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(
        pyarrow.table({"a": ["x", None], "n": [1, 2]}), tmp_path / "t.parquet", row_group_size=1
    )
    table = open_table(tmp_path / "t.parquet")
    assert (table.header, list(table.rows), table.form) == (
        ["a", "n"],
        [(2, ["x", "1"]), (3, ["", "2"])],
        "as parquet",
    )


def test_bytes_that_no_windows_letter_has_are_latin_1() -> None:
    assert decoded(b"a\x81b") == ("a\x81b", "latin-1")
    assert decoded("ł".encode("cp1250"), "cp1250") == ("ł", "cp1250")
    for content, encoding in ((b"\xff", "utf-8"), (b"a", "utf-9")):
        with pytest.raises(TableError, match=r"data\.encoding"):
            decoded(content, encoding)
    for content in (b"abcd\0", b"\x00\x01\x02\x03" * 9):
        with pytest.raises(TableError, match="not a text file"):
            decoded(content)


@pytest.mark.parametrize(
    ("text", "wanted", "header", "form"),
    [
        ("a;b\n1;2\n", (), ["a", "b"], "separated by semicolons"),
        ("a|b\n1|2\n", (), ["a", "b"], "separated by vertical bars"),
        ("a\tb\n1\t2\n", (), ["a", "b"], "separated by tabs"),
        ("a,b\n1,2\n", (), ["a", "b"], ""),
        ("a\nx,y\nz\n", (), ["a"], ""),
        ("a;b,c\n1;2\n3;4\n", (), ["a", "b,c"], "separated by semicolons"),  # rows are as wide as the header
        ("a;b,c\n1;2\n3;4\n", ("c",), ["a;b", "c"], ""),
        ("sep=|\na|b\n", (), ["a", "b"], "separated by vertical bars"),
        ('"SEP=;"\na;b\n', (), ["a", "b"], "separated by semicolons"),
        ("sep=x\na,b\n", (), ["sep=x"], ""),
        ("\n\na,b\n1,2\n", (), ["a", "b"], ""),
    ],
)
def test_the_separator_is_found_out(
    tmp_path: Path, text: str, wanted: Any, header: list[str], form: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    found = open_table(tmp_path / "t.csv", wanted)
    assert (found.header, found.form) == (header, form)


def test_how_well_a_separator_fits() -> None:
    assert _fit("a,b\n1,2\n3,4\nx", ",", ("b", "c")) == (1, 1.0, 2)  # the last row may be cut
    assert _fit("a,b\n1,2\n3\n4,5\n", ",", ()) == (0, 0.5, 2)
    assert _fit("a,b\n1\n", ",", ()) == (0, 0.0, 2) and _fit("a,b\n", ",", ()) == (0, 0.0, 2)
    assert _fit("a\nb\n", ",", ("a",)) == (1, 0.0, 1) and _fit("", ",", ()) == (0, 0.0, 0)


def test_rows_have_the_numbers_of_their_lines_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('sep=,\na,b\n\n1,"x\ny"\n,\n2\n')
    found = list(open_table(tmp_path / "t.csv").rows)
    assert found == [(4, ["1", "x\ny"]), (6, ["2"])]
    (tmp_path / "t.csv").write_bytes(b'a,b\r1,"x\r\ny"\r2,\r')
    old_mac = open_table(tmp_path / "t.csv")
    assert old_mac.header == ["a", "b"] and list(old_mac.rows) == [(2, ["1", "x\r\ny"]), (3, ["2", ""])]
    (tmp_path / "u.csv").write_text('a,b\n1,2\n"x"y,3\n')
    with pytest.raises(TableError) as caught:
        list(open_table(tmp_path / "u.csv").rows)
    assert caught.value.row == 3
    (tmp_path / "t.jsonl").write_text('{"a": "x\u2028y"}\n\n{"b": 1}\n')
    lines = open_table(tmp_path / "t.jsonl")
    assert lines.header == ["a", "b"] and list(lines.rows) == [(1, ["x\u2028y", ""]), (3, ["", "1"])]
    assert lines.form == "as JSON lines"


def test_parquet_rows_count_from_below_the_header(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"a": ["x", None], "b": [True, False], "c": [[1, 2], []]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    found = open_table(tmp_path / "t.parquet")
    assert found.header == ["a", "b", "c"] and found.form == "as parquet"
    assert list(found.rows) == [(2, ["x", "true", "1;2"]), (3, ["", "false", ""])]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("x", "x"), (None, ""), (True, "true"), (False, "false"), (1, "1"), (1.0, "1.0"), ([1, None, "x"], "1;;x"),
        ((True,), "true"), ({"é": [1]}, '{"é": [1]}'), (b"\xffa", "\\xffa"),
    ],
)  # fmt: skip
def test_a_value_as_a_cell(value: object, cell: str) -> None:
    assert _cell(value) == cell


@pytest.mark.parametrize(
    ("cells", "cause"),
    [
        (["1", "2"], None),
        (["1"], "too many or too few"),
        (["1", "2", "3"], "too many or too few"),
        (["1", "x\0"], "a null character"),
        (["\ud800", "2"], "Unicode"),
    ],
)
def test_what_is_wrong_with_a_row(cells: list[str], cause: str | None) -> None:
    found = row_fault(["a", "b"], cells)
    assert (found is None) == (cause is None) and (cause or "") in str(found)
    if found is not None and len(cells) == 2:
        assert found.detail == f"column {'b' if cells[0] == '1' else 'a'!r}"


def test_no_column_has_a_name_that_no_file_holds(tmp_path: Path) -> None:
    for place in (0, 1):
        names = ["a", "b"]
        names[place] = "\\ud800"
        (tmp_path / "t.jsonl").write_text(f'{{"{names[0]}": 1, "{names[1]}": 2}}\n')
        with pytest.raises(TableError, match="Unicode") as caught:
            open_table(tmp_path / "t.jsonl")
        assert caught.value.row == 1
