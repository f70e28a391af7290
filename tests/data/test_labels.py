"""From labels as they are written to the columns of a table."""

from __future__ import annotations

import pytest

from distune.config import TaskConfig
from distune.data.labels import JOINT, encoded_label, joined_columns, parts, stratified_on, task_of
from distune.data.table import MISSING, Task, confused, exclusive_tasks, label_columns

SIGNS = TaskConfig(columns=("a", "b", "c"))


def test_classes_are_those_of_an_order_in_it_or_sorted() -> None:
    ordered = task_of("grade", TaskConfig(order=("low", "mid", "high")), {"low", "high"})
    assert (ordered.kind, ordered.classes) == ("ordinal", ("low", "mid", "high"))
    assert task_of("organ", TaskConfig(), {"knee", "brain"}).classes == ("brain", "knee")


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        (("1", "0", ""), [1, 0, MISSING]),
        (("0", "0.0", "1.0"), [0, 0, 1]),
        (("0", "0", "0"), [0, 0, 0]),
        (("", "", ""), [MISSING] * 3),
    ],
)
def test_each_column_of_a_multi_label_task_may_be_unknown(cells: tuple[str, ...], columns: list[int]) -> None:
    task = task_of("signs", SIGNS, ())
    assert encoded_label(joined_columns(SIGNS, cells), task, SIGNS) == columns
    assert (joined_columns(SIGNS, cells) == "") == (set(columns) == {MISSING})
    single = task_of("organ", TaskConfig(), {"x", "y"})
    assert [encoded_label(label, single, TaskConfig()) for label in ("y", "", "x")] == [[1], [MISSING], [0]]


def test_several_labels_of_a_cell() -> None:
    settings = TaskConfig(separator=";", negative="nothing")
    task = task_of("signs", settings, {"b", "a"})
    cells = {"b; a": [1, 1], "b": [0, 1], "nothing": [0, 0], " ": [MISSING, MISSING]}
    assert {cell: encoded_label(cell, task, settings) for cell in cells} == cells


@pytest.mark.parametrize(
    ("cells", "text", "columns"),
    [
        (("", "0", "0"), "?a", [MISSING, 0, 0]),
        (("", "", "0"), f"?a{JOINT}?b", [MISSING, MISSING, 0]),
        (("false", "True", "FALSE"), "b", [0, 1, 0]),
        (("", "1", " 1.0 "), f"?a{JOINT}b{JOINT}c", [MISSING, 1, 1]),
        (("0", "0", "0"), "none", [0, 0, 0]),
    ],
)
def test_an_unknown_column_says_nothing_about_the_others(
    cells: tuple[str, ...], text: str, columns: list[int]
) -> None:
    joined = joined_columns(SIGNS, cells)
    assert joined == text
    assert encoded_label(joined, task_of("signs", SIGNS, ()), SIGNS) == columns
    assert parts(joined, SIGNS) == tuple(name for name, has in zip("abc", columns, strict=True) if has == 1)


@pytest.mark.parametrize("cell", ["2", "yes", "-1", "0.5"])
def test_a_column_of_labels_holds_nothing_but_0_and_1(cell: str) -> None:
    with pytest.raises(ValueError, match=rf"'b'.*{cell!r}"):
        joined_columns(SIGNS, ("1", cell, "0"))


SEVERAL = TaskConfig(separator=";")


@pytest.mark.parametrize(
    ("label", "settings", "named"),
    [
        ("a; b;a ;", SEVERAL, ("a", "b")),
        (" none ", SEVERAL, ()),
        ("none; a", SEVERAL, ("none", "a")),
        ("", SEVERAL, ()),
        ("a; b", TaskConfig(), ("a; b",)),
        (" none ", TaskConfig(), (" none ",)),
        ("", TaskConfig(), ()),
        ("no sign", TaskConfig(separator="|", negative="no sign"), ()),
    ],
)
def test_the_classes_that_a_label_names(label: str, settings: TaskConfig, named: tuple[str, ...]) -> None:
    assert parts(label, settings) == named


def test_a_task_has_kind_score_and_weight_of_its_section() -> None:
    settings = TaskConfig(columns=("b", "a"), score="auroc", weight=2.5)
    task = task_of("signs", settings, {"unread"})
    assert task == Task("signs", ("b", "a"), "multi_label", "auroc", 2.5)
    assert task.settings == {"kind": "multi_label", "score": "auroc", "weight": 2.5}
    assert Task.from_plain(task.as_plain()) == task
    plain = Task("organ", ("x", "y"))
    assert plain.as_plain() == ["organ", ["x", "y"]] and Task.from_plain(plain.as_plain()) == plain


def test_labels_that_share_a_cell_are_spread_each_for_itself() -> None:
    settings = {"signs": SEVERAL}
    rows, names = stratified_on([("ab; a", "x"), ("b", "y"), ("", "x")], ("signs", "organ"), settings)
    assert names == ("signs", "signs", "signs", "organ")
    assert rows == [("a", "ab", "", "x"), ("", "", "b", "y"), ("", "", "", "x")]
    plain = [("ab; a", "x")]
    assert stratified_on(plain, ("signs", "organ"), {"organ": TaskConfig(order=("x", "y"))}) == (
        plain,
        ("signs", "organ"),
    )


def test_the_columns_of_tasks_and_of_their_labels() -> None:
    grade, signs = Task("grade", ("l", "m", "h"), "ordinal"), Task("signs", ("a", "b"), "multi_label")
    organ = Task("organ", ("x", "y"))
    assert [task.width for task in (grade, signs, organ)] == [1, 2, 1]
    assert label_columns((grade, signs, organ)) == [slice(0, 1), slice(1, 3), slice(3, 4)]
    assert exclusive_tasks(grade) == (grade,)
    assert exclusive_tasks(signs) == (Task("signs: a", ("no", "yes")), Task("signs: b", ("no", "yes")))


@pytest.mark.parametrize(
    ("tasks", "named"),
    [
        ((Task("a", ("b_c", "d")), Task("a_b", ("x", "y"))), "'a_b'"),
        ((Task("a", ("x", "y")), Task("a_b", ("x", "y"))), None),
        ((Task("a", ("bc", "d")), Task("a_b", ("x", "y"))), None),
        ((Task("a_b", ("x", "y")), Task("a", ("b", "d"))), None),
        ((Task("a", ("b", "c"), "multi_label"), Task("a: b", ("x", "y"))), "'a: b'"),
        ((Task("a", ("x", "y")), Task("a", ("z", "w"))), "'a'"),
        ((Task("a", ("x", "y")), Task("b", ("x", "y"))), None),
    ],
)
def test_tasks_whose_predictions_could_not_be_told_apart(tasks: tuple[Task, ...], named: str | None) -> None:
    found = confused(tasks)
    assert (found is None) == (named is None) and (named or "") in (found or "")
