"""Fusions: how the tokens of an image and of a text become one vector.

A new one is a file here and a line in `distune.components`.
"""

from distune.components import FUSIONS
from distune.models.fusion.base import Fusion, FusionOutput, masked_mean

__all__ = ["FUSIONS", "Fusion", "FusionOutput", "masked_mean"]
