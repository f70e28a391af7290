"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from distune.config import Config, load_config
from distune.errors import UserError
from distune.utils.files.default_folders import STUDIES
from distune.utils.seeds import LARGEST_SEED

DataRoot = Annotated[Path | None, typer.Option(help="Folder of the data set, instead of the config's.")]
TeacherEpochs = Annotated[
    int | None, typer.Option(min=1, help="Epochs of the teacher, instead of the config's.")
]
StudentEpochs = Annotated[
    int | None, typer.Option(min=1, help="Epochs of the student, instead of the config's.")
]
Study = Annotated[str, typer.Argument(help=f"Name under {STUDIES}, a study's folder, or its .db file.")]
Storage = Annotated[
    str | None, typer.Option(help="Database of the study (SQLAlchemy URL); default: its SQLite file.")
]
Gpu = Annotated[str | None, typer.Option(help="One device: cuda:0, cpu, ...")]
Gpus = Annotated[str | None, typer.Option(help="Several devices, separated by commas; a worker each.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Trainings at once; default: one for each device. They share the machine's cores as if they were alone "
        "on it: beside another study, set training.threads to each one's share.",
    ),
]
Executor = Annotated[
    str, typer.Option(help="Where workers live: local processes, or ray (pip install 'distune\\[ray]').")
]
RayAddress = Annotated[
    str | None,
    typer.Option(help="Ray cluster, HOST:PORT; local starts a private one; default: this machine's."),
]
GpusPerTrial = Annotated[
    float, typer.Option(min=0, max=1, help="GPUs that Ray sets aside for a training; below 1 shares one.")
]
Seed = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_SEED, help="Seed of everything, instead of the config's.")
]
SplitSeed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Same seed, same split.")]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of the CSV, such as cp1250; default: found out. Written is UTF-8."),
]


Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace what is there; without it only an earlier version of the same is."
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any value of the config, by its dotted key: --set student.lr=1e-3. May be given several times.",
    ),
]


def chosen_config(path: Path, assignments: Sequence[str] | None, values: Mapping[str, Any]) -> Config:
    """The config that a command works with.

    Args:
        path: the YAML file.
        assignments: what `--set` was given: `KEY=VALUE`, the value read as YAML.
        values: of the command's own options, by dotted key.

    Raises:
        UserError: an assignment is none, or what it sets is set twice, or the config breaks rules.
    """
    return load_config(path, {**assigned(assignments, values), **values})


def refuse_settings(assignments: Sequence[str] | None, why: str, is_read: Callable[[str], bool]) -> None:
    """Refuses what `--set` was given of sections that a command does not read.

    Args:
        assignments: each `KEY=VALUE`.
        why: what they have no effect for.
        is_read: tells it of a section, or of a key that is in none.

    Raises:
        UserError: one is given.
    """
    refuse(why, {f"--set {key}": key for key in assigned(assignments) if not is_read(key.partition(".")[0])})


def assigned(assignments: Sequence[str] | None, options: Iterable[str] = ()) -> dict[str, Any]:
    """What `--set` was given, by dotted key.

    Args:
        assignments: each `KEY=VALUE`, the value read as YAML.
        options: keys that the command's own options were given for.

    Raises:
        UserError: an assignment is none, or what it sets is set twice.
    """
    pairs = [_assigned(assignment) for assignment in dict.fromkeys(assignments or ())]
    known = {key: f"the option for {key}" for key in options}
    for key, _ in pairs:
        for one, how in known.items():
            if f"{one}.".startswith(f"{key}.") or f"{key}.".startswith(f"{one}."):
                raise UserError(f"--set: {key} is given twice, the other time by {how}; give it once")
        known[key] = f"--set {key}"
    return dict(pairs)


def _assigned(assignment: str) -> tuple[str, Any]:
    from distune.utils.files.yaml_files import YamlFileError, parse_yaml

    key, separator, text = assignment.partition("=")
    if not separator or not key.strip():
        raise UserError(f"--set: {assignment!r} is no assignment; write KEY=VALUE, such as student.lr=1e-3")
    try:
        return key.strip(), parse_yaml(text)
    except YamlFileError as error:
        raise UserError(f"--set {key.strip()}: {error}") from None


def listed(option: str, text: str | None) -> tuple[str, ...]:
    """The parts of an option that takes several, separated by commas; none where it is not given.

    Raises:
        UserError: it is given and names nothing in one of its places.
    """
    if text is None:
        return ()
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise UserError(
            f"{option}: {text!r} names nothing in one of its places; put one comma between two names, or leave the "
            "option out"
        )
    return parts


def refuse(why: str, options: Mapping[str, Any]) -> None:
    """Refuses options that would have no effect, of those that are given.

    Args:
        why: when they have one: `only with --csv`.
        options: what each was given.

    Raises:
        UserError: one is given.
    """
    # By identity: 0 equals False, and is a value.
    if given := [name for name, value in options.items() if value is not None and value is not False]:
        raise UserError(f"{' and '.join(given)}: {why}; leave {'it' if len(given) == 1 else 'them'} out")


def devices_of(gpu: str | None, gpus: Sequence[str]) -> tuple[str, ...]:
    """The devices that `--gpus` or `--gpu` names; none leaves the config's.

    Raises:
        UserError: both are given.
    """
    if gpus:
        refuse(f"--gpus {','.join(gpus)} names the devices", {"--gpu": gpu})
    return tuple(gpus) or listed("--gpu", gpu)


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
