"""Names that come from users and data, and what lies behind them."""

from __future__ import annotations

import errno
import os
import sys
import types
from pathlib import Path

import pytest

from distune.data.readers.image_files import ImageFiles
from distune.data.readers.problems import Fault
from distune.errors import UserError
from distune.utils import text
from distune.utils.files.atomic import (
    _locked,
    all_or_none,
    check_new,
    check_replaceable,
    name_instead,
    replacing,
    write_bytes,
    write_text,
)
from distune.utils.files.new_folder import new_folder
from distune.utils.files.paths import (
    GONE,
    check_is_file,
    check_no_link,
    in_full,
    in_shell,
    is_file_name,
    locale_hint,
    make_folder,
    naming,
    read_file,
)
from distune.utils.lazy import lazy_names


def test_the_working_folder_and_those_above_it_have_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    for given, name in ((".", "b"), ("..", "a"), ("../b/..", "a"), ("./", "b"), ("../b", "b"), ("c", "c")):
        assert in_full(given).name == name
    assert in_full("../b") == Path("../b") and not in_full(" ").name.strip() and not in_full("").name


def test_a_path_is_one_word_of_a_command_and_no_option() -> None:
    words = {"a": "a", "a b": "'a b'", "-x": "./-x", "- x": "'./- x'", "a-b": "a-b", "a;rm": "'a;rm'"}
    assert {name: in_shell(name) for name in words} == words


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a", True), ("A-b_1.csv", True), (".a", False), ("-a", False), ("_a", True), ("a/b", False), ("..", False),
     ("", False), ("a b", False), ("x" * 200, True), ("x" * 201, False), ("é", False), ("a\\n", False)],
)  # fmt: skip
def test_a_name_from_data_is_one_of_a_file_only_if_it_is_plain(name: str, is_one: bool) -> None:
    assert is_file_name(name) is is_one


@pytest.mark.timeout(20)
def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert read_file(tmp_path / "file") == read_file(tmp_path / "link") == b"content"
    for name in ("pipe", "", "none", "a\0b"):
        with pytest.raises(OSError):
            read_file(tmp_path / name)
    with pytest.raises(OSError, match="no regular file"):
        check_is_file(Path("/dev/null"))


def test_no_run_is_written_where_a_link_leads_to_be_anything_there_or_not(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    check_no_link(tmp_path / "there", tmp_path / "none")
    for target in ("there", "none"):
        link = tmp_path / f"to {target}"
        link.symlink_to(target)
        with pytest.raises(UserError, match=f"{link} is a link"):
            check_no_link(tmp_path / "there", link)


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, synced = tmp_path / "file", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    write_text(file, "größer")
    assert file.read_bytes() == "größer".encode() and not synced
    with pytest.raises(ValueError, match="broken"), replacing(file) as draft:
        draft.write_text("half")
        assert draft.parent == tmp_path and file.read_text() == "größer"
        raise ValueError("broken")
    write_bytes(file, b"\r\n")
    assert file.read_bytes() == b"\r\n"
    with replacing(file, durable=True) as draft:
        draft.write_bytes(b"12345")
    assert synced == [5] and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_but_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_replaceable(tmp_path / "file", tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "pipe"):
        with pytest.raises(OSError, match="is not replaced"):
            check_replaceable(tmp_path / "file", tmp_path / name)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "deep/er", "empty"):
        with new_folder(tmp_path / name) as draft:
            (draft / "a").write_text(name)
            assert not (tmp_path / name / "a").exists()
        assert [path.name for path in (tmp_path / name).iterdir()] == ["a"]
    with pytest.raises(ValueError, match="broken"), new_folder(tmp_path / "failed"):
        raise ValueError("broken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "empty", "new"]


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.ENOSPC, "full"), "/final"),
        (OSError(errno.EIO, "broken"), "/final"),
        (OSError(errno.EINVAL, "odd"), None),
        (OSError(errno.EACCES, "shut", "/draft"), "/final"),
        (OSError(errno.EACCES, "shut", "/draft/in/side"), "/final/in/side"),
        (OSError(errno.EACCES, "shut", "/drafts"), "/drafts"),
        (OSError(errno.EACCES, "shut", "/draft", None, "/final"), "/final"),
        (OSError(errno.EACCES, "shut", 3), 3),
    ],
)
def test_an_error_has_the_name_that_the_user_gave(error: OSError, named: object) -> None:
    name_instead(error, Path("/draft"), Path("/final"))
    assert error.filename == named


