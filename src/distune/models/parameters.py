"""The weights that training changes: for the optimizer and for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from distune.models.classifier import Classifier
from distune.models.encoders.base import Encoder

_DECAYING = (nn.Linear, nn.Conv1d, nn.Conv2d)


def trained_tensors(model: Classifier) -> dict[str, Tensor]:
    """The state dict without the frozen prefixes, which follow from the config; it changes as the model learns."""
    frozen = _frozen_names(model)
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def trained_state(model: Classifier) -> dict[str, Tensor]:
    """The same in the layout that safetensors writes."""
    # Convolutions keep their weights channels-last.
    return {name: tensor.contiguous() for name, tensor in trained_tensors(model).items()}


def load_trained_state(model: Classifier, state: Mapping[str, Tensor]) -> None:
    """Puts back what `trained_state` returned.

    Raises:
        RuntimeError: the names, the shapes or the types are not those of this model, or a weight is not finite.
    """
    expected = trained_tensors(model)
    if expected.keys() != state.keys():
        raise RuntimeError(f"weights of another model: {sorted(expected.keys() ^ state.keys())[:6]} differ")
    for name, tensor in state.items():
        if tensor.dtype != expected[name].dtype:
            raise RuntimeError(f"{name} is of {tensor.dtype}, not {expected[name].dtype}")
        if not tensor.isfinite().all():
            raise RuntimeError(f"{name} holds a weight that is not finite")
    # Not strict, as the frozen prefixes are not in the state; the names were compared above.
    model.load_state_dict(state, strict=False)


def parameter_groups(
    model: Classifier, lr: float, weight_decay: float, layerwise_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Groups for AdamW; only the weights of linear layers and convolutions decay, not biases, norms or embeddings.

    Args:
        model: the model.
        lr: learning rate of everything above the encoders: projections, fusion, heads.
        weight_decay: of what decays.
        layerwise_decay: factor on the learning rate for each encoder layer down from there: the last one has
            `lr * layerwise_decay`, the one before it `lr * layerwise_decay ** 2` (Bao et al., 2021: BEiT). An encoder's
            head counts as its last layer.
    """
    # By identity: a parameter that two modules share is one parameter, in one group.
    decaying = {id(module.weight) for module in model.modules() if isinstance(module, _DECAYING)}
    depths: dict[int, int] = {}
    for encoder in model.encoders:
        for distance, layer in enumerate(reversed(encoder.layer_groups()), start=1):
            depths.update((id(parameter), distance) for parameter in layer)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            rate = lr * layerwise_decay ** depths.get(id(parameter), 0)
            groups.setdefault((rate, weight_decay if id(parameter) in decaying else 0.0), []).append(
                parameter
            )
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _frozen_names(model: Classifier) -> set[str]:
    frozen: set[str] = set()
    for prefix, encoder in (("vision", model.vision), ("text", model.text)):
        if encoder is not None:
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
