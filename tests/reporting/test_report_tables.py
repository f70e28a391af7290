"""The tables of the report: the reference page to the digit, hand-computed times, foreign studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.analysis.findings import analyse
from distune.analysis.trials import from_csv
from distune.errors import UserError
from distune.reporting import markdown
from distune.reporting.report import write_report_from_csv
from distune.reporting.sections.results import top_table

FIXTURE = Path(__file__).parent / "fixtures" / "reference_trials.csv"
REFERENCE = """\
| 1 | 11 | **0.9294** | 4.79e-05 | 1.05e-04 | 0.518 | 112.4 | 3.19 | dim=384, layers=2, heads=8 | dim=384, layers=2, heads=4 |
| 2 | 15 | 0.9274 | 3.26e-05 | 1.38e-04 | 0.710 | 155.5 | 2.62 | dim=384, layers=1, heads=8 | dim=384, layers=2, heads=4 |
| 3 | 1 | 0.9242 | 2.41e-05 | 2.00e-04 | 0.937 | 141.8 | 2.56 | dim=384, layers=1, heads=4 | dim=384, layers=2, heads=4 |
| 4 | 19 | 0.9222 | 6.81e-05 | 1.18e-04 | 0.620 | 116.0 | 2.83 | dim=384, layers=1, heads=8 | dim=384, layers=2, heads=4 |
| 5 | 21 | 0.9211 | 1.73e-05 | 1.78e-04 | 0.851 | 133.0 | 2.51 | dim=384, layers=1, heads=4 | dim=384, layers=2, heads=4 |
| 6 | 14 | 0.9198 | 3.73e-05 | 1.76e-04 | 1.210 | 128.1 | 4.43 | dim=384, layers=2, heads=8 | dim=384, layers=2, heads=4 |
| 7 | 12 | 0.9194 | 4.57e-05 | 1.06e-04 | 0.571 | 118.5 | 3.13 | dim=384, layers=2, heads=8 | dim=384, layers=2, heads=4 |
| 8 | 17 | 0.9168 | 3.38e-05 | 1.27e-04 | 1.206 | 52.3 | 4.06 | dim=384, layers=2, heads=8 | dim=384, layers=2, heads=4 |
| 9 | 10 | 0.9161 | 5.13e-05 | 1.01e-04 | 0.511 | 108.2 | 3.18 | dim=384, layers=2, heads=8 | dim=384, layers=2, heads=4 |
| 10 | 13 | 0.9077 | 9.88e-05 | 1.45e-04 | 0.756 | 168.2 | 3.08 | dim=384, layers=1, heads=8 | dim=384, layers=2, heads=4 |
"""


def test_reference_page_top_ten_to_the_digit() -> None:
    table = top_table(analyse(from_csv(FIXTURE)))
    assert table.header == (
        *("Rank", "Trial", "Score", "Teacher LR", "Student LR", "Alpha", "Beta", "T"),
        *("Teacher Fusion", "Student Fusion"),
    )
    rows = "\n".join(markdown.render_block(table).splitlines()[2:]) + "\n"
    assert rows == REFERENCE


def test_report_from_csv_names_what_the_table_lacks(tmp_path: Path) -> None:
    files = write_report_from_csv(FIXTURE, tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert all(file.is_file() for file in files)
    assert REFERENCE in text
    for column in ("datetime_start", "datetime_complete", "duration"):
        assert f"The table has no column {column}." in text
    assert "no trial of this study is marked as the base config" in text.lower()
    assert not (tmp_path / "out" / "recommended_space.yaml").exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "no table of trials"),
        ("colour,size\nred,1\n", "no table of trials"),
        ("number,value\n", "no table of trials"),
        ("number,value,state\n0,high,COMPLETE\n", "row 2: value is 'high'"),
        ("number,value,state\n0,0.5,DONE\n", "row 2: state is 'DONE'"),
        ("number,value\n0,0.5\n0,0.6\n", "number 0 occurs 2 times"),
        ("number,value\n0,inf\n", "row 2: value is 'inf'"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(tmp_path: Path, table: str, said: str) -> None:
    path = tmp_path / "trials.csv"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(UserError, match="(?s)trials.csv.*" + said.replace("'", ".")):
        from_csv(path)


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        from_csv(tmp_path / "absent.csv")


