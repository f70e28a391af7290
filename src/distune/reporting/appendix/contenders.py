"""The tables of a confirmation: one function a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distune.reporting import formats, verdicts
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Figure,
    Section,
    Table,
    missing,
    paragraph,
)

Numbers = Mapping[str, Any]
KINDS = {
    "trial": "trial of the study",
    "base": "base config",
    "student_alone": "best config's student without a teacher",
    "image_alone": "that student reading the image alone",
    "text_alone": "that student reading the text alone",
    "teacher": "best config's teacher",
    "baseline": "baseline",
}
CONDITIONS = {
    "without_image": "without the image",
    "without_text": "without the text",
    "other_text": "text of another case",
}
MOST_CLASSES = 40
REST = "Of the recommended config and the base config; those of all others are in confirmation.json."


def contenders(numbers: Numbers, folds: int | None = None) -> Section:
    """Mean score of each that was trained, on both splits, and the metrics of each task."""
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            _what(about),
            str(len(about["seeds"])),
            formats.score(about["search_score"]),
            *(formats.over_seeds(_score(about, split)) for split in ("dev", "test")),
        )
        for name, about in _trained(numbers)
    ]
    searched = "Dev score in the study" if folds is None else f"Mean over {folds} folds in the study"
    header = ("Contender", "What it is", "Seeds", searched, "Score on dev", "Score on test")
    caption = (
        "Mean over seeds with its 95 % interval over seeds and cases, as for other cases of the same kind."
    )
    blocks: list[Block] = [Table(header, tuple(rows), frozenset({2, 3, 4, 5}), caption)]
    blocks += [_tasks(numbers, split) for split in _splits(numbers)]
    if recall := _recall(numbers):
        blocks.append(recall)
    return Section("Contenders over seeds", tuple(blocks))


def baselines(numbers: Numbers) -> Section | None:
    """How far one gets without training a network."""
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            verdicts.BASELINES.get(name, ""),
            *(formats.over_seeds(_score(about, split)) for split in ("dev", "test")),
            _settings(about.get("settings") or {}),
        )
        for name, about in numbers["contenders"].items()
        if about["kind"] == "baseline"
    ]
    if not rows:
        return None
    header = ("Baseline", "What it uses", "Score on dev", "Score on test", "Chosen")
    return Section("Baselines", (Table(header, tuple(rows), frozenset({2, 3})),))


def optimism(numbers: Numbers, folds: int | None = None) -> Section | None:
    """How much the search flattered its best trial."""
    found = numbers["optimism"]
    if found is None:
        return None
    title = "Optimism of the search"
    if folds is not None and found["loss"] is not None:
        return Section(title, _optimism_of_folds(found, folds))
    if folds is not None:
        return Section(
            title,
            (
                missing(
                    f"Not measured: the study's score is a mean over {folds} folds of train and dev, from models that "
                    "lacked a fold, and no score over seeds is of the same examples."
                ),
            ),
        )
    rows: list[tuple[Cell, ...]] = [
        ("Best dev score in the study, one seed, picked for it", formats.score(found["search_score"])),
        ("Same config on dev, mean over seeds", formats.over_seeds(found["dev"])),
        ("Same config on test, mean over seeds", formats.over_seeds(found["test"])),
    ]
    blocks: list[Block] = [Table(("What was measured", "Score"), tuple(rows), frozenset({1}))]
    if found["search_score"] is not None:
        lost = {**found["dev"], **(found["loss"] or {"mean": found["search_score"] - found["dev"]["mean"]})}
        if found["loss"] is None:
            lost |= {"low": None, "high": None}
        blocks.append(
            paragraph(
                Code(found["contender"]),
                ": its dev score in the study minus its mean dev score over seeds is "
                f"{formats.over_seeds(lost, formats.gain)}.",
            )
        )
    return Section(title, tuple(blocks))


def _optimism_of_folds(found: Numbers, folds: int) -> tuple[Block, ...]:
    """The search's mean over folds beside that of the same config over new folds and seeds."""
    rows: list[tuple[Cell, ...]] = [
        (
            f"Mean over {folds} folds in the study, one seed, picked for it",
            formats.score(found["search_score"]),
        ),
        ("Same config over new folds, mean over seeds", formats.over_seeds(found.get("again"))),
        ("Same config on test, mean over seeds", formats.over_seeds(found["test"])),
    ]
    return (
        Table(("What was measured", "Score"), tuple(rows), frozenset({1})),
        paragraph(
            Code(found["contender"]),
            f": of its score in the study {formats.over_seeds(found.get('loss'), formats.gain)} was luck.",
        ),
    )


