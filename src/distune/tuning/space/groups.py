"""Groups of parameters that a study can add: fusion modules, losses, student encoders."""

from __future__ import annotations

from distune.components import FUSIONS, LOSSES
from distune.config import Config, SearchParameter, StudyConfig, with_values
from distune.tuning.space.space import choice_of

STUDENT_VISION = ("deit-tiny", "deit-small", "mobilevit-xx-small")
STUDENT_TEXT = ("distilbert", "minilm", "bert-mini")
PACKAGED_VISION = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
PACKAGED_TEXT = "minilm-l6"
PACKAGED_TEXT_LAYERS = (2, 3, 4, 6)


def asked_groups(asked: StudyConfig, base: Config) -> dict[str, dict[str, SearchParameter]]:
    """The parameters of each group that a `study` section asks for, by its field."""
    groups = {
        "tune_fusion": fusion_group(),
        "tune_loss": loss_group(base),
        "tune_backbones": backbone_group(base),
    }
    return {field: group for field, group in groups.items() if getattr(asked, field)}


def fusion_group() -> dict[str, SearchParameter]:
    """`--tune-fusion`: the fusion module of teacher and student."""
    return {name: choice_of(*FUSIONS) for name in ("teacher_fusion", "student_fusion")}


def loss_group(base: Config) -> dict[str, SearchParameter]:
    """`--tune-loss`: the distillation loss, of those that are defined for the base config's models."""
    return {"loss": choice_of(*(name for name in LOSSES if _is_defined(name, base)))}


def _is_defined(loss: str, base: Config) -> bool:
    from distune.distillation.compatibility import not_comparable

    return not not_comparable(with_values(base, {"distillation.loss": loss}))


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
