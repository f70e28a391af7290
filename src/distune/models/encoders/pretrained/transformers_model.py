"""Building models of the transformers package: from a folder, or from hyperparameters with random weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.errors import UserError
from distune.models.encoders.pretrained.weight_headers import placeholders
from distune.utils.files.json_files import read_json
from distune.utils.text import counted

MOST_LAYERS = 1000
"""Of an encoder; the deepest published ones have some hundred."""


@dataclass(frozen=True)
class Origin:
    """What an encoder of transformers is built from.

    Attributes:
        settings: transformers configuration.
        folder: where the weights are; None leaves random ones.
        headers_only: zeros of the shapes in the weight files stand for the weights.
    """

    settings: Any
    folder: Path | None
    headers_only: bool = False


def architecture(family: str, values: Mapping[str, Any]) -> Any:
    """A configuration of a family from its hyperparameters."""
    from transformers import AutoConfig

    return AutoConfig.for_model(family, **values)


def read_architecture(folder: Path, family: str | None = None) -> Any:
    """The configuration in a model folder.

    Args:
        folder: holds `config.json`.
        family: transformers model type, for a file that does not say it, as older ones do not.

    Raises:
        UserError: this version of transformers does not know the model, or it needs code from the hub.
    """
    from transformers import AutoConfig

    try:
        values = read_json(folder / "config.json")
        _refuse_unbounded(values)
        if "model_type" not in values and family is not None:
            return architecture(family, values)
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a configuration class makes of values that it does not expect
        raise UserError(
            f"{folder}: not a model that transformers can build without foreign code ({first_line(error)})"
        ) from error


def _refuse_unbounded(values: Any) -> None:
    """A configuration is built layer by layer before its weights are compared with it."""
    for name, value in values.items():
        if isinstance(value, dict):
            _refuse_unbounded(value)
        elif re.search("layers|depth|blocks|stages|experts", name):
            counts = value if isinstance(value, list) else [value]
            if any(isinstance(count, int | float) and count > MOST_LAYERS for count in counts):
                raise ValueError(f"{name} is {value}, more than {MOST_LAYERS}")


def first_line(error: BaseException) -> str:
    """What a library says, without its pages of advice."""
    said = str(error).strip().partition("\n")[0]
    return said if len(said) <= 300 else said[:297] + "..."


def load(model_class: Any, origin: Origin, **options: Any) -> Any:
    """A model in float32 with attention through SDPA.

    Args:
        model_class: a transformers model class.
        origin: its configuration and weights.
        options: arguments of the class.

    Raises:
        UserError: the folder has no weights for a part of the model, which would silently stay random.
    """
    settings, folder = origin.settings, origin.folder
    if folder is None:
        return model_class(settings, **options)
    shapes = placeholders(folder)
    if origin.headers_only:
        source: Any = None  # the library takes either a folder or tensors
        if hasattr(model_class, "_model_mapping"):  # `AutoModel`, which chooses by folder alone
            model_class = model_class._model_mapping[type(settings)]
        options = {**options, "state_dict": shapes}
    else:
        source = str(folder)
    with quiet():
        model, report = model_class.from_pretrained(
            source,
            config=settings,
            local_files_only=True,
            dtype="float32",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **options,
        )
    if wrong := sorted(report["mismatched_keys"]):
        name, there, wanted = wrong[0]
        raise UserError(
            f"{folder}: {counted(len(wrong), 'weight is', 'weights are')} of another shape than the "
            f"configuration says, {name} among them "
            f"({tuple(there)} in the file, {tuple(wanted)} wanted); the two do not belong together"
        )
    # A pooler is no part of the tokens; checkpoints trained on masked words lack it.
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        raise UserError(
            f"{folder}: not in the file: {counted(len(missing), 'weight')} of the {settings.model_type}, "
            f"{missing[0]} among "
            "them; take a complete model, or set pretrained: false"
        )
    if not origin.headers_only:
        _refuse_not_finite(model, folder)
    return model


def _refuse_not_finite(model: Any, folder: Path) -> None:
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise UserError(
                f"{folder}: the weights of {name} hold NaN or infinite values; fetch them again, or take another model"
            )


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers from reporting what is left out on purpose: published heads, a faster image library."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
