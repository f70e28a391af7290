"""Texts that give labels away or stand in several splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from .planted import SPLITS, Planted, found, kinds

pytestmark = pytest.mark.slow


@pytest.fixture
def planted(tmp_path: Path, clean_set: Path) -> Planted:
    return Planted(tmp_path / "demo", clean_set)


def test_words_that_give_the_label_away(planted: Planted) -> None:
    for rows in planted.rows.values():
        for row in rows:
            secret = {"CT": "alpha", "MR": "omega"}[str(row["Type"])]
            row["Description"] = {"Caption": f"{row['Description']['Caption']} {secret}"}  # type: ignore[index]
    report = planted.audit()
    modality, location = [finding for finding in report.findings if finding.kind == "words_alone"]
    assert (modality.severity, location.severity) == ("severe", "warning")
    assert modality.title.startswith("modality: words alone reach a macro F1 of 1.0000")
    (words,) = [section for section in report.sections if section.title == "What words alone predict"]
    strongest = {
        row["class"]: str(row["strongest words"]).split(", ")[0]
        for row in words.rows
        if row["task"] == "modality"
    }
    assert strongest == {"CT": "alpha", "MR": "omega"}


def test_texts_that_name_their_label_as_a_whole_word(planted: Planted) -> None:
    for split in SPLITS:
        for row in range(len(planted.rows[split])):
            planted.caption(split, row, "Headless octopus, mrs. Spinach, thorough.")
    assert "texts_name_the_label" not in kinds(planted.audit())
    head = [
        row for row, example in enumerate(planted.rows["train"]) if example["Location Category"] == "Head"
    ]
    for row in head[:7]:
        planted.caption("train", row, "Seen in the (HEAD), spine\n and  muscles.")
    other = next(row for row in range(len(planted.rows["train"])) if row not in head)
    planted.caption("train", other, "head")
    finding = found(planted.audit(), "texts_name_the_label")
    assert finding.severity == "info"
    by_class = {row["class"]: row for row in finding.rows}
    assert by_class["Head"]["texts that name it"] == 7
    assert by_class["Head"]["texts of other classes that name it"] == 1
    assert by_class["Spine and Muscles"]["texts of other classes that name it"] == 7


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("abdominal", "Abdomen"),
        ("a muscle", "Spine and Muscles"),
        ("the spines", "Spine and Muscles"),
        ("thoracic", "Thorax"),
        ("reproduction", "Reproductive and Urinary System"),
        ("MRI", "MR"),
        ("ct", "CT"),
    ],
)
def test_other_forms_of_a_name_name_the_label_too(planted: Planted, text: str, named: str) -> None:
    for split in SPLITS:
        for row in range(len(planted.rows[split])):
            planted.caption(split, row, f"Seen: {text} of this case.")
    rows = [
        row for each in planted.audit().findings if each.kind == "texts_name_the_label" for row in each.rows
    ]
    assert {row["class"] for row in rows if row["texts that name it"]} == {named}


def test_texts_of_only_stop_words_or_none(planted: Planted) -> None:
    for split in SPLITS:
        for row in range(len(planted.rows[split])):
            planted.caption(split, row, None)
    report = planted.audit()
    assert "words_alone" not in kinds(report)
    finding = found(report, "empty_texts")
    assert finding.severity == "warning"
    assert finding.detail.startswith("300 of 300")


def test_the_same_text_in_other_cases_of_other_splits(planted: Planted) -> None:
    text = "A quite long sentence that was pasted twice."
    planted.caption("train", 0, text)
    for row in range(10):
        planted.caption("dev", row, text)
    planted.caption("dev", 11, "Too short.")
    planted.caption("train", 1, "Too short.")
    finding = found(planted.audit(), "same_captions_across_splits")
    assert finding.severity == "warning"
    assert text in {row["text"] for row in finding.rows}
    assert "Too short." not in {row["text"] for row in finding.rows}
