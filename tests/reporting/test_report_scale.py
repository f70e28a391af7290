"""A report of many trials is no larger than a browser opens at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from benchmarks.report import simulated_study
from distune.analysis.records.from_optuna import from_optuna
from distune.reporting.report import write_report


@pytest.mark.slow
def test_the_page_of_two_thousand_trials_opens_at_once(tmp_path: Path) -> None:
    study = simulated_study(2000)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        assert len(study.get_trials(deepcopy=False, states=(state,))) > 60
    write_report(from_optuna(study), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
