"""Groups of parameters that a study can add: fusion modules, losses, student encoders."""

from __future__ import annotations

from collections.abc import Mapping

from distune.components import FUSIONS, LOSSES
from distune.config import Config, EncoderConfig, ModelConfig, SearchParameter, config_key_of
from distune.config.model import NO_ENCODER
from distune.tuning.space.space import choice_of

STUDENT_VISION = ("deit-tiny", "deit-small", "mobilevit-xx-small")
STUDENT_TEXT = ("distilbert", "minilm", "bert-mini")
PACKAGED_VISION = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
PACKAGED_TEXT = "minilm-l6"
PACKAGED_TEXT_LAYERS = (2, 3, 4, 6)


def fusion_group() -> dict[str, SearchParameter]:
    """`--tune-fusion`: the fusion module of teacher and student."""
    return {name: choice_of(*FUSIONS) for name in ("teacher_fusion", "student_fusion")}


def loss_group() -> dict[str, SearchParameter]:
    """`--tune-loss`: the distillation loss."""
    return {"loss": choice_of(*LOSSES)}


def backbone_group(base: Config) -> dict[str, SearchParameter]:
    """`--tune-backbones`: the student's encoders, of the family that the base config uses."""
    student = base.student
    vision = {} if student.vision.is_absent else _vision(student.vision.name)
    return vision if student.text.is_absent else {**vision, **_text(student.text.name)}


def _vision(name: str) -> dict[str, SearchParameter]:
    if name.startswith("efficientnet-lite"):
        return {"student_vision": choice_of(*PACKAGED_VISION)}
    if name.startswith("tiny"):
        return {"student_vision_layers": choice_of(1, 2, key="student.vision.layers")}
    return {"student_vision": choice_of(*STUDENT_VISION)}


def _text(name: str) -> dict[str, SearchParameter]:
    if name == PACKAGED_TEXT:
        return {"student_text_layers": choice_of(*PACKAGED_TEXT_LAYERS, key="student.text.layers")}
    if name.startswith("tiny"):
        return {"student_text_layers": choice_of(1, 2, key="student.text.layers")}
    return {"student_text": choice_of(*STUDENT_TEXT)}


def fields_without_effect(base: Config) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """What each fusion module, each loss, a missing encoder and no augmentation ignore; imports torch.

    The modules themselves declare it. Where the loss asks no teacher, none is trained, unless the student starts from
    the teacher's layers. A model without an encoder has no fusion, and nothing of that encoder.
    """
    fusions = {name: frozenset(kind.ignores) for name, kind in FUSIONS.items()}
    losses = {}
    for name, kind in LOSSES.items():
        trains_none = not (kind.uses_teacher or _may_start_from_teacher(base))
        others = {"gamma": name != "combined", "teacher": trains_none}
        losses[name] = kind.ignores | {field for field, is_ignored in others.items() if is_ignored}
    return {
        "teacher.fusion": fusions,
        "student.fusion": fusions,
        "distillation.loss": losses,
        "data.augment": {"none": frozenset({"data.views"})},
        **_absent("teacher"),
        **_absent("student"),
    }


def _absent(role: str) -> dict[str, dict[str, frozenset[str]]]:
    fusion = {f"{role}.{name}" for name in ModelConfig.model_fields if name.startswith("fusion")}
    fusion.add(f"{role}.modality_dropout")  # a model of one has none to drop
    return {
        f"{role}.{part}.name": {
            NO_ENCODER: frozenset(
                fusion | {f"{role}.{part}.{name}" for name in EncoderConfig.model_fields if name != "name"}
            )
        }
        for part in ("vision", "text")
    }


def _may_start_from_teacher(base: Config) -> bool:
    keys = {parameter.key or config_key_of(name) for name, parameter in base.search_space.items()}
    return base.student.init_from_teacher or "student.init_from_teacher" in keys
