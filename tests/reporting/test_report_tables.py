"""The tables of the report: the reference page to the digit, hand-computed times, foreign studies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from distune.analysis.findings import analyse
from distune.analysis.records.from_optuna import from_csv
from distune.errors import UserError
from distune.reporting import markdown
from distune.reporting.paths import shown
from distune.reporting.report import write_report_from_csv
from distune.reporting.sections.results import top_table

pytestmark = pytest.mark.slow

FIXTURE = Path(__file__).parent / "fixtures" / "reference_trials.csv"
REFERENCE = (FIXTURE.parent / "reference_top_ten.md").read_text(encoding="utf-8")


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


def test_report_from_csv_invents_nothing(tmp_path: Path) -> None:
    write_report_from_csv(FIXTURE, tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "- **Best score:** 0.9294 (trial 11, the best of 10 complete, picked by this score)" in text
    assert "does not tell on which examples its scores were measured" in text
    assert (
        "| `teacher_fusion_heads` | 2 of 2 values |" in text and "| `teacher_fusion_heads` | {4, 8} |" in text
    )
    commands = re.findall(r"```bash\n(.*?)```", text, re.S) + re.findall(r"`(distune [^`]* [^`]*)`", text)
    assert commands == [f"distune report --from-csv {shown(FIXTURE)}\n"]
    for invented in ("on dev", "dev split", "one seed", "earched in this study", "at the high end", "at the low end",
                     "Widen", "[384, 384]", "best epoch", "learnt"):  # fmt: skip
        assert invented not in text, invented


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
