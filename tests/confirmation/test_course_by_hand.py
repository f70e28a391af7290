"""What a course trains, evaluates and writes, each step by itself, and what it does again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from test_confirm_course import Pretended, all_done, finish, of, table_of

from distune.config import load_config, with_values
from distune.confirmation import course
from distune.confirmation.candidates import Candidate
from distune.confirmation.course import Confirmation
from distune.confirmation.jobs import Job, jobs_of
from distune.confirmation.request import ConfirmRequest
from distune.confirmation.statistics.files import (
    MARKER,
    NUMBERS,
    RECOMMENDED,
    folds_folder,
    read_plan,
    run_folder,
)
from distune.confirmation.statistics.scores.subgroups import read_subgroups
from distune.confirmation.train_candidates import TrainingEnd
from distune.errors import UserError
from distune.models.encoders.hub import revisions
from distune.training.files.run_folder import RESULTS, write_results
from distune.training.student import WEIGHTS
from distune.tuning.executors.base import Executor
from distune.utils.files.sealed_files import read_sealed
from tests.stand_ins import refusing_as
from tests.tuning.simulated_workers import SimulatedExecutor, Work


def real(made: Pretended) -> Confirmation:
    """The same without what it pretends."""
    return Confirmation(**{name: getattr(made, name) for name in Confirmation.__dataclass_fields__})


def jobs_for(made: Confirmation, folds: int | None = None) -> list[Job]:
    return jobs_of(made.candidates, made.seeds, made.folder / "confirmation", folds)


@dataclass
class Hall:
    """Where workers of a course come from, and what it asked of them."""

    asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)

    def make(self, *given: Any, **more: Any) -> Executor:
        self.asked.append((given, more))

        def work(task: Any) -> Any:
            self.trained.append(task.number)
            yield Work(1.0, "student", 1, 0.5)

        return SimulatedExecutor(work, workers=more["workers"])


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    made = Hall()
    monkeypatch.setattr(course, "make_executor", refusing_as(course.make_executor, made.make))
    return made


def on_cpu(tmp_path: Path, **known: Any) -> Pretended:
    made = of(tmp_path)
    values = {
        "training.device": "cpu", "training.threads": 2, "teacher.vision.name": "tiny-cnn",
        "teacher.text.name": "tiny-text", "student.vision.name": "tiny-cnn", "student.text.name": "tiny-text",
    }  # fmt: skip
    candidates = tuple(replace(each, config=with_values(each.config, values)) for each in made.candidates)
    return replace(made, candidates=candidates, **known)


def test_runs_that_are_left_are_trained_by_no_more_workers_than_there_are_runs(
    tmp_path: Path, hall: Hall
) -> None:
    said: list[str] = []
    request = ConfirmRequest("s", workers=7)
    made = real(on_cpu(tmp_path, request=request, show=said.append))
    jobs = jobs_for(made)
    finish(jobs, but=[1, 3])
    ended = made._train(jobs)
    assert sorted(hall.trained) == [1, 3] and ended == TrainingEnd()
    ((given, more),) = hall.asked
    assert given[:2] == ("local", course.FUNCTION) and given[2] == tmp_path / "s/workers"
    assert (more["workers"], more["devices"], more["threads"]) == (2, ("cpu", "cpu"), 2)
    assert more["interrupted"] is made.interrupted
    assert said[0] == "2 runs to train, 2 are there"
    finish(jobs)
    assert made._train(jobs) == TrainingEnd() and len(hall.asked) == 1, "nothing is left"


def test_no_run_begins_where_the_disk_is_nearly_full(
    tmp_path: Path, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = real(on_cpu(tmp_path))
    monkeypatch.setattr(course, "has_room", refusing_as(course.has_room, lambda folder: False))
    assert made._train(jobs_for(made)).low_disk and not hall.trained


def test_a_fetch_that_is_interrupted_leaves_the_runs_for_later(
    tmp_path: Path, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: Any) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(revisions, "fetch_encoders", refusing_as(revisions.fetch_encoders, fetch))
    made = real(on_cpu(tmp_path))
    assert made._train(jobs_for(made)) == TrainingEnd(interrupted=True) and not hall.asked


def test_no_run_begins_after_an_interrupt(tmp_path: Path, hall: Hall) -> None:
    made = real(on_cpu(tmp_path, interrupted=lambda: 1))
    assert made._train(jobs_for(made)) == TrainingEnd(interrupted=True) and not hall.trained


def test_runs_answer_for_themselves_and_those_of_folds_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Baselines are those of the best contender that has a run, with the first seed."""
    asked: dict[str, Any] = {}
    joined: list[tuple[list[Path], Path]] = []

    def evaluate(evaluation: Any, jobs: Sequence[Job], **more: Any) -> bool:
        asked["evaluation"], asked["jobs"] = evaluation, [job.number for job in jobs]
        asked["interrupted"] = more["interrupted"]
        return asked.get("goes on", True)

    def of_baselines(evaluation: Any, *given: Any) -> dict[str, Any]:
        asked["baselines"] = given
        return {"majority": {}}

    monkeypatch.setattr(course, "evaluate_all", refusing_as(course.evaluate_all, evaluate))
    monkeypatch.setattr(course, "evaluate_baselines", refusing_as(course.evaluate_baselines, of_baselines))
    monkeypatch.setattr(course, "join_folds", refusing_as(course.join_folds, lambda *of: joined.append(of)))
    made = real(on_cpu(tmp_path, folds=2))
    jobs, confirmation = jobs_for(made, 2), tmp_path / "s/confirmation"
    assert made._evaluate(jobs, 4) == {"majority": {}}
    assert asked["jobs"] == [0, 1, 2, 3] and len(joined) == 4
    folds = folds_folder(confirmation, "best", 5)
    assert joined[0] == ([folds / "fold_1", folds / "fold_2"], run_folder(confirmation, "best", 5))
    evaluation = asked["evaluation"]
    assert (evaluation.table, evaluation.seed, evaluation.opening) == (made.table, 11, 4)
    assert evaluation.device == "cpu" and asked["interrupted"] is made.interrupted
    assert asked["baselines"] == (made.candidates[0].at(5), confirmation, 2)
    made._evaluate(jobs[2:4], 4)
    assert asked["baselines"][0] == made.candidates[1].at(5), "no run of the best one ended"
    asked["goes on"] = False
    joined.clear()
    assert made._evaluate(jobs, 4) is None and not joined


