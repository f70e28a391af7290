"""Cards, descriptions and files of a bundle, by values that are written out."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from distune.config import Config
from distune.data.pixels.intensity import PixelRules
from distune.data.table import Split, Table, Task
from distune.data.tokenizer import HashTokenizer, SubwordTokenizer
from distune.deployment import bundle as files
from distune.deployment import export, model_card, quantise
from distune.deployment.description import FORMAT, LABELS, PREPROCESS, TASK, check_labels, check_preprocess
from distune.deployment.export import default_folder, export_run
from distune.deployment.parity import dev_examples
from distune.errors import DataError, UserError
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import Columns

SIDE = Task("side", ("left", "right"))


GRADE = Task("grade", ("low", "mid", "high"), "ordinal", "quadratic_kappa", 2.0)


def table(splits: tuple[Split, ...], groups: tuple[str, ...]) -> Table:
    names = tuple(f"e{n}" for n in range(len(splits)))
    images = tuple("" if n == 1 else f"/{name}.png" for n, name in enumerate(names))
    labels = np.array([[n % 2] for n in range(len(splits))])
    return Table(Path("/data"), names, images, names, labels, groups, splits, (SIDE,))


def said(lines: Any) -> str:
    return "\n".join(lines)


def test_the_card_counts_examples_and_cases_of_each_split() -> None:
    one = table(("train", "train", "train", "dev", "test"), ("p", "p", "q", "r", "r"))
    config = Config()
    assert said(model_card._data(config, one)).splitlines()[2:] == [
        "- train: 3 examples of 2 patients or cases",
        "- dev: 1 example of 1 patient or case",
        "- test: 1 example of 1 patient or case",
    ]
    folded = config.replace(**{"data.fold": {"number": 2, "of": 5}})
    assert "- dev is fold 2 of 5" in said(model_card._data(folded, one))
    assert "fold" not in said(model_card._data(config, one))
    assert "was not there" in said(model_card._data(folded, None)) and "fold" not in said(
        model_card._data(folded, None)
    )


def test_the_card_names_tasks_encoders_and_licences_of_the_student() -> None:
    config = Config().replace(
        **{"teacher.vision": "vit-base", "student.vision": "tiny-cnn", "student.text": "a_b/own*model"}
    )
    model = said(model_card._model(config, (SIDE, GRADE, Task("signs", ("a", "b"), "multi_label")), "8-bit"))
    assert "It reads image and text" in model and "- weights: 8-bit" in model
    assert "- side: left, right" in model and "- grade (from low to high): low, mid, high" in model
    assert "- signs (any number of these labels): a, b" in model
    assert "- encoders: tiny-cnn, a_b/own\\*model; fusion: cross_attention" in model
    alone = said(model_card._model(config.replace(**{"student.text": "none"}), (SIDE,), "32-bit"))
    assert "It reads image and gives" in alone and "- encoders: tiny-cnn\n" in alone and "fusion" not in alone
    other = config.replace(**{"student.fusion": "simple", "teacher.fusion": "gated", "teacher.text": "none"})
    shown = said(model_card._model(other, (Task("1. a", ("- b", "# c")),), "32-bit"))
    assert "fusion: simple" in shown and "It reads image and text" in shown
    assert "- 1\\. a: \\- b, \\# c" in shown
    licences = said(model_card._licences(config))
    assert "- tiny-cnn: built in, no published weights" in licences and "vit" not in licences
    assert "own\\*model: not known to Distune" in licences
    known = said(model_card._licences(Config().replace(**{"student.text": "distilbert"})))
    assert "distilbert: apache-2.0" in known
    assert "cut after 77 tokens" in said(model_card._limits(config.replace(**{"data.max_tokens": 77})))


@pytest.mark.parametrize(
    ("changed", "weights", "parts", "never"),
    [
        (
            {},
            "32-bit",
            [
                "On all 7 dev examples",
                "1.2e-05; 2 changed",
                "0.8000 in torch, 0.7500 exported",
                "recorded, 3",
            ],
            "8-bit",
        ),
        ({"changed_from_run": None}, "32-bit", [], "recorded"),
        ({"changed_from_run": 0}, "32-bit", ["recorded, 0 changed"], "8-bit"),
        ({}, "8-bit", ["8-bit weights cost 0.0500"], "generated"),
        ({}, "8-bit, those of convolutions 32-bit", ["8-bit weights cost 0.0500"], "generated"),
        ({"score": None}, "32-bit", ["7 generated images", "2 changed predictions"], "dev examples"),
    ],
)
def test_what_the_card_says_of_parity(
    changed: dict[str, Any], weights: str, parts: list[str], never: str
) -> None:
    parity = {
        "examples": 7, "largest_difference": 1.2e-5, "changed": 2, "changed_from_run": 3, "score": 0.8,
        "exported_score": 0.75, **changed,
    }  # fmt: skip
    text = said(model_card._parity(parity, weights))
    assert all(part in text for part in parts) and never not in text


def test_what_the_card_says_of_scores_and_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"dev": {"score": 0.5, "interval": [0.4, 0.6], "examples": 9}, "test": None}
    monkeypatch.setattr(model_card, "score_with_interval", lambda folder, split, tasks: held[split])
    assert "| dev | 0.5000 | 0.4000 to 0.6000 | 9 |" in said(
        model_card._scores(tmp_path, (SIDE,), {"side": 2.0})
    )
    assert "| test" not in said(model_card._scores(tmp_path, (SIDE,), {"side": 2.0}))
    held["test"] = {"score": 0.25, "interval": [None, None], "examples": 3}
    text = said(model_card._scores(tmp_path, (SIDE, GRADE), {"side": 2.0, "g_x*": 0.12345}))
    assert text.index("| dev | 0.5000") < text.index("| test | 0.2500 | too few cases for an interval | 3 |")
    assert "side 2.000, g_x\\* 0.123" in text and "quadratic" in text
    for ends in ((None, 0.5), (0.5, None), (None, None)):
        assert model_card._interval(*ends) == "too few cases for an interval"
    assert model_card._interval(0.0, 0.5) == "0.0000 to 0.5000"
    assert "None is recorded" in said(model_card._external([])) and "- x" in said(
        model_card._external(["- x"])
    )
    (tmp_path / model_card.EXTERNAL).write_text(
        json.dumps(
            {
                "data": "c*",
                "time": "2026-01-02T03:04:05+00:00",
                "score": 0.5,
                "interval": [None, 1.0],
                "examples": 1,
            }
        )
    )
    assert model_card.external_evaluations(tmp_path) == [
        "- c\\*, 2026-01-02: 0.5000 (too few cases for an interval), 1 example"
    ]
    with (tmp_path / model_card.EXTERNAL).open("a") as file:
        file.write("\n{}\n")
    with pytest.raises(UserError, match="line 2 holds no evaluation"):
        model_card.external_evaluations(tmp_path)


def test_an_export_needs_both_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    export._require_packages()
    for name in ("onnx", "onnxruntime"):
        with monkeypatch.context() as patch, pytest.raises(UserError, match=r"distune\[export\]"):
            patch.setitem(sys.modules, name, None)
            export._require_packages()


def test_dev_examples_are_those_of_dev_alone() -> None:
    asked = dev_examples(table(("dev", "dev", "train", "test", "dev"), tuple("pqrst")))
    assert [(each.id, each.image, each.text) for each in asked.examples] == [
        ("e0", "/e0.png", "e0"), ("e1", None, "e1"), ("e4", "/e4.png", "e4"),
    ]  # fmt: skip
    assert (
        asked.labels is not None
        and asked.labels.tolist() == [[0], [1], [0]]
        and asked.name == "3 dev examples"
    )
    later = dev_examples(table(("train", "dev", "train", "test", "dev"), tuple("pqrst")))
    assert later.labels is not None and later.labels.tolist() == [[1], [0]]


def model(**changes: Any) -> Any:
    held = {
        "tasks": (SIDE, GRADE), "modalities": ("image", "text"), "tokenizer": HashTokenizer(100, 40), "max_tokens": 30,
        "image_size": 24, "rules": PixelRules((40.0, 80.0), (1.0, 98.0)), "max_megapixels": 7.5, "can_miss": True,
        "config": Config(), **changes,
    }  # fmt: skip
    return SimpleNamespace(**held)


def test_a_description_holds_all_that_prediction_needs(tmp_path: Path) -> None:
    columns = Columns(
        ("scan", "image"), ("report",), ("nil",), ("case",), ("page",), "cp1250", follow_links=True
    )
    predictor = Predictor(model(), {"side": 1.5, "grade": 0.5}, columns)
    export._write_description(tmp_path, predictor, model())
    labels = json.loads((tmp_path / files.LABELS).read_text())
    assert labels == {"tasks": [
        {"name": "side", "classes": ["left", "right"], "temperature": 1.5},
        {"name": "grade", "classes": ["low", "mid", "high"], "temperature": 0.5, "kind": "ordinal",
         "score": "quadratic_kappa", "weight": 2.0},
    ]}  # fmt: skip
    about = json.loads((tmp_path / files.PREPROCESS).read_text())
    expected = {
        "format": 2, "modalities": ["image", "text"], "image_size": 24, "window": [40.0, 80.0],
        "percentiles": [1.0, 98.0],
        "max_image_megapixels": 7.5, "max_tokens": 30, "pad_to_multiple_of": 8,
        "tokenizer": {"kind": "hashed_words", "buckets": 100, "maximum": 40},
        "columns": {
            "image": ["scan", "image"], "text": ["report"], "missing": ["nil"], "group": ["case"], "frame": ["page"]
        },
        "encoding": "cp1250", "reading": {"tasks": {}, "label_map": None},
    }  # fmt: skip
    assert {name: about[name] for name in expected} == expected
    check_labels(tmp_path / "l", labels)
    check_preprocess(tmp_path / "p", about)
    export._write_description(
        tmp_path, predictor, model(tokenizer=None, modalities=("image",), can_miss=False)
    )
    plain = json.loads((tmp_path / files.PREPROCESS).read_text())
    assert (plain["format"], plain["tokenizer"], plain["modalities"]) == (1, None, ["image"])
    assert not (tmp_path / files.TOKENIZER).exists()
    export._write_checksums(tmp_path)
    export._write_checksums(tmp_path)
    held = json.loads((tmp_path / files.CHECKSUMS).read_text())
    assert held == {name: files.checksum_of(tmp_path / name) for name in (files.LABELS, files.PREPROCESS)}


def test_a_published_vocabulary_is_written_with_the_limit_of_its_own_model(tmp_path: Path) -> None:
    vocabulary = SimpleNamespace(
        no_truncation=lambda: None, no_padding=lambda: None, to_str=lambda: '{"words": "né"}'
    )
    predictor = Predictor(model(), {"side": 1.0, "grade": 1.0}, Columns(("scan",), ("report",)))
    export._write_description(tmp_path, predictor, model(tokenizer=SubwordTokenizer(vocabulary, 40)))
    about = json.loads((tmp_path / files.PREPROCESS).read_text())
    assert about["tokenizer"] == {"kind": "tokenizers", "maximum": 40} and about["max_tokens"] == 30
    assert (tmp_path / files.TOKENIZER).read_bytes() == '{"words": "né"}'.encode()
    check_preprocess(tmp_path / "p", about)


@pytest.mark.parametrize(
    ("name", "sound", "odd"),
    [
        ("image_size", [0, 4096], [-1, 4097, 1.0, True, "8", None]),
        ("max_tokens", [1, 1_000_000], [0, 1_000_001]),
        ("percentiles", [[0, 100]], [[5, 5], [0, 101], [-1, 5], [1], None, [True, 5], ["0", "5"]]),
        ("window", [None, [0, 1]], [[0, 0], [1], []]),
        ("max_image_megapixels", [0.1], [0, float("inf")]),
        ("modalities", [["text"], ["text", "image"]], [[], ["text", "text"], ["sound"], "text"]),
        ("columns", [{}, {"text": ["a", "b"]}], [[], {"text": "a"}, {"text": [1]}]),
        ("reading", [{}, {"tasks": {}, "label_map": None}], [[], {"tasks": {}, "other": 1}]),
        ("weight", [0, 2.5], [-0.1, None, True]),
        ("temperature", [0.01, 0.1, 100], [0, -1.0, None, 1e-320, 1e-3, 101, float("inf")]),
        ("encoding", [None, "cp1250"], [8, "no such one", "base64", "undefined", "utf-8\0"]),
    ],
)
def test_fields_at_their_edges(name: str, sound: list[Any], odd: list[Any]) -> None:
    rule = {**PREPROCESS, **TASK}[name]
    assert [rule.holds(value) for value in sound] == [True] * len(sound)
    assert [rule.holds(value) for value in odd] == [False] * len(odd)
    assert not LABELS["tasks"].holds([]) and FORMAT["format"].holds(1) and not FORMAT["format"].holds(0)


def test_a_description_is_refused_with_five_faults_and_the_number_of_the_others(tmp_path: Path) -> None:
    for count, more in ((5, False), (6, True)):
        tasks = [{"name": f"t{n}", "classes": [], "temperature": 1.0} for n in range(count)]
        with pytest.raises(UserError) as caught:
            check_labels(tmp_path / "labels.json", {"tasks": tasks})
        assert (" more" in str(caught.value)) is more and "tasks.4.classes" in str(caught.value)
    twins = [{"name": "t", "classes": ["a", "b"], "temperature": 1.0}] * 2
    with pytest.raises(UserError, match="one name"):
        check_labels(tmp_path / "labels.json", {"tasks": twins})
    about = {"modalities": ["image"], "image_size": 8, "window": None, "percentiles": [0, 100], "max_tokens": 8,
             "tokenizer": None, "columns": {}}  # fmt: skip
    check_preprocess(tmp_path / "p", about)
    for changed in ({"image_size": 0}, {"modalities": ["image", "text"]},
                    {"tokenizer": {"kind": "hashed_words", "buckets": 9, "maximum": 9}}):  # fmt: skip
        with pytest.raises(UserError, match="modalities"):
            check_preprocess(tmp_path / "p", {**about, **changed})
    with pytest.raises(UserError, match=r"tokenizer\.buckets: is missing"):
        check_preprocess(tmp_path / "p", {**about, "tokenizer": {"kind": "hashed_words", "maximum": 9}})


def test_an_export_that_makes_no_sense_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for options, word in (
        ({"quantisation": "int4"}, "int4"),
        ({"max_score_drop": 0.5}, "max_score_drop"),
        ({"quantisation": "int8", "max_score_drop": -0.1}, "max_score_drop"),
        ({"quantisation": "int8", "max_score_drop": float("nan")}, "max_score_drop"),
    ):
        with pytest.raises(UserError, match=word):
            export_run(tmp_path / "none", tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_the_drop_that_is_allowed_is_the_one_that_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    allowed: list[float] = []

    def check(name: str, value: float, *, least: float) -> None:
        allowed.append(value)
        raise UserError("enough")

    monkeypatch.setattr(export, "check_number", check)
    for options in ({}, {"max_score_drop": 0.0}, {"max_score_drop": 0.3}):
        with pytest.raises(UserError, match="enough"):
            export_run(tmp_path, tmp_path / "out", quantisation="int8", **options)  # type: ignore[arg-type]
    assert allowed == [0.01, 0.0, 0.3]


def test_the_data_of_an_export_are_those_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, read = table(("train", "dev", "dev"), tuple("pqr")), []
    known: dict[str, bool | None] = {"known": True}
    monkeypatch.setattr(export, "read_table", lambda data, *, check_images: read.append(data.root) or found)
    monkeypatch.setattr(export, "read_rows", lambda folder: [{"id": "e1"}, {"id": "e2"}])
    monkeypatch.setattr(export, "was_trained_on", lambda folder, table: known["known"])
    run: Any = model(tasks=(SIDE,), config=Config().replace(**{"data.root": str(tmp_path / "gone")}))
    assert export._table(tmp_path, run, None, is_needed=False) is None and read == []
    assert export._table(tmp_path, run, None, is_needed=True) is found
    assert export._table(tmp_path, run, tmp_path / "moved", is_needed=False) is found
    assert read == [tmp_path / "gone", tmp_path / "moved"] and not caplog.text
    for answer, warns in ((None, False), (False, True)):
        known["known"] = answer
        export._table(tmp_path, run, tmp_path, is_needed=True)
        assert ("is not as it was" in caplog.text) is warns
    for other in (replace(found, splits=("train", "dev", "train")), replace(found, tasks=(GRADE,))):
        monkeypatch.setattr(export, "read_table", lambda data, *, check_images, other=other: other)
        with pytest.raises(DataError, match="--data-root"):
            export._table(tmp_path, run, tmp_path, is_needed=True)


def test_where_a_bundle_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(export, "run_config", lambda run: Config().replace(name="scans"))
    assert default_folder(tmp_path / "run_7") == Path("logs/bundles/scans_run_7")
    (tmp_path / "run_7").mkdir()
    monkeypatch.chdir(tmp_path / "run_7")
    assert default_folder(Path()) == Path("logs/bundles/scans_run_7")
    asked: list[tuple[Any, ...]] = []

    def exported(run: Path, out: Path, *, data_root: Path | None = None, **options: Any) -> str:
        asked.append((run, out, data_root, options))
        return "parity"

    monkeypatch.setattr(export, "run_behind", lambda source, storage: Path(f"{source}@{storage}"))
    monkeypatch.setattr(export, "export_run", exported)
    monkeypatch.setattr(export, "default_folder", lambda run: Path("usual"))
    assert export.export_source("r", "own", storage="s", data_root="d", quantisation="int8") == (
        Path("own"),
        "parity",
    )
    assert export.export_source("r") == (Path("usual"), "parity")
    assert asked == [
        (Path("r@s"), Path("own"), Path("d"), {"quantisation": "int8"}),
        (Path("r@None"), Path("usual"), None, {}),
    ]


def test_a_whole_card_has_every_part_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_card, "score_with_interval", lambda *given: None)
    monkeypatch.setattr(model_card, "read_results", lambda folder: {})
    parity = {"examples": 7, "largest_difference": 1e-5, "changed": 0, "score": None}
    card = model_card.model_card(
        tmp_path / "run", Config(), (SIDE,), None, parity, "32-bit", {"side": 1.0}, ["- elsewhere"]
    )
    assert [line for line in card.splitlines() if line.startswith("#")] == [
        "# medpix", "## Model", "## Data and splits", "## Scores", "## External evaluation",
        "## Parity with training", "## Intended use and limits", "## Licences",
    ]  # fmt: skip
    assert "from the run run." in card and "- elsewhere" in card and "None is recorded" not in card
    assert "no medical device" in card and card.endswith("\n")


def test_a_checksum_is_that_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 300_000)
    assert files.checksum_of(tmp_path / "a") == hashlib.sha256(b"x" * 300_000).hexdigest()
    with pytest.raises(OSError, match="no regular file"):
        files.checksum_of(Path(os.devnull))


def test_advice_of_a_library_is_not_shown_and_the_logger_is_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with pytest.raises(ValueError, match="x"), quantise._quiet():
        assert root.level == logging.ERROR
        raise ValueError("x")
    assert (root.level, list(root.handlers)) == before
    monkeypatch.setattr(root, "handlers", [])
    with quantise._quiet():
        logging.warning("advice")
    assert root.handlers == [], "at its first advice a logger without any would give itself one"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "it is no whole bundle"),
        (b"[1]", "holds no JSON object"),
        (b"{", "not readable as JSON"),
        (b"\xff", "not readable as JSON"),
        (b"", "not readable as JSON"),  # a folder
        (b'{"a": NaN}', "not readable as JSON"),
        (b'{"a": 1}', None),
    ],
)
def test_a_json_file_of_a_bundle(tmp_path: Path, content: bytes | None, word: str | None) -> None:
    if content == b"":
        (tmp_path / "labels.json").mkdir()
    elif content is not None:
        (tmp_path / "labels.json").write_bytes(content)
    if word is None:
        assert files.read_bundle_json(tmp_path / "labels.json") == {"a": 1}
    else:
        with pytest.raises(UserError, match=word):
            files.read_bundle_json(tmp_path / "labels.json")


def test_what_a_bundle_is_known_by(tmp_path: Path) -> None:
    assert not files.is_bundle(tmp_path)
    for name in (files.CHECKSUMS, files.MODEL):
        (tmp_path / name).touch()
        assert files.is_bundle(tmp_path)
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match="does not name"):
        (tmp_path / files.CHECKSUMS).write_text("{}")
        files.check_files(tmp_path)
