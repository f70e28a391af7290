"""Damaged and foreign records: the section says what it could not read, and the rest of the report is written."""

from __future__ import annotations

import copy
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from confirmed_numbers import AUDIT, CONFIRMATION
from pages import at, first_screen, section, text_of

from distune.analysis.dev_noise import DevNoise
from distune.analysis.findings import analyse
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.analysis.teacher import TeacherEvaluation
from distune.errors import UserError
from distune.reporting import report
from distune.reporting.figures import history, model
from distune.reporting.figures.style import look
from distune.reporting.notices import lead
from distune.reporting.report import write_report
from distune.utils.files.atomic import write_text

LAST = "## Files"


@pytest.fixture(scope="module")
def few(full_study: StudyRecord) -> StudyRecord:
    """The first trials of the whole study: too few for what takes long."""
    return replace(full_study, trials=full_study.trials[:10])


GONE = object()
CONFIRMATIONS: dict[str, tuple[str, Any]] = {
    "no split of the recommended": ("contenders.base.splits", None),
    "no contenders": ("contenders", GONE),
    "an empty list for contenders": ("contenders", []),
    "a word for a score": ("contenders.base.splits.test.score.mean", "high"),
    "words for the seeds' scores": ("contenders.base.splits.test.scores", ["high"]),
    "half an interval": ("contenders.trial_0001.splits.test.score", {"mean": 0.5}),
    "a comparison without a verdict": ("comparisons.0.verdict", GONE),
    "a recommendation of no contender": ("recommendation.contender", "trial_0099"),
    "a candidate that is no contender": (
        "recommendation.candidates",
        {
            "x": dict.fromkeys(
                ("observed_gain", "expected_gain", "probability_better", "probability_best"), 0.5
            )
        },
    ),
    "candidates of an unknown number": ("recommendation.searched", GONE),
    "no recommendation": ("recommendation", GONE),
    "a split that was not evaluated": ("split", "folds"),
    "no rank": ("contenders.trial_0001.rank", None),
    "openings of another form": ("opening", {"number": 1}),
    "another version": ("version", 7),
}


