"""Studies of any origin as a `StudyRecord`: an Optuna study, or a table of trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.analysis.parameters.space import Parameter
from distune.analysis.records import attributes
from distune.analysis.records.from_csv import from_csv
from distune.analysis.records.study_record import (
    STATES,
    Session,
    SpaceSource,
    StudyRecord,
    TrialRecord,
)
from distune.errors import UserError
from distune.tuning.study.attributes import SURPLUS, is_foreign
from distune.utils.files.default_folders import STUDIES
from distune.utils.text import counted

if TYPE_CHECKING:
    import optuna

__all__ = ["Session", "StudyRecord", "TrialRecord", "from_csv", "from_optuna"]

Reader = Callable[[Any], Any]
OF_STUDY: Mapping[str, Reader] = {
    **dict.fromkeys(("base_config", "pruner_settings", "teacher_study", "teachers"), attributes.mapping),
    **dict.fromkeys(("metric", "sampler", "pruner", "strategy"), attributes.text),
    **dict.fromkeys(("data_fingerprint", "distune_version"), attributes.text),
    **dict.fromkeys(("seed", "folds", "teacher_epochs", "student_epochs"), attributes.whole),
}
"""Attributes of a study that the record holds under the same name, each with what reads it."""
OF_TRIAL: Mapping[str, Reader] = {
    **dict.fromkeys(("device", "worker", "failure_kind", "failure_message"), attributes.text),
    "stage_seconds": attributes.numbers,
    "teacher_score": attributes.number,
    "regression_score": attributes.number,
    "copied_from": attributes.first_text,
}
"""The same of a trial."""
STUDY_ATTRIBUTES = {
    "base_config": "the base config",
    "search_space": "the search space",
    "seed": "the seed",
    "metric": "what the score is",
    "sampler": "the sampler",
    "pruner": "the pruner",
    "teacher_epochs": "the teacher's epochs",
    "student_epochs": "the student's epochs",
    "data_fingerprint": "the fingerprint of the data",
    "distune_version": "the version that ran it",
    "sessions": "when the tuning command ran",
}
TRIAL_ATTRIBUTES = {
    "seconds": "measured seconds",
    "stage_seconds": "seconds by stage",
    "peak_memory_mb": "peak memory",
    "device": "the device",
    "folder": "the run folder",
}


def from_optuna(study: optuna.Study, folder: Path | None = None, source: str | None = None) -> StudyRecord:
    """Reads an Optuna study, its own user attributes and those of its trials.

    Args:
        study: a study with one objective.
        folder: the study's folder, where it has one; relative run folders are looked for from there too.
        source: the file or storage that the study was read from, to be named in the report.

    Raises:
        UserError: the study has several objectives, or is one of `tune` with an attribute that `tune` does not write.
    """
    from distune.tuning.study.open_study import check_attributes

    if len(study.directions) != 1:
        raise UserError(
            f"study {study.study_name} has {len(study.directions)} objectives: a report takes one; "
            "export one of them as a table of trials and use --from-csv"
        )
    frozen = study.get_trials(deepcopy=False)
    attrs = study.user_attrs
    check_attributes(study)
    own = [trial for trial in frozen if not (attrs.get("ready") is True and is_foreign(trial))]
    kept = [trial for trial in own if trial.user_attrs.get("failure_kind") != SURPLUS]
    space, space_source = _space(attrs, kept)
    return StudyRecord(
        name=study.study_name,
        direction="maximize" if study.direction.name == "MAXIMIZE" else "minimize",
        trials=tuple(_trial(trial, folder) for trial in kept),
        space=space,
        space_source=space_source,
        config_path=Path(written) if (written := attributes.text(attrs.get("config_path"))) else None,
        prune_teacher=attrs.get("prune_teacher") is True,
        source=source,
        folder=folder,
        sessions=_sessions(attrs),
        surplus=len(own) - len(kept),
        says_what_ran="base_config" in attrs,
        missing=(*_left_out(len(frozen) - len(own)), *_missing(attrs, kept)),
        **{name: read(attrs.get(name)) for name, read in OF_STUDY.items()},
    )


def _sessions(attrs: Mapping[str, Any]) -> tuple[Session, ...] | None:
    """When the tuning command ran, by its signs of life: a command that was killed, or still runs, recorded no end."""
    from distune.tuning.coordinator.leases import leases, sessions

    return attributes.sessions(sessions(leases(attrs)) or attrs.get("sessions"))


def _trial(trial: optuna.trial.FrozenTrial, folder: Path | None) -> TrialRecord:
    attrs = trial.user_attrs
    state = STATES[trial.state.name]
    value = attributes.number(trial.value) if state == "complete" else None
    finished = trial.datetime_complete
    seconds = attributes.number(attrs.get("seconds"))
    if seconds is None:
        seconds = attributes.seconds_between(trial.datetime_start, finished)
    return TrialRecord(
        number=trial.number,
        state=state,
        value=value,
        params={
            name: attributes.plain(held)
            for name, held in {
                **(attributes.mapping(attrs.get("fixed_params")) or {}),
                **trial.params,
            }.items()
        },
        intermediate={
            step: score for step, score in sorted(trial.intermediate_values.items()) if math.isfinite(score)
        },
        started=trial.datetime_start,
        finished=finished,
        seconds=seconds,
        memory_mb=attributes.number(attrs.get("peak_memory_mb")),
        device_memory_mb=attributes.number(attrs.get("peak_device_mb")),
        folder=run_folder_of(trial, folder),
        baseline=attrs.get("baseline") is True,
        cache=attributes.numbers(_of_store(attrs)),
        fold_scores=_fold_scores(attrs.get("fold_scores")),
        **{name: read(attrs.get(name)) for name, read in OF_TRIAL.items()},
    )


def _of_store(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What the store reports of a trial: the attributes `cache_hits`, `cache_misses`, `cache_seconds_saved`."""
    return {name.removeprefix("cache_"): value for name, value in attrs.items() if name.startswith("cache_")}


