"""Prediction from an exported bundle with onnxruntime, tokenizers, OpenCV and NumPy alone.

Example:
    >>> import distune.edge
    >>> predictor = distune.edge.load("bundle")  # doctest: +SKIP
    >>> predictor.predict("scan.png", "CT of the chest")  # doctest: +SKIP
"""

from distune.deployment.bundle import load_bundle as load
from distune.prediction.predictor import Predictor

__all__ = ["Predictor", "load"]