def test_encoders_are_fetched_for_all_candidates_and_a_name_that_stands_for_nothing_is_left_to_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        revisions, "fetch_encoders",
        refusing_as(revisions.fetch_encoders, lambda of, retry: asked.extend((each.name, kind) for each, kind in of)),
    )  # fmt: skip
    made = real(on_cpu(tmp_path))
    best, base = made.candidates
    unknown = with_values(
        best.config, {"student.vision.name": "nothing of this name", "teacher.text.name": "none"}
    )
    made.candidates = (replace(best, config=unknown), base)
    made._fetch()
    assert asked == [
        ("tiny-cnn", "vision"), ("tiny-text", "text"), ("tiny-cnn", "vision"), ("tiny-text", "text"),
        ("tiny-cnn", "vision"), ("tiny-text", "text"),
    ]  # fmt: skip


@pytest.mark.parametrize("place", [0, 1])
def test_the_config_that_is_written_is_the_recommended_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    made = real(of(tmp_path))
    chosen = made.candidates[place]
    found = {"recommendation": {"contender": chosen.name}, "relevant_gain": 0.02, "notes": []}
    monkeypatch.setattr(
        course, "confirmation_numbers", refusing_as(course.confirmation_numbers, lambda folder: dict(found))
    )
    assert made._write_numbers() == found == read_sealed(tmp_path / "s" / NUMBERS)
    assert load_config(tmp_path / "s" / RECOMMENDED) == chosen.config


