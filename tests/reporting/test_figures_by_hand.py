"""What the figures draw of a few numbers, before they are made files, and how those become part of a page."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from by_hand import findings, made, numbers, study
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from PIL import Image

from distune.analysis.parameters.importance import Importance, Share
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_files import ConfirmationRecord
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import Confusion, Curve, Predictions, RunRecord
from distune.analysis.scored_run import ScoredRun
from distune.confirmation.statistics.files import OUT_OF_FOLD, run_folder
from distune.data.table import MISSING
from distune.reporting.figures import bars, cost, curves, history, learning, model, space, style
from distune.reporting.figures.style import BLUE, INK, ORANGE, PAPER, SERIES, look

Plots = tuple[list[Axes], tuple[str, ...]]
Draw = Callable[[Any, Callable[[], Any]], Plots]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Draws a figure; its plots, and its name, alternative text and caption."""

    def drawn(module: Any, make: Callable[[], Any]) -> Plots:
        kept: list[Any] = []
        monkeypatch.setattr(module, "finish", lambda figure, *said: kept.append((list(figure.axes), said)))
        with look():
            make()
        (found,) = kept
        return found  # type: ignore[no-any-return]

    return drawn


def points(line: Any) -> list[tuple[float, float]]:
    return list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))


def test_the_stages_of_a_trial_stand_on_each_other(draw: Draw) -> None:
    trials = [
        TrialRecord(0, "complete", 0.5, stage_seconds={"teacher": 60.0, "student": 120.0}),
        TrialRecord(1, "pruned", stage_seconds={"teacher": 30.0, "student": 90.0}),
        TrialRecord(2, "complete", 0.5),
    ]
    (axes,), (_, alt, caption) = draw(cost, lambda: cost.draw(findings(study(*trials))))
    found = [(to_hex(bar.get_facecolor()), bar.get_y(), bar.get_height()) for bar in axes.patches]
    teacher, student = (to_hex(colour) for colour in SERIES[:2])
    assert found == [(teacher, 0.0, 1.0), (teacher, 0.0, 0.5), (student, 1.0, 2.0), (student, 0.5, 1.5)]
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [0.8] * 4
    assert axes.get_ylabel() == "minutes per trial" and axes.get_xlabel() == "trial"
    (legend,) = axes.figure.legends
    assert [entry.get_text() for entry in legend.get_texts()] == ["pruned", "teacher", "student"]
    (marks,) = axes.collections
    ((place, height),) = marks.get_offsets()  # type: ignore[misc]
    assert place == 1.0 and 2.0 < height < 2.0 + 0.1 * axes.get_ylim()[1], "above its bar, in its unit"
    assert "2 trials" in alt and "teacher 30 %" in alt and "student 70 %" in alt and "mean of" not in caption
    many = {f"stage {number}": 1.0 for number in range(2 * len(SERIES))}
    found = findings(study(replace(trials[0], stage_seconds=many)))
    assert len(draw(cost, lambda: cost.draw(found))[0][0].patches) == len(many), "colours come again"
    apart = findings(study(trials[0], replace(trials[1], number=4)))
    assert [round(bar.get_width(), 6) for bar in draw(cost, lambda: cost.draw(apart))[0][0].patches] == [
        3.2
    ] * 4
    assert cost.draw(findings()) is None


def test_of_very_many_trials_each_bar_is_a_mean(draw: Draw) -> None:
    trials = [TrialRecord(n, "complete", 0.5, stage_seconds={"student": float(n % 2)}) for n in range(120)]
    trials.append(TrialRecord(120, "pruned", stage_seconds={"student": 0.0}))
    (axes,), (_, _, caption) = draw(cost, lambda: cost.draw(findings(study(*trials))))
    assert not axes.collections, "no bar is of one pruned trial alone"
    assert round(axes.patches[0].get_width(), 6) == 1.6
    assert len(axes.patches) == 61 and axes.patches[0].get_height() == 0.5 and "mean of 2 trials" in caption
    assert axes.get_ylabel() == "seconds per trial"


