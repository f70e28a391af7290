"""What the audit says of images, texts and labels that are written here, at the edges of its rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distune.data.audit import perceptual_hash
from distune.data.audit.audit import MOST_CLASSES, _many_class_findings, _with_few_classes, audit
from distune.data.audit.bag_of_words import TOP_WORDS, WordBaseline, word_baselines
from distune.data.audit.files import FileForm, file_findings, file_forms, file_section
from distune.data.audit.findings import MOST_ROWS, AuditReport, AuditSection, Finding, by_severity
from distune.data.audit.labels import (
    balance_findings,
    class_balance,
    lookalike_label_findings,
    unseen_pair_findings,
)
from distune.data.audit.leaks import (
    _near,
    duplicate_findings,
    evaluation_splits,
    group_findings,
    near_duplicate_findings,
    same_caption_findings,
    twin_case_findings,
)
from distune.data.audit.participant_flow import participant_flow
from distune.data.audit.perceptual_hash import alike, difference_hashes, moved, near_duplicates, near_pairs
from distune.data.audit.repeats import repeat_findings
from distune.data.audit.texts import (
    _naming,
    empty_text_findings,
    named_label_findings,
    text_lengths,
    word_findings,
    word_section,
)
from distune.data.audit.values import class_word_findings
from distune.data.pixels.intensity import PixelRules
from distune.data.table import MISSING, Split, Table, Task

from .test_audit_by_hand import forms, table

KIND = Task("kind", ("a", "b"))


def pictures(count: int) -> np.ndarray:
    """Thumbnails of noise, no two of which are alike."""
    return np.random.default_rng(4).integers(0, 256, (count, 32, 32), np.uint8)


def plain(count: int, splits: Sequence[Split], **others: Sequence[str]) -> Table:
    return table([[n % 2] for n in range(count)], splits, **others)  # type: ignore[arg-type]


@pytest.mark.slow
def test_twins_in_two_splits_count_in_the_later_one() -> None:
    """Rows 0 and 1 of train are shown again as 6 of dev and 8 of test, lit otherwise; 7 is the file of 2."""
    small = pictures(10)
    small[6], small[8] = small[0] // 2 + 40, 255 - (255 - small[1]) // 2
    small[7] = small[2]
    splits: list[Split] = ["train"] * 5 + ["dev"] * 3 + ["test"] * 2
    content = [str(n) for n in range(10)]
    content[7] = "2"
    groups = ["p", *"qrstuv", "p", "q", "w"]
    (found,) = near_duplicate_findings(plain(10, splits, groups=groups), content, small)
    assert [(row["first"], row["second"], row["second split"], row["same case"]) for row in found.rows] == [
        ("e0", "e6", "dev", "no"),
        ("e1", "e8", "test", "yes"),
    ]
    assert "dev: 1 (33.3%), test: 1 (50.0%)" in found.detail and found.severity == "severe"
    assert near_duplicate_findings(plain(10, splits), [str(n % 5) for n in range(10)], pictures(10)) == []
    many: list[Split] = ["train"] * 5 + ["dev"] * 100
    small = pictures(105)
    small[9] = small[0]
    (found,) = near_duplicate_findings(plain(105, many), list(map(str, range(105))), small)
    assert found.severity == "warning" and "test" not in found.detail  # 1 %
    small[10] = small[1]
    (found,) = near_duplicate_findings(plain(105, many), list(map(str, range(105))), small)
    assert found.severity == "severe"  # 2 %


def test_a_picture_in_many_rows_is_compared_once_and_every_row_with_a_twin_is_touched() -> None:
    """As a picture that stands in for every missing one: pairs of all with all would be rows squared."""
    random = np.random.default_rng(3)
    distinct = pictures(6)
    distinct[1], distinct[5] = distinct[0] // 2 + 40, 9  # 0 and 1 are alike, 5 is of one colour
    shown = random.integers(0, 6, 300)
    small, rows = distinct[shown], np.arange(300)
    first, second = rows[:150], rows[150:]
    apart = random.integers(0, 4, 300).tolist()
    pairs = [tuple(pair) for pair in near_duplicates(small, first, second, 6, 0.97).tolist()]
    every = {(one, other) for one, other in pairs if apart[one] != apart[other]}
    found = _near(small, perceptual_hash.pictures(small), first, second, apart)
    assert set(found) < every and len(set(found)) == len(found) <= 2 * 150
    assert {row for _, row in found} == {row for _, row in every}
    for one, other in found:
        assert one == min(row for row, partner in every if partner == other and shown[row] == shown[one])


def test_twins_within_a_split_count_only_where_they_are_two_cases() -> None:
    small = pictures(8)
    small[1], small[3], small[7] = small[0], small[2] // 2 + 30, small[6]
    splits: list[Split] = ["train"] * 4 + ["dev"] * 2 + ["test"] * 2
    content = [str(n) for n in range(8)]
    content[1] = "0"
    groups = ["p", "p", "q", "r", "s", "t", "u", "v"]
    (found,) = twin_case_findings(plain(8, splits, groups=groups), content, small)
    assert [(row["first"], row["second"]) for row in found.rows] == [("e2", "e3")]
    assert found.severity == "warning" and "2 images of train and dev (33.3%)" in found.detail
    groups[1] = "x"
    (found,) = twin_case_findings(plain(8, splits, groups=groups), content, small)
    assert [(row["first"], row["second"]) for row in found.rows] == [("e0", "e1"), ("e2", "e3")]
    one_colour = np.full((4, 32, 32), 7, np.uint8)
    (found,) = twin_case_findings(plain(4, ["train"] * 4), ["1", "1", "2", "3"], one_colour)
    assert [(row["first"], row["second"]) for row in found.rows] == [("e0", "e1")]  # equal files alone
    large = pictures(101)
    large[1] = large[0]
    (found,) = twin_case_findings(plain(101, ["train"] * 101), list(map(str, range(101))), large)
    assert found.severity == "info"  # 2 of 101


def test_equal_files_in_two_splits_and_with_other_labels() -> None:
    splits: list[Split] = ["train", "train", "train", "dev", "dev"]
    both = Task("other", ("x", "y"))
    rows = table([[0, 0], [0, 0], [0, 1], [0, 1], [1, MISSING]], splits, tasks=(KIND, both))
    across, contrary = duplicate_findings(rows, ["1", "1", "1", "1", "2"])
    assert [(row["first"], row["second"]) for row in across.rows] == [("e0", "e3")]
    assert [
        (row["first"], row["second"], row["first labels"], row["second labels"]) for row in contrary.rows
    ] == [("e0", "e2", "a, x", "a, y")]
    (unknown,) = duplicate_findings(rows, list("12344"))
    assert unknown.kind == "same_image_other_label" and unknown.rows[0]["second labels"] == "b, unknown"


def test_groups_are_none_where_every_row_has_its_own() -> None:
    splits: list[Split] = ["train", "train", "dev"]
    assert [found.kind for found in group_findings(plain(3, splits))] == ["no_groups"]
    assert group_findings(plain(3, splits, groups=["p", "p", "q"])) == []
    (found,) = group_findings(plain(3, splits, groups=["p", "q", "p"]))
    assert dict(found.rows[0]) == {"group": "p", "train": 1, "dev": 1} and "1 of 2 cases" in found.detail
    (found,) = group_findings(plain(4, ["train", "dev", "test", "train"], groups=list("pppp")))
    assert dict(found.rows[0]) == {"group": "p", "train": 2, "dev": 1, "test": 1}, "in whatever order"
    assert evaluation_splits(plain(3, splits)) == ("dev",)
    assert evaluation_splits(plain(2, ["train", "test"])) == ("test",)


def test_captions_of_five_words_in_two_splits_and_two_cases() -> None:
    splits: list[Split] = ["train", "dev", "dev", *["dev"] * 18]
    text, short = "just five words of text", "only four words here"
    texts = [text, text, short, *(f"caption of number {n} alone" for n in range(18))]
    groups = [*"pqr", *map(str, range(18))]
    (found,) = same_caption_findings(plain(21, splits, texts=texts, groups=groups))
    assert found.severity == "warning" and "1 text, 1 example of dev (5.0%)" in found.detail
    assert found.rows[0]["text"] == text and (found.rows[0]["first"], found.rows[0]["second"]) == ("e0", "e1")
    assert same_caption_findings(plain(21, splits, texts=texts, groups=["p", "p", *groups[2:]])) == []
    more: list[Split] = [*splits, "dev"]
    (found,) = same_caption_findings(plain(22, more, texts=[*texts, "z"], groups=[*groups, "z"]))
    assert found.severity == "info"  # 1 of 21


def test_rows_between_the_first_and_the_last_count() -> None:
    splits: list[Split] = ["train", "dev", "test", "train"]
    text = "a word " * 40
    (found,) = same_caption_findings(plain(4, splits, texts=[text] * 4, groups=list("pqrp")))
    assert "2 examples of dev and test (100.0%)" in found.detail and found.rows[0]["text"] == text[:200]
    for each in (found, *duplicate_findings(table([[0], [1], [0], [0]], splits), ["1"] * 4)):
        assert [(row["first"], row["second"]) for row in each.rows] == [("e0", "e1")], each.kind


def test_classes_of_ten_are_not_rare_and_ten_times_is_not_uneven() -> None:
    labels = [[0]] * 100 + [[1]] * 10 + [[MISSING]] * 3 + [[0]] * 10 + [[1]] * 9
    splits: list[Split] = ["train"] * 113 + ["test"] * 19
    found = balance_findings(table(labels, splits))
    assert [(each.kind, [dict(row) for row in each.rows]) for each in found] == [
        ("few_to_judge", [{"class": "b", "examples": 9}])
    ]
    assert "test" in found[0].title
    rows = class_balance(table(labels, splits)).rows
    assert [(row["train"], row["test"], row["share of train"]) for row in rows] == [
        (100, 10, 0.9091),
        (10, 9, 0.0909),
    ]
    assert "dev" not in rows[0]
    (uneven,) = balance_findings(table([[0]] * 101 + [[1]] * 10, ["train"] * 111))
    assert uneven.kind == "uneven_classes" and "10 times" in uneven.title


def test_pairs_of_labels_that_train_never_shows() -> None:
    tasks = (KIND, Task("organ", ("x", "y")), Task("side", ("l", "r")))
    labels = [[0, 0, 0], [1, 1, 1], [0, 1, 0], [0, MISSING, 1], [0, 0, 0]]
    splits: list[Split] = ["train", "train", "dev", "dev", "test"]
    found = unseen_pair_findings(table(labels, splits, tasks=tasks))
    assert [(each.title.split(" that")[0], [tuple(row.values()) for row in each.rows]) for each in found] == [
        ("label pairs of kind and organ", [("a", "y", 1, 0)]),
        ("label pairs of kind and side", [("a", "r", 1, 0)]),
        ("label pairs of organ and side", [("y", "l", 1, 0)]),
    ]
    assert "1 pair, 1 example of dev and test" in found[0].detail


def test_names_of_classes_that_look_alike_or_like_nothing() -> None:
    tasks = (Task("t", ("CT", "ct ", "c t", "MR")), Task("u", ("None", " unknown", "x", "?")))
    rows = table([[0, 0], [1, 1], [3, 2], [3, 0]], ["train"] * 4, tasks=tasks)
    (alike_names,) = lookalike_label_findings(rows)
    assert (
        alike_names.rows[0] == {"task": "t", "classes": "'CT', 'ct ', 'c t'"} and len(alike_names.rows) == 1
    )
    (like_nothing,) = class_word_findings(rows)
    assert [(row["class"], row["examples"]) for row in like_nothing.rows] == [
        ("None", 2),
        (" unknown", 1),
        ("?", 0),
    ]


def test_repeats_are_a_warning_from_two_in_a_hundred_on() -> None:
    for count, severity in ((100, "warning"), (101, "info")):
        content = [str(n) for n in range(count)]
        content[1] = "0"
        rows = plain(count, ["train"] * count, groups=["p"] * count)
        (found,) = repeat_findings(rows, content)
        assert (found.kind, found.severity) == ("repeated_images", severity)
        assert f"1 image stands in 2 of {count} examples" in found.detail
    same = table([[0], [0], [1], [0]], ["train"] * 4, ["t"] * 4, ["p", "p", "p", "q"])
    found_rows, images = repeat_findings(same, ["1"] * 4)
    assert (
        found_rows.rows[0]["examples"] == 2 and "1 of 4 rows" in found_rows.detail
    )  # labels and cases count
    assert images.rows[0]["examples"] == 3


@pytest.mark.parametrize(
    ("score", "severity"), [(0.99, "severe"), (0.9899, "warning"), (0.9, "warning"), (0.8999, "info")]
)
def test_words_alone(score: float, severity: str) -> None:
    baseline = WordBaseline("kind", score, 0.25, {"a": ("x", "y"), "b": ()})
    (found,) = word_findings([baseline])
    assert found.severity == severity and "0.2500" in found.detail and f"{score:.4f}" in found.title
    first, second = word_section([baseline]).rows
    assert tuple(first.values()) == ("kind", score, 0.25, "a", "x, y") and second["strongest words"] == ""


def test_a_bag_of_words_learns_from_train_and_known_labels_alone() -> None:
    tasks = (Task("kind", ("a", "b", "c")), Task("side", ("l", "r")))
    texts = ["red one", "green one", "blue one"] * 4 + ["red", "green", "blue", "testword"]
    labels = [[n % 3, n % 2] for n in range(12)] + [[0, 0], [1, MISSING], [2, 1], [0, 0]]
    labels[0][1] = MISSING
    splits: list[Split] = ["train"] * 12 + ["dev"] * 3 + ["test"]
    kind, side = word_baselines(table(labels, splits, texts, tasks=tasks))
    assert kind.macro_f1 == 1.0 and kind.guessing == pytest.approx(0.5 / 3)  # a: F1 of 2 / 4
    assert {name: words[0] for name, words in kind.words.items()} == {"a": "red", "b": "green", "c": "blue"}
    assert not any("testword" in words for words in kind.words.values())
    assert side.task == "side" and set(side.words) == {"l", "r"}
    assert word_baselines(table([[0], [1], [0]], ["train", "train", "dev"], ["", "", "x"])) == []
    many = " ".join(f"w{n}" for n in range(20))
    (one,) = word_baselines(table([[0], [1], [0]], ["train", "train", "dev"], [many, "other", many]))
    assert len(one.words["a"]) == TOP_WORDS and one.words["b"] == ("other",)


@pytest.mark.parametrize(
    ("grades", "strongest"),
    [((1, 3, 1, 3), {"b": "red", "d": "green"}), ((0, 1, 3, 0), {"a": "red", "b": "green", "d": "blue"})],
)
def test_a_grade_that_no_row_has_has_no_words(grades: tuple[int, ...], strongest: dict[str, str]) -> None:
    words = ("red", "green", "red", "green") if len(set(grades)) == 2 else ("red", "green", "blue", "red")
    scale = (Task("grade", ("a", "b", "c", "d"), "ordinal"),)
    splits: list[Split] = ["train"] * 4 + ["dev"]
    (found,) = word_baselines(
        table([[n] for n in (*grades, grades[0])], splits, [*words, "red"], tasks=scale)
    )
    assert {name: first for name, (first, *_) in found.words.items()} == strongest and found.macro_f1 == 1.0


def test_texts_by_length_and_gaps() -> None:
    texts = [" ".join("x" * n) for n in range(20)] + ["a b"]
    lengths = text_lengths(plain(21, [*["train"] * 20, "dev"], texts=texts)).rows  # type: ignore[list-item]
    assert [row["split"] for row in lengths] == ["train", "dev"]
    assert (lengths[0]["95th percentile"], lengths[0]["empty"], lengths[0]["mean words"]) == (18.05, 1, 9.5)
    for count, severity in ((10, "warning"), (11, "info")):
        (found,) = empty_text_findings(plain(count, ["train"] * count, texts=[" ", *["x"] * (count - 1)]))
        assert found.severity == severity and f"1 of {count}" in found.detail
        assert [(row["empty"], row["of"]) for row in found.rows] == [(1, -(-count // 2)), (0, count // 2)]
    assert empty_text_findings(plain(2, ["train"] * 2, texts=["x", "y"])) == []


@pytest.mark.parametrize(
    ("name", "classes", "text", "names_it"),
    [
        ("Abdomen", ("Abdomen", "Thorax"), "abdominal pain", True),
        ("Abdomen", ("Abdomen", "Thorax"), "subabdomen", False),
        ("Spine and Muscles", ("Spine and Muscles", "Head"), "and", False),
        ("mild fever", ("mild fever", "high fever"), "a fever", False),
        ("mild fever", ("mild fever", "high fever"), "milds", True),
        ("mild fever", ("mild fever", "high fever"), "milder", False),
        ("normal", ("normal", "other"), "it looks abnormal", False),
        ("normal", ("normal", "other"), "it is Normal.", True),
        ("Other system", ("Other system", "Head"), "another  other\n system", True),
        ("Other system", ("Other system", "Head"), "the other", False),
        ("MR", ("MR", "CT"), "an MRI", True),
        ("MR", ("MR", "CT"), "mri", False),
        ("MR", ("MR", "CT"), "mr", True),
        ("MR", ("MR", "MRA"), "an MRI", False),
        ("MR", ("MR", "MRA"), "an MR.", True),
        ("x", ("x", "y"), "x-ray", True),
        ("x", ("x", "y"), "xi", False),
        ("A", ("A", "B"), "an AX view", False),
        ("A", ("A", "B"), "view a", True),
        ("a+b", ("a+b", "c"), "aab", False),
    ],
)
def test_what_names_a_class(name: str, classes: tuple[str, ...], text: str, names_it: bool) -> None:
    assert bool(_naming(name, classes).search(text)) is names_it


def test_texts_that_name_their_own_label_are_many_from_a_half_on() -> None:
    task = Task("kind", ("mild", "severe"))
    for texts, severity in ((["mild", "mild", "x", "x"], "warning"), (["mild", "x", "x", "mild"], "info")):
        (found,) = named_label_findings(table([[0], [0], [1], [1]], ["train"] * 4, texts, tasks=[task]))
        mild, _ = found.rows
        own = texts[:2].count("mild")
        assert found.severity == severity and f"At least {own} of 4" in found.detail
        assert (
            mild["examples"],
            mild["texts that name it"],
            mild["texts of other classes that name it"],
        ) == (2, own, 2 - own)
    assert named_label_findings(table([[0], [1]], ["train"] * 2, ["severe", "mild"], tasks=[task])) == []


def test_the_header_of_a_file_and_what_it_tells(tmp_path: Path) -> None:
    Image.new("RGB", (4, 2)).save(tmp_path / "a.png")
    Image.new("L", (3, 5)).save(tmp_path / "b.jpg")
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.jpg")]
    assert file_forms(paths) == [FileForm("PNG", "RGB", 4, 2), FileForm("JPEG", "L", 3, 5)]
    two = Task("side", ("l", "r"))
    half = [[n % 2, n // 2 % 2] for n in range(20)]
    asked = table(half * 2, ["train"] * 20 + ["dev"] * 20, tasks=(KIND, two))
    (found,) = file_findings(asked, forms([10, 20] * 20))
    assert {row["task"] for row in found.rows} == {"kind"} and found.title.startswith("kind: ")
    shapes = [
        FileForm("PNG", "L", 100 + n % 7 * (1 + n % 2), (100 + n % 7 * (1 + n % 2)) * (1 + n % 2))
        for n in range(40)
    ]
    (by_ratio,) = file_findings(table(half * 2, ["train"] * 20 + ["dev"] * 20, tasks=(KIND, two)), shapes)
    assert by_ratio.severity == "severe"
    random = np.random.default_rng(0)
    widths = random.integers(60, 600, 400)
    sheets = [FileForm("PNG", "L", int(w), int(w * (1.1 if n % 2 else 1.0))) for n, w in enumerate(widths)]
    many = table([[n % 2] for n in range(400)], ["train"] * 200 + ["dev"] * 200)
    (by_shape,) = file_findings(many, sheets)  # neither side tells what both do
    assert by_shape.severity == "severe"
    turned = forms([10, 20] * 10 + [20, 10] * 10)  # dev is the other way round
    assert file_findings(asked, turned) == []
    kinds = [FileForm("PNG", "L", 10, 10), FileForm("PNG", "RGB", 10, 10)] * 20
    assert [each.severity for each in file_findings(asked, kinds)] == ["severe"]
    assert file_section(asked, kinds).rows[0]["files"] == "PNG L: 20"
    missing = table([[MISSING, 0], [MISSING, 1]] * 2, ["train", "train", "dev", "dev"], tasks=(KIND, two))
    assert file_findings(missing, kinds[:4]) == []


def test_findings_are_counted_cut_and_written() -> None:
    rows = tuple({"n": n} for n in range(MOST_ROWS + 1))
    severe, note = Finding("k", "severe", "t", "d", rows), Finding("l", "info", "t", "d")
    assert len(severe.rows) == MOST_ROWS == 50
    report = AuditReport((severe, Finding("m", "warning", "t", "d"), note), (AuditSection("s", ({"a": 1},)),))
    assert report.leaks == (severe,)
    assert (
        by_severity(["info", "severe", "info"]) == "1 severe finding, 2 notes"
        and by_severity([]) == "nothing"
    )
    assert by_severity(["warning"]) == "1 warning" and by_severity(["warning"] * 2) == "2 warnings"
    assert by_severity(["info", "warning", "severe"]) == "1 severe finding, 1 warning, 1 note"
    held = report.to_dict()
    assert [each["kind"] for each in held["findings"]] == ["k", "m", "l"]
    assert held["findings"][0]["rows"][1] == {"n": 1} and held["sections"] == [
        {"title": "s", "rows": [{"a": 1}]}
    ]
    whole = AuditReport((), (AuditSection("s", rows),)).to_dict()["sections"][0]["rows"]
    assert whole == [dict(row) for row in rows]


def test_hashes_and_pairs() -> None:
    steps = np.zeros((2, 8, 9), np.uint8)
    steps[1, :, 5:] = 200
    first, second = (int(value) for value in difference_hashes(steps))
    assert first == 0 and second == sum(1 << (64 - 8 * row - 5) for row in range(8))
    hashes = np.array([0, 0b111111, 0b1111111, 2**64 - 1, 0], np.uint64)
    rows = np.arange(5)
    assert near_pairs(hashes, rows[:1], rows[1:], 6).tolist() == [[0, 1], [0, 4]]
    assert near_pairs(hashes, rows[:1], rows[1:], 0).tolist() == [[0, 4]]
    assert near_pairs(hashes, rows[:2], rows[:2], 1).tolist() == [[0, 0], [1, 1]]
    spread = np.array(
        [0, sum(1 << bit for bit in (1, 11, 21, 31, 41, 51)), sum(1 << bit for bit in range(0, 64, 9))],
        np.uint64,
    )
    assert near_pairs(spread, rows[:1], rows[1:3], 6).tolist() == [[0, 1]]
    assert difference_hashes(np.empty((0, 4, 4), np.uint8)).tolist() == []


def test_moving_up_down_left_and_right() -> None:
    spot = np.zeros((1, 5, 5), np.uint8)
    spot[0, 2, 2] = 100
    for right, down, place in ((1, 0, (2, 3)), (-1, 0, (2, 1)), (0, 1, (3, 2)), (0, -1, (1, 2))):
        assert np.argwhere(moved(spot, right, down)[0] == 100).tolist() == [list(place)]
    assert moved(spot, 0.5, 0)[0, 2].tolist() == [0, 0, 50, 50, 0] and moved(spot, 0, 0) is spot
    edge = np.arange(4, dtype=np.uint8).reshape(1, 1, 4) * 10
    assert moved(edge, 1, 0).tolist() == [[[0, 0, 10, 20]]] and moved(edge, -1, 0).tolist() == [
        [[10, 20, 30, 30]]
    ]


def test_likeness_is_judged_for_every_pair_and_flat_pictures_are_like_none() -> None:
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
    small = np.stack([picture, picture * 3 + 7, 255 - picture, np.full((4, 4), 9, np.uint8)])
    pairs = np.array([[0, 1], [0, 2], [3, 3], [0, 3]])
    many = np.tile(pairs, (30_000, 1))
    found = alike(small, many, 0.97)
    assert found.shape == (120_000,) and found.reshape(-1, 4).sum(axis=0).tolist() == [30_000, 0, 0, 0]


def test_the_flow_of_a_set_with_rows_in_every_split() -> None:
    splits: list[Split] = ["train", "train", "dev", "test", "unlabelled", "unused"]
    one = plain(6, splits, groups=["p", "p", "q", "q", "p", "q"])
    rows = [tuple(row.values()) for row in participant_flow(one).rows]
    assert rows[0] == ("rows read", 6, "") and [row[1:] for row in rows[1:]] == [
        (2, 1),
        (1, 1),
        (1, 1),
        (1, 1),
        (1, 1),
    ]
    dropped = table([[0]], ["train"], dropped=("t.csv:2: a: b; c: d", "t.csv:3: a; c: d", "odd"))
    assert [tuple(row.values())[:2] for row in participant_flow(dropped).rows] == [
        ("rows read", 4), ("dropped: a", 2), ("dropped: no cause given", 1), ("train", 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_whole_audit_leaves_out_what_has_no_label_or_too_many_classes(tmp_path: Path) -> None:
    paths = []
    for number in range(6):
        values = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(values).save(tmp_path / f"{number}.png")
        paths.append(str(tmp_path / f"{number}.png"))
    paths[5] = paths[0]
    wide = Task("wide", tuple(f"c{n:03}" for n in range(MOST_CLASSES + 1)))
    splits: tuple[Split, ...] = ("train", "train", "train", "dev", "dev", "unlabelled")
    labels = np.array([[0, 0], [1, 1], [0, 2], [0, 0], [1, 1], [MISSING, MISSING]])
    texts = ("left", "right", "left", "left", "right", "left")
    names = tuple(f"e{n}" for n in range(6))
    one = Table(tmp_path, names, tuple(paths), texts, labels, names, splits, (KIND, wide))
    report = audit(one)
    kinds = [found.kind for found in report.findings]
    assert "many_classes" in kinds and "no_test_split" in kinds and "no_groups" in kinds
    assert "duplicate_images_across_splits" not in kinds  # the copy has no label
    held_out: tuple[Split, ...] = (*splits[:4], "test", "unlabelled")
    assert "no_test_split" not in [found.kind for found in audit(replace(one, splits=held_out)).findings]
    (words,) = [found for found in report.findings if found.kind == "words_alone"]
    assert words.title.startswith("kind: ") and words.severity == "severe"
    assert [section.title for section in report.sections][:2] == ["Participant flow", "Class balance"]
    assert {row["task"] for row in report.sections[-1].rows} == {"kind"}
    assert {row["task"] for row in report.sections[1].rows} == {"kind", "wide"}
    few = Task("wide", wide.classes[:MOST_CLASSES])
    assert [task.name for task in _with_few_classes(one).tasks] == ["kind"]
    assert _with_few_classes(one).labels.tolist() == labels[:, :1].tolist()
    both = replace(one, tasks=(KIND, few))
    assert [len(_many_class_findings(held)) for held in (one, both)] == [1, 0]
    assert _with_few_classes(both).tasks == both.tasks
    turned = _with_few_classes(replace(one, tasks=(wide, KIND), labels=labels[:, ::-1]))
    assert turned.tasks == (KIND,) and turned.labels.tolist() == labels[:, :1].tolist()
    signs = Task("signs", ("p", "q"), "multi_label")
    by_label = audit(replace(one, tasks=(KIND, signs), labels=labels[:, [0, 0, 0]]))
    assert {row["task"] for row in by_label.sections[1].rows} == {"kind", "signs: p", "signs: q"}


def test_images_are_compared_as_a_model_sees_them(tmp_path: Path) -> None:
    """Under the window of the data set, which shows what is bright in either as white."""
    random = np.random.default_rng(0)
    seen = random.integers(0, 250, (16, 16))
    for number in range(2):  # and a third one that is black
        bright = np.where(np.arange(16) < 8, seen, random.integers(300, 60_000, (16, 16)))
        Image.fromarray(bright.astype(np.uint16)).save(tmp_path / f"{number}.png")
    Image.new("I;16", (16, 16)).save(tmp_path / "2.png")
    one = table([[0], [0], [1]], ["train", "dev", "train"])
    one = replace(one, images=tuple(str(tmp_path / f"{number}.png") for number in range(3)))
    for rules, is_found in ((PixelRules(), False), (PixelRules(window=(128, 256)), True)):
        kinds = [found.kind for found in audit(replace(one, rules=rules)).findings]
        assert ("near_duplicate_images_across_splits" in kinds) is is_found
