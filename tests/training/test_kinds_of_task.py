"""Multi-label and ordinal tasks beside single-label ones: read, trained, resumed, evaluated and written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kind_files import FINDINGS, GRADES, data_section, write_kinds
from run_files import Calls, read_metrics
from sklearn.metrics import cohen_kappa_score, f1_score

from distune.config import Config, DataConfig, as_dict, parse_config
from distune.data import Table, read_table
from distune.data.audit.audit import audit
from distune.data.fingerprint import table_fingerprint
from distune.data.table import MISSING
from distune.distillation import LOSSES
from distune.errors import DataError
from distune.models.classifier import build_classifier
from distune.models.fusion import FUSIONS
from distune.store import Store
from distune.training.callbacks import EpochRecord
from distune.training.run import run
from distune.training.scoring.scores import check_scores
from distune.training.student import load_student

Make = Callable[..., Config]


@pytest.fixture(scope="session")
def kinds_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kinds(tmp_path_factory.mktemp("kinds") / "set")


@pytest.fixture
def make(kinds_root: Path, tiny_config: Make) -> Make:
    def config(tasks: dict[str, Any] | None = None, **values: Any) -> Config:
        raw = {**as_dict(tiny_config()), "data": data_section(kinds_root, **(tasks or {}))}
        return parse_config(raw, overrides={key.replace("__", "."): value for key, value in values.items()})

    return config


def table_of(config: Config) -> Table:
    return read_table(config.data, check_images=False)


@pytest.mark.slow
def test_the_columns_of_the_labels(make: Make, kinds_root: Path) -> None:
    table = table_of(make())
    assert [(task.name, task.kind, task.classes) for task in table.tasks] == [
        ("side", "single_label", ("a", "b")),
        ("findings", "multi_label", FINDINGS),
        ("grade", "ordinal", GRADES),
    ]
    with (kinds_root / "metadata_train.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    expected = [
        ["ab".index(row["side"]), *(int(row[name]) for name in FINDINGS), GRADES.index(row["grade"])]
        for row in rows
    ]
    assert table.labels[table.rows("train")].tolist() == expected
    assert table.as_exclusive().tasks[1].name == "findings: effusion"
    said = {
        finding.title.split(": words")[0]
        for finding in audit(table).findings
        if finding.kind == "words_alone"
    }
    assert said == {"side", *(f"findings: {name}" for name in FINDINGS), "grade"}  # each text names them all


def test_columns_of_0_and_1_are_the_same_task(make: Make, kinds_root: Path) -> None:
    by_columns = parse_config(
        {
            "data": {
                **data_section(kinds_root),
                "tasks": {"findings": {"columns": list(FINDINGS)}, "grade": {"order": list(GRADES)}},
            }
        }
    )
    assert table_fingerprint(table_of(by_columns)) == table_fingerprint(table_of(make()))


def test_an_empty_column_is_an_unknown_label(make: Make, tmp_path: Path) -> None:
    root = write_kinds(tmp_path / "set", examples=30)
    path = root / "metadata_train.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[6] = ""  # mass
    bad = lines[2].split(",")
    bad[5] = "2"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    section = {
        **data_section(root),
        "missing": "allow",
        "tasks": {"findings": {"columns": list(FINDINGS)}, "grade": {"order": list(GRADES)}},
    }
    table = table_of(parse_config({"data": section}))
    assert table.labels[0, 2] == MISSING and (table.labels[0, [0, 1, 3, 4]] != MISSING).all()
    path.write_text("\n".join([lines[0], lines[1], ",".join(bad), *lines[3:]]) + "\n")
    with pytest.raises(DataError, match="0 or 1"):
        table_of(parse_config({"data": section}))


def test_what_is_no_class_of_the_task_is_refused(make: Make, tmp_path: Path) -> None:
    root = write_kinds(tmp_path / "set", examples=30)
    path = root / "metadata_dev.csv"
    path.write_text(path.read_text().replace("mild", "awful").replace("oedema", "fracture"))
    with pytest.raises(DataError) as caught:
        table_of(parse_config({"data": data_section(root)}))
    assert "awful" in str(caught.value) and "fracture" in str(caught.value)
    wrong = {**data_section(root), "tasks": {"finding": {"separator": ";"}}}
    with pytest.raises(DataError, match="findings"):
        table_of(parse_config({"data": wrong}))


def test_folds_and_shares_spread_the_labels(make: Make) -> None:
    for number in (1, 2, 3):
        config = make(data__fold={"number": number, "of": 3}, data__label_fraction=0.5)
        table = table_of(config)
        assert (table.labels[table.rows("train")].max(axis=0) >= 1).all()
        assert (table.labels[table.rows("unlabelled")] == MISSING).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {"distillation__loss": "combined", "training__class_weights": "balanced"},
        {"distillation__loss": "dkd", "student__text": "none", "data__label_fraction": 0.5},
    ],
)
def test_it_trains_resumes_and_is_evaluated(make: Make, tmp_path: Path, values: dict[str, Any]) -> None:
    tasks = {"grade": {"score": "quadratic_kappa", "weight": 2.0}, "findings": {"score": "macro_f1"}}
    config = make(tasks, **values)
    whole = run(config, tmp_path / "whole", store=Store(tmp_path / "a"), open_test=True)
    store = Store(tmp_path / "b")

    def until_second(record: EpochRecord) -> bool:
        return not (record.stage == "student" and record.epoch == 2)

    assert run(config, tmp_path / "cut", store=store, callback=Calls(until_second)).stopped
    assert run(config, tmp_path / "cut", store=store).score == whole.score
    assert_written(tmp_path / "whole", config, whole.score)


def assert_written(folder: Path, config: Config, score: float | None) -> None:
    results = json.loads((folder / "results.json").read_text())
    with (folder / "predictions_dev.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    truth = np.array([[row[f"truth_findings: {name}"] == "yes" for name in FINDINGS] for row in rows])
    said = np.array([[float(row[f"p_findings: {name}_yes"]) > 0.5 for name in FINDINGS] for row in rows])
    side = f1_score([r["truth_side"] for r in rows], [r["pred_side"] for r in rows], average="macro")
    grades = [[GRADES.index(row[f"{which}_grade"]) for row in rows] for which in ("truth", "pred")]
    kappa = cohen_kappa_score(*grades, weights="quadratic")
    mentioned = truth.any(axis=0) | said.any(axis=0)
    findings = f1_score(truth[:, mentioned], said[:, mentioned], average="macro", zero_division=0)
    assert score == pytest.approx((side + findings + 2 * kappa) / 4)
    assert results["splits"]["dev"]["tasks"]["findings"]["macro_f1"] == pytest.approx(findings)
    line = max(
        (line for line in read_metrics(folder) if line["stage"] == "student"), key=lambda x: x["dev_score"]
    )
    assert line["dev_score"] == pytest.approx(score)
    _, _, tasks = load_student(folder)
    assert tasks == table_of(config).tasks


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_answers_every_kind(make: Make, fusion: str) -> None:
    config = make(student__fusion=fusion)
    tasks = table_of(config).tasks
    model = build_classifier(config.student, tasks, seed=1).eval()
    pixels = torch.zeros((2, 3, 32, 32), dtype=torch.uint8)
    output = model(pixels, torch.ones((2, 4), dtype=torch.int64), torch.ones((2, 4), dtype=torch.bool))
    assert [logits.shape for logits in output.logits] == [(2, 2), (2, 3), (2, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_every_kind(make: Make, tmp_path: Path, kinds_store: Path, loss: str) -> None:
    sequence = {"student__fusion_tokens": "sequence", "teacher__fusion_tokens": "sequence"}
    config = make(distillation__loss=loss, student__epochs=1, teacher__epochs=1, **sequence)
    assert run(config, tmp_path / "run", store=Store(kinds_store)).score is not None


@pytest.fixture(scope="session")
def kinds_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the losses, so that their teacher is trained once."""
    return tmp_path_factory.mktemp("kinds_store")


