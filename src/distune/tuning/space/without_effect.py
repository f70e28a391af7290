"""Which values of a config leave which others without effect: what every command that names such values asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distune.components import FUSIONS, LOSSES
from distune.config import Config, EncoderConfig, ModelConfig, value_at
from distune.config.model import NO_ENCODER
from distune.config.revisions import PLACES
from distune.data import Table
from distune.models.encoders.catalogue import CATALOGUE

LOSS = "distillation.loss"
_READ_FROM = {
    "vision": ("image_size", "augment", "views", "window", "percentiles"),
    "text": ("max_tokens",),
}
"""Fields of `data` that matter only to a model with an encoder of this kind."""


@dataclass(frozen=True)
class Ignored:
    """A part of the config without effect.

    Attributes:
        field: a dotted key, or a section, which stands for all of it.
        when: values by dotted key: ignored where each of these keys has one of its values.
        why: what is said where no key is to blame.
    """

    field: str
    when: Mapping[str, frozenset[Any]]
    why: str = ""

    def names(self, key: str) -> bool:
        """Whether a config key, or a section, is this field or lies in it."""
        return f"{key}.".startswith(f"{self.field}.")

    def holds(self, value: Callable[[str], Any]) -> bool:
        """Whether it is ignored where `value` gives the value of a key."""
        return all(value(key) in values for key, values in self.when.items())

    def because(self, base: Config) -> str:
        """The values of a config for which it has no effect."""
        return self.why or "with " + " and ".join(f"{key} {value_at(base, key)!r}" for key in self.when)


def fields_without_effect(base: Config) -> tuple[Ignored, ...]:
    """What fusions, losses, encoders and augmentation ignore; imports torch.

    Fusions and losses declare it themselves. A model without an encoder has no fusion and nothing of that encoder.
    Where the loss asks no teacher, none is trained, unless the student starts from the teacher's layers.
    """
    return (*_losses(), *_fusions(), *_encoders(), *_inputs(), *_rates(base))


def ignored_in(table: Table) -> tuple[Ignored, ...]:
    """What a data set leaves without effect."""
    found = []
    if not len(table.rows("unlabelled")):
        found.append(Ignored("distillation.unlabelled", {}, "as no row is unlabelled"))
    if len(table.tasks) == 1 and table.tasks[0].weight != 1:
        found.append(Ignored(f"data.tasks.{table.tasks[0].name}.weight", {}, "as there is one task"))
    return tuple(found)


def _losses() -> Iterator[Ignored]:
    yield Ignored("teacher", _no_teacher())
    yield Ignored("distillation.unlabelled", {LOSS: _asking_no_teacher()})
    yield Ignored("distillation.gamma", {LOSS: frozenset(LOSSES) - {"combined"}})
    for field in ("beta", "T"):
        names = frozenset(name for name, kind in LOSSES.items() if field in kind.ignores)
        yield Ignored(f"distillation.{field}", {LOSS: names})


def _asking_no_teacher() -> frozenset[str]:
    return frozenset(name for name, kind in LOSSES.items() if not kind.uses_teacher)


def _no_teacher() -> dict[str, frozenset[Any]]:
    """Where no run trains a teacher."""
    return {LOSS: _asking_no_teacher(), "student.init_from_teacher": frozenset({False})}


def _fusions() -> Iterator[Ignored]:
    fields = sorted({field for kind in FUSIONS.values() for field in kind.ignores})
    for role in ("teacher", "student"):
        for field in fields:
            names = frozenset(name for name, kind in FUSIONS.items() if field in kind.ignores)
            yield Ignored(f"{role}.{field}", {f"{role}.fusion": names})


def _encoders() -> Iterator[Ignored]:
    none = frozenset({NO_ENCODER})
    of_both = [name for name in ModelConfig.model_fields if name.startswith("fusion")]
    for role, kind in PLACES:
        place = f"{role}.{kind}"
        for name in (*of_both, "modality_dropout"):  # a model of one has none to drop
            yield Ignored(f"{role}.{name}", {f"{place}.name": none})
        for name in EncoderConfig.model_fields:
            if name != "name":
                yield Ignored(f"{place}.{name}", {f"{place}.name": none})
        random = frozenset(name for name, entry in CATALOGUE.items() if entry.source == "built-in")
        yield Ignored(f"{place}.pretrained", {f"{place}.name": random})
        yield Ignored(
            f"{place}.revision", {f"{place}.name": frozenset(CATALOGUE), f"{place}.pretrained": frozenset({False})}
        )  # fmt: skip


def _inputs() -> Iterator[Ignored]:
    yield Ignored("data.views", {"data.augment": frozenset({"none"})})
    none = frozenset({NO_ENCODER})
    for kind, fields in _READ_FROM.items():
        for others in ({f"teacher.{kind}.name": none}, _no_teacher()):
            for field in fields:
                yield Ignored(f"data.{field}", {f"student.{kind}.name": none, **others})


def _rates(base: Config) -> Iterator[Ignored]:
    """Learning rates of layers, which differ in an encoder that is trained alone."""
    frozen: dict[str, dict[str, frozenset[Any]]] = {"teacher": {}, "student": {}}
    for role, kind in PLACES:
        is_absent = getattr(getattr(base, role), kind).is_absent
        field, value = ("name", NO_ENCODER) if is_absent else ("freeze", "all")
        frozen[role][f"{role}.{kind}.{field}"] = frozenset({value})
    for others in (frozen["teacher"], _no_teacher()):
        yield Ignored("training.layerwise_lr_decay", {**frozen["student"], **others})
