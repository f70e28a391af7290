"""Files of predictions that lack something: named, not filled in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distune.data.table import MISSING, Table, Task
from distune.errors import UserError
from distune.training.files.prediction_files import (
    REMEDY,
    predictions_file,
    read_predictions,
    read_rows,
    read_split_predictions,
    write_predictions,
)
from distune.training.files.run_folder import write_results

WHOLE = "id,group,truth_t,pred_t,p_t_a,p_t_b,image,text\n1,g,a,a,0.9,0.1,1.png,CT\n2,h,b,a,0.8,0.2,2.png,\n"


def test_some_of_the_examples_keep_their_kinds(tmp_path: Path) -> None:
    predictions_file(tmp_path, "dev").write_text(WHOLE)
    found = read_split_predictions(tmp_path, "dev", may_lack=True)
    assert found is not None
    assert {name: kind.tolist() for name, kind in found.kinds.items()} == {
        "complete": [True, False],
        "without_text": [False, True],
    }
    second = found.only(found.kinds["without_text"])
    assert (second.ids, second.groups, second.labels.tolist()) == (("2",), ("h",), [[1]])
    assert {name: kind.tolist() for name, kind in second.kinds.items()} == {
        "complete": [False],
        "without_text": [True],
    }


@pytest.mark.parametrize("column", ["id", "group", "text"])
def test_a_column_that_is_not_there_is_named(tmp_path: Path, column: str) -> None:
    path = predictions_file(tmp_path, "dev")
    path.write_text(WHOLE.replace(column, f"other_{column}", 1))
    with pytest.raises(UserError) as told:
        read_split_predictions(tmp_path, "dev", may_lack=True)
    assert str(told.value) == f"{path} has no column '{column}'. {REMEDY}"


def test_every_kind_of_task_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    tasks = (Task("side", ("l", "r")), Task("signs", ("a", "b", "c"), "multi_label"))
    labels = np.array([[0, 1, 0, MISSING], [MISSING, 0, 0, 1], [1, MISSING, MISSING, MISSING]])
    table = Table(
        tmp_path, ("x", "y", "z"), (f"{tmp_path}/1.png", "", "/elsewhere/3.png"), ("=1", "ct", ""), labels,
        ("p", "p", "q"), ("dev", "train", "dev"), tasks,
    )  # fmt: skip
    answers = [np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.7, 0.4, 0.51], [0.1, 0.2, 0.3]])]
    write_predictions(tmp_path, "dev", table, table.rows("dev"), answers)
    turned = replace(table, tasks=tasks[::-1], labels=labels[:, [1, 2, 3, 0]])
    write_predictions(tmp_path, "test", turned, table.rows("dev"), answers[::-1])
    last = read_split_predictions(tmp_path, "test", tasks[::-1])
    assert last is not None and last.labels.tolist() == turned.labels[[0, 2]].tolist()
    assert [rows.tolist() for rows in last.probabilities] == [rows.tolist() for rows in answers[::-1]]
    found = read_split_predictions(tmp_path, "dev", tasks)
    assert found is not None and (found.ids, found.groups, found.tasks) == (("x", "z"), ("p", "q"), tasks)
    assert found.labels.tolist() == labels[[0, 2]].tolist()
    assert [rows.tolist() for rows in found.probabilities] == [rows.tolist() for rows in answers]
    assert found.predictions.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]
    first, last = read_rows(tmp_path)
    assert (first["image"], first["text"], last["image"]) == ("1.png", "'=1", "3.png")
    assert (first["truth_side"], first["truth_signs: c"], first["pred_signs: a"], first["pred_signs: b"]) == (
        "l", "", "yes", "no",
    )  # fmt: skip


def test_a_file_that_is_not_as_it_was_written_is_refused(tmp_path: Path) -> None:
    path = predictions_file(tmp_path, "dev")
    for changed, token in {
        WHOLE.replace("pred_t", "truth_t"): "two columns have one name",
        WHOLE.replace("1.png,CT", "1.png"): "row 2 has another number of cells",
        WHOLE.replace("1.png,CT", "1.png,CT,more"): "row 2 has another number of cells",
        WHOLE.replace("1.png,CT", '1.png,"CT'): "cannot be read: line",
        WHOLE.replace("0.9", "1.1"): "none between 0 and 1",
        WHOLE.replace("0.9", "-0.1"): "none between 0 and 1",
        WHOLE.replace("0.9", "nan"): "none between 0 and 1",
        WHOLE.replace("0.9", "high"): "cannot be read",
        WHOLE.replace("1,g,a", "1,g,c"): "cannot be read",
        WHOLE.replace("1,g,a,a", "1,g,a,c"): "cannot be read",
        WHOLE.splitlines()[0] + "\n": "no predictions",
        "id,group\n1,g\n": "no predictions",
        "": "no predictions",
    }.items():
        path.write_text(changed)
        with pytest.raises(UserError, match=token):
            read_predictions(tmp_path)
    for changed, token in {
        WHOLE.replace("2,h", "1,h"): "an example twice",
        WHOLE.replace("1,g,a", "1,g,").replace("2,h,b", "2,h,"): "no label of any example",
    }.items():
        path.write_text(changed)
        assert len(read_predictions(tmp_path)) == 1
        with pytest.raises(UserError, match=token):
            read_split_predictions(tmp_path, "dev")
    path.unlink()
    assert read_split_predictions(tmp_path, "dev") is None
    with pytest.raises(UserError, match="There is no"):
        read_predictions(tmp_path)


def test_predictions_that_the_results_do_not_vouch_for_are_refused(tmp_path: Path) -> None:
    path = predictions_file(tmp_path, "dev")
    path.write_text(WHOLE)
    write_results(tmp_path, {"score": 1.0})
    assert len(read_rows(tmp_path)) == 2
    path.write_text(WHOLE.replace("0.9,0.1", "0.1,0.9"))
    for read in (read_rows, read_predictions):
        with pytest.raises(UserError, match="was changed"):
            read(tmp_path)


def test_what_is_read_of_a_task(tmp_path: Path) -> None:
    """The longer of two names owns a column; a label may lack; an older file lacks groups and predictions."""
    predictions_file(tmp_path, "dev").write_text(
        "id,truth_t,truth_t_a,p_t_a,p_t_b,p_t_a_x,p_t_a_y\n1,b,,0.25,0.75,0.5,0.5\n2,,y,0.1,0.9,0,1\n"
    )
    first, second = read_predictions(tmp_path)
    assert (first.task, first.classes, first.truth.tolist()) == ("t", ("a", "b"), [1, MISSING])
    assert (second.task, second.classes, second.truth.tolist()) == ("t_a", ("x", "y"), [MISSING, 1])
    assert first.probabilities.tolist() == [[0.25, 0.75], [0.1, 0.9]]
    assert second.probabilities.tolist() == [[0.5, 0.5], [0.0, 1.0]]
    assert (first.groups, first.chosen) == (None, None)
    predictions_file(tmp_path, "dev").write_text(WHOLE)
    (only,) = read_predictions(tmp_path)
    assert only.groups == ("g", "h") and only.chosen is not None and only.chosen.tolist() == [0, 0]


def test_predictions_are_of_the_tasks_that_were_asked(tmp_path: Path) -> None:
    predictions_file(tmp_path, "dev").write_text(WHOLE)
    assert read_split_predictions(tmp_path, "dev", (Task("t", ("a", "b")),)) is not None
    for other in (Task("t", ("b", "a")), Task("t", ("a", "c")), Task("u", ("a", "b"))):
        with pytest.raises(UserError, match="not of"):
            read_split_predictions(tmp_path, "dev", (other,))
    with pytest.raises(UserError, match="not of"):
        read_split_predictions(tmp_path, "dev", (Task("t", ("a", "b")), Task("u", ("a", "b"))))


def test_what_is_written_is_decided_before_it_is_rounded(tmp_path: Path) -> None:
    """The classes are those of the whole probabilities, six digits are shown, and no cell is a formula."""
    table = Table(
        tmp_path, ("x", "y"), (f"{tmp_path}/=1.png", f"{tmp_path}/in/2.png"), ("+a", "b"),
        np.array([[0], [MISSING]]), ("p", "q"), ("dev", "dev"), (Task("t", ("a", "b")),),
    )  # fmt: skip
    answers = [np.array([[0.4999999, 0.5000001], [0.5, 0.5]])]
    write_predictions(tmp_path, "dev", table, table.rows("dev"), answers)
    first, second = read_rows(tmp_path)
    assert [first[name] for name in ("pred_t", "p_t_a", "p_t_b")] == ["b", "0.500000", "0.500000"]
    assert (second["pred_t"], second["truth_t"], second["image"]) == ("a", "", "in/2.png")
    assert (first["image"], first["text"]) == ("'=1.png", "'+a")
