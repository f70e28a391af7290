"""What people edit of Distune's files outlives the next version of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.utils.files.generated import write_generated


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
