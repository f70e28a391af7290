"""Every fusion with every loss, and every encoder family, through a whole run at tiny size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distune.config import Config
from distune.distillation import LOSSES
from distune.models.fusion import FUSIONS
from distune.store import Store
from distune.training.files.prediction_files import read_split_predictions
from distune.training.run import run
from distune.training.scoring.scores import overall_score
from distune.training.student import build_student, load_student

pytestmark = pytest.mark.slow

MakeConfig = Callable[..., Config]
TRANSFORMER = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
IMAGES = {"image_size": 16, "patch_size": 8}
WORDS = {"vocab_size": 40, "max_position_embeddings": 24}
VISION: dict[str, dict[str, Any]] = {
    "vit": {**TRANSFORMER, **IMAGES},
    "deit": {**TRANSFORMER, **IMAGES},
    "dinov2": {**TRANSFORMER, **IMAGES},
    "mobilevit": {
        "hidden_sizes": [8, 12, 16],
        "neck_hidden_sizes": [4, 4, 8, 8, 8, 8, 16],
        "image_size": 32,
        "num_attention_heads": 2,
    },
}
TEXT: dict[str, dict[str, Any]] = {
    "bert": {**TRANSFORMER, **WORDS},
    "distilbert": {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8, **WORDS},
    "mobilebert": {**TRANSFORMER, **WORDS, "embedding_size": 8, "intra_bottleneck_size": 8},
    "electra": {**TRANSFORMER, **WORDS, "embedding_size": 8},
}


@pytest.fixture(scope="module")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from distune.data.demo.demo import write_demo

    root = tmp_path_factory.mktemp("data") / "demo"
    write_demo(root, seed=2, examples=40)
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all runs: images, tokens and each fusion's teacher are computed once."""
    return Store(tmp_path_factory.mktemp("zoo"))


def shortest(tiny_config: MakeConfig, root: Path, **values: Any) -> Config:
    """One epoch of each model, as small as it gets."""
    smallest = {
        "data__root": str(root), "data__max_tokens": 8, "teacher__epochs": 1, "student__epochs": 1,
        "teacher__fusion_dim": 8, "student__fusion_dim": 8, "teacher__fusion_tokens": "sequence",
        "student__fusion_tokens": "sequence", "training__warmup": 0.0, "distillation__gamma": 0.5,
    }  # fmt: skip
    return tiny_config(**{**smallest, **values})


def assert_whole_run(config: Config, folder: Path, store: Store) -> None:
    """Every epoch's loss is the sum of its parts, the score that of the predictions, and the student was trained."""
    result = run(config, folder, store=store, check_images=False)
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    stages = ["teacher", "student"] if LOSSES[config.distillation.loss].uses_teacher else ["student"]
    assert [epoch["stage"] for epoch in epochs] == stages
    for epoch in epochs:
        is_taught = len(stages) == 2 and epoch["stage"] == "student"
        assert (epoch["distillation"] != 0) is is_taught and epoch["cross_entropy"] > 0
        alpha = config.distillation.alpha if epoch["stage"] == "student" else 1.0
        penalty = epoch["train_loss"] - alpha * epoch["cross_entropy"] - epoch["distillation"]
        costs = getattr(config, epoch["stage"]).fusion == "energy_aware"
        assert 0.001 < penalty < 1 if costs else penalty == pytest.approx(0, abs=1e-4)
    written = json.loads((folder / "results.json").read_text())
    assert written["score"] == result.score == epochs[-1]["dev_score"]
    assert_trained(folder)
    answers = read_split_predictions(folder, "dev")
    assert answers is not None and len(answers.ids) > 1
    assert written["score"] == pytest.approx(
        overall_score(answers.labels, answers.probabilities, answers.tasks)
    )


def assert_trained(folder: Path) -> None:
    """Nothing decays a bias, so one that moved was trained; of the encoders those move that are not frozen."""
    student, config, tasks = load_student(folder)
    before, after = build_student(config, tasks).state_dict(), student.state_dict()
    assert all(bool(value.isfinite().all()) for value in after.values())
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved >= {"image_projection.bias", "text_projection.bias", "heads.0.bias", "heads.1.bias"}
    encoders = {"vision": config.student.vision, "text": config.student.text}
    for name, encoder in encoders.items():
        assert any(each.startswith(f"{name}.") for each in moved) is (encoder.freeze != "all"), name


# A loss sees a fusion's outputs only: the logits, the pooled features and the map. So every loss is tried with one
# fusion, in turn, and every fusion with a loss that reads the features and with one that reads the map.
TOGETHER = sorted(
    {
        *((list(FUSIONS)[number % len(FUSIONS)], loss) for number, loss in enumerate(LOSSES)),
        *((fusion, loss) for fusion in FUSIONS for loss in ("combined", "attention_transfer")),
    }
)


def test_every_loss_and_every_fusion_is_tried() -> None:
    assert {fusion for fusion, _ in TOGETHER} == set(FUSIONS)
    assert {loss for _, loss in TOGETHER} == set(LOSSES)
    assert LOSSES["attention_transfer"].uses_map and LOSSES["combined"].uses_teacher


@pytest.mark.parametrize(("fusion", "loss"), TOGETHER)
def test_every_fusion_and_every_loss(
    fusion: str, loss: str, tiny_config: MakeConfig, small_root: Path, store: Store, tmp_path: Path
) -> None:
    config = shortest(
        tiny_config, small_root, teacher__fusion=fusion, student__fusion=fusion, distillation__loss=loss
    )
    assert_whole_run(config, tmp_path / "run", store)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model folder of each transformers family; its weights are random."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModel

    root = tmp_path_factory.mktemp("folders")
    words = {
        word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "CT", "of", "a"])
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    for family, values in {**VISION, **TEXT}.items():
        torch.manual_seed(5)
        AutoModel.from_config(AutoConfig.for_model(family, **values)).save_pretrained(root / family)
        if family in TEXT:
            tokenizer.save(str(root / family / "tokenizer.json"))
    return {family: str(root / family) for family in (*VISION, *TEXT)}


PAIRS = [*zip(VISION, TEXT, strict=True), ("tiny-cnn", "tiny-text"), ("efficientnet-lite0", "tiny-text")]


@pytest.mark.parametrize("frozen", [False, True], ids=["trained", "frozen"])
@pytest.mark.parametrize(("vision", "text"), PAIRS)
def test_every_encoder_family(
    vision: str,
    text: str,
    frozen: bool,
    folders: dict[str, str],
    tiny_config: MakeConfig,
    small_root: Path,
    store: Store,
    tmp_path: Path,
) -> None:
    values: dict[str, Any] = {}
    for role in ("teacher", "student"):
        for part, name in (("vision", vision), ("text", text)):
            values[f"{role}__{part}__name"] = folders.get(name, name)
            values[f"{role}__{part}__freeze"] = "all" if frozen else "none"
        if vision.startswith(
            "efficientnet"
        ):  # without its package: random weights, and only the first blocks
            values |= {f"{role}__vision__pretrained": False, f"{role}__vision__layers": 2}
            values |= {"data__image_size": 32}
    assert_whole_run(shortest(tiny_config, small_root, **values), tmp_path / "run", store)
