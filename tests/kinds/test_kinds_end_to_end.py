"""Every kind of task and gap from its data to an exported student; two studies that hold all of them are confirmed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kind_files import FINDINGS, GRADES, data_section, write_kinds
from run_files import Calls

import distune.edge
from distune.config import Config, as_dict, parse_config
from distune.confirmation.confirm import confirm
from distune.confirmation.request import ConfirmRequest
from distune.data import read_table
from distune.deployment.export import export_run
from distune.prediction.evaluation import evaluation_of
from distune.prediction.examples import Example
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import labelled_table
from distune.prediction.load import load
from distune.prediction.trained import load_run
from distune.reporting.report import write_report
from distune.store import Store
from distune.training.callbacks import EpochRecord
from distune.training.run import run
from distune.tuning.request import TuneRequest
from distune.tuning.tune import tune

pytestmark = pytest.mark.slow

Make = Callable[..., Config]
ALLOW = {"data__missing": "allow"}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "multi-label by average precision": ({"findings": {"score": "average_precision"}}, {}),
    "ordinal by its kappa": ({"grade": {"score": "quadratic_kappa", "weight": 2.0}}, {}),
    "areas under curves": ({"side": {"score": "auroc"}, "findings": {"score": "auroc"}}, {}),
    "balanced accuracy": (
        {"side": {"score": "balanced_accuracy"}, "findings": {"score": "balanced_accuracy"}},
        {},
    ),
    "missing labels": ({}, {**ALLOW, "data__tables": "some_labels"}),
    "missing images and texts": (
        {},
        {
            **ALLOW,
            "data__tables": "some_inputs",
            "student__modality_dropout": 0.3,
            "distillation__loss": "combined",
        },
    ),
    "an image-only student with a text-only teacher": (
        {},
        {"student__text": "none", "teacher__vision": "none", "distillation__loss": "vanilla"},
    ),
    "unlabelled rows": ({}, {"data__label_fraction": 0.6}),
}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of every kind of task, and beside it tables that lack some labels, and some inputs."""
    root = write_kinds(tmp_path_factory.mktemp("kinds_of_all") / "set", examples=80)
    for name, blanks in (
        ("some_labels", (("side", 3), ("findings", 4))),
        ("some_inputs", (("image", 4), ("text", 5))),
    ):
        for table in root.glob("metadata_*.csv"):
            with table.open(newline="") as handle:
                rows = list(csv.DictReader(handle))
            for column, every in blanks:
                for row in rows[1::every]:
                    if all(row[other] for other, _ in blanks):
                        row[column] = ""
            (root / name).mkdir(exist_ok=True)
            with (root / name / table.name).open("w", newline="") as handle:
                writer = csv.DictWriter(handle, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all kinds, so that images are decoded once."""
    return tmp_path_factory.mktemp("steps")


@pytest.fixture
def make(root: Path, tiny_config: Make) -> Make:
    def config(tasks: dict[str, Any] | None = None, **values: Any) -> Config:
        if "data__tables" in values:
            values["data__tables"] = str(root / values["data__tables"])
        raw = {**as_dict(tiny_config()), "data": data_section(root, **(tasks or {}))}
        overrides = {key.replace("__", "."): value for key, value in values.items()}
        return parse_config(raw, overrides={"teacher.epochs": 1, "student.epochs": 2, **overrides})

    return config


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_resumes_predicts_and_is_exported(
    make: Make, tmp_path: Path, steps: Path, kind: str
) -> None:
    tasks, values = KINDS[kind]
    config = make(tasks, **values)
    store = Store(steps)
    whole = run(config, tmp_path / "whole", store=store, open_test=True)

    def after_first(record: EpochRecord) -> bool:
        return not (record.stage == "student" and record.epoch == 1)

    assert run(config, tmp_path / "cut", store=store, callback=Calls(after_first)).stopped
    assert run(config, tmp_path / "cut", store=store).score == whole.score
    parity = export_run(tmp_path / "whole", tmp_path / "bundle")
    assert parity.score == pytest.approx(whole.score, abs=1e-6) and parity.changed == 0
    predictor, exported = load_run(tmp_path / "whole", "cpu"), distune.edge.load(tmp_path / "bundle")
    table = read_table(config.data)
    scored = labelled_table(table, "all of it")
    labels = label_columns_of(scored, predictor.tasks)
    found, elsewhere = evaluation_of(predictor, scored, labels), evaluation_of(exported, scored, labels)
    assert found["score"] == pytest.approx(elsewhere["score"], abs=1e-6)
    assert found["interval"][0] < found["score"] < found["interval"][1]
    answers = predictor.answer(scored.examples)
    assert not answers.problems
    classes = answers.classes()
    assert set(classes["grade"]) <= set(GRADES)
    assert all(isinstance(labels, tuple) and set(labels) <= set(FINDINGS) for labels in classes["findings"])


def test_what_is_absent_is_answered_as_trained_or_refused(
    make: Make, root: Path, tmp_path: Path, steps: Path
) -> None:
    tasks, values = KINDS["missing images and texts"]
    run(make(tasks, **values), tmp_path / "able", store=Store(steps))
    run(make(tasks), tmp_path / "unable", store=Store(steps))
    able, unable = (load_run(tmp_path / name, "cpu") for name in ("able", "unable"))
    image = str(root / "0.png")
    given: list[tuple[Any, Any]] = [(image, "side left"), (image, None), (None, "side left"), (image, " ")]
    images, texts = [each[0] for each in given], [each[1] for each in given]
    rows = able.predict_proba(images, texts)["side"]
    assert np.array_equal(rows[1], rows[3]) and not np.allclose(rows[0], rows[1])
    assert np.allclose(able.predict_proba(None, "side left")["side"], rows[2], atol=1e-6)
    assert np.allclose(able.predict_proba(None, ["side left"])["side"], rows[2], atol=1e-6)
    nothing = [Example("x", None, ""), Example("y", image, None), Example("z", None, "side left")]
    assert [problem[0] for problem in able.answer(nothing).problems] == ["x"]
    assert [problem[0] for problem in unable.answer(nothing).problems] == ["x", "y", "z"]
    apart = json.loads((tmp_path / "able" / "results.json").read_text())["splits"]["dev"]["apart"]
    assert set(apart) == {"complete", "without_text", "without_image"}
    assert all(0 <= each["score"] <= 1 for each in apart.values())


STUDIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gaps and scores": (
        {
            "side": {"score": "auroc"},
            "findings": {"score": "average_precision"},
            "grade": {"score": "quadratic_kappa", "weight": 2.0},
        },
        {
            **ALLOW,
            "data__tables": "some_inputs",
            "data__label_fraction": 0.8,
            "distillation__loss": "combined",
        },
    ),
    "reading less": (
        {"side": {"score": "balanced_accuracy"}},
        {
            **ALLOW,
            "data__tables": "some_labels",
            "student__text": "none",
            "teacher__vision": "none",
            "distillation__loss": "vanilla",
        },
    ),
}


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_tuned_confirmed_reported_and_loaded(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tiny_space: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    tasks, values = STUDIES[name]
    config = make(tasks, student__epochs=1, search_space=tiny_space, **values)
    settings = {"n_trials": 1, "name": "kinds", "workers": 1, "accept_leaks": True}
    result = tune(TuneRequest.of(config, settings, logs=tmp_path / "logs"))
    assert result.reason == "finished"
    done = confirm(ConfirmRequest(study=str(tmp_path / "logs" / "kinds.db"), top=1, seeds=1))
    assert done.reason == "finished"
    numbers = json.loads((result.folder / "confirmation.json").read_text())
    expected = {task.name: (task.kind, task.score, task.weight) for task in read_table(config.data).tasks}
    assert {task: tuple(about.values()) for task, about in numbers["scored_by"].items()} == expected
    scored = next(about for about in numbers["contenders"].values() if about["is_base"])["splits"]["test"]
    assert scored["score"]["mean"] == pytest.approx(np.mean(scored["scores"]))
    assert bool(scored["apart"]) == (name == "gaps and scores")
    assert scored["tasks"]["findings"]["temperature"] is not None
    # Where a single case decides the score, it has no interval and is not compared.
    compared = numbers["comparisons" if scored["score"]["low"] is not None else "comparisons_missing"]
    assert {each["kind"] for each in compared} >= {"distillation_gain", "against_baseline"}
    write_report(tmp_path / "logs" / "kinds.db", result.folder)
    page = (result.folder / "report.md").read_text()
    for token in (
        "findings: effusion",
        *({"quadratic kappa", "average precision"} if scored["apart"] else ()),
    ):
        assert token in page
    assert load(tmp_path / "logs" / "kinds").tasks[1].kind == "multi_label"
