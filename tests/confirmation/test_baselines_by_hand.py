"""A baseline knows nothing of the split that it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.config import Config, as_dict, with_values
from distune.confirmation import baselines
from distune.confirmation.baselines import (
    BASELINES,
    SETTINGS,
    _evaluate_folds,
    _word_weights,
    ends_of_grid,
    evaluate_baselines,
    frozen_features,
)
from distune.confirmation.evaluation import Evaluation
from distune.data import Table, read_table
from distune.errors import UserError
from distune.store import Store
from distune.training.files.prediction_files import read_split_predictions
from distune.training.teacher.regression import STRENGTHS, fitted, standardised_columns
from tests.stand_ins import refusing_as


def test_words_are_weighted_by_train_alone(tiny_config: Callable[..., Config]) -> None:
    config = tiny_config()
    table = read_table(config.data)
    train = set(table.rows("train").tolist())
    other = replace(
        table,
        texts=tuple(
            text if row in train else f"unheard word number {row}" for row, text in enumerate(table.texts)
        ),
    )
    first, second = (_word_weights(one)[sorted(train)] for one in (table, other))
    assert first.shape == second.shape and (first != second).nnz == 0


@pytest.mark.slow
def test_features_are_scaled_by_the_train_part_of_each_fold(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny_config()
    whole = read_table(config.data)
    whole = replace(
        whole, ids=whole.ids[1:] + whole.ids[:1], labels=np.roll(whole.labels, -1, axis=0)
    )  # its own order
    raw = np.random.default_rng(0).normal(size=(len(whole), 3)) * [1.0, 20.0, 300.0] + whole.labels[:, :1]
    evaluation = Evaluation(whole, Store(tmp_path / "cache"), 5, 1, "cpu")
    _evaluate_folds(evaluation, config, 2, tmp_path, "features_image", raw)
    for number in (1, 2):
        folded = with_values(config, {"data.fold": {"number": number, "of": 2}})
        table = read_table(folded.data)
        own = raw[[whole.ids.index(each) for each in table.ids]]
        dev, scaled = table.rows("dev"), standardised_columns(own, table.rows("train"))
        found = read_split_predictions(tmp_path / f"fold_{number}", "dev", table.tasks)
        assert found is not None and found.ids == tuple(table.ids[row] for row in dev)
        for column, rows in enumerate(found.probabilities):
            assert np.abs(rows - fitted(table, column, scaled)[1](dev)).max() < 1e-5
    joined = read_split_predictions(tmp_path, "folds", whole.tasks)
    assert (
        joined is not None
        and sorted(joined.ids) == list(joined.ids)
        and len(set(joined.ids)) == len(joined.ids)
    )


@pytest.mark.parametrize("name", ["text_tfidf", "majority", "features_image"])
def test_words_and_scales_are_those_of_the_train_part_of_each_fold(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = tiny_config()
    whole = read_table(config.data, check_images=False)
    given: list[Any] = []

    def noting(table: Table, place: int, inputs: Any) -> Any:
        given.append(inputs)
        return fitted(table, place, None)

    monkeypatch.setattr(baselines, "fitted", noting)
    raw = np.random.default_rng(0).normal(size=(len(whole), 2))
    of_all = {"text_tfidf": _word_weights(whole), "features_image": raw}.get(name)
    _evaluate_folds(
        Evaluation(whole, Store(tmp_path / "cache"), 5, 1, "cpu"), config, 2, tmp_path, name, of_all
    )
    for number, inputs in zip((1, 2), given[:: len(whole.tasks)], strict=True):
        folded = with_values(config, {"data.fold": {"number": number, "of": 2}})
        table = read_table(folded.data, check_images=False)
        own = raw[[whole.ids.index(each) for each in table.ids]]
        if name == "features_image":
            np.testing.assert_array_equal(inputs, standardised_columns(own, table.rows("train")))
        else:
            assert inputs is None if name == "majority" else (inputs != _word_weights(table)).nnz == 0


def test_a_baseline_answers_each_split_and_keeps_its_settings(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    table = read_table(tiny_config().data, check_images=False)
    evaluation = Evaluation(table, Store(tmp_path / "cache"), 5, 1, "cpu")
    baselines._write_baseline(evaluation, tmp_path, None)
    assert {path.name for path in tmp_path.glob("predictions_*")} == {
        "predictions_dev.csv",
        "predictions_test.csv",
    }
    evaluation.mark(tmp_path, "", SETTINGS)
    assert baselines._read_settings(tmp_path).keys() == {task.name for task in table.tasks}
    (tmp_path / SETTINGS).write_text("{}")
    with pytest.raises(UserError, match="was changed"):
        baselines._read_settings(tmp_path)


@pytest.mark.slow
def test_each_baseline_is_fitted_on_its_own_inputs_and_kept(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One penalty is tried here, and the inputs that each baseline is given are noted."""
    config = tiny_config(data__image_size=32)
    table = read_table(config.data, check_images=False)
    given: list[Any] = []

    def noting(table: Table, place: int, inputs: Any) -> Any:
        given.append(inputs)
        return fitted(table, place, inputs, (0.1,))

    monkeypatch.setattr(baselines, "fitted", noting)
    built: list[Config] = []

    def once(evaluation: Evaluation, config: Config) -> Any:
        built.append(config)
        return frozen_features(evaluation, config)

    monkeypatch.setattr(baselines, "frozen_features", refusing_as(frozen_features, once))
    store = Store(tmp_path / "cache")
    evaluation = Evaluation(table, store, 5, 1, "cpu")
    settings = evaluate_baselines(evaluation, config, tmp_path)
    assert tuple(settings) == BASELINES and built == [config], "the encoders run once for three baselines"
    features, words = frozen_features(evaluation, config), _word_weights(table)
    expected = dict(
        zip(BASELINES, (None, words, features.joined, features.image, features.text), strict=True)
    )
    by_name = dict(zip(BASELINES, given[:: len(table.tasks)], strict=True))
    assert by_name["majority"] is None and (by_name["text_tfidf"] != words).nnz == 0
    for name in BASELINES[2:]:
        np.testing.assert_array_equal(by_name[name], expected[name])
    for name, inputs in expected.items():
        folder = tmp_path / "baselines" / name
        assert (folder / SETTINGS).is_file()
        for split in ("dev", "test"):
            found, rows = read_split_predictions(folder, split, table.tasks), table.rows(split)  # type: ignore[arg-type]
            assert found is not None and found.ids == tuple(table.ids[row] for row in rows)
            for place, answers in enumerate(found.probabilities):
                about, answer = fitted(table, place, inputs, (0.1,))
                assert settings[name][table.tasks[place].name] == about
                np.testing.assert_allclose(answers, answer(rows), atol=1e-6)
    count = len(given)
    assert evaluate_baselines(evaluation, config, tmp_path) == settings and len(given) == count
    only_dev = Evaluation(table, store, 5, 0, "cpu")
    evaluate_baselines(only_dev, config, tmp_path / "dev")
    assert not list((tmp_path / "dev").rglob("predictions_test.csv"))
    given.clear()
    evaluate_baselines(evaluation, with_values(config, {"student.lr": 1e-4}), tmp_path)
    assert len(given) == len(BASELINES) * len(table.tasks), "of another config"
    (tmp_path / "baselines/majority" / SETTINGS).write_text('{"modality": {"C": 1}}')
    with pytest.raises(UserError, match="was changed"):
        evaluate_baselines(evaluation, with_values(config, {"student.lr": 1e-4}), tmp_path)


