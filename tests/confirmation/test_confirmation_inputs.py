"""Missing and foreign inputs, and the baselines, each against a way that shares no code with theirs."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from confirmation_helpers import numbers_of
from sklearn.metrics import f1_score

from distune.config import Config
from distune.confirmation.baselines import BASELINES, evaluate_baselines, frozen_features
from distune.confirmation.candidates import config_identity
from distune.confirmation.evaluation import Evaluation
from distune.confirmation.missing_inputs import Conditions, swapped
from distune.data import Table, fingerprint, read_table
from distune.data.batches import ModelInputs
from distune.errors import UserError
from distune.store import Store, key_of
from distune.training.devices import Compute
from distune.training.predictions import predict
from distune.training.student import build_student, student_seed

MakeConfig = Callable[..., Config]
FROZEN = {"student__vision__freeze": 1, "student__text__freeze": "all"}

MEANS = {"student__vision__freeze": "all", "student__text__freeze": "all"}


def evaluation_of(table: Table, opening: int = 1) -> Evaluation:
    return Evaluation(table, Store(), 5, opening, "cpu")


@pytest.mark.slow
def test_all_models_share_the_hashes_of_the_image_files(
    tiny_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, hashed, located = tiny_config(), [], fingerprint.located
    monkeypatch.setattr(fingerprint, "located", lambda path: hashed.append(path) or located(path))
    evaluation = evaluation_of(read_table(config.data))
    for seed in (1, 2):
        evaluation.steps(tiny_config(seed=seed)).pixels(32)
    assert hashed and len(hashed) == len(set(hashed))


def answers(table: Table, config: Config, condition: str | None = None, split: str = "test") -> list[Any]:
    """What an untrained student answers."""
    steps = evaluation_of(table).steps(config)
    model, rows = build_student(config, table.tasks), table.rows(split)  # type: ignore[arg-type]
    inputs = steps.for_model(model, config.student, student_seed(config))
    if condition:
        changed = Conditions(table, 5).make(condition, rows, model, steps, inputs)
        assert changed is not None
        inputs = changed
    return predict(model, inputs, rows, steps.compute)


def same(first: list[Any], second: list[Any]) -> bool:
    return all(np.allclose(one, other, atol=1e-6) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="trained"),
        pytest.param(FROZEN, id="frozen", marks=pytest.mark.slow),
        pytest.param({**FROZEN, "training__precision": "bf16"}, id="frozen in bf16", marks=pytest.mark.slow),
        pytest.param(MEANS, id="means of frozen tokens", marks=pytest.mark.slow),
    ],
)
class TestConditions:
    """Each condition equals the full input of a data set that was changed on disk."""

    def test_without_text_is_a_data_set_of_empty_texts(
        self, tiny_config: MakeConfig, values: dict[str, Any]
    ) -> None:
        config = tiny_config(**values)
        table = read_table(config.data)
        found = answers(table, config, "without_text")
        assert same(found, answers(replace(table, texts=("",) * len(table)), config))
        assert not same(found, answers(table, config))

    def test_without_image_is_a_data_set_of_one_flat_colour(
        self, tiny_config: MakeConfig, values: dict[str, Any], tmp_path: Path
    ) -> None:
        config = tiny_config(**values)
        table = read_table(config.data)
        pixels = np.stack([cv2.imread(table.images[row]) for row in table.rows("train")])
        flat = np.zeros((64, 64, 3), np.uint8) + np.rint(pixels.mean(axis=(0, 1, 2))).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "flat.png"), flat)
        found = answers(table, config, "without_image")
        assert same(found, answers(replace(table, images=(str(tmp_path / "flat.png"),) * len(table)), config))
        assert not same(found, answers(table, config))

    def test_other_text_is_a_data_set_with_swapped_texts(
        self, tiny_config: MakeConfig, values: dict[str, Any]
    ) -> None:
        config = tiny_config(**values)
        table = read_table(config.data)
        rows = table.rows("test")
        donors = swapped([table.groups[row] for row in rows], 5)
        assert donors is not None
        texts = list(table.texts)
        for row, donor in zip(rows, rows[donors], strict=True):
            texts[row] = table.texts[donor]
        found = answers(table, config, "other_text")
        assert same(found, answers(replace(table, texts=tuple(texts)), config))
        assert not same(found, answers(table, config))


def test_the_flat_image_has_the_mean_colour_of_the_train_images_alone() -> None:
    pixels = np.zeros((4, 3, 2, 2), np.uint8)
    pixels[0, 0], pixels[1, 0], pixels[0, 1, 0, 0], pixels[2:] = 10, 31, 110, 255
    splits = ("train", "train", "dev", "test")
    empty = ("",) * 4
    table = Table(Path(), tuple("abcd"), empty, empty, np.zeros((4, 0), np.int64), empty, splits, ())
    vision = SimpleNamespace(image_size=2, prefix=lambda image: image)
    model: Any = SimpleNamespace(vision=vision, can_miss=False)
    steps: Any = SimpleNamespace(
        pixels=lambda size: (pixels,), compute=Compute(torch.device("cpu"), bf16=False)
    )
    inputs = ModelInputs(pixels[None], None)
    found = Conditions(table, 5).make("without_image", table.rows("test"), model, steps, inputs)
    assert found is not None and found.image is not None and found.image.shape == (1, 4, 3, 2, 2)
    # (10 + 31) / 2 rounds to the even 20; (110 / 4 + 0) / 2 to 14
    assert [np.unique(found.image[0, :, channel]).tolist() for channel in range(3)] == [[20], [14], [0]]


@pytest.mark.parametrize("seed", range(20))
def test_swapped_texts_come_from_one_other_case_for_the_whole_case(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = [f"case-{random.integers(2 + seed)}" for _ in range(40)] + ["case-0", "case-1"]
    donors = swapped(groups, seed)
    assert donors is not None
    pairs = {(group, groups[donor]) for group, donor in zip(groups, donors, strict=True)}
    assert len(pairs) == len(set(groups)) == len({donor for _, donor in pairs})
    assert all(group != donor for group, donor in pairs)
    assert np.array_equal(donors, swapped(groups, seed))


def test_a_single_case_has_nobody_to_swap_with() -> None:
    assert swapped(["only", "only"], 1) is None


@pytest.mark.slow
def test_a_trained_student_misses_what_is_taken_away(finished: Path) -> None:
    run = next((finished.with_suffix("") / "confirmation" / "base").glob("seed_*"))
    written = {path.name: path.read_text() for path in run.glob("predictions_test*.csv")}
    assert len(written) == 4 == len(set(written.values()))
    splits = numbers_of(finished)["contenders"]["base"]["splits"]["test"]
    for condition in splits["conditions"].values():
        assert condition["change"]["mean"] == pytest.approx(
            condition["score"]["mean"] - splits["score"]["mean"]
        )


@pytest.mark.parametrize("content", ['{"modality": {"C": ', "[1]", '{"modality": 1}'])
def test_damaged_settings_of_a_baseline_are_named(
    tiny_config: MakeConfig, tmp_path: Path, content: str
) -> None:
    config = tiny_config()
    evaluation = evaluation_of(read_table(config.data))
    folder = tmp_path / "baselines" / BASELINES[0]
    folder.mkdir(parents=True)
    evaluation.mark(folder, key_of(config_identity(config)))
    (folder / "settings.json").write_text(content)
    with pytest.raises(UserError, match=r"majority/settings\.json is damaged"):
        evaluate_baselines(evaluation, config, tmp_path)


@pytest.mark.slow
class TestBaselines:
    def test_majority_by_hand(self, finished: Path, demo_root: Path) -> None:
        table = read_table_of(finished, demo_root)
        scores = []
        for column in range(len(table.tasks)):
            train = Counter(table.labels[table.rows("train"), column].tolist())
            truth = table.labels[table.rows("test"), column]
            scores.append(f1_score(truth, [train.most_common(1)[0][0]] * len(truth), average="macro"))
        about = numbers_of(finished)["contenders"]["majority"]
        assert about["splits"]["test"]["scores"] == pytest.approx([np.mean(scores)])
        assert about["splits"]["test"]["tasks"]["modality"]["auc"]["mean"] == 0.5
        assert about["kind"] == "baseline" and about["seeds"] == []

    def test_words_and_features_tell_more_than_guessing(self, finished: Path) -> None:
        contenders = numbers_of(finished)["contenders"]
        scores = {name: contenders[name]["splits"]["test"]["score"]["mean"] for name in BASELINES}
        assert all(scores[name] > scores["majority"] + 0.1 for name in BASELINES[1:]), scores

    def test_the_same_every_time_and_blind_to_the_test_labels(
        self, tiny_config: MakeConfig, tmp_path: Path
    ) -> None:
        config = tiny_config()
        table = read_table(config.data)
        labels = table.labels.copy()
        labels[table.rows("test")] = labels[table.rows("test")][::-1]
        for folder, each in (("a", table), ("b", table), ("c", replace(table, labels=labels))):
            evaluate_baselines(evaluation_of(each), config, tmp_path / folder)
        for name in BASELINES:
            found = [probabilities(tmp_path / folder / "baselines" / name) for folder in "abc"]
            assert found[0] == found[1] == found[2]

    def test_features_are_the_mean_normalised_tokens_of_encoders_that_nobody_trained(
        self, tiny_config: MakeConfig
    ) -> None:
        import torch

        config = tiny_config(data__image_size=None)
        table = read_table(config.data)
        found = frozen_features(evaluation_of(table), config)
        model, train = build_student(config, table.tasks).eval(), table.rows("train")
        pixels = [cv2.imread(path)[:, :, ::-1].transpose(2, 0, 1) for path in table.images]
        with torch.no_grad():
            image = model.image_norm(model.vision(torch.from_numpy(np.stack(pixels)))).mean(1).numpy()
            ids = model.text.tokenizer.encode(table.texts, config.data.max_tokens)
            text = [
                model.text_norm(model.text(torch.tensor([each]), None))[0].mean(0).numpy() for each in ids
            ]
        for pooled, features in ((image, found.image), (np.stack(text), found.text)):
            expected = (pooled - pooled[train].mean(0)) / pooled[train].std(0)
            np.testing.assert_allclose(features, expected, atol=1e-3)


def read_table_of(finished: Path, demo_root: Path) -> Table:
    from confirmation_helpers import config_on

    return read_table(config_on(demo_root).data)


def probabilities(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions_test.csv").open(newline="") as handle:
        return [{k: v for k, v in row.items() if k.startswith("p_")} for row in csv.DictReader(handle)]
