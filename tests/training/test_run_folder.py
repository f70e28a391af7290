"""The files of a run folder: what a start takes away, what the records vouch for, and what is read back."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from distune.config import Config, load_config, save_config
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.errors import UserError
from distune.training.callbacks import EpochRecord
from distune.training.devices import Compute
from distune.training.files import run_folder
from distune.training.files.run_folder import (
    CONFIG,
    ENVIRONMENT,
    EVALUATION,
    METRICS,
    OPENINGS,
    RESULTS,
    WEIGHTS,
    check_unchanged,
    drop_weights,
    openings,
    read_metrics,
    read_results,
    read_text,
    record_opening,
    results_of,
    run_config,
    seal,
    start_folder,
    was_trained_on,
    write_metrics,
    write_results,
)

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)


def test_a_start_takes_away_what_is_not_known_yet(tiny_config: MakeConfig, tmp_path: Path) -> None:
    outcomes = (
        "metrics.jsonl", "predictions_dev.csv", "predictions_test_without_text.csv", "evaluation.json",
        "results.json", "student.safetensors", "dropped.txt",
    )  # fmt: skip
    kept = ("checkpoint_student.safetensors", "notes.txt")
    for name in (*outcomes, *kept):
        (tmp_path / name).touch()
    config = tiny_config(training__deterministic=True)
    compute = Compute(torch.device("cpu"), bf16=True, deterministic=False)
    start_folder(tmp_path, config, SimpleNamespace(dropped=()), compute)  # type: ignore[arg-type]
    assert {path.name for path in tmp_path.iterdir()} == {*kept, CONFIG, ENVIRONMENT}
    assert load_config(tmp_path / CONFIG) == config
    about = json.loads((tmp_path / ENVIRONMENT).read_text())
    assert (about["device"], about["precision"], about["deterministic"]) == (compute.name, "bf16", False)
    assert about["seed"] == config.seed and about["packages"]["torch"] == version("torch")
    start_folder(tmp_path, config, SimpleNamespace(dropped=("1: no image", "2: cut off")), CPU)  # type: ignore[arg-type]
    said = (tmp_path / "dropped.txt").read_text().splitlines()
    assert said[1:] == ["1: no image", "2: cut off"] and "2 bad examples" in said[0]


def test_a_folder_is_known_as_a_runs_before_it_has_a_config(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config alone is what people keep beside their tables."""

    def killed(config: Config, path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder, "save_config", killed)
    with pytest.raises(KeyboardInterrupt):
        start_folder(tmp_path, tiny_config(), SimpleNamespace(dropped=()), CPU)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == [ENVIRONMENT]


def test_the_results_vouch_for_every_file_of_the_run(tiny_config: MakeConfig, tmp_path: Path) -> None:
    save_config(tiny_config(), tmp_path / CONFIG)
    vouched = (METRICS, WEIGHTS, "predictions_dev.csv", "predictions_test.csv")
    for name in (*vouched, "notes.txt"):
        (tmp_path / name).write_text("as it was")
    check_unchanged(tmp_path / WEIGHTS)  # nothing says anything yet
    write_results(tmp_path, {"score": 0.5})
    assert results_of(tmp_path) == read_results(tmp_path) == {"score": 0.5}
    for name in (*vouched, "notes.txt", CONFIG):
        check_unchanged(tmp_path / name)
    assert run_config(tmp_path) == tiny_config()
    for name in (*vouched, "notes.txt"):
        (tmp_path / name).write_text("as it is not")
    for name in vouched:
        with pytest.raises(UserError, match=f"{name} was changed .* do this"):
            check_unchanged(tmp_path / name, "do this")
    check_unchanged(tmp_path / "notes.txt")
    save_config(tiny_config(seed=4), tmp_path / CONFIG)
    with pytest.raises(UserError, match="was changed"):
        run_config(tmp_path)


def test_of_two_records_the_later_one_counts(tmp_path: Path) -> None:
    """A confirmation writes the predictions of a run again, and vouches for them in its own record."""
    file = tmp_path / "predictions_dev.csv"
    (tmp_path / WEIGHTS).write_text("weights")
    file.write_text("of the run")
    write_results(tmp_path, {})
    file.write_text("of the confirmation")
    seal(tmp_path / EVALUATION, {})
    check_unchanged(file)
    check_unchanged(tmp_path / WEIGHTS)
    file.write_text("of the run")
    with pytest.raises(UserError, match=EVALUATION):
        check_unchanged(file)
    (tmp_path / WEIGHTS).write_text("others")
    with pytest.raises(UserError, match=RESULTS):
        check_unchanged(tmp_path / WEIGHTS)


