"""Studies and tables of others: read as they are meant, refused where they cannot be, and never obeyed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

import distune
from distune.analysis.parameters.shared import shared_by_best
from distune.analysis.ranking import rank
from distune.analysis.records.from_csv import from_csv
from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.schemas import ConfirmationForm
from distune.cli import app
from distune.confirmation.confirm import confirm
from distune.confirmation.opening import Opening
from distune.confirmation.request import ConfirmRequest
from distune.confirmation.statistics.files import baseline_folder, folds_folder, run_folder
from distune.data.pixels.images import read_pixels
from distune.data.readers.table_formats import TableError, open_table
from distune.errors import UserError
from distune.training.files.checkpoint import load_checkpoint
from distune.training.files.run_folder import OPENINGS
from distune.tuning.coordinator.progress import log_file
from distune.tuning.status import read_status
from distune.utils.files.json_files import read_json
from distune.utils.files.jsonl import append_line, read_lines
from distune.utils.files.paths import is_file_name
from distune.utils.forms import fault
from tests.reporting.confirmed_numbers import CONFIRMATION

HEADER = "number,value,state,params_x\n"


def study_named(name: str, file: Path, **options: object) -> optuna.Study:
    study = optuna.create_study(storage=f"sqlite:///{file}", study_name=name, **options)  # type: ignore[arg-type]
    for value in (3.0, 1.0, 2.0):
        distribution = optuna.distributions.FloatDistribution(0, 5)
        count = len(study.directions)
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": value}, distributions={"x": distribution}, values=[value] * count
            )
        )
    return study


@pytest.mark.slow
def test_a_report_says_nothing_of_a_foreign_study_that_only_studies_of_tune_say(tmp_path: Path) -> None:
    """Nor does it advise what would be refused: the same trials as a table are no more, and no less."""
    pytest.importorskip("pandas")
    study = study_named("s", tmp_path / "s.db")
    study.trials_dataframe().to_csv(tmp_path / "t.csv", index=False)
    for command in (["report", str(tmp_path / "s.db")], ["report", "--from-csv", str(tmp_path / "t.csv")]):
        shown = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out"), "--overwrite"])
        assert shown.exit_code == 0, shown.output
        page = (tmp_path / "out" / "report.md").read_text()
        assert "on which examples its scores were measured" in " ".join(page.split())
        for said in (
            "on dev",
            "the split for tuning",
            "distune confirm s",
            "confirm before use",
            "distune export",
        ):
            assert said not in page, said
        assert not (tmp_path / "out" / "recommended_space.yaml").exists()


NO_NAMES = ["../../../escaped", "/tmp/escaped", "..", ".hidden", "a/b", "a\nb", "x" * 300, ""]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_contenders_name_decides_no_path(name: str, tmp_path: Path) -> None:
    for path_of in (baseline_folder, partial(run_folder, seed=1), partial(folds_folder, seed=1)):
        with pytest.raises(UserError, match="name"):
            path_of(tmp_path, name)
    numbers = {
        **CONFIRMATION,
        "contenders": {**CONFIRMATION["contenders"], name: CONFIRMATION["contenders"]["base"]},
    }
    assert fault(CONFIRMATION, ConfirmationForm) is None and "name" in str(fault(numbers, ConfirmationForm))


@pytest.mark.slow
@pytest.mark.parametrize("recorded", ["../../../outside", "/etc", "trials/../../../../outside", "a\0b"])
def test_a_recorded_run_folder_stays_among_the_studies(recorded: str, tmp_path: Path) -> None:
    folder = tmp_path / "logs/optuna/study"
    (folder / "trials/trial_0000").mkdir(parents=True)
    study = study_named("study", tmp_path / "study.db")
    kept = {str(folder / "trials/trial_0000"): folder / "trials/trial_0000", recorded: None}
    (tmp_path / "file").touch()
    for moved in ("/elsewhere", tmp_path / "file"):  # nothing, or a file, is where the study was
        kept |= {f"{moved}/trials/trial_0000": folder / "trials/trial_0000"}
    kept |= {
        str(folder.parent / "other/trials/trial_0007"): folder.parent / "other/trials/trial_0007"
    }  # a fork
    for number, path in enumerate(kept):
        frozen = optuna.trial.create_trial(value=1.0, user_attrs={"folder": path})
        study.add_trial(frozen)
        assert from_optuna(study, folder).trials[-1].folder == kept[path], number


@pytest.mark.slow
@pytest.mark.parametrize("name", NO_NAMES)
def test_a_studys_name_decides_no_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_file_name(name)
    inner = tmp_path / "a" / "b" / "c" / "d"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    study_named(name, inner / "some.db")
    result = CliRunner().invoke(app, ["report", "some.db"])
    assert isinstance(result.exception, UserError) and "--out" in str(result.exception)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "c", "d", "some.db"]


@pytest.mark.slow
def test_choices_that_are_no_scalars_are_read_as_their_text(tmp_path: Path) -> None:
    """A choice of None is no missing value, and one of a list can be counted."""
    choices = (None, True, 1.5, "a", [1, 2])
    distribution = optuna.distributions.CategoricalDistribution(choices)  # type: ignore[arg-type]
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db")
    for number in range(30):
        params: dict[str, object] = {} if number % 7 == 0 else {"c": choices[number % 5]}
        ranges = dict.fromkeys(params, distribution)
        study.add_trial(optuna.trial.create_trial(value=number, params=params, distributions=ranges))
    record = from_optuna(study)
    assert record.space["c"].choices == ("None", True, 1.5, "a", "[1, 2]")
    assert {trial.params.get("c") for trial in record.trials} == {None, *record.space["c"].choices}
    assert shared_by_best(record, rank(record))


def test_what_another_program_added_to_a_study_of_tune_is_left_out_and_said(tmp_path: Path) -> None:
    study = study_named("s", tmp_path / "s.db", direction="maximize")
    study.set_user_attr("ready", True)
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"overrides": {}}))
    record = from_optuna(study)
    assert [trial.number for trial in record.trials] == [3]
    assert any("another program" in line for line in record.missing)


def test_the_best_of_a_minimised_study_is_its_lowest(tmp_path: Path) -> None:
    study_named("low", tmp_path / "low.db", direction="minimize")
    for storage in (None, ""):  # as an unset variable gives it
        status = read_status("low", logs=tmp_path, storage=storage)
        assert status.counts.best == (1, 1.0)


@pytest.mark.slow
def test_studies_that_minimise_are_compared_apart(tmp_path: Path) -> None:
    study_named("low", tmp_path / "low.db", direction="minimize")
    study_named("high", tmp_path / "high.db", direction="maximize")
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "low.db"), str(tmp_path / "high.db")])
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["high", "low"] and "low minimises" in result.output


def test_a_table_is_minimised_on_request(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    table.write_text(HEADER + "0,3.0,COMPLETE,0.1\n1,1.0,COMPLETE,0.2\n2,2.0,COMPLETE,0.3\n")
    best = {direction: rank(from_csv(table, direction)).best for direction in ("maximize", "minimize")}
    assert {direction: trial.number for direction, trial in best.items() if trial} == {
        "maximize": 0,
        "minimize": 1,
    }
    assert any("--direction minimize" in line for line in from_csv(table, "minimize").missing)


def test_a_study_that_only_looks_like_one_of_tune_is_not_confirmed(tmp_path: Path) -> None:
    study_named("s", tmp_path / "s.db").set_user_attr("ready", True)
    with pytest.raises(UserError, match="not made by"):
        confirm(ConfirmRequest(study=str(tmp_path / "s.db")))


def test_several_objectives_are_refused(tmp_path: Path) -> None:
    study_named("two", tmp_path / "two.db", directions=["maximize", "minimize"])
    with pytest.raises(UserError, match="2 objectives"):
        read_status("two", logs=tmp_path)


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (HEADER + "0,0.5,COMPLETE,1,2,3\n", "row 2"),
        (HEADER + "0,0.5,COMPLETE,1\n1,0.5\n", "row 3"),
        ("number,value,value,params_x\n0,0.5,0.6,1\n", "'value'"),
        (HEADER + '0,0.5,COMPLETE,"1\n', "CSV"),
        (HEADER + "0,0.5,COMPLETE,1\n0,0.6,COMPLETE,1\n", "number 0"),
        (HEADER + "zero,0.5,COMPLETE,1\n", "row 2"),
        (HEADER + "1.7,0.5,COMPLETE,1\n", "row 2"),
        (HEADER + "-1,0.5,COMPLETE,1\n", "row 2"),
        (HEADER + "100000000,0.5,COMPLETE,1\n", "row 2"),
        (HEADER + "1e30,0.5,COMPLETE,1\n", "row 2"),
        (HEADER + "0,1e308,COMPLETE,1\n1,-1e308,COMPLETE,1\n", "row 3"),
        (HEADER + "0,0.5,COMPLETE,1\n1,0.6,,1\n", "row 3: state"),
        (HEADER + "0,0.5,COMPLETE,1\n1,NaN,complete,1\n", "row 3: value"),
        ("", "no table"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(content: str, token: str, tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    table.write_text(content)
    with pytest.raises(UserError, match=token):
        from_csv(table)


APPENDED = partial(append_line, record={})
READ = [from_csv, read_pixels, open_table, read_lines, read_json, load_checkpoint, APPENDED]


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.symlink_to("/dev/zero"), Path.mkdir])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_what_may_never_end_is_not_read(
    read: Callable[[Path], object], make: Callable[[Path], object], suffix: str, tmp_path: Path
) -> None:
    if read is open_table and suffix == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"trials.{suffix}"
    make(file)
    with pytest.raises((UserError, TableError, OSError), match="no regular file"):
        read(file)


def test_nothing_is_added_to_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "mine").write_text("notes")
    with pytest.raises(OSError, match="link"):
        append_line(tmp_path / "link", {})
    assert (tmp_path / "mine").read_text() == "notes"
    (tmp_path / OPENINGS).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="link"):
        Opening(tmp_path, "me", "data").check()
    for name in ("link", "to_nothing"):
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(tmp_path / ("mine" if name == "link" else "none"))
        with pytest.raises(OSError, match="link"), log_file(tmp_path / name):
            pass
    assert (tmp_path / "mine").read_text() == "notes" and not (tmp_path / "none").exists()


def test_every_file_is_appended_to_through_the_one_check() -> None:
    """Of all files that are opened so; one of another person's study may be a link to the user's notes."""
    source = Path(distune.__file__).parent
    opened = {
        file.relative_to(source).as_posix(): text.count("check_appendable(")
        for file in source.rglob("*.py")
        if re.search(
            r"""FileHandler\b|O_APPEND|open(?:ed)?\([^)\n]*["']ab?\+?["']""", text := file.read_text("utf-8")
        )
    }
    assert opened.pop("store/locks.py") == 0, "locks of the user's own cache, to which nothing is added"
    assert opened.keys() == {
        "tuning/coordinator/progress.py",
        "tuning/executors/local.py",
        "utils/files/jsonl.py",
    }
    assert all(opened.values()), opened


