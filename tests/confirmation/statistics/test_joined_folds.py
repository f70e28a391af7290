"""The predictions of all folds in one file, and folds whose predictions cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.confirmation.statistics.files import join_folds
from distune.errors import UserError

HEADER = "id,group,truth_t,pred_t,p_t_a,p_t_b,image,text\r\n"
ROWS = {
    "1": '1,g,a,a,0.900000,0.100000,1.png,"CT, axial\nno ""finding"""\r\n',
    "2": "2,h,b,a,0.800000,0.200000,2.png,\r\n",
    "3": "3,h,,b,0.100000,0.900000,3.png,'=MR\r\n",
}


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """The folders of two folds."""
    folders = [tmp_path / "folds" / name for name in ("fold_1", "fold_2")]
    for folder, names in zip(folders, (("3", "1"), ("2",)), strict=True):
        folder.mkdir(parents=True)
        written = HEADER + "".join(ROWS[name] for name in names)
        (folder / "predictions_dev.csv").write_bytes(written.encode())
    return folders


def test_rows_stand_as_they_are_in_the_order_of_their_names(parts: list[Path], tmp_path: Path) -> None:
    join_folds(parts, tmp_path)
    assert (tmp_path / "predictions_folds.csv").read_bytes().decode() == HEADER + "".join(ROWS.values())


OTHER_CLASS = HEADER.replace("p_t_a", "p_t_c") + ROWS["2"]


@pytest.mark.parametrize("content", [None, "", HEADER, HEADER + '1,g,"a', HEADER + "1,g\r\n", OTHER_CLASS])
def test_a_fold_that_cannot_be_read_is_named(parts: list[Path], tmp_path: Path, content: str | None) -> None:
    path = parts[1] / "predictions_dev.csv"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(UserError, match="fold_2"):
        join_folds(parts, tmp_path)
    assert not (tmp_path / "predictions_folds.csv").exists()
