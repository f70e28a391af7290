"""The tables of the report: the reference page to the digit, hand-computed times, foreign studies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import cards, first_screen, read, text_of

from distune.analysis.findings import analyse
from distune.analysis.records.from_optuna import from_csv
from distune.errors import UserError
from distune.reporting import markdown
from distune.reporting.paths import shown
from distune.reporting.report import write_report_from_csv
from distune.reporting.sections.results import top_table

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


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a table."""
    out = tmp_path_factory.mktemp("table") / "out"
    assert all(file.is_file() for file in write_report_from_csv(FIXTURE, out))
    assert not (out / "recommended_space.yaml").exists()
    return read(out)


def test_report_from_csv_names_what_the_table_lacks(page: str) -> None:
    assert REFERENCE in page
    for column in ("datetime_start", "datetime_complete", "duration"):
        assert re.search(rf"The table has no column [^.]*\b{column}\b", page)
    assert "marked as the base config" in page


def test_a_table_that_lacks_numbers_may_be_a_selection(page: str) -> None:
    # The table holds 1, 10-15, 17, 19 and 21.
    assert "numbers 0, 2-9, 16, 18, 20:" in page
    assert (
        "pruning saved nothing" not in page
        and "stopped rising" not in page
        and "not recorded |" not in page.split("# Appendix")[0]
    )
    assert "--tune-backbones`" in page and "distune tune --config mydata/config.yaml --n-trials 20" in page


def test_a_table_of_all_trials_is_no_selection(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(
        "number,value,params_T\n" + "".join(f"{n},0.{n + 5},{n}.5\n" for n in range(4))
    )
    study = from_csv(tmp_path / "all.csv")
    assert study.absent == () and "pruning saved nothing" in text_of(study)


def test_report_from_csv_invents_nothing(page: str) -> None:
    held = cards(page)
    assert held["Config to use"].value == "trial 11" and "of the table" in held["Config to use"].remark
    assert held["Score"].value == "0.9294" and "too optimistic" in held["Score"].remark
    assert "does not say on which examples" in page
    assert "Not known." not in page and "not recorded" not in page, "a row or a note that says nothing"
    assert held["Did distillation help?"].value == held["Did tuning help?"].value == "Not known"
    assert "| `teacher_fusion_heads` | {4, 8} |" in page and "log scale" not in page
    commands = re.findall(r"```bash\n(.*?)```", page, re.S)
    assert f"distune report --from-csv {shown(FIXTURE)} --direction maximize\n" in commands
    assert not any("STUDY" in command for command in commands)
    assert "distune confirm logs/optuna/mydata\n" in first_screen(page), (
        "whose gain can be confirmed, by which command"
    )
    for invented in ("on dev", "dev split", "one seed", "earched in this study", "at the high end", "at the low end",
                     "Widen", "[384, 384]", "best epoch", "learnt", "of what was searched"):  # fmt: skip
        assert invented not in page, invented


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
        ("number,value\n0,1_000\n", "row 2: value is '1_000'"),
        ("number,value\n1_0,0.5\n", "row 2: number is '1_0'"),
        ("number,value,duration\n0,0.5,\uff11 days\n", "row 2: duration is '\uff11 days'"),
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
