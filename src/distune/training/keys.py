"""What the results of training depend on, as keys of the store, of checkpoints and of run folders.

A key holds the config, the data, the kind of device, and the versions of the code and the libraries behind each step.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any

import cv2

from distune.components import FUSIONS
from distune.config import Config, ModelConfig, as_dict
from distune.config.section import ConfigSection
from distune.distillation import LOSSES
from distune.models.encoders.fingerprint import identity
from distune.training.devices import Compute
from distune.utils.seeds import derived_seed

CODE = {
    "images": 1,
    "tokens": 1,
    "frozen_vision": 1,
    "frozen_text": 1,
    "image_means": 1,
    "text_means": 1,
    "teacher": 1,
    "student": 1,
    "targets": 2,
    "regression": 1,
}
"""Raised when the code of a step changes its result; older entries, and runs that it began, are then left alone."""
INPUTS = ("images", "tokens", "frozen_vision", "frozen_text", "image_means", "text_means")
"""The steps that a model's inputs come from."""

_NETWORKS = ("torch", "transformers")
_LIBRARIES: dict[str, tuple[str, ...]] = {
    "images": ("opencv",),
    "tokens": ("tokenizers", "transformers"),
    "frozen_vision": _NETWORKS,
    "frozen_text": _NETWORKS,
    "image_means": _NETWORKS,
    "text_means": _NETWORKS,
    "teacher": _NETWORKS,
    "student": _NETWORKS,
    "targets": _NETWORKS,
    "regression": (*_NETWORKS, "scikit-learn"),
}

ELSEWHERE = ("device", "threads", "precision")
"""Settings of training that say where it runs; the kind of device and bf16 stand for them.

`accumulation` is none of them: parts of a batch draw other dropout and round differently. A trial that is tried again
with smaller parts therefore starts over, and the config that it leaves gives its score."""


def uses_teacher(config: Config) -> bool:
    """Whether a run of this config trains a teacher."""
    return LOSSES[config.distillation.loss].uses_teacher or config.student.init_from_teacher


def model_seed(config: Config, stage: str) -> int:
    """Seed of the random weights of the teacher or the student."""
    return derived_seed(config.seed, stage)


def teacher_key(config: Config, fingerprint: str, compute: Compute) -> dict[str, Any]:
    """Everything that a trained teacher depends on.

    Args:
        config: the whole experiment.
        fingerprint: of the table.
        compute: device and precision.
    """
    return {
        "version": version_of("teacher"),
        **_circumstances(config, fingerprint, compute),
        **_model(config, config.teacher, "teacher"),
    }


def regression_key(config: Config, fingerprint: str, compute: Compute) -> dict[str, Any]:
    """Everything that logistic regression on the teacher's frozen features depends on: its encoders and the data."""
    encoders = _model(config, config.teacher, "teacher")["weights"]
    circumstances = _circumstances(config, fingerprint, compute)
    inputs = ("data", "image_size", "max_tokens", "inputs", "device", "bf16", "bf16_from")
    return {
        "version": version_of("regression"),
        "encoders": encoders,
        "cuts": [[each.layers, each.embedding_rank] for each in (config.teacher.vision, config.teacher.text)],
        **{name: circumstances[name] for name in inputs},
    }


def student_key(config: Config, fingerprint: str, compute: Compute) -> dict[str, Any]:
    """Everything that a trained student depends on, its teacher included; the arguments are those of `teacher_key`."""
    return {
        "version": version_of("student"),
        **_circumstances(config, fingerprint, compute),
        **_model(config, config.student, "student"),
        "distillation": _without_defaults(config.distillation, "unlabelled"),
        **LOSSES.source(config.distillation.loss),
        "learns_from": teacher_key(config, fingerprint, compute) if uses_teacher(config) else None,
        "targets": version_of("targets") if LOSSES[config.distillation.loss].uses_teacher else None,
    }


def versions_behind(config: Config) -> dict[str, dict[str, int | str]]:
    """The versions of every step that a student of this config depends on, wherever it is trained."""
    steps = [*INPUTS, "student"]
    if uses_teacher(config):
        steps.append("teacher")
    if LOSSES[config.distillation.loss].uses_teacher:
        steps.append("targets")
    return {step: version_of(step) for step in steps}


def _circumstances(config: Config, fingerprint: str, compute: Compute) -> dict[str, Any]:
    data, training = config.data, _without_defaults(config.training, "deterministic")
    return {
        "data": fingerprint,
        "image_size": data.image_size,
        "max_tokens": data.max_tokens,
        "views": data.views if data.augment != "none" else 0,
        "augment": data.augment,
        "inputs": {step: version_of(step) for step in INPUTS},
        "training": {name: value for name, value in training.items() if name not in ELSEWHERE},
        "seed": config.seed,
        "device": compute.device.type,
        "bf16": compute.bf16,
        "bf16_from": compute.bf16_from,  # with the model's own section this decides its precision
    }


def _without_defaults(section: ConfigSection, *names: str) -> dict[str, Any]:
    """A section without fields that older versions did not have: at their defaults the key is theirs."""
    fields = type(section).model_fields
    values = as_dict(section)
    return {
        name: value
        for name, value in values.items()
        if name not in names or getattr(section, name) != fields[name].default
    }


def _model(config: Config, section: ModelConfig, stage: str) -> dict[str, Any]:
    seed = model_seed(config, stage)
    weights = [identity(encoder, kind, seed) for kind, encoder in section.encoders.items()]
    values = _without_defaults(section, "modality_dropout")
    for kind in ("vision", "text"):
        del values[kind]["revision"]  # the commit is in the encoder's identity, wherever it is named
    missing = {"missing": config.data.missing} if config.data.missing != "stop" else {}
    return {stage: values, "weights": weights, **missing, **FUSIONS.source(section.fusion)}


def version_of(step: str) -> dict[str, int | str]:
    """The versions that belong to a step's key, by what they are of."""
    return {"code": CODE[step], **{library: installed(library) for library in _LIBRARIES[step]}}


@cache
def installed(library: str) -> str:
    """Version of an installed library; its metadata is read once, and a key asks for it many times."""
    # OpenCV is installed under several names: with and without windows, with and without extra modules.
    return cv2.__version__ if library == "opencv" else metadata.version(library)