def changed(numbers: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the content of a file with one key changed, or gone."""
    held = copy.deepcopy(numbers)
    inside, key = at(held, path)
    if value is GONE:
        del inside[key]
    else:
        inside[key] = value
    return held


def page_beside(study: StudyRecord, folder: Path, **files: str | bytes) -> str:
    """The report of the study with these files in its folder, `confirmation` for confirmation.json."""
    for name, held in files.items():
        (folder / f"{name}.json").write_bytes(held if isinstance(held, bytes) else held.encode())
    return text_of(replace(study, folder=folder))


@pytest.mark.parametrize("case", CONFIRMATIONS)
def test_a_confirmation_of_another_form_is_named_with_its_fault(
    few: StudyRecord, tmp_path: Path, case: str
) -> None:
    path, value = CONFIRMATIONS[case]
    text = page_beside(few, tmp_path, confirmation=json.dumps(changed(CONFIRMATION, path, value)))
    said = first_screen(text)
    assert "confirmation.json in the study's folder" in said and "distune confirm" in said
    assert "not confirmed" in said and LAST in text and "Confirmation in full" not in text
    assert path.split(".")[0] in said or case in (
        "a recommendation of no contender",
        "no rank",
        "a split that was not evaluated",
    )


WHOLE = json.dumps(CONFIRMATION).encode()


@pytest.mark.parametrize(
    "held",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        WHOLE[: len(WHOLE) // 2],
        b'"text"',
        b"[" * 100_000,
        b'["\\ud800"]',
    ],
)
def test_half_a_file_is_no_confirmation_and_no_audit(few: StudyRecord, tmp_path: Path, held: bytes) -> None:
    text = page_beside(few, tmp_path, confirmation=held, audit=held)
    assert "confirmation.json in the study's folder cannot be read" in first_screen(text)
    assert "audit.json in the study's folder cannot be read" in section(text, "Overview")
    assert LAST in text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("findings.0.rows", 3),
        ("findings.0.title", GONE),
        ("sections", GONE),
        ("sections.0.rows", ["a"]),
        ("sections.0.rows", [{"step": [None]}]),
        ("findings.0.rows", [{"id": {"a": 1}}]),
    ],
)
def test_an_audit_of_another_form_is_named_with_its_fault(
    few: StudyRecord, tmp_path: Path, path: str, value: Any
) -> None:
    text = page_beside(few, tmp_path, audit=json.dumps(changed(AUDIT, path, value)))
    assert f"audit.json in the study's folder cannot be read: {path.split('.')[0]}" in section(
        text, "Overview"
    )
    assert LAST in text and "## Audit of the data" not in text


RESULTS = {
    "half": b'{"splits": {"dev"',
    "a list": b"[1]",
    "no tasks": b'{"splits": {"dev": {"tasks": 3}}}',
    "a ragged matrix": b'{"splits": {"dev": {"tasks": {"k": {"classes": ["a", "b"], "confusion": [[1], [2, 3]]}}}}}',
    "words": b'{"splits": {"dev": {"tasks": {"k": {"classes": ["a"], "confusion": [["x"]]}}}}}',
    "huge counts": b'{"splits": {"dev": {"tasks": {"k": {"classes": ["a"], "confusion": [[1e300]]}}}}}',
    "classes of another kind": b'{"splits": {"dev": {"tasks": {"k": {"classes": 3, "confusion": [[1]]}}}}}',
    "parameters of another kind": b'{"parameters": [3]}',
}


@pytest.mark.parametrize("held", RESULTS.values(), ids=RESULTS)
def test_damaged_results_of_the_best_run_are_named(few: StudyRecord, tmp_path: Path, held: bytes) -> None:
    (tmp_path / "results.json").write_bytes(held)
    (tmp_path / "predictions_dev.csv").write_bytes(b'id,truth_k,p_k_a\n1,a,"0.5\x00')
    (tmp_path / "metrics.jsonl").write_bytes(b'{"stage": "teacher", "epoch": "x"}\n[]\n{"sta')
    best = max(few.complete, key=lambda trial: trial.value or 0.0)
    study = with_trials(few, lambda trial: replace(trial, folder=tmp_path) if trial == best else trial)
    text = text_of(study)
    assert "results.json" in section(text, "Learning curves") and LAST in text
    with look():
        assert model.draw_confusion(analyse(study)) is None


def with_trials(study: StudyRecord, change: Callable[[TrialRecord], TrialRecord]) -> StudyRecord:
    """The study with all trials changed."""
    return replace(study, trials=tuple(change(trial) for trial in study.trials))


def lacking(trial: TrialRecord) -> TrialRecord:
    """Every other trial without one of its parameters."""
    params = {name: value for name, value in trial.params.items() if name != "T" or trial.number % 2}
    return replace(trial, params=params)


def huge(trial: TrialRecord) -> TrialRecord:
    """Scores, times and values near the end of what a float holds."""
    value = None if trial.value is None else trial.value * 1e300
    return replace(trial, value=value, seconds=1e300, memory_mb=1e300, params={**trial.params, "T": 1e308})


def in_mixed_zones(trial: TrialRecord) -> TrialRecord:
    """Times with and without a zone."""
    zones = (None, UTC, timezone(timedelta(hours=9)))
    start = datetime(2026, 1, 1, 12, tzinfo=zones[trial.number % 3])
    return replace(trial, started=start, finished=start + timedelta(minutes=5))


def of_another_kind(trial: TrialRecord) -> TrialRecord:
    """Values of a kind that the search space does not know."""
    return replace(trial, params={**trial.params, "T": "warm", "student_fusion_dim": None, "new": [1, 2]})


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [lacking, huge, in_mixed_zones, of_another_kind], ids=lambda each: each.__name__
)
def test_odd_trials_are_reported(few: StudyRecord, change: Callable[[TrialRecord], TrialRecord]) -> None:
    study = replace(with_trials(few, change), sessions=None)
    assert LAST in text_of(study)
    with look():
        assert history.draw(analyse(study)) is not None


def test_a_space_of_another_form_is_reported(few: StudyRecord) -> None:
    space = {
        "teacher_lr": replace(few.space["teacher_lr"], low=-1.0),
        "T": replace(few.space["T"], low=6.0, high=2.0),
        "student_fusion_dim": replace(few.space["student_fusion_dim"], choices=()),
    }
    study = replace(few, space=space, base_config={"teacher": 3, "student": [], "name": {"a": 1}})
    assert LAST in text_of(study)


NAMES = [
    "report.md",
    "report.html",
    "base_config.yaml",
    "recommended_space.yaml",
    "figures/history.png",
    "checklist.md",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_report_replaces_no_file_of_another_kind(few: StudyRecord, tmp_path: Path, name: str) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / name).write_text("# my own\n")

    def written() -> dict[Path, int]:
        """When each was written; the time at which a file was read changes with every look at it."""
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    before = written()
    with pytest.raises(UserError, match=name):
        write_report(few, tmp_path, checklist="tripod-ai")
    assert written() == before


@pytest.mark.slow
def test_a_report_replaces_an_earlier_one(few: StudyRecord, tmp_path: Path) -> None:
    assert write_report(few, tmp_path) == write_report(few, tmp_path)
    assert not list(tmp_path.rglob("*.edited*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_what_was_edited_of_a_report_is_kept_beside_the_next(
    few: StudyRecord, tmp_path: Path, name: str
) -> None:
    write_report(few, tmp_path)
    file = tmp_path / name
    file.write_text(file.read_text() + "my notes\n")
    write_report(few, tmp_path)
    assert "my notes" not in file.read_text()
    assert file.with_stem("report.edited").read_text().endswith("my notes\n")


@pytest.mark.slow
def test_a_report_replaces_that_of_another_study_on_request_alone(few: StudyRecord, tmp_path: Path) -> None:
    write_report(few, tmp_path)
    before = (tmp_path / "report.md").read_bytes()
    other = replace(few, name="other")
    with pytest.raises(UserError, match="overwrite"):
        write_report(other, tmp_path)
    assert (tmp_path / "report.md").read_bytes() == before
    write_report(other, tmp_path, overwrite=True)
    assert (tmp_path / "report.md").read_bytes() != before


@pytest.mark.slow
@pytest.mark.parametrize("writes", range(4))
def test_a_report_that_was_killed_is_written_by_the_same_command(
    few: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr(report, "draw", lambda findings: {})
    left = iter([True] * writes)

    def killed(path: Path, text: str) -> None:
        if not next(left, False):
            raise KeyboardInterrupt
        write_text(path, text)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(report, "write_generated", killed)
        write_report(few, tmp_path / "out")
    files = write_report(few, tmp_path / "out")
    assert {path.name for path in files} >= {"report.md", "report.html", "base_config.yaml"}


@pytest.mark.slow
def test_figures_do_not_depend_on_the_users_settings(few: StudyRecord) -> None:
    with look():
        expected = history.draw(analyse(few))
    with (
        matplotlib.rc_context({"text.usetex": True, "font.size": 40, "axes.prop_cycle": "cycler('lw', [9])"}),
        look(),
    ):
        assert history.draw(analyse(few)) == expected
    shown = "import distune.reporting.figures.backend, os; print(os.environ['MPLBACKEND'])"
    asked = {**os.environ, "MPLBACKEND": "nonsense"}
    found = subprocess.run(
        [sys.executable, "-c", shown], env=asked, capture_output=True, text=True, check=True
    )
    assert found.stdout == "nonsense\n"


@pytest.mark.slow
def test_a_backend_that_was_chosen_before_stays() -> None:
    chosen = "import matplotlib as m; m.use('svg'); import distune.reporting.figures; print(m.get_backend())"
    found = subprocess.run(
        [sys.executable, "-c", chosen],
        env={**os.environ, "MPLBACKEND": "pdf"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "svg\n"


@pytest.mark.parametrize(("teacher", "is_useless"), [(0.74, True), (0.77, False), (0.82, False)])
def test_of_one_seed_a_teacher_is_of_no_use_where_it_lies_below_what_chance_moves_its_student(
    few: StudyRecord, teacher: float, is_useless: bool
) -> None:
    """The student scores 0.8 on test, and 0.95 on dev, where its interval begins 0.05 lower."""
    noise = DevNoise(0, 120, None, 0.95, 0.9, 0.99, 0, 0)
    evaluated = TeacherEvaluation(teacher, 0.8, None, "test", 1)
    said = lead(replace(analyse(few), teacher=evaluated, noise=noise))
    assert ("little to teach" in str(said)) == is_useless


@pytest.mark.slow
def test_the_page_of_another_study_is_not_replaced_where_its_report_is_gone(
    few: StudyRecord, tmp_path: Path
) -> None:
    write_report(few, tmp_path)
    (tmp_path / "report.md").unlink()
    for name in ("other", f"{few.name}2"):
        with pytest.raises(UserError, match=r"report\.html"):
            write_report(replace(few, name=name), tmp_path)
    assert not (tmp_path / "report.md").exists()


@pytest.mark.slow
def test_after_the_work_a_report_is_written_as_it_was_asked_for_before(
    few: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "draw", lambda findings: {})
    plain = {path.name for path in report.refresh_report(few, tmp_path)}
    assert "report.md" in plain and "checklist.md" not in plain
    write_report(few, tmp_path, examples=True, checklist="tripod-ai")
    again = {path.name for path in report.refresh_report(few, tmp_path)}
    assert again == plain | {"checklist.md"}
    assert "## Most confident mistakes" in (tmp_path / "report.md").read_text()


def test_after_the_work_the_study_of_that_storage_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(report, "read_study", lambda source, storage=None: asked.append((source, storage)))
    monkeypatch.setattr(report, "_write", lambda study, out, **options: given.append(options) or [out])
    assert report.refresh_report("s", tmp_path, storage="postgresql://h/d") == [tmp_path]
    assert asked == [("s", "postgresql://h/d")]
    (tmp_path / "report.md").write_text("# A report\n\n## Most confident mistakes\n")
    (tmp_path / "checklist.md").touch()
    report.refresh_report("s", tmp_path)
    assert given == [
        {"examples": False, "checklist": None, "overwrite": False},
        {"examples": True, "checklist": "tripod-ai", "overwrite": False},
    ], "with what the earlier one showed"


def test_after_the_work_a_file_in_the_place_of_a_report_is_named_and_kept(
    few: StudyRecord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "report.md").write_text("# my own\n")
    assert report.refresh_report(few, tmp_path) == []
    assert "report.md" in caplog.text and (tmp_path / "report.md").read_text() == "# my own\n"


def test_after_the_work_a_report_for_which_there_is_no_place_costs_nothing_but_itself(
    few: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the folder for temporary files was deleted, or a disk is full by then."""

    def gone(findings: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/tmp/x")

    monkeypatch.setattr(report, "draw", gone)
    assert report.refresh_report(few, tmp_path) == []
    assert "/tmp/x" in caplog.text
