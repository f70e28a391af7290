from __future__ import annotations

import csv
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_files import Calls, read_metrics
from safetensors.numpy import load_file
from sklearn.metrics import f1_score

from distune.config import Config, load_config, with_values
from distune.data import Table
from distune.errors import DataError, UserError
from distune.store import Store
from distune.training.callbacks import Callback, EpochRecord
from distune.training.files import checkpoint
from distune.training.files.results import RunResult
from distune.training.files.run_folder import ENVIRONMENT, METRICS, OPENINGS, RESULTS, openings, read_results
from distune.training.run import run, run_teacher
from distune.training.student import load_student, student_seed
from tests.forked import forked

MakeConfig = Callable[..., Config]


def numbers(folder: Path) -> list[dict[str, Any]]:
    """Every epoch without what a clock measured."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder)]


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "student.safetensors")


def assert_same_run(first: Path, second: Path) -> None:
    assert numbers(first) == numbers(second)
    ours, theirs = weights(first), weights(second)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.slow
def test_run_folder_is_complete_and_consistent(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config()
    result = run(config, tmp_path / "run", open_test=True)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "predictions_dev.csv",
        "predictions_test.csv",
        "results.json",
        "student.safetensors",
    }
    assert load_config(tmp_path / "run/config.yaml") == config
    environment = json.loads((tmp_path / "run/environment.json").read_text())
    assert environment["seed"] == 3
    assert environment["packages"]["torch"].startswith("2.")
    epochs = [(line["stage"], line["epoch"]) for line in read_metrics(tmp_path / "run")]
    assert epochs == [("teacher", 1), ("teacher", 2), ("student", 1), ("student", 2), ("student", 3)]
    results = read_results(tmp_path / "run")
    assert results == json.loads(json.dumps(result.results))
    for split in ("dev", "test"):
        with (tmp_path / f"run/predictions_{split}.csv").open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        scores = []
        for task, values in results["splits"][split]["tasks"].items():
            classes = list(values["classes"])
            truth = [row[f"truth_{task}"] for row in rows]
            chosen = [max(classes, key=lambda c: float(row[f"p_{task}_{c}"])) for row in rows]
            scores.append(f1_score(truth, chosen, average="macro"))
            assert values["macro_f1"] == pytest.approx(scores[-1])
        assert results["splits"][split]["score"] == pytest.approx(np.mean(scores))
    student = [line for line in read_metrics(tmp_path / "run") if line["stage"] == "student"]
    assert result.score == max(line["dev_score"] for line in student) == results["score"]
    assert student[result.best_epoch - 1]["dev_score"] == result.score  # type: ignore[operator]


VARIANTS: dict[str, dict[str, Any]] = {
    "nothing frozen": {},
    "all frozen": {
        f"{who}__{kind}__freeze": "all" for who in ("teacher", "student") for kind in ("vision", "text")
    },
    "part frozen": {"student__vision__freeze": 1},
    "views": {"data__augment": "light", "data__views": 2},
    "average, weights, smoothing": {
        "training__ema": 0.9,
        "training__class_weights": "balanced",
        "training__label_smoothing": 0.1,
    },
    "memory of negatives": {"distillation__loss": "crd"},
}


@dataclass(frozen=True)
class Whole:
    """A run of a variant that nobody interrupted, with a store that was empty before."""

    config: Config
    folder: Path
    cache: Path
    result: RunResult


@pytest.fixture(scope="module")
def whole(tiny_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    """Each variant is trained once; tests must not change what it left."""
    made: dict[str, Whole] = {}

    def give(variant: str) -> Whole:
        if variant not in made:
            config, root = tiny_config(**VARIANTS[variant]), tmp_path_factory.mktemp("whole")
            result = run(config, root / "run", store=Store(root / "cache"))
            made[variant] = Whole(config, root / "run", root / "cache", result)
        return made[variant]

    return give


@pytest.mark.slow
def test_same_seed_same_numbers_and_another_seed_others(
    whole: Callable[[str], Whole], tiny_config: MakeConfig, tmp_path: Path
) -> None:
    first = whole("nothing frozen")
    for name, seed in (("b", 3), ("c", 4)):
        run(tiny_config(seed=seed), tmp_path / name, store=Store(tmp_path / f"cache_{name}"))
    assert_same_run(first.folder, tmp_path / "b")
    assert numbers(first.folder) != numbers(tmp_path / "c")


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_equals_live(whole: Callable[[str], Whole], tmp_path: Path, variant: str) -> None:
    """A warm store, and no store at all, give what a cold one gives."""
    first = whole(variant)
    cold, config = first.result, first.config
    warm = run(config, tmp_path / "warm", store=Store(first.cache))

    live = run(config, tmp_path / "live", store=_Unwritable(tmp_path / "none"))
    assert cold.cache["misses"].keys() >= {"images", "tokens", "teacher", "targets"}
    assert not warm.cache["misses"]
    assert not live.cache["misses"] and not live.cache["hits"]
    assert_same_run(first.folder, tmp_path / "warm")
    assert_same_run(first.folder, tmp_path / "live")


class _Unwritable(Store):
    """A store on a disk that is full."""

    def _found(self, step: str, folder: Path) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_resumed_equals_uninterrupted(whole: Callable[[str], Whole], tmp_path: Path, variant: str) -> None:
    """Stopped after every epoch but the last, and resumed each time where it was."""
    first, parts = whole(variant), tmp_path / "parts"
    epochs = [("teacher", 1), ("teacher", 2), ("student", 1), ("student", 2), ("student", 3)]
    for number, stop_at in enumerate(epochs, 1):
        heard: list[tuple[str, int]] = []

        def hear(record: EpochRecord, heard: Any = heard, stop_at: Any = stop_at) -> bool:
            heard.append((record.stage, record.epoch))
            return heard[-1] != stop_at or stop_at == epochs[-1]

        ended = run(first.config, parts, callback=Calls(hear), store=Store(tmp_path / "cache"))
        assert heard == epochs[:number]
        is_over = stop_at == epochs[-1]
        assert ended.stopped is not is_over and (parts / "results.json").exists() is is_over
    assert_same_run(first.folder, parts)
    assert not list(parts.glob("checkpoint*"))


@pytest.mark.slow
def test_a_student_whose_teacher_is_in_the_store_resumes_alike(
    whole: Callable[[str], Whole], tmp_path: Path
) -> None:
    first, parts = whole("nothing frozen"), tmp_path / "parts"
    for stop_at in (("student", 2), None):
        callback = Calls(lambda record, stop_at=stop_at: (record.stage, record.epoch) != stop_at)
        assert run(first.config, parts, callback=callback, store=Store(first.cache)).stopped is bool(stop_at)
    assert_same_run(first.folder, parts)


def _run_slowly(config: Config, folder: Path, cache: Path) -> None:
    checkpoint.EVERY_SECONDS = 0.0

    def linger(record: EpochRecord) -> bool:
        compiler = sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules))
        (folder / f"{record.stage}_{record.epoch}").write_text(" ".join(compiler))
        time.sleep(0.5)
        return True

    run(config, folder, callback=Calls(linger), store=Store(cache))


@pytest.mark.slow
def test_killed_run_resumes_with_the_same_numbers(whole: Callable[[str], Whole], tmp_path: Path) -> None:
    first = whole("nothing frozen")
    config = first.config
    process = forked(_run_slowly, config, tmp_path / "killed", tmp_path / "cache_b")
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed/student_2").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
    process.join()
    assert (tmp_path / "killed/checkpoint_student.safetensors").exists()
    assert not (tmp_path / "killed/student_2").read_text(), "training imports torch's compiler"
    run(config, tmp_path / "killed", store=Store(tmp_path / "cache_b"))
    assert_same_run(first.folder, tmp_path / "killed")


@pytest.mark.slow
def test_teacher_is_shared_by_runs_that_differ_in_the_student_only(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    first = run(tiny_config(), tmp_path / "a")
    other_student = run(tiny_config(student__lr=1e-4, distillation__T=4.0), tmp_path / "b")
    other_teacher = run(tiny_config(teacher__dropout=0.2), tmp_path / "c")
    assert first.cache["misses"]["teacher"] == other_teacher.cache["misses"]["teacher"] == 1
    assert other_student.cache["misses"] == {}
    assert numbers(tmp_path / "a")[:2] == numbers(tmp_path / "b")[:2]
    assert numbers(tmp_path / "a")[2:] != numbers(tmp_path / "b")[2:]


@pytest.mark.slow
def test_test_split_stays_shut_unless_asked_and_every_opening_is_recorded(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    shut = run(tiny_config(), tmp_path / "a")
    assert shut.results["test_split"] == "shut"
    assert not (tmp_path / "a/predictions_test.csv").exists()
    assert openings(tmp_path) == []
    for name in ("b", "c"):
        assert run(tiny_config(), tmp_path / name, open_test=True).results["test_split"] == "opened"
    assert [line["by"] for line in openings(tmp_path)] == ["b", "c"]


def test_a_run_that_may_not_record_its_opening_trains_nothing(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    (tmp_path / OPENINGS).symlink_to(tmp_path / "mine")
    epochs: list[EpochRecord] = []
    with pytest.raises(OSError, match="link"):
        run(
            tiny_config(),
            tmp_path / "a",
            open_test=True,
            callback=Calls(lambda epoch: not epochs.append(epoch)),
        )
    assert not epochs


@pytest.mark.slow
@pytest.mark.parametrize(
    "others", [{ENVIRONMENT: b"{}", METRICS: b"of the other run"}, {"notes": b"mine"}, {}]
)
def test_a_run_writes_nothing_into_another_folder_in_its_place(
    others: dict[str, bytes], tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is moved in mid-training, and the same command given again in another terminal, or it is emptied."""
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 1e9)  # on a slow machine one would fall into the move
    folder = tmp_path / "run"

    def move(epoch: EpochRecord) -> bool:
        if not (tmp_path / "moved").exists():
            folder.rename(tmp_path / "moved")
            folder.mkdir()
            for name, content in others.items():
                (folder / name).write_bytes(content)
        return True

    with pytest.raises(UserError, match="another run began"):
        run(tiny_config(student__epochs=3), folder, callback=Calls(move))
    assert {name: (folder / name).read_bytes() for name in others} == others
    assert not {RESULTS, METRICS} & {path.name for path in folder.iterdir()} - set(others)