def calibration(numbers: Numbers, figure: Figure | None = None) -> Section | None:
    """Calibration error and log loss before and after temperature scaling, and the reliability of one model."""
    split = numbers["split"]
    keys = ("calibration_error", "calibration_error_scaled", "temperature", "log_loss", "log_loss_scaled")
    rows: list[tuple[Cell, ...]] = [
        (Code(name), task, *(formats.over_seeds(values[key]) for key in keys))
        for name, about in _shown(numbers)
        if about["splits"][split] is not None
        for task, values in about["splits"][split]["tasks"].items()
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
    caption = f"Expected calibration error on {split}; temperatures are fitted {fitted}. {REST}"
    table = Table(header, tuple(rows), frozenset(range(2, 7)), caption)
    return Section("Calibration", (table, *([figure] if figure is not None else [])))


def conditions(numbers: Numbers) -> Section | None:
    """What is left of the score with an input missing or foreign."""
    split = numbers["split"]
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            CONDITIONS.get(condition, condition),
            formats.over_seeds(values["score"]),
            formats.over_seeds(values["change"], formats.gain),
            "; ".join(
                f"{task} {formats.over_seeds(each['macro_f1'])}"
                for task, each in values.get("tasks", {}).items()
            ),
        )
        for name, about in _shown(numbers)
        if about["splits"][split] is not None
        for condition, values in about["splits"][split]["conditions"].items()
    ]
    if not rows:
        return None
    header = ("Contender", "Input", "Score", "Against the full input", "Macro F1 of each task")
    return Section(
        "With an input missing",
        (Table(header, tuple(rows), frozenset({2, 3}), f"On {split}, no retraining. {REST}"),),
    )


def _tasks(numbers: Numbers, split: str) -> Table:
    metrics = ["macro_f1", "accuracy", "auc"]
    header = ["Contender", "Task", "Macro F1", "Accuracy", "AUC"]
    shown = [
        (name, task, values)
        for name, about in numbers["contenders"].items()
        if about["splits"][split] is not None
        for task, values in about["splits"][split]["tasks"].items()
    ]
    if any("score" in values for _, _, values in shown):
        metrics.append("score")
        header.append("What the task counts with")
    rows: list[tuple[Cell, ...]] = [
        (Code(name), task, *(verdicts.metric(values, metric) for metric in metrics))
        for name, task, values in shown
    ]
    return Table(
        tuple(header),
        tuple(rows),
        frozenset(range(2, len(header))),
        f"Each task on {split}: with 95 % intervals over seeds and cases.",
    )


def _recall(numbers: Numbers) -> Table | None:
    """Recall of each class."""
    split = numbers["split"]
    rows: list[tuple[Cell, ...]] = [
        (Code(name), task, label, str(held["support"]), formats.over_seeds(held["recall"]))
        for name, about in _shown(numbers)
        if about["splits"][split] is not None
        for task, values in about["splits"][split]["tasks"].items()
        for label, held in list(values["classes"].items())[:MOST_CLASSES]
    ]
    if not rows:
        return None
    caption = f"Recall of each class on {split}; of each task at most {MOST_CLASSES} classes. {REST}"
    return Table(
        ("Contender", "Task", "Class", "Examples", "Recall"), tuple(rows), frozenset({3, 4}), caption
    )


def _what(about: Numbers) -> str:
    rank = f", rank {about['rank']}" if about["rank"] is not None else ""
    trial = f" ({about['trial']})" if about["trial"] is not None else ""
    return f"{KINDS.get(about['kind'], about['kind'])}{trial}{rank}"


def _settings(chosen: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{task}: " + ", ".join(f"{name} = {formats.value(name, held)}" for name, held in values.items())
        for task, values in chosen.items()
    )


def _score(about: Numbers, split: str) -> Mapping[str, Any] | None:
    found = about["splits"][split]
    return found["score"] if found is not None else None


def _splits(numbers: Numbers) -> list[str]:
    return [split for split in ("dev", "test") if split in numbers["examples"]]


def _trained(numbers: Numbers) -> list[tuple[str, Numbers]]:
    return [(name, about) for name, about in numbers["contenders"].items() if about["kind"] != "baseline"]


def _shown(numbers: Numbers) -> list[tuple[str, Numbers]]:
    """The recommended config and the base config, for tables that would be long with all."""
    recommended = numbers["recommendation"]["contender"]
    return [(name, about) for name, about in _trained(numbers) if name == recommended or about["is_base"]]
