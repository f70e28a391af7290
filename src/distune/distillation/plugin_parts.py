"""What the loss and the fusions of a user's plugins make of a first batch: known before any model is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from distune.components import LOSSES
from distune.config import Config, ModelConfig
from distune.distillation.base import LossShapes
from distune.errors import UserError, has_run_out
from distune.models.fusion import FUSIONS, FusionOutput
from distune.models.outputs import ModelOutput
from distune.utils.text import one_line

MOST_EXAMPLES, TOKENS, CLASSES = 32, 3, (2, 3)


def plugin_problems(config: Config) -> list[str]:
    """One line for each component of a plugin that cannot answer; what Distune brings is not tried.

    Args:
        config: a valid config.
    """
    found = []
    with torch.random.fork_rng(devices=[]):
        for key, name, answer in _own(config):
            try:
                answer()
            except Exception as error:
                if has_run_out(error):
                    raise
                why = (
                    str(error)
                    if isinstance(error, UserError)
                    else f"{type(error).__name__}: {one_line(error)}"
                )
                found.append(f"{key}: {name}, made and tried on a batch: {why}")
    return found


def _own(config: Config) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Key, name and trial of each component that a plugin defines."""
    examples = min(config.training.batch_size, MOST_EXAMPLES)
    for role, model in (("teacher", config.teacher), ("student", config.student)):
        if len(model.modalities) == 2 and FUSIONS.source(model.fusion):
            yield f"{role}.fusion", model.fusion, partial(_fuse, model, examples)
    if LOSSES.source(config.distillation.loss):
        yield "distillation.loss", config.distillation.loss, partial(_distil, config, examples)


def _fuse(model: ModelConfig, examples: int) -> None:
    dim, tokens = model.fusion_dim, 1 if model.fusion_tokens == "pooled" else TOKENS
    fusion = FUSIONS[model.fusion](dim, model.fusion_layers, model.fusion_heads, model.dropout)
    image, text = torch.randn(2, examples, tokens, dim, requires_grad=True)
    output = fusion(image, text, torch.ones(examples, tokens, dtype=torch.bool))
    if not isinstance(output, FusionOutput):
        raise UserError(f"gives a {type(output).__name__}; return a FusionOutput")
    _check("fused", output.fused, (examples, dim), "(examples, fusion_dim)")
    penalty = output.penalty
    is_zero = isinstance(penalty, Tensor) and penalty.shape == () and penalty == 0
    if penalty is not None and not is_zero:  # a zero that is written out has no gradient, and needs none
        _check("penalty", penalty, (), "one number")


def _distil(config: Config, examples: int) -> None:
    dims = config.student.fusion_dim, config.teacher.fusion_dim
    modalities = tuple(each for each in config.student.modalities if each in config.teacher.modalities)
    shapes = LossShapes(*dims, CLASSES, examples, modalities)
    loss = LOSSES[config.distillation.loss](config.distillation, shapes)
    student, teacher = _output(config.student, examples), _output(config.teacher, examples)
    labels = torch.stack([torch.arange(examples) % classes for classes in CLASSES], dim=1)
    given = [*student.logits, *teacher.logits, labels]
    before = [each.detach().clone() for each in given]
    term = loss(student, teacher, labels, torch.arange(examples))
    if not all(map(torch.equal, given, before)):
        raise UserError("changes what it is given; leave logits and labels as they are, others read them")
    if not loss.uses_teacher:
        raise UserError("says uses_teacher = False, so its term is never computed; leave that out")
    _check("the term", term, (), "the mean over the batch, the sum over the tasks")
    term.backward()


def _check(name: str, found: object, shape: tuple[int, ...], what: str) -> None:
    if not isinstance(found, Tensor):
        raise UserError(f"{name} is a {type(found).__name__}; give a tensor: {what}")
    if found.shape != shape:
        raise UserError(f"{name} has the shape {tuple(found.shape)}; {shape} is needed: {what}")
    if not found.isfinite().all():
        raise UserError(f"{name} is not finite, where what it was given is small")
    if not found.requires_grad:
        raise UserError(f"{name} has no gradient, so nothing would be learned from it; compute it in torch")


def _output(model: ModelConfig, examples: int) -> ModelOutput:
    """Of a model as it is configured, for two tasks."""

    def drawn(modality: str, width: int) -> Tensor | None:
        read = modality in model.modalities
        return torch.randn(examples, width, requires_grad=True) if read else None

    logits = tuple(torch.randn(examples, classes, requires_grad=True) for classes in CLASSES)
    image, text = drawn("image", model.fusion_dim), drawn("text", model.fusion_dim)
    return ModelOutput(logits, image, text, drawn("image", TOKENS))
