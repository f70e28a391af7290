"""One pass over finished runs: which splits, what says that a run is done, and what each condition is asked with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.config import Config, save_config
from distune.confirmation import weights
from distune.confirmation.candidates import Candidate
from distune.confirmation.evaluation import Evaluation, evaluate_all
from distune.confirmation.jobs import Job, jobs_of
from distune.confirmation.missing_inputs import Conditions
from distune.confirmation.statistics.files import CONDITIONS, MARKER
from distune.confirmation.weights import has_room
from distune.data import Table, read_table
from distune.errors import UserError
from distune.store import Store
from distune.training.files.prediction_files import read_split_predictions
from distune.training.files.run_folder import CONFIG, seal
from distune.training.predictions import predict
from distune.training.student import build_student, save_student, student_seed
from distune.utils.files.sealed_files import read_sealed

MakeConfig = Callable[..., Config]


@pytest.fixture(scope="module")
def table(tiny_config: MakeConfig) -> Table:
    config = tiny_config()
    return read_table(config.data, check_images=False)


def of(table: Table, folder: Path, opening: int = 1) -> Evaluation:
    return Evaluation(table, Store(folder / "cache"), 5, opening, "cpu")


def test_a_folder_is_done_with_the_splits_of_now_and_what_it_was_made_from(
    table: Table, tmp_path: Path
) -> None:
    shut, first, second = (of(table, tmp_path, opening) for opening in (0, 1, 2))
    assert (shut.splits, first.splits) == (("dev",), ("dev", "test"))
    assert not first.is_done(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    first.mark(tmp_path, "a", "settings.json")
    assert first.is_done(tmp_path, "a") and second.is_done(tmp_path, "a"), (
        "those of an earlier opening are the same"
    )
    assert (
        not first.is_done(tmp_path, "b") and not first.is_done(tmp_path) and not shut.is_done(tmp_path, "a")
    )
    about = read_sealed(tmp_path / MARKER)
    assert (about["opening"], about["splits"], about["made_from"]) == (1, ["dev", "test"], "a")
    seal(tmp_path / MARKER, {"splits": ["dev"]})
    assert shut.is_done(tmp_path)
    (tmp_path / MARKER).write_text("{")
    assert not shut.is_done(tmp_path)


def test_the_device_is_that_of_the_confirmation(
    table: Table, tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config = tiny_config(training__device="cuda:7", training__precision="bf16")
    evaluation = of(table, tmp_path)
    assert (evaluation.compute(config).device.type, evaluation.compute(config).bf16) == ("cpu", True)
    steps = evaluation.steps(config)
    assert (steps.seed, steps.table, steps.files) == (config.seed, table, evaluation._files)


def finished(config: Config, table: Table, folder: Path) -> Any:
    folder.mkdir(parents=True)
    student = build_student(config, table.tasks)
    save_config(config, folder / CONFIG)
    save_student(folder, student, table)
    return student.eval()


@pytest.mark.slow
@pytest.mark.parametrize("read", ["both", "image"])
def test_every_split_and_condition_is_predicted_by_its_own_inputs(
    table: Table, tiny_config: MakeConfig, tmp_path: Path, read: str
) -> None:
    """Of frozen random encoders, whose weights are those of the run's seed."""
    config = tiny_config(
        seed=9, data__image_size=32, student__vision__freeze="all",
        **({"student__text": "none"} if read == "image" else {}),
    )  # fmt: skip
    folder, evaluation = tmp_path / "run", of(table, tmp_path)
    student = finished(config, table, folder)
    evaluation.evaluate(folder)
    steps = evaluation.steps(config)
    inputs = steps.for_model(student, config.student, student_seed(config))
    conditions = CONDITIONS if read == "both" else ("without_image",)
    names = {
        f"predictions_{s}{c}.csv" for s in ("dev", "test") for c in ("", *(f"_{each}" for each in conditions))
    }
    assert {path.name for path in folder.glob("predictions_*")} == names and evaluation.is_done(folder)
    for split in ("dev", "test"):
        rows, seen = table.rows(split), []  # type: ignore[arg-type]
        for condition in (None, *conditions):
            given = inputs
            if condition:
                made = Conditions(table, 5).make(condition, rows, student, steps, inputs)
                assert made is not None
                given = made
            found = read_split_predictions(
                folder, f"{split}_{condition}" if condition else split, table.tasks
            )
            assert found is not None and found.ids == tuple(table.ids[row] for row in rows)
            expected = predict(student, given, rows, steps.compute)
            for ours, theirs in zip(found.probabilities, expected, strict=True):
                np.testing.assert_allclose(ours, theirs, atol=1e-5)
            seen.append(found.probabilities[0].tobytes())
        assert len(set(seen)) == len(seen)


