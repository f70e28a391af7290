"""Files of predictions that lack something: named, not filled in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distune.data.table import MISSING, Table, Task
from distune.errors import UserError
from distune.training.files.prediction_files import (
    REMEDY,
    predictions_file,
    read_rows,
    read_split_predictions,
    write_predictions,
)

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
