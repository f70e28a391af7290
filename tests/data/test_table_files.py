"""Tables in every form that hospitals have them in, each written from bytes."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from distune.config import DataConfig
from distune.data import Table, read_table
from distune.data.readers.table_formats import DOUBT, TableError, decoded, open_table, row_fault
from distune.data.split import split_csv
from distune.errors import ConfigError, DataError
from distune.prediction.example_tables import read_examples
from distune.prediction.table_columns import Columns

from .conftest import write_png

HEADER = ["Bild", "Befund", "Größe", "Patient"]
ROWS = {
    "train": [[f"scan {n}.png", "groß, mit Ödem; links", "kg"[n % 2] * 2, f"P{n // 2}"] for n in range(8)],
    "dev": [[f"scan {n}.png", "klein", "kg"[n % 2] * 2, f"P{n // 2}"] for n in range(8, 12)],
}
CONFIG = {
    "reader": "csv", "image_column": "Bild", "text_column": "Befund", "label_columns": ["Größe"],
    "group_column": "Patient",
}  # fmt: skip


def quoted(rows: list[list[str]], separator: str) -> str:
    return "".join(separator.join(f'"{cell}"' for cell in row) + "\r\n" for row in rows)


FORMS: dict[str, tuple[str, Callable[[list[list[str]]], bytes]]] = {
    "comma": ("csv", lambda rows: quoted(rows, ",").encode()),
    "mark": ("csv", lambda rows: codecs.BOM_UTF8 + quoted(rows, ",").encode()),
    "semicolon": ("csv", lambda rows: quoted(rows, ";").encode()),
    "tab": ("tsv", lambda rows: quoted(rows, "\t").encode()),
    "bar": ("txt", lambda rows: quoted(rows, "|").encode()),
    "excel": ("csv", lambda rows: ("sep=;\r\n" + quoted(rows, ";")).encode("cp1252")),
    "latin": ("csv", lambda rows: quoted(rows, ";").encode("latin-1")),
    "utf-16": ("csv", lambda rows: quoted(rows, "\t").encode("utf-16")),
    "utf-16 big-endian": ("csv", lambda rows: codecs.BOM_UTF16_BE + quoted(rows, ";").encode("utf-16-be")),
    "utf-16 without a mark": ("csv", lambda rows: quoted(rows, ",").encode("utf-16-be")),
    "json lines": ("jsonl", lambda rows: "".join(
        json.dumps(dict(zip(rows[0], row, strict=True)), ensure_ascii=False) + "\n" for row in rows[1:]).encode()),
}  # fmt: skip
SAID = {
    "comma": (), "mark": (), "semicolon": ("semicolons",), "tab": ("tabs",), "bar": ("bars",),
    "excel": ("semicolons", "Windows-1252"), "latin": ("semicolons", "Windows-1252"), "utf-16": ("tabs", "UTF-16"),
    "utf-16 big-endian": ("semicolons", "UTF-16"), "utf-16 without a mark": ("UTF-16",), "json lines": ("JSON lines",),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(12):
        write_png(tmp_path / f"scan {number}.png", number)
    return tmp_path


def write(root: Path, form: str) -> None:
    suffix, encode = FORMS[form]
    for split, rows in ROWS.items():
        (root / f"metadata_{split}.{suffix}").write_bytes(encode([HEADER, *rows]))


def read(root: Path, **changes: Any) -> Table:
    return read_table(DataConfig.model_validate({**CONFIG, "root": root, **changes}))


def content(table: Table) -> tuple[object, ...]:
    return (
        table.ids,
        table.images,
        table.texts,
        table.labels.tolist(),
        table.groups,
        table.splits,
        table.tasks,
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_table_and_says_how_it_was_read(root: Path, form: str) -> None:
    write(root, form)
    table = read(root)
    assert table.texts[0] == "groß, mit Ödem; links"
    assert table.tasks[0].classes == ("gg", "kk")
    assert len(table) == 12
    assert len(table.notes) == (2 if SAID[form] else 0)
    assert all(word in note for note in table.notes for word in SAID[form])
    for path in root.glob("metadata_*"):
        path.unlink()
    write(root, "comma")
    assert content(read(root)) == content(table)


def test_parquet_gives_the_same_table(root: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write(root, "comma")
    expected = content(read(root))
    for split, rows in ROWS.items():
        (root / f"metadata_{split}.csv").unlink()
        columns = dict(zip(HEADER, zip(*rows, strict=True), strict=True))
        parquet.write_table(
            pyarrow.table({**columns, "n": range(len(rows))}), root / f"metadata_{split}.parquet"
        )
    assert content(read(root)) == expected
    (root / "metadata_dev.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"metadata_dev\.parquet: not readable"):
        read(root)


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_a_damaged_page_of_parquet_is_named(tmp_path: Path, compression: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a": [f"text {n}" for n in range(50)]}), file, compression=compression)
    whole = file.read_bytes()
    for place in range(4, 160, 12):
        file.write_bytes(whole[:place] + b"\xff" * 40 + whole[place + 40 :])
        with pytest.raises(TableError):
            list(open_table(file).rows)


def test_values_that_python_has_not_are_named_with_their_column(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for kind in (pyarrow.date32(), pyarrow.duration("s")):
        width = pyarrow.int32() if kind == pyarrow.date32() else pyarrow.int64()
        odd = pyarrow.array([2**31 - 2 if kind == pyarrow.date32() else 2**62], width).cast(kind)
        parquet.write_table(pyarrow.table({"a": ["x"], "taken": odd}), tmp_path / "t.parquet")
        with pytest.raises(TableError, match="'taken'"):
            list(open_table(tmp_path / "t.parquet").rows)


def test_bytes_are_text_and_no_nested_value_stops_a_table(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    picture = [{"bytes": b"\x89PNG", "taken": datetime(2026, 1, 2)}]
    parquet.write_table(pyarrow.table({"label": [b"CT"], "picture": picture}), tmp_path / "t.parquet")
    ((_, (label, shown)),) = open_table(tmp_path / "t.parquet").rows
    assert label == "CT" and "2026-01-02" in shown


def test_a_table_in_a_form_that_is_not_read_is_named(root: Path) -> None:
    write(root, "comma")
    (root / "metadata_dev.csv").rename(root / "metadata_dev.xlsx")
    with pytest.raises(DataError, match=r"metadata_dev\.xlsx: no table"):
        read(root)


def test_numbers_lists_and_nothing_in_json_lines(tmp_path: Path) -> None:
    lines = ['{"a": 1, "b": 2.0, "c": null}', "", '{"c": [1, "x"], "a": true, "d": "\\u00e9"}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    file = open_table(tmp_path / "t.jsonl")
    assert file.header == ["a", "b", "c", "d"]
    assert list(file.rows) == [(1, ["1", "2.0", "", ""]), (3, ["true", "", "1;x", "é"])]
    assert list(file.lists) == ["c"] and file.lost == [], "a cell can hold it"
    for held in ('["x;y", "z"]', "[]"):
        (tmp_path / "lost.jsonl").write_text(f'{{"c": {held}}}\n{{"c": ["x", "y"]}}')
        lost = open_table(tmp_path / "lost.jsonl")
        assert len(list(lost.rows)) == 2 and lost.lost == ["c"], "whatever comes after it"
    (tmp_path / "t.jsonl").rename(tmp_path / "t.NDJSON")
    assert open_table(tmp_path / "t.NDJSON").header == file.header


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("labels", "separator", "is_read"),
    [
        (["a", "b"], ";", True),
        (["a", "b"], "|", False),
        (["a", "b"], None, False),
        (["a", "b;c"], ";", False),
        ([], ";", False),
        (["a"], None, True),
    ],
)
def test_a_list_of_labels_is_read_as_these_or_refused(
    root: Path, form: str, labels: list[str], separator: str | None, is_read: bool
) -> None:
    for split, rows in ROWS.items():
        cells = [labels, ["z"]] * len(rows)
        records = [
            dict(zip(HEADER, [*row[:2], cell, row[3]], strict=True))
            for row, cell in zip(rows, cells, strict=False)
        ]
        file = root / f"metadata_{split}.{form}"
        if form == "jsonl":
            file.write_text("\n".join(map(json.dumps, records)))
        else:
            pyarrow = pytest.importorskip("pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(records), file)
    tasks = {} if separator is None else {"Größe": {"separator": separator}}
    if is_read:
        assert read(root, tasks=tasks).tasks[0].classes == (*labels, "z")
    else:
        with pytest.raises(DataError, match="lists"):
            read(root, tasks=tasks)
    if not labels:
        with pytest.raises(DataError, match="lists"):
            split_csv(root / f"metadata_train.{form}", root / "out", label_columns=["Größe"])


@pytest.mark.parametrize(
    ("name", "body", "reason", "row"),
    [
        ("t.jsonl", b'{"a": 1}\n[1]', "not list", 2),
        ("t.jsonl", b'{"a": 1}\n{', "not JSON", 2),
        ("t.jsonl", b"\n", "empty", 1),
        ("t.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}', "'a' stands twice", 2),
        ("t.jsonl", b'{"a": 1}\n{"a": {"b": 1, "b": 1}}', "'b' stands twice", 2),
        ("t.jsonl", b'{"a": 1}\n{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "deeper", 2),
        ("t.jsonl", b'{"a": 1}\n{"\\ud800": 1}', "Unicode", 1),
        ("t.csv", b"", "empty", 1),
        ("t.csv", b'a,b\n1,"open', "not readable as CSV", 2),
        ("t.csv", b"PK\x03\x04 and so on", "ZIP", None),
        ("t.csv", b"\xef\xbb\xbf\r\n<!doctype html><html>image,text", "web page", None),
        ("t.tsv", b"\x1f\x8b\x08", "gzip", None),
        ("t.csv", b"PAR1\x15\x04\x15", "parquet", None),
        ("t.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a text file", None),
    ],
)
def test_what_is_no_table_is_named_with_its_row(
    tmp_path: Path, name: str, body: bytes, reason: str, row: int | None
) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(TableError, match=reason) as caught:
        list(open_table(tmp_path / name).rows)
    assert caught.value.row == row


def split_problems(path: Path) -> list[str]:
    with pytest.raises(DataError) as refused:
        split_csv(path, path.parent / "out", label_columns=["kind"])
    return list(refused.value.problems)


def prediction_problems(path: Path) -> list[str]:
    examples = read_examples(path, path.parent, Columns(image=(), text=("t",)))
    return [f"{example.id}: {example.problem}" for example in examples if example.problem]


@pytest.mark.parametrize("problems", [split_problems, prediction_problems])
@pytest.mark.parametrize("column", ["kind", "t", "id"])
@pytest.mark.parametrize("value", ["a\ud83d", ["\udc00"], {"\ud800": 1}, "a\0"], ids=repr)
def test_a_row_of_odd_text_is_named_with_its_column(
    tmp_path: Path, problems: Callable[[Path], list[str]], column: str, value: object
) -> None:
    good = {"kind": "x", "t": "y", "id": "z"}
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, [good, {**good, column: value}])))
    (problem,) = problems(tmp_path / "t.jsonl")
    cause = "a null character" if value == "a\0" else "text that is not valid Unicode"
    assert f"2: {cause}" in problem and repr(column) in problem
    problem.encode()


@pytest.mark.parametrize(
    "encoding", ["utf-7", "unicode_escape", "raw_unicode_escape", "undefined", "idna", "\0"]
)
def test_no_encoding_breaks_a_reader(tmp_path: Path, encoding: str) -> None:
    odd = {"utf-7": b"+2AA-"}.get(encoding, b"\\ud800")
    (tmp_path / "t.csv").write_bytes(b"a,b\n1," + odd + b"\n")
    try:
        table = open_table(tmp_path / "t.csv", encoding=encoding)
        rows = list(table.rows)
    except TableError:
        return
    assert all(row_fault(table.header, cells) or "".join(cells).encode() for _, cells in rows)


def test_the_encoding_can_be_given(root: Path) -> None:
    for split, rows in ROWS.items():
        body = quoted([["Bild", "Befund", "Typ"], *([row[0], "Kość", row[2]] for row in rows)], ",")
        (root / f"metadata_{split}.csv").write_bytes(body.encode("cp1250"))
    columns = {"label_columns": ["Typ"], "group_column": None}
    assert read(root, encoding="cp1250", **columns).texts[0] == "Kość"
    assert read(root, **columns).texts[0] != "Kość"
    assert not any(DOUBT in note for note in read(root, encoding="cp1250", **columns).notes)
    (root / "t.csv").write_text("Kość", encoding="utf-8")
    assert open_table(root / "t.csv", encoding="cp1250").is_guess and not open_table(root / "t.csv").is_guess
    with pytest.raises(DataError, match="'utf-9'"):
        read(root, encoding="utf-9", **columns)
    (root / "t.jsonl").write_text("{}\n")
    with pytest.raises(TableError, match="encoding"):  # JSON is UTF-8: the option would do nothing
        open_table(root / "t.jsonl", encoding="cp1250")


@pytest.mark.parametrize(
    ("encoding", "content", "is_guess", "form"),
    [
        (None, "é,b\n".encode("cp1252"), True, "in Windows-1252"),
        (None, b"\x81,b\n", True, "in Latin-1"),
        ("cp1252", "é,b\n".encode("cp1252"), False, "in Windows-1252"),
        ("latin-1", b"\x81,b\n", False, "in Latin-1"),
        (None, "é,b\n".encode(), False, ""),
        (None, "é,b\n".encode("utf-16"), False, "in UTF-16"),
        ("utf-8", "é,b\n".encode(), False, ""),
        ("utf-8", "\ufeffé,b\n".encode(), False, ""),
        ("utf-8-sig", "\ufeffé,b\n".encode(), False, ""),
        ("cp1252", "é,b\n".encode(), True, "in Windows-1252"),
        ("cp1252", b"e,b\n", False, "in Windows-1252"),
        ("iso2022_jp", "名,b\n".encode("iso2022_jp"), False, "in iso2022_jp"),
    ],
)
def test_an_encoding_is_a_guess_where_others_would_fit(
    tmp_path: Path, encoding: str | None, content: bytes, is_guess: bool, form: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    table = open_table(tmp_path / "t.csv", encoding=encoding)
    assert (table.is_guess, table.form) == (is_guess, form)
    assert "\ufeff" not in table.header[0]
    said = table.said("mend it")
    assert said == (f"{form} (where letters look wrong, mend it)" if is_guess else form)


def test_empty_rows_of_a_spreadsheet_are_left_out(root: Path) -> None:
    write(root, "semicolon")
    with (root / "metadata_train.csv").open("ab") as file:
        file.write(b";;;\r\n\r\n;;;\r\n")
    assert len(read(root)) == 12


@pytest.mark.parametrize("form", ["comma", "json lines"])
@pytest.mark.parametrize("length", [131_072, 131_073, 1_000_000])
def test_a_longer_text_is_cut_and_not_refused(root: Path, form: str, length: int) -> None:
    write(root, form)
    (path,) = root.glob("metadata_train.*")
    path.write_text(path.read_text().replace("groß, mit Ödem; links", "x" * length, 1))
    table = read(root)
    assert table.texts[0] == "x" * 131_072
    assert any("131,072" in note for note in table.notes) == (length > 131_072)


def test_two_tables_of_one_split_are_refused(root: Path) -> None:
    write(root, "comma")
    write(root, "tab")
    with pytest.raises(DataError, match=r"metadata_train\.tsv: several"):
        read(root)


def test_tables_may_lie_elsewhere_and_the_home_folder_has_a_sign(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "comma")
    expected = content(read(root))
    elsewhere = tmp_path_factory.mktemp("tables")
    for path in root.glob("metadata_*"):
        path.rename(elsewhere / path.name)
    assert content(read(root, tables=elsewhere)) == expected
    monkeypatch.setenv("HOME", str(root.parent))
    at_home = elsewhere.rename(root.parent / f"{root.name} tables")
    assert content(read(Path("~") / root.name, tables=Path("~") / at_home.name)) == expected


def test_links_to_files_outside_of_the_root_are_followed_on_request(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(root, "comma")
    expected = content(read(root))
    outside = tmp_path_factory.mktemp("archive")
    for path in root.glob("*.png"):
        path.symlink_to(path.rename(outside / path.name))
    with pytest.raises(DataError, match=r"data\.follow_links: true"):
        read(root)
    assert content(read(root, follow_links=True)) == expected


def test_paths_that_windows_wrote_name_the_same_images(root: Path) -> None:
    write(root, "comma")
    expected = read(root)
    for split, rows in ROWS.items():
        body = [[row[0].replace("scan", ".\\SCAN").removesuffix(".png"), *row[1:]] for row in rows]
        (root / f"metadata_{split}.csv").write_text(quoted([HEADER, *body], ","))
    found = read(root)
    assert found.images == expected.images
    assert any(note.startswith("image: 12 paths with backslashes") for note in found.notes)
    (root / "scan 3.tif").write_bytes((root / "scan 3.png").read_bytes())
    with pytest.raises(DataError, match=r"scan 3\.png, scan 3\.tif"):
        read(root)


@pytest.mark.parametrize("name", ["what?", "a%2Fb", "a#frame=2", "naïve café", "[x]"])
def test_folders_may_have_any_name(root: Path, name: str) -> None:
    write(root, "comma")
    odd = root / name
    odd.mkdir()
    for path in [*root.glob("*.png"), *root.glob("*.csv")]:
        path.rename(odd / path.name)
    assert len(read(odd)) == 12
    for split, rows in ROWS.items():
        body = [[f"{name}/{row[0]}", *row[1:]] for row in rows]
        (root / f"metadata_{split}.csv").write_text(quoted([HEADER, *body], ","))
    assert len(read(root)) == 12


def test_columns_of_tables_belong_to_the_reader_of_tables() -> None:
    with pytest.raises((ConfigError, ValueError), match="tables, encoding"):
        DataConfig.model_validate({"reader": "medpix", "tables": "x", "encoding": "cp1252"})


@pytest.mark.parametrize(
    ("likely", "own", "word"),
    [
        ("utf-16", "ascii", "bone"), ("utf-32", "ascii", "bone"), ("cp037", "ascii", "bone"),
        ("no such one", "ascii", "bone"), ("utf-16", "utf-8", "日本"), ("cp1250", "utf-16", "kość"),
        ("cp1250", "utf-16-le", "bone"), ("iso2022_jp", "utf-16-be", "bone"), ("utf-16-be", "utf-16-be", "bone"),
        ("utf-32-le", "utf-32-le", "bone"), ("iso2022_jp", "iso2022_jp", "日本"), ("cp1250", "cp1250", "kość"),
        ("cp037", "cp037", "bone"),
    ],
)  # fmt: skip
def test_a_table_need_not_be_in_the_encoding_that_is_likely(likely: str, own: str, word: str) -> None:
    for end in ("\n", "\n\n"):  # an odd number of bytes is no UTF-16
        text = f"image,text\na.png,{word}{end}"
        assert decoded(text.encode(own), likely=likely)[0] == text


def test_a_letter_far_down_a_table_tells_its_encoding_too() -> None:
    text = "image,text\n" + "a.png,bone\n" * 9000 + "b.png,kość\n"
    assert decoded(text.encode(), likely="cp1250")[0] == text


@pytest.mark.parametrize("name", ["PAR1", "par1", "%PDF", "PK"])
def test_a_column_may_be_named_as_another_form_begins(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text(f"{name},b\n1,2\n")
    table = open_table(tmp_path / "t.csv")
    assert (table.header, [row for _, row in table.rows]) == ([name, "b"], [["1", "2"]])


def test_separators_are_told_by_the_wanted_columns(tmp_path: Path) -> None:
    # Each row has one comma and one semicolon: only the names of the columns tell which one parts the cells.
    (tmp_path / "t.csv").write_text("a,b;c\n1,5;2\n3,5;4\n")
    assert open_table(tmp_path / "t.csv", ["c"]).header == ["a,b", "c"]
    assert open_table(tmp_path / "t.csv", ["a"]).header == ["a", "b;c"]
    assert open_table(tmp_path / "t.csv").header == ["a", "b;c"]


def test_cells_with_many_commas_do_not_win_over_the_separator(tmp_path: Path) -> None:
    rows = [f"{n};{'long, ' * (n % 5)}text;label" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["id;note, free;grade", *rows]))
    assert open_table(tmp_path / "t.csv").header == ["id", "note, free", "grade"]
