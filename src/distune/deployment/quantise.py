"""A graph in float32 -> one with 8-bit weights: linear layers and embeddings dynamically, convolutions statically."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune.data.ragged import ragged
from distune.deployment.onnx_model import IDS, MASK, PIXELS
from distune.prediction.examples import Example, pixels_of
from distune.prediction.predictor import Model

DYNAMIC = ("MatMul", "Gemm", "Gather")
"""Operators whose inputs are quantised as they come; `Gather` is the word embedding."""


def quantise(graph: Path, model: Model, examples: Sequence[Example]) -> None:
    """Quantises a graph in place.

    Convolutions with ranges found at prediction time are slower than in float32, so theirs are found here, on train
    examples (Jacob et al., 2018).

    Args:
        graph: the file.
        model: prepares the examples as for prediction.
        examples: of the train split.
    """
    from onnxruntime import quantization as tools

    logging.getLogger("root").setLevel(logging.ERROR)
    static = graph.with_name("static.onnx")
    if _has_convolutions(graph):
        prepared = graph.with_name("prepared.onnx")
        tools.quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)
        tools.quantize_static(
            str(prepared),
            str(static),
            _Reader(_inputs(model, examples)),
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
        )
        prepared.unlink()
    else:
        graph.rename(static)
    tools.quantize_dynamic(
        str(static),
        str(graph),
        op_types_to_quantize=list(DYNAMIC),
        per_channel=True,
        weight_type=tools.QuantType.QInt8,
    )
    static.unlink()


def _has_convolutions(graph: Path) -> bool:
    import onnx

    return any(node.op_type == "Conv" for node in onnx.load(str(graph), load_external_data=False).graph.node)


def _inputs(model: Model, examples: Sequence[Example]) -> Iterator[dict[str, NDArray[Any]]]:
    """What the graph reads, example by example."""
    for example in examples:
        feed: dict[str, NDArray[Any]] = {}
        if "image" in model.modalities:
            feed[PIXELS] = pixels_of(example.image, model.image_size, model.rules)[None]
        if model.tokenizer is not None:
            ids = ragged(model.tokenizer.encode([example.text or ""], model.max_tokens), np.int64)
            feed[IDS], feed[MASK] = ids.padded(np.arange(1))
        yield feed


class _Reader:
    """Hands the inputs to onnxruntime, which takes None for the end."""

    def __init__(self, inputs: Iterator[dict[str, NDArray[Any]]]):
        self._inputs = inputs

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next input."""
        return next(self._inputs, None)
