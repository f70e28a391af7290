"""How far words alone get: TF-IDF and logistic regression, and the words that do it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distune.data.table import MISSING, Table

TOP_WORDS = 8
LARGEST_VOCABULARY = 20_000


@dataclass(frozen=True)
class WordBaseline:
    """What a bag of words predicts of one task.

    Attributes:
        task: name of the task.
        macro_f1: on dev, after training on train.
        guessing: macro F1 on dev of always naming the most frequent class of train.
        words: for each class of train the words with the largest weights for it, the strongest first.
    """

    task: str
    macro_f1: float
    guessing: float
    words: dict[str, tuple[str, ...]]


def word_baselines(table: Table) -> list[WordBaseline]:
    """Trains on train and scores dev, each task for itself; the test split stays shut.

    Returns:
        One baseline a task; none where the texts of train hold no word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    train, dev = table.rows("train"), table.rows("dev")
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=LARGEST_VOCABULARY)
    try:
        inputs = vectorizer.fit_transform(table.texts_at(train))
    except ValueError:  # scikit-learn's answer to an empty vocabulary
        return []
    names = vectorizer.get_feature_names_out()
    dev_inputs = vectorizer.transform(table.texts_at(dev))
    baselines = []
    for position, task in enumerate(table.tasks):
        known, scored = (table.labels[rows, position] != MISSING for rows in (train, dev))
        labels, truth = table.labels[train[known], position], table.labels[dev[scored], position]
        model = LogisticRegression(C=10.0, max_iter=1000).fit(inputs[known], labels)
        weights = model.coef_ if len(model.coef_) > 1 else np.stack([-model.coef_[0], model.coef_[0]])
        most_frequent = np.full(len(truth), np.bincount(labels).argmax())
        baselines.append(
            WordBaseline(
                task=task.name,
                macro_f1=float(
                    f1_score(truth, model.predict(dev_inputs[scored]), average="macro", zero_division=0)
                ),
                guessing=float(f1_score(truth, most_frequent, average="macro", zero_division=0)),
                words={
                    task.classes[label]: tuple(
                        str(names[word]) for word in np.argsort(-row)[:TOP_WORDS] if row[word] > 0
                    )
                    for label, row in zip(model.classes_, weights, strict=True)
                },
            )
        )
    return baselines
