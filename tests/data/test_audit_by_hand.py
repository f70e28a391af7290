"""What the audit counts, on tables that are counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distune.data.audit.audit import _split_findings, audit
from distune.data.audit.bag_of_words import word_baselines
from distune.data.audit.files import FileForm, file_findings, file_section
from distune.data.audit.labels import (
    balance_findings,
    class_balance,
    lookalike_label_findings,
    unseen_pair_findings,
)
from distune.data.audit.leaks import duplicate_findings, group_findings, same_caption_findings
from distune.data.audit.participant_flow import participant_flow
from distune.data.audit.repeats import repeat_findings
from distune.data.audit.texts import empty_text_findings, named_label_findings, text_lengths, word_findings
from distune.data.audit.values import reading_findings
from distune.data.table import MISSING, Split, Table, Task


def table(
    labels: Sequence[Sequence[int]],
    splits: Sequence[Split],
    texts: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    tasks: Sequence[Task] = (Task("kind", ("a", "b")),),
    dropped: tuple[str, ...] = (),
) -> Table:
    ids = tuple(f"e{n}" for n in range(len(splits)))
    return Table(
        Path("/data"), ids, ids, tuple(texts or ids), np.array(labels), tuple(groups or ids), tuple(splits),
        tuple(tasks), dropped,
    )  # fmt: skip


def test_the_guess_is_the_most_frequent_class_of_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a, which one of four dev examples has: its F1 is 2 / (4 + 1), that of b zero."""
    labels = [[0]] * 6 + [[1]] * 4 + [[1]] * 3 + [[0]]
    texts = ["left one"] * 6 + ["right one"] * 4 + ["right one"] * 3 + ["left one"]
    (found,) = word_baselines(table(labels, ["train"] * 10 + ["dev"] * 4, texts))
    assert (found.macro_f1, found.guessing) == (1.0, pytest.approx((2 / 5 + 0) / 2))
    assert (found.words["a"][0], found.words["b"][0]) == ("left", "right")
    assert "one" not in (*found.words["a"][:1], *found.words["b"][:1])
    (said,) = word_findings([found])
    assert said.severity == "severe"
    texts[-1] = (
        "right one"  # every dev example is taken for b, of which three are: an F1 of 6 / 7 and one of zero
    )
    (missed,) = word_baselines(table(labels, ["train"] * 10 + ["dev"] * 4, texts))
    assert missed.macro_f1 == pytest.approx(3 / 7)
    monkeypatch.setattr("distune.data.audit.bag_of_words.LARGEST_VOCABULARY", 1)
    texts = ["left"] * 6 + ["right"] * 4 + ["right right right"] * 4
    (few,) = word_baselines(table(labels, ["train"] * 10 + ["dev"] * 4, texts))
    assert (few.words["a"], few.words["b"]) == (("left",), ()), "the words are those of train"


def forms(widths: Sequence[int]) -> list[FileForm]:
    return [FileForm("PNG", "RGB", width, 10) for width in widths]


def test_the_form_of_files_tells_a_class_only_above_chance() -> None:
    half = [[0], [1]] * 10
    asked = table(half * 2, ["train"] * 20 + ["dev"] * 20)
    assert file_findings(asked, forms([10] * 40)) == []  # one class alone is named: a third, below chance
    (told,) = file_findings(asked, forms([10, 20] * 20))
    assert (told.kind, told.severity) == ("file_form_tells_class", "severe")
    some = (
        [10, 20] * 10 + [10, 20] * 7 + [20, 10] * 3
    )  # 14 of 20 right: a macro F1 of 0.7, four tenths of the way
    assert [found.severity for found in file_findings(asked, forms(some))] == ["warning"]
    few = [10, 20] * 10 + [10, 20] * 6 + [20, 10] * 4  # 12 of 20: two tenths
    assert file_findings(asked, forms(few)) == []
    (first, second) = file_section(asked, forms([10, 20] * 20)).rows
    assert (first["median width"], second["median width"], first["files"]) == (10.0, 20.0, "PNG RGB: 20")
    one_tall = [*forms([10] * 39), FileForm("JPEG", "L", 30, 90)]
    assert [row["median height"] for row in file_section(asked, one_tall).rows] == [10.0, 10.0]
    assert file_section(asked, one_tall).rows[1]["files"] == "PNG RGB: 19, JPEG L: 1"
    (row, _) = file_section(asked, [FileForm("PNG", "RGB", 30, 90)] * 40).rows
    assert (row["median width"], row["median height"]) == (30.0, 90.0)


