"""`distune status --watch` and `distune dashboard`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from typer.testing import CliRunner

from distune.cli import app
from distune.cli.commands import status
from distune.tuning.coordinator.leases import Lease, leases
from distune.tuning.study.storage import open_storage
from distune.tuning.trials.trial import PROGRESS

pytestmark = pytest.mark.slow


def _trial_of_tune(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    trial.set_user_attr("overrides", {})
    return trial


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    """A study with one living coordinator and one trial."""
    monkeypatch.chdir(tmp_path)
    storage = open_storage("sqlite:///logs/optuna/s.db")
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    texts = dict.fromkeys(("data_fingerprint", "metric", "strategy", "sampler", "pruner"), "some")
    for key, value in {**texts, "base_config": {}, "search_space": {}, "seed": 1, "ready": True}.items():
        study.set_user_attr(key, value)
    lease = Lease.new(2, ["cpu"], 5)
    study.set_user_attr(f"coordinator:{lease.coordinator}", lease.__dict__)
    study.tell(_trial_of_tune(study), 0.25)
    return study


def test_watching_lasts_until_no_worker_is_left(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def next_look(seconds: float) -> None:
        waited.append(seconds)
        study.tell(_trial_of_tune(study), 0.5)
        if len(waited) == 2:
            (lease,) = leases(study.user_attrs).values()
            study.set_user_attr(f"coordinator:{lease.coordinator}", lease.closed("finished").__dict__)

    monkeypatch.setattr(status.time, "sleep", next_look)
    shown = CliRunner().invoke(app, ["status", "s", "--watch"]).output
    assert waited == [5.0, 5.0]
    assert [f"trials    {count} of 5 finished" in shown for count in (1, 2, 3, 4)] == [
        True,
        True,
        True,
        False,
    ]
    assert shown.count("workers   2") == 2 and shown.rstrip().endswith("ended     finished")


HOSTS = ("127.0.0.1:8099", "localhost:9000", "LOCALHOST", "[::1]:8099", "evil.example", "", "a:b:80")
"""As the names of this machine, the first four; a page of the web may send the others to its address."""


def test_the_dashboard_opens_a_copy_on_loopback(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    opened: list[Any] = []
    answers: list[str] = []

    def wsgi(url: str) -> Any:
        path = url.removeprefix("sqlite:///")
        with sqlite3.connect(path) as copy:
            opened.append(copy.execute("SELECT COUNT(*) FROM trials").fetchone()[0])
            copy.execute("DELETE FROM trials")
        copy.close()

        def application(environ: Any, start: Any) -> list[bytes]:
            start("200 OK", [])
            return [b""]

        return application

    def run(application: Any, **place: Any) -> None:
        assert place.pop("server_class").daemon_threads, "an idle connection keeps nobody from the others"
        opened.append(place)
        for host in HOSTS:
            list(application({"HTTP_HOST": host}, lambda status, _: answers.append(status)))

    monkeypatch.setattr(dashboard, "wsgi", wsgi)
    monkeypatch.setattr("bottle.run", run)
    optuna.create_study(storage="sqlite:///other.db", study_name="s")
    for given, trials in (("s", 1), ("other.db", 0)):
        ended = CliRunner().invoke(app, ["dashboard", given, "--port", "8099"])
        assert ended.exit_code == 0, ended.output
        assert opened[-2:] == [trials, {"host": "127.0.0.1", "port": 8099}]
    assert answers == (["200 OK"] * 4 + ["403 Forbidden"] * 3) * 2
    assert len(study.get_trials()) == 1


def test_what_a_trial_is_at_between_its_epochs_is_shown(study: optuna.Study, tmp_path: Path) -> None:
    (lease,) = leases(study.user_attrs).values()
    trial, folder = study.ask(), tmp_path / "trial_0001"
    folder.mkdir()
    for key, value in (("coordinator", lease.coordinator), ("worker", "worker-0"), ("folder", str(folder))):
        trial.set_user_attr(key, value)
    at = "encoding images: 512 of 9,000, 21/s, ends in 7 min"
    assert at not in CliRunner().invoke(app, ["status", "s"]).output
    (folder / PROGRESS).write_text(at)
    assert f"trial 1 on worker-0: epoch 0; {at}" in CliRunner().invoke(app, ["status", "s"]).output


def test_status_says_that_the_best_trials_teacher_has_little_to_teach(study: optuna.Study) -> None:
    said = CliRunner().invoke(app, ["status", "s"]).output
    assert "warning" not in said
    trial = _trial_of_tune(study)
    trial.set_user_attr("teacher_score", 0.25)
    trial.set_user_attr("regression_score", 0.5)
    study.tell(trial, 0.75)
    said = CliRunner().invoke(app, ["status", "s"]).output
    assert all(
        part in said.replace("\n", " ") for part in ("below its student, 0.7500", "logistic regression")
    )
