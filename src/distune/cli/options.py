"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DataRoot = Annotated[Path | None, typer.Option(help="Folder of the data set, instead of the config's.")]
TeacherEpochs = Annotated[
    int | None, typer.Option(min=1, help="Epochs of the teacher, instead of the config's.")
]
StudentEpochs = Annotated[
    int | None, typer.Option(min=1, help="Epochs of the student, instead of the config's.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of everything, instead of the config's.")]


def overrides(
    *,
    data_root: Path | None = None,
    teacher_epochs: int | None = None,
    student_epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """The given options as values by config key."""
    values = {
        "data.root": str(data_root) if data_root else None,
        "teacher.epochs": teacher_epochs,
        "student.epochs": student_epochs,
        "seed": seed,
        "training.device": device,
    }
    return {key: value for key, value in values.items() if value is not None}