@pytest.mark.parametrize(
    ("longest", "unit"),
    [(119.0, "seconds"), (120.0, "minutes"), (7199.0, "minutes"), (7200.0, "hours")],
)
def test_the_unit_of_an_axis(longest: float, unit: str) -> None:
    assert cost._unit(longest)[1] == unit


def reporting(number: int, *scores: float, state: Any = "complete") -> TrialRecord:
    value = scores[-1] if state == "complete" else None
    return TrialRecord(number, state, value, intermediate=dict(enumerate(scores, 1)))


def test_scores_of_epochs_are_drawn_as_they_are(draw: Draw) -> None:
    found = findings(study(reporting(0, 0.1, 0.5), reporting(1, 0.2, 0.4), reporting(2, 0.3, state="pruned")))
    (axes,), (_, alt, caption) = draw(curves, lambda: curves.draw_all(found))
    drawn = [points(line) for line in axes.lines]
    assert [(1.0, 0.1), (2.0, 0.5)] in drawn and [(1.0, 0.2), (2.0, 0.4)] in drawn
    assert alt.startswith("Learning curves of 3") and "1 pruned end early" in alt
    assert "after each student epoch" in caption
    assert curves.draw_all(findings(study(reporting(0, 0.5)))) is None, "one epoch makes no curve"
    assert curves.draw_all(findings()) is None
    none_is_best = findings(study(reporting(0, 0.1, 0.5, state="pruned")))
    (axes,), _ = draw(curves, lambda: curves.draw_all(none_is_best))
    assert [line.get_label() for line in axes.lines if len(line.get_xdata()) == 2] == ["pruned"]  # type: ignore[arg-type]


def test_the_median_of_curves_is_of_the_complete_trials_that_reached_an_epoch() -> None:
    complete = [reporting(0, 0.1, 0.5), reporting(1, 0.2, 0.4), reporting(2, 0.6), reporting(3, 0.7)]
    medians = curves._medians(complete)
    assert medians == {1: pytest.approx(0.4), 2: pytest.approx(0.45)}
    steps, above = curves._line(reporting(4, 0.5, 0.5, 0.5, state="pruned"), medians)
    assert (steps, above) == ([1, 2], [pytest.approx(0.1), pytest.approx(0.05)])
    assert curves._line(complete[0], {}) == ([1, 2], [0.1, 0.5])


