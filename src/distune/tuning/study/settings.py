"""What a study is about, and whether an existing study is still about the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distune import __version__
from distune.components import FUSIONS, LOSSES, READERS
from distune.config import Config, TaskConfig, as_dict, parse_config
from distune.config.changes import ABSENT, changes, flat
from distune.config.revisions import encoders_of, model_key
from distune.tuning.search.pruners import WARMUP_EPOCHS, pruner_settings
from distune.tuning.space.space import TEACHER, Space

METRIC = "mean over tasks of the dev macro F1"
NEUTRAL_KEYS = (
    "search_space",
    "study",
    "data.root",
    "data.tables",
    "data.subgroup_columns",
    "training.device",
    "training.threads",
    "cache.max_gb",
)
"""Config keys that may differ between the parts of one study: they say where it runs, not what it is about.

The data set itself is compared by its fingerprint, the search space by its parameters."""
COMMITS = "encoder_commits"
"""User attribute: the commits of the hub models that the study uses, by the names that its configs give them."""

PLUGINS = "plugin_sources"
"""User attribute: the hashes of the plugins' sources behind the components that the study uses, by kind and name."""
ENCODERS = "encoder_files"
"""User attribute: hashes of the local encoder folders that the study uses, by the names that its configs give them."""
_COMPONENTS = (
    ("distillation.loss", LOSSES),
    ("teacher.fusion", FUSIONS),
    ("student.fusion", FUSIONS),
    ("data.reader", READERS),
)


@dataclass(frozen=True)
class StudySettings:
    """What a study is about; kept in the study's user attributes.

    Args:
        base: the base config, trial 0.
        space: the search space.
        dataset: fingerprint of the examples.
        sampler: one of `distune.tuning.search.samplers.SAMPLERS`.
        pruner: one of `distune.tuning.search.pruners.PRUNER_SETTINGS`.
        strategy: "joint"; "staged" for the study of students that follows one of teachers, whose own is "teacher".
        seed: of the sampler.
        config_path: the file that the base config came from, for reports.
        warmup: first reported epochs at which nothing is pruned.
        prune_teacher: whether a trial can end before its student trains.
        folds: a trial's score is the mean over so many folds of train and dev; None takes the dev split.
        commits: of the hub models, by the names that the configs give them.
    """

    base: Config
    space: Space
    dataset: str
    sampler: str = "tpe"
    pruner: str = "median"
    strategy: str = "joint"
    seed: int = 42
    config_path: str | None = None
    warmup: int = WARMUP_EPOCHS
    prune_teacher: bool = False
    folds: int | None = None
    commits: Mapping[str, str] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What a trial's score is."""
        name = METRIC
        if self.folds is not None:
            name = f"mean over {self.folds} folds of the mean over tasks of the macro F1"
        return name + own_scores(self.base.data.tasks)

    def as_attributes(self) -> dict[str, Any]:
        """The study's user attributes."""
        return {
            "base_config": as_dict(self.base),
            "config_path": self.config_path,
            "search_space": self.space.as_dict(),
            "data_fingerprint": self.dataset,
            "metric": self.metric,
            "folds": self.folds,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "pruner_settings": pruner_settings(self.pruner, self.warmup),
            "strategy": self.strategy,
            "prune_teacher": self.prune_teacher,
            "seed": self.seed,
            "teacher_epochs": self.base.teacher.epochs,
            "student_epochs": self.base.student.epochs,
            "distune_version": __version__,
            COMMITS: dict(self.commits),
            **({PLUGINS: sources} if (sources := plugin_sources(self.base, self.space)) else {}),
            **({ENCODERS: files} if (files := encoder_files(self.base, self.space)) else {}),
        }


def plugin_sources(base: Config, space: Space) -> dict[str, str]:
    """The hash of the source of every plugin's component that some trial of a study can use, by kind and name."""
    found = {}
    for key, components in _COMPONENTS:
        for name in space.values_at(key, base):
            for source in components.source(name).values():
                found[f"{components.kind} {name}"] = source
    return dict(sorted(found.items()))


