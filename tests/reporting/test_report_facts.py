"""Reports of six kinds of study state what is on record of them in `fixtures/facts`.

Where that is meant to change, write it anew, which fails once more, and read the difference:

    REWRITE_FACTS=1 pytest tests/reporting/test_report_facts.py
"""

from __future__ import annotations

import copy
import difflib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confirmed_numbers import AUDIT, CONFIRMATION, VARIANTS, of_the_study, recommending_the_trial
from facts import Drawings, Tags, facts_of
from pages import read, text_of
from studies import KINDS, study_at, study_of

from distune.analysis.findings import Findings, analyse
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.reporting import html, markdown
from distune.reporting.checklist import tripod_ai
from distune.reporting.contents import Written, build

pytestmark = pytest.mark.slow

FACTS = Path(__file__).parent / "fixtures" / "facts"


def assert_on_record(name: str, found: str) -> None:
    """Compares with what was on record before, also where it is written anew: no difference passes unseen."""
    file = FACTS / f"{name}.md"
    on_record = file.read_text(encoding="utf-8") if file.is_file() else ""
    if os.environ.get("REWRITE_FACTS"):
        file.write_text(found, encoding="utf-8")
    assert found == on_record


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_states_what_is_on_record(
    kind: str, full_study: StudyRecord, findings: Findings, tmp_path: Path
) -> None:
    study = study_of(kind, full_study, tmp_path / "s")
    document = build(findings if study is full_study else analyse(study), {}, Written())
    tags = "\n".join(f"{count} {tag}" for tag, count in sorted(Tags(html.render(document)).counts.items()))
    assert full_study.folder is not None
    stated = facts_of(markdown.render(document), tmp_path, full_study.folder, Path(__file__).parent)
    assert_on_record(kind, f"{stated}\n# Elements of the page\n{tags}\n")


def test_a_whole_report_with_its_figures_and_its_checklist_states_what_is_on_record(
    written: Path, findings: Findings
) -> None:
    assert findings.study.folder is not None
    drawn = "\n".join(Drawings((written / "report.html").read_text(encoding="utf-8")).found)
    assert_on_record(
        "written", f"{facts_of(read(written), written, findings.study.folder)}\n# Figures\n{drawn}\n"
    )
    checklist = markdown.render(tripod_ai(build(findings, {}, Written())))
    assert_on_record("checklist", facts_of(checklist, findings.study.folder))


FOLDS_CHANGED: dict[str, Callable[[TrialRecord], TrialRecord]] = {
    "the base was pruned": lambda each: replace(each, state="pruned", value=None) if each.baseline else each,
    "the base is not known": lambda each: replace(each, baseline=False),
    "the base is the best": lambda each: replace(each, baseline=each.number == 13),
    "no folds and no folders": lambda each: replace(each, fold_scores=None, folder=None),
    "all failed": lambda each: replace(each, state="failed", value=None, failure_kind="crash"),
    "most failed": lambda each: replace(each, state="failed", value=None) if each.number > 1 else each,
    "no times": lambda each: replace(each, seconds=None, stage_seconds=None),
    "equal": lambda each: replace(each, value=None if each.value is None else 0.5),
}
STUDIES_CHANGED: dict[str, dict[str, Any]] = {
    "teachers unread": {"teacher_record": None},
    "teachers unread without a time": {"teacher_record": None, "teacher_study": {"name": "t"}},
    "minimised": {"direction": "minimize"},
    "without a config": {"base_config": None},
    "of one trial": {},
}


def test_what_studies_lack_is_on_record(tmp_path: Path) -> None:
    """What studies with folds, and staged ones, state in place of the whole one's page."""
    found = []
    for kind, changes in (("folds", FOLDS_CHANGED), ("staged", STUDIES_CHANGED)):
        study = study_of(kind, None, tmp_path / "s")
        whole = facts_of(text_of(study), tmp_path).splitlines()
        for name, change in changes.items():
            if callable(change):
                other = replace(study, trials=tuple(map(change, study.trials)))
            else:
                other = replace(study, **(change or {"trials": study.trials[:1]}))
            stated = facts_of(text_of(other), tmp_path).splitlines()
            found += [f"# {name}", *(line for line in difflib.ndiff(whole, stated) if line[0] in "+-")]
    assert_on_record("lacking", "\n".join(found) + "\n")


def test_what_a_confirmation_says_of_its_numbers_is_on_record(tmp_path: Path) -> None:
    """The page of one that recommends its trial, and what others state in its place."""
    study = study_at(tmp_path / "study", more=1)

    def stated(numbers: dict[str, Any]) -> list[str]:
        (tmp_path / "study" / "confirmation.json").write_text(json.dumps(of_the_study(numbers, study)))
        return facts_of(text_of(study), tmp_path).splitlines()

    (tmp_path / "study" / "recommended_config.yaml").write_text("name: s\n")
    (tmp_path / "study" / "audit.json").write_text(json.dumps(AUDIT))
    whole = stated(recommending_the_trial())
    found = ["\n".join(whole)]
    others = {name: recommending_the_trial() for name in VARIANTS} | {
        "the base config": copy.deepcopy(CONFIRMATION)
    }
    for name, numbers in others.items():
        VARIANTS.get(name, lambda _: None)(numbers)
        differing = [line for line in difflib.ndiff(whole, stated(numbers)) if line[0] in "+-"]
        found += [f"\n# {name}", *differing]
    assert_on_record("confirmations", "\n".join(found) + "\n")
