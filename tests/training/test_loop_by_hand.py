"""What an epoch does, against a loop written out here with torch alone."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distune.config import Config, DistillationConfig
from distune.data import Table, read_table
from distune.data.batches import ModelInputs, eval_batches, train_batches
from distune.distillation import LOSSES, LossShapes, Objective
from distune.models.classifier import Classifier
from distune.models.outputs import ModelOutput
from distune.store import Store
from distune.training import loop
from distune.training.callbacks import Callback, EpochRecord, StopTraining
from distune.training.devices import Compute
from distune.training.files.checkpoint import Checkpoint, CheckpointFile
from distune.training.inputs.inputs import InputSteps
from distune.training.loop import Examples, Fitted, Plan, fit
from distune.training.predictions import Targets
from distune.training.scoring.scores import macro_f1_by_task, overall_score
from distune.training.student import build_student, student_seed
from distune.training.teacher.teacher import class_weights

MakeConfig = Callable[..., Config]
CPU = Compute(torch.device("cpu"), bf16=False)


_READ: dict[str, tuple[Table, ModelInputs]] = {}
"""Each data set once: pixels and ids, which no model changes."""


class Setting:
    """A student that learns from labels alone, without dropout, so that nothing in an epoch is random."""

    def __init__(self, config: Config):
        self.config = config
        if (data := config.data.model_dump_json()) not in _READ:
            table = read_table(config.data, check_images=False)
            steps = InputSteps(table, config.data, Store(), CPU, config.seed)
            model = build_student(config, table.tasks)
            _READ[data] = table, steps.for_model(model, config.student, student_seed(config))
        self.table, inputs = _READ[data]
        self.model = build_student(config, self.table.tasks)
        self.examples = Examples(
            inputs, self.table.labels, self.table.tasks, self.table.rows("train"), self.table.rows("dev")
        )
        self.plan = Plan("student", config.student.epochs, config.student.lr, config.training, config.seed)
        self.objective = Objective(DistillationConfig(), config.training)

    def fit(self, callback: Callback | None = None, compute: Compute = CPU) -> Fitted:
        return fit(self.model, self.objective, self.examples, self.plan, compute, callback=callback)


@pytest.fixture
def setting(tiny_config: MakeConfig) -> Callable[..., Setting]:
    def make(**values: Any) -> Setting:
        # Of smaller images some weights have no gradient but rounding, which Adam blows up.
        same = {"student__dropout": 0.0, "training__batch_size": 24, "data__image_size": 64}
        return Setting(tiny_config(**(same | values)))

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
    values = {"training__weight_decay": 0.0, "training__ema": 0.999, "student__lr": 2e-2}
    ours = of_few(setting(**values), epochs=2)
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
    ours = of_few(setting(training__batch_size=2))
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


@pytest.mark.parametrize("decay", [0.01, 0.0])
def test_a_losss_own_parameters_are_trained(setting: Callable[..., Setting], decay: float) -> None:
    ours = setting(training__weight_decay=decay)

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
    table = read_table(config.data)
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


def test_what_changes_in_training_is_resumed(setting: Callable[..., Setting]) -> None:
    """The average with its warm-up, the loss's own weights, AdamW's moments by parameter, the step of the schedule."""
    ours, again = setting(training__ema=0.999), setting(training__ema=0.999)
    for each in (ours, again):
        each.objective.register_parameter("own", nn.Parameter(torch.zeros(2)))
    before, after = (
        loop._State(each.model, each.objective, each.examples, each.plan, CPU) for each in (ours, again)
    )
    assert before.average is not None and after.average is not None
    for number, parameter in enumerate((*ours.model.parameters(), *ours.objective.parameters()), start=1):
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, float(number))
    before.optimizer.step()
    before.average.update()
    before.keep(EpochRecord("student", 1, 0.0, 0.0, 0.0, 0.5, {}, 0.0, 0.0))
    after.resume(before.checkpoint().copied())
    assert (after.average.steps, after.optimizer.steps, after.history) == (1, 1, before.history)
    assert_close(trained_weights(again.model), trained_weights(ours.model))
    assert_close(after.average.averages, before.average.averages)
    assert_close(after.optimizer.state(), before.optimizer.state())
    assert (ours.objective.get_parameter("own") < 0).all()
    assert torch.equal(again.objective.get_parameter("own"), ours.objective.get_parameter("own"))
    assert after.optimizer.lr == before.optimizer.lr


def test_a_resumed_training_ends_with_its_best_weights(setting: Callable[..., Setting]) -> None:
    """The best epoch, the first of equals, came before the checkpoint; the weights of the last one were in it."""
    ours = setting()
    before, after = (loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU) for _ in range(2))
    best = trained_weights(ours.model)
    for epoch, score in ((1, 0.9), (2, 0.5), (3, 0.9)):
        before.keep(EpochRecord("student", epoch, 0.0, 0.0, 0.0, score, {}, 0.0, 0.0))
        with torch.no_grad():
            for weight in ours.model.parameters():
                weight += 1.0
    after.resume(before.checkpoint().copied())
    assert [record.dev_score for record in after.finish(stopped=False).history] == [0.9, 0.5, 0.9]
    assert_close(trained_weights(ours.model), best)


def test_the_rate_that_is_recorded_is_that_of_the_last_layers(setting: Callable[..., Setting]) -> None:
    ours = setting(training__layerwise_lr_decay=0.5, training__schedule="constant", training__warmup=0.0)
    optimizer = loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU).optimizer
    assert optimizer.lr == ours.plan.lr


def test_the_schedule_is_that_of_the_whole_plan(setting: Callable[..., Setting]) -> None:
    """Of a last batch that is not full, too, and however early the training stops."""
    rates = []
    for patience in (None, 1):
        ours = of_few(setting(training__batch_size=4, training__early_stopping=patience), epochs=5)
        optimizer = loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU).optimizer
        optimizer.steps = 5
        rates.append(optimizer.lr)
    warmup = math.ceil(ours.config.training.warmup * 10)
    factor = 0.5 * (1 + math.cos(math.pi * (5 - warmup) / (10 - warmup)))
    assert rates == pytest.approx([ours.plan.lr * factor] * 2)


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


def of_few(setting: Setting, *, epochs: int = 3) -> Setting:
    """The same with an epoch of one step, on a few examples."""
    examples = setting.examples
    setting.examples = replace(examples, train=examples.train[:6], dev=examples.dev[:8])
    setting.plan = replace(setting.plan, epochs=epochs)
    return setting


class StopsAt(Callback):
    """Stops at an epoch, and notes what it is told."""

    def __init__(self, epoch: int | None = None):
        self.at, self.epochs, self.replays, self.steps = epoch, list[int](), list[Any](), list[Any]()

    def on_epoch_end(self, record: EpochRecord) -> None:
        self.epochs.append(record.epoch)
        if record.epoch == self.at:
            raise StopTraining

    def on_replay(self, stage: str, epochs: int) -> None:
        self.replays.append((stage, epochs))

    def on_progress(self, step: str, done: int, total: int) -> None:
        self.steps.append((step, done, total))


class SlowDisk(CheckpointFile):
    def save(self, checkpoint: Checkpoint) -> None:
        time.sleep(0.03)
        super().save(checkpoint)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_callback_stops_the_stage_and_a_resumed_one_sees_its_epochs_again(
    setting: Callable[..., Setting], tmp_path: Path, at: int
) -> None:
    """Nothing is left to stop after the last epoch; the checkpoint holds the epoch that was stopped at."""
    ours, file, first = of_few(setting()), SlowDisk(tmp_path / "c", "k"), StopsAt(at)

    def fitted(callback: Callback) -> Fitted:
        return fit(
            ours.model, ours.objective, ours.examples, ours.plan, CPU, callback=callback, checkpoint=file
        )

    stopped = fitted(first)
    assert (first.epochs, first.replays) == ([1, 2, 3][:at], [])
    assert first.steps == [(f"student epoch {epoch}, steps", 1, 1) for epoch in first.epochs]
    assert [record.epoch for record in stopped.history] == first.epochs
    saved = file.load()
    assert saved is not None and len(saved.values["history"]) == saved.values["steps"] == at
    replayed, whole = StopsAt(at), StopsAt()
    again = fitted(replayed)
    assert (replayed.epochs, replayed.replays, replayed.steps) == (first.epochs, [("student", at)], [])
    assert stopped.stopped is again.stopped is (at < 3)
    assert again.history == stopped.history
    to_the_end = fitted(whole)
    assert not to_the_end.stopped
    assert whole.epochs == [1, 2, 3] and len(whole.steps) == 3 - at
    assert to_the_end.history[:at] == stopped.history


@pytest.mark.slow
@pytest.mark.parametrize("accumulation", [1, 4])
def test_the_record_of_an_epoch(setting: Callable[..., Setting], accumulation: int) -> None:
    """Of one step, so its losses are those of the model before; in parts or not, with the answers of each part."""
    apart = {"training__accumulation": accumulation, "data__missing": "allow"}
    ours = of_few(setting(training__warmup=0.0, **apart), epochs=2)
    lacking = np.arange(len(ours.table)) % 2 == 0
    ours.examples = replace(ours.examples, inputs=replace(ours.examples.inputs, absent=(lacking, None)))
    with torch.no_grad():
        ours.model.absent["image"].fill_(3.0)
    config = DistillationConfig(loss="vanilla", alpha=0.25, beta=50.0, T=2.0)
    classes = tuple(len(task.classes) for task in ours.table.tasks)
    loss = LOSSES["vanilla"](config, LossShapes(8, 8, classes, len(ours.examples.train)))
    ours.objective = Objective(config, ours.config.training, loss)
    random = np.random.default_rng(0)
    answers = [random.normal(size=(1, len(ours.table), count)) for count in classes]
    targets = Targets(tuple(each.astype(np.float32) for each in answers), {})
    (batch,) = eval_batches(ours.examples.inputs, ours.examples.train, batch_size=6, device=CPU.device)
    labels = torch.from_numpy(ours.examples.labels)[batch.rows]
    with torch.no_grad():
        output = ours.model.train()(batch.image, batch.text, batch.text_mask, absent=batch.absent)
        told = ModelOutput(
            tuple(torch.from_numpy(each[0][batch.rows]) for each in targets.logits), None, None, None
        )
        distillation = float(loss(output, told, labels, batch.rows))
        cross_entropy = sum(
            float(nn.functional.cross_entropy(logits, labels[:, task]))
            for task, logits in enumerate(output.logits)
        )
    began = time.perf_counter()
    seen: list[Any] = []

    class Looks(Callback):
        def on_epoch_end(self, record: EpochRecord) -> None:
            dev = ours.examples.dev
            answers = loop.predict(ours.model, ours.examples.inputs, dev, CPU)
            seen.append((ours.examples.labels[dev], answers, ours.examples.tasks))

    record, last = fit(
        ours.model, ours.objective, ours.examples, ours.plan, CPU, targets=targets, callback=Looks()
    ).history
    assert (record.stage, record.epoch, last.epoch) == ("student", 1, 2)
    assert record.cross_entropy == pytest.approx(cross_entropy, rel=1e-4)
    assert record.distillation == pytest.approx(distillation, rel=1e-4)
    assert record.train_loss == pytest.approx(0.25 * cross_entropy + distillation, rel=1e-4)
    assert record.dev_score == overall_score(*seen[0])
    assert record.macro_f1 == macro_f1_by_task(*seen[0])
    assert (record.lr, last.lr) == (pytest.approx(0.5 * ours.plan.lr), pytest.approx(0.0, abs=1e-12))
    assert 0 < record.seconds < time.perf_counter() - began


@pytest.mark.parametrize("bias", [3e38, math.nan])
def test_a_loss_that_is_infinite_or_no_number_ends_the_stage(
    setting: Callable[..., Setting], bias: float
) -> None:
    ours = of_few(setting())
    with torch.no_grad():
        ours.model.heads[0].bias[0], ours.model.heads[0].bias[-1] = -bias, bias
    with pytest.raises(FloatingPointError, match="student"):
        ours.fit()


@pytest.mark.slow
def test_it_trains_in_the_precision_of_the_model(setting: Callable[..., Setting]) -> None:
    losses = [
        of_few(setting(), epochs=1).fit(compute=compute).history[0].train_loss
        for compute in (CPU, replace(CPU, bf16=True, bf16_from=10**9), replace(CPU, bf16=True))
    ]
    assert losses[0] == losses[1] != losses[2] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.parametrize("name", ["vanilla", "attention_transfer"])
def test_maps_are_computed_for_a_loss_that_reads_them(setting: Callable[..., Setting], name: str) -> None:
    ours = setting()
    shapes = LossShapes(8, 8, tuple(len(task.classes) for task in ours.table.tasks), 4)
    loss = LOSSES[name](DistillationConfig(), shapes)
    ours.objective = Objective(DistillationConfig(), ours.config.training, loss)
    state = loop._State(ours.model, ours.objective, ours.examples, ours.plan, CPU)
    assert state.with_map is (name == "attention_transfer")
