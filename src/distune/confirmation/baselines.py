"""Baselines that cost seconds: how far one gets without training a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distune.config import Config, EncoderConfig, as_dict, with_values
from distune.confirmation.candidates import config_identity
from distune.confirmation.evaluation import Evaluation
from distune.confirmation.statistics.files import baseline_folder, join_folds
from distune.data import read_table
from distune.data.table import Table
from distune.errors import UserError, is_of_the_machine
from distune.store import key_of
from distune.training.files.prediction_files import write_predictions
from distune.training.files.run_folder import check_unchanged, write_json
from distune.training.student import build_student, student_seed
from distune.training.teacher.regression import (
    STRENGTHS,
    Features,
    fitted,
    pooled_features,
    standardised_columns,
)
from distune.tuning.trials.folds import fold_folder
from distune.utils.files.json_files import read_json

BASELINES = ("majority", "text_tfidf", "features_image_text", "features_image", "features_text")
NEEDS = {
    "features_image_text": ("image", "text"),
    "features_image": ("image",),
    "features_text": ("text",),
}
"""What the encoders must read, by baseline; the others need no encoder."""
PARTS = ("vision", "text")
LARGEST_VOCABULARY = 20_000
SETTINGS = "settings.json"


def evaluate_baselines(
    evaluation: Evaluation, config: Config, confirmation: Path, folds: int | None = None
) -> dict[str, Any]:
    """Fits every baseline on train and writes its predictions; what was made for the same config is kept.

    Args:
        evaluation: table, splits and store.
        config: of the best trial, with its first seed; its student's encoders make the features.
        confirmation: folder of the confirmation.
        folds: of the study; every baseline is then fitted without each of them too.

    Returns:
        What was chosen on dev, by baseline and task.

    Raises:
        UserError: what was kept is damaged.
    """
    table = evaluation.table
    makers: dict[str, Callable[[], Any]] = {
        "text_tfidf": lambda: _word_weights(table),
        "features_image_text": lambda: features().joined,
        "features_image": lambda: features().image,
        "features_text": lambda: features().text,
    }
    kept: list[Features] = []

    def features() -> Features:
        if not kept:
            kept.append(frozen_features(evaluation, config))
        return kept[0]

    settings: dict[str, Any] = {}
    made_from = key_of({**config_identity(config), **({} if folds is None else {"folds": folds})})
    read = {*config.student.modalities, *config.teacher.modalities}
    for name in BASELINES:
        if not read.issuperset(NEEDS.get(name, ())):
            continue  # neither model has the encoder
        folder = baseline_folder(confirmation, name)
        if not evaluation.is_done(folder, made_from):
            folder.mkdir(parents=True, exist_ok=True)
            inputs = makers[name]() if name in makers else None
            _write_baseline(evaluation, folder, inputs)
            if folds is not None:
                _evaluate_folds(evaluation, config, folds, folder, name, inputs)
            evaluation.mark(folder, made_from, SETTINGS)
        settings[name] = _read_settings(folder)
    return settings


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    try:
        found = read_json(path)
        if not (isinstance(found, dict) and all(isinstance(each, dict) for each in found.values())):
            raise ValueError("it holds no settings by task")
    except (OSError, ValueError) as error:
        if is_of_the_machine(error):
            raise
        raise UserError(f"{path} is damaged ({error}); delete {folder} and confirm again") from None
    check_unchanged(path, f"Delete {folder} and confirm again.")
    return found


def ends_of_grid(settings: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A sentence for each baseline whose penalty was chosen at an end of what is tried: a better one may lie beyond.

    Args:
        settings: what was chosen, by baseline and task.
    """
    said = []
    for name, by_task in settings.items():
        at_end = [
            task for task, chosen in by_task.items() if chosen.get("C") in (STRENGTHS[0], STRENGTHS[-1])
        ]
        if at_end:
            said.append(
                f"The baseline {name} chose the weakest or the strongest penalty that is tried "
                f"(C = {STRENGTHS[0]:g} to {STRENGTHS[-1]:g}) for {', '.join(at_end)}: it may not be at its best."
            )
    return said


def frozen_features(evaluation: Evaluation, config: Config) -> Features:
    """The mean normalised token of each example, from the student's encoders before any training, through the store.

    Where the student lacks an encoder, its teacher's stands in.

    Args:
        evaluation: table and store.
        config: a complete config; with its seed where its encoders start from random weights.
    """
    table = evaluation.table
    frozen = with_values(config, {f"student.{part}": _frozen_encoder(config, part) for part in PARTS})
    steps = evaluation.steps(frozen)
    model = build_student(frozen, table.tasks).to(steps.compute.device)
    inputs = steps.for_model(model, frozen.student, student_seed(frozen))
    return pooled_features(model, inputs, table, steps.compute.device)


def _frozen_encoder(config: Config, part: str) -> dict[str, Any]:
    own: EncoderConfig = getattr(config.student, part)
    encoder = getattr(config.teacher, part) if own.is_absent else own
    return {**as_dict(encoder), "freeze": "all"}


def _write_baseline(evaluation: Evaluation, folder: Path, inputs: Any) -> None:
    table = evaluation.table
    made = [fitted(table, column, inputs) for column in range(len(table.tasks))]
    write_json(
        folder / SETTINGS, {task.name: about for task, (about, _) in zip(table.tasks, made, strict=True)}
    )
    for split in evaluation.splits:
        rows = table.rows(split)
        write_predictions(folder, split, table, rows, [answer(rows) for _, answer in made])


def _evaluate_folds(
    evaluation: Evaluation, config: Config, folds: int, folder: Path, name: str, inputs: Any
) -> None:
    """Fits a baseline without each fold and writes what it answers on them."""
    place = {each: row for row, each in enumerate(evaluation.table.ids)}
    parts = []
    for number in range(1, folds + 1):
        folded = with_values(config, {"data.fold": {"number": number, "of": folds}})
        table = read_table(folded.data, check_images=False)
        if name == "text_tfidf":
            given = _word_weights(table)
        elif inputs is None:
            given = None
        else:  # standardised over the train part of this fold; what the whole train did before cancels
            given = standardised_columns(inputs[[place[each] for each in table.ids]], table.rows("train"))
        made = [fitted(table, column, given) for column in range(len(table.tasks))]
        part = fold_folder(folder, number)
        part.mkdir(exist_ok=True)
        rows = table.rows("dev")
        write_predictions(part, "dev", table, rows, [answer(rows) for _, answer in made])
        parts.append(part)
    join_folds(parts, folder)


def _word_weights(table: Table) -> Any:
    """TF-IDF of all texts, its vocabulary from train alone; None where train holds no word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=LARGEST_VOCABULARY)
    try:
        vectorizer.fit(table.texts_at(table.rows("train")))
    except ValueError:  # scikit-learn's answer to an empty vocabulary
        return None
    return vectorizer.transform(table.texts).tocsr()
