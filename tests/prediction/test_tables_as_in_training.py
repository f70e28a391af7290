"""A table of new examples is read as that of training was: a run answers its own table as it answered it then."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distune.config import Config
from distune.data.table import MISSING
from distune.errors import DataError, UserError
from distune.prediction.example_tables import read_examples
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import labelled, labelled_file
from distune.prediction.load import load
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import Columns
from distune.store import Store
from distune.training.files.prediction_files import read_split_predictions
from distune.training.run import run
from tests.volumes import write_volume

ENCODING = "cp1250"
HEADER = ["picture", "page", "note", "patient", "łagodny", "groźny", "place"]


@pytest.fixture(scope="module")
def odd_run(tiny_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a data set that needs every setting of how a table is read."""
    if importlib.util.find_spec("pydicom") is None:
        pytest.skip("pydicom")
    folder = tmp_path_factory.mktemp("odd")
    (folder / "data/images").mkdir(parents=True)
    (folder / "archive").mkdir()
    generator = np.random.default_rng(0)
    for patient in range(12):
        frames = generator.integers(-1000, 1000, (4, 40, 40)) * 3 + 1500 * np.arange(4)[:, None, None]
        write_volume(folder / f"archive/{patient}.dcm", frames)
        (folder / f"data/images/{patient}.dcm").symlink_to(folder / f"archive/{patient}.dcm")
    for split, patients in (("train", range(8)), ("dev", range(8, 12))):
        with (folder / f"data/metadata_{split}.csv").open("w", encoding=ENCODING, newline="") as file:
            rows = csv.writer(file, delimiter=";")
            rows.writerow(HEADER)
            for patient in patients:
                for page in range(1, 5):
                    is_bad = page > 2
                    note = "leer" if page == 1 else f"{'śmiało' if is_bad else 'źle'} {patient}"
                    rows.writerow(
                        [
                            f"images/{patient}.dcm",
                            page,
                            note,
                            f"p{patient}",
                            int(page in (1, 4)),  # both, one or none of the labels
                            int(is_bad),
                            "łokieć" if patient % 2 else "żebro",
                        ]
                    )
    data = {
        "reader": "csv",
        "root": str(folder / "data"),
        "encoding": ENCODING,
        "image_column": "picture",
        "frame_column": "page",
        "text_column": "note",
        "group_column": "patient",
        "label_columns": ["grade", "place"],
        "tasks": {"grade": {"columns": HEADER[4:6]}},
        "label_map": {"place": {"łokieć": "elbow"}},
        "missing_values": ["leer"],
        "missing": "allow",
        "follow_links": True,
        "window": [0, 4000],
    }
    config = tiny_config(**{f"data__{name}": value for name, value in data.items()})
    run(config, folder / "run", store=Store(folder / "cache"))
    return folder / "run"


@pytest.fixture
def dev(odd_run: Path) -> Path:
    return odd_run.parent / "data/metadata_dev.csv"


@pytest.fixture
def predictor(odd_run: Path) -> Predictor:
    """Without temperatures, as predictions are recorded."""
    found = load(odd_run)
    return replace(found, temperatures=dict.fromkeys(found.temperatures, 1.0))


def assert_as_recorded(odd_run: Path, predictor: Predictor, found: list[np.ndarray]) -> None:
    recorded = read_split_predictions(odd_run, "dev", predictor.tasks)
    assert recorded is not None
    for now, then in zip(found, recorded.probabilities, strict=True):
        assert len({tuple(row) for row in then.round(6)}) > 8  # frames and texts differ, so a mix-up shows
        np.testing.assert_allclose(now, then, atol=2e-6)


@pytest.mark.slow
def test_a_run_answers_its_own_table_as_it_did_in_training(
    odd_run: Path, dev: Path, predictor: Predictor, tmp_path: Path
) -> None:
    assert_as_recorded(odd_run, predictor, list(predictor.predict_table(dev).probabilities))
    again = tmp_path / "utf8.csv"  # a new table need not be in the code page of the old one
    again.write_text(dev.read_text(encoding=ENCODING), encoding="utf-8")
    assert_as_recorded(odd_run, predictor, list(predictor.predict_table(again, dev.parent).probabilities))


