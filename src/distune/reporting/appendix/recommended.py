"""The recommended config beside the base config: each class, calibration, and what a missing input costs."""

from __future__ import annotations

from collections.abc import Iterator

from distune.confirmation.statistics.files import OUT_OF_FOLD
from distune.reporting import formats, verdicts
from distune.reporting.document import Cell, Code, Figure, Section, TableBlock
from distune.reporting.verdicts import Numbers

CONDITIONS = {
    "without_image": "without the image",
    "without_text": "without the text",
    "other_text": "text of another case",
}
MOST_CLASSES = 40
REST = "Of the recommended config and the base config; those of all others are in confirmation.json."


def classes(numbers: Numbers) -> Section | None:
    """Recall of each class."""
    split = numbers["split"]
    rows: list[tuple[Cell, ...]] = [
        (Code(name), task, label, str(held["support"]), formats.over_seeds(held["recall"]))
        for name, task, values in _tasks(numbers)
        for label, held in list(values["classes"].items())[:MOST_CLASSES]
    ]
    if not rows:
        return None
    caption = f"Recall of each class on {split}; of each task at most {MOST_CLASSES} classes. {REST}"
    header = ("Contender", "Task", "Class", "Examples", "Recall")
    return Section("Each class", (TableBlock(header, tuple(rows), frozenset({3, 4}), caption),))


def calibration(numbers: Numbers, figure: Figure | None = None) -> Section | None:
    """Calibration error and log loss before and after temperature scaling, and the reliability of one model."""
    split = numbers["split"]
    keys = ("calibration_error", "calibration_error_scaled", "temperature", "log_loss", "log_loss_scaled")
    rows: list[tuple[Cell, ...]] = [
        (Code(name), task, *(formats.over_seeds(values[key]) for key in keys))
        for name, task, values in _tasks(numbers)
    ]
    if not rows:
        return None
    header = (
        "Contender",
        "Task",
        "Error before",
        "Error after",
        "Temperature",
        "Log loss before",
        "Log loss after",
    )
    fitted = "on these very examples, so “after” flatters" if split == "dev" else "on dev"
    # Out-of-fold answers are of other models than the one that predicts, whose temperature scales them.
    given = "" if split == OUT_OF_FOLD else " “After” is of the probabilities that distune predict gives."
    caption = f"Expected calibration error on {split}; temperatures are fitted {fitted}.{given} {REST}"
    table = TableBlock(header, tuple(rows), frozenset(range(2, 7)), caption)
    return Section("Calibration", (table, *([figure] if figure is not None else [])))


def conditions(numbers: Numbers) -> Section | None:
    """What is left of the score with an input missing or foreign; a student of one input is nothing without it."""
    split = numbers["split"]
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            CONDITIONS.get(condition, condition),
            formats.over_seeds(values["score"]),
            formats.over_seeds(values["change"], formats.gain),
            "; ".join(f"{task} {verdicts.own_score(each)}" for task, each in values.get("tasks", {}).items()),
        )
        for name, about in _shown(numbers)
        if about["splits"][split] is not None and len(about["splits"][split]["conditions"]) > 1
        for condition, values in about["splits"][split]["conditions"].items()
    ]
    if not rows:
        return None
    header = ("Contender", "Input", "Score", "Against the full input", "What each task counts with")
    return Section(
        "With an input missing",
        (TableBlock(header, tuple(rows), frozenset({2, 3}), f"On {split}, no retraining. {REST}"),),
    )


def _tasks(numbers: Numbers) -> Iterator[tuple[str, str, Numbers]]:
    """Contender, task and metrics of both, on the split that counts."""
    for name, about in _shown(numbers):
        scored = about["splits"][numbers["split"]]
        for task, values in scored["tasks"].items() if scored is not None else ():
            yield name, task, values


def _shown(numbers: Numbers) -> list[tuple[str, Numbers]]:
    """The recommended config and the base config, for tables that would be long with all."""
    chosen = verdicts.recommended(numbers)
    return [
        (name, about) for name, about in numbers["contenders"].items() if name == chosen or about["is_base"]
    ]