@pytest.mark.slow
def test_a_run_predicts_labels(make: Make, tmp_path: Path, kinds_root: Path) -> None:
    from distune.prediction.trained import load_run

    run(make(distillation__loss="none", student__epochs=1), tmp_path / "run", store=Store(tmp_path / "s"))
    predictor = load_run(tmp_path / "run", "cpu")
    found = predictor.predict([kinds_root / "0.png"], ["side left mild mass"])
    assert set(found) == {"side", "findings", "grade"}
    assert isinstance(found["findings"][0], tuple) and set(found["findings"][0]) <= set(FINDINGS)


def test_the_metric_names_the_scores(make: Make) -> None:
    from distune.tuning.study.settings import METRIC, own_scores

    assert own_scores({}) == "" and own_scores(make().data.tasks) == ""
    named = own_scores(make({"grade": {"score": "quadratic_kappa", "weight": 2}}).data.tasks)
    assert "grade: quadratic kappa with weight 2" in METRIC + named


@pytest.mark.slow
@pytest.mark.parametrize("score", ["auroc", "macro_f1"])
def test_a_split_on_which_the_score_is_not_defined_is_refused_before_training(
    tmp_path: Path, score: str
) -> None:
    root = write_kinds(tmp_path / "data")
    dev = root / "metadata_dev.csv"
    header, *rows = dev.read_text(encoding="utf-8").splitlines()
    one_class = [",".join([*row.split(",")[:3], "a", *row.split(",")[4:]]) for row in rows]
    dev.write_text("\n".join([header, *one_class]), encoding="utf-8")
    data = DataConfig(**data_section(root, side={"score": score}))
    if score == "macro_f1":
        check_scores(read_table(data), root)
        return
    with pytest.raises(DataError, match="dev split: task side"):
        check_scores(read_table(data), root)
