"""What cells mean: missing ones, and spellings of one patient or one class."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.config import DataConfig, FoldConfig, TaskConfig, parse_config
from distune.data import read_table
from distune.data.audit.audit import audit
from distune.data.fingerprint import table_fingerprint
from distune.data.labels import JOINT, parts
from distune.data.readers import values
from distune.data.readers.doubts import column_notes, empty_texts, repeated
from distune.data.readers.nothing import may_be_nothing
from distune.data.readers.raw_rows import RawExample
from distune.data.readers.spellings import case_twins, normal_form, sign_twins
from distune.data.readers.values import LONGEST_TEXT, cell_parts, interpreted
from distune.data.table import Split
from distune.errors import DataError

from .conftest import write_csv, write_png

E_ACUTE, E_COMBINED = "é", unicodedata.normalize("NFD", "é")


def examples(**columns: list[str]) -> list[RawExample]:
    count = len(next(iter(columns.values())))
    plain = {"group": [f"P{n}" for n in range(count)], "text": ["words"] * count, "label": ["a"] * count}
    filled = {**plain, **columns}
    return [
        RawExample(f"{n}", f"{n}.png", filled["text"][n], (filled["label"][n],), filled["group"][n],
                   "dev" if n == count - 1 else "train", f"t.csv:{n + 2}")
        for n in range(count)
    ]  # fmt: skip


def understood(config: dict[str, Any] | None = None, **columns: list[str]) -> Any:
    return interpreted(examples(**columns), ("grade",), DataConfig.model_validate(config or {}))


@pytest.mark.parametrize(
    ("value", "form"),
    [("P1", "P1"), (" P1\t", "P1"), ("1.0", "1"), ("1", "1"), ("-2.000", "-2"), ("007", "007"), ("1.50", "1.50"),
     (E_COMBINED, E_ACUTE), ("1.0.0", "1.0.0"), ("1.", "1."), (".0", ".0"), ("+1.0", "+1"), ("v1.0", "v1.0"),
     ("A²", "A²"), ("", "")],
)  # fmt: skip
def test_the_normal_form(value: str, form: str) -> None:
    assert normal_form(value) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [("Crohn's", "Crohn\N{RIGHT SINGLE QUOTATION MARK}s"), ("a-b", "A\N{EN DASH}b"), ("1,5", "1.5"),
     ("A", "\N{CYRILLIC CAPITAL LETTER A}"), ("no", "n\N{GREEK SMALL LETTER OMICRON}"),
     ('"x"', "\N{LEFT DOUBLE QUOTATION MARK}x\N{RIGHT DOUBLE QUOTATION MARK}"), ("P-01", "P01"), ("P 7", "p_7"),
     ("left_lung", "left lung"), ("CR", "CR."), ("CR", "'CR"), ("CR", '="CR"'), ("1,234", "1234"), ("1'234", "1234"),
     ("100000", "1E+05"), ("0", "-0"), ("2", "2."), ("0.5", ".50"),
     ("yes", "Ja"), ("falsch", "no"), ("1", "yes"), ("false", "0"), ("1000", "1_000"), ("a/b", "a\\b"), ("A", "A;"),
     ("a;b", "a; b"), ("M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller", "Muller"), ("['A']", "A")],
)  # fmt: skip
def test_signs_that_look_alike_are_noted_and_kept_apart(one: str, other: str) -> None:
    assert sign_twins([one, "CT", other, one]) == [(one, other)]
    for column in ("label", "group"):
        rows, faults, notes = understood(**{column: [one, "CT", other]})
        assert [row.labels[0] if column == "label" else row.group for row in rows] == [one, "CT", other]
        (note,) = (note for note in notes if "look alike" in note)
        assert note.startswith(column) and ascii(other) in note and not any(faults)


def test_subgroups_that_count_as_one_are_noted() -> None:
    rows = [
        replace(row, subgroups=(value, "x"))
        for row, value in zip(examples(label=list("xyx")), "Aab", strict=True)
    ]
    config = DataConfig.model_validate({"subgroup_columns": ["site", "sex"]})
    (note,) = interpreted(rows, ("grade",), config)[2]
    assert note.startswith("subgroup site: 'A', 'a'")


@pytest.mark.parametrize(
    ("cells", "values", "said"),
    [(["f", "NA", "f"], ["f", "", "f"], "'NA': 1"), (["f", "?", "f"], ["f", "?", "f"], "'?'"),
     (["1", "1.0", "2"], ["1", "1", "2"], "'1.0'"), (["7", "07", "7"], ["7", "7", "7"], "'07'"),
     (["40", "999", "41"], ["40", "999", "41"], "'999'"), (["S-1", "S1", "S2"], ["S-1", "S1", "S2"], "look alike")],
)  # fmt: skip
def test_subgroups_are_understood_as_groups_are(cells: list[str], values: list[str], said: str) -> None:
    rows = [
        replace(row, subgroups=(cell,)) for row, cell in zip(examples(label=list("xyx")), cells, strict=True)
    ]
    config = DataConfig.model_validate({"subgroup_columns": ["site"], "missing_values": ["NA"]})
    read, _, (note,) = interpreted(rows, ("grade",), config)
    assert [row.subgroups for row in read] == [(value,) for value in values]
    assert note.startswith("subgroup site: ") and said in note


def test_what_looks_different_is_not_noted() -> None:
    assert (
        sign_twins(
            [
                "CT",
                "MR",
                "1,5",
                "15",
                "",
                "I-II",
                "III",
                "-1",
                "1",
                "C",
                "C+",
                "12",
                "1-2",
                "0.125",
                "125",
                "N",
                "F",
                "T",
            ]
        )
        == []
    )
    assert sign_twins(["ct", "CT", "7", "07"]) == []  # another rule knows these


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(word, True) for word in ("NA", "\\N", "(null)", "<NULL>", "#N/V", "#WERT!", "Err:502", "(blank)", "n.a.", "k. A.",
                               "not done", "..", "?", "—", "[]", '""', "Nothing", "not recorded", "inf", "&nbsp;",
                               "\u200b", "N\uff21")]
    + [(word, False) for word in ("", "+", "++", "CT", "no", "normal", "#1", "1", "x")],
)  # fmt: skip
def test_a_class_that_may_stand_for_nothing_is_noted(value: str, is_one: bool) -> None:
    assert may_be_nothing(value) is is_one
    _, _, notes = understood(label=[value, "yes", "yes"])
    assert any(f"{value!r} is a class" in note for note in notes) is is_one


@pytest.mark.parametrize("value", ["1.23457E+11", "123456789012345680.0", "02-Mar", "Mrz 02", "2024-03-02"])
def test_what_a_spreadsheet_may_have_made_of_a_label_or_a_patient_is_noted(value: str) -> None:
    for column in ("label", "group"):
        (note,) = understood(**{column: [value, "1", "2"]})[2]
        assert note.startswith(column) and repr(value) in note and "spreadsheet" in note
    assert (
        understood(label=["3", "grade 2", "1.5"])[2]
        == understood(group=["12MAR", "1e5", "20240302"])[2]
        == []
    )


@pytest.mark.parametrize(
    ("cell", "settings", "is_noted"),
    [("A;B", {}, True), ("B | C", {}, True), ("['A', 'B']", {}, True), ('["C"]', {}, True), ("C;D", {}, False),
     ("mass, left", {}, False), ("['A', 'B']", {"separator": ","}, True), ("A;B", {"separator": ";"}, False)],
)  # fmt: skip
def test_a_cell_that_may_hold_several_labels_is_noted(
    cell: str, settings: dict[str, Any], is_noted: bool
) -> None:
    _, _, notes = understood({"tasks": {"grade": settings}}, label=[cell, "A", "B"])
    assert any("several labels" in note for note in notes) is is_noted
    mapped = {"tasks": {"grade": settings}, "label_map": {"grade": {cell: cell}}}
    assert settings or understood(mapped, label=[cell, "A", "B"])[2] == []


@pytest.mark.parametrize("word", ["NA", "-", "unknown", "#REF!"])
def test_a_text_that_may_stand_for_nothing_is_noted_and_kept(word: str) -> None:
    rows, _, (note,) = understood(text=[word, "a text", "words"])
    assert rows[0].text == word and repr(word) in note


def test_a_code_for_nothing_is_noted_as_a_class_that_nobody_named_and_is_a_patient_like_any_other() -> None:
    assert any("'-99' is a class" in note for note in understood(label=["-99", "1", "0"])[2])
    ordered = {"tasks": {"grade": {"order": ["-99", "0", "1"]}}}
    assert understood(ordered, label=["-99", "1", "0"])[2] == understood(group=["99", "1", "2"])[2] == []


def test_all_values_that_look_alike_are_told() -> None:
    apostrophes, numbers = ("a'b", "a\N{RIGHT SINGLE QUOTATION MARK}b"), ("1,5", "1.5")
    assert sign_twins([*apostrophes, "c", "C", *numbers, "a'b"]) == [apostrophes, numbers]
    notes = understood(group=[f"P{sign}{number}" for number in range(5) for sign in ("", "-")])[2]
    assert len(notes) == 1 and "'P2', 'P-2'; and 2 more" in notes[0]


def test_spellings_of_one_patient_are_one_group_everywhere() -> None:
    spelled = ["P1", "P1 ", "1", "1.0", f"caf{E_ACUTE}", f"caf{E_COMBINED}", "Q"]
    rows, faults, notes = understood(group=spelled)
    assert [row.group for row in rows] == ["P1", "P1", "1", "1", "café", "café", "Q"]
    assert not any(faults)
    assert any(note.startswith("group: one in several spellings") for note in notes)


def test_spellings_of_one_label_but_for_its_case_are_one_class() -> None:
    spelled = [f"caf{E_ACUTE}", f"caf{E_COMBINED}", " 1", "1.0", "b", "b "]
    rows, faults, notes = understood(label=spelled)
    assert [row.labels[0] for row in rows] == ["café", "café", "1", "1", "b", "b"]
    assert not any(faults)
    assert any(note.startswith("label grade: one in several spellings") for note in notes)


def test_what_has_one_spelling_stays_as_it_is_written() -> None:
    rows, faults, notes = understood(group=["1.0", "1.0", "P1 "], label=["2.0", "2.0", "a "])
    assert [(row.group, *row.labels) for row in rows] == [("1.0", "2.0"), ("1.0", "2.0"), ("P1 ", "a ")]
    assert not any(faults)
    assert notes == []


def test_ids_that_differ_by_case_alone_are_refused_with_both_spellings() -> None:
    rows, faults, _ = understood(group=["P1", "p1", "P1"])
    assert [row.group for row in rows] == ["P1", "p1", "P1"]
    assert [len(own) for own in faults] == [0, 1, 0]
    assert faults[1][0].detail == "'p1', 'P1'"


def test_spellings_of_a_label_are_refused_or_mapped() -> None:
    labels = ["mild", "mild", "Mild", "MILD", "severe"]
    _, faults, _ = understood(label=labels)
    assert [own[0].detail if own else "" for own in faults] == [
        "",
        "",
        "'Mild', 'mild'",
        "'MILD', 'mild'",
        "",
    ]
    assert "data.label_map: {grade:" in faults[2][0].remedy
    mapped = {"label_map": {"grade": {"Mild": "mild", "MILD": "mild"}}}
    rows, faults, _ = understood(mapped, label=labels)
    assert not any(faults)
    assert [row.labels[0] for row in rows] == ["mild"] * 4 + ["severe"]
    apart = {"label_map": {"grade": {"Mild": "Mild", "mild": "mild", "MILD": "mild"}}}
    rows, faults, _ = understood(apart, label=labels)
    assert not any(faults)
    assert {row.labels[0] for row in rows} == {"mild", "Mild", "severe"}


def test_of_spellings_that_differ_in_case_that_of_most_train_rows_is_kept() -> None:
    values = ["mild", "mild", "Mild", "MILD ", "Mild", "severe", ""]
    in_train = [False, False, True, False, False, True, True]
    assert case_twins(values, in_train) == {"mild": "Mild", "MILD ": "Mild"}
    assert case_twins(values) == {"Mild": "mild", "MILD ": "mild"}
    assert case_twins(values, in_train, apart={"Mild"}) == {"MILD ": "mild"}
    assert case_twins(["", "", "\u200b"]) == {}, "nothing has no twin"


def test_labels_that_are_columns_are_no_words_for_nothing() -> None:
    """A column may be called `null`, and all of them be 0, whatever words count as missing in cells."""
    tasks = {"grade": {"columns": ["null", "b"]}}
    cells = ["null", "none", f"null{JOINT}b", ""]
    rows, _, notes = understood(
        {"reader": "wound", "tasks": tasks, "missing_values": ["null", "none"]}, label=cells
    )
    assert [row.labels for row in rows] == [(cell,) for cell in cells] and notes == []


def test_a_label_map_takes_numbers_as_yaml_reads_them() -> None:
    rows, _, _ = understood({"label_map": {"grade": {1: "one", "2": "two"}}}, label=["1", "2", "2 "])
    assert [row.labels[0] for row in rows] == ["one", "two", "two"]


@pytest.mark.parametrize(
    "word", ["", "  ", "nan", "NaN", " nan ", "N/A", "n/a", "NULL", "null", "<NA>", "#N/A"]
)
def test_missing_cells_are_neither_text_nor_group_nor_class(word: str) -> None:
    rows, _, notes = understood(label=["a", word, "b"], text=[word, "t", "t"], group=["P", "P", word])
    assert (rows[1].labels[0], rows[0].text, rows[2].group) == ("", "", "")
    assert bool(word.strip()) == any("label grade: 1 " in note for note in notes)


def test_none_is_a_class_and_other_words_for_nothing_can_be_named() -> None:
    assert understood(label=["none", "None ", "x"])[0][0].labels == ("none",)
    assert understood({"missing_values": ["none"]}, label=["none", "a", "x"])[0][0].labels == ("",)
    assert understood({"missing_values": []}, label=["NaN", "a", "x"])[0][0].labels == ("NaN",)


def test_a_label_that_may_stand_for_nothing_is_noted_and_the_word_for_no_label_is_not() -> None:
    tasks = {"grade": {"separator": ";", "negative": "nil"}}
    _, _, notes = understood({"tasks": tasks}, label=["None", "nil", "a;b", "b"])
    (note,) = notes
    assert "'None' is a class" in note


@pytest.mark.parametrize("word", ["\\N", "(null)", "<NULL>", "NaT", "-", "NA"])
def test_what_other_programs_write_for_nothing_is_noted_where_it_is_a_class(word: str) -> None:
    (note,) = understood(label=[word, word, "a", "b"])[2]
    assert f"{word!r} is a class (2 cells)" in note


def test_labels_of_an_order_are_read_as_it_has_them() -> None:
    """A column of numbers with a gap is written with decimals."""
    tasks = {"grade": {"order": ["0", "1", "2.0"]}}
    rows, _, _ = understood({"tasks": tasks}, label=["1.0", " 0", "2.0", "2", "3.0"])
    assert [row.labels[0] for row in rows] == ["1", "0", "2.0", "2.0", "3.0"]


def test_long_cells_are_never_taken_for_missing() -> None:
    assert understood(text=["nan " * 20, "t"])[0][0].text == "nan " * 20


def table_of(root: Path, rows: list[list[str]], dev: list[list[str]], **config: Any) -> DataConfig:
    for number in range(12):
        write_png(root / f"{number}.png", number)
    write_csv(root / "metadata_train.csv", [["image", "text", "grade", "patient"], *rows])
    write_csv(root / "metadata_dev.csv", [["image", "text", "grade", "patient"], *dev])
    return DataConfig.model_validate({
        "reader": "csv", "root": root, "image_column": "image", "text_column": "text", "label_columns": ["grade"],
        "group_column": "patient", **config,
    })  # fmt: skip


def rows_of(numbers: range, grades: str = "ab", patient: str = "P{}") -> list[list[str]]:
    return [[f"{n}.png", f"text {n}", grades[n % 2], patient.format(n // 2)] for n in numbers]


def test_one_patient_in_two_spellings_is_a_leak_that_the_audit_finds(tmp_path: Path) -> None:
    train, dev = rows_of(range(8)), rows_of(range(8, 12))
    dev[0][3] = "P0 "
    table = read_table(table_of(tmp_path, train, dev))
    assert table.groups[8] == table.groups[0] == "P0"
    report = audit(table)
    assert "groups_across_splits" in {finding.kind for finding in report.leaks}
    (read,) = [finding for finding in report.findings if finding.kind == "how_it_was_read"]
    assert "'P0', 'P0 '" in str(read.rows)


def test_folds_keep_a_patient_in_two_spellings_whole(tmp_path: Path) -> None:
    train = rows_of(range(8), patient="{}")
    for row in train[1::2]:
        row[3] += ".0"
    config = table_of(tmp_path, train, rows_of(range(8, 12), patient="{}"), fold={"number": 1, "of": 3})
    table = read_table(config)
    assert all(table.splits[n] == table.splits[n + 1] for n in range(0, 12, 2))


def test_the_audit_mentions_a_class_that_may_stand_for_nothing(tmp_path: Path) -> None:
    train, dev = rows_of(range(8)), rows_of(range(8, 12))
    for row in [*train, *dev]:
        row[2] = {"a": "none", "b": "mild"}[row[2]]
    report = audit(read_table(table_of(tmp_path, train, dev)))
    (finding,) = [finding for finding in report.findings if finding.kind == "classes_like_nothing"]
    assert finding.severity == "info"
    assert finding.rows[0]["class"] == "none"


@pytest.mark.slow
def test_exact_duplicates_are_findings(tmp_path: Path) -> None:
    train, dev = rows_of(range(8)), rows_of(range(8, 12))
    train += [train[0], ["0.png", "another text", "a", "P0"]]
    found = {f.kind: f for f in audit(read_table(table_of(tmp_path, train, dev))).findings}
    assert found["duplicate_rows"].severity == "warning"
    assert found["duplicate_rows"].rows[0]["examples"] == 2
    assert found["repeated_images"].rows[0]["examples"] == 3
    plain = {f.kind for f in audit(read_table(table_of(tmp_path, train[:8], dev))).findings}
    assert not {"duplicate_rows", "repeated_images", "how_it_was_read"} & plain


# What the readers before these rules gave for the table below (commit 1bb45f7): its fingerprint, and the dev rows and
# fingerprint of each of three folds.
BEFORE = "51b16d82aba80d24aa62f4982348b4df"
FOLDS_BEFORE = {
    1: ([9, 13, 18, 19, 20, 21, 29, 30, 34, 36, 40, 41, 43, 45, 47, 49, 51, 52, 54],
        "98aa1cb70951cb5c602c1068dc19de33"),
    2: ([1, 2, 3, 5, 6, 8, 10, 11, 14, 16, 17, 22, 23, 35, 38, 44, 48, 50, 53], "00cefe7429aa8cc203aecae85553a09a"),
    3: ([0, 4, 7, 12, 15, 24, 25, 26, 27, 28, 31, 32, 33, 37, 39, 42, 46], "0e411744c6ca09b87ba830fd0c4c079c"),
}  # fmt: skip

BMP = bytes.fromhex(
    "424d5604 00000000 00003604 00002800 00000500 00000400 00000100 08000000 00002000 0000c40e 0000c40e 00000001"
    "00000001 0000"
) + bytes(byte for value in range(256) for byte in (value, value, value, 0))
"""Header and palette of a grey picture 5 wide and 4 high; versions of Pillow write other bytes."""


@pytest.mark.slow
def test_a_table_without_such_cells_gives_the_table_and_folds_that_it_gave_before(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    rows = [
        [f"img/{n}.bmp", f"text {n}, of a photo", "abc"[random.integers(3)], "xy"[random.integers(2)],
         f"P{random.integers(20)}"]
        for n in range(60)
    ]  # fmt: skip
    (tmp_path / "img").mkdir()
    for number in range(60):
        (tmp_path / f"img/{number}.bmp").write_bytes(BMP + (bytes([4 * number]) * 5 + bytes(3)) * 4)
    groups = sorted({row[4] for row in rows})
    for split, mine in (("train", groups[:12]), ("dev", groups[12:16]), ("test", groups[16:])):
        chosen = [row for row in rows if row[4] in mine]
        write_csv(
            tmp_path / f"metadata_{split}.csv", [["image", "text", "grade", "side", "patient"], *chosen]
        )
    config = DataConfig(
        reader="csv", root=tmp_path, image_column="image", text_column="text", label_columns=("grade", "side"),
        group_column="patient",
    )  # fmt: skip
    table = read_table(config)
    assert table.notes == ()
    assert table_fingerprint(table) == BEFORE
    for number, (dev, fingerprint) in FOLDS_BEFORE.items():
        folded = read_table(config.model_copy(update={"fold": FoldConfig(number=number, of=3)}))
        assert folded.rows("dev").tolist() == dev
        assert table_fingerprint(folded) == fingerprint


def test_errors_are_one_line_a_cause_and_hide_what_follows_from_them(tmp_path: Path) -> None:
    train, dev = rows_of(range(8)), rows_of(range(8, 12))
    for row in dev:
        row[0] = f"gone/{row[0]}"
    train[0][2] = "nan"
    with pytest.raises(DataError) as caught:
        read_table(table_of(tmp_path, train, dev))
    second, first = caught.value.problems  # in the order of the table
    assert first.splitlines()[0].startswith("image file is missing (4 examples); data.root")
    assert len(first.splitlines()) == 5 and first.splitlines()[-1] == "  and 1 more"
    assert second.startswith("metadata_train.csv:2: empty label")
    assert len(caught.value.examples) == 5


def test_a_wrong_root_is_one_line_that_names_the_right_one(tmp_path: Path) -> None:
    config = table_of(tmp_path / "data" / "photos", rows_of(range(8)), rows_of(range(8, 12)))
    tables = tmp_path / "data"
    for split in ("train", "dev"):
        (tables / "photos" / f"metadata_{split}.csv").rename(tables / f"metadata_{split}.csv")
    with pytest.raises(DataError) as caught:
        read_table(config.model_copy(update={"root": tables}))
    (line,) = caught.value.problems
    assert "none of 12" in line
    assert str(tables / "photos") in line


def test_ids_and_labels_that_differ_by_case_alone_stop_the_reading(tmp_path: Path) -> None:
    train, dev = rows_of(range(8)), rows_of(range(8, 12))
    train[1][3], train[4][2], train[5][2] = "p0", "A", "B"
    with pytest.raises(DataError) as caught:
        read_table(table_of(tmp_path, train, dev))
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        "metadata_train.csv:3: group in two spellings that look alike: 'p0', 'P0'",
        "label of task 'grade' in two spellings that look alike (2 examples)",
    ]
    train[1][3] = "P0"
    mapped = table_of(tmp_path, train, dev, label_map={"grade": {"A": "a", "B": "b"}})
    assert read_table(mapped).tasks[0].classes == ("a", "b")


@pytest.mark.parametrize("twin", ["ct", "CT\u200b", "\ufeffCT", "\uff23\uff34", "C\u00adT"])
def test_what_looks_like_another_value_is_its_twin(twin: str) -> None:
    assert case_twins(["CT", "CT", twin]) == {twin: "CT"}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [("7", "07", True), ("7", "+7", True), ("0", "00", True), ("1.1", "1.10", False), ("P7", "P07", False)],
)
def test_numbers_with_zeros_in_front_are_twins(one: str, other: str, alike: bool) -> None:
    assert bool(case_twins([one, one, other])) == alike


def test_labels_that_share_a_cell_are_mapped_and_compared_one_by_one() -> None:
    cells = ["a; b", "A;b", "a", "none", "x"]
    task = {"tasks": {"grade": {"separator": ";"}}}
    rows, faults, notes = understood({**task, "label_map": {"grade": {"x": "b"}}}, label=cells)
    assert [len(own) for own in faults] == [0, 1, 0, 0, 0] and "'A', 'a'" in faults[1][0].detail
    assert parts(rows[4].labels[0], TaskConfig(separator=";")) == ("b",)
    assert not any("none" in note for note in notes)
    assert [row.labels for row in rows[:4]] == [("a;b",), ("A;b",), ("a",), ("none",)]
    settings = TaskConfig(separator=";", negative="no;ne")
    assert [cell_parts(cell, settings) for cell in ("a;b", " no;ne ", "a", "")] == [
        ["a", "b"],
        [" no;ne "],
        ["a"],
        [""],
    ]
    assert cell_parts("a;b", TaskConfig()) == ["a;b"]


def test_a_class_that_may_stand_for_nothing_is_noted_and_kept() -> None:
    rows, _, notes = understood(label=["NA", "a", "NA", "b"])
    assert rows[0].labels == ("NA",) and any("'NA'" in note and "2" in note for note in notes)
    assert not understood({"label_map": {"grade": {"NA": "NA"}}}, label=["NA", "a", "b"])[2]


def test_a_group_that_may_stand_for_nothing_is_noted_and_kept() -> None:
    rows, _, notes = understood(group=["unknown", "P1", "unknown"])
    assert rows[0].group == "unknown"
    assert any(note.startswith("group: 'unknown'") and "2" in note for note in notes)


def test_what_follows_from_another_fault_is_no_fault_of_its_own(tmp_path: Path) -> None:
    """A class that only bad rows of train have, and splits and tasks that are empty without bad rows."""
    train, dev = rows_of(range(8)), rows_of(range(8, 12))
    for row in train[1::2]:
        row[0] = f"gone/{row[0]}"
    dev[0][0] = dev[1][0] = dev[2][0] = dev[3][0] = "gone.png"
    with pytest.raises(DataError) as caught:
        read_table(table_of(tmp_path, train, dev))
    (problem,) = caught.value.problems
    assert problem.startswith("image file is missing (8 examples)")


def test_a_text_longer_than_any_model_reads_is_cut_and_that_is_noted() -> None:
    long = "x" * LONGEST_TEXT
    found, _, notes = interpreted(examples(text=[long + "y", long, "short"]), ("label",), DataConfig())
    assert [example.text for example in found] == [long, long, "short"]
    assert len(notes) == 1 and notes[0].startswith("text: 1 ")


@pytest.mark.parametrize(
    ("cell", "is_odd"),
    [
        ("a;b", False),
        ("none", False),
        ("", False),
        ("a;", False),
        ("none;a", True),
        ("a; none", True),
        (" ; ", True),
    ],
)
def test_labels_that_contradict_each_other_are_a_fault(cell: str, is_odd: bool) -> None:
    _, faults, _ = understood({"tasks": {"grade": {"separator": ";"}}}, label=["a", "b", cell])
    assert [bool(own) for own in faults] == [False, False, is_odd]


@pytest.mark.parametrize(("cell", "is_odd"), [("No Finding", False), ("b", False), ("No Finding;b", True)])
def test_labels_that_contradict_each_other_once_they_are_mapped_are_a_fault(cell: str, is_odd: bool) -> None:
    config = {"tasks": {"grade": {"separator": ";"}}, "label_map": {"grade": {"No Finding": "none"}}}
    rows, faults, _ = understood(config, label=["a", "b", cell])
    assert [bool(own) for own in faults] == [False, False, is_odd]
    assert is_odd or rows[2].labels == (cell.replace("No Finding", "none"),)


@pytest.mark.parametrize(("texts", "empty"), [("ab", 0), (["", ""], 0), (["", "a", " "], 2), ([], 0)])
def test_examples_without_a_text_are_noted_where_others_have_one(texts: list[str], empty: int) -> None:
    noted = [f"{empty} examples of {len(texts)} have none"] * bool(empty)
    assert [note.removeprefix("text: ").partition(",")[0] for note in empty_texts(texts)] == noted
    if texts:
        told = [understood({"missing": missing}, text=texts)[2] for missing in ("stop", "allow")]
        assert told == [empty_texts(texts), []]


def test_words_for_nothing_may_be_written_in_any_case_on_either_side() -> None:
    config = {"missing_values": [" NIL", "n/A"]}
    rows, _, notes = understood(config, label=["nil", "N/a ", "x", "NIL "], text=["Nil", "y", "y", "y"])
    assert [row.labels[0] for row in rows] == ["", "", "x", ""] and [row.text for row in rows] == [
        "",
        "y",
        "y",
        "y",
    ]
    assert notes == [
        "text: 1 cell is missing, of them written as a word 'Nil': 1",
        "label grade: 3 cells are missing, of them written as a word 'nil': 1, 'N/a': 1, 'NIL': 1",
        *empty_texts(["", "y", "y", "y"]),
    ]
    assert understood(label=["", " ", "x"])[2] == []
    assert understood(label=["", "nan", "x", "nan"])[2] == [
        "label grade: 3 cells are missing, of them written as a word 'nan': 2"
    ]


def test_three_spellings_are_shown_and_the_others_counted() -> None:
    for count, more in ((3, ""), (4, "; and 1 more")):
        values = [spelled for n in range(count) for spelled in (f"p{n}", f"p{n} ")]
        rows, _, (note,) = understood(group=values)
        assert [row.group for row in rows] == [f"p{n}" for n in range(count) for _ in range(2)]
        assert note.endswith(f"'p2', 'p2 ' as 'p2'{more}")


def test_values_look_alike_but_for_blanks_case_and_what_is_not_seen() -> None:
    pairs = {"a  b": "a b", "A\tB": "a b", "\u200ba": "a", "ｃｔ": "ct", "007": "7", "0": "00", "+5": "5"}
    for one, other in pairs.items():
        assert case_twins([other, other, one]) == {one: other}, one
    for one, other in {"ab": "a b", "-5": "5", "1.0": "1", "07a": "7a", "é": "e"}.items():
        assert case_twins([other, other, one]) == {}, one
    assert case_twins(["b", "B", "B", "", ""]) == {"b": "B"}


def test_the_spelling_of_most_train_rows_is_right_also_among_labels_that_share_a_cell() -> None:
    splits: list[Split] = ["train", "dev", "dev", "train"]
    rows = [
        RawExample(str(n), "", "", (label,), f"p{n}", split, f"t:{n}")
        for n, (label, split) in enumerate(zip(["Mild;x", "mild", "mild;x", "x"], splits, strict=True))
    ]
    config = DataConfig.model_validate({"tasks": {"grade": {"separator": ";"}}})
    _, faults, _ = interpreted(rows, ("grade",), config)
    assert [len(own) for own in faults] == [0, 1, 1, 0] and faults[1][0].detail == "'mild', 'Mild'"
    groups = [RawExample(str(n), "", "", ("a",), group, split, f"t:{n}") for n, (group, split) in enumerate(
        zip(["P", "p", "p", "q"], splits, strict=True))]  # fmt: skip
    _, faults, _ = interpreted(groups, ("grade",), DataConfig())
    assert [len(own) for own in faults] == [0, 1, 1, 0]


def test_spellings_of_the_map_that_stand_in_no_cell_are_noted() -> None:
    config = {"label_map": {"grade": {"x": "a", "Y": "b", "z": "z"}}}
    _, _, notes = understood(config, label=["x ", "a", "b", "y"])
    assert [note.partition(":")[0] for note in notes if "maps nothing" in note] == [
        "data.label_map.grade"
    ] * 2
    assert any("'Y'" in note for note in notes) and any("'z'" in note for note in notes)


def test_a_word_for_nothing_is_none_only_of_a_label_that_columns_make() -> None:
    settings: dict[str, Any] = {"joined": {"separator": ";"}, "made": {"columns": ["a", "b"]}}
    read = {"reader": "csv", "image_column": "i", "text_column": "t"}
    labels = {"label_columns": ["plain", "joined", "made"], "tasks": settings}
    config = parse_config({"data": {**read, **labels}}).data
    assert [values._has_columns(task, config) for task in ("plain", "joined", "made")] == [False, False, True]


def test_a_column_whose_name_looks_like_one_that_is_read_is_noted() -> None:
    (note,) = column_notes("t.jsonl", ["image", "Label", "label", "text", "Text "], {"image", "label"})
    assert "'Label'" in note and note.endswith("'label' is read")


@pytest.mark.parametrize(
    ("rows", "said"),
    [([("a", "P1", "x", "train"), ("b", "P1", "x", "test")], "group: 'P1'"),
     ([("a", "P1", "x", "train"), ("a", "P2", "x", "dev")], "image: 'a'"),
     ([("a", "P1", "x", "train"), ("a", "P1", "y", "train")], "image: 1 file"),
     ([("a", "P1", "x", "train"), ("a", "P1", "", "train"), ("b", "P1", "x", "unlabelled"), ("", "P2", "x", "dev"),
       ("", "P3", "y", "train")], "")],
)  # fmt: skip
def test_what_several_splits_share_and_labels_that_contradict_each_other_are_noted(
    rows: list[tuple[str, str, str, Split]], said: str
) -> None:
    held = [
        RawExample(f"{n}", image, "", (label,), group, split, f"t.csv:{n}")
        for n, (image, group, label, split) in enumerate(rows)
    ]
    notes = repeated(held, [row[0] for row in rows])
    assert len(notes) == bool(said) and all(note.startswith(said) for note in notes)


@pytest.mark.parametrize(
    ("word", "is_noted"),
    [("No Finding", True), ("no", True), ("0", True), ("none", False), ("nodule", False)],
)
def test_a_label_that_may_say_that_there_is_none_is_noted(word: str, is_noted: bool) -> None:
    settings = {"tasks": {"grade": {"separator": ";"}}}
    assert any("negative" in note for note in understood(settings, label=[word, "a;b", "b"])[2]) is is_noted
    assert understood(label=["no", "a", "b"])[2] == []
