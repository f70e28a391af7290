"""The student as a file: trained weights in a run folder, and the model rebuilt from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from distune.components import FUSIONS
from distune.config import Config
from distune.data.table import Table, Task
from distune.errors import UserError
from distune.models.classifier import Classifier, build_classifier
from distune.models.encoders.fingerprint import identity
from distune.models.parameters import load_trained_state, trained_state
from distune.training.files.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from distune.training.files.run_folder import WEIGHTS, check_unchanged, read_results, run_config
from distune.training.keys import model_seed
from distune.utils.text import one_line


def build_student(config: Config, tasks: tuple[Task, ...], *, keep_encoders: bool = False) -> Classifier:
    """The untrained student of a config, on the CPU; the same for the same seed. See `build_classifier`."""
    return build_classifier(
        config.student,
        tasks,
        seed=student_seed(config),
        image_size=config.data.image_size,
        keep_encoders=keep_encoders,
        can_miss=config.data.missing == "allow",
    )


def student_seed(config: Config) -> int:
    """Seed of the student's random weights."""
    return model_seed(config, "student")


def encoder_identities(config: Config) -> dict[str, str]:
    """What the student's encoders are built from, vision and text: names, a hash of their files, what is kept.

    With the hash of its source as `fusion_source`, where a plugin brought the fusion.
    """
    seed, fuses = student_seed(config), len(config.student.modalities) > 1
    source = FUSIONS.source(config.student.fusion) if fuses else {}
    return {kind: identity(each, kind, seed) for kind, each in config.student.encoders.items()} | source


def _check_encoders(config: Config, folder: Path) -> None:
    """Frozen layers, the vocabulary and a plugin's fusion are read from files, so these must be those of training.

    Raises:
        UserError: names the encoder or the fusion whose files are others now.
    """
    recorded = (read_results(folder) or {}).get("encoders")
    if not recorded:  # an older run; hashing the files again would compare them with nothing
        return
    for kind, now in encoder_identities(config).items():
        if recorded.get(kind, now) != now:
            part = kind.removesuffix("_source")
            chosen = getattr(config.student, part)
            raise UserError(
                f"student.{part}: the files of {getattr(chosen, 'name', chosen)} are not those that {folder} was "
                "trained with; restore them, or train the run again"
            )


def save_student(folder: Path, student: Classifier, table: Table) -> None:
    """Writes the trained weights; frozen layers are rebuilt from their encoder's own weights."""
    tasks = [{"name": task.name, "classes": list(task.classes), **task.settings} for task in table.tasks]
    save_checkpoint(folder / WEIGHTS, Checkpoint({"model": trained_state(student)}, {"tasks": tasks}))


def load_student(folder: Path) -> tuple[Classifier, Config, tuple[Task, ...]]:
    """Rebuilds the student of a run folder, in eval mode on the CPU.

    Returns:
        The model, the run's config, and the tasks in the order of the heads.

    Raises:
        UserError: the folder has no student, or a damaged one.
        OSError: its file cannot be read.
    """
    try:
        saved = load_checkpoint(folder / WEIGHTS)
        if saved is None:
            raise UserError(
                f"{folder} has no {WEIGHTS}: the run did not finish, or its weights were cleaned up"
            )
        tasks = tuple(_task(held) for held in saved.values["tasks"])
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / WEIGHTS} is damaged ({error}); train the run again") from None
    config = run_config(folder)
    check_unchanged(folder / WEIGHTS)
    _check_encoders(config, folder)
    student = build_student(config, tasks)
    try:
        load_trained_state(student, saved.tensors.get("model", {}))
    except RuntimeError as error:
        said = one_line(error)
        raise UserError(
            f"{folder / WEIGHTS} is not of the model that config.yaml describes ({said}); train the run again"
        ) from None
    return student.eval(), config, tasks


def _task(held: Mapping[str, Any]) -> Task:
    """The task that `save_student` wrote; `TypeError` where it is another thing."""
    task = Task(**{**held, "classes": tuple(held["classes"])})
    if not all(isinstance(name, str) for name in (task.name, *task.classes)):
        raise TypeError("a task or a class whose name is no text")
    return task


def count_parameters(model: Classifier) -> dict[str, int]:
    """Number of parameters, all and trained."""
    return {
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "trained": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
    }