def test_a_data_frame_is_read_as_the_table(odd_run: Path, dev: Path, predictor: Predictor) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(dev, sep=";", encoding=ENCODING)
    frame["picture"] = [str(dev.parent / name) for name in frame["picture"]]
    found = predictor.predict_proba(frame)
    assert_as_recorded(odd_run, predictor, list(found.values()))


def test_its_labels_and_patients_are_read_as_in_training(
    odd_run: Path, dev: Path, predictor: Predictor
) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(dev, sep=";", encoding=ENCODING)
    frame["picture"] = [str(dev.parent / name) for name in frame["picture"]]
    recorded = read_split_predictions(odd_run, "dev", predictor.tasks)
    assert recorded is not None
    assert {tuple(row) for row in recorded.labels[:, :2]} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for read in (labelled_file(predictor, dev), labelled(predictor, frame)):
        np.testing.assert_array_equal(label_columns_of(read, predictor.tasks), recorded.labels)
        assert list(read.groups) == list(recorded.groups)
    frame[HEADER[4]] = frame[HEADER[4]].astype(object)
    frame.loc[0, HEADER[4]] = None  # one label that is not known: the other is
    found = label_columns_of(labelled(predictor, frame), predictor.tasks)
    assert found[0, 0] == MISSING
    np.testing.assert_array_equal(found[:, 1:], recorded.labels[:, 1:])
    with pytest.raises(UserError, match="groups"):
        labelled(predictor, frame, groups=["p"] * len(frame))
    frame.loc[0, HEADER[4]] = 2
    with pytest.raises(DataError, match="grade"):
        labelled(predictor, frame)


def test_a_column_of_a_label_that_is_not_there_is_named(
    dev: Path, predictor: Predictor, tmp_path: Path
) -> None:
    file = tmp_path / "new.csv"
    file.write_text(dev.read_text(encoding=ENCODING).replace(HEADER[5], "other"), encoding="utf-8")
    with pytest.raises(DataError, match=rf"'grade', nor .*\('{HEADER[5]}' not there\)"):
        labelled_file(predictor, file, dev.parent)


@pytest.mark.slow
def test_its_bundle_reads_a_table_as_the_run_does_but_for_links(
    odd_run: Path, dev: Path, predictor: Predictor, tmp_path: Path
) -> None:
    bundle = load(predictor.export(tmp_path / "bundle"))
    assert bundle.columns == replace(predictor.columns, follow_links=False)
    found = replace(bundle, temperatures=predictor.temperatures, columns=predictor.columns)
    assert_as_recorded(odd_run, predictor, list(found.predict_table(dev).probabilities))


@pytest.mark.parametrize(
    ("cell", "is_read"), [("2", True), ("2.0", True), ("", True), ("0", False), ("x", False)]
)
def test_a_frame_is_a_number_from_1(cell: str, is_read: bool, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "t.csv").write_text(f"image,page\na.png,{cell}\n")
    (example,) = read_examples(tmp_path / "t.csv", tmp_path, Columns(text=(), frame=("page",)))
    assert (example.problem is None) == is_read
    if is_read:
        assert str(example.image).endswith("a.png#frame=2" if cell else "a.png")


def test_a_table_without_the_column_of_frames_is_said_to_lack_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "t.csv").write_text("image\na.png\n")
    read_examples(tmp_path / "t.csv", tmp_path, Columns(text=(), frame=("page",)))
    assert "page" in caplog.text


@pytest.mark.parametrize(
    ("table", "said"),
    [("text\nNA\nwords\n", "'NA' is a text"), ("text,Text\na,b\n", "'Text'"), ("id,text\n7,a\n7,b\n", "'7'"),
     ("id,text\n ,a\n ,b\n", ""), ("text,note\na,b\nn/a,c\n", "")],
)  # fmt: skip
def test_what_may_mean_something_else_in_a_table_of_new_examples_is_said(
    table: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "t.csv").write_text(table)
    read_examples(tmp_path / "t.csv", tmp_path, Columns(image=(), missing=("n/a",)))
    assert len(caplog.records) == bool(said) and said in caplog.text
