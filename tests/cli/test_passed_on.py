"""What a command is given reaches what it calls, and what that gives is printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distune.cli.commands import status
from distune.cli.commands.status import _print, _print_list
from distune.deployment.parity import Parity
from distune.tuning.coordinator.ledger import TrialCounts
from distune.tuning.status import RunningTrial, StudyStatus, UnreadableStudy

Command = Callable[..., tuple[int, str, str]]


def test_errors_passes_everything_on(distune: Command, called: Any) -> None:
    behind = called("distune.prediction.load.run_behind", Path("run"))
    calls = called("distune.reporting.mistakes.write_mistakes", Path("page.html"))
    plain = {"split": "dev", "most": 12, "data_root": None, "overwrite": False}
    assert distune("errors", "s") == (0, "wrote page.html\n", "")
    options = "--split test --out x.html --overwrite --most 3 --data-root d --storage sqlite:///x.db"
    assert distune("errors", "s", *options.split())[0] == 0
    given = {"split": "test", "most": 3, "data_root": Path("d"), "overwrite": True}
    assert distune("errors", "s", "--out", "x.html")[0] == 0
    one, page = Path("run"), Path("x.html")
    assert calls == [(one, None, plain), (one, page, given), (one, page, plain)]
    assert behind == [("s", None, {}), ("s", "sqlite:///x.db", {}), ("s", None, {})]


def test_plugins_are_loaded_before_a_command_runs(distune: Command, called: Any) -> None:
    loaded = called("distune.cli.plugin_option.load_plugins")
    ran = called("distune.prediction.load.run_behind", Path("run"))
    called("distune.reporting.mistakes.write_mistakes", Path("page.html"))
    assert distune("errors", "s")[0] == 0
    assert distune("errors", "s", "--plugin", "own.losses", "--plugin", "b")[0] == 0
    assert [given[0] for given in loaded] == [(), ["own.losses", "b"]] and len(ran) == 2


def test_export_passes_everything_on_and_says_what_was_compared(distune: Command, called: Any) -> None:
    place = "distune.deployment.export.export_source"
    calls = called(place, (Path("bundle"), Parity(64, 1.2e-5, 2, None, None, None)))
    code, said, _ = distune("export", "s")
    assert code == 0 and "64 generated" in said and "1.2e-05, 2 changed" in said and "wrote bundle" in said
    assert "dev score" not in said and calls[0][:2] == ("s", None)
    called(place, (Path("bundle"), Parity(60, 1e-6, 0, 2, 0.75, 0.75)))
    assert "2 differ from what the run recorded" in distune("export", "s")[1]
    options = "--out b --quantize int8 --max-score-drop 0.5 --data-root d --storage sqlite:///x.db"
    calls = called(place, (Path("bundle"), Parity(10, 0.0, 0, 0, 0.75, 0.5)))
    code, said, _ = distune("export", "s", *options.split())
    assert code == 0 and "10 dev examples" in said and "0.7500 in torch, 0.5000 exported" in said
    assert "differ from" not in said
    (source, out, given) = calls[0]
    assert (source, out) == ("s", Path("b")) and callable(given.pop("show"))
    assert given == {
        "storage": "sqlite:///x.db", "quantisation": "int8", "max_score_drop": 0.5, "data_root": Path("d"),
    }  # fmt: skip


@pytest.mark.slow
def test_report_writes_beside_the_study_or_the_table_unless_told_where(distune: Command, called: Any) -> None:
    called("distune.reporting.report.study_folder", Path("of/s"))
    studies = called("distune.reporting.report.write_report", [Path("a"), Path("b")])
    tables = called("distune.reporting.report.write_report_from_csv", [])
    assert distune("report", "s") == (0, "wrote a\nwrote b\n", "")
    options = "--out x --examples --checklist tripod-ai --overwrite --storage sqlite:///x.db"
    assert distune("report", "s", *options.split())[0] == 0
    plain = {"storage": None, "examples": False, "checklist": None, "overwrite": False}
    given = {"storage": "sqlite:///x.db", "examples": True, "checklist": "tripod-ai", "overwrite": True}
    assert studies == [("s", Path("of/s"), plain), ("s", Path("x"), given)]
    assert distune("report", "--from-csv", "t/trials.csv")[0] == 0
    assert (
        distune("report", "--from-csv", "t.csv", "--direction", "minimize", "--out", "x", "--overwrite")[0]
        == 0
    )
    assert tables == [
        (Path("t/trials.csv"), Path("t/trials"), {"direction": "maximize", "overwrite": False}),
        (Path("t.csv"), Path("x"), {"direction": "minimize", "overwrite": True}),
    ]
    refused = (["report"], ["report", "s", "--from-csv", "t.csv"], ["report", "s", "--direction", "minimize"],
               ["report", "--from-csv", "t.csv", "--examples"])  # fmt: skip
    assert [distune(*words)[0] for words in refused] == [2] * 4


def test_train_lays_its_options_over_the_config(distune: Command, called: Any) -> None:
    Path("c.yaml").write_text("student: {epochs: 7}\n")
    results = {"splits": {}, "test_split": "none"}
    calls = called("distune.training.run.run", SimpleNamespace(results=results))
    assert distune("train", "c.yaml", "--out", "a")[0] == 0
    options = "--out b --test --gpu cuda:1 --data-root d --teacher-epochs 2 --student-epochs 3 --seed 9"
    code, said, _ = distune("train", "c.yaml", *options.split(), "--set", "student.lr=0.5")
    assert code == 0 and "run folder b\n" in said and said.endswith("wrote b\n")
    Path("b").mkdir(exist_ok=True)
    for name in ("config.yaml", "environment.json"):
        Path("b", name).write_text(Path("c.yaml").read_text())
    assert "note: " not in said
    assert "run folder b of an unfinished run\n" in distune("train", "c.yaml", "--out", "b")[1]
    calls.pop()
    alone = ("--set", "distillation.loss=none", "--set", "distillation.T=9")
    assert "note: distillation.T: 9.0 has no effect" in distune("train", "c.yaml", "--out", "e", *alone)[1]
    calls.pop()
    (plain, first, how), (config, second, given) = calls
    assert (first, second) == (Path("a"), Path("b")) and (how["open_test"], given["open_test"]) == (
        False,
        True,
    )
    assert plain.student.epochs == 7 and plain.training.device == "auto"
    assert (config.data.root, config.seed, config.student.lr) == (Path("d"), 9, 0.5)
    assert (config.teacher.epochs, config.student.epochs, config.training.device) == (2, 3, "cuda:1")


def test_encoders_are_listed_with_what_is_known_of_them(distune: Command) -> None:
    code, said, _ = distune("encoders", "list")
    rows = {line.split()[0]: line.split() for line in said.splitlines()}
    assert rows["name"][1:5] == ["kind", "from", "million", "pixels"]
    assert code == 0 and rows["vit-base"][1:3] == ["vision", "hub"] and "224" in rows["vit-base"]
    assert rows["vit-base"][4:6] == ["224", "1100"], "pixels and milliseconds"
    assert rows["distilbert"][1] == "text" and "224" not in rows["distilbert"]


STATUS = StudyStatus(
    name="s",
    storage="sqlite:///s.db",
    counts=TrialCounts(complete=3, pruned=2, failed=2, best=(1, 0.75)),
    n_trials=30,
    running=(
        RunningTrial(7, "worker-0", "host", 2, 0.5, None, 1, "targets 3 of 9"),
        RunningTrial(8, "", "host", 0, None, None, 1, ""),
    ),
    interrupted=tuple(range(9, 31)),
    failures={"crash": 2},
    workers=2,
    ended=None,
    folds=None,
    ends=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    teacher_warning="weak",
)  # fmt: skip


def test_the_status_of_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    _print(STATUS)
    study, trials, crash, best, warning, workers, first, second, waiting, ends = (
        capsys.readouterr().out.splitlines()
    )
    assert study.split() == ["study", "s", "in", "sqlite:///s.db"]
    assert "5 of 30 finished: 3 complete, 2 pruned; 2 failed" in trials and crash.split() == [
        "2",
        "failed:",
        "crash",
    ]
    assert (
        best.split()[1:] == ["0.7500,", "trial", "1"] and warning.endswith(" weak") and workers.endswith(" 2")
    )
    assert first.endswith("trial 7 on worker-0: epoch 2, score 0.5000; targets 3 of 9")
    assert second.endswith("trial 8 on host: epoch 0")
    assert " 9, 10," in waiting and " 28 and 2 more " in waiting and "resumed" in waiting
    assert ends.endswith("2026-01-02 03:04")


def test_the_status_of_an_ended_a_foreign_and_a_folded_study(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = {
        "running": (),
        "interrupted": (),
        "failures": {},
        "workers": 0,
        "ends": None,
        "teacher_warning": None,
    }
    for changes, token in (
        ({"ended": "finished"}, "ended     finished"),
        ({"ended": "failed_alike"}, "ended     given up"),
        ({}, "ended     killed"),
        ({"is_ours": False, "interrupted": (3,)}, "waiting   trials 3 of another program"),
        ({"n_trials": None}, "ended     not known"),
        ({"counts": TrialCounts(foreign=4)}, "          4 more ended"),
        ({"counts": TrialCounts()}, "best      no complete trial"),
        ({"counts": TrialCounts(best=(1, 0.0))}, "best      0.0000, trial 1"),
    ):
        _print(replace(STATUS, **{**quiet, **changes}))
        said = capsys.readouterr().out
        assert token in said and "warning" not in said, token
    _print(replace(STATUS, folds=5))
    assert "2 of 5 folds, score 0.5000" in capsys.readouterr().out


def test_watching_ends_with_the_last_worker(called: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    called("distune.analysis.records.sources.name_and_url", ("s", "url"))
    found = iter([STATUS, STATUS, replace(STATUS, workers=0)])
    asked: list[Any] = []
    waited: list[float] = []
    monkeypatch.setattr(
        "distune.tuning.status.read_status",
        lambda name, *, storage: asked.append((name, storage)) or next(found),
    )
    monkeypatch.setattr(status.time, "sleep", waited.append)
    status.status("logs/optuna/s", watch=True)
    assert asked == [("s", "url")] * 3 and waited == [5.0, 5.0]


def test_a_list_of_studies(capsys: pytest.CaptureFixture[str]) -> None:
    ended = replace(STATUS, name="longer name", workers=0, ended="finished", n_trials=None)
    none = replace(STATUS, name="n", counts=TrialCounts(), workers=0)
    _print_list([STATUS, ended, UnreadableStudy("bad", "damaged"), none], "here")
    header, first, second, bad, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["study", "trials", "best", "state"]
    assert first.split() == ["s", "5/30", "0.7500", "running,", "workers", "2"]
    assert second.startswith("longer name          5   0.7500  not known")
    assert last.split()[:5] == ["n", "0/30", "-", "killed;", "the"]
    assert bad.split() == ["bad", "-", "-", "unreadable:", "damaged"]
    _print_list([], "here")
    assert capsys.readouterr().out == "no studies in here\n"