def encoder_files(base: Config, space: Space) -> dict[str, str]:
    """The hash of every local folder that some trial of a study takes an encoder from, by its name in the config."""
    from distune.models.encoders.catalogue import CATALOGUE
    from distune.models.encoders.pretrained.weights import fingerprint

    places = (f"{role}.{kind}.name" for (role, kind), _ in encoders_of(base))
    names = {name for place in places for name in space.values_at(place, base)} - CATALOGUE.keys()
    return {name: fingerprint(Path(name)) for name in sorted(names) if (Path(name) / "config.json").is_file()}


def warmup_of_folds(folds: int) -> int:
    """First folds after which nothing is pruned: one, but none of two folds, whose first holds half of all cases."""
    return min(1, folds - 2)


def own_scores(tasks: Mapping[str, TaskConfig]) -> str:
    """What some tasks count with in place of the macro F1, and their weights; empty where there is no such task."""
    named = [
        f"{name}: {task.score.replace('_', ' ')}"
        + (f" with weight {task.weight:g}" if task.weight != 1 else "")
        for name, task in tasks.items()
        if task.score != "macro_f1" or task.weight != 1
    ]
    return f" ({', '.join(named)})" if named else ""


def differing(attributes: Mapping[str, Any], settings: StudySettings) -> list[str]:
    """What keeps a study from being resumed with other settings: one line a difference."""
    lines = []
    new = settings.as_attributes()
    score = "metric" if attributes.get("folds") == new["folds"] else "folds"
    for key in (score, "data_fingerprint", "strategy", "seed"):
        if attributes.get(key) != new[key]:
            lines.append(f"{key}: {attributes.get(key)} in the study, {new[key]} now")
    for key, old, now in changes(comparable(attributes["base_config"]), comparable(new["base_config"])):
        lines.append(f"base config {key}: {old} in the study, {now} now")
    lines += _other_revisions(attributes, settings)
    for kind, what in ((PLUGINS, "plugin {}: source"), (ENCODERS, "encoder {}: files")):
        lines += [  # a study from before they were kept is resumed with what they are now
            f"{what.format(name)} {str(old)[:12]} in the study, {str(now)[:12]} now"
            for name, old, now in changes(attributes.get(kind, {}), new.get(kind, {}))
            if ABSENT not in (old, now)
        ]
    for name, old, now in changes(_asked(attributes["search_space"]), _asked(new["search_space"])):
        if now is ABSENT and settings.space.never_read(old["key"], settings.base):
            continue  # an older version searched what has no effect
        lines.append(f"search space {name}: {_parameter(old)} in the study, {_parameter(now)} now")
    return lines


def comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config's values by dotted key, without those that do not matter to its results.

    A config that an older version wrote gets the defaults of fields that are new.
    """
    values = flat(as_dict(parse_config(config)))
    return {key: value for key, value in values.items() if not _is_neutral(key)}


def _other_revisions(attributes: Mapping[str, Any], settings: StudySettings) -> list[str]:
    """The encoders whose revision is another one now; a commit's own hash is as good as the name it was found by."""
    lines, commits = [], attributes.get(COMMITS, {})
    before = dict(encoders_of(parse_config(attributes["base_config"])))
    for (role, kind), encoder in encoders_of(settings.base):
        known = before.get((role, kind))
        if known is None:  # there was none: its name is another one now
            continue
        old, now = known.revision, encoder.revision
        if now not in (old, commits.get(model_key(known), old)):
            lines.append(f"base config {role}.{kind}.revision: {old} in the study, {now} now")
    return lines


def _is_neutral(key: str) -> bool:
    return key.endswith(".revision") or any(
        key == neutral or key.startswith(f"{neutral}.") for neutral in NEUTRAL_KEYS
    )


def _asked(space: Mapping[str, Any]) -> dict[str, Any]:
    """A search space without the choice of teachers, which a staged search finds on its way."""
    return {name: parameter for name, parameter in space.items() if parameter["key"] != TEACHER}


def _parameter(value: Any) -> str:
    if value is ABSENT:
        return str(value)
    return ", ".join(f"{key} {part}" for key, part in value.items() if key != "key")
