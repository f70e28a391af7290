"""What a run resumes from, and what it leaves alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_files import Calls, read_metrics

from distune.config import Config
from distune.store import Store
from distune.training.callbacks import EpochRecord
from distune.training.files import checkpoint as checkpoint_module
from distune.training.run import run

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., Config]
TEACHER, STUDENT = [("teacher", 1), ("teacher", 2)], [("student", 1), ("student", 2), ("student", 3)]


def stopped(config: Config, folder: Path, after: tuple[str, int]) -> None:
    """A run that was interrupted after an epoch."""
    with Store(folder.parent / "cache_of_the_first") as store:
        run(config, folder, callback=Calls(lambda one: (one.stage, one.epoch) != after), store=store)


def broken_off_after_the_last_epoch(config: Config, folder: Path, store: Store) -> None:
    """A run that ended when it came to write its first predictions."""
    in_the_way = folder / "predictions_dev.csv"

    def put_in_the_way(record: EpochRecord) -> bool:
        if (record.stage, record.epoch) != STUDENT[-1]:
            return True
        in_the_way.mkdir()
        return False  # leaves a checkpoint

    with pytest.raises(OSError, match="is a folder"):
        run(config, folder, callback=Calls(put_in_the_way), store=store)
    in_the_way.rmdir()


def numbers(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder)]


def other_data(root: Path, folder: Path) -> str:
    """The data set without its last train example."""
    copy = shutil.copytree(root, folder)
    described = next(copy.glob("splitted_dataset/descriptions_train*"))
    described.write_text("\n".join(described.read_text().splitlines()[:-1]) + "\n")
    return str(copy)


@pytest.fixture(scope="module")
def interrupted(
    tiny_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[tuple[str, int], Path], Path]:
    """Puts what a run left that was stopped after an epoch into a folder; gives the store that it used.

    Each is trained once; tests must not change the store.
    """
    made: dict[tuple[str, int], Path] = {}

    def give(after: tuple[str, int], folder: Path) -> Path:
        if after not in made:
            made[after] = tmp_path_factory.mktemp("interrupted")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(checkpoint_module, "EVERY_SECONDS", 0.0)
                stopped(tiny_config(), made[after] / "run", after)
        shutil.copytree(made[after] / "run", folder)
        return made[after] / "cache_of_the_first"

    return give


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], list[dict[str, Any]]]:
    """The epochs of a whole run of a config; each is trained once."""
    made: dict[str, list[dict[str, Any]]] = {}

    def give(config: Config) -> list[dict[str, Any]]:
        key = config.model_dump_json()
        if key not in made:
            folder = tmp_path_factory.mktemp("whole")
            run(config, folder / "run", store=Store(folder / "cache"))
            made[key] = numbers(folder / "run")
        return made[key]

    return give


@pytest.fixture(scope="module")
def other_root(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return other_data(demo_root, tmp_path_factory.mktemp("other") / "data")


@pytest.mark.parametrize("after", [("teacher", 1), ("student", 2)], ids=str)
@pytest.mark.parametrize(
    "changed",
    [
        {"student__lr": 1e-3},
        {"teacher__dropout": 0.3},
        {"distillation__T": 4.0},
        {"seed": 4},
        {"data__root": "other"},
        {"training__accumulation": 2},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_another_config_or_data_set_left_is_not_used(
    tiny_config: MakeConfig,
    interrupted: Callable[[tuple[str, int], Path], Path],
    uninterrupted: Callable[[Config], list[dict[str, Any]]],
    other_root: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    after: tuple[str, int],
    changed: dict[str, Any],
) -> None:
    config = tiny_config(**({"data__root": other_root} if "data__root" in changed else changed))
    interrupted(after, tmp_path / "used")
    run(config, tmp_path / "used", store=Store(tmp_path / "cache"))
    assert numbers(tmp_path / "used") == uninterrupted(config)
    the_same_teacher = after[0] == "teacher" and changed.keys() & {"student__lr", "distillation__T"}
    assert ("starts over" in caplog.text) is not bool(the_same_teacher)


def test_threads_and_where_the_data_lie_do_not_matter(
    tiny_config: MakeConfig,
    interrupted: Callable[[tuple[str, int], Path], Path],
    demo_root: Path,
    tmp_path: Path,
    trained: list[tuple[str, int]],
) -> None:
    interrupted(("student", 2), tmp_path / "run")
    trained.clear()
    moved = shutil.copytree(demo_root, tmp_path / "moved")
    run(tiny_config(data__root=str(moved), training__threads=1), tmp_path / "run")
    assert trained == [*TEACHER, STUDENT[2]]  # the second run has another store, without the teacher


@pytest.mark.parametrize("content", [b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", b"x" * 5000])
def test_unreadable_checkpoint_lets_its_stage_start_over(
    tiny_config: MakeConfig,
    interrupted: Callable[[tuple[str, int], Path], Path],
    tmp_path: Path,
    trained: list[tuple[str, int]],
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    cache = interrupted(("student", 2), tmp_path / "run")
    (tmp_path / "run/checkpoint_student.safetensors").write_bytes(content)
    trained.clear()
    with Store(cache) as store:
        run(tiny_config(), tmp_path / "run", store=store)
    assert trained == STUDENT
    assert "cannot be read" in caplog.text


def test_a_run_that_broke_off_after_its_last_epoch_trains_none_again(
    tiny_config: MakeConfig,
    uninterrupted: Callable[[Config], list[dict[str, Any]]],
    tmp_path: Path,
    trained: list[tuple[str, int]],
) -> None:
    with Store(tmp_path / "cache_a") as store:
        broken_off_after_the_last_epoch(tiny_config(), tmp_path / "run", store)
        trained.clear()
        resumed = run(tiny_config(), tmp_path / "run", store=store)
    assert trained == []
    assert numbers(tmp_path / "run") == uninterrupted(tiny_config())
    assert resumed.score == max(epoch["dev_score"] for epoch in numbers(tmp_path / "run")[len(TEACHER) :])
    assert not list((tmp_path / "run").glob("checkpoint*"))


def test_a_run_stopped_at_its_last_epoch_ends_whole_also_where_it_only_replays(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    def until_the_last(record: EpochRecord) -> bool:
        return (record.stage, record.epoch) != STUDENT[-1]

    with Store(tmp_path / "cache") as store:
        live = run(tiny_config(), tmp_path / "live", callback=Calls(until_the_last), store=store)
        broken_off_after_the_last_epoch(tiny_config(), tmp_path / "again", store)
        again = run(tiny_config(), tmp_path / "again", callback=Calls(until_the_last), store=store)
    assert not live.stopped and not again.stopped
    assert live.results["splits"] == again.results["splits"]


def test_run_that_starts_over_has_no_results_before_it_ends(tiny_config: MakeConfig, tmp_path: Path) -> None:
    run(tiny_config(), tmp_path / "run", open_test=True)
    (tmp_path / "run/evaluation.json").write_text("{}")
    left: list[set[str]] = []

    def look(record: EpochRecord) -> bool:
        left.append({path.name for path in (tmp_path / "run").iterdir()})
        return False

    run(tiny_config(student__lr=1e-3), tmp_path / "run", callback=Calls(look))
    assert left == [{"config.yaml", "environment.json", "metrics.jsonl"}]


def test_a_short_stage_leaves_no_checkpoint(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "EVERY_SECONDS", 3600.0)
    stopped(tiny_config(), tmp_path / "run", ("student", 2))
    assert not list((tmp_path / "run").glob("*.safetensors"))
