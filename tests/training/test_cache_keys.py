"""What invalidates a stored step and what does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from distune.config import Config
from distune.data import fingerprint, read_table
from distune.data.batches import train_batches
from distune.data.fingerprint import table_fingerprint
from distune.store import Store
from distune.training import keys, predictions
from distune.training.callbacks import Callback
from distune.training.devices import Compute
from distune.training.inputs.inputs import InputSteps
from distune.training.keys import student_key
from distune.training.run import run, run_teacher
from distune.training.teacher import teacher

MakeConfig = Callable[..., Config]
QUICK = {"teacher__epochs": 1, "student__epochs": 1}
FROZEN = QUICK | {
    f"{who}__{kind}__freeze": "all" for who in ("teacher", "student") for kind in ("vision", "text")
}


@pytest.fixture
def own_data(demo_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_root, tmp_path / "data"))


def misses(config: Config, folder: Path) -> set[str]:
    return set(run(config, folder).cache["misses"]) - {
        "regression"
    }  # evaluates a teacher; no run is made from it


IMAGE, TEXT = {"frozen_vision", "image_means"}, {"frozen_text", "text_means"}
ALL = {"images", "tokens", "teacher", "targets"} | IMAGE | TEXT

TRAINED = {"teacher", "targets"}


@pytest.fixture(scope="module")
def filled(tiny_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that a first run filled, which found nothing in it; tests must not change it."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTUNE_CACHE", str(folder / "cache"))
        assert misses(tiny_config(**FROZEN), folder / "first") == ALL
    return folder / "cache"


@pytest.fixture
def after_a_run(filled: Path, own_cache: Path) -> None:
    """What a first run kept lies in the cache."""
    shutil.copytree(filled, own_cache, dirs_exist_ok=True)


CHANGED_CONFIG: dict[str, tuple[dict[str, Any], set[str]]] = {
    "student only": ({"student__lr": 1e-4, "student__fusion_dim": 16}, set()),
    "loss only": ({"distillation__T": 5.0, "distillation__loss": "vanilla"}, set()),
    "loss on maps": ({"distillation__loss": "attention_transfer"}, {"targets"}),
    "whole sequences": ({"student__fusion_tokens": "sequence"}, set()),
    "name": ({"name": "other"}, set()),
    "cache size": ({"cache__max_gb": 1.0}, set()),
    "where the data lie": ({"data__on_bad_example": "drop"}, set()),
    "teacher": ({"teacher__lr": 1e-4}, {"teacher", "targets"}),
    "batch size": ({"training__batch_size": 8}, {"teacher", "targets"}),
    "longest text": ({"data__max_tokens": 8}, {"tokens", "teacher", "targets"} | TEXT),
    "image size": ({"data__image_size": 48}, {"images", "teacher", "targets"} | IMAGE),
    "frozen part": (
        {"teacher__vision__freeze": 1},
        {"frozen_vision", "teacher", "targets"},
    ),
    "seed of random frozen layers": (
        {"seed": 4},
        {"teacher", "targets"} | IMAGE | TEXT,
    ),
}


@pytest.mark.slow
@pytest.mark.usefixtures("after_a_run")
@pytest.mark.parametrize("case", CHANGED_CONFIG)
def test_config_values_that_matter_miss_and_others_hit(
    tiny_config: MakeConfig, tmp_path: Path, case: str
) -> None:
    changed, expected = CHANGED_CONFIG[case]
    assert misses(tiny_config(**{**FROZEN, **changed}), tmp_path / "second") == expected


@pytest.mark.slow
@pytest.mark.usefixtures("after_a_run")
def test_changed_image_misses(tiny_config: MakeConfig, own_data: Path, tmp_path: Path) -> None:
    config = tiny_config(**FROZEN, data__root=str(own_data))
    path = sorted((own_data / "images").iterdir())[0]
    image = Image.open(path).convert("L")
    image.putpixel((5, 5), (image.getpixel((5, 5)) + 128) % 256)
    image.save(path)
    assert misses(config, tmp_path / "second") == {"images", "teacher", "targets"} | IMAGE


@pytest.mark.slow
@pytest.mark.usefixtures("after_a_run")
def test_changed_caption_misses(tiny_config: MakeConfig, own_data: Path, tmp_path: Path) -> None:
    config = tiny_config(**FROZEN, data__root=str(own_data))
    path = own_data / "splitted_dataset/descriptions_train.jsonl"
    first, *others = path.read_text().splitlines()
    row = json.loads(first)
    row["Description"]["Caption"] += " Once more."
    path.write_text("\n".join([json.dumps(row), *others]) + "\n")
    assert misses(config, tmp_path / "second") == {"tokens", "teacher", "targets"} | TEXT


@pytest.mark.slow
def test_changed_weights_of_an_encoder_miss(tiny_config: MakeConfig, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    texts = tmp_path / "texts"
    config = tiny_config(**QUICK, teacher__text={"name": str(texts), "pretrained": True})
    (texts).mkdir()
    (texts / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    found = []
    for run_number in (1, 1, 2):
        torch.manual_seed(run_number)
        BertModel(BertConfig(vocab_size=6, **shape)).save_pretrained(texts)
        found.append(misses(config, tmp_path / str(len(found))))
    assert found == [{"images", "tokens"} | TRAINED, set(), TRAINED]


@pytest.mark.slow
def test_a_run_reads_each_image_file_once_for_its_hash(
    tiny_config: MakeConfig, demo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    located = fingerprint.located
    monkeypatch.setattr(fingerprint, "located", lambda path: hashed.append(path) or located(path))
    run(tiny_config(**QUICK), tmp_path / "run", check_images=False)
    assert len(hashed) == len(set(hashed)) == len(list((demo_root / "images").iterdir()))


@pytest.mark.slow
@pytest.mark.usefixtures("after_a_run")
def test_data_moved_elsewhere_hits(tiny_config: MakeConfig, own_data: Path, tmp_path: Path) -> None:
    assert misses(tiny_config(**FROZEN, data__root=str(own_data)), tmp_path / "second") == set()


NEW_VERSION = {
    "images": {"images"} | IMAGE | TRAINED,
    "tokens": {"tokens"} | TEXT | TRAINED,
    "frozen_vision": IMAGE | TRAINED,
    "frozen_text": TEXT | TRAINED,
    "image_means": {"image_means"} | TRAINED,
    "text_means": {"text_means"} | TRAINED,
    "teacher": TRAINED,
    "targets": {"targets"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("after_a_run")
@pytest.mark.parametrize("step", sorted(ALL))
def test_new_version_of_a_step_misses_with_all_that_is_made_from_it(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setitem(keys.CODE, step, 99)
    assert misses(tiny_config(**FROZEN), tmp_path / "second") == NEW_VERSION[step]


@pytest.mark.parametrize("step", [step for step in keys.CODE if step != "regression"])
def test_a_student_depends_on_the_version_of_every_step(
    tiny_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Its key is that of its checkpoints and of runs that are done."""
    compute = Compute(torch.device("cpu"), bf16=False)
    before = student_key(tiny_config(), "data", compute)
    monkeypatch.setitem(keys.CODE, step, 99)
    assert student_key(tiny_config(), "data", compute) != before


