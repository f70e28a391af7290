"""From image paths and a config to the table: what is found, checked, folded and left out."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.config import DataConfig
from distune.data import read_table
from distune.data.readers.checks import checked_images
from distune.data.readers.image_files import MISSING, SUFFIXES, ImageFiles, image_paths, wrong_root
from distune.data.readers.medpix import read_medpix
from distune.data.readers.problems import Fault
from distune.errors import DataError

from .conftest import medpix_row, write_csv, write_lines, write_png
from .test_readers_by_hand import row, tables


def test_images_that_are_found_missing_or_not_needed(tmp_path: Path) -> None:
    for name in ("a.png", "scan.dcm", "deep/er/x.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    root = (tmp_path / "set").resolve()
    rows = [
        row(n, "train", "x", image=image)
        for n, image in enumerate(["a.png", "scan.dcm#frame=3", " ", "b.png"])
    ]
    faults: list[list[Fault]] = [[] for _ in rows]
    assert image_paths(ImageFiles(root), rows, faults, may_lack=True) == [
        str(root / "a.png"), f"{root / 'scan.dcm'}#frame=3", "", None,
    ]  # fmt: skip
    assert [len(own) for own in faults] == [0, 0, 0, 1] and wrong_root(root, rows, faults) is None
    strict: list[list[Fault]] = [[] for _ in rows]
    assert image_paths(ImageFiles(root), rows, strict)[2:] == [None, None]
    assert strict[2][0].cause == "no image path"
    there = root / "deep/er"
    for at in (root, root / "deep", there / "in", there / "in/side"):
        at.mkdir(exist_ok=True)
        lost = [row(n, "train", "x", image="x.png") for n in range(2)]
        found: list[list[Fault]] = [[] for _ in lost]
        image_paths(ImageFiles(at), lost, found)
        said = wrong_root(at, lost, found)
        assert said is not None and "none of 2 image files" in said and said.endswith(f"is under {there}")
        assert wrong_root(at, lost[:1], found[:1]) is None
    (root / "x.png").unlink(missing_ok=True)
    lost = [row(n, "train", "x", image="er\\x.png") for n in range(2)]
    missing = [[Fault(MISSING)], [Fault("other"), Fault(MISSING)]]
    assert str(wrong_root(root, lost, missing)).endswith(f"is under {root / 'deep'}")
    assert wrong_root(root, lost, [[Fault(MISSING)], [Fault("other")]]) is None
    nowhere = [row(n, "train", "x", image="nowhere.png") for n in range(2)]
    assert "is under" not in str(wrong_root(root, nowhere, missing))


def test_a_folder_beside_the_root_with_a_longer_name_is_outside(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_png(tmp_path / "set2/a.png", 1)
    for follow in (False, True):
        fault = ImageFiles(tmp_path / "set", follow_links=follow).find(f"{tmp_path}/set2/a.png")
        assert isinstance(fault, Fault) and fault.cause == "image that leaves the data root"
        assert "put the file under it" in fault.remedy
    (tmp_path / "set/folder").mkdir()
    inside = ImageFiles(tmp_path / "set").find("folder")
    assert isinstance(inside, Fault) and inside.cause == "image that is not a file"


def test_of_names_that_differ_in_case_the_written_one_is_taken_and_folders_have_no_suffix(
    tmp_path: Path,
) -> None:
    for name in ("x/a.png", "x/A.png", "z.png/b.png", "y/c.png", "y/d.png"):
        write_png(tmp_path / name, 1)
    files = ImageFiles(tmp_path)
    assert files.find("X\\a.png") == tmp_path / "x/a.png"
    assert isinstance(files.find("X/a"), Fault) and isinstance(files.find("z/b"), Fault)
    for name in "cd":
        assert files.find(f"Y/{name}") == tmp_path / f"y/{name}.png"
    assert files.find("Y/C.png") == tmp_path / "y/c.png"
    notes = files.notes()
    assert [note.partition(", such as ")[2] for note in notes][1:] == [
        "'Y/c' -> 'y/c.png'",
        "'Y/C.png' -> 'y/c.png'",
    ]
    assert "2 paths without an extension and in other case" in notes[1] and "1 path in other case" in notes[2]


def wound_rows(root: Path, split: str) -> list[list[str]]:
    with (root / f"metadata_{split}.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_what_stands_in_the_config_reaches_the_table(wound: Path) -> None:
    rows = wound_rows(wound, "dev")
    write_csv(
        wound / "metadata_dev.csv",
        [[*line, "sex" if n == 0 else "N/A " if n == 1 else "f"] for n, line in enumerate(rows)],
    )
    rows = wound_rows(wound, "train")
    write_csv(
        wound / "metadata_train.csv", [[*line, "sex" if n == 0 else "m"] for n, line in enumerate(rows)]
    )
    table = read_table(
        DataConfig(reader="wound", root=wound, subgroup_columns=("sex",), percentiles=(2.0, 98.0), window=(40.0, 80.0),
                   missing="allow"),
    )  # fmt: skip
    assert table.subgroups == {"sex": ("m",) * 8 + ("", "f", "f", "f")} and table.may_lack
    assert (table.rules.percentiles, table.rules.window) == ((2.0, 98.0), (40.0, 80.0))
    assert not read_table(DataConfig(reader="wound", root=wound)).may_lack
    for section, named in (("tasks", {"typ": {"weight": 2}}), ("label_map", {"typ": {"a": "b"}})):
        with pytest.raises(DataError, match=f"data.{section}: there is no task 'typ'"):
            read_table(DataConfig.model_validate({"reader": "wound", "root": wound, section: named}))
    write_csv(wound / "metadata_dev.csv", [["file_path", "type", "severity", "description", "sex"], *(
        [*line[:4], ""] for line in wound_rows(wound, "dev")[1:])])  # fmt: skip
    read_table(DataConfig(reader="wound", root=wound, subgroup_columns=("sex",)))
    write_csv(
        wound / "metadata_train.csv",
        [[*line[:4], "sex" if n == 0 else ""] for n, line in enumerate(wound_rows(wound, "train"))],
    )
    for columns in (("sex",), ("type", "sex")):
        with pytest.raises(DataError, match="no example has a value of 'sex'"):
            read_table(DataConfig(reader="wound", root=wound, subgroup_columns=columns))


def test_classes_are_those_of_train_and_dropping_a_whole_split_is_refused(wound: Path) -> None:
    rows = wound_rows(wound, "dev")
    with pytest.raises(DataError) as caught:
        write_csv(wound / "metadata_dev.csv", [rows[0], *(["gone.png", *line[1:]] for line in rows[1:])])
        read_table(DataConfig(reader="wound", root=wound, on_bad_example="drop"))
    assert "the dev split has no usable example" in caught.value.problems[0]
    write_csv(wound / "metadata_dev.csv", [rows[0], [rows[1][0], "new", *rows[1][2:]], *rows[2:]])
    table = read_table(DataConfig(reader="wound", root=wound, on_bad_example="drop"))
    assert table.tasks[0].classes == ("a", "b") and len(table.dropped) == 1
    (wound / "photos/0.png").write_bytes(b"no image")
    dropping = DataConfig(reader="wound", root=wound, on_bad_example="drop")
    assert len(read_table(dropping, check_images=False).dropped) == 2


def test_spellings_are_joined_before_the_classes_are_counted(wound: Path) -> None:
    config = DataConfig.model_validate({"reader": "wound", "root": wound, "label_map": {"type": {"b": "a"}}})
    with pytest.raises(DataError, match="'type' needs two classes"):
        read_table(config)


def test_tasks_whose_columns_of_predictions_would_meet_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        write_png(tmp_path / f"{number}.png", number)
    lines = [[f"{n}.png", ("b_c", "d")[n % 2], "xy"[n % 2]] for n in range(4)]
    tables(tmp_path, {f"metadata_{split}.csv": lines for split in ("train", "dev")}, ["i", "a", "a_b"])
    config = {"reader": "csv", "root": tmp_path, "image_column": "i", "label_columns": ["a", "a_b"]}
    with pytest.raises(DataError, match="told apart"):
        read_table(DataConfig.model_validate(config))
    assert len(read_table(DataConfig.model_validate({**config, "label_columns": ["a"]}))) == 8


def test_a_class_that_bad_train_rows_alone_have_is_none_where_they_are_dropped(wound: Path) -> None:
    train, dev = wound_rows(wound, "train"), wound_rows(wound, "dev")
    write_csv(wound / "metadata_train.csv", [*train, ["gone.png", "c", "x", "lost"]])
    write_csv(wound / "metadata_dev.csv", [*dev, ["photos/7.png", "c", "x", "odd"]])
    table = read_table(DataConfig(reader="wound", root=wound, on_bad_example="drop"))
    assert table.tasks[0].classes == ("a", "b") and "odd" not in table.texts
    assert [line.partition(": ")[0] for line in table.dropped] == [
        "metadata_train.csv:10",
        "metadata_dev.csv:6",
    ]
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(reader="wound", root=wound))
    assert len(caught.value.problems) == 1  # with its file, the class would be there


def test_unlabelled_rows_have_no_subgroups_and_the_root_is_absolute(
    wound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "dev"):
        header, *rows = wound_rows(wound, split)
        write_csv(wound / f"metadata_{split}.csv", [[*header, "sex"], *([*row, "f"] for row in rows)])
    write_png(wound / "u.png", 99)
    write_csv(wound / "more.csv", [["file_path", "description"], ["u.png", "new"]])
    monkeypatch.chdir(wound.parent)
    config = DataConfig.model_validate(
        {"reader": "wound", "root": wound.name, "unlabelled": "more.csv", "subgroup_columns": ["sex"]}
    )
    table = read_table(config)
    assert table.root == wound.resolve() and table.images[0] == str(table.root / "photos/0.png")
    assert table.subgroups == {"sex": (*("f",) * 12, "")}


def several(root: Path, cells: list[str], **values: Any) -> DataConfig:
    """Rows of their own cases with labels that share a cell, each with its picture; the last four are dev."""
    lines = [[f"{n}.png", cell, f"p{n}"] for n, cell in enumerate(cells)]
    for n in range(len(cells)):
        write_png(root / f"{n}.png", n)
    tables(root, {"metadata_train.csv": lines[:-4], "metadata_dev.csv": lines[-4:]}, ["i", "signs", "g"])
    return DataConfig.model_validate({
        "reader": "csv", "root": root, "image_column": "i", "label_columns": ["signs"], "group_column": "g",
        "tasks": {"signs": {"separator": ";"}}, **values,
    })  # fmt: skip


@pytest.mark.slow
def test_folds_and_shares_spread_the_labels_of_a_cell(tmp_path: Path) -> None:
    """Each pair of labels occurs once: as whole cells they could be in one fold alone, label by label they are not."""
    names = "abcdefgh"
    cells = [f"{one};{other}" for one in names for other in names if one < other]
    for number in (1, 2, 3):
        table = read_table(several(tmp_path, cells, fold={"number": number, "of": 3}))
        train, dev = table.labels[table.rows("train")], table.labels[table.rows("dev")]
        assert len(train) + len(dev) == 28 and train.sum(axis=0).min() >= 3 and dev.sum(axis=0).min() >= 1
    for share in (0.5, 0.75):
        table = read_table(several(tmp_path, cells, label_fraction=share))
        assert len(table.rows("train")) == 24 * share and len(table.rows("unlabelled")) == 24 * (1 - share)
        assert set(table.tasks[0].classes) == set(names)
    kept = table.labels[table.rows("train")].sum(axis=0)
    assert kept.min() >= 2


def test_a_set_with_faults_is_not_folded_first(tmp_path: Path) -> None:
    config = several(tmp_path, ["a", "b"] * 6, fold={"number": 1, "of": 13})
    (tmp_path / "3.png").unlink()
    with pytest.raises(DataError) as caught:
        read_table(config)
    assert len(caught.value.problems) == 1 and "image file is missing" in caught.value.problems[0]


def test_images_are_checked_by_the_window_of_the_config(tmp_path: Path) -> None:
    config = several(tmp_path, ["a", "b"] * 4)
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "0.tif")
    train = [*([f"{n}.png", "ab"[n % 2], f"p{n}"] for n in range(1, 4)), ["0.tif", "a", "p0"]]
    tables(tmp_path, {"metadata_train.csv": train}, ["i", "signs", "g"])
    seen: list[Any] = []
    module = sys.modules["distune.data.readers.read_table"]
    real = checked_images

    def noted(paths: Sequence[str], limit: float, rules: Any) -> Any:
        seen.append((limit, rules.window))
        return real(paths, limit, rules)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "checked_images", noted)
        with pytest.raises(DataError, match="no pixel of the image is a number"):
            read_table(config.model_copy(update={"window": (1.0, 2.0), "max_image_megapixels": 3.0}))
    assert seen == [(3.0, (1.0, 2.0))]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("reader", ["medpix", "csv"])
def test_a_pipe_in_the_place_of_a_table_is_a_problem(tmp_path: Path, reader: str) -> None:
    names = {"medpix": "splitted_dataset/descriptions_{}.jsonl", "csv": "metadata_{}.csv"}[reader]
    for split in ("train", "dev"):
        path = tmp_path / names.format(split)
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
    columns = {"image_column": "i", "label_columns": ["k"]} if reader == "csv" else {}
    with pytest.raises(DataError):
        read_table(DataConfig.model_validate({"reader": reader, "root": tmp_path, **columns}))


SUFFIXED = [
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".jp2",
    ".dcm",
    ".dicom",
    ".ima",
]


@pytest.mark.parametrize("suffix", SUFFIXED)
def test_a_path_may_lack_any_suffix_of_an_image(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x{suffix}").touch()
    assert ImageFiles(tmp_path).find("x") == tmp_path / f"x{suffix}"
    assert set(SUFFIXES) == set(SUFFIXED)


def test_every_field_of_a_medpix_row_can_be_text_or_subgroup(tmp_path: Path) -> None:
    line = medpix_row(0, Description={"Age": "30", "Caption": "a scan", "Sex": "female", "Own": 5})
    for split in ("train", "dev"):
        write_lines(tmp_path / f"splitted_dataset/descriptions_{split}.jsonl", [line])
        case = {"U_id": "MPX0", "Case": {"History": "fell", "Findings": "broken"}}
        write_lines(
            tmp_path / f"splitted_dataset/data_{split}.jsonl", [case, {"U_id": 3, "Case": {}}, {"U_id": "x"}]
        )
    fields = ("sex", "findings", "history", "age", "caption")
    raw = read_medpix(
        DataConfig(
            root=tmp_path, text_fields=fields, subgroup_columns=("sex", "age", "caption", "Own", "none")
        )
    )
    assert raw.examples[0].text == "female broken fell 30 a scan"
    assert raw.examples[0].subgroups == ("female", "30", "a scan", "5", "")
    assert len(raw.bad_rows) == 4 and all(
        "'U_id' (text) and 'Case'" in str(fault) for _, fault in raw.bad_rows
    )
    assert raw.task_names == ("modality", "location") and raw.read == {
        split: f"splitted_dataset/descriptions_{split}.jsonl" for split in ("train", "dev")
    }