def _fold_scores(recorded: Any) -> tuple[float, ...] | None:
    found = [attributes.number(score) for score in recorded] if isinstance(recorded, list) else []
    return tuple(score for score in found if score is not None) or None


def run_folder_of(trial: optuna.trial.FrozenTrial, study_folder: Path | None) -> Path | None:
    """The run folder of a trial, as far as it is known.

    Args:
        trial: of a study, perhaps copied there by a fork.
        study_folder: the study's folder, where it has one.
    """
    attrs = trial.user_attrs
    return _run_folder(attrs.get("folder"), study_folder, is_copy="copied_from" in attrs)


def _run_folder(recorded: Any, study_folder: Path | None, *, is_copy: bool = False) -> Path | None:
    """The recorded folder, or the one of that name in a study folder that was moved since.

    The record may be anybody's: what leaves the folder of studies, as no run of ours does, is no run folder.
    """
    if not isinstance(recorded, str) or not recorded:
        return None
    path = Path(recorded)
    if not (_is_possible(path) and _is_possible(Path(path.name))):
        return None
    if study_folder is not None and is_copy:  # the fork's own trials have other numbers
        beside = study_folder.parent.joinpath(*path.parts[-3:])
        path = beside if beside.is_dir() else path
    elif study_folder is not None:
        for candidate in (study_folder / path.name, study_folder / "trials" / path.name):
            if candidate.is_dir():
                return candidate
    studies = study_folder.parent if study_folder is not None else STUDIES
    return path if path.resolve().is_relative_to(studies.resolve()) else None


def _is_possible(path: Path) -> bool:
    """Whether a file system can hold a path: no NUL, no half of a character, not too long."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return True


def _space(
    attrs: Mapping[str, Any], trials: list[optuna.trial.FrozenTrial]
) -> tuple[dict[str, Parameter], SpaceSource]:
    recorded = attributes.space(attrs.get("search_space"))
    if recorded:
        return recorded, "study"
    found: dict[str, Parameter] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            found.setdefault(name, _from_distribution(name, distribution))
    return found, "distributions"


def _from_distribution(name: str, distribution: Any) -> Parameter:
    if hasattr(distribution, "choices"):
        return Parameter(name, "categorical", choices=tuple(map(attributes.plain, distribution.choices)))
    whole = type(distribution).__name__.startswith("Int")
    step = distribution.step if not whole or distribution.step != 1 else None
    return Parameter(
        name,
        "int" if whole else "float",
        low=distribution.low,
        high=distribution.high,
        log=distribution.log,
        step=step,
    )


def _left_out(foreign: int) -> tuple[str, ...]:
    said = f"Left out: {counted(foreign, 'trial')} that another program added; nothing says what they ran."
    return (said,) if foreign else ()


def _missing(attrs: Mapping[str, Any], trials: list[optuna.trial.FrozenTrial]) -> tuple[str, ...]:
    said = [
        f"The study does not record {what} (attribute {name})."
        for name, what in STUDY_ATTRIBUTES.items()
        if attrs.get(name) is None
    ]
    ended = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")]
    for name, what in TRIAL_ATTRIBUTES.items():
        without = sum(trial.user_attrs.get(name) is None for trial in ended)
        if without:
            said.append(
                f"{without} of {counted(len(ended), 'complete and pruned trial')} without {what} (attribute {name})."
            )
    return tuple(said)