@pytest.mark.slow
def test_set_without_a_test_split_works(tiny_config: MakeConfig, demo_root: Path, tmp_path: Path) -> None:
    import shutil

    root = shutil.copytree(demo_root, tmp_path / "data")
    for file in root.glob("splitted_dataset/*test*"):
        file.unlink()
    result = run(tiny_config(data__root=str(root)), tmp_path / "run", open_test=True)
    assert result.results["test_split"] == "none"
    assert openings(tmp_path) == []


@pytest.mark.slow
def test_loss_without_a_teacher_trains_none(tiny_config: MakeConfig, tmp_path: Path) -> None:
    result = run(tiny_config(distillation__loss="none"), tmp_path / "run")
    assert {line["stage"] for line in read_metrics(tmp_path / "run")} == {"student"}
    assert "teacher" not in result.cache["misses"]
    assert result.results["teacher"] is None


@pytest.mark.slow
def test_bad_examples_stop_the_run_or_are_dropped_and_listed(
    tiny_config: MakeConfig, demo_root: Path, tmp_path: Path
) -> None:
    import shutil

    root = shutil.copytree(demo_root, tmp_path / "data")
    bad = sorted((root / "images").iterdir())[:2]
    bad[0].write_bytes(b"no image")
    bad[1].unlink()
    config = tiny_config(data__root=str(root))
    with pytest.raises(DataError) as caught:
        run(config, tmp_path / "stopped")
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "stopped").exists()
    run(with_values(config, {"data.on_bad_example": "drop"}), tmp_path / "dropped")
    listed = (tmp_path / "dropped/dropped.txt").read_text()
    assert "2 bad examples" in listed
    assert all(path.stem in listed for path in bad)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"training__label_smoothing": 0.2},
        {"training__class_weights": "balanced"},
        {"training__ema": 0.9},
        {"training__schedule": "constant"},
        {"training__warmup": 0.5},
        {"training__weight_decay": 0.5},
        {"training__grad_clip": 0.1},
        {"training__layerwise_lr_decay": 0.5},
        {"training__batch_size": 8},
        {"student__init_from_teacher": True},
        {"data__augment": "light"},
        {"distillation__gamma": 1.0},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_setting_matters(
    whole: Callable[[str], Whole], tiny_config: MakeConfig, tmp_path: Path, changed: dict[str, Any]
) -> None:
    first = whole("nothing frozen")
    run(tiny_config(**changed), tmp_path / "changed", store=Store(first.cache))
    plain, other = numbers(first.folder), numbers(tmp_path / "changed")
    assert [line["train_loss"] for line in plain] != [line["train_loss"] for line in other]