def test_a_run_of_other_classes_is_refused(table: Table, tiny_config: MakeConfig, tmp_path: Path) -> None:
    finished(tiny_config(data__image_size=32), table, tmp_path / "run")
    first = table.tasks[0]
    renamed = replace(table, tasks=(replace(first, classes=("x", *first.classes[1:])), *table.tasks[1:]))
    with pytest.raises(UserError, match="other classes"):
        of(renamed, tmp_path).evaluate(tmp_path / "run")


class Noting(Evaluation):
    def evaluate(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.mark(folder)


def test_what_is_evaluated_is_not_asked_again_and_an_interrupt_ends_between_two(
    table: Table, tmp_path: Path
) -> None:
    jobs = [Job(n, "base", n, Config(), tmp_path / f"seed_{n}") for n in range(4)]
    evaluation, lines = Noting(table, Store(tmp_path / "cache"), 5, 1, "cpu"), list[str]()
    evaluation.evaluate(jobs[1].folder)
    assert not evaluate_all(evaluation, jobs, interrupted=lambda: len(lines), show=lines.append)
    assert lines == ["1/3  base seed 0: predicted dev, test"]
    assert evaluate_all(evaluation, jobs, show=lines.append)
    assert lines[1:] == ["1/2  base seed 2: predicted dev, test", "2/2  base seed 3: predicted dev, test"]
    lines.clear()
    last = [*jobs, Job(4, "base", 4, Config(), tmp_path / "seed_4")]
    assert evaluate_all(evaluation, last, interrupted=lambda: len(lines), show=lines.append)
    assert len(lines) == 1, "an interrupt after the last one finds all evaluated"


def test_a_damaged_record_is_named_where_no_weights_can_answer_again(table: Table, tmp_path: Path) -> None:
    job = Job(0, "base", 1, Config(), tmp_path / "seed_1")
    job.folder.mkdir()
    (job.folder / "results.json").write_text('{"score": 1}')
    (job.folder / "evaluation.json").write_text("{")
    with pytest.raises(UserError, match=r"evaluation\.json is damaged"):
        evaluate_all(Noting(table, Store(tmp_path / "cache"), 5, 1, "cpu"), [job])


def test_room_is_needed_for_the_biggest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "RESERVE_BYTES", 100)
    free = [0]
    monkeypatch.setattr(weights.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free[0]}))
    for sizes, needed in (((), 100), ((10, 40), 100), ((10, 60, 20), 120)):
        for number, size in enumerate(sizes):
            run = tmp_path / f"c/seed_{number}"
            run.mkdir(parents=True, exist_ok=True)
            (run / "student.safetensors").write_bytes(bytes(size))
        for free[0], room in ((needed - 1, False), (needed, True)):
            assert has_room(tmp_path) is room


def test_jobs_are_numbered_through_and_those_of_a_seed_are_apart(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    candidates = [Candidate(name, "trial", tiny_config()) for name in "ab"]
    jobs = jobs_of(candidates, (7, 8), tmp_path, folds=3)
    whole, folded = jobs[:4], jobs[4:]
    assert [(job.contender, job.seed) for job in whole] == [("a", 7), ("a", 8), ("b", 7), ("b", 8)]
    assert [job.number for job in jobs] == list(range(8)) and [job.folds for job in whole] == [None] * 4
    assert [(job.contender, job.seed, job.folds) for job in folded] == [
        (j.contender, j.seed, 3) for j in whole
    ]
    for job in jobs:
        assert job.config.seed == job.seed
        assert job.task(2).attempt == 2 and job.task(2).path == job.folder
    assert folded[0].config.data.fold is not None and folded[0].folder == whole[0].folder / "folds"
    assert jobs_of(candidates, (7, 8), tmp_path) == whole
