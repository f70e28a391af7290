"""A graph in float32 -> one whose linear layers and embeddings have 8-bit weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPERATORS = ("MatMul", "Gemm", "Gather")
"""Operators whose weights are quantised, and whose inputs are as they come; `Gather` is the word embedding.

Convolutions stay in float32: with ranges found at prediction time they are slower than before, and with ranges from
train examples they cost the student of `medpix_offline_edge` half a point more than all linear layers together.
"""


def quantise(graph: Path) -> None:
    """Quantises a graph in place, dynamically: weights by channel to 8 bits (Jacob et al., 2018).

    Args:
        graph: the file.
    """
    from onnxruntime import quantization as tools

    exact = graph.rename(graph.with_name("float32.onnx"))
    with _quiet():
        tools.quantize_dynamic(
            str(exact),
            str(graph),
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            weight_type=tools.QuantType.QInt8,
        )
    exact.unlink()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice, which it gives through the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