def test_every_file_is_read_through_the_one_check() -> None:
    """`Path.read_text` and `Path.read_bytes` wait for ever for a pipe; `read_file` refuses it."""
    source = Path(distune.__file__).parent
    own = {
        "utils/files/paths.py": "the check itself",
        "training/cost.py": "of the kernel",
        "tuning/executors/memory_limit.py": "of the kernel",
        "tuning/coordinator/leases.py": "of the kernel",
        "data/demo/demo.py": "of the package",
        "testing/readers.py": "asks first whether it is a file",
    }
    found = {
        file.relative_to(source).as_posix()
        for file in source.rglob("*.py")
        if re.search(r"\.read_(text|bytes)\(", file.read_text(encoding="utf-8"))
    }
    assert found == own.keys()


def test_times_of_several_zones_can_be_compared(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    table.write_text(
        "number,value,datetime_start,datetime_complete\n"
        "0,0.5,2025-01-01 10:00:00,2025-01-01T12:00:00+00:00\n"
        "1,0.5,2025-01-01T10:00:00+05:00,2025-01-01T12:00:00+00:00\n"
    )
    trials = from_csv(table).trials
    assert trials[1].seconds == 7 * 3600
    assert sorted(trial.started for trial in trials if trial.started)


@pytest.mark.parametrize("blank", ["", " ", "/"])
@pytest.mark.parametrize("command", ["status", "report", "compare", "confirm", "dashboard"])
def test_a_name_that_is_none_is_refused_as_such(command: str, blank: str) -> None:
    result = CliRunner().invoke(app, [command, blank])
    assert isinstance(result.exception, UserError) and "names no" in str(result.exception)


@pytest.mark.parametrize(
    "url", ["sqlite:///.", "sqlite:////dev/zero", "http://a/b", "redis://a", "mysql+none://u:pw@h/d"]
)
@pytest.mark.parametrize("command", ["status", "report"])
def test_a_storage_that_is_no_database_is_refused(command: str, url: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")] if command == "report" else []
    result = CliRunner().invoke(app, [command, "s", "--storage", url, *out])
    assert isinstance(result.exception, UserError) and "storage" in str(result.exception)
    assert "pw" not in str(result.exception)
