"""Everything that is known about one study, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distune.analysis.baseline import Baseline, compare
from distune.analysis.dev_noise import DevNoise, dev_noise
from distune.analysis.parameters.bounds import at_bounds
from distune.analysis.parameters.importance import Importance, importance
from distune.analysis.parameters.ranges import Ranges, best_ranges
from distune.analysis.parameters.shared import SharedByBest, shared_by_best
from distune.analysis.progress import progress
from distune.analysis.ranking import Ranking, rank
from distune.analysis.recommendations import Recommendations, recommend
from distune.analysis.records.study_files import ConfirmationRecord, read_audit, read_confirmation
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import RunRecord, read_run
from distune.analysis.scored_run import ScoredRun, scored_run
from distune.analysis.search_phases import Phase, phases
from distune.analysis.teacher import TeacherEvaluation, evaluate_teacher
from distune.analysis.trial_folder import other_run


@dataclass(frozen=True)
class Findings:
    """The analysis of a study; what cannot be known is an `Unknown` with its reason.

    All but `phases` and `teacher_ranges` is of the study itself: in a staged search, that of the students.
    """

    study: StudyRecord
    ranking: Ranking
    phases: tuple[Phase, ...]
    baseline: Baseline | Unknown
    ranges: Ranges | Unknown
    teacher_ranges: Ranges | Unknown | None
    importance: Importance | Unknown
    shared: SharedByBest | Unknown
    best_run: RunRecord | Unknown
    scored_run: ScoredRun
    noise: DevNoise | Unknown
    recommendations: Recommendations
    confirmation: ConfirmationRecord | Unknown
    teacher: TeacherEvaluation | None
    audit: Mapping[str, Any] | Unknown


def analyse(study: StudyRecord) -> Findings:
    """Computes everything that a report says about a study."""
    ranking = rank(study)
    mattered = importance(study)
    run = _best_run(study, ranking)
    teachers = study.teacher_record
    confirmation = read_confirmation(study, ranking)
    noise = dev_noise(ranking, run, study.folds)
    return Findings(
        study=study,
        ranking=ranking,
        phases=phases(study),
        baseline=compare(study, ranking),
        ranges=best_ranges(study, ranking),
        teacher_ranges=None if teachers is None else best_ranges(teachers, rank(teachers)),
        importance=mattered,
        shared=shared_by_best(study, ranking),
        best_run=run,
        scored_run=scored_run(study, ranking, confirmation, run),
        noise=noise,
        recommendations=recommend(
            study,
            progress=progress(study),
            bounds=at_bounds(study, ranking),
            importance=mattered,
            noise=noise,
        ),
        confirmation=confirmation,
        teacher=evaluate_teacher(ranking, confirmation, study.folds),
        audit=read_audit(study.folder),
    )


def _best_run(study: StudyRecord, ranking: Ranking) -> RunRecord | Unknown:
    best = ranking.best
    if best is None:
        return Unknown("No trial is complete, so there is no best one.")
    if found := other_run(study, best):
        return Unknown(f"{found}.")
    return read_run(best.folder, study.folds)
