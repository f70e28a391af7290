"""What an epoch does, against a loop written out here with torch alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distune.config import Config, DistillationConfig
from distune.data import Table, read_table
from distune.data.batches import train_batches
from distune.distillation import Objective
from distune.models.classifier import Classifier
from distune.store import Store
from distune.training import loop
from distune.training.callbacks import Callback, EpochRecord
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps
from distune.training.loop import Examples, Fitted, Plan, fit
from distune.training.student import build_student, student_seed
from distune.training.teacher.teacher import class_weights

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)


class Setting:
    """A student that learns from labels alone, without dropout, so that nothing in an epoch is random."""

    def __init__(self, config: Config):
        self.config = config
        self.table: Table = read_table(config.data, config.seed)
        self.model = build_student(config, self.table.tasks)
        steps = InputSteps(self.table, config.data, Store(), CPU, config.seed)
        inputs = steps.for_model(self.model, config.student, student_seed(config))
        self.examples = Examples(
            inputs, self.table.labels, self.table.tasks, self.table.rows("train"), self.table.rows("dev")
        )
        self.plan = Plan("student", config.student.epochs, config.student.lr, config.training, config.seed)
        self.objective = Objective(DistillationConfig(), config.training)

    def fit(self, callback: Callback | None = None) -> Fitted:
        return fit(self.model, self.objective, self.examples, self.plan, CPU, callback=callback)


@pytest.fixture
def setting(tiny_config: MakeConfig) -> Callable[..., Setting]:
    def make(**values: Any) -> Setting:
        # Of smaller images some weights have no gradient but rounding, which Adam blows up.
        same = {"student__dropout": 0.0, "training__batch_size": 24, "data__image_size": 64}
        return Setting(tiny_config(**same, **values))

    return make


def by_hand(
    setting: Setting, model: Classifier, epochs: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
    """The weights after some epochs, their moving average, and the mean loss (no decay of weights, cosine schedule)."""
    training, total = setting.config.training, 0
    count = math.ceil(len(setting.examples.train) / training.batch_size) * setting.plan.epochs
    warmup = math.ceil(training.warmup * count)
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    averages = {name: p.detach().clone() for name, p in weights.items()}
    optimizer = torch.optim.AdamW(weights.values(), weight_decay=0.0)
    losses = []
    model.train()
    for epoch in range(1, epochs + 1):
        for batch in train_batches(
            setting.examples.inputs,
            setting.examples.labels,
            setting.examples.train,
            batch_size=training.batch_size,
            seed=loop.derived_seed(setting.config.seed, "student", "order"),
            epoch=epoch,
            device=CPU.device,
        ):
            output = model(batch.image, batch.text, batch.text_mask)
            loss = sum(
                nn.functional.cross_entropy(logits, batch.labels[:, task])
                for task, logits in enumerate(output.logits)
            )
            losses.append(float(loss.detach()))  # type: ignore[union-attr]
            optimizer.zero_grad()
            loss.backward()  # type: ignore[union-attr]
            norm = torch.sqrt(sum(p.grad.square().sum() for p in weights.values()))  # type: ignore[arg-type,union-attr]
            for p in weights.values():
                p.grad *= min(1.0, float(training.grad_clip or math.inf) / (float(norm) + 1e-6))
            rise = (total + 1) / (warmup + 1)
            fall = 0.5 * (1 + math.cos(math.pi * (total - warmup) / max(1, count - warmup)))
            optimizer.param_groups[0]["lr"] = setting.plan.lr * (rise if total < warmup else fall)
            optimizer.step()
            total += 1
            decay = min(training.ema or 0.0, (1 + total) / (10 + total))
            for name, p in weights.items():
                averages[name] = decay * averages[name] + (1 - decay) * p.detach()
    return {name: p.detach() for name, p in weights.items()}, averages, float(np.mean(losses))


def trained_weights(model: Classifier) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        if name.endswith("inputs.bias"):
            continue  # a bias of attention's keys has no gradient but rounding, which Adam blows up
        torch.testing.assert_close(weight, theirs[name], atol=2e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("accumulation", [1, 5])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_weights_after_an_epoch(setting: Callable[..., Setting], accumulation: int, ema: float) -> None:
    """24 examples in 5 micro-batches are of unequal sizes, and weigh by their size."""
    ours = setting(
        student__epochs=1, training__weight_decay=0.0, training__accumulation=accumulation, training__ema=ema
    )
    start = trained_weights(ours.model)
    weights, averages, loss = by_hand(ours, copy.deepcopy(ours.model), 1)
    assert ours.fit().history[0].train_loss == pytest.approx(loss, rel=1e-4)
    expected = averages if ema else weights
    assert_close(trained_weights(ours.model), expected)
    assert any(not torch.allclose(weight, start[name], atol=1e-4) for name, weight in expected.items())


def test_what_is_evaluated_is_the_average_of_the_weights(
    setting: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = setting(student__epochs=2, training__weight_decay=0.0, training__ema=0.999, student__lr=2e-2)
    start, scored, predict = copy.deepcopy(ours.model), [], loop.predict

    def noting(model: Classifier, *others: Any) -> Any:
        scored.append(trained_weights(model))
        return predict(model, *others)

    monkeypatch.setattr(loop, "predict", noting)
    ours.fit()
    assert len(scored) == 2
    for epoch, seen in enumerate(scored, start=1):
        weights, averages, _ = by_hand(ours, copy.deepcopy(start), epoch)
        assert_close(seen, averages)
        assert any(not torch.allclose(seen[name], weights[name], atol=1e-3) for name in weights)


def test_every_epoch_has_a_seed_and_an_order_of_its_own(
    setting: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = setting(student__epochs=3)
    seeds: list[int] = []
    trains: list[bool] = []
    orders: list[list[int]] = []

    def noting(*arguments: Any, **options: Any) -> Any:
        seeds.append(torch.initial_seed())
        trains.append(ours.model.training and ours.objective.training)
        orders.append([])
        for batch in train_batches(*arguments, **options):
            orders[-1] += batch.rows.tolist()
            yield batch

    monkeypatch.setattr(loop, "train_batches", noting)
    ours.fit()
    assert len(set(seeds)) == 3
    assert all(trains)  # an evaluation ends each epoch
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == sorted(ours.examples.train.tolist()) for order in orders)


def test_a_losss_own_parameters_are_trained(setting: Callable[..., Setting]) -> None:
    ours = setting()

    class WithParameter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Parameter(torch.ones(3))
            self.loss = None

    objective = WithParameter()
    optimizer = loop._State(ours.model, objective, ours.examples, ours.plan, CPU).optimizer  # type: ignore[arg-type]
    objective.own.sum().backward()
    optimizer.step()
    assert (objective.own < 1).all()


def test_class_weights_are_those_of_train(tiny_config: MakeConfig) -> None:
    config = tiny_config(training__class_weights="balanced")
    table = read_table(config.data, config.seed)
    found = class_weights(config, table)
    assert found is not None
    for column, (task, weights) in enumerate(zip(table.tasks, found, strict=True)):
        counts = np.bincount(table.labels[table.rows("train"), column], minlength=len(task.classes))
        expected = counts.sum() / (len(counts) * counts)
        np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)
        everyone = np.bincount(table.labels[:, column], minlength=len(task.classes))
        assert not np.allclose(counts / counts.sum(), everyone / everyone.sum())


@pytest.mark.parametrize(("scores", "stops"), [((0.5, 0.7, 0.6), False), ((0.5, 0.7, 0.6, 0.7), True)])
def test_training_stops_early_after_as_many_epochs_without_a_better_score(
    setting: Callable[..., Setting], scores: tuple[float, ...], stops: bool
) -> None:
    ours = setting(training__early_stopping=2)
    state = loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU)
    state.history = [
        EpochRecord("student", epoch, 0.0, 0.0, 0.0, score, {}, 0.0, 0.0)
        for epoch, score in enumerate(scores, start=1)
    ]
    assert state.stops_early() is stops


def test_a_loss_with_a_memory_counts_train_examples_alone(setting: Callable[..., Setting]) -> None:
    ours = setting()
    every_third = replace(ours.examples, train=ours.examples.train[::3])
    state = loop._State(ours.model, ours.objective, every_third, ours.plan, CPU)
    assert state.train_position[every_third.train].tolist() == list(range(len(every_third.train)))
    assert (state.train_position >= 0).sum() == len(every_third.train)


def test_a_resumed_moving_average_continues_its_warm_up(setting: Callable[..., Setting]) -> None:
    ours = setting(training__ema=0.999)
    before, after = (loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU) for _ in range(2))
    assert before.average is not None and after.average is not None
    before.average.update()
    after.resume(before.checkpoint())
    assert after.average.steps == 1


def test_a_resumed_training_ends_with_its_best_weights(setting: Callable[..., Setting]) -> None:
    """The better of two epochs came before the checkpoint, the weights of the second one were in it."""
    ours = setting()
    before, after = (loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU) for _ in range(2))
    best = trained_weights(ours.model)
    for epoch, score in ((1, 0.9), (2, 0.5)):
        before.keep(EpochRecord("student", epoch, 0.0, 0.0, 0.0, score, {}, 0.0, 0.0))
        with torch.no_grad():
            for weight in ours.model.parameters():
                weight += 1.0
    after.resume(before.checkpoint().copied())
    assert [record.dev_score for record in after.finish(stopped=False).history] == [0.9, 0.5]
    assert_close(trained_weights(ours.model), best)


def test_the_rate_that_is_recorded_is_that_of_the_last_layers(setting: Callable[..., Setting]) -> None:
    ours = setting(training__layerwise_lr_decay=0.5, training__schedule="constant", training__warmup=0.0)
    optimizer = loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU).optimizer
    assert optimizer.lr == ours.plan.lr


def test_the_gradients_of_all_parameters_are_clipped_together(setting: Callable[..., Setting]) -> None:
    """AdamW's first moments after one step are a tenth of the gradients as they were clipped."""
    ours = setting(training__grad_clip=0.5)
    optimizer = loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU).optimizer
    for parameter in ours.model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moments = [value for name, value in optimizer.state().items() if name.endswith("exp_avg")]
    norm = torch.sqrt(sum(value.square().sum() for value in moments))  # type: ignore[arg-type]
    assert float(norm) == pytest.approx(0.1 * 0.5, rel=1e-4)
