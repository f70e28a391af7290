"""A complete study in the form that tuning leaves it, with run folders."""

from __future__ import annotations

import csv
import json
import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import StudyRecord
from distune.config import Config, as_dict
from distune.data.table import Task
from distune.training.scoring.evaluation import evaluate

SPACE = {
    "teacher_lr": {"type": "float", "low": 5e-6, "high": 1e-4, "log": True},
    "T": {"type": "float", "low": 2.0, "high": 6.0},
    "student_fusion_dim": {"type": "categorical", "choices": [256, 384, 512]},
    "student_fusion_layers": {"type": "int", "low": 1, "high": 2},
}
DISTRIBUTIONS = {
    "teacher_lr": FloatDistribution(5e-6, 1e-4, log=True),
    "T": FloatDistribution(2.0, 6.0),
    "student_fusion_dim": CategoricalDistribution((256, 384, 512)),
    "student_fusion_layers": IntDistribution(1, 2),
}
TASKS = (Task("modality", ("CT", "MR")), Task("location", ("Abdomen", "Head", "Thorax")))
START = datetime(2025, 12, 16, 20, 31, 4)
EPOCHS = 6
FAILED = (7, 12)


def predictions(folder: Path, tasks: tuple[Task, ...], quality: float, rng: np.random.Generator) -> float:
    """Writes random predictions and their results; returns their score."""
    folder.mkdir(parents=True)
    truth = np.stack([rng.integers(len(task.classes), size=120) for task in tasks], axis=1)
    shares = []
    for column, task in enumerate(tasks):
        logits = rng.normal(size=(120, len(task.classes)))
        logits[np.arange(120), truth[:, column]] += np.where(rng.random(120) < quality, 4.0, 0.0)
        shares.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    with (folder / "predictions_dev.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        header = ["id"]
        for task in tasks:
            header += [f"truth_{task.name}", *(f"p_{task.name}_{name}" for name in task.classes)]
        writer.writerow(header)
        for row in range(120):
            cells: list[object] = [f"case{row}"]
            for column, task in enumerate(tasks):
                cells += [task.classes[truth[row, column]], *(repr(float(p)) for p in shares[column][row])]
            writer.writerow(cells)
    found = evaluate(truth, shares, tasks)
    (folder / "results.json").write_text(json.dumps({"splits": {"dev": found}, "score": found["score"]}))
    return float(found["score"])


def curves(folder: Path, scores: list[float]) -> None:
    """Writes the epochs of teacher and student."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"stage": "teacher", "epoch": n, "dev_score": 0.9 - 0.3 / n, "train_loss": 1.0 / n} for n in (1, 2, 3)
    ]
    lines += [
        {"stage": "student", "epoch": n, "dev_score": score, "train_loss": 2.0 / n}
        for n, score in enumerate(scores, 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def trial(number: int, folder: Path, tasks: tuple[Task, ...], rng: np.random.Generator) -> FrozenTrial:
    """One trial of a random search in which more student layers help and the others do nothing."""
    params = {
        "teacher_lr": float(5e-6 * 20 ** rng.random()),
        "T": float(rng.uniform(2, 6)),
        "student_fusion_dim": int(rng.choice([256, 384, 512])),
        "student_fusion_layers": int(rng.integers(1, 3)),
    }
    if number == 0:
        params = {"teacher_lr": 1e-5, "T": 2.0, "student_fusion_dim": 512, "student_fusion_layers": 1}
    quality = 0.62 + 0.2 * (params["student_fusion_layers"] - 1)
    value = predictions(folder, tasks, quality, rng)
    scores = [value - 0.4 * math.exp(-epoch / 1.5) for epoch in range(1, EPOCHS)] + [value]
    failed = number in FAILED
    pruned = not failed and number > 5 and value < 0.8
    scores = scores[:2] if failed or pruned else scores
    curves(folder, scores)
    stages = {"data": 2.0, "teacher": 100.0, "targets": 5.0, "student": 50.0 * len(scores), "evaluation": 3.0}
    attrs: dict[str, object] = {
        "seconds": sum(stages.values()),
        "stage_seconds": stages,
        "peak_memory_mb": 2000.0 + number,
        "peak_device_mb": 8000.0 + number,
        "device": "cuda:0",
        "worker": 0,
        "folder": str(folder),
        "cache_hits": 2,
        "cache_seconds_saved": 30.0,
    }
    if number == 0:
        attrs["baseline"] = True
    if failed:
        attrs |= {"failure_kind": "out_of_memory", "failure_message": "CUDA out of memory"}
    state = TrialState.FAIL if failed else TrialState.PRUNED if pruned else TrialState.COMPLETE
    return create_trial(
        state=state,
        value=None if failed or pruned else value,
        params=params,
        distributions=DISTRIBUTIONS,
        intermediate_values=dict(enumerate(scores, 1)),
        user_attrs=attrs,
    )


def build_study(folder: Path, name: str = "medpix_tuning", tasks: tuple[Task, ...] = TASKS) -> StudyRecord:
    """A study of 40 trials whose run folders lie below a folder."""
    study = optuna.create_study(study_name=name, direction="maximize")
    attrs = {
        "base_config": as_dict(Config()),
        "search_space": SPACE,
        "seed": 42,
        "metric": "mean over tasks of the dev macro F1",
        "sampler": "random",
        "pruner": "median",
        "pruner_settings": {"n_startup_trials": 5, "n_warmup_steps": 2},
        "strategy": "joint",
        "teacher_epochs": 3,
        "student_epochs": EPOCHS,
        "data_fingerprint": "5f2c9e1d",
        "distune_version": "0.1.0",
        "sessions": [
            {
                "started": START.isoformat(),
                "finished": (START + timedelta(hours=4)).isoformat(),
                "workers": 1,
                "devices": ["cuda:0"],
                "reason": "finished",
            }
        ],
    }
    for key, value in attrs.items():
        study.set_user_attr(key, value)
    rng = np.random.default_rng(3)
    study.add_trials(
        [trial(number, folder / "trials" / f"trial_{number:04d}", tasks, rng) for number in range(40)]
    )
    (folder / "best_config.yaml").write_text("name: medpix\n")
    return from_optuna(study, folder, "sqlite:///logs/optuna/medpix_tuning.db")
