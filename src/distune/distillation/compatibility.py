"""For which models each loss is defined, and what to use instead where it is not."""

from __future__ import annotations

from distune.components import LOSSES
from distune.config import Config, Modality
from distune.distillation.plugin_parts import plugin_problems


def shared_modalities(config: Config) -> tuple[Modality, ...]:
    """What both teacher and student read: the modalities whose features a loss can compare."""
    return tuple(modality for modality in config.student.modalities if modality in config.teacher.modalities)


def undefined(config: Config) -> list[str]:
    """Why the config's distillation loss is not defined for its models, or a plugin's part fails; empty where all fits.

    Args:
        config: a valid config.

    Returns:
        One line a problem: the key, what is missing, and what to use instead.
    """
    return not_comparable(config) or plugin_problems(config)


def not_comparable(config: Config) -> list[str]:
    """Why the config's distillation loss is not defined for its models; empty where it is."""
    name = config.distillation.loss
    loss, shared = LOSSES[name], shared_modalities(config)
    if loss.uses_map and "image" not in shared:
        return [
            f"distillation.loss: {name} compares maps over the image, which teacher and student must both read; "
            "use a loss on the answers (vanilla, dkd, dist, logit_standardisation)"
        ]
    if loss.compares_features and not shared:
        return [
            f"distillation.loss: {name} compares features of what both models read, and the teacher reads the "
            f"{config.teacher.modalities[0]} alone, the student the {config.student.modalities[0]} alone; use a loss "
            "on the answers (vanilla, dkd, dist, logit_standardisation)"
        ]
    return []