def test_a_run_has_finished_where_its_results_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert results_of(tmp_path) is None and results_of(tmp_path / "nowhere") is None
    write_results(tmp_path, {"score": 0.5})
    assert (results_of(tmp_path) or {})["score"] == (read_results(tmp_path) or {})["score"] == 0.5
    whole = (tmp_path / RESULTS).read_text()
    for damaged in (whole[:20], whole.replace("0.5", "0.6"), "[]", ""):
        (tmp_path / RESULTS).write_text(damaged)
        with pytest.raises(UserError, match="is damaged"):
            results_of(tmp_path)
        assert read_results(tmp_path) is None
    (tmp_path / RESULTS).unlink()
    (tmp_path / RESULTS).symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="is damaged"):
        results_of(tmp_path)

    def broken(path: Path) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(run_folder, "read_sealed", broken)
    with pytest.raises(OSError, match="too many open files"):
        results_of(tmp_path)


def test_whether_a_data_set_is_the_one_of_a_run(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    assert was_trained_on(tmp_path, table) is None
    for recorded, expected in (
        ({}, None), ({"data_fingerprint": "other"}, False), ({"data_fingerprint": table_fingerprint(table)}, True),
    ):  # fmt: skip
        write_results(tmp_path, recorded)
        assert was_trained_on(tmp_path, table) is expected


def test_openings_are_of_a_data_set_and_damaged_ones_of_every_one(tmp_path: Path) -> None:
    beside = tmp_path / "runs"
    assert openings(beside) == []
    beside.mkdir()
    record_opening(beside, by="run_1", dataset="a")
    record_opening(beside, by="run_2", dataset="b")
    with (beside / OPENINGS).open("a") as handle:
        handle.write('{"time": "2026-01-01", "by": 7, "dataset": "b"}\n{"by": "x"}\n{"time": "20\n')
    record_opening(beside, by="run_3", dataset="a")
    everyone = [line["by"] for line in openings(beside)]
    damaged = [f"a damaged record (line {number} of {OPENINGS})" for number in (3, 4, 5)]
    assert everyone == ["run_1", "run_2", *damaged, "run_3"]
    assert [line["by"] for line in openings(beside, "a")] == ["run_1", *damaged, "run_3"]
    assert [line["by"] for line in openings(beside, "b")] == ["run_2", *damaged]
    first = openings(beside)[0]
    assert first.keys() == {"time", "by", "dataset"} and first["time"].endswith("+00:00")


def test_epochs_are_read_as_they_were_written(tmp_path: Path) -> None:
    history = [EpochRecord("student", n, 1.0, 0.5, 0.5, 0.25, {"t": 0.25}, 1e-3, 2.0) for n in (1, 2)]
    assert read_metrics(tmp_path) == []
    write_metrics(tmp_path, history)
    assert read_metrics(tmp_path) == history
    with (tmp_path / METRICS).open("a") as handle:
        handle.write('{"stage": "student", "epoch": 3}\n')
    assert read_metrics(tmp_path) == [], "lines of another version"


def test_a_text_that_is_not_there_or_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no"):
        read_text(tmp_path / "predictions_dev.csv")
    (tmp_path / "file").write_bytes(b"a\r\nb\n")
    assert read_text(tmp_path / "file") == "a\r\nb\n"
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        read_text(tmp_path / "file")


def test_weights_are_dropped_with_their_drafts_and_nothing_else_or_through_a_link(tmp_path: Path) -> None:
    run, link = tmp_path / "run", tmp_path / "link"
    run.mkdir()
    link.symlink_to(run)
    weights = ["student.safetensors", "checkpoint_teacher.safetensors", "checkpoint_student.safetensors"]
    drafts = [f".12345.{name}" for name in weights]
    for name in (*weights, *drafts, "mine.safetensors", ".student.safetensors", "results.json"):
        (run / name).touch()
    drop_weights(link)
    assert len(list(run.iterdir())) == 9
    drop_weights(run)
    assert {path.name for path in run.iterdir()} == {
        "mine.safetensors",
        ".student.safetensors",
        "results.json",
    }
    drop_weights(run)
