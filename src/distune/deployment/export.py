"""From a run folder to a bundle that stands alone, with its parity proven on every dev example."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distune import __version__
from distune.config import load_config, with_values
from distune.data import Table, read_table
from distune.data.ragged import LENGTH_STEP
from distune.data.tokenizer import HashTokenizer, SubwordTokenizer
from distune.deployment import bundle as files
from distune.deployment.graph import INSTALL, write_graph
from distune.deployment.model_card import model_card
from distune.deployment.quantise import quantise
from distune.errors import DataError, UserError
from distune.prediction.examples import Example
from distune.prediction.predictor import Predictor
from distune.prediction.trained import TrainedStudent, load_run
from distune.training.metrics import decisions
from distune.training.scores import overall_score
from distune.utils.new_folder import new_folder

QUANTISATIONS = ("none", "int8")
BUNDLES = Path("logs/bundles")
PARITY = 1e-4
"""Largest difference of a probability to torch that an export in float32 may have."""


@dataclass(frozen=True)
class Parity:
    """The exported graph beside the student in torch, on every dev example.

    Attributes:
        examples: how many.
        largest_difference: of a probability, to the student in float32.
        changed: examples with another predicted class in some task than the student in float32.
        changed_from_run: the same compared with what the run recorded, in its own precision; None where it recorded no
            predicted classes.
        score: dev score of the student in float32.
        exported_score: dev score of the graph.
    """

    examples: int
    largest_difference: float
    changed: int
    changed_from_run: int | None
    score: float
    exported_score: float

    @property
    def drop(self) -> float:
        """What the export costs in dev score."""
        return self.score - self.exported_score


def export_run(
    folder: Path,
    out: Path,
    *,
    quantisation: str = "none",
    max_score_drop: float = 0.01,
    data_root: Path | None = None,
    show: Callable[[str], None] = lambda line: None,
) -> Parity:
    """Writes the bundle of a run's student.

    Args:
        folder: the run folder; it is only read.
        out: a new folder.
        quantisation: "int8" makes the weights of linear layers and embeddings a quarter as large.
        max_score_drop: most that quantisation may cost in dev score.
        data_root: where the data set is now, if elsewhere.
        show: called with a line at each stage.

    Raises:
        UserError: the run cannot be exported, the graph does not compute what torch computes, quantisation costs more
            than allowed, or `out` is taken.
        DataError: the run's dev examples are not there any more.
    """
    if quantisation not in QUANTISATIONS:
        raise UserError(f"quantize: there is no {quantisation!r}; known: {', '.join(QUANTISATIONS)}")
    _require_packages()
    predictor = load_run(folder, "cpu", precision="fp32")
    model = predictor.model
    assert isinstance(model, TrainedStudent)
    table = _table(folder, model, data_root)
    with new_folder(out) as draft:
        show(f"predicting {len(table.rows('dev'))} dev examples in torch")
        expected = _answers(predictor, table, table.rows("dev"))
        _write_description(draft, predictor, model)
        show("exporting to ONNX")
        graph = draft / files.MODEL
        write_graph(model.student, model.tasks, graph)
        if quantisation == "int8":
            show("quantising")
            quantise(graph)
        _write_checksums(draft)
        show("predicting them with the bundle")
        exported = _answers(files.load_bundle(draft), table, table.rows("dev"))
        parity = _parity(folder, table, expected, exported)
        _check(parity, quantisation, max_score_drop)
        card = model_card(folder, model.config, table, asdict(parity), quantisation, predictor.temperatures)
        (draft / files.CARD).write_text(card, encoding="utf-8")
        _write_checksums(draft)
    return parity


def default_folder(run: Path) -> Path:
    """Where the bundle of a run goes that is given no other folder."""
    name = load_config(run / "config.yaml").name
    return BUNDLES / f"{name}_{run.resolve().name}"


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        raise UserError(INSTALL) from None


def _table(folder: Path, model: TrainedStudent, data_root: Path | None) -> Table:
    """The data set of a run, which must still be the one that it was trained on."""
    config = model.config
    if data_root is not None:
        config = with_values(config, {"data.root": str(data_root)})
    table = read_table(config.data, config.seed, check_images=False)
    recorded = [row["id"] for row in recorded_predictions(folder)]
    if table.tasks != model.tasks or [table.ids[row] for row in table.rows("dev")] != recorded:
        raise DataError(
            table.root,
            [
                f"not the examples and classes that {folder} was trained on; name that data set with --data-root"
            ],
        )
    return table


def recorded_predictions(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's `predictions_dev.csv`."""
    import csv

    with (folder / "predictions_dev.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _example(table: Table, row: int) -> Example:
    return Example(table.ids[row], table.images[row], table.texts[row])


def _answers(
    predictor: Predictor, table: Table, rows: Sequence[int] | NDArray[np.int64]
) -> list[NDArray[Any]]:
    answers = predictor.answer([_example(table, row) for row in rows], is_calibrated=False)
    if answers.problems:
        raise DataError(table.root, answers.problems)
    return list(answers.probabilities)


def _parity(
    folder: Path, table: Table, expected: Sequence[NDArray[Any]], exported: Sequence[NDArray[Any]]
) -> Parity:
    def chosen(probabilities: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        answers = zip(table.tasks, probabilities, strict=True)
        return np.concatenate([decisions(task, found) for task, found in answers], axis=1)

    ours, theirs = chosen(exported), chosen(expected)
    labels = table.labels[table.rows("dev")]
    recorded = recorded_predictions(folder)
    changed_from_run, parts = None, table.as_exclusive().tasks
    if all(f"pred_{part.name}" in recorded[0] for part in parts):
        before = np.array(
            [[part.classes.index(row[f"pred_{part.name}"]) for part in parts] for row in recorded]
        )
        changed_from_run = int((ours != before).any(axis=1).sum())
    return Parity(
        examples=len(labels),
        largest_difference=max(float(np.abs(a - b).max()) for a, b in zip(expected, exported, strict=True)),
        changed=int((ours != theirs).any(axis=1).sum()),
        changed_from_run=changed_from_run,
        score=overall_score(labels, expected, table.tasks),
        exported_score=overall_score(labels, exported, table.tasks),
    )


def _check(parity: Parity, quantisation: str, max_score_drop: float) -> None:
    if quantisation == "none" and parity.largest_difference > PARITY:
        raise UserError(
            f"the exported graph differs from torch by {parity.largest_difference:.2g} in a probability, more than "
            f"{PARITY:g}; nothing was written"
        )
    if parity.drop > max_score_drop:
        raise UserError(
            f"{quantisation} costs {parity.drop:.4f} of the dev score ({parity.score:.4f} -> "
            f"{parity.exported_score:.4f}), more than --max-score-drop {max_score_drop:g}; nothing was written"
        )


def _write_description(draft: Path, predictor: Predictor, model: TrainedStudent) -> None:
    labels = [
        {
            "name": task.name,
            "classes": list(task.classes),
            "temperature": predictor.temperatures[task.name],
            **task.settings,
        }
        for task in model.tasks
    ]
    _write_json(draft / files.LABELS, {"tasks": labels})
    _write_json(
        draft / files.PREPROCESS,
        {
            "format": files.format_of(model.tasks),
            "distune_version": __version__,
            "modalities": list(model.modalities),
            "image_size": model.image_size,
            "image": "RGB, squashed to a square; areas averaged where it shrinks, linear where it grows",
            "window": model.rules.window,
            "percentiles": list(model.rules.percentiles),
            "max_image_megapixels": model.max_megapixels,
            "max_tokens": model.max_tokens,
            "pad_to_multiple_of": LENGTH_STEP,
            "tokenizer": _write_tokenizer(draft, model),
            "columns": asdict(predictor.columns),
        },
    )


def _write_tokenizer(draft: Path, model: TrainedStudent) -> Mapping[str, Any] | None:
    tokenizer = model.tokenizer
    if tokenizer is None:
        return None
    if isinstance(tokenizer, HashTokenizer):
        return {"kind": files.HASHED_WORDS, "buckets": tokenizer.buckets, "maximum": tokenizer.maximum}
    assert isinstance(tokenizer, SubwordTokenizer)
    (draft / files.TOKENIZER).write_text(tokenizer.as_json(), encoding="utf-8")
    return {"kind": "tokenizers", "maximum": tokenizer.maximum}


def _write_checksums(draft: Path) -> None:
    (draft / files.CHECKSUMS).unlink(missing_ok=True)
    _write_json(
        draft / files.CHECKSUMS, {file.name: files.checksum_of(file) for file in sorted(draft.iterdir())}
    )


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
