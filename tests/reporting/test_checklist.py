"""The checklist of a reporting guideline: an item is given only where the report holds the section."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from confirmed_numbers import AUDIT, CONFIRMATION, of_the_study, over
from optuna.trial import create_trial

from distune.analysis.findings import analyse
from distune.analysis.records.study_record import StudyRecord
from distune.cli.commands.report import report
from distune.data.audit.participant_flow import FLOW
from distune.errors import UserError
from distune.reporting.checklist import TRIPOD_AI, tripod_ai
from distune.reporting.contents import Written, build
from distune.reporting.document import Document, Section, TableBlock, line
from distune.reporting.report import write_report


def rows_of(checklist: Document) -> dict[str, tuple[str, ...]]:
    (table,) = checklist.sections[0].blocks
    assert isinstance(table, TableBlock)
    return {str(row[0]): tuple(map(str, row)) for row in table.rows}


def test_an_item_is_given_where_the_report_holds_its_section_and_missing_elsewhere() -> None:
    parts = (Section("All comparisons"),)
    report = Document("r", line("s"), (), (Section("Confirmation in full", parts=parts),))
    checklist = tripod_ai(report)
    rows = rows_of(checklist)
    assert rows["10"][2] == "All comparisons" and rows["23a"][2] == "Confirmation in full"
    assert rows["15"][2] == "missing" and rows["17"][2] == ""
    lacks = str(checklist.sections[1].blocks[0])
    assert "15: no section Operating points" in lacks and "23a: no section Subgroups" in lacks
    assert "10: " not in lacks and "17: " not in lacks


@pytest.mark.slow
def test_the_sections_of_all_items_are_those_of_a_report(full_study: StudyRecord, tmp_path: Path) -> None:
    """Of a confirmed, audited study with subgroups and operating points."""
    numbers, audit = copy.deepcopy(CONFIRMATION), copy.deepcopy(AUDIT)
    numbers["study"] = full_study.name
    group = {"name": "F", "examples": 9, "cases": 9, "small": True, "score": over(0.5), "accuracy": over(0.5)}
    numbers["subgroups"] = {"sex": {"groups": [{**group, "difference": None}], "unknown": 0, "values": 1}}
    point = {"wanted": 0.9, "threshold": over(0.4), "sensitivity": over(0.7), "specificity": over(0.88)}
    scored = numbers["contenders"][numbers["recommendation"]["contender"]]["splits"]["test"]
    next(iter(scored["tasks"].values()))["operating_points"] = [{"positive": "MR", "points": [point]}]
    audit["sections"] += [{"title": title, "rows": [{"a": 1}]} for title in (FLOW, "Class balance")]
    for name, held in (("confirmation.json", of_the_study(numbers, full_study)), ("audit.json", audit)):
        (tmp_path / name).write_text(json.dumps(held))
    document = build(analyse(replace(full_study, folder=tmp_path)), {}, Written())
    checklist = tripod_ai(document)
    assert len(checklist.sections) == 1, checklist.sections[1:]
    assert len(rows_of(checklist)) == len(TRIPOD_AI)


@pytest.mark.slow
def test_the_command_writes_it_beside_the_report_and_knows_no_other(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trial(create_trial(value=0.5))
    paths = write_report(study, tmp_path, checklist="tripod-ai")
    assert tmp_path / "checklist.md" in paths
    assert "| 10 | sample size | missing |" in (tmp_path / "checklist.md").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="tripod-ai"):
        write_report(study, tmp_path, checklist="stard")
    with pytest.raises(UserError, match="--checklist"):
        report(from_csv=tmp_path / "t.csv", checklist="tripod-ai")
