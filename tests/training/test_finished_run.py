"""What a folder must hold to count as a finished run of a config, and what is reported of it again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from run_files import Calls

from distune.config import Config, with_values
from distune.training.callbacks import EpochRecord
from distune.training.cost import Cost
from distune.training.files.results import _is_last, _key, finished_run
from distune.training.files.run_folder import write_metrics, write_results

COST = Cost({"teacher": 2.0, "student": 3.0}, 100.0, 0.0, "CPU")
CACHE = {"hits": {"images": 1}, "misses": {}, "seconds_saved": 0.5}
SCORES = {"teacher": (0.5, 0.6), "student": (0.3, 0.7, 0.7)}


def epoch(stage: str, number: int, score: float) -> EpochRecord:
    return EpochRecord(stage, number, 1.0, 1.0, 0.0, score, {"kind": score}, 1e-3, 1.0)


HISTORY = [
    epoch(stage, number, score)
    for stage, scores in SCORES.items()
    for number, score in enumerate(scores, start=1)
]


@pytest.fixture
def folder(tiny_config: Callable[..., Config], tmp_path: Path) -> Path:
    write(tmp_path, tiny_config())
    return tmp_path


def write(
    folder: Path,
    config: Config,
    history: list[EpochRecord] = HISTORY,
    lacking: tuple[str, ...] = (),
    **changed: Any,
) -> None:
    write_metrics(folder, history)
    results = {"key": _key(config), "score": 0.7, "cost": asdict(COST), "cache": CACHE, **changed}
    write_results(folder, {name: value for name, value in results.items() if name not in lacking})


def test_the_first_of_the_best_student_epochs_is_the_result(
    tiny_config: Callable[..., Config], folder: Path
) -> None:
    seen: list[EpochRecord] = []
    found = finished_run(tiny_config(), folder, callback=Calls(lambda record: not seen.append(record)))  # type: ignore[func-returns-value]
    assert found is not None and seen == HISTORY
    assert (found.score, found.best_epoch, found.stopped) == (0.7, 2, False)
    assert (found.results["score"], found.cost, found.cache) == (0.7, COST, CACHE)


@pytest.mark.parametrize(
    ("at", "score", "number"), [(0, None, None), (1, None, None), (2, 0.3, 1), (3, 0.7, 2)]
)
def test_stopped_on_the_way_it_has_the_score_of_that_student_epoch_and_its_seconds_are_not_counted_twice(
    tiny_config: Callable[..., Config], folder: Path, at: int, score: float | None, number: int | None
) -> None:
    found = finished_run(tiny_config(), folder, callback=Calls(lambda record: record != HISTORY[at]))
    assert found is not None and found.stopped and found.results == {}
    assert (found.score, found.best_epoch) == (score, number)
    assert found.cost == COST.without_seconds and found.cost.peak_memory_mb == 100.0


def test_nothing_is_left_to_stop_after_the_last_epoch(
    tiny_config: Callable[..., Config], folder: Path
) -> None:
    found = finished_run(tiny_config(), folder, callback=Calls(lambda record: record != HISTORY[-1]))
    assert found is not None and not found.stopped and found.cost == COST


@pytest.mark.slow
def test_a_run_of_another_config_or_without_all_of_its_records_is_none(
    tiny_config: Callable[..., Config], folder: Path
) -> None:
    config = tiny_config()
    assert finished_run(with_values(config, {"student.lr": 0.5}), folder) is None
    assert finished_run(with_values(config, {"training.threads": 2}), folder) is not None, (
        "where it runs is free"
    )
    write(folder, config, lacking=("cost",))
    assert finished_run(config, folder) is None
    write(folder, config, HISTORY[:2])
    assert finished_run(config, folder) is None, "no student"
    write(folder, config, key="another")
    assert finished_run(config, folder) is None
    write(folder, config)
    (folder / "results.json").unlink()
    assert finished_run(config, folder) is None


def test_images_are_not_decoded_to_know_a_finished_run(
    tiny_config: Callable[..., Config], demo_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(demo_root, tmp_path / "data")
    config, run = tiny_config(data__root=str(tmp_path / "data")), tmp_path / "run"
    run.mkdir()
    write(run, config)
    assert finished_run(config, run) is not None
    next((tmp_path / "data").rglob("*.png")).write_bytes(b"damaged since")
    assert finished_run(config, run) is None, "a run of other data; whoever trains names the image"


def test_nothing_is_left_after_the_last_epoch_of_the_student_alone(
    tiny_config: Callable[..., Config],
) -> None:
    config = tiny_config(student__epochs=3)
    ends = {
        (stage, number): _is_last(epoch(stage, number, 0.5), config)
        for stage in ("teacher", "student")
        for number in (2, 3)
    }
    assert [at for at, is_last in ends.items() if is_last] == [("student", 3)]


def test_a_teacher_of_as_many_epochs_as_the_student_is_not_its_end(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny_config(student__epochs=2)
    history = [epoch(stage, number, 0.5) for stage in ("teacher", "student") for number in (1, 2)]
    write(tmp_path, config, history)
    found = finished_run(config, tmp_path, callback=Calls(lambda record: record.stage == "student"))
    assert found is not None and found.stopped and found.score is None
