from __future__ import annotations

import io
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from simulated_workers import Work
from study_helpers import coordinator, memory_study, settings_of, training

from distune.tuning.coordinator.ledger import TrialCounts
from distune.tuning.coordinator.progress import PLAIN_SECONDS, Snapshot, StudyProgress, line, log_file
from distune.tuning.trials.trial import PROGRESS


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def snapshot(complete=0, pruned=0, failed=0, active=2, best=None):
    counts = TrialCounts(complete=complete, pruned=pruned, failed=failed, best=best)
    return Snapshot(counts, active, n_trials=30, workers=2, bytes_used=2_500_000_000)


def test_a_line_says_where_the_study_stands():
    text = line(snapshot(17, 12, 1, best=(11, 0.92941)), None)
    assert text == "29/30 trials | 12 pruned | 1 failed | 2 running | best 0.9294 (trial 11) | 2.5 GB"
    assert "no score yet" in line(snapshot(), None)
    for hours, form in ((1, "%H:%M"), (19, "%H:%M"), (21, "%a %H:%M"), (72, "%a %H:%M")):
        ends = datetime.now() + timedelta(hours=hours)
        assert line(snapshot(), ends).endswith(f"| ends about {ends:{form}}")
        assert "ends" not in line(snapshot(complete=30), ends)
    encoding = replace(snapshot(), progress="encoding images: 512 of 9,000")
    assert line(encoding, None).endswith(" | encoding images: 512 of 9,000")


def test_plain_lines_come_at_changes_and_now_and_then():
    clock, output = Clock(), io.StringIO()
    with StudyProgress(Console(file=output, soft_wrap=True), clock, "teachers") as progress:
        for seconds, complete in ((0, 0), (1, 0), (2, 1), (3, 1), (2 + PLAIN_SECONDS, 1)):
            clock.now = seconds
            progress(snapshot(complete))
        progress.say("worker-0: [cpu]\x1b[0m")
    *lines, said = output.getvalue().splitlines()
    assert [text.split("/")[0] for text in lines] == ["teachers: 0", "teachers: 1", "teachers: 1"]
    assert said.startswith("teachers: worker-0: [cpu]")
    assert "ends about" in lines[-1] and "ends about" not in lines[0]
    assert "\x1b" not in output.getvalue()


def test_the_end_is_what_the_trials_that_are_left_take_at_this_sessions_pace():
    clock = Clock()
    progress = StudyProgress(Console(file=io.StringIO()), clock)
    assert progress._ends(snapshot(complete=10)) is None
    clock.now = 60.0
    rest = progress._ends(snapshot(complete=10, pruned=5)) - datetime.now()
    assert rest.total_seconds() == pytest.approx(60 / 5 * 15, abs=1.0)


def test_a_failed_trial_is_a_change_too():
    output = io.StringIO()
    progress = StudyProgress(Console(file=output, soft_wrap=True), Clock())
    for failed in (0, 1, 1):
        progress(snapshot(3, failed=failed))
    assert [text.split(" | ")[2] for text in output.getvalue().splitlines()] == ["0 failed", "1 failed"]


def test_a_line_is_left_whole_where_no_title_is_given(capsys):
    StudyProgress().say("x" * 300)
    assert capsys.readouterr().out == "x" * 300 + "\n"


def test_a_terminal_gets_one_live_line():
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    with StudyProgress(console, Clock()) as progress:
        for complete in (1, 2, 3):
            progress(snapshot(complete))
    assert output.getvalue().count("\n") == 1
    assert "3/30 trials" in output.getvalue()


def test_the_log_file_has_everything_and_is_let_go(tmp_path):
    path = tmp_path / "study" / "study.log"
    logger = logging.getLogger("distune.tuning.anything")
    with log_file(path):
        logger.info("trial 7: complete")
    logger.info("later")
    text = path.read_text()
    assert "INFO trial 7: complete" in text and "later" not in text
    with log_file(path):
        logger.warning("again")
    assert "trial 7" in path.read_text() and "WARNING again" in path.read_text()


def test_a_log_file_that_the_disk_has_no_room_for_ends_nothing(tmp_path, caplog, capsys):
    path, logger = tmp_path / "study.log", logging.getLogger("distune.tuning.anything")
    with log_file(path):
        (file,) = (each for each in logging.getLogger("distune").handlers if hasattr(each, "stream"))
        file.stream.close()
        file.stream = Path("/dev/full").open("w")  # noqa: SIM115 # the handler closes it
        for number in range(3):
            logger.info("trial %d: complete", number)
    assert capsys.readouterr().err == ""
    (said,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert str(path) in said and "No space left" in said


def test_a_coordinator_shows_what_its_active_trial_is_at_between_epochs(tmp_path):
    at, shown = "encoding images: 512 of 9,000, 21/s, ends in 7 min", []

    def script(task):
        task.path.mkdir(parents=True, exist_ok=True)
        (task.path / PROGRESS).write_text(at)
        for epoch in (1, 2, 3):
            yield Work(10.0, "teacher", epoch, 0.5)
        (task.path / PROGRESS).unlink()
        yield from training(task)

    settings = settings_of()
    study = memory_study(settings)
    coordinator(study, settings, tmp_path, script, n_trials=1, show=shown.append).run()
    assert {snapshot.progress for snapshot in shown} == {"", at}
    assert shown[-1].progress == ""


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        (logging.NOTSET, ["odd"]),
        (logging.INFO, ["fine", "odd"]),
        (logging.DEBUG, ["small", "fine", "odd"]),
    ],
)
def test_other_handlers_hear_what_they_heard_without_the_log_file(tmp_path, monkeypatch, level, heard):
    root, logger, messages = logging.getLogger(), logging.getLogger("distune"), []
    listener = logging.Handler()
    listener.emit = lambda record: messages.append(record.getMessage())
    monkeypatch.setattr(root, "handlers", [listener])
    monkeypatch.setattr(root, "level", logging.WARNING)
    monkeypatch.setattr(logger, "level", level)
    before = logger.handlers[:], logger.propagate
    with log_file(tmp_path / "study.log"):
        logging.getLogger("distune.tuning").debug("small")
        logging.getLogger("distune.tuning").info("fine")
        logging.getLogger("distune.tuning").warning("odd")
    assert messages == heard
    assert len((tmp_path / "study.log").read_text().splitlines()) == 2
    assert (logger.handlers, logger.propagate) == before