def test_what_stands_more_than_once_counts_without_its_first() -> None:
    rows = table([[0]] * 6, ["train"] * 5 + ["dev"], ["x"] * 6, ["p"] * 6)
    rows_and_images = repeat_findings(rows, ["1", "1", "1", "2", "3", "1"])
    assert [found.kind for found in rows_and_images] == ["duplicate_rows", "repeated_images"]
    assert "2 of 6" in rows_and_images[0].detail and "in 3 of 6" in rows_and_images[1].detail
    assert rows_and_images[0].rows[0]["examples"] == 3
    assert repeat_findings(rows, ["1", "2", "3", "4", "5", "1"]) == []  # in two splits: a leak, not a repeat


def test_images_of_two_in_a_hundred_examples_that_stand_again_are_a_warning() -> None:
    for count, severity in ((99, "warning"), (100, "warning"), (101, "info")):
        names = [str(n) for n in range(count)]
        rows = table([[0]] * count, ["train"] * count, names, ["p"] * count)
        (found,) = repeat_findings(rows, [names[1], *names[1:]])
        assert (found.kind, found.severity) == ("repeated_images", severity)
        assert f"1 image stands in 2 of {count} examples" in found.detail


def test_cases_images_and_texts_in_two_splits() -> None:
    splits: list[Split] = ["train"] * 3 + ["dev"] * 2 + ["test"]
    one = table([[0], [1], [0], [0], [1], [0]], splits, ["five words are in this"] * 5 + ["b"],
                ["p", "p", "q", "p", "r", "q"])  # fmt: skip
    (cases,) = group_findings(one)
    assert cases.severity == "severe" and [dict(row) for row in cases.rows] == [
        {"group": "p", "train": 2, "dev": 1, "test": 0},
        {"group": "q", "train": 1, "dev": 0, "test": 1},
    ]
    across, contrary = duplicate_findings(one, ["1", "1", "2", "2", "3", "3"])
    assert (across.severity, contrary.severity) == ("severe", "warning")
    assert [(row["first"], row["second"]) for row in across.rows] == [("e2", "e3"), ("e4", "e5")]
    assert [(row["first"], row["second"], row["same case"]) for row in contrary.rows] == [
        ("e0", "e1", "yes"),
        ("e4", "e5", "no"),
    ]
    (caption,) = same_caption_findings(one)
    assert caption.severity == "warning" and "2 examples" in caption.detail  # those of dev, of three
    assert same_caption_findings(table([[0]] * 2, ["train", "dev"], ["too few words"] * 2)) == []


def test_classes_that_are_rare_uneven_alike_or_never_seen_together() -> None:
    tasks = (Task("kind", ("a", "b")), Task("place", ("Top", "top ")))
    labels = [[0, 0]] * 110 + [[1, 0]] * 9 + [[1, 1], [1, 1], [0, 1], [MISSING, 1]]
    found = table(labels, ["train"] * 119 + ["dev"] * 3 + ["test"], tasks=tasks)
    kind = [
        (each.kind, [dict(row) for row in each.rows])
        for each in balance_findings(found)
        if each.title.startswith("kind")
    ]
    assert kind == [
        ("rare_classes", [{"class": "b", "examples": 9}]),
        ("uneven_classes", []),
        ("few_to_judge", [{"class": "a", "examples": 1}, {"class": "b", "examples": 2}]),
    ]
    assert [dict(row) for row in class_balance(found).rows][:2] == [
        {"task": "kind", "class": "a", "train": 110, "dev": 1, "test": 0, "share of train": 0.9244},
        {"task": "kind", "class": "b", "train": 9, "dev": 2, "test": 0, "share of train": 0.0756},
    ]
    (unseen,) = unseen_pair_findings(found)
    assert [dict(row) for row in unseen.rows] == [
        {"kind": "a", "place": "top ", "dev": 1, "test": 0},
        {"kind": "b", "place": "top ", "dev": 2, "test": 0},
    ]
    for rarest in (0, 1):
        *_, uneven = balance_findings(table([[0]] * 30 + [[1]] * rarest, ["train"] * (30 + rarest)))
        assert uneven.kind == "uneven_classes" and " 30 times " in uneven.title
    (alike,) = lookalike_label_findings(found)
    assert alike.rows[0]["task"] == "place"


