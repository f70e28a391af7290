"""What the commands print at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from distune.analysis.side_by_side import Contestant
from distune.cli.audit_output import print_audit
from distune.cli.commands.confirm import EXIT_CODES, print_numbers
from distune.cli.commands.predict import _print_one
from distune.cli.commands.train import _ShowEpochs, print_results
from distune.cli.commands.tune import EXIT_CODES as TUNE_CODES
from distune.cli.output import say, say_message, score
from distune.cli.tune_output import print_outcome
from distune.config import TaskConfig
from distune.data.audit.findings import AuditReport, AuditSection, Finding
from distune.data.table import Task
from distune.errors import UserError
from distune.training.callbacks import EpochRecord
from distune.utils.text import LONGEST_MESSAGE


def summary(warning: str | None) -> dict[str, Any]:
    best = {"number": 3, "value": 0.8, "teacher_warning": warning}
    return {
        "study": "s",
        "folds": None,
        "trials": {"finished": 4, "complete": 3, "pruned": 1, "failed": 0},
        "best": best,
        "base": {"number": 0, "value": 0.7},
        "seconds": {"wall": 9.0},
        "machine": {"peak_memory_mb": 100.0},
    }


@pytest.mark.parametrize("warning", ["the teacher scores 0.6000 on dev, below its student", None])
def test_tune_says_first_that_a_teacher_has_nothing_to_teach(
    warning: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    print_outcome(summary(warning), [])
    shown = capsys.readouterr().out.strip()
    assert shown.splitlines()[0].split(maxsplit=1) == (["warning", warning] if warning else ["study", "s"])
    assert "teachers" not in shown
    print_outcome({**summary(warning), "teacher_study": {"finished": 5, "seconds": 12.3}}, [])
    assert "teachers   5 finished before, in 12 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("teacher", "regression", "is_warned"), [(0.6, 0.5, True), (0.9, 0.95, True), (0.9, None, False)]
)
def test_train_says_first_that_a_teacher_has_nothing_to_teach(
    teacher: float, regression: float | None, is_warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = {"score": 0.8, "tasks": {"kind": {"macro_f1": 0.8}}}
    scored = {"splits": {"dev": {"score": teacher}}, "regression": regression}
    print_results({"score": 0.8, "splits": {"dev": dev}, "teacher": scored, "test_split": "none"})
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("warning: the teacher scores" if is_warned else "dev  score 0.8000")


def test_how_a_confirmation_ends_is_told_by_its_exit_code() -> None:
    assert EXIT_CODES == {"finished": 0, "incomplete": 1, "low_disk": 4, "interrupted": 130}
    assert TUNE_CODES == {"finished": 0, "failed_alike": 1, "timeout": 3, "low_disk": 4, "interrupted": 130}


def test_the_outcome_of_a_study_names_best_base_and_each_file_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_outcome(summary(None), ["a.md", Path("a.md"), "b.yaml"])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[1].split() == ["trials", "4", "finished:", "3", "complete,", "1", "pruned;", "0", "failed"]
    assert lines[2].split()[:5] == ["best", "0.8000", "dev", "score,", "trial"] and lines[2].endswith(" 3")
    assert lines[3].startswith("base       0.7000 dev score, trial 0 ")
    assert "one dev split" in lines[4] and " 9 s; " in lines[5] and " 100 MiB" in lines[5]
    assert [line.strip() for line in lines[6:]] == ["files", "a.md", "b.yaml"]
    print_outcome({**summary(None), "folds": 5, "base": None}, [])
    folds = capsys.readouterr().out
    assert "0.8000 mean over 5 folds" in folds and "same folds" in folds
    assert "base " not in folds and "one dev split" not in folds
    print_outcome({**summary(None), "best": None, "note": "no trial is complete"}, [])
    none = capsys.readouterr().out
    assert "best       no trial is complete" in none and "flatters" not in none and "base " in none


@pytest.mark.parametrize(
    ("test_split", "said"), [("none", "no test split"), ("shut", "--test"), ("opened", "")]
)
def test_a_run_prints_the_scores_of_each_split(
    test_split: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = {
        "kind": {"macro_f1": 0.25},
        "place": {"macro_f1": 0.5, "score": {"name": "auroc", "value": 0.75}},
    }
    splits = {"dev": {"score": 0.5, "tasks": tasks}, "test": {"score": 0.125, "tasks": {}}}
    print_results({"score": 0.5, "splits": splits, "teacher": None, "test_split": test_split})
    dev, test, *rest = capsys.readouterr().out.splitlines()
    assert (
        dev == "dev  score 0.5000  (kind macro F1 0.2500, place area under the ROC curve 0.7500)"
        and test.startswith("test score 0.1250")
    )
    assert [said in line for line in rest] == [True] * bool(said)


def test_only_epochs_that_were_trained_before_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    first = EpochRecord("teacher", 1, 0.5, 0.4, 0.1, 0.125, {}, 1e-3, 2.0)
    _ShowEpochs().on_epoch_end(first)
    assert "trained before" not in capsys.readouterr().out
    shown = _ShowEpochs()
    shown.on_replay("student", 2)
    for epoch in (1, 2, 3):
        shown.on_epoch_end(EpochRecord("student", epoch, 0.5, 0.4, 0.1, 0.125, {}, 1e-3, 2.0))
    shown.on_replay("student", 1)
    said, *epochs, last = capsys.readouterr().out.splitlines()
    assert said == "student: 2 epochs trained before" and last == "student: 1 epoch trained before"
    assert ["trained before" in line for line in epochs] == [True, True, False]
    assert epochs[2].split() == [
        "student",
        "epoch",
        "3",
        "loss",
        "0.5000",
        "dev",
        "score",
        "0.1250",
        "2.0",
        "s",
    ]


SCORE = {"score": {"mean": 0.5, "low": 0.4, "high": 0.6}, "forecast": None}
ALONE = {"score": {"mean": 0.25, "low": None, "high": None}, "forecast": None}


def confirmation(**changed: Any) -> dict[str, Any]:
    forecast = {"cases": 90, "low": 0.41, "high": 0.62, "seeds": 5}
    compared = {
        "kind": "tuning_gain", "first": "trial_0001", "second": "base", "difference": 0.0125, "low": -0.01,
        "high": 0.035, "verdict": "not significantly different", "power": 0.17,
    }  # fmt: skip
    numbers = {
        "split": "test",
        "optimistic": False,
        "relevant_gain": 0.02,
        "contenders": {
            "trial_0001": {"splits": {"dev": SCORE, "test": SCORE | {"forecast": forecast}}},
            "majority": {"splits": {"dev": ALONE, "test": None}},
        },
        "comparisons": [compared],
        "comparisons_missing": [{"kind": "teacher_gap", "reason": "no teacher"}],
        "optimism": {
            "contender": "trial_0001", "search_score": 0.75, "dev": {"mean": 0.5}, "test": {"mean": 0.45},
            "loss": {"mean": 0.25, "low": 0.2, "high": 0.3, "on": "dev"},
        },
        "failures": [{"contender": "base", "seed": 3, "kind": "not_finite", "message": "nan"}],
        "notes": ["few cases"],
        "recommendation": {"contender": "trial_0001", "text": "Highest.", "config": "recommended.yaml"},
    }  # fmt: skip
    return {**numbers, **changed}


def printed(capsys: pytest.CaptureFixture[str], **changed: Any) -> list[str]:
    print_numbers(confirmation(**changed), Path("s"))
    return [line for line in capsys.readouterr().out.splitlines() if line]


def test_a_confirmation_prints_scores_differences_luck_and_what_is_recommended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    header, trial, majority, on, pair, power, missing, luck, failed, note, best, new, *files = printed(capsys)
    assert header.split()[-2:] == ["dev", "test"]
    assert trial.split() == ["trial_0001", "0.5000", "[0.400,", "0.600]", "0.5000", "[0.400,", "0.600]"]
    assert majority.split() == ["majority", "0.2500", "-"]
    assert on == "differences on test"
    assert pair.split() == (
        [
            "tuning",
            "gain:",
            "trial_0001",
            "-",
            "base",
            "+0.0125",
            "[-0.0100,",
            "+0.0350]",
            "not",
            "significantly",
            "different,",
            "power",
            "17%",
        ]
    )
    assert power.endswith(" 0.02") and missing == "gap to the teacher: not known, no teacher"
    assert luck.split()[:6] == ["trial_0001:", "0.7500", "in", "the", "search,", "0.5000"]
    assert "0.4500 on test" in luck and luck.endswith(" +0.2500 [+0.2000, +0.3000] on dev")
    assert failed == "missing: base seed 3 (not_finite: nan)" and note == "note: few cases"
    assert best == "recommended: trial_0001. Highest."
    assert " 90 cases " in new and "0.410" in new and "0.620" in new and new.endswith("95 %")
    assert [line.split()[-1] for line in files] == ["s/confirmation.json", "s/recommended.yaml"]


@pytest.mark.parametrize(("split", "last"), [("dev", ["test", "-"]), ("folds", ["folds", "0.600]"])])
def test_a_confirmation_without_a_test_split_says_that_it_flatters(
    split: str, last: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    forecast = {"cases": 90, "low": 0.41, "high": 0.62, "seeds": 1}
    held = {"trial_0001": {"splits": {"dev": SCORE, "test": None, split: SCORE | {"forecast": forecast}}}}
    lines = printed(capsys, split=split, optimistic=True, contenders=held)
    assert [line.split()[-1] for line in lines[:2]] == last and lines[0].split()[-2] == "dev"
    assert any(line.startswith(f"differences on {split}, ") and "optimistic" in line for line in lines)
    (new,) = (line for line in lines if line.startswith("forecast"))
    assert "one seed" in new and "flatters" in new


def test_a_confirmation_says_only_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert not any("in the search" in line for line in printed(capsys, optimism=None))
    optimism = confirmation()["optimism"]
    assert not any(
        "in the search" in line for line in printed(capsys, optimism={**optimism, "search_score": None})
    )
    lines = printed(capsys, optimism={**optimism, "loss": None, "test": None, "folds": 3})
    (luck,) = (line for line in lines if "in the search" in line)
    assert "3 folds" in luck and luck.endswith("0.5000 over seeds on dev")
    unscored = {"trial_0001": {"splits": {"dev": SCORE, "test": None}}}
    scored = {"trial_0001": {"splits": {"dev": SCORE, "test": SCORE}}}
    assert not any(line.startswith("forecast") for line in printed(capsys, contenders=unscored))
    assert any(line.startswith("forecast: none") for line in printed(capsys, contenders=scored))


def test_an_audit_prints_the_worst_finding_last_and_cuts_long_lists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = tuple({"row": number, "share": number / 3} for number in range(10))
    findings = (
        Finding("leak", "severe", "Worst", "why", rows),
        Finding("balance", "info", "Least", "so", ({"value": "x" * 61},)),
    )
    print_audit(AuditReport(findings, (AuditSection("Counts", rows), AuditSection("Nothing", ()))))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == ["Counts", "  row  share", "  0    0.000"] and lines[12] == "  9    3.000"
    nothing = lines.index("Nothing")
    assert lines[nothing + 1 : nothing + 4] == ["", "[info] Least", "  so"]
    assert lines[nothing + 5] == "  " + "x" * 57 + "..."
    worst = lines.index("[severe] Worst")
    assert lines[worst + 1 : worst + 4] == ["  why", "  row  share", "  0    0.000"]
    assert lines[worst + 10 : worst + 12] == ["  7    2.333", "  ... and 2 more"]
    assert lines[-1].startswith("found: ") and worst > nothing
    print_audit(AuditReport((Finding("leak", "severe", "Eight", "why", rows[:8]),), ()))
    assert "more" not in capsys.readouterr().out, "all of them are shown"


def test_studies_and_runs_are_put_side_by_side(
    distune: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Contestant("s", "study", 0.75, base=0.5, confirmed=0.625, trials=12, data="x", folds=3)
    run = Contestant("r", "run", 0.25, test=0.125, tasks={"kind": ("macro F1", 0.25)}, data="y")
    found: list[Contestant] = []
    monkeypatch.setattr("distune.analysis.side_by_side.side_by_side", lambda _: found)
    found[:] = [study, run]
    code, out, _ = distune("compare", "s", "r")
    header, first, second, *notes = out.splitlines()
    assert code == 0 and header.split()[:7] == ["name", "kind", "dev", "base", "confirmed", "test", "trials"]
    assert first.split() == ["s", "study", "0.7500", "0.5000", "0.6250", "12"]
    assert second.split() == ["r", "run", "0.2500", "0.1250", "kind", "macro", "F1", "0.2500"]
    assert second.index("0.1250") + 6 == header.index("test") + 4, "below its heading"
    assert ["confirmed" in notes[0], "3 folds" in notes[1], "different data" in notes[2]] == [True] * 3
    areas = replace(run, counted={"kind": ("auroc", 1.0)}, asked={"kind": TaskConfig(score="auroc")})
    found[:] = [replace(study, counted={}, asked={}), areas]
    assert "data.tasks" in (said := distune("compare", "s", "r")[1]) and "different data" not in said
    found[:] = [*found, replace(areas, data="z")]
    assert "data.tasks" in (said := distune("compare", "s", "r")[1]) and "different data" in said
    found[:] = [replace(study, confirmed_on="folds"), replace(study, name="t", confirmed_on="test")]
    said = distune("compare", "s", "t")[1]
    assert "confirmed of s is on folds" in said and "confirmed of t" not in said
    found[:] = [replace(study, minimises=True), replace(study, name="t")]
    said = distune("compare", "s", "t")[1]
    assert "s minimises" in said and "t minimises" not in said
    found[:] = [run]
    assert len(distune("compare", "r")[1].splitlines()) == 2


def test_what_is_printed_is_harmless_and_no_longer_than_a_person_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say("a\x1b[31m\rb\nerror: c\u2028d")
    say("e", err=True)
    printed, errors = capsys.readouterr()
    assert printed == "a?[31m?b?error: c?d\n".replace("?", "\N{REPLACEMENT CHARACTER}") and errors == "e\n"
    say("c" + "d" * LONGEST_MESSAGE)
    assert (
        capsys.readouterr().out == f"c{'d' * (LONGEST_MESSAGE - 1)}... ({LONGEST_MESSAGE + 1:,} characters)\n"
    )
    # Of an error's lines only the first begins at the margin, whatever a name in it holds.
    say_message(f"error: x\n  y\nerror: run\x1b this\n{'z' * (LONGEST_MESSAGE + 1)}")
    first, *rest = capsys.readouterr().err.splitlines()
    assert first == "error: x" and [line[:10] for line in rest] == ["  y", "  error: r", "  zzzzzzzz"]
    assert "\x1b" not in rest[1] and rest[2].endswith(f"({LONGEST_MESSAGE + 1:,} characters)")
    say("x" * LONGEST_MESSAGE)
    assert capsys.readouterr().out == "x" * LONGEST_MESSAGE + "\n"
    assert (score(0.5), score(-999_999.0), score(1e6), score(-123456789.0)) == (
        "0.5000", "-999999.0000", "1e+06", "-1.235e+08",
    )  # fmt: skip


def test_one_answer_of_a_task_of_labels_names_those_above_one_half(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tasks = (Task("signs", ("a", "b", "c"), "multi_label"), Task("kind", ("x", "y")))
    for labels, said in (([0.2, 0.4, 0.3], "none"), ([0.9, 0.1, 0.6], "a;c")):
        rows = {"signs": np.array([labels]), "kind": np.array([[0.3, 0.7]])}
        predictor: Any = SimpleNamespace(
            tasks=tasks,
            predict_proba=lambda image, text, rows=rows: rows,
            model=SimpleNamespace(modalities=("text",)),
        )
        _print_one(predictor, None, "text")
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"signs: {said}" and lines[4] == "kind: y"
        with pytest.raises(UserError, match=r"--image: .* reads the text alone"):
            _print_one(predictor, Path("x.png"), "text")
