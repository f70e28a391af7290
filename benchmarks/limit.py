"""The student's epochs against bare forward, backward and optimizer steps on tensors that lie in memory.

    python -m benchmarks.limit config/medpix_offline.yaml --data-root data/medpix-2.0 [--rounds 15]

The ratio is the distance to the limit: what gathering batches, looking up the teacher's answers, evaluating dev and
writing checkpoints cost on top, and keeping the weights of the best epoch. Both run in turn in one process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import machine, table
from distune.config import load_config
from distune.data import read_table
from distune.data.batches import train_batches
from distune.data.fingerprint import table_fingerprint
from distune.distillation import LOSSES, LossShapes, Objective
from distune.store import Store
from distune.training.callbacks import Callback
from distune.training.devices import compute_for
from distune.training.files.checkpoint import CheckpointFile
from distune.training.inputs.inputs import InputSteps
from distune.training.loop import Examples, Plan, fit
from distune.training.optimizer import Optimizer
from distune.training.student import build_student, student_seed
from distune.training.teacher.teacher import TeacherStage

EPOCHS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    config = load_config(given.config, {"data.root": given.data_root, "teacher.epochs": 1})
    compute = compute_for(config.training)
    rows = read_table(config.data, check_images=False)
    ratios, whole_seconds, bare_seconds = [], [], []
    with tempfile.TemporaryDirectory() as folder, Store() as store:
        steps = InputSteps(rows, config.data, store, compute, config.seed)
        stage = TeacherStage(config, rows, table_fingerprint(rows), steps, store, compute)
        targets = stage.trained(Callback(), Path(folder) / "teacher").targets()
        student = build_student(config, rows.tasks).to(compute.device)
        inputs = steps.for_model(student, config.student, student_seed(config))
        examples = Examples(inputs, rows.labels, rows.tasks, rows.rows("train"), rows.rows("dev"))
        classes = tuple(len(task.classes) for task in rows.tasks)
        shapes = LossShapes(config.student.fusion_dim, targets.width, classes, len(rows.rows("train")))
        loss = LOSSES[config.distillation.loss](config.distillation, shapes)
        objective = Objective(config.distillation, config.training, loss)
        plan = Plan("student", EPOCHS, config.student.lr, config.training, config.seed)
        batches = [
            (batch, targets.at(batch))
            for batch in train_batches(
                inputs, rows.labels, examples.train, batch_size=config.training.batch_size, seed=1, epoch=1,
                device=compute.device, targets=targets.placed(compute.device),
            )
        ]  # fmt: skip
        optimizer = Optimizer(student, objective, config.student.lr, 10_000, config.training)
        for number in range(given.rounds + 1):
            checkpoint = CheckpointFile(Path(folder) / f"student_{number}", key="")
            started = time.perf_counter()
            fit(
                student, objective, examples, replace(plan, seed=number), compute, targets=targets,
                checkpoint=checkpoint,
            )  # fmt: skip
            whole_seconds.append((time.perf_counter() - started) / EPOCHS)
            student.train()
            precision = compute.for_model(student)
            started = time.perf_counter()
            for batch, teacher in batches * EPOCHS:
                with precision.autocast():
                    output = student(batch.image, batch.text, batch.text_mask, with_map=loss.uses_map)
                objective(output, batch.labels, teacher, batch.rows % shapes.examples).total.backward()
                optimizer.step()
            bare_seconds.append((time.perf_counter() - started) / EPOCHS)
            ratios.append(whole_seconds[-1] / bare_seconds[-1])
    print(machine(), "\n")
    # The first round meets kernels that are not yet compiled and pages that are not yet read.
    figures = [statistics.median(values[1:]) for values in (whole_seconds, bare_seconds, ratios)]
    header = ["student epoch, s", "bare steps, s", "ratio"]
    print(table([header, [f"{figures[0]:.2f}", f"{figures[1]:.2f}", f"{figures[2]:.2f}"]]))


if __name__ == "__main__":
    main()
