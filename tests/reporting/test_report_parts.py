"""Parts of a report by themselves: the shell commands, the methodology, the tasks, and what figures draw."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from by_hand import findings, folder, made, numbers, study, text
from matplotlib.colors import to_hex

from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import TrialRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.runs import Confusion
from distune.reporting import html, markdown, shell
from distune.reporting.document import (
    Bullets,
    Code,
    Commands,
    Document,
    Headline,
    Picture,
    Section,
    Strong,
    TableBlock,
    caution,
    line,
    missing,
    paragraph,
    spans,
)
from distune.reporting.figures import bars, cost, curves, history
from distune.reporting.figures.style import BLUE, FAINT, ORANGE, RED, look
from distune.reporting.paths import quoted, shown
from distune.reporting.sections import files, methodology, recommendations, tasks, usage
from distune.tuning.space.space import DEFAULT_SPACE


def test_a_cell_of_one_text_is_one_span() -> None:
    assert spans("a_b") == ("a_b",) and spans(Code("x")) == (Code("x"),) and spans(("a", "b")) == ("a", "b")


COMPLETE, PRUNED, FAILED = (
    TrialRecord(0, "complete", 0.5),
    TrialRecord(1, "pruned"),
    TrialRecord(2, "failed"),
)


def test_paths_are_relative_inside_the_working_folder_and_whole_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == "a/b" and shown(Path("a")) == "a" and shown(tmp_path) == "."
    assert shown(tmp_path.parent / "other") == str(tmp_path.parent / "other")
    assert shown(Path("..") / "other") == "../other"
    deep = "/".join(["a" * 99] * 5)
    assert shown(tmp_path / deep) == deep, "a path that is cut short leads nowhere"
    assert quoted(Path("a b")) == "'a b'" and quoted("a;b") == "'a;b'" and quoted("a") == "a"


SERVER = "postgresql+psycopg://me:***@db/x"


@pytest.mark.parametrize(
    ("about", "named", "stored"),
    [
        ({"folder": "logs/s", "source": "sqlite:///logs/s.db"}, "logs/s", ""),
        ({"folder": "logs/s"}, "logs/s", ""),
        ({"source": "sqlite:///logs/optuna/s.db"}, "s", ""),
        (
            {"source": "sqlite:///logs/s.db"},
            "s --storage sqlite:///logs/s.db",
            " --storage sqlite:///logs/s.db",
        ),
        (
            {"source": "sqlite:///logs/optuna.db"},  # named as the folder of all studies, and of none of them
            "s --storage sqlite:///logs/optuna.db",
            " --storage sqlite:///logs/optuna.db",
        ),
        (
            {"folder": "logs/optuna/s", "source": "sqlite:///all in.db"},
            "s --storage 'sqlite:///all in.db'",
            " --storage 'sqlite:///all in.db'",
        ),
        ({"folder": "logs/s", "source": SERVER}, f"s --storage '{SERVER}'", f" --storage '{SERVER}'"),
        ({"source": SERVER, "name": None}, f"STUDY --storage '{SERVER}'", f" --storage '{SERVER}'"),
    ],
)
def test_a_study_is_named_by_its_folder_or_with_its_storage(
    about: dict[str, Any], named: str, stored: str
) -> None:
    about = {key: Path(value) if key == "folder" else value for key, value in about.items()}
    found = study(**about)
    assert (shell.named(found), shell.storage(found)) == (named, stored)
    assert (
        shell.confirm(found) == f"distune confirm {named}"
        and shell.report(found) == f"distune report {named}"
    )
    assert shell.evaluate(found).startswith(f"distune evaluate {named} --csv ")


def test_the_storage_is_said_where_the_tuning_command_would_begin_the_study_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = Path("logs/optuna/s"), Path("other/s")
    assert shell._storage_to_resume(study(folder=here, source="sqlite:///logs/optuna/s.db")) == ""
    elsewhere = shell._storage_to_resume(study(folder=there, source="sqlite:///other/s.db"))
    assert elsewhere == " --storage sqlite:///other/s.db"
    assert shell._storage_to_resume(study(folder=here, source=SERVER)) == f" --storage '{SERVER}'"
    assert shell._storage_to_resume(study(folder=there)) == ""
    for place, file in ((there.absolute(), "other/s.db"), (there, f"{there.absolute()}.db")):
        assert shell.named(study(folder=place, source=f"sqlite:///{file}")) == "other/s", "one place"
    assert shell._storage_to_resume(study(source="sqlite:///other/s.db")) == " --storage sqlite:///other/s.db"


@pytest.mark.parametrize(
    ("trials", "teachers", "asked", "said"),
    [
        ((COMPLETE, PRUNED), (), 32, ""),
        ((COMPLETE, PRUNED, FAILED), (), 32, ", failed ones not counted"),
        ((COMPLETE,), (COMPLETE, PRUNED, FAILED), 33, ", those of teachers counted"),
    ],
)
def test_more_trials_are_asked_for_beside_those_that_ended(
    trials: tuple[TrialRecord, ...], teachers: tuple[TrialRecord, ...], asked: int, said: str
) -> None:
    first = study(*teachers, strategy="teacher") if teachers else None
    found = findings(study(*trials, teacher_record=first, folder=Path("logs/optuna/s")))
    note, *command = shell.resume(found, Path("base.yaml"))
    assert note == f"# 30 more trials: resume this study until {asked} are finished{said}"
    assert command[0] == f"distune tune --config base.yaml --n-trials {asked} \\"
    assert command[1].startswith("  --study-name s --only ''")


@pytest.mark.parametrize(
    ("about", "options"),
    [
        ({}, ""),
        ({"strategy": "joint"}, ""),
        ({"strategy": "staged"}, " --strategy staged"),
        ({"folds": 3}, " --folds 3"),
        ({"strategy": "staged", "prune_teacher": True}, " --strategy staged --prune-teacher"),
    ],
)
def test_another_study_searches_and_scores_as_this_one(about: dict[str, Any], options: str) -> None:
    assert shell.kind(study(**about)) == options


def test_a_quick_study_has_few_epochs_and_never_more_than_this_one() -> None:
    assert [shell.quick_epochs(study(teacher_epochs=t, student_epochs=s)) for t, s in ((1, 3), (9, 9))] == [
        (1, 3), (2, 5),
    ]  # fmt: skip
    assert shell.quick_epochs(study()) == (2, 5)
    lines = shell.quick(findings(study(teacher_epochs=1, student_epochs=9, folds=2)), Path("b.yaml"))
    assert lines[1] == "distune tune --config b.yaml --n-trials 20 \\"
    assert lines[2].startswith("  --teacher-epochs 1 --student-epochs 5 --folds 2")


def test_the_space_to_search_again_is_that_of_both_stages_without_the_choice_of_teachers() -> None:
    of_teacher, of_student = (
        Parameter(f"{role}_lr", "float", 0.1, 1.0, key=f"{role}.lr") for role in ("teacher", "student")
    )
    choice = Parameter("teacher", "categorical", choices=("base",), key="teacher")
    first = study(space={"teacher_lr": of_teacher}, strategy="teacher")
    found = study(space={"teacher": choice, "student_lr": of_student}, teacher_record=first)
    assert list(shell.searched(found)) == ["teacher_lr", "student_lr"]
    assert shell.config_of(found) is None
    written = shell.config_of(replace(found, base_config={"seed": 1}))
    assert written is not None and written["seed"] == 1
    assert list(written["search_space"]) == ["teacher_lr", "student_lr"]  # type: ignore[call-overload]
    plain = replace(found, base_config={"seed": 1}, space_source="distributions")
    assert shell.config_of(plain) == {"seed": 1}
    said = shell._asked(findings(found))
    assert said == " --only teacher_lr,student_lr"
    leaks = {"findings": [{"severity": "severe"}, {"severity": "info"}]}
    assert shell._asked(findings(found, audit=leaks)).endswith(" --accept-leaks")
    mild = {"findings": [{"severity": "warning"}]}
    assert shell._asked(findings(found, audit=mild)) == said


def test_only_what_was_searched_is_searched_again(tmp_path: Path) -> None:
    part = {"alpha": Parameter("alpha", "float", 0.1, 1.0, key="distillation.alpha")}
    whole = {name: Parameter(name, "float", 0.1, 1.0) for name in DEFAULT_SPACE}
    asked = {
        source: shell._asked(findings(study(space=part, space_source=source)))
        for source in ("study", "distributions")
    }
    assert asked == {"study": " --only alpha", "distributions": ""}, (
        "of a space that is not known nothing is left out"
    )
    assert shell._asked(findings(study(space=whole))) == ""
    elsewhere = findings(study(space=whole, folder=tmp_path / "s", source=f"sqlite:///{tmp_path}/s.db"))
    *_, command = shell.resume(elsewhere, Path("b.yaml"))
    assert command.endswith(f" --storage sqlite:///{tmp_path}/s.db"), "else it would begin again"


def test_what_this_study_can_be_asked_again() -> None:
    nowhere = text(usage._this_study(findings(), None))
    assert "does not record its base config" in nowhere and "distune" not in nowhere
    unplaced = text(usage._this_study(findings(study()), Path("b.yaml")))
    assert "# quick tuning" in unplaced and "more trials" not in unplaced and "this page" not in unplaced
    placed = text(usage._this_study(findings(study(folder=Path("logs/s"))), Path("b.yaml")))
    assert placed.index("more trials") < placed.index("# quick tuning") < placed.index("# this page again")
    assert "distune report logs/s" in placed
    nameless = text(usage._this_study(findings(study(name=None, folder=Path("logs/s"))), Path("b.yaml")))
    assert "more trials" not in nameless and "this page again" in nameless
    table = text(usage._this_study(findings(study(space_source="observed", source="t.csv")), None))
    assert "distune report --from-csv t.csv --direction maximize" in table and "distune tune" not in table


def test_the_config_to_train_and_where_a_student_is_trained_already(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", "best_config.yaml", "recommended.yaml")
    best = text(usage._train(findings(study(folder=place))))
    assert f"distune train {place}/best_config.yaml" in best and "predict" not in best
    confirmed = text(usage._train(findings(study(folder=place), numbers=numbers())))
    assert (
        f"distune train {place}/recommended.yaml" in confirmed
        and f"distune predict {place} --csv new.csv --data-root new_images --out answers.csv" in confirmed
    )
    assert "holds no file" in text(usage._train(findings(study(folder=tmp_path))))
    assert "mydata/config.yaml" in text(usage._train(findings(study(space_source="observed"))))
    other = text(usage._elsewhere(findings(study(folder=place, folds=2)), tmp_path / "space.yaml"))
    assert f"--start-from {place}/best_config.yaml --space {tmp_path}/space.yaml" in other
    assert "--study-name other_study --folds 2" in other and "# start from this study's values" in other
    bare = text(usage._elsewhere(findings(study(folder=tmp_path)), tmp_path / "space.yaml"))
    assert "--space" not in bare and "start from" not in bare, "ranges narrow only what starts inside them"


def test_the_setup_of_a_trial() -> None:
    base = {
        "teacher": {"vision": {"name": "vit"}, "text": {"name": "bert"}},
        "student": {"vision": {"name": "deit"}},
    }
    whole = text(methodology._training(findings(study(base_config=base, teacher_epochs=3, student_epochs=7))))
    assert "Teacher: 3 epochs, reads images (vit) and texts (bert)" in whole
    assert "Student: 7 epochs, reads images only (deit)" in whole
    assert "best epoch on dev" in whole and "not recorded" not in whole and "Confirmation" not in whole
    part = text(methodology._training(findings(study(base_config=base, teacher_epochs=3))))
    assert "Student: epochs not recorded, reads images only" in part and "The epochs of teacher" in part
    bare = text(methodology._training(findings(study(student_epochs=2))))
    assert "Teacher" not in bare and "Student: 2 epochs." in bare
    folds = {"data": {"label_fraction": 0.5}}
    by_folds = text(methodology._training(findings(study(base_config=folds, folds=3))))
    assert "best epoch on the fold left out" in by_folds and "label_fraction" in by_folds
    for held, on in (({"data": {"label_fraction": 1}}, 3), (folds, None)):
        assert "label_fraction" not in text(
            methodology._training(findings(study(base_config=held, folds=on)))
        )
    table = text(methodology._training(findings(study(space_source="observed"))))
    assert "Evaluation" not in table
    baseline = {"own": {"kind": "baseline", "trial": None}}
    confirmed = text(methodology._training(findings(numbers=numbers(contenders=baseline))))
    assert "Confirmation: trial 1, the base config, each trained with 3 seeds" in confirmed
    assert "evaluated on test" in confirmed


def test_how_a_study_searched() -> None:
    about = {"sampler": "TPE", "pruner": "median", "strategy": "staged", "pruner_settings": {"n": 5}}
    said = text(methodology._strategy(findings(study(**about, prune_teacher=True))))
    for words in ("Tree-structured", "same epoch", "(`n=5`)", "teachers are tuned first", "fell behind"):
        assert words in said
    assert "after the same fold" in text(methodology._strategy(findings(study(**about, folds=3))))
    assert "fell behind" not in text(methodology._strategy(findings(study(**about))))
    assert "The sampler of this study are" in text(methodology._strategy(findings(study(pruner="none"))))
    assert "sampler and the pruner" in text(methodology._strategy(findings(study(strategy="own"))))


def answered(*counts: list[list[int]]) -> str:
    confusions = tuple(Confusion(f"task {number}", ("a", "b", "c"), np.array(held))
                       for number, held in enumerate(counts))  # fmt: skip
    run = SimpleNamespace(confusions=confusions)
    found: Any = SimpleNamespace(scored_run=SimpleNamespace(run=run))
    return "".join(map(text, tasks._answered(found)))


def test_the_class_that_is_least_often_right_is_that_of_the_smallest_share() -> None:
    # of c one of two is right, of a 40 of 100; of b there is none
    said = answered([[40, 60, 0], [0, 0, 0], [1, 0, 1]])
    assert said.strip() == "Task 0, 41 of 102 right; least often a, 40 of 100."
    assert answered([[0, 0, 0]] * 3) == ""
    assert answered(*[[[1, 0, 0], [0, 1, 0], [0, 1, 0]]] * 7).count("least often c, 0 of 1") == tasks.MOST
    unknown: Any = SimpleNamespace(scored_run=SimpleNamespace(run=Unknown("lost")))
    assert list(tasks._answered(unknown)) == []


@pytest.mark.parametrize(("folds", "trainings"), [(None, 30), (1, 60)])
def test_a_confirmation_takes_so_many_trainings(folds: int | None, trainings: int) -> None:
    pace: Any = SimpleNamespace(per_training=60.0, per_trial=30.0, quick_trial=6.0)
    found = findings(study(folds=folds))
    said = "".join(str(span) for span in recommendations._production(found, pace))
    assert f"At most {trainings} trainings; expected time: about {trainings} min" in said
    assert "expected" not in "".join(str(span) for span in recommendations._production(found, None))


@pytest.mark.parametrize(
    ("verdict", "seeds", "cases", "said"),
    [
        ("better", 9, 400, ""),
        ("not significantly different", 9, 400, "about 9 seeds or about 400 cases"),
        ("not significantly different", 51, 400, "would take about 400 cases."),
        ("not significantly different", 50, None, "would take about 50 seeds."),
        ("not significantly different", None, None, ""),
    ],
)
def test_what_a_clear_answer_would_have_taken(verdict: str, seeds: Any, cases: Any, said: str) -> None:
    found = recommendations._needed(
        made("tuning_gain", verdict=verdict, seeds_needed=seeds, cases_needed=cases), 0.02
    )
    assert bool(found) is bool(said) and said in found and ("+0.0200" in found) is bool(said)


def drawn_lines(monkeypatch: pytest.MonkeyPatch, module: Any, draw: Any) -> list[Any]:
    """The plots of a figure, before it is made a file."""
    kept: list[Any] = []
    monkeypatch.setattr(module, "finish", lambda figure, *said: kept.append(figure) or said)
    with look():
        draw()
    (figure,) = kept
    return list(figure.axes)


def test_the_best_so_far_is_the_lowest_where_lower_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = (0.5, 0.7, 0.3, 0.6)
    trials = [TrialRecord(number, "complete", score) for number, score in enumerate(scores)]
    trials += [TrialRecord(4, "pruned", intermediate={1: 0.1, 2: 0.2}), TrialRecord(5, "failed")]
    for direction, expected in (
        ("maximize", [0.5, 0.7, 0.7, 0.7, 0.7]),
        ("minimize", [0.5, 0.5, 0.3, 0.3, 0.3]),
    ):
        found = findings(study(*trials, direction=direction))
        above, below = drawn_lines(monkeypatch, history, lambda found=found: history.draw(found))
        assert list(above.lines[0].get_ydata()) == expected and list(above.lines[0].get_xdata()) == [
            0,
            1,
            2,
            3,
            5,
        ]
        marks = {
            to_hex(one.get_color()): list(zip(one.get_xdata(), one.get_ydata(), strict=True))
            for one in below.lines
        }
        assert marks == {to_hex(ORANGE): [(4, 2)], to_hex(RED): [(5, 0)]}
        best = "trial 1: 0.7000" if direction == "maximize" else "trial 2: 0.3000"
        assert above.texts[0].get_text() == best and below.get_ylabel() == "epochs"


def test_curves_have_the_colour_of_how_their_trial_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    states = ("complete", "pruned", "failed", "running")
    trials = [TrialRecord(number, state, 0.5 if state == "complete" else None, intermediate={1: 0.1, 2: number / 10})
              for number, state in enumerate(states)]  # fmt: skip
    (axes,) = drawn_lines(monkeypatch, curves, lambda: curves.draw_all(findings(study(*trials))))
    lines = [one for one in axes.lines if len(one.get_xdata()) == 2]
    assert [to_hex(one.get_color()) for one in lines[:4]] == [to_hex(c) for c in (BLUE, ORANGE, RED, FAINT)]
    assert [one.get_label() for one in lines] == [
        "complete",
        "pruned",
        "failed",
        "unfinished",
        "best, trial 0",
    ]
    assert [one.get_linestyle() for one in lines[:4]] == ["-", "--", "--", "--"]
    assert [(one.get_xdata()[0], one.get_ydata()[0]) for one in axes.lines if len(one.get_xdata()) == 1] == [
        (2, 0.1), (2, 0.2), (2, 0.3),
    ]  # fmt: skip


def test_means_over_folds_are_drawn_as_differences_to_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [
        TrialRecord(number, "complete", 0.5, intermediate={1: 0.1 * number, 2: 0.2 * number})
        for number in range(3)
    ]
    trials.append(TrialRecord(3, "pruned", intermediate={1: 0.5, 3: 0.9}))
    trials.append(TrialRecord(4, "complete", 0.5, intermediate={1: 0.1}))  # of an older version
    (axes,) = drawn_lines(monkeypatch, curves, lambda: curves.draw_all(findings(study(*trials, folds=3))))
    ends = [list(one.get_ydata()) for one in axes.lines[:4]]
    assert ends == [pytest.approx(each) for each in ([-0.1, -0.2], [0.0, 0.0], [0.1, 0.2], [0.4])]
    assert axes.get_xlabel() == "folds done" and "median" in axes.get_ylabel()


def test_gains_stand_in_their_order_from_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = [bars.Gain("one", 0.02, 0.01, 0.03, True), bars.Gain("two", 0.01, -0.02, 0.04, False)]
    (axes,) = drawn_lines(monkeypatch, bars, lambda: bars.draw_gains(gains))
    dots = {one.get_xdata()[0]: one for one in axes.lines if len(one.get_xdata()) == 1}
    assert dots[0.02].get_ydata()[0] > dots[0.01].get_ydata()[0]
    assert [dots[at].get_fillstyle() for at in (0.02, 0.01)] == ["full", "none"]
    assert [to_hex(dots[at].get_color()) for at in (0.02, 0.01)] == [to_hex(BLUE), to_hex(FAINT)]
    assert [note.get_text() for note in sorted(axes.texts, key=lambda note: -note.xy[1])] == ["one", "two"]


def test_the_importance_of_the_first_parameter_stands_at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    from distune.analysis.parameters.importance import Importance, Share

    shares = tuple(Share(f"p{number}", (40 - number) / 1000) for number in range(35))
    found = findings(importance=Importance(shares, 0.0385, 20, 0.1, ()))
    (axes,) = drawn_lines(monkeypatch, bars, lambda: bars.draw_importance(found))
    widths = [bar.get_width() for bar in axes.patches]
    assert len(widths) == bars.MOST_ROWS and widths[-1] == 0.04 == max(widths)
    assert axes.get_yticklabels()[-1].get_text() == "p0"
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches[-3:]] == [
        to_hex(c) for c in (FAINT, BLUE, BLUE)
    ]


@pytest.mark.parametrize(
    ("seconds", "unit"), [(119.0, (1.0, "seconds")), (120.0, (60.0, "minutes")), (7200.0, (3600.0, "hours"))]
)
def test_times_are_drawn_in_the_largest_fitting_unit(seconds: float, unit: tuple[float, str]) -> None:
    assert cost._unit(seconds) == unit


def test_trials_without_a_teacher_s_time_are_explained_where_some_have_one() -> None:
    trained = TrialRecord(
        0, "complete", 0.5, stage_seconds={"teacher": 5.0, "student": 5.0}, cache={"hits": 1}
    )
    found = replace(trained, number=1, stage_seconds={"teacher": 0.1, "student": 5.0})
    missed = replace(found, number=2, cache={"hits": 0})
    assert cost._from_the_store([trained, found, missed, replace(found, number=3)]).startswith(
        " Trials 1, 3 took their"
    )
    assert cost._from_the_store([trained, found]).startswith(" Trial 1 took its teacher")
    for none in ([found, found], [trained, missed], [trained], []):
        assert cost._from_the_store(none) == ""
    assert [len(group) for group in cost._groups([trained] * 121)] == [2] * 60 + [1]
    assert len(cost._groups([trained] * 120)) == 120


@pytest.mark.parametrize(
    ("number", "last", "side"),
    [
        (0, 0, "left"),
        (9, 100, "left"),
        (10, 100, "center"),
        (90, 100, "center"),
        (91, 100, "right"),
        (7, 7, "right"),
    ],
)
def test_a_note_crosses_no_end_of_the_axis(number: int, last: int, side: str) -> None:
    assert history._alignment(number, last) == side


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (paragraph("# x"), "\\# x"),
        (paragraph(Strong("# x")), "**# x**"),
        (paragraph(Code("# x")), "`# x`"),
        (paragraph("- a ", Code("b|c")), "\\- a `b|c`"),
        (paragraph(), ""),
        (paragraph("a ", Picture("data:image/jpeg;base64,x", "of a patient")), "a"),
        (Bullets((line("1. a"), line(Strong("b"))), numbered=True), "1. 1\\. a\n2. **b**"),
        (Bullets((line("a"),)), "- a"),
        (missing("x"), "> **Not known.** x"),
        (caution("x"), "> **Note.** x"),
        (Commands(" a\n"), "```bash\na\n```"),
        (Commands("a\n```b"), "````bash\na\n```b\n````"),
        (TableBlock(("A",), (("x",),)), "| A |\n| --- |\n| x |"),
        (TableBlock(("A", "B"), (("x|y", Code("c|d")), ("", Strong("1"))), frozenset({1}), "cap"),
         "cap\n\n| A | B |\n| --- | ---: |\n| x\\|y | `c\\|d` |\n|  | **1** |"),
    ],
)  # fmt: skip
def test_each_kind_of_block_in_markdown(block: Any, written: str) -> None:
    assert text(block) == written


def test_no_heading_of_markdown_is_deeper_than_six() -> None:
    deep = Section("8", (paragraph("x"),))
    for level in range(7, 1, -1):
        deep = Section(str(level), parts=(deep,))
    written = [each for each in markdown._section(deep, 2, "figures") if each.startswith("#")]
    assert written == ["## 2", "### 3", "#### 4", "##### 5", "###### 6", "###### 7", "###### 8"]


@pytest.mark.parametrize(
    ("title", "anchor"), [("Top 10 trials", "top-10-trials"), ("(What?)", "what"), ("a  b", "a-b")]
)
def test_a_section_is_found_by_its_title(title: str, anchor: str) -> None:
    assert html.anchor(Section(title)) == anchor


@pytest.mark.parametrize(
    ("columns", "rows", "cell", "is_stacked"),
    [
        (2, 5, "x" * 50, False),
        (3, 5, "x" * 11, True),
        (3, 5, "x" * 10, False),  # side by side it fits
        (3, 50, "x" * 11, True),
        (3, 51, "x" * 11, False),  # one after the other nobody scrolls through them
        (3, 0, "", False),
    ],
)
def test_which_tables_a_small_screen_shows_cell_by_cell(
    columns: int, rows: int, cell: str, is_stacked: bool
) -> None:
    table = TableBlock(("h",) * columns, tuple((cell,) * columns for _ in range(rows)))
    assert html.is_stacked(table) is is_stacked


@pytest.mark.parametrize(
    ("start", "title", "is_page"),
    [
        ("<title>s & t</title>{}", "s & t", False),
        ("<title>s &amp; t · Report</title>{}", "s & t", True),
        ("<title>another</title>{}", "s", False),
        ("<title>s</title>", "s", False),
    ],
)
def test_a_page_of_ours_loads_nothing_and_begins_with_its_title(
    start: str, title: str, is_page: bool
) -> None:
    loads = "default-src 'none'; style-src 'unsafe-inline'"
    assert html.is_page(start.format(loads).encode(), title) is is_page


def test_a_document_in_markdown_from_its_title_to_its_last_line() -> None:
    bare = Document("T", line("of ", Code("s")), (), (Section("A", (paragraph("x"),)),))
    command = "distune " + "x" * 500
    long = replace(bare, sections=(Section("A", (paragraph(Code(command)),)),))
    assert "x" * 500 in re.sub("<[^>]*>", "", html.render(long)), "a command is copied whole"
    assert markdown.render(bare) == "# T\n\nof `s`\n\n## A\n\nx\n"
    whole = replace(
        bare,
        headlines=(Headline("Q?", "Yes"),),
        lead=(paragraph("first"),),
        appendix=(Section("B"),),
        footer=line("end"),
    )
    assert markdown.render(whole) == (
        "# T\n\nof `s`\n\n- **Q?** Yes\n\nfirst\n\n## A\n\nx\n\n---\n\n# Appendix\n\n## B\n\n---\n\nend\n"
    )
    assert html.title_of("T", line("of ", Code("s"))) == "of s \N{MIDDLE DOT} T", (
        "what a tab of a browser shows first"
    )


def test_a_headline_ends_in_its_own_question_mark_or_a_colon() -> None:
    assert markdown._headline(Headline("Did it?", "Yes", "so")) == "- **Did it?** Yes (so)"
    assert markdown._headline(Headline("Score", "1")) == "- **Score:** 1"


def test_the_files_of_a_study_and_its_database_are_named_from_its_folder(tmp_path: Path) -> None:
    place = folder(tmp_path / "s.v2", "best_config.yaml")
    other = tmp_path / "ranges.yaml"
    (tmp_path / "s.db").touch()  # of another study
    assert "Study database" not in text(files.section(findings(study(folder=place)), []))
    (tmp_path / "s.v2.db").touch()
    shown_files = text(files.section(findings(study(folder=place)), [("Ranges", other)]))
    assert f"{tmp_path}/s.v2.db" in shown_files and str(other) in shown_files
    assert "best_config.yaml" in shown_files and f"{place}/best_config.yaml" not in shown_files
    assert "no folder" in text(files.section(findings(study()), []))
    nowhere = text(files.section(findings(study()), [("Ranges", other)]))
    assert str(other) in nowhere and "no folder" not in nowhere
