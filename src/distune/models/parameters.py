"""The weights that training changes: for the optimizer and for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from distune.models.classifier import Classifier
from distune.models.encoders import Encoder

_WITHOUT_DECAY = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d, nn.Embedding)


def trained_state(model: Classifier) -> dict[str, Tensor]:
    """The state dict without the frozen prefixes: they follow from the config."""
    frozen = _frozen_names(model)
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def load_trained_state(model: Classifier, state: Mapping[str, Tensor]) -> None:
    """Puts back what `trained_state` returned.

    Raises:
        RuntimeError: the names or the shapes are not those of this model.
    """
    expected = trained_state(model).keys()
    if expected != state.keys():
        raise RuntimeError(f"weights of another model: {sorted(expected ^ state.keys())[:6]} differ")
    model.load_state_dict(state, strict=False)


def parameter_groups(
    model: Classifier, lr: float, weight_decay: float, layerwise_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Groups for AdamW; biases, norms, embeddings and other vectors have no weight decay.

    Args:
        model: the model.
        lr: learning rate of everything above the encoders.
        weight_decay: of the matrices.
        layerwise_decay: factor on the learning rate for each encoder layer further from the output; the last layer
            of an encoder has the full rate.
    """
    without = _without_decay(model)
    depths: dict[int, int] = {}
    for encoder in (model.vision, model.text):
        for distance, layer in enumerate(reversed(encoder.layer_groups())):
            depths.update((id(parameter), distance) for parameter in layer)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            key = (depths.get(id(parameter), 0), id(parameter) in without)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": lr * layerwise_decay**distance,
            "weight_decay": 0.0 if plain else weight_decay,
        }
        for (distance, plain), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _without_decay(model: nn.Module) -> set[int]:
    """Ids of the parameters that decay would only hurt: no matrices, or rows of a table."""
    in_tables = {
        id(p) for module in model.modules() if isinstance(module, _WITHOUT_DECAY) for p in module.parameters()
    }
    vectors = {id(p) for p in model.parameters() if sum(side > 1 for side in p.shape) < 2}
    tokens = {id(p) for name, p in model.named_parameters() if "position_embeddings" in name}
    return in_tables | vectors | tokens


def _frozen_names(model: Classifier) -> set[str]:
    frozen: set[str] = set()
    for prefix, encoder in (("vision", model.vision), ("text", model.text)):
        frozen.update(f"{prefix}.{name}" for name in _frozen_in(encoder))
    return frozen


def _frozen_in(encoder: Encoder) -> set[str]:
    modules = {id(module) for module in encoder.frozen_modules()}
    return {
        f"{path}.{name}"
        for path, module in encoder.named_modules()
        if id(module) in modules
        for name in module.state_dict()
    }
