"""The commands that a report gives ask for exactly what its study asked."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from by_hand import study
from optuna.trial import TrialState, create_trial
from pages import first_screen, section, text_of

from distune import reporting
from distune.analysis.findings import Findings, analyse
from distune.analysis.records.sources import read_study
from distune.config import Config, load_config, parse_config
from distune.errors import UserError
from distune.reporting import markdown, report, shell
from distune.reporting.contents import TITLE, Written, subtitle
from distune.reporting.document import Paragraph
from distune.reporting.figures import NAMES
from distune.reporting.report import BASE_FILE, FIGURES, MARKDOWN_FILE, SPACE_FILE, _refuse_to_replace
from distune.tuning.staged import SUFFIX, best_teachers, outline, settle
from distune.tuning.study.open_study import load, open_study
from distune.tuning.study.settings import StudySettings, differing
from distune.tuning.study.storage import opened
from distune.tuning.tune import TuneRequest, _study_settings, base_of, search_space
from distune.utils.files.atomic import write_text
from distune.utils.files.output_files import check_output

BATCH = {"batch": {"type": "categorical", "choices": [8, 16], "key": "training.batch_size"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "few parameters": {"only": ("T", "teacher_lr")},
    "a parameter of its own": {"search_space": BATCH},
    "fusion modules": {"tune_fusion": True},
    "staged": {"strategy": "staged", "only": ("teacher_lr", "alpha", "T")},
    "folds": {"folds": 3},
    "pruned by the teacher": {"prune_teacher": True},
}


def companions(findings: Findings, out: Path) -> Written:
    """The files that a report names, written."""
    found = report.companions(findings, out)
    for path, text in found.texts.items():
        write_text(path, text)
    return found


def settings_of(request: TuneRequest) -> tuple[StudySettings, StudySettings | None]:
    """What the tuning command makes of a request."""
    base = base_of(request.config)
    return _study_settings(request, base, search_space(base, request.asked), "data")


def study_of(folder: Path, request: TuneRequest) -> Path:
    """A study with one trial, as the tuning command begins it; returns its folder."""
    settings, teacher = settings_of(request)
    done = create_trial(
        state=TrialState.COMPLETE, value=0.5, user_attrs={"baseline": True, "fixed_params": {}}
    )
    with opened(f"sqlite:///{folder / 's.db'}") as storage:
        study = open_study(storage, "s", settings)
        if teacher is not None:
            first = open_study(storage, "s" + SUFFIX, teacher)
            first.add_trial(done)
            study.set_user_attr("teacher_study", outline(first))
            settle(study, best_teachers(first), settings)
        study.add_trial(done)
    (folder / "s").mkdir()
    return folder / "s"


def asked_for(asked: dict[str, Any]) -> TuneRequest:
    """A request with some settings, around parameters of its own where there are any."""
    config = parse_config({"search_space": asked.get("search_space", {})})
    return TuneRequest.of(config, {name: value for name, value in asked.items() if name != "search_space"})


def request_of(command: str) -> TuneRequest:
    """What a command line of `distune tune` asks for."""
    words = shlex.split(command.replace("\\\n", " "))
    given = {word[2:].replace("-", "_"): after for word, after in zip(words, [*words[1:], ""], strict=True)
             if word.startswith("--")}  # fmt: skip
    folds = given.get("folds")
    settings = {
        "name": given.get("study_name"),
        "n_trials": given["n_trials"],
        "only": given["only"].split(",") if "only" in given else (),
        "strategy": given.get("strategy", "joint"),
        "folds": folds,
        "prune_teacher": "prune_teacher" in given,
    }
    return TuneRequest.of(load_config(Path(given["config"])), settings)


@pytest.mark.slow
@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_the_command_that_resumes_asks_for_the_same_study(tmp_path: Path, asked: dict[str, Any]) -> None:
    folder = study_of(tmp_path, asked_for(asked))
    study = read_study(folder)
    usage = section(text_of(study, companions(analyse(study), tmp_path)), "Usage").split(
        "### This study again"
    )[1]
    again, quick = re.findall(r"^distune tune (.*\\\n.*)$", usage, re.M)
    request = request_of(again)
    assert f"--storage sqlite:///{tmp_path / 's.db'}" in again  # it lies elsewhere than under logs/optuna
    teachers = study.teacher_record.trials if study.teacher_record is not None else ()
    assert (request.asked.name, request.asked.n_trials) == ("s", 30 + len(study.trials) + len(teachers))
    with opened(f"sqlite:///{tmp_path / 's.db'}") as storage:
        for name, settings in zip(("s", "s" + SUFFIX), settings_of(request), strict=True):
            study = load(storage, name)
            assert (study is None) == (settings is None)
            if study is not None and settings is not None:
                assert differing(study.user_attrs, settings) == []
                assert study.user_attrs.get("prune_teacher", False) == settings.prune_teacher
    new = request_of(quick)
    for name in ("strategy", "folds", "only"):
        assert getattr(new.asked, name) == getattr(request.asked, name)
    assert "--only" not in again or asked.get("only")


@pytest.mark.slow
def test_a_study_where_the_tuning_command_looks_needs_no_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "logs" / "optuna"
    logs.mkdir(parents=True)
    study = read_study(study_of(logs, TuneRequest(config=Config())))
    usage = section(text_of(study, companions(analyse(study), tmp_path)), "Usage")
    assert "--study-name s" in usage and "--storage" not in usage
    for each in ("s", "s.db"):
        (logs / each).rename(logs / each.replace("s", "t", 1))
    renamed = read_study(logs / "t")
    usage = section(text_of(renamed, companions(analyse(renamed), tmp_path)), "Usage")
    assert re.search(r"--study-name s .*--storage sqlite:///\S*t\.db", usage), (
        "its file is no longer found by its name"
    )


@pytest.mark.slow
def test_data_with_a_leak_that_was_accepted_need_that_again(tmp_path: Path) -> None:
    folder = study_of(tmp_path, TuneRequest(config=Config()))
    for severity in ("warning", "severe"):
        found = {"kind": "k", "severity": severity, "title": "t", "detail": "d", "rows": []}
        (folder / "audit.json").write_text(json.dumps({"findings": [found], "sections": []}))
        study = read_study(folder)
        text = text_of(study, companions(analyse(study), tmp_path))
        assert text.count(" --accept-leaks") == 3 * (severity == "severe")


@pytest.mark.slow
def test_a_study_in_a_database_server_is_named_with_it(tmp_path: Path) -> None:
    record = read_study(study_of(tmp_path, TuneRequest(config=Config())))
    assert shell.confirm(record) == f"distune confirm {tmp_path / 's'}"
    elsewhere = replace(record, source="postgresql://me:***@host/db")
    assert shell.confirm(elsewhere) == "distune confirm s --storage 'postgresql://me:***@host/db'"
    text = text_of(elsewhere, companions(analyse(elsewhere), tmp_path))
    assert "distune report s --storage 'postgresql://me:***@host/db'" in text
    assert re.search(r"--study-name s.* --storage 'postgresql://", text)


def test_a_study_without_a_complete_trial_is_named_where_it_lies(tmp_path: Path) -> None:
    record = replace(read_study(study_of(tmp_path, TuneRequest(config=Config()))), trials=())
    assert f"distune status {tmp_path / 's'}\n" in first_screen(text_of(record))


@pytest.mark.slow
def test_the_quick_study_is_not_longer_than_this_one(tmp_path: Path) -> None:
    config = parse_config({"teacher": {"epochs": 1}, "student": {"epochs": 40}})
    study = read_study(study_of(tmp_path, TuneRequest(config=config)))
    text = text_of(study, companions(analyse(study), tmp_path))
    assert "--teacher-epochs 1 --student-epochs 5" in text


@pytest.mark.slow
def test_the_ranges_of_a_staged_search_are_those_of_its_teachers_too(tmp_path: Path) -> None:
    folder = study_of(tmp_path, TuneRequest.of(Config(), {"strategy": "staged", "only": ["teacher_lr", "T"]}))
    lr = optuna.distributions.FloatDistribution(5e-6, 1e-4, log=True)
    temperature = optuna.distributions.FloatDistribution(2.0, 6.0)
    for name, parameter, distribution, values in (
        ("s", "T", temperature, [3.0, 3.2, 3.4, 3.6, 5.9]),
        ("s" + SUFFIX, "teacher_lr", lr, [1e-5, 1.2e-5, 1.4e-5, 1.6e-5, 2e-5]),
    ):
        with opened(f"sqlite:///{tmp_path / 's.db'}") as storage:
            study = optuna.load_study(storage=storage, study_name=name)
            for value in values:
                study.add_trial(
                    create_trial(
                        value=0.6,
                        params={parameter: value},
                        distributions={parameter: distribution},
                        user_attrs={"overrides": {}},
                    )
                )
    study = read_study(folder)
    written = companions(analyse(study), tmp_path)
    space = load_config(tmp_path / "recommended_space.yaml").search_space
    assert set(space) == {"teacher_lr", "T"}
    assert space["teacher_lr"].low > 5e-6 and space["teacher_lr"].high < 5e-5
    said = section(text_of(study, written), "Recommended starting values")
    assert said.index("`teacher_lr`") < said.index("`T`")


def test_a_folder_named_through_a_link_holds_its_own_report(tmp_path: Path) -> None:
    record = read_study(study_of(tmp_path, TuneRequest(config=Config())))
    assert record.folder is not None
    (tmp_path / "link").symlink_to(record.folder.resolve())
    (tmp_path / "other").mkdir()
    for folder in (record.folder, tmp_path / "other"):
        (folder / MARKDOWN_FILE).write_text(f"# {TITLE}\n\nstudy with an earlier name\n")
    _refuse_to_replace(tmp_path / "link", record, check_output, with_checklist=False)
    with pytest.raises(UserError):
        _refuse_to_replace(tmp_path / "other", record, check_output, with_checklist=False)


def test_files_of_a_report_are_replaced_beside_that_report_alone(tmp_path: Path) -> None:
    record = study(name="mine")
    whose = markdown.render_block(Paragraph(subtitle(record.name)))
    for file in (BASE_FILE, SPACE_FILE, f"{FIGURES}/{NAMES[0]}.png"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
        with pytest.raises(UserError, match=file):
            _refuse_to_replace(tmp_path, record, check_output, with_checklist=False)
        (tmp_path / MARKDOWN_FILE).write_text(f"# {TITLE}\n\n{whose}\n")
        _refuse_to_replace(tmp_path, record, check_output, with_checklist=False)
        (tmp_path / file).unlink()
        (tmp_path / MARKDOWN_FILE).unlink()


def test_a_report_belongs_into_its_studys_folder_or_where_tuning_would_make_one(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/s.db"
    for name in ("s", "../t"):
        optuna.create_study(study_name=name, storage=storage)
    assert report.study_folder(str(tmp_path / "s.db")) == Path("logs/optuna/s")
    assert report.study_folder("s", storage) == Path("logs/optuna/s")
    (tmp_path / "s").mkdir()
    assert report.study_folder(str(tmp_path / "s.db")) == tmp_path / "s"
    with pytest.raises(UserError, match="--out"):
        report.study_folder("../t", storage)


@pytest.mark.parametrize("absent", ["matplotlib", "jinja2"])
def test_a_report_needs_both_of_its_packages(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reporting.require()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find(name))
    with pytest.raises(UserError, match="distune\\[report\\]"):
        reporting.require()
