"""Baselines that cost seconds: how far one gets without training a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distune.config import Config, EncoderConfig, as_dict, with_values
from distune.confirmation.candidates import identity
from distune.confirmation.evaluation import Evaluation
from distune.confirmation.statistics.files import baseline_folder, join_folds
from distune.data import read_table
from distune.data.batches import eval_batches
from distune.data.table import MISSING, Table, Task, label_columns
from distune.models.fusion import masked_mean
from distune.store import key_of
from distune.training.metrics import decisions
from distune.training.run_folder import write_json, write_predictions
from distune.training.scores import task_score
from distune.training.student import build_student, student_seed
from distune.tuning.trials.folds import fold_folder

BASELINES = ("majority", "text_tfidf", "features_image_text", "features_image", "features_text")
NEEDS = {
    "features_image_text": ("image", "text"),
    "features_image": ("image",),
    "features_text": ("text",),
}
"""What the encoders must read, by baseline; the others need no encoder."""
PARTS = ("vision", "text")
STRENGTHS = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""Inverse strengths C of the L2 penalty that are tried; the best on dev is taken, the smallest of equals."""
LARGEST_VOCABULARY = 20_000
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Features:
    """Pooled outputs of the untrained (published or random) encoders, standardised over train.

    Attributes:
        image: (N, width).
        text: (N, width).
    """

    image: NDArray[np.float64]
    text: NDArray[np.float64]


