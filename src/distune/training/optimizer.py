"""AdamW over the model and the loss, the learning rate schedule, and the moving average of the weights.

torch's function is called, not its class, which takes a second to import a compiler that nothing here uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from distune.config import TrainingConfig
from distune.models.classifier import Classifier
from distune.models.parameters import parameter_groups


def schedule_factor(step: int, total: int, config: TrainingConfig) -> float:
    """Factor on the peak learning rate for a step.

    Linear warm-up over the first `warmup * total` steps, then constant or half a cosine down to zero
    (Loshchilov and Hutter, 2017).

    Args:
        step: from 0.
        total: steps of the whole training.
        config: names the schedule and the warm-up.
    """
    warmup = math.ceil(config.warmup * total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


class Optimizer:
    """AdamW with a schedule that is a function of the step alone.

    Args:
        model: the classifier to train.
        objective: its loss; parameters of its own are trained along.
        lr: peak learning rate.
        total_steps: steps of the whole training.
        config: weight decay, clipping, schedule.
    """

    def __init__(
        self, model: Classifier, objective: nn.Module, lr: float, total_steps: int, config: TrainingConfig
    ):
        self._groups = parameter_groups(model, lr, config.weight_decay, config.layerwise_lr_decay)
        own = [parameter for parameter in objective.parameters() if parameter.requires_grad]
        if own:
            self._groups.append({"params": own, "lr": lr, "weight_decay": config.weight_decay})
        self._parameters = [parameter for group in self._groups for parameter in group["params"]]
        self._moments: dict[nn.Parameter, dict[str, Tensor]] = {}
        self._total_steps = total_steps
        self._config = config
        self.steps = 0

    @property
    def lr(self) -> float:
        """Learning rate of the next step, largest over the groups."""
        return max(float(group["lr"]) for group in self._groups) * self._factor()

    def step(self) -> None:
        """Clips the gradients, updates the parameters, and clears the gradients."""
        if self._config.grad_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._config.grad_clip)
        for group in self._groups:
            self._update(group)
        for parameter in self._parameters:
            parameter.grad = None
        self.steps += 1

    def _factor(self) -> float:
        return schedule_factor(self.steps, self._total_steps, self._config)

    @torch.no_grad()
    def _update(self, group: dict[str, Any]) -> None:
        """One step of a group, of those of its parameters that have a gradient."""
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        moments = [self._moments.get(p) or self._start(p) for p in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters],
            [of["exp_avg"] for of in moments],
            [of["exp_avg_sq"] for of in moments],
            [],  # the largest second moments, of AMSGrad alone
            [of["step"] for of in moments],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            lr=group["lr"] * self._factor(),
            weight_decay=group["weight_decay"],
            maximize=False,
        )

    def _start(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        step = torch.zeros((), device=parameter.device)
        moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        self._moments[parameter] = {"step": step, **moments}
        return self._moments[parameter]

    def state(self) -> dict[str, Tensor]:
        """AdamW's moments, by position of the parameter."""
        saved = {}
        for position, parameter in enumerate(self._parameters):
            for name, value in self._moments.get(parameter, {}).items():
                saved[f"{position}.{name}"] = value
        return saved

    def load(self, saved: Mapping[str, Tensor], steps: int) -> None:
        """Continues from `state()` after the given number of steps."""
        for key, value in saved.items():
            position, _, name = key.partition(".")
            parameter = self._parameters[int(position)]
            # Fused AdamW pairs weights and moments by their place in memory, and files know no channels-last layout.
            own = value.to(parameter.device) if name == "step" else torch.empty_like(parameter).copy_(value)
            self._moments.setdefault(parameter, {})[name] = own.detach()
        self.steps = steps


class MovingAverage:
    """Keeps averaged copies of a model's trained parameters.

    After step t: average = d * average + (1 - d) * weights, with d = min(decay, (1 + t) / (10 + t)), so that the
    random start is forgotten (the usual warm-up, Tarvainen and Valpola, 2017).

    Args:
        model: the model that is trained.
        decay: between 0 and 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.steps = 0
        self._weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.averages: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the present weights in."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.averages.values()), list(self._weights.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside and its own again afterwards."""
        own = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._set(self.averages)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: dict[str, Tensor]) -> None:
        for name, weight in self._weights.items():
            weight.copy_(values[name])
