"""From what a table says to the one image file that fits."""

from __future__ import annotations

import errno
import unicodedata
from pathlib import Path

import pytest

from distune.data.readers.image_files import MISSING, ImageFiles
from distune.data.readers.problems import Fault

NFC, NFD = "Größe", unicodedata.normalize("NFD", "Größe")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (
        "scans/a.png",
        "scans/B.JPG",
        f"scans/{NFD}.png",
        "two/x.png",
        "two/x.jpg",
        "Up/c.dcm",
        "Up/c.txt",
        "top.png",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("written", "file", "how"),
    [
        ("scans/a.png", "scans/a.png", ""),
        ("scans/./a.png", "scans/a.png", ""),
        ("scans/../scans/a.png", "scans/a.png", ""),
        ("scans\\a.png", "scans/a.png", "backslashes"),
        (".\\scans\\a.png", "scans/a.png", "backslashes"),
        (" scans/a.png\n", "scans/a.png", "blanks around"),
        ("scans/a", "scans/a.png", "extension"),
        ("scans/b", "scans/B.JPG", "extension and in other case"),
        ("SCANS/A.PNG", "scans/a.png", "other case"),
        (f"scans/{NFC}.png", f"scans/{NFD}.png", "Unicode form"),
        ("TOP.png", "top.png", "path in other case"),
        ("up/c", "Up/c.dcm", "extension and in other case"),
        ("scans/GRÖSSE.PNG", f"scans/{NFD}.png", "other case"),
    ],
)
def test_the_one_file_that_fits_is_found_and_said(root: Path, written: str, file: str, how: str) -> None:
    files = ImageFiles(root)
    assert files.find(written) == (root / file).resolve()
    notes = files.notes()
    assert (notes == []) if not how else (how in notes[0] and "1 path " in notes[0])
    assert bool(notes and "backslashes" in notes[0]) is ("\\" in written)


def test_no_folder_outside_is_listed(root: Path) -> None:
    (root.parent / "beside").mkdir()
    (root.parent / "beside/a.png").touch()
    (root / "link").symlink_to(root.parent / "beside")
    for written in ("Link/A.png", "scans/../../beside/A.png", "two/../Link/A"):
        fault = ImageFiles(root).find(written)
        assert isinstance(fault, Fault) and "a.png" not in str(fault)


def test_several_that_fit_are_refused_with_their_names(root: Path) -> None:
    fault = ImageFiles(root).find("two/x")
    assert isinstance(fault, Fault)
    assert "two/x.jpg, two/x.png" in fault.detail


@pytest.mark.parametrize(
    "written",
    [
        "none.png",
        "scans/none",
        "scans",
        "../outside",
        "..\\outside.png",
        "Up/c.txt/x",
        "/none.png",
        "~/none.png",
    ],
)
def test_what_fits_nothing_is_missing_or_no_file(root: Path, written: str) -> None:
    (root.parent / "outside.png").write_bytes(b"")
    fault = ImageFiles(root).find(written)
    assert isinstance(fault, Fault)
    assert fault.cause in (MISSING, "image that is not a file", "image that leaves the data root")
    assert "data.root" in fault.remedy or fault.cause != MISSING


def test_a_machine_that_runs_out_is_no_fault_of_a_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, is_raised in ((errno.EMFILE, True), (errno.ENAMETOOLONG, False)):

        def fails(*given: object, code: int = code) -> None:
            raise OSError(code, "odd")

        monkeypatch.setattr(ImageFiles, "_exact", fails)
        if is_raised:
            with pytest.raises(OSError, match="odd"):
                ImageFiles(root).find("scans/a.png")
        else:
            fault = ImageFiles(root).find("scans/a.png")
            assert isinstance(fault, Fault) and fault.detail == "odd: 'scans/a.png'"


def test_links_are_followed_only_on_request_and_never_by_dots(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "x.png").write_bytes(b"")
    (root / "link").symlink_to(outside)
    (root / "x.png").symlink_to(outside / "x.png")
    for written in ("link/x.png", "x.png", "LINK/x", "link\\x.png"):
        fault = ImageFiles(root).find(written)
        assert isinstance(fault, Fault), written
        assert ImageFiles(root, follow_links=True).find(written) == root / (
            "x.png" if written == "x.png" else "link/x.png"
        )
    for written in ("x.png", "link/x.png"):
        refused = ImageFiles(root).find(written)
        assert isinstance(refused, Fault) and "data.follow_links: true" in refused.remedy
    above = ImageFiles(root).find("../outside/x.png")
    assert isinstance(above, Fault) and "follow_links" not in above.remedy
    for written in ("../outside/x.png", str(outside / "x.png"), "link/../../outside/x.png"):
        assert isinstance(ImageFiles(root, follow_links=True).find(written), Fault), written
    assert ImageFiles(root, follow_links=True).find(str(root / "scans/a.png")) == root / "scans/a.png"
