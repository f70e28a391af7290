"""What people edit of Distune's files outlives the next version of the file."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from distune.utils.files.generated import (
    keep_edited_png,
    write_generated,
    write_generated_json,
    write_generated_png,
)
from distune.utils.files.json_files import as_json


@pytest.mark.parametrize("name", ["best_config.yaml", "checklist.md", "report.html"])
def test_an_edit_is_kept_once_and_what_nobody_edited_is_replaced(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    stem, suffix = file.stem, file.suffix

    def kept() -> dict[str, str]:
        return {path.name: path.read_text() for path in tmp_path.iterdir() if path != file}

    write_generated(file, "lr: 1\n")
    write_generated(file, "lr: 2\n")
    assert file.read_text().startswith("lr: 2\n")
    assert not kept()

    for edit in ("# my note\n" + file.read_text(), "lr: 3\n", "", file.read_text().replace("2", "4", 1)):
        file.write_text(edit)
        write_generated(file, "lr: 5\n")
        write_generated(file, "lr: 6\n")
        assert edit in kept().values()
    assert len(kept()) == 4
    assert set(kept()) == {f"{stem}.edited{number}{suffix}" for number in ("", 2, 3, 4)}

    file.write_text("lr: 3\n")  # an edit that is kept already
    write_generated(file, "lr: 5\n")
    assert len(kept()) == 4
    file.write_text("lr: 5\n")  # of an earlier version, without a note
    write_generated(file, "lr: 5\n")
    assert len(kept()) == 4


def test_what_is_kept_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_generated(tmp_path / "a.md", "one")
    write_generated(tmp_path / "a.md", "two\n")
    assert not caplog.text
    (tmp_path / "a.md").write_text("mine\n")
    write_generated(tmp_path / "a.md", "three\n")
    assert "a.md was edited" in caplog.text and "a.edited.md" in caplog.text
    assert (tmp_path / "a.md").read_text().splitlines()[1].startswith("<!-- ")


def png(grey: int) -> bytes:
    return cv2.imencode(".png", np.full((4, 4), grey, np.uint8))[1].tobytes()


def test_an_edited_picture_is_kept_and_stays_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "history.png"
    for grey in (10, 20):
        write_generated_png(file, png(grey))
        assert cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)[0, 0] == grey
    assert len(list(tmp_path.iterdir())) == 1
    file.write_bytes(png(30))  # saved by another program
    write_generated_png(file, png(40))
    file.write_bytes(file.read_bytes().replace(b"written by", b"painted by"))
    keep_edited_png(file)
    held = {path.name: cv2.imdecode(np.fromfile(path, np.uint8), 0)[0, 0] for path in tmp_path.iterdir()}
    assert held == {"history.png": 40, "history.edited.png": 30, "history.edited2.png": 40}


def test_an_edited_record_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "study_summary.json"
    for number in (1, 2):
        write_generated_json(file, {"trials": number, "files": {"log": "x"}})
    file.write_text('{"of": "an earlier version"}')
    write_generated_json(file, {"trials": 3})
    assert len(list(tmp_path.iterdir())) == 1
    edits = [as_json({**json.loads(file.read_text()), "note": "mine"}), "[1]", "{"]
    for edit in edits:
        file.write_text(edit)
        write_generated_json(file, {"trials": 4})
    names = [tmp_path / f"study_summary.edited{number}.json" for number in ("", 2, 3)]
    assert [path.read_text() for path in names] == edits and json.loads(file.read_text())["trials"] == 4


@pytest.mark.parametrize("text", ["Größe", "\udcff"])
def test_a_record_holds_any_text(tmp_path: Path, text: str) -> None:
    for _ in range(2):
        write_generated_json(tmp_path / "a.json", {"folder": text})
    assert json.loads((tmp_path / "a.json").read_text())["folder"] == text
    assert len(list(tmp_path.iterdir())) == 1