def test_a_set_without_a_test_split_is_told_from_one_with() -> None:
    (finding,) = _split_findings(table([[0]] * 2, ["train", "dev"]))
    assert finding.kind == "no_test_split"
    assert _split_findings(table([[0]] * 3, ["train", "dev", "test"])) == []


def test_texts_are_counted_by_split_class_and_name() -> None:
    tasks = (Task("grade", ("mild", "severe")),)
    texts = ["mild fever", "", "a severe one of five", "severely ill", "no word", "x"]
    one = table([[0], [0], [1], [1], [0], [1]], ["train"] * 4 + ["dev"] * 2, texts, tasks=tasks)
    train, dev = text_lengths(one).rows
    assert (train["texts"], train["empty"], train["mean words"], train["median"], train["longest"]) == (
        4, 1, 2.2, 2.0, 5,
    )  # fmt: skip
    assert (dev["split"], dev["texts"], dev["median"]) == ("dev", 2, 1.5)
    (empty,) = empty_text_findings(one)
    assert empty.severity == "warning" and [(row["empty"], row["of"]) for row in empty.rows] == [
        (1, 3),
        (0, 3),
    ]
    (named,) = named_label_findings(one)
    assert named.severity == "warning" and [row["texts that name it"] for row in named.rows] == [1, 2]
    tasks = (Task("place", ("Brain", "Knees")),)
    two = table([[0], [0], [1], [1]], ["train"] * 4, ["brains", "brainstem", "knees", "an eye"], tasks=tasks)
    (named,) = named_label_findings(two)
    assert [row["texts that name it"] for row in named.rows] == [1, 1], "of a short word only its plural"


def test_the_flow_counts_rows_cases_and_causes() -> None:
    splits: list[Split] = ["train", "train", "dev", "unlabelled"]
    dropped = ("t.csv:2: image is not there: 'x'; more", "t.csv:3: image is not there: 'y'", "t.csv:9: empty")
    rows = participant_flow(table([[0]] * 4, splits, groups=["p", "p", "q", "r"], dropped=dropped)).rows
    assert [tuple(row.values()) for row in rows] == [
        ("rows read", 7, ""),
        ("dropped: image is not there", 2, ""),
        ("dropped: empty", 1, ""),
        ("train", 2, 1),
        ("dev", 1, 1),
        ("without labels, for the teacher's answers alone", 1, 1),
    ]


def test_every_note_of_the_reading_is_repeated() -> None:
    one = table([[0], [1]], ["train", "dev"])
    assert reading_findings(one) == []
    (found,) = reading_findings(replace(one, notes=("as it is", "and more")))
    assert found.severity == "info" and [dict(row) for row in found.rows] == [
        {"read": "as it is"},
        {"read": "and more"},
    ]


def test_the_severest_finding_comes_first() -> None:
    splits: list[Split] = ["train", "train", "train", "dev"]
    one = table([[0], [1], [0], [1]], splits, texts=["mild", "", "c", "d"], groups=["p", "q", "r", "p"])
    found = audit(replace(one, images=("",) * 4, may_lack=True)).findings
    ranks = ["severe", "warning", "info"]
    assert [finding.severity for finding in found] == sorted((f.severity for f in found), key=ranks.index)
    assert found[0].severity == "severe" and found[-1].severity != "severe"