@pytest.mark.slow
def test_baselines_of_folds_are_made_once_for_that_number_of_them(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(data__image_size=32)
    made: list[Any] = []
    noting = refusing_as(_evaluate_folds, lambda *given: made.append((given[4], given[2])))
    monkeypatch.setattr(baselines, "fitted", lambda table, place, inputs: fitted(table, place, None))
    table = read_table(config.data, check_images=False)
    evaluation = Evaluation(table, Store(tmp_path / "cache"), 5, 0, "cpu")
    with monkeypatch.context() as killed, pytest.raises(TypeError):
        killed.setattr(baselines, "_evaluate_folds", None)
        evaluate_baselines(evaluation, config, tmp_path, 2)
    monkeypatch.setattr(baselines, "_evaluate_folds", noting)
    for folds in (2, 2, 3):
        evaluate_baselines(evaluation, config, tmp_path, folds)
    assert made == [(name, folds) for folds in (2, 3) for name in BASELINES]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"student__text": "none"}, BASELINES),  # the teacher's stands in
        ({"student__text": "none", "teacher__text": "none"}, ("majority", "text_tfidf", "features_image")),
        ({"student__vision": "none", "teacher__vision": "none"}, ("majority", "text_tfidf", "features_text")),
    ],
)
def test_features_are_of_what_student_or_teacher_read(
    tiny_config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    expected: tuple[str, ...],
) -> None:
    config = tiny_config(**values, data__image_size=32)
    monkeypatch.setattr(baselines, "fitted", lambda table, place, inputs: fitted(table, place, None))
    table = read_table(config.data, check_images=False)
    evaluation = Evaluation(table, Store(tmp_path / "cache"), 5, 0, "cpu")
    assert tuple(evaluate_baselines(evaluation, config, tmp_path)) == expected


def test_an_encoder_that_the_student_lacks_is_its_teachers_and_all_are_frozen(
    tiny_config: Callable[..., Config],
) -> None:
    config = tiny_config(student__text="none", teacher__text__layers=1, student__vision__freeze=1)
    assert baselines._frozen_encoder(config, "text") == {**as_dict(config.teacher.text), "freeze": "all"}
    assert baselines._frozen_encoder(config, "vision") == {**as_dict(config.student.vision), "freeze": "all"}


def test_words_are_single_ones_and_pairs_and_none_where_train_has_none(
    tiny_config: Callable[..., Config],
) -> None:
    config = tiny_config()
    table = read_table(config.data, check_images=False)
    texts = tuple("big round mass" if split == "train" else "big cat" for split in table.splits)
    found = _word_weights(replace(table, texts=texts))
    assert found.shape == (len(table), 5)  # big, round, mass, big round, round mass
    assert found[int(table.rows("dev")[0])].nnz == 1, "cat is in no text of train"
    empty = tuple("" if split == "train" else "big cat" for split in table.splits)
    assert _word_weights(replace(table, texts=empty)) is None


def test_a_penalty_at_either_end_of_what_is_tried_is_said() -> None:
    chosen = {"a": {"C": STRENGTHS[0]}, "b": {"C": STRENGTHS[-1]}, "c": {"C": STRENGTHS[1]}, "d": {}}
    (said,) = ends_of_grid({"text_tfidf": chosen, "majority": {"c": {"C": STRENGTHS[1]}}})
    assert said.startswith("The baseline text_tfidf") and " for a, b: " in said
