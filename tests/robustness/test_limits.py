"""Numbers that results or readers depend on, and that no other test would miss: most import the number they test."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

RESULTS: dict[str, dict[str, object]] = {
    "data.batches": {"POOL": 32},
    "data.fingerprint": {"DIGEST_BYTES": 16},
    "data.folds": {"SEED": 0},
    "data.pixels.images": {"ROTATION_DEGREES": 10.0, "SHIFT": 0.06, "SCALE": 0.1, "LIGHT": 0.1},
    "data.ragged": {"LENGTH_STEP": 8},
    "data.readers.values": {"LONGEST_TEXT": 131_072},
    "data.split": {"FRACTIONS": (0.7, 0.15, 0.15), "RARE": 10},
    "data.table": {"MISSING": -1},
    "data.tokenizer": {"PADDING": 0, "START": 1, "FIRST_WORD": 2},
    "data.unlabelled": {"SEED": 0},
    "store.manifest": {"LAYOUT": 2},
    "utils.seeds": {"LARGEST_SEED": 2**31 - 1},
}
"""Another number gives other results from the same config, or another key: old runs could not be repeated."""

PROMISED: dict[str, dict[str, object]] = {
    "config.study": {"MOST_TRIALS": 1_000_000, "MOST_WORKERS": 10_000},
    "config.search_space": {"_MOST_STEPS": 1_000_000},
    "data.audit.audit": {"MOST_CLASSES": 200},
    "data.audit.bag_of_words": {"TOP_WORDS": 8, "LARGEST_VOCABULARY": 20_000},
    "data.audit.files": {"SEVERE_SKILL": 0.95, "STRONG_SKILL": 0.25},
    "data.audit.findings": {"MOST_ROWS": 50},
    "data.audit.labels": {"FEW_IN_TRAIN": 10, "FEW_IN_EVALUATION": 10, "UNEVEN": 10.0},
    "data.audit.leaks": {
        "HASH_DISTANCE": 6, "CORRELATION": 0.97, "SEVERE_NEAR_SHARE": 0.02, "LEAST_WORDS": 5,
        "MANY_SAME_CAPTIONS": 0.05,
    },
    "data.audit.repeats": {"MANY": 0.02},
    "data.audit.texts": {
        "SEVERE_WORDS": 0.99, "STRONG_WORDS": 0.90, "MANY_EMPTY": 0.10, "MANY_NAMED": 0.50, "SHORTEST_WORD": 4,
        "SHORTEST_STEM": 5, "ENDING": 2,
    },
    "data.device_arrays": {"SHARE": 0.25},
    "data.pixels.dicom": {"MOST_INFLATED": 2**30},
    "data.readers.problems": {"SHOWN": 3, "LONGEST_DETAIL": 600},
    "deployment.bundle": {"FORMAT": 2},
    "deployment.description": {"LARGEST_IMAGE": 4096, "LONGEST_TEXT": 1_000_000},
    "deployment.export": {"MAX_SCORE_DROP": 0.01},
    "deployment.graph": {"OPSET": 17},
    "deployment.onnx_model": {"BATCH": 16},
    "deployment.parity": {"PARITY": 1e-4, "GENERATED": 64},
    "deployment.quantise": {"FEWEST_WEIGHTS": 512},
    "prediction.novelty": {"LEAST_WORDS": 5, "SHOWN": 3},
    "setup.cells": {"MOST_CLASSES": 20, "FEWEST_EACH": 5},
    "setup.columns": {"TEXT_WORDS": 3.0},
    "setup.data_section": {"MOST_BAD": 0.2},
    "setup.encoders": {"BUDGET": 600.0},
    "store.checksums": {"BLOCK": 8 * 2**20, "BLOCKS_ON_OPEN": 16},
    "utils.arguments": {"LONGEST_NAME": 255, "LONGEST_PATH": 4000},
    "utils.files.json_files": {"DEEPEST": 100},
    "utils.files.yaml_files": {"LARGEST": 500_000, "DEEPEST": 50, "MOST_VALUES": 100_000, "LONGEST_NUMBER": 100},
    "utils.progress": {"FIRST_SECONDS": 2.0, "EVERY_SECONDS": 5.0},
    "utils.text": {"LONGEST_LINE": 300, "LONGEST_NAME": 100, "LONGEST_MESSAGE": 2_000, "MOST_NAMES": 30},
}  # fmt: skip
"""What docstrings, help and messages say of data, files and words."""


@pytest.mark.parametrize("name", [*RESULTS, *PROMISED])
def test_a_number_stays_what_it_is_said_to_be(name: str) -> None:
    held = {**RESULTS.get(name, {}), **PROMISED.get(name, {})}
    module = importlib.import_module(f"distune.{name}")
    assert {key: getattr(module, key) for key in held} == held


UNSAID: dict[str, dict[str, object]] = {
    "data.demo.demo.write_demo": {"examples": 1200, "with_config": False},
    "data.demo.wounds.write_wound_demo": {"examples": 600},
    "data.pixels.intensity.PixelRules": {"window": None, "percentiles": (0.5, 99.5)},
    "data.pixels.intensity.windowed": {"function": "LINEAR"},
    "data.readers.read_table.read_table": {"check_images": True},
    "data.split.split_csv": {
        "group_column": None,
        "fractions": (0.7, 0.15, 0.15),
        "seed": 42,
        "encoding": None,
    },
    "data.table.Task": {"kind": "single_label", "score": "macro_f1", "weight": 1.0},
    "deployment.export.export_run": {"quantisation": "none", "max_score_drop": None, "data_root": None},
    "deployment.quantise.quantise": {"convolutions": True},
    "prediction.predictor.Predictor.answer": {"is_calibrated": True},
    "prediction.predictor.Predictor.evaluate": {"groups": None, "root": None, "record": False},
    "prediction.predictor.Predictor.export": {"out": None, "quantize": "none", "max_score_drop": None},
    "prediction.predictor.Predictor.predict_proba": {"is_calibrated": True},
    "prediction.table_columns.Columns": {
        "image": ("image",),
        "text": ("text",),
        "missing": (),
        "follow_links": False,
    },
    "setup.check.check": {"estimates": True},
    "setup.init.prepare": {"seed": 42, "encoding": None},
    "store.manifest.read_manifest": {"every_block": False},
    "store.store.Store": {"root": None, "max_gb": 20.0},
    "store.store.Store.clear": {"kind": None, "unused_for": 0.0},
    "utils.files.atomic.replacing": {"durable": False},
    "utils.files.json_files.parse_json": {"any_text": False},
    "utils.files.output_files.check_output": {"overwrite": False},
}


@pytest.mark.parametrize("name", UNSAID)
def test_what_nobody_says_means_the_same_as_ever(name: str) -> None:
    parts = name.split(".")
    place = next(n for n, part in enumerate(parts) if n == len(parts) - 1 or part[0].isupper())
    held: Any = importlib.import_module(".".join(["distune", *parts[:place]]))
    for part in parts[place:]:
        held = getattr(held, part)
    parameters = inspect.signature(held).parameters
    assert {key: parameters[key].default for key in UNSAID[name]} == UNSAID[name]
