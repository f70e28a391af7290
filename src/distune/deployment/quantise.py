"""A graph in float32 -> one whose weights have 8 bits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

OPERATORS = ("MatMul", "Gemm", "Gather")
"""Operators that compute with 8 bits, their inputs being quantised as they come; `Gather` is the word embedding."""
FEWEST_WEIGHTS = 512
"""Smaller convolutions stay as they are: there is nothing to save."""


def quantise(graph: Path, *, convolutions: bool = True) -> None:
    """Quantises a graph in place.

    Linear layers and embeddings compute with 8-bit weights by channel (Jacob et al., 2018), from -64 to 64, so that
    no processor's sums overflow. Convolutions keep theirs in 8 bits on the disk alone: with inputs quantised as they
    come they would be slower than in float32, so their weights become float32 when the bundle is loaded.

    Args:
        graph: the file.
        convolutions: store the weights of convolutions in 8 bits, too.
    """
    from onnxruntime import quantization as tools

    exact = graph.rename(graph.with_name("float32.onnx"))
    if convolutions:
        _store_convolutions(exact)
    with _quiet():
        tools.quantize_dynamic(
            str(exact),
            str(graph),
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            weight_type=tools.QuantType.QInt8,
            # Processors without VNNI add two products in 16 bits: 2 * 255 * 127 would be cut, 2 * 255 * 64 fits.
            reduce_range=True,
        )
    exact.unlink()


def _store_convolutions(file: Path) -> None:
    """Replaces the weights of each convolution by integers, a scale for each output channel, and their product."""
    import onnx

    model = onnx.load(str(file))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in stored]
    products = []
    for name in dict.fromkeys(node.input[1] for node in convolutions):
        weights = onnx.numpy_helper.to_array(stored[name])
        if weights.size < FEWEST_WEIGHTS:
            continue
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
        steps = np.rint(weights / scale.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8)
        parts = {"steps": steps, "scale": scale, "zero": np.zeros(len(scale), np.int8)}
        model.graph.initializer.remove(stored[name])
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(values, f"{name}.{part}") for part, values in parts.items()
        )
        inputs = [f"{name}.{part}" for part in parts]
        products.append(onnx.helper.make_node("DequantizeLinear", inputs, [name], axis=0))
    for node in reversed(products):  # nodes stand in the order in which they are computed
        model.graph.node.insert(0, node)
    onnx.save(model, str(file))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice, which it gives through the root logger."""
    root = logging.getLogger()
    level, nowhere = root.level, logging.NullHandler()
    root.addHandler(nowhere)  # a root logger without any gives itself one at the first advice, and keeps it
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(nowhere)
