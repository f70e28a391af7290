"""Models: encoders, fusions, and the classifier that joins them."""

from distune.models.classifier import Classifier, build_classifier
from distune.models.init_from_teacher import check_copyable, copy_layers, matching_parts
from distune.models.outputs import ModelOutput
from distune.models.parameters import (
    load_trained_state,
    parameter_groups,
    trained_state,
    trained_tensors,
)

__all__ = [
    "Classifier",
    "ModelOutput",
    "build_classifier",
    "check_copyable",
    "copy_layers",
    "load_trained_state",
    "matching_parts",
    "parameter_groups",
    "trained_state",
    "trained_tensors",
]