def test_of_very_many_curves_the_last_are_drawn(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MOST_LINES", 2)
    found = findings(study(*(reporting(n, 0.1, n / 10) for n in range(5))))
    (axes,), (_, alt, caption) = draw(curves, lambda: curves.draw_all(found))
    assert {line.get_ydata()[-1] for line in axes.lines} == {0.3, 0.4}  # type: ignore[index]
    assert "the first 3 trials" in caption and "2 trials" in alt


def best_run(**parts: Any) -> RunRecord:
    unknown = Unknown("x")
    return RunRecord(Path("r"), **{"curves": unknown, "confusions": unknown, "predictions": unknown, **parts})


def test_the_epoch_that_is_kept_has_a_ring(draw: Draw) -> None:
    shown = (
        Curve("teacher", (1, 2, 3), (0.25, 0.5, 0.25), (1.5, None, 0.0)),
        Curve("student", (1, 2, 3), (0.25, 0.75, 0.5), (None, None, None)),
    )
    found = replace(findings(), best_run=best_run(curves=shown))
    plots, (_, alt, caption) = draw(learning, lambda: learning.draw_learning(found))
    teacher, student, losses = plots
    assert [points(line) for line in teacher.lines] == [[(1.0, 0.25), (2.0, 0.5), (3.0, 0.25)], [(2.0, 0.5)]]
    assert points(student.lines[-1]) == [(2.0, 0.75)] and student.lines[-1].get_color() == INK
    assert [points(line) for line in losses.lines] == [[(1.0, 1.5), (3.0, 0.0)]], "none of the student"
    assert (losses.get_ylabel(), student.get_ylabel()) == ("train loss", "score on dev")
    assert to_hex(losses.yaxis.label.get_color()) == to_hex(losses.lines[0].get_color()) == to_hex(ORANGE)
    assert "student from 0.2500 to 0.5000, highest with 0.7500 in epoch 2" in alt and "Trial 1" in caption


def test_of_folds_the_mean_is_drawn_where_all_have_the_epoch(draw: Draw) -> None:
    shown = (
        Curve("student", (1, 2), (0.25, 0.5), (1.0, 0.5)),
        Curve("student", (1, 2, 3), (0.75, 1.0, 0.0), (3.0, 1.5, 1.0)),
    )
    found = replace(findings(study(folds=2)), best_run=best_run(curves=shown))
    (scores, losses), (_, alt, _) = draw(learning, lambda: learning.draw_learning(found))
    assert [points(line) for line in scores.lines][-1] == [(1.0, 0.5), (2.0, 0.75)]
    assert len(scores.lines) == 3 and points(losses.lines[-1]) == [(1.0, 2.0), (2.0, 1.0)]
    assert "the fold left out" in scores.get_ylabel() and "epoch 2" in alt
    lost = (replace(shown[0], losses=(None, None)), shown[1])
    some = replace(found, best_run=best_run(curves=lost))
    assert len(draw(learning, lambda: learning.draw_learning(some))[0]) == 2, "one fold's losses are known"
    for unknown in (Unknown("x"), best_run()):
        assert learning.draw_learning(replace(findings(), best_run=unknown)) is None


def scored(run: Any, **about: Any) -> Any:
    return replace(findings(), scored_run=ScoredRun(run, "trial 1", "dev", False), **about)


def test_the_depth_of_a_cell_is_its_share_of_the_row(draw: Draw) -> None:
    held = (
        Confusion("type", ("a", "b"), np.array([[1, 3], [0, 8]])),
        Confusion("alone", ("a",), np.array([[3]])),
        Confusion("many", tuple(f"c{n}" for n in range(31)), np.eye(31, dtype=int)),
    )
    (axes,), (_, alt, _) = draw(model, lambda: model.draw_confusion(scored(best_run(confusions=held))))
    depth = {patch.get_xy(): patch.get_alpha() for patch in axes.patches}  # type: ignore[attr-defined]
    assert depth == pytest.approx({
        (-0.5, -0.5): 0.25 * model.STRONGEST, (0.5, -0.5): 0.75 * model.STRONGEST, (-0.5, 0.5): 0.0,
        (0.5, 0.5): model.STRONGEST,
    })  # fmt: skip
    assert {note.get_position(): note.get_text() for note in axes.texts} == {
        (0, 0): "1", (1, 0): "3", (0, 1): "0", (1, 1): "8",
    }  # fmt: skip
    assert axes.get_ylabel() == "truth" and axes.get_ylim() == (1.5, -0.5), "the first class at the top"
    assert "type: 9 of 12 on the diagonal" in alt and "alone" not in alt and "many" not in alt
    none = scored(best_run(confusions=held[1:]))
    assert model.draw_confusion(none) is None is model.draw_confusion(scored(Unknown("x")))


def test_reliability_counts_labelled_examples_in_bins_that_hold_some(draw: Draw) -> None:
    truth = np.array([0] * 8 + [1] * 2 + [1] * 4 + [MISSING] * 9)
    chance = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 4 + [[0.1, 0.9]] * 9)
    held = (
        Predictions("type", ("a", "b"), truth, chance, *[None] * (len(Predictions.__dataclass_fields__) - 4)),
    )
    (axes,), (_, alt, caption) = draw(
        model, lambda: model.draw_reliability(scored(best_run(predictions=held)))
    )
    (bars_of_task,) = axes.containers
    assert points(bars_of_task[0]) == [(pytest.approx(0.9), pytest.approx(0.8))], "four are too few for a bin"
    error = 10 / 14 * 0.1 + 4 / 14 * 0.4
    assert f"{error:.4f}" in alt and "before any temperature scaling" in caption
    ((low, high),) = [segment[:, 1] for segment in bars_of_task[2][0].get_segments()]
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433), "Wilson's interval of 8 in 10"
    assert axes.get_xlim() == axes.get_ylim() == (0.0, 1.03), "all of both, whatever is drawn"


