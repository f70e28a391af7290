"""The tables of a confirmation: one function a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distune.reporting import formats, parameters, verdicts
from distune.reporting.document import (
    Block,
    Cell,
    Code,
    Section,
    TableBlock,
)
from distune.reporting.verdicts import Numbers

KINDS_OF_INPUT = {
    "complete": "with image and text",
    "without_text": "without a text",
    "without_image": "without an image",
}


def contenders(numbers: Numbers, folds: int | None) -> Section:
    """Mean score of each that was trained, on both splits, and the metrics of each task."""
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            verdicts.named(numbers, name),
            str(len(about["seeds"])),
            formats.score(about["search_score"]),
            *(formats.over_seeds(_score(about, split)) for split in _columns(numbers)),
        )
        for name, about in verdicts.trained(numbers)
    ]
    searched = "Dev score in the study" if folds is None else f"Mean over {folds} folds in the study"
    titles = [f"Score on {split}" for split in _columns(numbers)]
    header = ("Contender", "What it is", "Seeds", searched, *titles)
    caption = (
        "Mean over seeds with its 95 % interval over seeds and cases, as for other cases of the same kind."
    )
    blocks: list[Block] = [TableBlock(header, tuple(rows), frozenset(range(2, len(header))), caption)]
    blocks += [_tasks(numbers, split) for split in _columns(numbers) if split in numbers["examples"]]
    return Section("Contenders over seeds", tuple(blocks))


def baselines(numbers: Numbers) -> Section | None:
    """How far one gets without training a network."""
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            verdicts.BASELINES.get(name, ""),
            *(formats.over_seeds(_score(about, split)) for split in _columns(numbers)),
            _settings(about.get("settings") or {}),
        )
        for name, about in numbers["contenders"].items()
        if about["kind"] == "baseline"
    ]
    if not rows:
        return None
    titles = [f"Score on {split}" for split in _columns(numbers)]
    header = ("Baseline", "What it uses", *titles, "Chosen")
    caption = (
        "Frozen features are of the student's encoders; of an input that it does not read, of the teacher's."
    )
    return Section(
        "Baselines", (TableBlock(header, tuple(rows), frozenset(range(2, 2 + len(titles))), caption),)
    )


def apart(numbers: Numbers) -> Section | None:
    """The score of complete examples beside that of those which lack an input."""
    split = numbers["split"]
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            KINDS_OF_INPUT.get(kind, kind),
            str(held["examples"]),
            formats.over_seeds(held["score"]) if held["score"] else "not defined",
        )
        for name, about in verdicts.trained(numbers)
        if about["splits"][split] is not None
        for kind, held in (about["splits"][split].get("apart") or {}).items()
    ]
    if not rows:
        return None
    header = ("Contender", "Examples", "How many", "Score")
    caption = f"On {split}, where some examples lack their image or their text."
    return Section(
        "Complete examples and others", (TableBlock(header, tuple(rows), frozenset({2, 3}), caption),)
    )


def _tasks(numbers: Numbers, split: str) -> TableBlock:
    metrics = ["macro_f1", "accuracy", "auc"]
    header = ["Contender", "Task", "Macro F1", "Accuracy", "AUC"]
    shown = [
        (name, task, values)
        for name, about in numbers["contenders"].items()
        if about["splits"].get(split) is not None
        for task, values in about["splits"][split]["tasks"].items()
    ]
    if any("score" in values for _, _, values in shown):
        metrics.append("score")
        header.append("What the task counts with")
    rows: list[tuple[Cell, ...]] = [
        (Code(name), task, *(verdicts.metric(values, metric) for metric in metrics))
        for name, task, values in shown
    ]
    return TableBlock(
        tuple(header),
        tuple(rows),
        frozenset(range(2, len(header))),
        f"Each task on {split}: with 95 % intervals over seeds and cases.",
    )


def _settings(chosen: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{task}: " + ", ".join(f"{name} = {parameters.value(name, held)}" for name, held in values.items())
        for task, values in chosen.items()
    )


def _score(about: Numbers, split: str) -> Mapping[str, Any] | None:
    found = about["splits"].get(split)
    return found["score"] if found is not None else None


def _columns(numbers: Numbers) -> list[str]:
    """Dev, and the split that decides where that is another: test, or the folds of a study without one."""
    return list(dict.fromkeys(("dev", str(numbers["split"]))))
