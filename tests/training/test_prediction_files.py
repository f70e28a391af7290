"""Files of predictions that lack something: named, not filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.errors import UserError
from distune.training.files.prediction_files import REMEDY, predictions_file, read_split_predictions

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