def test_a_student_alone_depends_on_nothing_of_the_teacher(
    tiny_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, compute = tiny_config(distillation__loss="none"), Compute(torch.device("cpu"), bf16=False)
    before = student_key(config, "data", compute)
    for step in ("teacher", "targets"):
        monkeypatch.setitem(keys.CODE, step, 99)
    assert student_key(config, "data", compute) == before


NEW_LIBRARY = {
    "opencv": {"images"} | IMAGE | TRAINED,
    "tokenizers": {"tokens"} | TEXT | TRAINED,
    "torch": IMAGE | TEXT | TRAINED,
    "transformers": ALL - {"images"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("after_a_run")
@pytest.mark.parametrize("library", NEW_LIBRARY)
def test_another_version_of_a_library_misses_what_it_computes(
    tiny_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    installed = keys.installed
    monkeypatch.setattr(keys, "installed", lambda name: "99" if name == library else installed(name))
    assert misses(tiny_config(**FROZEN), tmp_path / "second") == NEW_LIBRARY[library]


@pytest.mark.slow
@pytest.mark.parametrize("start", [run, run_teacher])
def test_the_configs_limit_is_the_stores(
    tiny_config: MakeConfig, tmp_path: Path, own_cache: Path, start: Callable[..., Any]
) -> None:
    start(tiny_config(**QUICK, data__max_tokens=8), tmp_path / "first")
    assert len(list((own_cache / "tokens").iterdir())) == 1
    start(tiny_config(**QUICK, cache__max_gb=1e-9), tmp_path / "second")
    assert len(list((own_cache / "tokens").iterdir())) == 1, "the first run's made room"
    start(tiny_config(**QUICK, data__max_tokens=8), tmp_path / "third")
    assert len(list((own_cache / "tokens").iterdir())) == 2


@pytest.mark.slow
def test_targets_equal_a_live_teacher_on_every_view(tiny_config: MakeConfig, tmp_path: Path) -> None:
    config = tiny_config(**QUICK, data__augment="light", data__views=3)
    compute = Compute(torch.device("cpu"), bf16=False)
    table = read_table(config.data)
    store = Store()
    steps = InputSteps(table, config.data, store, compute, config.seed)
    stage = teacher.TeacherStage(config, table, table_fingerprint(table), steps, store, compute)
    trained = stage.trained(Callback(), tmp_path / "checkpoint")
    stored: predictions.Targets = trained.targets()
    model = trained.model().eval()
    live_inputs = steps.for_model(model, config.teacher, trained.model_seed)
    seen_views = set()
    for epoch in range(3):
        for batch in train_batches(
            live_inputs, table.labels, table.rows("train"), batch_size=8, seed=1, epoch=epoch,
            device=compute.device, targets=stored.placed(compute.device),
        ):  # fmt: skip
            with torch.no_grad():
                live = model(batch.image, batch.text, batch.text_mask)
            kept = stored.at(batch)
            for ours, theirs in zip(live.logits, kept.logits, strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
            for name in predictions.FEATURES:
                torch.testing.assert_close(getattr(live, name), getattr(kept, name), atol=1e-6, rtol=1e-6)
            seen_views |= set(batch.views.tolist())
    assert seen_views == {0, 1, 2}
