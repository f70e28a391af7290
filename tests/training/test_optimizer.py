"""One and two steps of AdamW against its formula, in every group of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distune.config import Config, TrainingConfig
from distune.data.table import Task
from distune.models.classifier import Classifier
from distune.models.parameters import parameter_groups
from distune.training.optimizer import MovingAverage, Optimizer, schedule_factor
from distune.training.student import build_student

LR, DECAY = 1e-2, 0.3
TASKS = (Task("modality", ("CT", "MR")), Task("region", ("a", "b", "c")))


class OfALoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)


@pytest.fixture
def model(tiny_config: Callable[..., Config]) -> Classifier:
    return build_student(tiny_config(data__image_size=32), TASKS)


def made(model: Classifier, objective: nn.Module, **training: Any) -> Optimizer:
    same: dict[str, Any] = {"weight_decay": DECAY, "grad_clip": None, "layerwise_lr_decay": 0.5}
    return Optimizer(model, objective, LR, 10, TrainingConfig(**same | training))


def give_gradients(parameters: list[nn.Parameter], scale: float) -> None:
    """Of both signs, the smallest about as small as AdamW's epsilon."""
    for number, parameter in enumerate(parameters):
        values = torch.linspace(-1.0, 2.0, parameter.numel()).reshape(parameter.shape)
        parameter.grad = scale * values * (1e-8 if number % 3 == 0 else 1.0)


def test_two_steps_by_hand(model: Classifier) -> None:
    objective = OfALoss()
    optimizer = made(model, objective)
    of_the_loss = {"params": [objective.own], "lr": LR, "weight_decay": DECAY}
    groups = [*parameter_groups(model, LR, DECAY, 0.5), of_the_loss]
    assert len({(group["lr"], group["weight_decay"]) for group in groups}) == len(groups) - 1 >= 4
    parameters = [parameter for group in groups for parameter in group["params"]]
    before = [parameter.detach().clone().double() for parameter in parameters]
    gradients: list[list[Tensor]] = []
    rates = [schedule_factor(step, 10, TrainingConfig()) for step in range(3)]
    for step, scale in enumerate((1.0, -0.3)):
        give_gradients(parameters, scale)
        gradients.append([parameter.grad.double() for parameter in parameters if parameter.grad is not None])
        assert optimizer.lr == pytest.approx(LR * rates[step])
        optimizer.step()
        assert all(parameter.grad is None for parameter in parameters)
    assert optimizer.steps == 2 and optimizer.lr == pytest.approx(LR * rates[2])
    place = 0
    for group in groups:
        for parameter in group["params"]:
            expected, mean, square = before[place], torch.zeros(()), torch.zeros(())
            for step in range(2):
                gradient, rate = gradients[step][place], group["lr"] * rates[step]
                mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
                expected = expected * (1 - rate * group["weight_decay"])
                corrected = (square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
                expected = expected - rate * (mean / (1 - 0.9 ** (step + 1))) / corrected
            torch.testing.assert_close(parameter.detach().double(), expected, atol=2e-7, rtol=2e-5)
            place += 1
    assert torch.equal(objective.fixed, torch.ones(2))


def test_what_has_no_gradient_stays_and_what_is_frozen_is_in_no_group(model: Classifier) -> None:
    for parameter in model.parameters():
        if parameter.dim() == 4:  # as mobile networks keep them
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    frozen, idle = next(model.heads[0].parameters()), next(model.heads[1].parameters())
    frozen.requires_grad_(False)
    optimizer = made(model, nn.Module())
    assert frozen not in {parameter for group in optimizer._groups for parameter in group["params"]}
    before = idle.detach().clone()
    others = [p for group in optimizer._groups for p in group["params"] if p is not idle]
    give_gradients(others, 1.0)
    optimizer.step()
    assert torch.equal(idle, before)
    saved = optimizer.state()
    assert len(saved) == 3 * len(others)
    again = made(model, nn.Module())
    again.load({key: value.contiguous() for key, value in saved.items()}, 7)  # as a file gives them
    assert again.steps == 7 and again._moments.keys() == set(others)
    for parameter in others:
        for name, value in again._moments[parameter].items():
            assert torch.equal(value, optimizer._moments[parameter][name])
            assert name == "step" or value.stride() == parameter.stride()
    assert not all(parameter.is_contiguous() for parameter in others)


@pytest.mark.parametrize(
    ("schedule", "warmup", "total", "expected"),
    [
        ("constant", 0.0, 4, [1, 1, 1, 1]),
        ("constant", 0.25, 6, [1 / 3, 2 / 3, 1, 1, 1, 1]),
        ("cosine", 0.0, 4, [1, 0.8535534, 0.5, 0.1464466]),
        ("cosine", 0.3, 6, [1 / 3, 2 / 3, 1, 0.8535534, 0.5, 0.1464466]),
        ("cosine", 0.0, 0, [1]),
    ],
)
def test_the_rate_of_each_step(schedule: Any, warmup: float, total: int, expected: list[float]) -> None:
    config = TrainingConfig(schedule=schedule, warmup=warmup)
    found = [schedule_factor(step, total, config) for step in range(len(expected))]
    assert found == pytest.approx(expected, abs=1e-7)


def test_an_average_holds_what_is_trained_and_gives_the_weights_back_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    model[1].requires_grad_(False)
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    average = MovingAverage(model, decay=0.15)
    assert average.averages.keys() == {"0.weight"}
    with torch.no_grad():
        model[0].weight.fill_(11.0)
    average.update()  # (1 + 1) / (10 + 1) is above the decay
    assert average.averages["0.weight"].item() == pytest.approx(0.15 * 1.0 + 0.85 * 11.0)
    with pytest.raises(KeyError), average.applied():
        assert model[0].weight.item() == average.averages["0.weight"].item()
        raise KeyError
    assert model[0].weight.item() == 11.0