def test_the_plan_holds_what_the_numbers_are_read_with(tmp_path: Path) -> None:
    """Which baseline is at an end of its grid, what examples may lack, and beside it the subgroups."""
    table = replace(table_of("ttddxx"), may_lack=True, subgroups={"sex": ("f", "", "m", "f", "m", "")})
    settings = {"text_tfidf": {"t": {"C": 1000.0}}, "majority": {"t": {"always": "a"}}}
    made = of(tmp_path, table, trained=all_done, settings=settings, folds=None)
    assert made.run(["a note"]).reason == "finished"
    plan = read_plan(tmp_path / "s/confirmation")
    assert plan["baselines"] == [{"name": name, "settings": about} for name, about in settings.items()]
    assert plan["notes"][0] == "a note" and "text_tfidf" in plan["notes"][1] and len(plan["notes"]) == 2
    assert plan["may_lack"] is True and plan["study"] == "s"
    assert plan["asked"] == [task.as_plain() for task in table.tasks]
    later = of(tmp_path, table, trained=all_done, request=ConfirmRequest("s", relevant_gain=0.05))
    assert later.run([]).reason == "finished"
    assert read_plan(tmp_path / "s/confirmation")["gains_before"] == [made.request.relevant_gain]
    kept = read_subgroups(tmp_path / "s/confirmation")
    assert kept == {"sex": {"0": "f", "2": "m", "3": "f", "4": "m"}}


def test_weights_of_the_recommended_contender_alone_are_kept_and_made_again(tmp_path: Path) -> None:
    made = of(tmp_path, trained=all_done)
    jobs = jobs_for(made)
    finish(jobs)
    for job in jobs:
        (job.folder / MARKER).touch()
    (jobs[2].folder / WEIGHTS).unlink()
    (jobs[0].folder / WEIGHTS).unlink()
    left: list[list[int]] = []

    def train(given: Sequence[Job]) -> TrainingEnd:
        left.append([job.number for job in given if not job.is_done])
        return all_done([job for job in given if not job.is_done])

    made.trained = train
    assert made.run([]).reason == "finished"
    assert left == [[], [2]], "the base is recommended"
    assert [job.number for job in jobs if (job.folder / WEIGHTS).exists()] == [2, 3]


def test_runs_of_another_version_stay_where_the_split_was_opened_for_them(tmp_path: Path) -> None:
    made = of(tmp_path, trained=all_done)
    jobs = jobs_for(made)
    finish(jobs)
    made.opening.open()
    write_results(jobs[0].folder, {"versions": {}})
    with pytest.raises(UserError, match="--again"):
        made.run([])
    assert made.steps == [] and (jobs[0].folder / RESULTS).exists()


def test_what_stands_where_a_file_will_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    for place in (NUMBERS, RECOMMENDED, "confirmation/plan.json", "confirmation/subgroups.csv"):
        made = of(tmp_path / place.replace("/", "_"), table_of("ttdd"))
        (made.folder / place).mkdir()
        with pytest.raises(OSError, match=Path(place).name):
            made.run([])
        assert made.steps == []


def test_a_contender_without_a_run_has_no_parameters(tmp_path: Path) -> None:
    made = real(of(tmp_path))
    jobs = jobs_for(made)
    finish(jobs, but=[0, 1])
    failures = [{"contender": name, "seed": 5, "kind": "crash", "message": name} for name in ("best", "base")]
    best, base = (made._about(each, jobs, failures) for each in made.candidates)
    assert best["parameters"] is None and base["parameters"] == {"total": 12, "trained": 1}
    assert best["missing"] == [{"seed": 5, "kind": "crash", "message": "best"}]
    about = {name: best[name] for name in ("name", "kind", "trial", "rank", "is_base", "search_score")}
    assert about == {
        "name": "best", "kind": "trial", "trial": 7, "rank": 1, "is_base": False, "search_score": 0.75,
    }  # fmt: skip
    assert isinstance(made.candidates[1], Candidate) and base["is_base"] is True
