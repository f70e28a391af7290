"""Reading a bundle: its files are whole, belong together, and become a predictor."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from distune.data.pixels.intensity import PixelRules
from distune.data.table import Task
from distune.data.tokenizer import HashTokenizer, SubwordTokenizer, Tokenizer
from distune.deployment.description import HASHED_WORDS, check_format, check_labels, check_preprocess
from distune.deployment.onnx_model import OnnxModel
from distune.errors import UserError, is_of_the_machine
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import Columns
from distune.utils.arguments import check_path
from distune.utils.files import json_files
from distune.utils.files.paths import check_is_file, naming
from distune.utils.text import one_line

FORMAT = 2
"""Of the files below; a later Distune that writes another one raises it. Format 1 knows no multi-label tasks, and no
student that can do without its image or its text."""
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
LABELS = "labels.json"
PREPROCESS = "preprocess.json"
CARD = "model_card.md"
CHECKSUMS = "checksums.json"


def load_bundle(folder: Path | str) -> Predictor:
    """The predictor of a bundle, on the CPU.

    Args:
        folder: what `distune export` wrote; it is only read.

    Raises:
        UserError: a file is missing, altered or damaged, the bundle is of a newer format, or its parts do not belong
            together.
    """
    check_path("folder", folder)
    folder = Path(folder)
    check_files(folder)
    about = read_bundle_json(folder / PREPROCESS)
    check_format(folder / PREPROCESS, about)
    if about["format"] > FORMAT:
        raise UserError(
            f"{folder}: a bundle of format {about['format']}, written by Distune {about.get('distune_version')}; this "
            f"version reads format {FORMAT}: install that one, or export again"
        )
    check_preprocess(folder / PREPROCESS, about)
    named = read_bundle_json(folder / LABELS)
    check_labels(folder / LABELS, named)
    labels = named["tasks"]
    tasks = tuple(_task(task) for task in labels)
    window = tuple(about["window"]) if about["window"] else None
    model = OnnxModel(
        folder / MODEL,
        tasks=tasks,
        modalities=tuple(about["modalities"]),
        tokenizer=_tokenizer(folder, about["tokenizer"]),
        max_tokens=about["max_tokens"],
        image_size=about["image_size"],
        rules=PixelRules(window, tuple(about["percentiles"])),  # type: ignore[arg-type]
        max_megapixels=about.get("max_image_megapixels", math.inf),
    )
    # What is no list of names, such as whether links are followed, is not for a bundle to say here.
    known = {field.name for field in fields(Columns) if isinstance(field.default, tuple)}
    named_columns: dict[str, Any] = {
        name: tuple(held) for name, held in about["columns"].items() if name in known
    }
    columns = Columns(**named_columns, encoding=about.get("encoding"))
    temperatures = {task["name"]: task["temperature"] for task in labels}
    return Predictor(model, temperatures, columns, str(folder.absolute()), about.get("reading", {}))


def format_of(tasks: Sequence[Task], *, can_miss: bool) -> int:
    """The oldest format that holds such a student, so that every Distune that can answer for it reads the bundle."""
    return 2 if can_miss or any(task.kind == "multi_label" for task in tasks) else 1


def _task(about: Mapping[str, Any]) -> Task:
    settings = {name: about[name] for name in ("kind", "score", "weight") if name in about}
    return Task(about["name"], tuple(about["classes"]), **settings)


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle, whole or not."""
    return (folder / CHECKSUMS).is_file() or (folder / MODEL).is_file()


def check_files(folder: Path) -> None:
    """Compares every file of a bundle with its checksum, but for the model card, which people complete.

    Raises:
        UserError: one is missing or altered.
    """
    expected = read_bundle_json(folder / CHECKSUMS)
    missing = {MODEL, LABELS, PREPROCESS} - expected.keys()
    if missing:
        raise UserError(f"{folder}: {CHECKSUMS} does not name {', '.join(sorted(missing))}; export again")
    for name, checksum in expected.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise UserError(f"{folder}: {name} is missing; copy the whole bundle again")
        if name != CARD and checksum_of(folder / name) != checksum:
            raise UserError(f"{folder}: {name} is not the file that was exported (its checksum differs)")


def checksum_of(file: Path) -> str:
    """SHA-256 of a file's content."""
    check_is_file(file)
    with naming(file), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_bundle_json(file: Path) -> dict[str, Any]:
    """What a JSON file of a bundle holds.

    Raises:
        UserError: it is missing, or no JSON object.
    """
    try:
        found = json_files.read_json(file)
    except FileNotFoundError:
        raise UserError(f"{file.parent} has no {file.name}: it is no whole bundle") from None
    except (OSError, ValueError) as error:
        if is_of_the_machine(error):
            raise
        raise UserError(f"{file}: not readable as JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{file}: holds no JSON object")
    return found


def _tokenizer(folder: Path, about: Mapping[str, Any] | None) -> Tokenizer | None:
    if about is None:
        return None
    if about["kind"] == HASHED_WORDS:
        return HashTokenizer(about["buckets"], about["maximum"])
    from tokenizers import Tokenizer as Subwords

    try:
        subwords = Subwords.from_file(str(folder / TOKENIZER))
    except Exception as error:  # tokenizers raises nothing narrower
        raise UserError(f"{folder / TOKENIZER}: is no tokenizer: {one_line(error)}; export again") from None
    return SubwordTokenizer(subwords, about["maximum"])
