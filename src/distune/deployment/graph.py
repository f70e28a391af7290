"""A student as one ONNX graph, from pixels and token ids to probabilities."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distune.data.table import Task
from distune.deployment.onnx_model import ABSENT, IDS, MASK, PIXELS, tasks_as_text
from distune.errors import UserError, has_run_out
from distune.models.answers import probabilities_of
from distune.models.classifier import Classifier
from distune.training.torch_settings import torch_defaults

OPSET = 17
EXAMPLES, LENGTH = 2, 16
"""Shape that is traced; both are left open in the graph."""


class Graph(nn.Module):
    """What is exported: frozen layers, trained layers and probabilities in one.

    Args:
        student: in eval mode, on the CPU.
    """

    def __init__(self, student: Classifier):
        super().__init__()
        self.student = student

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        image = (PIXELS,) if self.student.vision is not None else ()
        read = (*image, IDS, MASK) if self.student.text is not None else image
        return (*read, *(ABSENT[name] for name in self.student.modalities)) if self.student.can_miss else read

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """The inputs in their order -> probabilities (B, classes) of each task."""
        by_name = dict(zip(self.inputs, given, strict=True))
        image = text = mask = None
        if self.student.vision is not None:
            image = self.student.vision.prefix(by_name[PIXELS])
        if self.student.text is not None:
            mask = by_name[MASK]
            text = self.student.text.prefix(by_name[IDS], mask)
        absent = by_name.get(ABSENT["image"]), by_name.get(ABSENT["text"])
        output = self.student(image, text, mask, with_map=False, absent=absent)
        return tuple(map(probabilities_of, output.logits, self.student.tasks))


@torch_defaults()
def write_graph(student: Classifier, tasks: tuple[Task, ...], file: Path) -> None:
    """Exports a student in float32, with batch and text length left open.

    The graph is traced: torch's newer exporter took 133 s in place of 9 on the student of `medpix_offline` (a busy
    machine) and was no nearer to torch.

    Args:
        student: it is left in eval mode.
        tasks: the label columns, in the order of the heads.
        file: the new file.

    Raises:
        UserError: the student has a part that cannot be exported.
    """
    import onnx

    graph = Graph(student.float().cpu()).eval()
    axes = {name: {0: "batch"} for name in ABSENT.values()}
    axes |= {PIXELS: {0: "batch"}, IDS: {0: "batch", 1: "length"}, MASK: {0: "batch", 1: "length"}}
    outputs = [f"p_{number}" for number in range(len(tasks))]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                _traced(graph),
                str(file),
                input_names=list(graph.inputs),
                output_names=outputs,
                dynamic_axes={name: axes[name] for name in graph.inputs}
                | {name: {0: "batch"} for name in outputs},
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError) as error:
        if has_run_out(error):
            raise
        raise UserError(f"this student cannot be exported: {str(error).splitlines()[0]}") from error
    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, {"tasks": tasks_as_text(tasks)})
    onnx.save(model, str(file))
    logging.getLogger(__name__).info("exported %s", file)


def _traced(graph: Graph) -> tuple[Any, ...]:
    """Inputs to trace with: two examples, one of them shorter."""
    size = graph.student.vision.image_size if graph.student.vision is not None else 0
    mask = torch.ones(EXAMPLES, LENGTH, dtype=torch.bool)
    mask[1:, LENGTH // 2 :] = False
    values = {
        PIXELS: torch.full((EXAMPLES, 3, size, size), 128, dtype=torch.uint8),
        IDS: torch.ones(EXAMPLES, LENGTH, dtype=torch.int64),
        MASK: mask,
        **{name: torch.tensor([True, False]) for name in ABSENT.values()},
    }
    return tuple(values[name] for name in graph.inputs)