@pytest.mark.slow
def test_accumulation_changes_the_memory_and_not_the_numbers(tiny_config: MakeConfig, tmp_path: Path) -> None:
    plain = {"teacher__dropout": 0.0, "student__dropout": 0.0}
    run(tiny_config(**plain), tmp_path / "whole")
    run(tiny_config(**plain, training__accumulation=2), tmp_path / "parts")
    for ours, theirs in zip(numbers(tmp_path / "whole"), numbers(tmp_path / "parts"), strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-3)


@pytest.mark.slow
def test_early_stopping_ends_after_epochs_without_a_better_score(
    tiny_config: MakeConfig, tmp_path: Path
) -> None:
    config = tiny_config(student__epochs=30, student__lr=1e-9, training__early_stopping=2)
    result = run(config, tmp_path / "run")
    student = [line for line in read_metrics(tmp_path / "run") if line["stage"] == "student"]
    assert len(student) == result.best_epoch + 2 < 30  # type: ignore[operator]


@pytest.mark.slow
def test_loss_that_is_not_finite_is_an_error(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config(teacher__lr=1e30, training__grad_clip=None, training__warmup=0.0)
    with pytest.raises(FloatingPointError, match="loss is nan"):
        run(config, tmp_path / "run")


@pytest.mark.slow
def test_saved_student_predicts_what_the_run_wrote(tiny_config: MakeConfig, tmp_path: Path) -> None:
    import torch

    from distune.data import read_table
    from distune.training.devices import Compute
    from distune.training.inputs.inputs import InputSteps
    from distune.training.predictions import predict

    run(tiny_config(student__vision__freeze=1), tmp_path / "run")
    student, config, tasks = load_student(tmp_path / "run")
    table: Table = read_table(config.data)
    assert tasks == table.tasks
    compute = Compute(torch.device("cpu"), bf16=False)
    steps = InputSteps(table, config.data, Store(), compute, config.seed)
    inputs = steps.for_model(student, config.student, student_seed(config))
    probabilities = predict(student, inputs, table.rows("dev"), compute)
    with (tmp_path / "run/predictions_dev.csv").open(newline="") as handle:
        written = [[float(v) for k, v in row.items() if k.startswith("p_")] for row in csv.DictReader(handle)]
    np.testing.assert_allclose(np.concatenate(probabilities, axis=1), written, atol=1e-6)
    with (tmp_path / "run/predictions_dev.csv").open(newline="") as handle:
        for row, written_row in zip(table.rows("dev"), csv.DictReader(handle), strict=True):
            assert (table.root / written_row["image"]).samefile(table.images[row])
            assert written_row["text"] == table.texts[row]


@pytest.mark.slow
def test_teacher_alone_is_found_by_every_student_after(tiny_config: MakeConfig, tmp_path: Path) -> None:
    alone = run_teacher(tiny_config(), tmp_path / "teacher")
    both = run(tiny_config(), tmp_path / "both")
    assert "teacher" in alone.cache["misses"] and "teacher" not in both.cache["misses"]
    assert numbers(tmp_path / "teacher") == numbers(tmp_path / "both")[:2]
    assert alone.score == both.results["teacher"]["splits"]["dev"]["score"]
    stopped = run_teacher(
        tiny_config(teacher__lr=1e-4), tmp_path / "stopped", callback=Calls(lambda record: record.epoch < 1)
    )
    assert stopped.stopped and stopped.score is not None


@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({"student.text.layers": [1]}, r"contradicts student\.text\.layers: \[1\]"),
        ({"student.text.freeze": "all"}, "frozen layers"),
        ({"teacher.vision.layers": 1}, "3 layers, the teacher's only 1"),
    ],
)
def test_what_the_student_cannot_inherit_is_refused_before_the_teacher_trains(
    tiny_config: MakeConfig, tmp_path: Path, changed: dict[str, Any], token: str
) -> None:
    config = with_values(tiny_config(student__init_from_teacher=True), changed)
    for dataset in (None, "of a study"):  # whose trials may have other values than the config that it checked
        with pytest.raises(UserError, match=token):
            run(config, tmp_path / "run", dataset=dataset)
    assert not (tmp_path / "run/metrics.jsonl").exists()


@pytest.mark.slow
def test_every_long_step_reports_how_far_it_is(tiny_config: MakeConfig, tmp_path: Path) -> None:
    class Steps(Callback):
        def __init__(self) -> None:
            self.last: dict[str, tuple[int, int]] = {}

        def on_progress(self, step: str, done: int, total: int) -> None:
            before, of = self.last.get(step, (0, total))
            assert (0 if before == of else before) < done <= total  # teacher and student, one after the other
            self.last[step] = (done, total)

    steps = Steps()
    frozen = {
        f"{side}__{kind}__freeze": "all" for side in ("teacher", "student") for kind in ("vision", "text")
    }
    run(tiny_config(**frozen), tmp_path / "run", callback=steps)
    epochs = {
        f"{stage} epoch {n}, steps"
        for stage, last in (("teacher", 2), ("student", 3))
        for n in range(1, last + 1)
    }
    assert set(steps.last) == {"decoding images", "encoding images", "encoding texts", *epochs}
    assert all(done == total for done, total in steps.last.values())
