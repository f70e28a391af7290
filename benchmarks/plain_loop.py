"""The loop that a careful engineer writes first, to measure Distune against.

A data set that decodes, resizes and tokenises (padded to 256) each example whenever it is asked for; the frozen layers
run in every step; the teacher answers in every student step; fp32; nothing is kept. Models, loss, optimizer, epochs,
batch size and seeds are Distune's own, so that only the way of the data differs, and the precision: Distune takes
what is fastest on the device.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from distune.config import Config, DistillationConfig, load_config
from distune.data import Table, read_table
from distune.distillation import LOSSES, LossShapes, Objective
from distune.models.classifier import Classifier, build_classifier
from distune.models.encoders.base import TextEncoder
from distune.models.outputs import ModelOutput
from distune.training.optimizer import Optimizer
from distune.training.scoring.metrics import confusion_matrix, macro_f1
from distune.training.teacher.teacher import class_weights
from distune.utils.seeds import derived_seed

LENGTH = 256
CLASSIC_EPOCHS = {"teacher.epochs": 3, "student.epochs": 10}
"""Those of the classic MedPix study, whatever a config says, so that figures stay comparable."""


class PlainDataset(Dataset[tuple[Tensor, Tensor, Tensor, Tensor, int]]):
    """Everything is done again for each example that is asked for."""

    def __init__(self, table: Table, rows: np.ndarray, size: int, text: TextEncoder):
        self.table, self.rows, self.size, self.text = table, rows, size, text

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
        row = int(self.rows[position])
        with Image.open(self.table.images[row]) as image:
            pixels = np.array(image.convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC))
        ids = self.text.tokenizer.encode([self.table.texts[row]], LENGTH)[0]
        padded = torch.zeros(LENGTH, dtype=torch.int64)
        padded[: len(ids)] = torch.tensor(ids)
        mask = torch.arange(LENGTH) < len(ids)
        image_tensor = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        return image_tensor, padded, mask, torch.from_numpy(self.table.labels[row]), position


def outputs(
    model: Classifier, image: Tensor, text: Tensor, mask: Tensor, with_map: bool = False
) -> ModelOutput:
    return model(model.vision.prefix(image), model.text.prefix(text, mask), mask, with_map=with_map)


@dataclass
class PlainRun:
    """Teacher, then student, each epoch on everything."""

    config: Config
    table: Table

    def model(self, role: str) -> Classifier:
        section = self.config.teacher if role == "teacher" else self.config.student
        return build_classifier(
            section, self.table.tasks, seed=derived_seed(self.config.seed, role), image_size=None
        )

    def loader(self, model: Classifier, split: str, *, shuffle: bool) -> DataLoader:  # type: ignore[type-arg]
        rows = self.table.rows(split)  # type: ignore[arg-type]
        data = PlainDataset(self.table, rows, model.vision.image_size, model.text)
        return DataLoader(data, self.config.training.batch_size, shuffle=shuffle)

    def dev_score(self, model: Classifier) -> float:
        model.eval()
        predicted, truth = [], []
        with torch.no_grad():
            for image, text, mask, labels, _ in self.loader(model, "dev", shuffle=False):
                output = outputs(model, image, text, mask)
                predicted.append(torch.stack([logits.argmax(1) for logits in output.logits], 1))
                truth.append(labels)
        pairs = zip(torch.cat(truth).numpy().T, torch.cat(predicted).numpy().T, self.table.tasks, strict=True)
        return float(np.mean([macro_f1(confusion_matrix(t, p, len(task.classes))) for t, p, task in pairs]))

    def train(
        self,
        role: str,
        epochs: int,
        lr: float,
        objective: Objective,
        teacher: Classifier | None,
    ) -> tuple[Classifier, list[float], float]:
        """Trains a stage; gives its seconds by epoch and its best dev score."""
        model = self.model(role)
        loader = self.loader(model, "train", shuffle=True)
        optimizer = Optimizer(model, objective, lr, len(loader) * epochs, self.config.training)
        with_map = objective.loss is not None and objective.loss.uses_map
        seconds, best = [], 0.0
        for epoch in range(epochs):
            started = time.perf_counter()
            torch.manual_seed(derived_seed(self.config.seed, role, epoch))
            model.train()
            for image, text, mask, labels, position in loader:
                answers = None
                if teacher is not None:
                    with torch.no_grad():
                        answers = outputs(teacher, image, text, mask, with_map)
                output = outputs(model, image, text, mask, with_map)
                objective(output, labels, answers, position).total.backward()
                optimizer.step()
            best = max(best, self.dev_score(model))
            seconds.append(time.perf_counter() - started)
        return model, seconds, best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--epochs", type=int, help="a trial of so many epochs a stage; its time is scaled up")
    given = parser.parse_args()
    config = load_config(given.config, {"data.root": given.data_root, "seed": given.seed, **CLASSIC_EPOCHS})
    table = read_table(config.data)
    plain = PlainRun(config, table)
    count = {role: getattr(config, role).epochs for role in ("teacher", "student")}
    run = {role: given.epochs or epochs for role, epochs in count.items()}
    weights = class_weights(config, table)
    labels_only = Objective(DistillationConfig(), config.training, class_weights=weights)
    teacher, teacher_seconds, _ = plain.train("teacher", run["teacher"], config.teacher.lr, labels_only, None)
    shapes = LossShapes(
        config.student.fusion_dim,
        config.teacher.fusion_dim,
        tuple(len(task.classes) for task in table.tasks),
        len(table.rows("train")),
    )
    loss = LOSSES[config.distillation.loss](config.distillation, shapes)
    objective = Objective(config.distillation, config.training, loss, weights)
    _, student_seconds, best = plain.train(
        "student", run["student"], config.student.lr, objective, teacher.eval()
    )
    seconds = {"teacher": teacher_seconds, "student": student_seconds}
    whole = sum(np.mean(seconds[role]) * count[role] for role in count)
    print(json.dumps({"seconds": whole, "epochs_run": run, "epochs": count, "dev_score": best}))


if __name__ == "__main__":
    main()