@pytest.mark.parametrize(("number", "is_gone"), [(errno.ENOENT, True), (errno.EROFS, False)])
def test_what_a_folder_that_is_gone_is_to_blame_for(tmp_path: Path, number: int, is_gone: bool) -> None:
    error = OSError(number, "said")
    name_instead(error, Path("/draft"), tmp_path / "gone/final")
    assert error.strerror == (GONE if is_gone else "said")
    there = OSError(number, "said")
    name_instead(there, Path("/draft"), tmp_path / "final")
    assert there.strerror == "said"


def test_of_a_renaming_the_second_name_is_that_which_the_user_gave() -> None:
    error = OSError(errno.EIO, "broken", "/draft/.a", None, "/draft/a")
    name_instead(error, Path("/draft"), Path("/final"))
    assert (error.filename, error.filename2) == ("/final/a", None)


def test_files_that_belong_together_are_new_and_written_by_one(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    check_new(files)
    with _locked(tmp_path), pytest.raises(UserError, match="another process"):
        check_new(files)
    files[1].touch()
    with pytest.raises(UserError, match="b: is there already"):
        check_new(files)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder: is there already"):
        check_new([tmp_path / "folder"])
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    with pytest.raises(UserError, match="gone: is there already"):
        check_new([tmp_path / "gone"])
    (tmp_path / "gone").unlink()
    (tmp_path / "folder").rmdir()
    with pytest.raises(UserError, match="already"), all_or_none(tmp_path, iter(files)):
        files[0].touch()
    assert not files[0].exists() and files[1].exists()
    files[1].unlink()
    with pytest.raises(ValueError, match="broken"), all_or_none(tmp_path, iter(files)) as draft:
        for file in files:
            (draft / file.name).touch()
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    with all_or_none(tmp_path, files) as draft:
        (draft / "a").touch()
        with pytest.raises(UserError, match="another process"), all_or_none(tmp_path, [tmp_path / "c"]):
            pass
    with all_or_none(tmp_path, [tmp_path / "c"]):  # the lock is free again
        pass
    assert not descriptors.exists() or len(list(descriptors.iterdir())) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_lazy_name_is_looked_up_once() -> None:
    package = types.ModuleType("package_of_a_test")
    sys.modules[package.__name__] = package
    try:
        get = lazy_names(package.__name__, {"counted": "distune.utils.text"})
        assert get("counted") is text.counted is vars(package)["counted"]
        with pytest.raises(AttributeError, match=r"'package_of_a_test' has no attribute 'other'"):
            get("other")
    finally:
        del sys.modules[package.__name__]


def test_a_folder_is_made_where_nothing_else_has_its_name(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "broken").symlink_to("nowhere")
    for taken in ("file", "file/in/it", "broken"):
        with pytest.raises(UserError, match="choose another folder"):
            make_folder(tmp_path / taken)
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("encoding", "name", "is_hinted"),
    [("utf-8", "größe", False), ("iso8859-1", "images", False), ("iso8859-1", "größe", True)],
)
def test_a_locale_that_names_files_otherwise_is_named(
    encoding: str, name: str, is_hinted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: encoding)
    assert ("LC_ALL" in locale_hint(name)) == is_hinted
    found = ImageFiles(Path("/")).find(f"{name}.png")
    assert isinstance(found, Fault) and ("LC_ALL" in found.remedy) == is_hinted


@pytest.mark.parametrize("named", [None, "inner"])
def test_an_error_that_names_a_file_keeps_it(named: str | None) -> None:
    with pytest.raises(OSError) as caught, naming(Path("outer")):
        raise OSError(errno.EIO, "broken", named)
    assert caught.value.filename == (named or "outer")


def test_an_error_of_a_library_keeps_its_words() -> None:
    with pytest.raises(OSError, match=r"^no picture$"), naming(Path("outer")):
        raise OSError("no picture")
