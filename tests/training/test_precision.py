"""Which precision a device computes in: frozen layers, and models by what is trained of their encoders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run_files import read_metrics

from distune.config import Config, ModelConfig, TrainingConfig, parse_config
from distune.data.table import Task
from distune.models.classifier import Classifier, build_classifier
from distune.store import Store
from distune.training.devices import BF16_FROM, Compute, compute_for, resolved
from distune.training.run import run

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
SMALL = {"vision": "tiny-cnn", "text": "tiny-text", "fusion_dim": 512}
FROZEN = {
    "vision": "tiny-cnn",
    "text": {"name": "minilm-l6", "pretrained": False, "freeze": "all"},
    "fusion_dim": 512,
}
CONVOLUTIONS = {"vision": {"name": "efficientnet-lite0", "pretrained": False}, "text": "tiny-text"}
LARGE = {"vision": "tiny-cnn", "text": {"name": "minilm-l6", "pretrained": False, "freeze": 5}}


def classifier(section: dict[str, Any]) -> Classifier:
    config: ModelConfig = parse_config({"student": section}).student
    return build_classifier(config, [Task("modality", ("CT", "MR"))], seed=0, image_size=32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "device", "is_fast", "of_frozen", "of_small", "of_large"),
    [
        ("auto", CPU, True, True, False, True),
        ("auto", CPU, False, False, False, False),
        ("bf16", CPU, True, True, True, True),
        ("bf16", CPU, False, True, True, True),
        ("fp32", CPU, True, False, False, False),
        ("auto", CUDA, True, True, True, True),
        ("auto", CUDA, False, False, False, False),
    ],
)
def test_where_bf16_is_used(
    monkeypatch: pytest.MonkeyPatch,
    precision: Any,
    device: torch.device,
    is_fast: bool,
    of_frozen: bool,
    of_small: bool,
    of_large: bool,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": is_fast})
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: is_fast)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    found = resolved(TrainingConfig(device=str(device), precision=precision))
    assert found.bf16 is of_frozen
    for section in (SMALL, FROZEN, CONVOLUTIONS):
        assert found.for_model(classifier(section)).bf16 is of_small
    assert found.for_model(classifier(LARGE)).bf16 is of_large


@pytest.mark.slow
def test_training_targets_and_predictions_follow_the_decision(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    for precision in ("auto", "fp32", "bf16"):
        config = tiny_config(training__precision=precision)
        run(config, tmp_path / precision, store=Store(tmp_path / f"cache {precision}"))
    auto, fp32, bf16 = (
        [(line["train_loss"], line["dev_score"]) for line in read_metrics(tmp_path / precision)]
        for precision in ("auto", "fp32", "bf16")
    )
    assert auto == fp32 != bf16
    predictions = [(tmp_path / name / "predictions_dev.csv").read_text() for name in ("auto", "fp32")]
    assert predictions[0] == predictions[1]


def test_the_precision_is_named() -> None:
    assert Compute(CPU, bf16=False).precision == "fp32"
    assert Compute(CPU, bf16=True).precision == "bf16"
    assert Compute(CPU, True, 1000).precision == (
        "bf16 (fp32 for models whose encoders train fewer than 1,000 linear weights)"
    )


@pytest.mark.parametrize(("trained", "uses"), [(0, False), (-1, True), (1, False)])
def test_the_linear_weights_that_an_encoder_trains_decide(trained: int, uses: bool) -> None:
    """`trained` is how far they lie below what is asked for; those that are frozen do not count."""
    model = classifier(SMALL)
    encoders = [module for encoder in model.encoders for module in encoder.modules()]
    weights = [module.weight for module in encoders if isinstance(module, torch.nn.Linear)]
    count = sum(weight.numel() for weight in weights)
    assert count
    if trained:
        found = Compute(CPU, True, count + trained, deterministic=True).for_model(model)
        assert found == Compute(CPU, uses, 0, deterministic=True)
    else:
        assert Compute(CPU, True, count).for_model(model).bf16
        weights[0].requires_grad_(False)
        assert not Compute(CPU, True, count).for_model(model).bf16
    assert not Compute(CPU, False, 0).for_model(model).bf16


@pytest.mark.parametrize(
    ("precision", "capabilities", "expected"),
    [
        ("auto", {"avx512_bf16": True, "amx_bf16": False}, (True, BF16_FROM)),
        ("auto", {"avx512_bf16": False, "amx_bf16": True}, (True, BF16_FROM)),
        ("auto", {"avx512": True}, (False, 0)),
        ("bf16", {}, (True, 0)),
        ("fp32", {"avx512_bf16": True}, (False, 0)),
    ],
)
@pytest.mark.parametrize("deterministic", [False, True])
def test_the_precision_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
    precision: Any,
    capabilities: dict[str, bool],
    expected: tuple[bool, int],
    deterministic: bool,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    found = resolved(TrainingConfig(device="cpu", precision=precision, deterministic=deterministic))
    assert found == Compute(CPU, *expected, deterministic)
    assert not found.keeps_encoders and found.peak_memory_mb() is None
    assert Compute(CUDA, True).keeps_encoders


@pytest.mark.parametrize(
    ("precision", "is_fast", "uses"),
    [("auto", True, True), ("auto", False, False), ("bf16", False, True), ("fp32", True, False)],
)
def test_on_a_gpu_models_of_every_size_are_trained_alike(
    monkeypatch: pytest.MonkeyPatch, precision: Any, is_fast: bool, uses: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: is_fast or including_emulation
    )
    found = resolved(TrainingConfig(device="cuda:1", precision=precision))
    assert found == Compute(torch.device("cuda:1"), uses, 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2**20 * (2 + device.index))
    assert found.peak_memory_mb() == 3.0


def test_apples_gpu_trains_in_fp32_until_somebody_has_measured_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = resolved(TrainingConfig(device="auto", precision="auto"))
    assert (str(found.device), found.bf16, found.name) == ("mps:0", False, "Apple GPU (mps)")
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 5 * 2**19)
    assert found.peak_memory_mb() == 2.5


@pytest.mark.parametrize(("deterministic", "workspace"), [(True, ":4096:8"), (False, None)])
def test_a_process_is_set_up_for_each_run_anew(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool, workspace: str | None
) -> None:
    """A worker trains one trial after the other: what the last one asked for does not stay."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # to be as it was after the test, whatever is set in it
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    asked: list[Any] = []
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: not deterministic)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *a, **k: asked.append((*a, k)))
    monkeypatch.setattr("distune.training.devices.reset_peak_memory", lambda: asked.append("reset"))
    compute_for(TrainingConfig(device="cpu", deterministic=deterministic, threads=3))
    assert asked == [(deterministic, {"warn_only": True}), "reset"]
    assert torch.get_num_threads() == 3
    compute_for(TrainingConfig(device="cpu"))
    assert torch.get_num_threads() == 3
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == workspace
