"""What `distune check` says a trial and a study will take."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from distune.config import Config, parse_config, with_values
from distune.data import Table, read_table
from distune.data.demo.demo import make_demo
from distune.models.classifier import build_classifier
from distune.setup.estimate import Estimate, estimate
from distune.training.run import run

pytestmark = pytest.mark.slow

TINY = {"vision": "tiny-cnn", "text": "tiny-text", "fusion_tokens": "pooled", "fusion_dim": 32, "lr": 3e-4}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Table]:
    root = tmp_path_factory.mktemp("demo") / "data"
    config = parse_config({
        "name": "demo", "data": {"reader": "demo", "root": str(root), "image_size": 32, "max_tokens": 32},
        "teacher": {**TINY, "epochs": 2, "lr": 1e-5}, "student": {**TINY, "epochs": 4},
        "training": {"device": "cpu", "batch_size": 32}, "study": {"n_trials": 10},
    })  # fmt: skip
    make_demo(config)
    return config, read_table(config.data)


@pytest.fixture(scope="module")
def made(demo: tuple[Config, Table]) -> Estimate:
    return estimate(*demo)


def test_it_adds_up(demo: tuple[Config, Table], made: Estimate) -> None:
    config, table = demo
    assert 0 < made.further_s <= made.first_s <= made.study_s
    assert made.study_s == pytest.approx(made.first_s + 9 * made.further_s, rel=1e-6)
    student = build_classifier(config.student, table.tasks, seed=0, image_size=32)
    assert made.trial_mb > sum(p.numel() * 4 for p in student.parameters()) / 2**20
    pixels = len(table) * 3 * 32 * 32 / 2**20
    assert made.store_mb >= 2 * pixels  # teacher and student
    first, second = made.lines()
    assert "10 trials" in first and "disk" in second


def test_more_work_takes_more(demo: tuple[Config, Table], made: Estimate) -> None:
    config, table = demo
    folds = estimate(with_values(config, {"study.folds": 5}), table)
    workers = estimate(with_values(config, {"study.workers": 5}), table)
    alone = estimate(with_values(config, {"distillation.loss": "none"}), table)
    longer = estimate(with_values(config, {"study.student_epochs": 400, "study.teacher_epochs": 200}), table)
    assert folds.trial_mb > 4 * made.trial_mb
    assert longer.further_s > 10 * made.further_s
    assert workers.study_s < workers.first_s + 2 * workers.further_s
    assert alone.trial_mb < made.trial_mb


@pytest.mark.slow
def test_it_is_near_what_a_run_takes(demo: tuple[Config, Table], made: Estimate, tmp_path: Path) -> None:
    config, _ = demo
    started = time.perf_counter()
    run(config, tmp_path / "run")
    taken = time.perf_counter() - started
    assert made.first_s / 10 < taken < 60 + 10 * made.first_s  # a busy machine, and what starting up takes


def test_frozen_layers_in_bf16_are_measured_as_they_are_trained(
    demo: tuple[Config, Table], made: Estimate
) -> None:
    config, table = demo
    frozen = {
        f"{role}.{part}.freeze": "all" for role in ("teacher", "student") for part in ("vision", "text")
    }
    in_bf16 = {**frozen, "training.precision": "auto"}  # where the CPU is fast at it
    assert estimate(with_values(config, in_bf16), table).store_mb > made.store_mb
