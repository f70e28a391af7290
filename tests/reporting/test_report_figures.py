"""The figures: drawn where there is enough to draw, with captions that are true of this study."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from distune.analysis.findings import Findings, analyse
from distune.analysis.parameters.importance import Importance, Share
from distune.analysis.records.study_record import TrialRecord
from distune.reporting.figures.bars import Gain, draw_gains, draw_importance
from distune.reporting.figures.cost import draw as draw_cost
from distune.reporting.figures.history import draw as draw_history
from distune.reporting.figures.model import draw_reliability
from distune.reporting.figures.space import draw_slices
from distune.reporting.figures.style import look

USED = r'<use [^>]*x="([0-9.]+)" y="([0-9.]+)" style="[^"]*var\(--(blue|orange)'


@pytest.mark.slow
def test_the_best_score_so_far_is_drawn_to_the_last_trial(findings: Findings) -> None:
    best = findings.ranking.trials[0]
    later = TrialRecord(number=99, state="pruned", intermediate={1: 0.99})
    with look():
        short = draw_history(replace(findings, study=replace(findings.study, trials=(best,))))
        long = draw_history(replace(findings, study=replace(findings.study, trials=(best, later))))
    assert short is not None and "the others ended" not in short.caption
    assert long is not None and "cannot be compared" in long.caption and "1 pruned" in long.alt
    assert "0.99" not in re.sub(r"<[^>]*>", " ", long.svg)


@pytest.mark.slow
def test_trials_are_counted_in_whole_numbers_however_few_they_are(findings: Findings) -> None:
    few = tuple(TrialRecord(number=number, state="complete", value=0.9) for number in range(3))
    with look():
        drawn = draw_history(replace(findings, study=replace(findings.study, trials=few)))
    assert drawn is not None
    ticks = re.findall(r">([−\d.]+)</text>", drawn.svg)
    assert "1" in ticks and not {"0.5", "0.50", "1.25", "1.5", "1.50"} & set(ticks)


@pytest.mark.slow
def test_gains_of_very_different_size_have_labelled_panels() -> None:
    with look():
        drawn = draw_gains([Gain("small", 0.01, 0.0, 0.02, True), Gain("large", 0.5, 0.4, 0.6, True)])
        same = draw_gains([Gain("small", 0.01, 0.0, 0.02, True)])
    assert drawn is not None and "Finer" in drawn.svg and "Coarser" in drawn.svg
    assert same is not None and "Finer" not in same.svg


@pytest.mark.slow
def test_a_teacher_from_the_store_is_named_where_its_time_is_missing(findings: Findings) -> None:
    first, *others = findings.study.trials
    stages = {**(first.stage_seconds or {}), "teacher": 0.1}
    study = replace(findings.study, trials=(replace(first, stage_seconds=stages, cache={"hits": 2}), *others))
    with look():
        with_all, without = draw_cost(findings), draw_cost(analyse(study))
    assert with_all is not None and "from the store" not in with_all.caption
    assert without is not None and "Trial 0 took its teacher from the store" in without.caption


@pytest.mark.slow
def test_reliability_has_the_bins_of_its_error(findings: Findings) -> None:
    with look():
        drawn = draw_reliability(findings)
        folds = draw_reliability(replace(findings, scored_run=replace(findings.scored_run, on="folds")))
    assert drawn is not None and folds is not None
    assert "accuracy by confidence in 15 bins" in drawn.caption
    # Out-of-fold answers are of other models than the one whose temperature they get.
    assert "distune predict gives" in drawn.caption and "distune predict gives" not in folds.caption
    assert "the model that distune predict loads" in folds.caption


def test_gains_are_drawn_with_their_intervals() -> None:
    with look():
        drawn = draw_gains(
            [Gain("tuning <b>", 0.02, 0.01, 0.03, True), Gain("distillation", 0.01, -0.02, 0.04, False)]
        )
        assert draw_gains([]) is None
    assert drawn is not None and drawn.name == "gains"
    assert "tuning <b> +0.0200, from +0.0100 to +0.0300" in drawn.alt
    first, second = (
        float(re.findall(rf'y="([0-9.]+)"[^>]*>{label}', drawn.svg)[0])
        for label in ("tuning", "distillation")
    )
    assert first < second, "the first one stands at the top"
    assert "<b>" not in drawn.svg and "tuning &lt;b&gt;" in drawn.svg
    assert "var(--blue, #0b6bb4)" in drawn.svg and "<!--" not in drawn.svg


@pytest.mark.slow
def test_the_ring_of_the_best_trial_lies_around_its_dot(findings: Findings) -> None:
    """Choices and whole numbers stay where they are: nothing is moved aside."""
    with look():
        drawn = draw_slices(findings)
    assert drawn is not None
    at = {"blue": set[tuple[str, str]](), "orange": set[tuple[str, str]]()}
    for across, up, colour in re.findall(USED, drawn.svg):
        at[colour].add((across, up))
    assert len(at["orange"]) == 4 and at["orange"] <= at["blue"]


@pytest.mark.slow
def test_parameters_above_the_floor_are_blue(findings: Findings) -> None:
    shares = (Share("lr", 0.7), Share("alpha", 0.3))
    for floor, blue in ((0.5, 1), (0.9, 0), (0.1, 2)):
        found = replace(findings, importance=Importance(shares, floor, 20, 0.1, ()))
        with look():
            drawn = draw_importance(found)
        assert drawn is not None and drawn.svg.count("fill: var(--blue") == blue
