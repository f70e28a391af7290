"""From a run folder to a bundle that stands alone, with its parity proven on every dev example."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distune import __version__
from distune.config import as_dict, with_values
from distune.data import Table, read_table
from distune.data.ragged import LENGTH_STEP
from distune.data.tokenizer import HashTokenizer, SubwordTokenizer
from distune.deployment import bundle as files
from distune.deployment.description import HASHED_WORDS, SUBWORDS
from distune.deployment.graph import write_graph
from distune.deployment.model_card import external_evaluations, model_card
from distune.deployment.parity import (
    PARITY,
    Parity,
    answers_of,
    compared,
    dev_examples,
    generated_examples,
)
from distune.deployment.quantise import quantise
from distune.errors import DataError, UserError
from distune.prediction.load import run_behind
from distune.prediction.predictor import Predictor
from distune.prediction.trained import TrainedStudent, load_run
from distune.training.files.prediction_files import read_rows
from distune.training.files.run_folder import run_config, was_trained_on
from distune.utils.arguments import check_number, check_path
from distune.utils.files.json_files import as_json
from distune.utils.files.new_folder import new_folder
from distune.utils.files.paths import read_file

_log = logging.getLogger(__name__)
QUANTISATIONS = ("none", "int8")
BUNDLES = Path("logs/bundles")
MAX_SCORE_DROP = 0.01
"""Most that quantisation may cost in dev score unless the user says otherwise."""


def export_source(
    source: Path | str,
    out: Path | str | None = None,
    *,
    storage: str | None = None,
    data_root: Path | str | None = None,
    **options: Any,
) -> tuple[Path, Parity]:
    """Writes the bundle of the student that a run folder or a study stands for.

    Args:
        source: a run folder, or a study: its name, its folder, or its `.db` file.
        out: a new folder; None makes `logs/bundles/<name>_<run>`.
        storage: SQLAlchemy URL of the database that holds the study of that name.
        data_root: where the data set is now, if elsewhere.
        options: further ones of `export_run`.

    Returns:
        The bundle's folder, and how it compares with torch.

    Raises:
        UserError: as `export_run`, or there is no such run.
        DataError: as `export_run`.
    """
    for name, given in (("out", out), ("data_root", data_root)):
        check_path(name, given, type(None))
    run = run_behind(source, storage)
    folder = Path(out) if out else default_folder(run)
    return folder, export_run(run, folder, data_root=Path(data_root) if data_root else None, **options)


def export_run(
    folder: Path,
    out: Path,
    *,
    quantisation: str = "none",
    max_score_drop: float | None = None,
    data_root: Path | None = None,
    show: Callable[[str], None] = lambda line: None,
) -> Parity:
    """Writes the bundle of a run's student.

    Args:
        folder: the run folder; it is only read.
        out: a new folder.
        quantisation: "int8" makes the weights a quarter as large; those of convolutions only where the score allows.
        max_score_drop: most that quantisation may cost in dev score; None allows `MAX_SCORE_DROP`.
        data_root: where the data set is now, if elsewhere. Where it is gone, an export in 32 bits is compared with
            torch on generated images, which the card says.
        show: called with a line at each stage.

    Raises:
        UserError: the run cannot be exported, the graph does not compute what torch computes, quantisation costs more
            than allowed, or `out` is taken.
        DataError: the data set is another one, or is gone and needed to check the quantisation.
    """
    if quantisation not in QUANTISATIONS:
        raise UserError(f"quantize: there is no {quantisation!r}; known: {', '.join(QUANTISATIONS)}")
    if max_score_drop is not None and quantisation == "none":
        raise UserError("max_score_drop: only of an export to int8; leave it out, or quantize")
    max_drop = MAX_SCORE_DROP if max_score_drop is None else max_score_drop
    check_number("max_score_drop", max_drop, least=0)
    _require_packages()
    predictor = load_run(folder, "cpu", precision="fp32")
    model = predictor.model
    assert isinstance(model, TrainedStudent)
    evaluations = external_evaluations(folder)
    table = _table(folder, model, data_root, is_needed=quantisation != "none")
    trial = dev_examples(table) if table is not None else generated_examples(folder, model)
    with new_folder(out) as draft:
        show(f"predicting {trial.name} in torch")
        expected = answers_of(predictor, trial)
        _write_description(draft, predictor, model)
        show("exporting to ONNX")
        graph = draft / files.MODEL
        write_graph(model.student, model.tasks, graph)

        def parity() -> Parity:
            show("predicting them with the bundle")
            _write_checksums(draft)
            answers = answers_of(files.load_bundle(draft), trial)
            return compared(folder, model.tasks, predictor.temperatures, trial, expected, answers)

        if quantisation == "int8":
            found, weights = _quantised(graph, parity, max_drop, show)
        else:
            found, weights = parity(), "32-bit"
        _check(found, quantisation, max_drop)
        card = model_card(
            folder,
            model.config,
            model.tasks,
            table,
            asdict(found),
            weights,
            predictor.temperatures,
            evaluations,
        )
        (draft / files.CARD).write_text(card, encoding="utf-8")
        _write_checksums(draft)
    return found


def _quantised(
    graph: Path, parity: Callable[[], Parity], max_score_drop: float, show: Callable[[str], None]
) -> tuple[Parity, str]:
    """Quantises as much as the score allows: all weights, else all but those of convolutions; says which in words."""
    exact = read_file(graph)
    show("quantising")
    quantise(graph)
    found = parity()
    if found.drop is None or found.drop <= max_score_drop:
        return found, "8-bit"
    show(f"costs {found.drop:.4f} of the dev score; quantising again, convolutions left in 32 bits")
    graph.write_bytes(exact)
    quantise(graph, convolutions=False)
    return parity(), "8-bit, those of convolutions 32-bit"


def default_folder(run: Path) -> Path:
    """Where the bundle of a run goes that is given no other folder."""
    name = run_config(run).name
    return BUNDLES / f"{name}_{run.resolve().name}"


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError:
        raise UserError("the export needs onnx and onnxruntime; pip install 'distune[export]'") from None


def _table(folder: Path, model: TrainedStudent, data_root: Path | None, *, is_needed: bool) -> Table | None:
    """The data set of a run, which must be the one that it was trained on; None where it is gone and not needed."""
    config = model.config
    if data_root is not None:
        config = with_values(config, {"data.root": str(data_root)})
    elif not config.data.root.is_dir() and not is_needed:
        return None
    table = read_table(config.data, check_images=False)
    recorded = [row["id"] for row in read_rows(folder)]
    if table.tasks != model.tasks or [table.ids[row] for row in table.rows("dev")] != recorded:
        raise DataError(
            table.root,
            [
                f"not the examples and classes that {folder} was trained on; name that data set with --data-root"
            ],
        )
    if was_trained_on(folder, table) is False:
        _log.warning(
            "%s is not as it was when %s was trained: dev scores are of what it holds now", table.root, folder
        )
    return table


def _check(parity: Parity, quantisation: str, max_score_drop: float) -> None:
    if quantisation == "none" and parity.largest_difference > PARITY:
        raise UserError(
            f"the exported graph differs from torch by {parity.largest_difference:.2g} in a probability, more than "
            f"{PARITY:g}; nothing was written. Where its loss grew in training, train it again at a lower student.lr"
        )
    if parity.drop is not None and parity.drop > max_score_drop:
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
            "format": files.format_of(model.tasks, can_miss=model.can_miss),
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
            "columns": {
                name: held for name, held in asdict(predictor.columns).items() if isinstance(held, tuple)
            },
            "encoding": predictor.columns.encoding,
            "reading": {name: as_dict(model.config.data)[name] for name in ("tasks", "label_map")},
        },
    )


def _write_tokenizer(draft: Path, model: TrainedStudent) -> Mapping[str, Any] | None:
    tokenizer = model.tokenizer
    if tokenizer is None:
        return None
    if isinstance(tokenizer, HashTokenizer):
        return {"kind": HASHED_WORDS, "buckets": tokenizer.buckets, "maximum": tokenizer.maximum}
    assert isinstance(tokenizer, SubwordTokenizer)
    (draft / files.TOKENIZER).write_text(tokenizer.as_json(), encoding="utf-8")
    return {"kind": SUBWORDS, "maximum": tokenizer.maximum}


def _write_checksums(draft: Path) -> None:
    (draft / files.CHECKSUMS).unlink(missing_ok=True)
    _write_json(
        draft / files.CHECKSUMS, {file.name: files.checksum_of(file) for file in sorted(draft.iterdir())}
    )


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(as_json(value, ascii_alone=False), encoding="utf-8")
