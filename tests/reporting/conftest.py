"""Reports and findings of a complete study, for all tests of the report."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distune.analysis.findings import Findings, analyse
from distune.analysis.records.study_record import StudyRecord
from distune.data.table import Task
from distune.reporting.report import write_report

sys.path.insert(0, str(Path(__file__).parent))
from confirmed_numbers import AUDIT, CONFIRMATION, HOSTILE, of_the_study
from full_study import build_study
from pages import text_of
from studies import study_at


@pytest.fixture(scope="session")
def full_study(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    """A study with everything recorded."""
    return build_study(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def findings(full_study: StudyRecord) -> Findings:
    """The analysis of that study."""
    return analyse(full_study)


@pytest.fixture(scope="session")
def written(full_study: StudyRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the whole report of that study."""
    out = tmp_path_factory.mktemp("report")
    assert all(path.exists() for path in write_report(full_study, out))
    return out


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of a confirmed and audited study whose names, classes and captions are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    endless = "<b>" + 200 * "W"
    study = build_study(
        folder / "s", HOSTILE, (Task(HOSTILE[:40], (HOSTILE, endless)), Task("kind", ("<i>", "|")))
    )
    best = max(study.complete, key=lambda trial: trial.value or 0.0)
    numbers, audit = copy.deepcopy(CONFIRMATION), copy.deepcopy(AUDIT)
    numbers["study"] = study.name
    numbers["contenders"]["trial_0001"]["trial"] = best.number
    audit["findings"][0]["rows"][0]["value"] = endless
    (folder / "s" / "confirmation.json").write_text(json.dumps(of_the_study(numbers, study)))
    (folder / "s" / "audit.json").write_text(json.dumps(audit))
    write_report(study, folder / "out")
    return folder / "out"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """The report, without figures, of a study with these files beside it."""

    def written(confirmation: Any = None, audit: Any = None, **about: Any) -> str:
        study = study_at(tmp_path / "study", **about)
        if isinstance(confirmation, dict):
            confirmation = of_the_study(confirmation, study)
        for name, held in (("confirmation.json", confirmation), ("audit.json", audit)):
            if held is not None:
                text = held if isinstance(held, str) else json.dumps(held)
                (tmp_path / "study" / name).write_text(text, encoding="utf-8")
        (tmp_path / "study" / "recommended_config.yaml").write_text("name: s\n")
        return text_of(study)

    return written
