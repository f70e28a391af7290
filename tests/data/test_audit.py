"""Leaks and shortcuts planted in a small clean set; each must be found, and the clean set must stay quiet."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from distune.config import DataConfig
from distune.data import read_table
from distune.data.audit.audit import audit
from distune.data.pixels.images import read_pixels
from distune.data.table import Task

from .planted import SPLITS, Planted, found, kinds


@pytest.fixture
def planted(tmp_path: Path, clean_set: Path) -> Planted:
    return Planted(tmp_path / "demo", clean_set)


@pytest.mark.slow
def test_a_clean_set_has_no_leaks(planted: Planted) -> None:
    report = planted.audit()
    assert report.leaks == ()
    assert kinds(report) <= {
        "words_alone",
        "texts_name_the_label",
        "few_to_judge",
        "same_captions_across_splits",
        "unseen_label_pairs",
    }


@pytest.mark.slow
def test_a_case_in_two_splits(planted: Planted) -> None:
    stolen = planted.rows["train"][0]["U_id"]
    planted.rows["dev"][3]["U_id"] = stolen
    planted.rows["test"][0]["U_id"] = stolen
    mine = sum(row["U_id"] == stolen for row in planted.rows["train"])
    report = planted.audit()
    finding = found(report, "groups_across_splits")
    assert finding.severity == "severe"
    assert list(finding.rows) == [{"group": stolen, "train": mine, "dev": 1, "test": 1}]
    assert finding in report.leaks
    assert report.findings[0].severity == "severe"


@pytest.mark.slow
def test_an_equal_file_in_two_splits(planted: Planted) -> None:
    planted.image("test", 2).write_bytes(planted.image("train", 5).read_bytes())
    report = planted.audit()
    finding = found(report, "duplicate_images_across_splits")
    assert finding.severity == "severe"
    (row,) = finding.rows
    assert (row["first"], row["second"]) == (
        planted.rows["train"][5]["image"],
        planted.rows["test"][2]["image"],
    )
    assert (row["first split"], row["second split"]) == ("train", "test")
    assert "near_duplicate_images_across_splits" not in kinds(report)


@pytest.mark.slow
def test_an_equal_file_within_a_split_counts_only_where_labels_differ(planted: Planted) -> None:
    train = planted.rows["train"]
    same = [row for row in range(1, len(train)) if train[row]["Type"] == train[0]["Type"]
            and train[row]["Location Category"] == train[0]["Location Category"]][-1]  # fmt: skip
    planted.image("train", same).write_bytes(planted.image("train", 0).read_bytes())
    report = planted.audit()
    assert not {"same_image_other_label", "duplicate_images_across_splits"} & kinds(report)
    train[same]["Type"] = "MR" if train[0]["Type"] == "CT" else "CT"
    finding = found(planted.audit(), "same_image_other_label")
    assert finding.severity == "warning"
    assert finding.rows[0]["second"] == train[same]["image"]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brighter": lambda pixels: np.clip(pixels * 1.15 + 10, 0, 255).astype(np.uint8),
    "larger": lambda pixels: cv2.resize(pixels, (150, 150), interpolation=cv2.INTER_CUBIC),
    "shifted": lambda pixels: np.roll(pixels, 1, axis=1),
    "compressed": lambda pixels: cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_picture_saved_again_in_another_split(planted: Planted, change: str) -> None:
    pixels = read_pixels(planted.image("train", 8))
    Image.fromarray(CHANGES[change](pixels)).save(planted.image("dev", 1))
    finding = found(planted.audit(), "near_duplicate_images_across_splits")
    (row,) = finding.rows
    assert (row["first"], row["second"]) == (
        planted.rows["train"][8]["image"],
        planted.rows["dev"][1]["image"],
    )
    assert "dev: 1 " in finding.detail


@pytest.mark.slow
def test_near_duplicates_are_severe_from_two_percent_of_a_split(planted: Planted) -> None:
    assert 50 < len(planted.rows["dev"]) < 100
    severities = []
    for row in range(2):
        brighter = CHANGES["brighter"](read_pixels(planted.image("train", 8 + row)))
        Image.fromarray(brighter).save(planted.image("dev", row))
        severities.append(found(planted.audit(), "near_duplicate_images_across_splits").severity)
    assert severities == ["warning", "severe"]


@pytest.mark.slow
@pytest.mark.parametrize("is_equal", [True, False])
def test_a_picture_in_two_cases_of_train_can_lie_in_two_folds(planted: Planted, is_equal: bool) -> None:
    assert "twin_images_of_two_cases" not in kinds(planted.audit())
    rows = planted.rows["train"]
    other = next(row for row, example in enumerate(rows) if example["U_id"] != rows[0]["U_id"])
    if is_equal:
        planted.image("train", other).write_bytes(planted.image("train", 0).read_bytes())
    else:
        Image.open(planted.image("train", 0)).resize((120, 120)).save(planted.image("train", other))
    finding = found(planted.audit(), "twin_images_of_two_cases")
    assert (finding.severity, len(finding.rows)) == ("info", 1)
    assert finding.rows[0]["same case"] == "no" and finding.rows[0]["second split"] == "train"
    assert finding.detail.startswith("2 images of train and dev (")


@pytest.mark.slow
def test_a_file_form_that_tells_the_class(planted: Planted) -> None:
    for split in SPLITS:
        for row, example in enumerate(planted.rows[split]):
            if example["Type"] == "CT":
                path = planted.image(split, row)
                Image.open(path).convert("RGB").save(path)
    finding = found(planted.audit(), "file_form_tells_class")
    assert finding.severity == "severe"
    assert finding.title.startswith("modality: ")
    assert [str(row["files"]).split(":")[0] for row in finding.rows] == ["PNG RGB", "PNG L"]


@pytest.mark.slow
def test_a_file_size_that_half_tells_the_class(planted: Planted) -> None:
    for split in SPLITS:
        for row, example in enumerate(planted.rows[split]):
            if example["Type"] == "CT" and row % 2:
                path = planted.image(split, row)
                Image.open(path).resize((70, 64)).save(path)
    assert found(planted.audit(), "file_form_tells_class").severity == "warning"


@pytest.mark.slow
def test_rare_and_lookalike_classes_and_unseen_pairs(planted: Planted) -> None:
    for row in planted.rows["train"]:
        if row["Type"] == "MR" and row["Location Category"] == "Thorax":
            row["Type"] = "CT"
    for row in planted.rows["train"][:3]:
        row["Location Category"] = "He ad"
    report = planted.audit()
    rare = found(report, "rare_classes")
    assert list(rare.rows) == [{"class": "He ad", "examples": 3}]
    assert found(report, "lookalike_labels").rows[0]["classes"] == "'He ad', 'Head'"
    unseen = {
        (row["modality"], row["location"]): (row["dev"], row["test"])
        for row in found(report, "unseen_label_pairs").rows
    }
    expected = tuple(
        sum(row["Type"] == "MR" and row["Location Category"] == "Thorax" for row in planted.rows[split])
        for split in ("dev", "test")
    )
    assert unseen["MR", "Thorax"] == expected
    assert sum(expected) > 0


@pytest.mark.slow
def test_tables_of_balance_and_lengths(planted: Planted) -> None:
    report = planted.audit()
    _, balance, lengths, words, files = report.sections
    assert sum(int(row["train"]) for row in balance.rows if row["task"] == "modality") == len(
        planted.rows["train"]
    )
    for row in balance.rows:
        key = "Type" if row["task"] == "modality" else "Location Category"
        for split in SPLITS:
            assert row[split] == sum(example[key] == row["class"] for example in planted.rows[split])
    mean = np.mean([len(example["Description"]["Caption"].split()) for example in planted.rows["dev"]])  # type: ignore[index]
    assert lengths.rows[1]["mean words"] == pytest.approx(mean, abs=0.05)
    assert len(words.rows) == len(files.rows) == 7


@pytest.mark.slow
def test_no_test_split_is_said_in_one_line(planted: Planted) -> None:
    table = planted.table()
    planted.file("test").unlink()
    without = read_table(DataConfig(root=planted.root), check_images=False)
    assert len(table.rows("test")) > 0
    assert found(audit(without), "no_test_split").severity == "info"


@pytest.mark.slow
def test_without_a_test_split_no_finding_speaks_of_one(planted: Planted) -> None:
    """A twin, a stolen case, a repeated text and a pair of labels that train never shows, all in dev."""
    brighter = CHANGES["brighter"](read_pixels(planted.image("train", 8)))
    Image.fromarray(brighter).save(planted.image("dev", 1))
    train, dev = planted.rows["train"], planted.rows["dev"]
    dev[3]["U_id"] = train[0]["U_id"]
    for split in ("train", "dev"):
        planted.caption(split, 5, "the same words in two splits of the set")
    pair = (dev[2]["Type"], dev[2]["Location Category"])
    planted.rows["train"] = [row for row in train if (row["Type"], row["Location Category"]) != pair]
    planted.table()
    planted.file("test").unlink()
    report = audit(read_table(DataConfig(root=planted.root), check_images=False))
    kinds_ = ("near_duplicate_images_across_splits", "groups_across_splits", "same_captions_across_splits")
    for kind in (*kinds_, "unseen_label_pairs"):
        finding = found(report, kind)
        assert "test" not in finding.detail and "test" not in finding.rows[0], kind


def test_no_groups_is_said(wound: Path) -> None:
    report = audit(read_table(DataConfig(reader="wound", root=wound)))
    assert found(report, "no_groups").severity == "info"


@pytest.mark.slow
def test_the_report_is_json(planted: Planted) -> None:
    planted.rows["dev"][3]["U_id"] = planted.rows["train"][0]["U_id"]
    report = planted.audit()
    again = json.loads(json.dumps(report.to_dict()))
    assert [finding["kind"] for finding in again["findings"]] == [finding.kind for finding in report.findings]
    assert again["findings"][0]["rows"][0] == dict(report.findings[0].rows[0])
    assert [section["title"] for section in again["sections"]] == [
        section.title for section in report.sections
    ]


@pytest.mark.slow
def test_thousands_of_classes_are_said_and_not_learned(planted: Planted) -> None:
    table = planted.table()
    task = Task("code", tuple(f"{number:05}" for number in range(10_000)))
    codes = np.arange(len(table), dtype=np.int64)[:, None] * 30
    many = replace(table, tasks=(*table.tasks, task), labels=np.concatenate([table.labels, codes], axis=1))
    report = audit(many)
    assert "10,000 classes" in found(report, "many_classes").title
    assert {row["task"] for row in report.sections[-1].rows} == {task.name for task in table.tasks}
