"""Everything that is known about one study, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from distune.analysis.baseline import Baseline, compare
from distune.analysis.cost import Cost, cost
from distune.analysis.ranges import Ranges, best_ranges
from distune.analysis.ranking import Ranking, rank
from distune.analysis.records import StudyRecord
from distune.analysis.unknown import Unknown


@dataclass(frozen=True)
class Findings:
    """The analysis of a study; what cannot be known is an `Unknown` with its reason."""

    study: StudyRecord
    ranking: Ranking
    cost: Cost
    baseline: Baseline | Unknown
    ranges: Ranges | Unknown


def analyse(study: StudyRecord) -> Findings:
    """Computes everything that a report says about a study."""
    ranking = rank(study)
    return Findings(
        study=study,
        ranking=ranking,
        cost=cost(study),
        baseline=compare(study, ranking),
        ranges=best_ranges(study, ranking),
    )
