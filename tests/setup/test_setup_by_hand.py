"""What a first config is made from, one decision at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from distune.config import Config, EncoderConfig, load_config
from distune.data import Table, read_table
from distune.data.audit.audit import audit
from distune.data.readers.image_files import ImageFiles
from distune.errors import DataError, UserError
from distune.setup import check as check_module
from distune.setup import encoders, init
from distune.setup.cells import Cells, cells_of, is_named
from distune.setup.columns import (
    Layout,
    Wishes,
    _check_names,
    _left_alone,
    _shown,
    _split_reason,
    looked_at,
    split_of,
)
from distune.setup.config_text import _yaml
from distune.setup.data_section import data_section, mapped
from distune.setup.encoders import Encoders, _large, _tiny, fitting
from distune.setup.estimate import _activation_mb, _size, _time
from distune.setup.image_column import (
    _may_be_image,
    _may_be_path,
    _names_others,
    _of_folders,
    _roots,
    images_of,
)
from distune.setup.image_links import _remove, bring_images, split_whole
from distune.setup.init import _at_origin, _counted, _name, _relative, _rows, _write_tables, prepare
from distune.setup.source_table import SourceTable
from distune.setup.splits import _strata, splits_of
from distune.tuning.study_dataset import leaks
from tests.stand_ins import refusing_as


def cells(*values: str) -> Cells:
    return Cells(list(values), lambda cell: not cell.strip())


def pictures(folder: Path, count: int = 60) -> list[str]:
    for number in range(count):
        (folder / f"p/{number}.png").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"p/{number}.png").write_bytes(bytes([number]))
    return [f"p/{number}.png" for number in range(count)]


def look(folder: Path, columns: dict[str, list[str]], **wishes: Any) -> Layout:
    rows = [list(line) for line in zip(*columns.values(), strict=True)]
    return looked_at(folder, list(columns), rows, Wishes(**wishes), lambda cell: not cell.strip())


@pytest.mark.parametrize(
    ("role", "name", "is_one"),
    [
        ("label", "Diagnosis", True), ("label", "tumourGrade", True), ("label", "upgrade", False),
        ("label", "type_2", True),
        ("group", "PatientID", True), ("group", "patient_no", True), ("group", "impatient", False),
        ("group", "u_id", True),
        ("text", "Report", True), ("text", "reported", False), ("unused", "Sex", True), ("unused", "page", False),
        ("frame", "Frame Number", True), ("frame", "frames", False), ("unused", "scan_date", True),
    ],
)  # fmt: skip
def test_what_a_name_says(role: str, name: str, is_one: bool) -> None:
    assert is_named(role, name) is is_one


def test_cells_of_a_column() -> None:
    found = cells("1", " 1.0", "", "x y", "2026-01-02")
    assert (found.missing, found.times, found.words) == (1, {"1": 2, "x y": 1, "2026-01-02": 1}, 5 / 4)
    assert found.share(re.compile(r"\d")) == 0.25 and cells("", " ").share(re.compile("x")) == 0.0
    many = cells(*map(str, range(999)))
    assert len(set(many.sample())) == 40 and many.sample() == sorted(many.sample(), key=int)
    assert 10 < cells(*"ab" * 60).sample().count("a") < 30 and cells(*"ab" * 20).sample() == list("ab" * 20)


@pytest.mark.parametrize(
    ("values", "separator"),
    [
        (["a;b", "b;c", "a", "c", "b"] * 5, ";"),
        (["['a', 'b']", "['a']", "['b']"] * 9, None),  # lists of Python
        (["a|b", "b|c", "a", "c", "b"] * 5, "|"),
        (["a, b", "b, c", "a", "c", "b"] * 5, ","),
        (["a;b", *["a", "b"] * 10], None),  # one cell alone
        (["a;b"] * 2 + ["a", "b"] * 100, None),  # two of 202: fewer than a fiftieth
        (["a;b"] * 2 + ["a", "b"] * 10, ";"),
        (["a;b"] * 4 + ["a", "b"] * 98, ";"),
        (["one two three four five; b", "b"] * 9, None),  # sentences
        (["one two three four; b", "b"] * 9, ";"),
        (["a;b", "a", "b", "c"], None),  # too few of each
        ([f"{n};{n + 1}" for n in range(21)] * 9, None),  # too many different ones
        (["a;", ";a"] * 9, None),  # one part alone
    ],
)
def test_what_stands_between_several_labels(values: list[str], separator: str | None) -> None:
    assert cells(*values).separator() == separator


def test_the_names_of_splits() -> None:
    names = {
        "train": ("train", "training"), "dev": ("dev", "val", "valid", "validation", "development"),
        "test": ("test", "testing", "holdout"),
    }  # fmt: skip
    assert {
        split: tuple(name for name in held if split_of(name) == split) for split, held in names.items()
    } == names


def test_columns_that_split_and_frames_that_count(tmp_path: Path) -> None:
    assert [split_of(cell) for cell in (" Train", "VAL", "holdout", "other")] == [
        "train",
        "dev",
        "test",
        None,
    ]
    assert _split_reason("x", cells("train", "val", "train")) == "its values: train 2, val 1"
    assert _split_reason("x", cells("train", "test")) == "its values: train 1, test 1"
    for values in (("train", "train"), ("train", "val", "x"), ("val", "test"), ()):
        assert _split_reason("x", cells(*values)) is None
    files = pictures(tmp_path)
    columns = {"file": files, "kind": list("ab" * 30), "frame": [str(n) for n in range(60)]}
    assert look(tmp_path, columns).frame == "frame"
    assert look(tmp_path, {**columns, "frame": ["x", "y", "z"] * 20}).frame is None
    two = look(tmp_path, {**columns, "part": ["train", "dev"] * 30, "set": ["train", "dev"] * 30})
    assert two.split == "part" and "part" not in two.labels


def test_roles_in_a_table(tmp_path: Path) -> None:
    files = pictures(tmp_path)
    columns = {
        "file": files, "sex": list("mf" * 30), "visited": [f"0{n % 3 + 1}.01.2026" for n in range(60)],
        "case": [f"c{n % 3}" for n in range(60)], "ward": list("xyz" * 20), "empty": [""] * 60,
        "many": [f"m{n % 30}" for n in range(60)],
    }  # fmt: skip
    layout = look(tmp_path, columns)
    assert (layout.group, layout.labels, layout.text) == ("case", ("ward",), None)
    why = {column.name: (column.role, column.why) for column in layout.columns}
    assert list(why) == list(columns)
    assert why["sex"][1].startswith("it describes") and why["visited"] == ("unused", "dates")
    assert why["empty"] == ("unused", "it is empty") and why["many"] == ("unused", "30 different values")
    assert look(tmp_path, {**columns, "case": ["c1", "c2"] * 30}).group is None  # two cases are none
    named = look(tmp_path, {**columns, "grade": list("ab" * 30)})
    assert named.labels == ("grade",)
    assert {each.name: each.why for each in named.columns}["ward"].startswith("could be a label")
    wished = look(tmp_path, columns, labels=("ward", "sex"), group="many", text="visited")
    assert (wished.labels, wished.group, wished.text) == (("ward", "sex"), "many", "visited")
    assert {column.why for column in wished.columns if column.name in ("ward", "sex", "many", "visited")} == {
        "as you say"
    }
    several = {**columns, "signs": ["a;b", "a", "b"] * 20}
    assert look(tmp_path, several).labels == (
        "signs",
    )  # then no other column without a name of labels is one
    assert look(tmp_path, several, labels=("ward",)).separators == {}
    assert look(tmp_path, several, labels=("signs", "ward")).separators == {"signs": ";"}


def test_why_a_column_is_left_alone() -> None:
    different = cells(*(f"v{n}" for n in range(30)))
    assert _left_alone("x", different) == "a different value in each row"
    assert _left_alone("x", cells(*"ab" * 5)) == "could be a label: a 5, b 5; --labels takes it"
    assert _shown({"a": 1, "b": 9, "c": 2}) == "b 9, c 2, a 1"
    assert _shown(dict.fromkeys("abcdef", 1)).endswith("f 1") and _shown(
        dict.fromkeys("abcdefg", 1)
    ).endswith("f 1, ...")


@pytest.mark.parametrize(
    ("wishes", "word"),
    [
        ({"image": "z"}, "'z'"), ({"labels": ("a", "z")}, "'z'"), ({"text": "c"}, "not one column 'c'"),
        ({"text": "a", "group": "a"}, "two things"),
        ({"image": "a", "labels": ("a",)}, "two things"), ({"text": "a"}, None),
    ],
)  # fmt: skip
def test_columns_that_are_named(wishes: dict[str, Any], word: str | None) -> None:
    if word is None:
        _check_names(["a", "b", "c", "c"], Wishes(**wishes))
    else:
        with pytest.raises(UserError, match=word):
            _check_names(["a", "b", "c", "c"], Wishes(**wishes))


def test_where_images_are_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "a/b/c"
    for name in ("d/e", ".hidden", "f"):
        (folder / name).mkdir(parents=True)
    (folder / "file").touch()
    assert _roots(folder) == (
        [folder, folder.parent, folder.parent.parent],
        [folder / "d", folder / "f", folder / "d/e"],
    )
    files = pictures(folder / "d", 10)
    rows = [[name, f"{n}.5", f"x{n}"] for n, name in enumerate(files)]
    column, found = images_of(folder, ["i", "measured", "n"], rows)
    assert (column, found.root) == ("i", folder / "d")
    half = [[name if n < 5 else "gone.png"] for n, name in enumerate(files)]
    assert images_of(folder, ["i"], half)[0] == "i"
    fewer = [[name if n < 4 else "gone.png"] for n, name in enumerate(files)]
    with pytest.raises(UserError, match="--image"):
        images_of(folder, ["i"], fewer)
    assert images_of(folder, ["i"], fewer, "i")[1].root == folder / "d"
    with pytest.raises(UserError, match="'n' names"):
        images_of(folder, ["i", "measured", "n"], rows, "n")


def test_the_data_section_of_a_layout(tmp_path: Path) -> None:
    layout = Layout(
        tmp_path, "i", "t", ("k", "s"), separators={"s": ";"}, group="g", frame="f", follow_links=True
    )
    rows = [["ct", "a;B"], ["CT", "b"], ["CT", "a"], ["07", ""], ["7", "x"], ["7.0", "y"]]
    source = SourceTable(["k", "s"], rows, layout, lambda cell: cell in ("", "y"))
    section = data_section(tmp_path / "tables", source)
    assert section == {
        "reader": "csv", "root": str(tmp_path), "tables": str(tmp_path / "tables"), "image_column": "i",
        "text_column": "t",
        "group_column": "g", "label_columns": ["k", "s"], "frame_column": "f", "follow_links": True,
        "tasks": {"s": {"separator": ";"}}, "missing": "allow", "label_map": {"k": {"ct": "CT", "07": "7"}},
    }  # fmt: skip
    (said,) = mapped(section)
    assert said.startswith("column k: 'ct' is read as 'CT', '07' is read as '7'") and mapped({}) == []
    rows, layout = [["a", ""], ["b", ""]], Layout(tmp_path, "i", None, ("k",))
    whole = data_section(tmp_path, SourceTable(["k", "s"], rows, layout, lambda cell: not cell))
    assert not {"missing", "tasks", "follow_links", "label_map"} & set(whole)


def test_rows_of_a_table_and_those_that_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n1;2\n3\n4;5\n" + "6\n" * 6)
    header, rows, numbers, form, remarks = _rows(tmp_path / "t.csv", None)
    assert (header, rows, form) == (["a", "b"], [["1", "2"], ["4", "5"]], "separated by semicolons")
    assert numbers == [2, 4]
    assert len(remarks) == 1 and "7 rows" in remarks[0] and remarks[0].endswith("number 3, 5, 6, 7, 8")
    (tmp_path / "t.csv").write_bytes("a;b\nł;1\n".encode("cp1250"))
    assert _rows(tmp_path / "t.csv", "cp1250")[1] == [["ł", "1"]]
    for body, word in (("a;b\n", "no row"), ("", "empty"), ("a;b\n1\n", "2: .*1 where the header has 2")):
        (tmp_path / "t.csv").write_text(body)
        with pytest.raises(DataError, match=word):
            _rows(tmp_path / "t.csv", None)
    with pytest.raises(DataError, match="no such file"):
        _rows(tmp_path / "none.csv", None)


def test_what_rows_are_spread_by_and_counted() -> None:
    layout = Layout(Path(), "i", None, ("k", "s"), separators={"s": ";"})
    table = SourceTable(["k", "s"], [["1.0 ", "a;b;c"], ["b", ""]], layout, lambda cell: not cell)
    assert (_strata(table, "k"), _strata(table, "s")) == (["1", "b"], ["3", "1"])
    assert table.values("s") == ["a;b;c", ""] and table.only([1]).column("k") == ["b"]
    assert _counted(["train", "dev", "train"]) == "2 train, 1 dev"
    assert _counted(["train", None]) == "1 train (1 row of no known split left out)"


def test_problems_name_the_rows_of_the_table_that_was_given() -> None:
    problems = [
        "gone (2 examples)\n  metadata_dev.csv:2: 'a'\n  metadata_train.csv:3: 'b'",
        "my_metadata_dev.csv:9",
    ]
    at = _at_origin(problems, "t.xlsx", [2, 4, 5, 9], ["train", "dev", None, "train"])
    assert at == ["gone (2 examples)\n  t.xlsx:4: 'a'\n  t.xlsx:9: 'b'", "my_metadata_dev.csv:9"]


def test_tables_are_written_for_the_splits_that_have_rows(tmp_path: Path) -> None:
    _write_tables(tmp_path, ["a"], [["1"], ["2"], ["3"]], ["train", None, "dev"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "metadata_train.csv": "a\n1\n", "metadata_dev.csv": "a\n3\n",
    }  # fmt: skip
    (tmp_path / "x").mkdir()
    _write_tables(tmp_path / "x", ["a"], [["1"], ["2"]], ["train", "test"])
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"metadata_train.csv", "metadata_test.csv"}


def test_names_and_paths_of_a_first_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _name(Path("my cases (1).csv")) == "my_cases_1" and _name(Path("é.csv")) == "dataset"
    for name in ("metadata", "Data", "table"):
        assert _name(tmp_path / f"scans/{name}.csv") == "scans"
    assert _name(Path("x" * 99)) == "x" * 60
    assert init.default_folder(tmp_path / "scans/my cases.csv") == Path("my_cases"), (
        "where the command is run"
    )
    monkeypatch.chdir(tmp_path)
    assert _relative(tmp_path / "a/../b") == Path("b") and _relative(tmp_path.parent) == tmp_path.parent
    values = {"yes": '"yes"', "No": '"No"', "name": "name", "a b": '"a b"', "1": '"1"', "": '""'}
    assert {value: _yaml(value) for value in values} == values
    assert _yaml({"a": [1, True, None, "x"]}) == "{a: [1, true, null, x]}"


def test_what_cannot_be_prepared_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for wishes, seed in ((Wishes(labels=("k", "k")), 1), (Wishes(), -1)):
        with pytest.raises(UserError):
            prepare(tmp_path / "none.csv", tmp_path / "out", wishes, seed=seed)
    (tmp_path / "out/metadata_dev.csv").touch()
    with pytest.raises(UserError, match="already"):
        prepare(tmp_path / "none.csv", tmp_path / "out", Wishes())


def test_images_are_brought_once_and_replace_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("a.png", "a"), ("sub/b.png", "b"), ("c.png", "c"), ("d.png", "d")):
        (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / name).write_text(content)
    out = tmp_path / "new"
    out.mkdir()
    (out / "c.png").write_text("c")
    files = ImageFiles(tmp_path / "old")
    names = ["a.png", "sub/b.png", "a.png", "gone.png", "c.png", ""]
    found = bring_images("i", files, names, out, [])
    assert (found.column, found.linked, found.copied, found.missing) == ("i", 2, 0, 2)
    assert (out / "sub/b.png").samefile(tmp_path / "old/sub/b.png") and not (out / "c.png").samefile(
        tmp_path / "old/c.png"
    )
    assert bring_images("i", files, names, out, []).linked == 0

    def no_link(*given: Any) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", no_link)
    assert bring_images("i", files, ["d.png"], out, []).copied == 1 and (out / "d.png").read_text() == "d"
    (out / "d.png").write_text("other")
    with pytest.raises(UserError, match="another file"):
        bring_images("i", files, ["d.png"], out, [])


def test_an_image_that_was_brought_is_removed_with_the_folders_that_it_leaves_empty(tmp_path: Path) -> None:
    for name in ("new/a/b/x.png", "new/c/d/y.png", "new/c/mine.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "new/a/b/x.png").unlink()
    for name in ("a/b/x.png", "c/d/y.png"):
        _remove(tmp_path / "new" / name, tmp_path / "new")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"new", "new/c", "new/c/mine.png"}


def test_a_split_beside_its_table_brings_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = pictures(tmp_path / "set", 20)
    (tmp_path / "set/t.csv").write_text(
        "i,k\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(files))
    )
    monkeypatch.chdir(tmp_path)
    for out in (Path("set"), tmp_path / "set/p/.."):
        counts, brought = split_whole(Path("set/t.csv"), out, label_columns=["k"])
        assert brought is None and set(counts) == {"train", "dev", "test"}
        for split in counts:
            (out / f"metadata_{split}.csv").unlink()
    _, brought = split_whole(Path("set/t.csv"), tmp_path / "new", label_columns=["k"])
    assert brought is not None and (brought.column, brought.linked + brought.copied, brought.missing) == (
        "i",
        20,
        0,
    )
    with pytest.raises(UserError, match="'k' names no"):
        split_whole(Path("set/t.csv"), tmp_path / "other", label_columns=["k"], image_column="k")
    with pytest.raises(UserError, match="columns found: 'i', 'k'"):
        split_whole(Path("set/t.csv"), tmp_path / "other", label_columns=["k"], image_column="none")
    assert not (tmp_path / "other").exists()
    (tmp_path / "words.csv").write_text("t,k\n" + "".join(f"word {n},{'ab'[n % 2]}\n" for n in range(20)))
    assert split_whole(Path("words.csv"), tmp_path / "words", label_columns=["k"])[1] is None
    body = "i,ł\n" + "".join(f"{name},{'ćś'[n % 2]}\n" for n, name in enumerate(files))
    (tmp_path / "set/t.csv").write_bytes(body.encode("cp1250"))
    counts, brought = split_whole(
        Path("set/t.csv"), tmp_path / "polish", label_columns=["ł"], encoding="cp1250", group_column="i"
    )
    assert brought is not None and set(counts["train"]["ł"]) == {"ć", "ś"}


def test_encoders_by_the_number_of_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: set[str] = set()
    asked: list[tuple[str, str]] = []

    def identity(encoder: EncoderConfig, kind: str, seed: int) -> str:
        asked.append((encoder.name, kind))
        if encoder.name in missing:
            raise UserError("none")
        return encoder.name

    monkeypatch.setattr(encoders, "identity", refusing_as(encoders.identity, identity))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = fitting(1000, 64.0)
    assert found.frozen and "about 177 s" in found.why and found.image_size is None
    assert [encoder.name for encoder in (*found.teacher, *found.student)] == [
        "efficientnet-lite2", "minilm-l6", "efficientnet-lite0", "minilm-l6",
    ]  # fmt: skip
    assert {encoder.freeze for encoder in (*found.teacher, *found.student)} == {"all"}
    assert fitting(1000, 64.0) == found
    assert [encoder.name for encoder in fitting(1000, None).teacher] == ["efficientnet-lite2", "none"]
    many = fitting(20_000, None)
    assert many.image_size == 160 and "160 pixels" in many.why and "pixels" not in found.why
    slow = fitting(900_000, None)
    assert [encoder.name for encoder in slow.student] == ["tiny-cnn", "none"] and "206 minutes" in slow.why
    assert fitting(874_000, None).frozen and not fitting(876_000, None).frozen  # 200 minutes
    assert {name for name, _ in asked} == {"efficientnet-lite2", "efficientnet-lite0", "minilm-l6"}
    for name in ("efficientnet-lite2", "efficientnet-lite0", "minilm-l6"):
        missing = {name}
        assert "distune[offline]" in fitting(9, 64.0).why
    missing = set()
    asked.clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    large = fitting(9, 64.0)
    assert [encoder.name for encoder in (*large.teacher, *large.student)] == [
        "vit-base", "bio-clinical-bert", "deit-small", "distilbert",
    ]  # fmt: skip
    assert set(asked) == {
        ("vit-base", "vision"),
        ("bio-clinical-bert", "text"),
        ("deit-small", "vision"),
        ("distilbert", "text"),
    }
    assert not large.frozen and {encoder.freeze for encoder in large.teacher} == {"none"}
    alone = _large(False)
    assert alone is not None and alone.teacher[1].name == alone.student[1].name == "none"
    missing = {"distilbert"}
    assert _large(True) is None and _large(False) is not None
    tiny = (EncoderConfig(name="tiny-cnn"), EncoderConfig(name="tiny-text"))
    assert (_tiny(True, "why").teacher, _tiny(True, "why").student) == (tiny, tiny)


def test_sizes_and_times_in_words() -> None:
    assert [_size(mb) for mb in (0.1, 999.4, 1000.0, 2048.0)] == ["1 MB", "999 MB", "1.0 GB", "2.0 GB"]
    assert [_time(seconds) for seconds in (0.1, 59.0, 600.0)] == ["1 s", "59 s", "10 min"]


@pytest.mark.slow
def test_what_check_says(monkeypatch: pytest.MonkeyPatch, tiny_config: Callable[..., Config]) -> None:
    asked: list[Any] = []
    table = read_table(tiny_config().data, check_images=False)
    monkeypatch.setattr(check_module, "values_outside", lambda config: ["outside"])
    monkeypatch.setattr(
        check_module,
        "check_experiment",
        lambda config, source, outside: asked.append((source, tuple(outside))) or table,
    )
    monkeypatch.setattr(check_module, "download_lines", lambda config: ["fetch"])
    monkeypatch.setattr(check_module, "estimate", lambda config, held: "measured")
    plain, ranged = tiny_config(), tiny_config(search_space={"alpha": {"type": "float", "low": 0, "high": 1}})
    found = check_module.check(plain, "c.yaml")
    assert (found.table, found.estimate, found.remarks) == (
        table,
        "measured",
        ("fetch", "to tune it: outside"),
    )
    assert check_module.check(ranged, "c.yaml", estimates=False).estimate is None
    assert asked == [("c.yaml", ()), ("c.yaml", ("outside",))]

    def full(*given: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(check_module, "estimate", full)
    short = check_module.check(plain, "c.yaml")
    assert short.estimate is None and short.remarks[0].startswith("no estimate: 4 examples")
    labels = np.where(np.array(table.splits)[:, None] == "test", 0, table.labels)
    tasks = (replace(table.tasks[0], score="auroc"), table.tasks[1])
    table = replace(table, groups=tuple(f"g{n % 2}" for n in range(len(table))), labels=labels, tasks=tasks)
    said = check_module.check(plain, "c.yaml", estimates=False).remarks
    (cases,) = [line for line in said if line.startswith("to tune it: cases that lie")]
    test = said[-1]
    assert test.startswith("to evaluate the test split: task")
    accepted = check_module.check(tiny_config(study__accept_leaks=True), "c.yaml", estimates=False).remarks
    assert cases not in accepted and test in accepted
    named = tiny_config(
        study__only=["alpha", "teacher_lr"], distillation__loss="none", distillation__beta=5.0
    )
    without_effect = check_module.check(named, "c.yaml", estimates=False).remarks
    assert any("teacher_lr is not searched" in line for line in without_effect), "it was asked for by name"
    assert any("distillation.beta: 5.0 has no effect" in line for line in without_effect)


def test_epochs_are_as_many_as_the_train_split_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "fitting", refusing_as(init.fitting, lambda *_: _tiny(False, "a test")))
    for name in "abcd":
        Image.new("L", (8, 8), ord(name)).save(tmp_path / f"{name}.png")
    rows = [f"{'abcd'[n % 4]}.png,{'xy'[n % 2]},{('train', 'dev')[n >= 64]}" for n in range(200)]
    (tmp_path / "t.csv").write_text("\n".join(["file,kind,part", *rows]))
    config = load_config(prepare(tmp_path / "t.csv", tmp_path / "new", Wishes(image="file")).config)
    assert (config.teacher.epochs, config.student.epochs) == (60, 60), "two steps an epoch, not six"


def test_a_file_that_is_no_image_is_named_with_its_row_of_the_table_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    rows = [f"a.png,{'xy'[n % 2]},{('dev', 'train')[n % 4 > 1]}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["file,kind,part", *rows]))
    with pytest.raises(DataError, match=r"not an image(.|\n)* t\.csv:4: "):
        prepare(tmp_path / "t.csv", tmp_path / "new", Wishes(image="file", labels=("kind",)))


@pytest.mark.slow
def test_a_table_becomes_a_config_and_its_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []

    def tiny(count: int, tokens: float | None) -> Encoders:
        fitted.append((count, tokens))
        return _tiny(tokens is not None, "a test")

    monkeypatch.setattr(init, "fitting", tiny)
    for number in range(40):
        (tmp_path / "scans").mkdir(exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(values).save(tmp_path / f"scans/{number}.png")
    (tmp_path / "scans/39.png").write_bytes(b"no image")
    words = " ".join(["word"] * 30)
    rows = [f"scans/{n}.png,{'ab'[n % 2]},{words} {n},P{n // 2}" for n in range(40)]
    (tmp_path / "cases.csv").write_text("file,kind,report,patient\n" + "\n".join([*rows, "short,row"]) + "\n")
    monkeypatch.chdir(tmp_path)
    made = prepare(Path("cases.csv"), Path("new"), Wishes(), seed=3)
    config = load_config(made.config)
    assert made.config == Path("new/config.yaml") and (config.name, config.data.tables) == (
        "cases",
        Path("new"),
    )
    assert (config.data.image_column, config.data.text_column, config.data.group_column) == (
        "file",
        "report",
        "patient",
    )
    assert config.data.label_columns == ("kind",) and config.data.on_bad_example == "drop"
    assert config.data.max_tokens == 64 and fitted == [(39, 46.5)]  # 31 words, one and a half tokens each
    assert len(made.table) == 39 and made.form == "" and made.encoders.startswith("tiny ones")
    assert "made by patient with seed 3" in made.splits
    assert any("1 row with" in remark for remark in made.remarks) and any(
        "left out" in remark for remark in made.remarks
    )
    held = {
        split: (tmp_path / f"new/metadata_{split}.csv").read_text().splitlines()
        for split in ("train", "dev", "test")
    }
    assert sum(len(lines) - 1 for lines in held.values()) == 40 and {lines[0] for lines in held.values()} == {
        "file,kind,report,patient"
    }
    cases = [{line.rsplit(",", 1)[1] for line in lines[1:]} for lines in held.values()]
    assert sum(map(len, cases)) == 20
    again = prepare(Path("cases.csv"), Path("again"), Wishes(), seed=3)
    assert load_config(again.config).name == "cases"
    assert (tmp_path / "again/metadata_dev.csv").read_text() == (
        tmp_path / "new/metadata_dev.csv"
    ).read_text()
    assert config.data.root == Path() and made.columns[0].role == "image"
    assert (config.teacher.epochs, config.student.epochs) == (60, 60)
    seeds = [
        prepare(Path("cases.csv"), Path(f"seed{seed}"), Wishes(), seed=seed).config.parent
        for seed in range(4)
    ]
    assert len({(folder / "metadata_dev.csv").read_text() for folder in seeds}) > 1
    unknown = [
        row.replace(f"P{n // 2}", ("nan", "NaN")[n % 2]) if n < 4 else row for n, row in enumerate(rows)
    ]
    (tmp_path / "unknown.csv").write_text("\n".join(["file,kind,report,patient", *unknown]))
    assert prepare(Path("unknown.csv"), Path("unknown"), Wishes(group="patient")).config.is_file()
    other = prepare(Path("cases.csv"), Path("other"), Wishes(group="report"), seed=4)
    assert "made by report with seed 4" in other.splits
    assert (tmp_path / "other/metadata_dev.csv").read_text() != (
        tmp_path / "new/metadata_dev.csv"
    ).read_text()
    twins = [f"scans/{n}.png,{'ab'[n % 2]},{'pP'[n % 2]}{n // 2}" for n in range(20)]
    (tmp_path / "twins.csv").write_text("\n".join(["file,kind,patient", *twins]))
    with pytest.raises(DataError, match="look alike"):
        prepare(Path("twins.csv"), Path("twins"), Wishes())
    assert not (tmp_path / "twins").exists()
    parts = [f"scans/{n}.png,{'ab'[n % 2]},{('train', 'train', 'val')[n % 6 // 2]}" for n in range(30)]
    (tmp_path / "given.csv").write_text("\n".join(["file,kind,part", *parts]))
    given = prepare(Path("given.csv"), Path("given"), Wishes())
    assert given.splits == "20 train, 10 dev, as column 'part' says" and len(given.table.rows("dev")) == 10
    assert not (tmp_path / "given/metadata_test.csv").exists()


def test_what_may_be_a_path() -> None:
    assert _may_be_path(" scans/a b.png ") and _may_be_path("x" * 399)
    assert not any(map(_may_be_path, ("", "  ", "x" * 400, "a text\nof two lines")))


def test_a_column_without_a_name_of_its_own_is_not_looked_at() -> None:
    found = cells_of(
        ["", "a", " ", "b", "a"], [["0", "x", "y", "z", "w"], ["1", "", "v", "u", "t"]], lambda cell: not cell
    )
    assert list(found) == ["b"] and found["b"].all == ["z", "u"]


def _leaks(table: Table) -> list[str]:
    return leaks(audit(table))


@pytest.mark.slow
def test_leaks_are_those_of_labelled_examples_and_severe(tiny_config: Callable[..., Config]) -> None:
    table = read_table(tiny_config().data, check_images=False)
    assert _leaks(table) == []
    train, dev = int(table.rows("train")[0]), int(table.rows("dev")[0])
    groups = list(table.groups)
    groups[dev] = groups[train]
    leaking = replace(table, groups=tuple(groups))
    (line,) = _leaks(leaking)
    assert "split" in line
    splits = list(table.splits)
    splits[dev] = "unlabelled"
    assert _leaks(replace(leaking, splits=tuple(splits))) == [], "it has no label to give away"
    alone = replace(table, groups=table.ids)
    assert _leaks(alone) == [], "that no patient is named is no leak"


def test_what_a_backward_pass_keeps_is_not_the_weights() -> None:
    model = torch.nn.Linear(256, 256, bias=False)
    inputs = torch.ones(64, 256, requires_grad=True)
    kept = _activation_mb(lambda: model(inputs).sum().backward(), model)  # type: ignore[arg-type]
    assert kept == 64 * 256 * 4 / 2**20
    views = _activation_mb(lambda: (inputs[:1].expand(9, 256) ** 2).sum().backward(), model)  # type: ignore[arg-type]
    assert views == kept, "the whole storage stays, and no more"


def test_a_column_that_is_named_for_something_else_holds_the_images_where_most_of_it_does(
    tmp_path: Path,
) -> None:
    files = pictures(tmp_path, 40)
    for share, said in ((40, "named with --text"), (20, "named with --text"), (19, "no column names")):
        held = files[:share] + [f"a note {number}" for number in range(40 - share)]
        with pytest.raises(UserError, match=said):
            look(tmp_path, {"file": held, "kind": list("ab" * 20)}, text="file")


def test_what_half_of_the_cells_decide(tmp_path: Path) -> None:
    files = pictures(tmp_path, 4)
    assert [_may_be_image(cells(*held, "a", "b")) for held in (("0.5", "1e3"), ("0.5", "1e3", "2.5"))] == [
        True,
        False,
    ]
    for others, is_rival in ((2, False), (3, True)):
        masks = cells(*(files[1:] + files[:1])[:others], *["none"] * (4 - others))
        assert _names_others(masks, cells(*files), ImageFiles(tmp_path)) is is_rival


def test_a_folder_that_has_a_tenth_of_the_files_is_no_rival(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(30)]
    for folder, count in (("a", 30), ("b", 3)):
        (tmp_path / folder).mkdir()
        for name in names[:count]:
            (tmp_path / folder / name).touch()
    best, other = ImageFiles(tmp_path / "a"), ImageFiles(tmp_path / "b")
    assert _of_folders(cells(*names), best, [best, other], tmp_path) is best
    with pytest.raises(UserError, match="several folders"):
        _of_folders(cells(*names[:29]), best, [best, other], tmp_path)


def test_a_dev_split_is_made_from_train_with_the_seed() -> None:
    rows = [
        ["train" if number % 5 else "test", "ab"[number % 2], f"{number // 2}.png"] for number in range(100)
    ]
    layout = Layout(Path(), "file", None, ("kind",), split="part")
    table = SourceTable(["part", "kind", "file"], rows, layout, lambda cell: not cell)
    found = {seed: splits_of(table, seed) for seed in (1, 2)}
    for seed, (splits, how) in found.items():
        assert [split == "test" for split in splits] == [row[0] == "test" for row in rows]
        assert 0 < splits.count("dev") < splits.count("train") and f"by image with seed {seed}" in how
        assert splits_of(table, seed)[0] == splits
        of_image = {file: {s for s, row in zip(splits, rows, strict=True) if row[2] == file} - {"test"}
                    for _, _, file in rows}  # fmt: skip
        assert all(len(held) == 1 for held in of_image.values()), "rows of one image stay together"
    assert found[1][0] != found[2][0]
    given = replace(
        table, rows=[["val", *row[1:]] if number % 7 == 0 else row for number, row in enumerate(rows)]
    )
    splits, how = splits_of(given, 1)
    assert splits.count("dev") == 15 and "made" not in how
    partly = [["exclude", *row[1:]] if number % 7 == 0 else row for number, row in enumerate(rows)]
    splits, _ = splits_of(replace(table, rows=partly), 1)
    assert [number for number, split in enumerate(splits) if split is None] == list(range(0, 100, 7))


@pytest.mark.slow
def test_check_names_what_a_run_without_a_search_leaves_unread(tiny_config: Callable[..., Config]) -> None:
    config = tiny_config(distillation__loss="vanilla", distillation__beta=0)
    remarks = check_module.check(config, "c.yaml", estimates=False).remarks
    assert any("without a search" in remark and "beta" in remark for remark in remarks)
