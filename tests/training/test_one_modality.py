"""Models that read the image alone or the text alone: trained, resumed, taught, refused where a loss needs more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run_files import Calls, read_metrics
from safetensors.numpy import load_file

from distune.config import Config
from distune.distillation import LOSSES, shared_modalities, undefined
from distune.errors import ConfigError, UserError
from distune.models.classifier import build_classifier
from distune.models.outputs import ModelOutput
from distune.store import Store
from distune.training.callbacks import EpochRecord
from distune.training.keys import student_key
from distune.training.run import run
from distune.training.student import load_student

MakeConfig = Callable[..., Config]
IMAGE_STUDENT: dict[str, Any] = {"student__text": "none"}
TEXT_STUDENT: dict[str, Any] = {"student__vision": "none"}


def epochs(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_metrics(folder)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {**IMAGE_STUDENT, "distillation__loss": "combined", "distillation__gamma": 0.5},
        {**TEXT_STUDENT, "distillation__loss": "crd"},
        {"teacher__text": "none", "distillation__loss": "mmd", "data__augment": "light", "data__views": 2},
        {"teacher__vision": "none", "distillation__loss": "rkd", "data__augment": "light", "data__views": 2},
        {**IMAGE_STUDENT, "teacher__vision": "none", "distillation__loss": "vanilla"},
    ],
    ids=["image student", "text student", "image teacher", "text teacher", "nothing in common"],
)
def test_it_trains_and_a_resumed_run_ends_with_the_same_numbers(
    tiny_config: MakeConfig, tmp_path: Path, values: dict[str, Any]
) -> None:
    config = tiny_config(**values)
    whole = run(config, tmp_path / "whole", store=Store(tmp_path / "a"))
    store = Store(tmp_path / "b")

    def until_second(record: EpochRecord) -> bool:
        return not (record.stage == "student" and record.epoch == 2)

    assert run(config, tmp_path / "cut", store=store, callback=Calls(until_second)).stopped
    resumed = run(config, tmp_path / "cut", store=store)
    assert resumed.score == whole.score and whole.score is not None
    assert epochs(tmp_path / "cut") == epochs(tmp_path / "whole")
    ours, theirs = (load_file(tmp_path / name / "student.safetensors") for name in ("cut", "whole"))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True])
def test_the_missing_encoder_costs_nothing(tiny_config: MakeConfig, tmp_path: Path, frozen: bool) -> None:
    freeze = {f"{who}__vision__freeze": "all" for who in ("teacher", "student")} if frozen else {}
    store = Store(tmp_path / "store")
    config = tiny_config(**IMAGE_STUDENT, teacher__text="none", **freeze)
    run(config, tmp_path / "run", store=store)
    assert not {"tokens", "frozen_text", "text_means"} & (store.misses.keys() | store.hits.keys())
    student, _, _ = load_student(tmp_path / "run")
    assert student.text is None and student.fusion is None and student.modalities == ("image",)
    assert not [name for name in student.state_dict() if name.startswith(("text", "fusion"))]


@pytest.mark.slow
def test_a_text_model_reads_no_image(tiny_config: MakeConfig, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run(tiny_config(**TEXT_STUDENT, distillation__loss="none"), tmp_path / "run", store=store)
    assert "images" not in store.misses


def test_the_heads_read_the_projected_mean(tiny_config: MakeConfig, tmp_path: Path) -> None:
    """With one encoder nothing is fused; a fusion section, whatever it says, changes nothing."""
    from distune.data import read_table

    config = tiny_config(**IMAGE_STUDENT)
    other = tiny_config(**IMAGE_STUDENT, student__fusion="film", student__fusion_tokens="sequence")
    tasks = read_table(config.data).tasks
    models = [build_classifier(each.student, tasks, seed=5).eval() for each in (config, other)]
    pixels = torch.randint(0, 255, (3, 3, 32, 32), dtype=torch.uint8)
    first, second = (model(pixels, None, None) for model in models)
    assert torch.equal(first.logits[0], second.logits[0])
    assert torch.equal(first.logits[0], models[0].heads[0](first.image_feature))
    assert first.text_feature is None
    with pytest.raises(ValueError, match="image"):
        models[0](None, None, None)


@pytest.mark.parametrize("loss", LOSSES)
def test_feature_terms_sum_over_what_both_read(make_outputs: Callable[..., Any], loss: str) -> None:
    """A student without text has the term of a student whose text features are the teacher's turned by nothing."""
    student, teacher, labels, index, build = make_outputs(loss)
    alone = ModelOutput(student.logits, student.image_feature, None, student.image_map)
    term = build(("image",))(alone, teacher, labels, index)
    swapped = ModelOutput(teacher.logits, teacher.image_feature, None, teacher.image_map)
    assert torch.isfinite(term)
    assert torch.equal(term, build(("image",))(alone, swapped, labels, index))


@pytest.fixture
def make_outputs(tiny_config: MakeConfig) -> Callable[..., Any]:
    from distune.distillation import DistillationLoss, LossShapes

    def make(loss: str) -> Any:
        random = torch.Generator().manual_seed(0)

        def output(width: int, tokens: int) -> ModelOutput:
            logits = tuple(torch.randn(6, classes, generator=random) for classes in (2, 3))
            image, text = (torch.randn(6, width, generator=random) for _ in range(2))
            return ModelOutput(logits, image, text, torch.rand(6, tokens, generator=random))

        def build(modalities: Any) -> DistillationLoss:
            torch.manual_seed(1)
            shapes = LossShapes(4, 5, (2, 3), 6, modalities)
            return LOSSES[loss](tiny_config(distillation__gamma=0.5).distillation, shapes)

        labels = torch.zeros(6, 2, dtype=torch.int64)
        return output(4, 4), output(5, 9), labels, torch.arange(6), build

    return make


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_without_anything_to_compare_is_refused_by_name(
    tiny_config: MakeConfig, tmp_path: Path, loss: str
) -> None:
    config = tiny_config(**IMAGE_STUDENT, teacher__vision="none", distillation__loss=loss)
    assert shared_modalities(config) == ()
    refused = loss in {"combined", "crd", "rkd", "mmd", "similarity_preserving", "attention_transfer"}
    assert bool(undefined(config)) == refused
    if refused:
        with pytest.raises(ConfigError, match=f"distillation.loss: {loss} "):
            run(config, tmp_path / "run", store=Store(tmp_path / "store"))


def test_a_model_that_reads_nothing_is_refused(tiny_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match="student"):
        tiny_config(student__text="none", student__vision="none")


@pytest.mark.slow
def test_layers_that_the_teacher_lacks_cannot_be_copied(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config(teacher__text="none", student__init_from_teacher=True)
    with pytest.raises(UserError, match="init_from_teacher"):
        run(config, tmp_path / "run", store=Store(tmp_path / "store"))
    same = {"teacher__text": "none", "teacher__fusion_dim": 8}
    config = tiny_config(**IMAGE_STUDENT, **same, student__init_from_teacher=True)
    assert run(config, tmp_path / "both", store=Store(tmp_path / "store")).score is not None


def test_a_missing_encoder_is_another_key(tiny_config: MakeConfig) -> None:
    from distune.training.devices import compute_for

    configs = [tiny_config(), tiny_config(**IMAGE_STUDENT), tiny_config(**TEXT_STUDENT)]
    keys = [student_key(config, "data", compute_for(config.training)) for config in configs]
    assert all(keys[i] != keys[j] for i in range(3) for j in range(i))