def test_probabilities_are_drawn_as_predict_gives_them(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, chance = np.zeros(10, dtype=int), np.array([[0.9, 0.1]] * 10)
    held = (
        Predictions("type", ("a", "b"), truth, chance, *[None] * (len(Predictions.__dataclass_fields__) - 4)),
    )
    monkeypatch.setattr(model, "known_predictions", lambda folder: held)
    monkeypatch.setattr(model, "fitted_on_dev", lambda folder, dev: {"type": 2.0})
    (axes,), (_, _, caption) = draw(model, lambda: model.draw_reliability(scored(best_run(predictions=held))))
    (bars_of_task,) = axes.containers
    assert points(bars_of_task[0]) == [(pytest.approx(0.75), 1.0)], "the square root of odds of 9 is 3"
    assert "fitted on dev" in caption and "flatters" in caption


def test_class_names_stand_upright_where_one_is_too_long() -> None:
    assert model._is_turned(["a", "longer name"]) and not model._is_turned(["a", "short"])
    for classes, shown in (
        (2, "one two three four\nfive"),
        (12, "one two three four\nfive"),
        (13, "one two three fou…"),
    ):
        many = Confusion("type", ("one two three four five",) * classes, np.eye(classes))
        assert model._names(many) == [shown] * classes


def test_the_score_of_the_one_model_that_is_drawn(tmp_path: Path) -> None:
    about = {
        "kind": "trial",
        "trial": 1,
        "is_base": False,
        "seeds": [7, 8],
        "splits": {"test": {"scores": [0.75, 0.5]}},
    }
    held = numbers(contenders={"trial_0001": about})

    def score(folder: Path) -> str:
        return model._own_score(
            scored(replace(best_run(), folder=folder), confirmation=ConfirmationRecord(held, True))
        )

    assert score(run_folder(tmp_path, "trial_0001", 7)) == " (score 0.7500)"
    assert score(run_folder(tmp_path, "trial_0001", 8)) == "", "the score is of the first seed's model"
    assert model._own_score(scored(best_run())) == "" == model._own_score(scored(Unknown("x")))


@pytest.mark.parametrize(
    ("folds", "on", "is_confirmed", "said"),
    [
        (None, "dev", False, "Trial 1 on dev"),
        (None, "test", True, "Trial 1 on test, the model of the first seed, which distune predict loads"),
        (3, "test", True, "Trial 1 on test, the model of the first seed, which distune predict loads"),
        (3, OUT_OF_FOLD, False,
         "Trial 1 on train and dev, each example by the one of 3 models that did not learn it"),
        (3, OUT_OF_FOLD, True,
         "Trial 1 on train and dev, each example by the one of 3 models of the first new seed that did not learn it"),
    ],
)  # fmt: skip
def test_whose_answers_are_drawn(folds: int | None, on: str, is_confirmed: bool, said: str) -> None:
    found = replace(
        findings(study(folds=folds)), scored_run=ScoredRun(Unknown("x"), "trial 1", on, is_confirmed)
    )
    assert model._scored(found) == said


def test_a_matrix_is_as_high_as_its_cells_and_the_names_below_them() -> None:
    def height(*classes: str) -> float:
        return model._height(Confusion("type", classes, np.eye(len(classes))))

    assert height("a", "b", "c") == pytest.approx(3 * 0.4 + 0.2 + 0.75)
    assert height("a") == height("a", "b") == pytest.approx(2 * 0.4 + 0.2 + 0.75)
    assert height("a", "a longer name") == pytest.approx(2 * 0.4 + 13 * 0.075 + 0.75), "it stands upright"


RATE = Parameter("lr", "float", 1e-4, 1e-2, log=True)
CHOICE = Parameter("loss", "categorical", choices=("a", "b"))
LAYERS = Parameter("layers", "int", 1, 3)


def test_scores_over_the_space_with_pruned_trials_at_the_foot(draw: Draw) -> None:
    params = [{"lr": 1e-3, "loss": "b", "layers": 1}, {"lr": 2e-2, "loss": "other", "layers": 3}]
    trials = [TrialRecord(n, "complete", 0.5 + n / 10, params=held) for n, held in enumerate(params)]
    trials += [
        TrialRecord(2, "pruned", params={"lr": 1e-4, "loss": "a", "layers": 2}),
        TrialRecord(3, "failed", params={"lr": 5e-3, "loss": "a", "layers": 2}),
        TrialRecord(4, "pruned", params={"loss": "b"}),
    ]
    shares = tuple(Share(name, 0.3) for name in ("lr", "loss", "layers"))
    found = findings(
        study(*trials, space={"lr": RATE, "loss": CHOICE, "layers": LAYERS}),
        importance=Importance(shares, 0.1, 20, 0.1, ()),
    )
    plots, (_, alt, caption) = draw(space, lambda: space.draw_slices(found))
    dots = [[tuple(map(float, at)) for at in axes.collections[0].get_offsets()] for axes in plots]  # type: ignore[union-attr]
    assert [[x for x, _ in each] for each in dots] == [[1e-3, 2e-2], [1.0, 2.0], [1.0, 3.0]]
    assert [[y for _, y in each] for each in dots] == [[0.5, 0.6]] * 3
    rings = [points(axes.lines[-1]) for axes in plots]
    assert rings == [[(2e-2, 0.6)], [(2.0, 0.6)], [(3.0, 0.6)]] and plots[0].lines[-1].get_color() == ORANGE
    feet = [[segment[:, 0].tolist() for segment in axes.collections[1].get_segments()] for axes in plots]  # type: ignore[attr-defined]
    assert feet == [[[1e-4] * 2], [[0.0] * 2, [1.0] * 2], [[2.0] * 2]], "pruned ones alone"
    low, high = plots[0].get_xlim()
    assert low < 1e-4 and high > 2e-2, "also what the base config brought from outside"
    assert plots[1].get_xlim()[1] > 2.0 and "Ticks" in caption and "3 parameters" in alt
    assert [tick.get_text() for tick in plots[1].get_xticklabels()] == ["a", "b"]
    assert list(plots[2].get_xticks()) == [1, 2, 3] and len(plots[0].get_xticks()) == 3
    assert plots[0].figure.get_supylabel() == "score on dev"
    assert space.draw_slices(findings(importance=Unknown("x"))) is None


def test_the_ticks_of_a_range() -> None:
    assert space._log_ticks(RATE) == {1e-4: "1e-4", 1e-3: "1e-3", 1e-2: "0.01"}, "its middle by factors"
    with look():
        _, axes = style.one(2.0)
        space._scale(axes, Parameter("layers", "int", 1, 30))
        assert len(axes.get_xticks()) < 15
        space._scale(axes, RATE)
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1e-4", "1e-3", "0.01"]
        assert list(axes.get_xticks()) == [1e-4, 1e-3, 1e-2] and len(axes.get_xticks(minor=True)) == 0


def test_figures_look_alike_whatever_a_user_s_own_settings() -> None:
    with matplotlib.rc_context({"image.cmap": "gray", "axes.grid": False, "text.usetex": True}), look():
        assert matplotlib.rcParams["image.cmap"] == "viridis" and not matplotlib.rcParams["text.usetex"]
        inside = dict(matplotlib.rcParams)
    with look():
        assert dict(matplotlib.rcParams) == inside


@pytest.mark.parametrize(
    ("parameter", "shown"),
    [
        (Parameter("loss", "categorical", choices=("a",)), (-0.5, 0.5)),
        (Parameter("loss", "categorical", choices=("a", "b", "c")), (-0.12, 2.12)),
        (Parameter("alpha", "float", 0.0, 1.0), (-0.06, 1.06)),
        (Parameter("alpha", "float", 0.5, 0.5), (-0.03, 0.53)),
    ],
)
def test_an_axis_shows_the_whole_range_and_some_room(
    parameter: Parameter, shown: tuple[float, float]
) -> None:
    with look():
        _, axes = style.one(2.0)
        axes.scatter([0.0], [0.5])
        space._span(axes, parameter)
    assert axes.get_xlim() == pytest.approx(shown)


def test_an_axis_by_factors_has_room_by_factors() -> None:
    with look():
        _, axes = style.one(2.0)
        axes.scatter([1e-3, 1e-1], [0.5, 0.5])
        space._span(axes, RATE)
    margin = 1000**0.06
    assert axes.get_xlim() == pytest.approx((1e-4 / margin, 1e-1 * margin)), "what lies outside is shown, too"


def test_a_confirmed_gain_is_filled_where_its_verdict_is_sure(draw: Draw) -> None:
    found = numbers(
        made("tuning_gain", difference=0.1, low=0.05, high=0.15, verdict="not significantly different"),
        made("distillation_gain", second="x", difference=-0.1, low=-0.15, high=-0.05, verdict="worse"),
    )
    (axes,), (_, alt, _) = draw(bars, lambda: bars.draw_confirmed(findings(numbers=found)))
    dots = {float(line.get_xdata()[0]): line for line in axes.lines if len(line.get_xdata()) == 1}  # type: ignore[index]
    assert [dots[at].get_fillstyle() for at in (0.1, -0.1)] == ["none", "full"]
    assert to_hex(dots[-0.1].get_color()) == to_hex(BLUE) and "trial 1 − the base config +0.1000" in alt  # type: ignore[arg-type]
    assert bars.draw_confirmed(findings()) is None


@pytest.mark.parametrize(
    ("reach", "sizes"),
    [
        ((0.1, 0.4), [2]),
        ((0.1, 0.41), [1, 1]),
        ((0.01, 0.02, 0.5), [2, 1]),
        ((0.5,), [1]),
        ((0.0, 1e-5, 0.5), [2, 1]),
    ],
)
def test_gains_of_very_different_size_have_scales_of_their_own(
    reach: tuple[float, ...], sizes: list[int]
) -> None:
    gains = [bars.Gain(str(each), 0.0, -each, each / 2, False) for each in reach]
    assert [len(group) for group in bars._by_size(gains)] == sizes


def test_a_narrow_interval_far_from_zero_reaches_far() -> None:
    gains = [
        bars.Gain(str(middle), middle, middle - 0.01, middle + 0.01, True) for middle in (0.0, 0.5, -0.5)
    ]
    assert [[gain.label for gain in group] for group in bars._by_size(gains)] == [["0.0"], ["0.5", "-0.5"]]


def test_each_scale_has_its_own_gains(draw: Draw) -> None:
    gains = [bars.Gain(str(each), 0.0, -each, each / 2, False) for each in (0.01, 0.02, 0.5)]
    plots, (_, alt, caption) = draw(bars, lambda: bars.draw_gains(gains))
    assert [axes.get_title("left") for axes in plots] == ["Finer scale", "Coarser scale"]
    assert [{note.get_text() for note in axes.texts} for axes in plots] == [{"0.01", "0.02"}, {"0.5"}]
    assert "scales of their own" in caption and "0.5 +0.0000, from −0.5000 to +0.2500" in alt
    (alone,), (_, _, caption) = draw(bars, lambda: bars.draw_gains(gains[:1]))
    assert alone.get_title("left") == "" and "of their own" not in caption


def test_both_phases_are_as_wide_as_they_have_trials(draw: Draw) -> None:
    def trials(count: int) -> list[TrialRecord]:
        return [TrialRecord(n, "complete", 0.5, stage_seconds={"teacher": 9.0}) for n in range(count)]

    first = study(*trials(1), strategy="teacher")
    found = findings(study(*trials(7), strategy="staged", teacher_record=first))
    plots, _ = draw(cost, lambda: cost.draw(found))
    assert plots[0].get_gridspec().get_width_ratios() == [2.0, 7], "a quarter at least"  # type: ignore[union-attr]
    assert [axes.get_xlabel() for axes in plots] == ["trial of the teachers", "trial of the students"]


def test_the_first_parameter_is_named_in_the_alternative_text(draw: Draw) -> None:
    found = findings(importance=Importance((Share("a", 0.7), Share("b", 0.3)), 0.5, 20, 0.1, ()))
    (axes,), (_, alt, caption) = draw(bars, lambda: bars.draw_importance(found))
    assert "first is a with 70 %" in alt and "1 lies above" in alt
    (floor,) = axes.lines
    assert floor.get_linestyle() == ":" and "the dotted line" in caption


@pytest.mark.slow
def test_trials_that_ended_early_stand_apart(draw: Draw) -> None:
    complete = TrialRecord(0, "complete", 0.5)
    (alone,), (_, _, caption) = draw(history, lambda: history.draw(findings(study(complete))))
    assert "below" not in caption and alone.get_xlabel() == "trial"
    failed = TrialRecord(1, "failed")
    (_, below), (_, alt, caption) = draw(history, lambda: history.draw(findings(study(complete, failed))))
    assert "0 pruned and 1 failed" in alt and "without one" in caption and list(below.get_yticks()) == []
    assert history.draw(findings(study(failed))) is None
    ended = [
        TrialRecord(2, "pruned", intermediate={1: 0.5}),
        TrialRecord(3, "pruned", intermediate={1: 0.5, 2: 0.5}),
    ]
    found = findings(study(complete, failed, *ended, folds=3))
    (above, below), (_, _, caption) = draw(history, lambda: history.draw(found))
    assert [line.get_label() for line in below.lines] == ["pruned (2)", "failed (1)"]
    assert (below.get_xlabel(), above.get_xlabel()) == ("trial", "")
    assert below.get_ylabel() == "folds" and "fewer folds" in caption and below.get_ylim() == (-0.3, 2.3)
    assert above.get_shared_x_axes().joined(above, below), "a trial stands under its place"
    for direction, offset in (("maximize", 9), ("minimize", -14)):
        found = findings(study(complete, failed, direction=direction))
        (above, _), _ = draw(history, lambda found=found: history.draw(found))
        assert above.texts[0].xyann == (0, offset), "beside the line and not on it"  # type: ignore[attr-defined]
    assert [history._size(study(*[complete] * count)) for count in (200, 201)] == [26, 8]


def test_a_figure_has_the_height_that_is_asked_for() -> None:
    figure, axes = style.one(3.25)
    assert tuple(figure.get_size_inches()) == (style.WIDTH, 3.25) and axes.get_figure() is figure


def test_a_figure_is_drawn_on_paper_in_pixels_and_on_nothing_in_a_page() -> None:
    long = "word " * 150
    with look():
        figure, axes = style.one(1.0)
        axes.set_yticks([0.0], ["a class with a very long name"])
        before = axes.get_position().x0
        made = style.finish(figure, "gains", f"what is\nseen: {long}", f"a caption\x1b{long}")
    assert axes.get_position().x0 > before, "there is room for what stands beside the plot"
    assert (made.name, made.alt) == ("gains", f"what is seen: {long}".strip())
    assert made.caption == f"a caption\N{REPLACEMENT CHARACTER}{long}".strip()
    with Image.open(io.BytesIO(made.png)) as pixels:
        assert pixels.size == (style.WIDTH * style.PNG_DPI, style.PNG_DPI) and "Software" not in pixels.info
        corner: Any = pixels.convert("RGBA").getpixel((0, 0))
    assert to_hex([value / 255 for value in corner], keep_alpha=True) == f"{PAPER}ff"
    assert 'aria-label="what is seen' in made.svg and "--paper" not in made.svg


def test_what_an_axis_of_scores_is_called() -> None:
    assert style.score_axis(findings(study(folds=3))) == "mean score of the folds"
    assert style.score_axis(findings()) == "score on dev"
    assert style.score_axis(findings(study(space_source="observed"))) == "score"


def test_a_drawing_shares_neither_its_ids_nor_its_colours_with_others() -> None:
    svg = (
        f'<svg xmlns="{style.SVG}" xmlns:xlink="{style.XLINK}" width="9pt" height="9pt" viewBox="0 0 9 9"><metadata/>'
        '<g id="a" stroke="#1f2630" clip-path="url(#b)" style="fill: #0b6bb4; stroke: #123456">'
        '<use xlink:href="#c" x="1"/><use xlink:href="other"/></g></svg>'
    )
    found = style._inline(svg.encode(), "gains", "what & that")
    assert 'id="gains-a"' in found and "url(#gains-b)" in found and 'xlink:href="#gains-c"' in found
    assert 'href="other"' in found and 'aria-label="what &amp; that"' in found and 'role="img"' in found
    assert "fill: var(--blue, #0b6bb4)" in found and 'stroke="var(--ink, #1f2630)"' in found
    assert "stroke: #123456" in found
    assert "metadata" not in found and 'width="' not in found and 'viewBox="0 0 9 9"' in found
