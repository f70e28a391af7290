"""The disk that a confirmation needs: weights go when they are evaluated, and a nearly full disk stops it clearly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from confirmation_helpers import config_on, numbers_of, request_for, timeless
from typer.testing import CliRunner

from distune.cli import app
from distune.confirmation import weights
from distune.confirmation.confirm import confirm
from distune.training.files.run_folder import openings


@pytest.mark.slow
def test_a_run_that_is_not_evaluated_keeps_what_it_needs_to_resume(tmp_path: Path) -> None:
    kept = {"best/seed_1/student", "other/seed_2/student", "other/seed_3/checkpoint_student"}
    for name in (*kept, "other/seed_1/student"):
        path = tmp_path / f"{name}.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")
    for scored in ("best/seed_1", "other/seed_1"):
        (tmp_path / scored / "evaluation.json").write_text("{}")
    weights.drop_weights(tmp_path, "best")
    found = {
        path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.rglob("*.safetensors")
    }
    assert found == kept


@pytest.mark.slow
def test_a_run_whose_predictions_and_weights_are_both_gone_is_trained_again(confirmed: Path) -> None:
    numbers, folder = numbers_of(confirmed), confirmed.with_suffix("") / "confirmation"
    lost = folder / "trial_0001_teacher" / f"seed_{numbers['seeds'][0]}"
    assert not (lost / "student.safetensors").exists()
    (lost / "evaluation.json").unlink()
    (lost / "predictions_test.csv").unlink()
    lines: list[str] = []
    assert confirm(request_for(confirmed), show=lines.append).reason == "finished", lines
    assert "1 run to train, 9 are there" in lines
    assert timeless(numbers_of(confirmed)) == timeless(numbers)


@pytest.mark.slow
def test_baselines_of_another_best_config_are_made_again(confirmed: Path) -> None:
    folder, numbers = confirmed.with_suffix("") / "confirmation" / "baselines", numbers_of(confirmed)
    stale, fresh = folder / "features_image", folder / "features_text"
    marker = json.loads((stale / "evaluation.json").read_text())
    (stale / "evaluation.json").write_text(json.dumps({**marker, "made_from": "another config"}))
    (stale / "predictions_test.csv").write_text("of another config")
    before = (fresh / "predictions_test.csv").stat().st_mtime_ns
    confirm(request_for(confirmed))
    assert timeless(numbers_of(confirmed)) == timeless(numbers)
    assert (fresh / "predictions_test.csv").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_nearly_full_disk_stops_before_the_test_split_is_opened(
    new_study: Callable[..., Path], demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = new_study(config_on(demo_root))
    monkeypatch.setattr(weights, "RESERVE_BYTES", 10**18)
    options = ["--top", "1", "--seeds", "1", "--subgroup-columns", "sex, age"]
    result = CliRunner().invoke(app, ["confirm", str(file), *options])
    assert result.exit_code == 4
    assert "too little disk space" in result.output
    folder = file.with_suffix("")
    assert not openings(folder) and not list(folder.rglob("results.json"))
    assert not (folder / "confirmation.json").exists()


def test_room_is_needed_for_twice_the_biggest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "RESERVE_BYTES", 0)
    run = tmp_path / "base" / "seed_1"
    run.mkdir(parents=True)
    assert weights.has_room(tmp_path)
    with (run / "student.safetensors").open("wb") as file:  # takes no space
        file.truncate(int(0.6 * shutil.disk_usage(tmp_path).free))
    assert not weights.has_room(tmp_path)