def judge_baselines(
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
    """
    import json

    table = evaluation.table
    makers: dict[str, Callable[[], Any]] = {
        "text_tfidf": lambda: _word_weights(table),
        "features_image_text": lambda: np.hstack([features().image, features().text]),
        "features_image": lambda: features().image,
        "features_text": lambda: features().text,
    }
    kept: list[Features] = []

    def features() -> Features:
        if not kept:
            kept.append(frozen_features(evaluation, config))
        return kept[0]

    settings, made_from = {}, key_of({**identity(config), **({} if folds is None else {"folds": folds})})
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
                _judge_folds(evaluation, config, folds, folder, name, inputs)
            evaluation.mark(folder, made_from)
        settings[name] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return settings


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
    everyone, nothing = np.arange(len(table)), np.zeros((len(table), 0), np.int64)
    image = np.empty((len(table), model.vision.width if model.vision else 0))
    text = np.empty((len(table), model.text.width if model.text else 0))
    for batch in eval_batches(inputs, nothing, everyone, batch_size=64, device=steps.compute.device):
        rows = batch.rows.cpu().numpy()
        with torch.no_grad():
            if batch.image is not None:
                image[rows] = model.image_tokens(batch.image).mean(1).cpu().numpy()
            if batch.text_mask is not None:
                tokens = model.text_tokens(batch.text, batch.text_mask)
                text[rows] = masked_mean(tokens, batch.text_mask).cpu().numpy()
    train = table.rows("train")
    return Features(_standardised(image, train), _standardised(text, train))


def _frozen_encoder(config: Config, part: str) -> dict[str, Any]:
    own: EncoderConfig = getattr(config.student, part)
    encoder = getattr(config.teacher, part) if own.is_absent else own
    return {**as_dict(encoder), "freeze": "all"}


def _write_baseline(evaluation: Evaluation, folder: Path, inputs: Any) -> None:
    table = evaluation.table
    fitted = [_fitted(table, column, inputs) for column in range(len(table.tasks))]
    write_json(
        folder / SETTINGS, {task.name: about for task, (about, _) in zip(table.tasks, fitted, strict=True)}
    )
    for split in evaluation.splits:
        rows = table.rows(split)
        write_predictions(folder, split, table, rows, [answer(rows) for _, answer in fitted])


def _judge_folds(
    evaluation: Evaluation, config: Config, folds: int, folder: Path, name: str, inputs: Any
) -> None:
    """Fits a baseline without each fold and writes what it answers on them."""
    place = {identity: row for row, identity in enumerate(evaluation.table.ids)}
    parts = []
    for number in range(1, folds + 1):
        folded = with_values(config, {"data.fold": {"number": number, "of": folds}})
        table = read_table(folded.data, config.seed, check_images=False)
        if name == "text_tfidf":
            given = _word_weights(table)
        elif inputs is None:
            given = None
        else:  # standardised over the train part of this fold; what the whole train did before cancels
            given = _standardised(inputs[[place[each] for each in table.ids]], table.rows("train"))
        fitted = [_fitted(table, column, given) for column in range(len(table.tasks))]
        part = fold_folder(folder, number)
        part.mkdir(exist_ok=True)
        rows = table.rows("dev")
        write_predictions(part, "dev", table, rows, [answer(rows) for _, answer in fitted])
        parts.append(part)
    join_folds(parts, folder)


Answer = Callable[[NDArray[np.int64]], NDArray[np.float64]]


def _fitted(table: Table, place: int, inputs: Any) -> tuple[Mapping[str, Any], Answer]:
    """One task: the class shares of train where there are no inputs, else logistic regression on them.

    A multi-label task has a regression for each label, all with one penalty.
    """
    task, columns = table.tasks[place], label_columns(table.tasks)[place]
    classes = 2 if task.kind == "multi_label" else len(task.classes)
    fits = [
        _fits(table.labels[:, column], table.rows("train"), inputs, classes)
        for column in range(columns.start, columns.stop)
    ]

    def answer(number: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        found = [fit[min(number, len(fit) - 1)](rows) for fit in fits]
        return np.stack([each[:, 1] for each in found], axis=1) if task.kind == "multi_label" else found[0]

    if all(len(fit) == 1 for fit in fits):
        return {"always": _always(task, answer(0, table.rows("train")[:1]))}, lambda rows: answer(0, rows)
    dev = table.rows("dev", place)
    truth = table.labels[dev, columns]
    scores = [task_score(task, truth, answer(number, dev)) for number in range(len(STRENGTHS))]
    best = int(np.argmax(scores))
    return {"C": STRENGTHS[best]}, lambda rows: answer(best, rows)


def _fits(labels: NDArray[np.int64], train: NDArray[np.int64], inputs: Any, classes: int) -> list[Answer]:
    """What one column is answered with: the shares of its classes, or a regression for each strength of the penalty."""
    train = train[labels[train] != MISSING]
    truth = labels[train]
    if inputs is None or len(np.unique(truth)) < 2:
        shares = np.bincount(truth, minlength=classes) / max(1, len(truth))
        return [lambda rows: np.tile(shares, (len(rows), 1))]
    from sklearn.linear_model import LogisticRegression

    def answers(model: Any) -> Answer:
        def answer(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            found = np.zeros((len(rows), classes))
            found[:, model.classes_] = model.predict_proba(inputs[rows])  # a fold may lack a class
            return found

        return answer

    return [answers(LogisticRegression(C=c, max_iter=1000).fit(inputs[train], truth)) for c in STRENGTHS]


def _always(task: Task, shares: NDArray[np.float64]) -> str:
    """What is always answered: the most frequent class, or the labels that more than half have."""
    said = decisions(task, shares)[0]
    if task.kind != "multi_label":
        return task.classes[int(said[0])]
    return ";".join(label for label, has in zip(task.classes, said, strict=True) if has) or "none"


def _word_weights(table: Table) -> Any:
    """TF-IDF of all texts, its vocabulary from train alone; None where train holds no word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=LARGEST_VOCABULARY)
    try:
        vectorizer.fit(table.texts_at(table.rows("train")))
    except ValueError:  # scikit-learn's answer to an empty vocabulary
        return None
    return vectorizer.transform(table.texts).tocsr()


def _standardised(values: NDArray[np.float64], train: NDArray[np.int64]) -> NDArray[np.float64]:
    spread = values[train].std(axis=0)
    return np.asarray((values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0))
