"""The audit beside a study, and what a data set must pass before the first trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from distune import checking
from distune.config import Config
from distune.data import read_table
from distune.data.audit import audit as auditing
from distune.data.audit.findings import AuditReport, Finding
from distune.data.fingerprint import table_fingerprint
from distune.errors import ConfigError, DataError, UserError
from distune.tuning.space.without_effect import ignored_in
from distune.tuning.study_dataset import AUDIT_NAME, Inspection, inspect
from distune.utils.files.sealed_files import read_sealed


def test_the_audit_lies_beside_the_study_where_it_was_made(tmp_path: Path) -> None:
    Inspection("sha256:0").write(tmp_path)
    assert not list(tmp_path.iterdir())
    Inspection("sha256:0", {"title": "Größe"}).write(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == AUDIT_NAME and read_sealed(file) == {"title": "Größe"}
    assert "Größe" in file.read_text(encoding="utf-8")
    Inspection("sha256:0", {"title": "resumed"}).write(tmp_path)
    assert read_sealed(file) == {"title": "resumed"} and list(tmp_path.iterdir()) == [file]


def test_a_data_set_with_leaks_is_refused_unless_they_are_accepted(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    found = [Finding("small", "warning", "few examples", "80")]
    monkeypatch.setattr(checking, "check_experiment", lambda config, source: table)
    monkeypatch.setattr(auditing, "audit", lambda table: AuditReport(tuple(found), ()))
    clean = inspect(config, "c.yaml", accept_leaks=False)
    audit = AuditReport(tuple(found), ()).to_dict()
    assert clean == Inspection(table_fingerprint(table), audit, ignored_in(table))
    found.append(Finding("leak", "severe", "one patient in two splits", "p1"))
    with pytest.raises(UserError, match="one patient in two splits: p1") as refused:
        inspect(config, "c.yaml", accept_leaks=False)
    assert "few examples" not in str(refused.value) and "--accept-leaks" in str(refused.value)
    accepted = inspect(config, "c.yaml", accept_leaks=True, folds=2)
    assert accepted.fingerprint == clean.fingerprint and accepted.audit != clean.audit
    with pytest.raises(UserError, match="99"):
        inspect(config, "c.yaml", accept_leaks=True, folds=99)
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("DISTUNE_CACHE", str(tmp_path / "cache"))
    with pytest.raises((UserError, OSError), match="cache"):
        inspect(config, "c.yaml", accept_leaks=True)


@pytest.mark.parametrize(("weight", "of_one"), [(1.0, []), (2.0, ["weight"])])
def test_the_weight_of_the_only_task_has_no_effect(
    tiny_config: Callable[..., Config], weight: float, of_one: list[str]
) -> None:
    table = read_table(tiny_config().data, check_images=False)
    tasks = tuple(replace(task, weight=weight) for task in table.tasks)
    for some, named in ((tasks, []), (tasks[:1], of_one)):
        found = ignored_in(replace(table, tasks=some))
        assert [each.field.rpartition(".")[2] for each in found] == ["unlabelled", *named]


def test_what_is_wrong_with_the_data_is_listed_after_what_is_wrong_with_the_config(
    tiny_config: Callable[..., Config],
) -> None:
    config = tiny_config(data__root="nowhere")
    with pytest.raises(DataError, match="no such folder"):
        checking.check_experiment(config, "c.yaml")
    with pytest.raises(ConfigError, match=r"^c\.yaml") as refused:
        checking.check_experiment(config, "c.yaml", ["known before"])
    assert refused.value.problems[0] == "known before" and "no such folder" in refused.value.problems[1]
    sound = tiny_config()
    assert len(checking.check_experiment(sound, "c.yaml")) == len(read_table(sound.data))
    with pytest.raises(ConfigError) as refused:
        checking.check_experiment(sound, "c.yaml", ["known before"])
    assert list(refused.value.problems) == ["known before"]


def test_how_the_data_were_read_is_said_before_the_first_trial(
    tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = tiny_config()
    notes = ("a.csv: in Windows-1252", "label kind: '1.0' as '1'")
    table = replace(read_table(config.data, check_images=False), notes=notes)
    monkeypatch.setattr(checking, "check_experiment", lambda config, source: table)
    monkeypatch.setattr(auditing, "audit", lambda table: AuditReport((), ()))
    inspect(config, "c.yaml", accept_leaks=False)
    assert [record.getMessage() for record in caplog.records] == list(notes)
