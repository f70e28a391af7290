"""What are a teacher's answers on unlabelled examples worth to a student that reads the image alone?

    python -m benchmarks.unlabelled config/medpix_image_only.yaml --data-root $MEDPIX_ROOT [--fraction 0.1] [--folds 5]
        [--seeds 3] [--out logs/unlabelled]

Every fold of train and dev, by case, is left out once. Of the other cases a share keeps its labels. Three students take
the same number of steps: one learns from the labels alone, one also from its teacher's answers on the same cases, and
one from them on the unlabelled cases too. The teacher reads image and text, and is trained on the same few labels.
Scores are those of the best epoch on the fold left out, as in a study. Intervals: cases drawn again, whole, 2000 times,
of the mean over seeds; they hold the chance of which cases are evaluated, not of which have labels. What is done is
kept: the same command resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, table
from distune.config import load_config, with_values
from distune.store import Store
from distune.training.files.prediction_files import read_predictions
from distune.training.files.run_folder import read_results
from distune.training.run import run
from distune.training.scoring.metrics import confusion_matrix, macro_f1

RESAMPLES = 2000
STUDENTS: Mapping[str, Mapping[str, Any]] = {
    "labels alone": {"distillation.loss": "none"},
    "same cases: and the teacher's answers": {"distillation.unlabelled": False},
    "and the teacher's answers on unlabelled cases": {},
}
Task = tuple[NDArray[np.int64], NDArray[np.int64], int]
"""True and predicted classes of all examples, and how many classes there are."""


def predictions(folder: Path, split: str) -> tuple[list[str], list[Task]]:
    """The cases of a split, and for each task true and predicted classes."""
    found = read_predictions(folder, split)
    tasks = [(task.truth, task.probabilities.argmax(1), len(task.classes)) for task in found]
    return list(found[0].groups or ()), tasks


def score(tasks: Sequence[Task], rows: NDArray[np.int64]) -> float:
    """Mean over tasks of the macro F1 of some rows, which may occur several times."""
    return float(
        np.mean([macro_f1(confusion_matrix(truth[rows], said[rows], count)) for truth, said, count in tasks])
    )


def scored(folders: Mapping[str, Sequence[Sequence[Path]]], split: str) -> list[list[str]]:
    """Mean scores over folds and seeds, and their gains over the first, each with its interval over cases."""
    loaded = {
        name: [[predictions(folder, split) for folder in seeds] for seeds in folds]
        for name, folds in folders.items()
    }
    random = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in loaded}
    first = next(iter(loaded.values()))
    members = []
    for seeds in first:
        groups = np.asarray(seeds[0][0])
        members.append([np.flatnonzero(groups == case) for case in np.unique(groups)])
    for resample in range(RESAMPLES + 1):
        # The first is the sample itself. All students, seeds and folds of one split are evaluated on the same draw.
        chosen = [
            np.concatenate([cases[i] for i in random.integers(len(cases), size=len(cases))])
            if resample
            else np.arange(sum(map(len, cases)))
            for cases in members
        ]
        for name, folds in loaded.items():
            drawn[name].append(
                float(
                    np.mean(
                        [
                            score(tasks, rows)
                            for seeds, rows in zip(folds, chosen, strict=True)
                            for _, tasks in seeds
                        ]
                    )
                )
            )
    first_name, *others = drawn
    rows = [[name, *_interval(np.asarray(drawn[name]))] for name in drawn]
    gains = {name: np.subtract(drawn[name], drawn[first_name]) for name in others}
    return rows + [[f"gain: {name}", *_interval(gain)] for name, gain in gains.items()]


def by_seed(folders: Mapping[str, Sequence[Sequence[Path]]]) -> list[list[str]]:
    """The score of each seed, mean over the folds."""
    scores = {
        name: np.mean([[results_of(folder)["score"] for folder in seeds] for seeds in folds], axis=0)
        for name, folds in folders.items()
    }
    return [[name, ", ".join(f"{value:.4f}" for value in values)] for name, values in scores.items()]


def results_of(folder: Path) -> dict[str, Any]:
    """What a run that has ended found."""
    found = read_results(folder)
    assert found is not None
    return found


def _interval(values: NDArray[np.float64]) -> list[str]:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return [f"{values[0]:.4f}", f"{low:.4f} to {high:.4f}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--fraction", type=float, default=0.1)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("logs/unlabelled"))
    given = parser.parse_args()
    base = load_config(given.config, {"data.root": given.data_root, "data.label_fraction": given.fraction})
    folders: dict[str, list[list[Path]]] = {name: [] for name in STUDENTS}
    with Store(max_gb=base.cache.max_gb) as store:
        for fold in range(1, given.folds + 1):
            for student, values in STUDENTS.items():
                folders[student].append([])
                for seed in range(base.seed, base.seed + given.seeds):
                    place = {"data.fold": {"number": fold, "of": given.folds}, "seed": seed}
                    folder = given.out / f"{given.fraction:g}_{student.split()[0]}_fold{fold}_seed{seed}"
                    if read_results(folder) is None:
                        config = with_values(base, {**values, **place})
                        result = run(config, folder, store=store, check_images=False)
                        print(f"fold {fold} seed {seed} {student}: {result.score:.4f}", flush=True)
                    folders[student][-1].append(folder)
    print(machine(), "\n")
    print(table([["student", "score", "95 % interval over cases"], *scored(folders, "dev")]))
    print(table([["student", "score by seed"], *by_seed(folders)]))


if __name__ == "__main__":
    main()
