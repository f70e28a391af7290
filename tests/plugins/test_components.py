"""The table of the components of one kind, and the source of a plugin, without loading one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distune import plugins
from distune.components import FUSIONS, LOSSES, READERS, Components
from distune.errors import UserError
from distune.plugins import load_plugins, loaded_plugins, source_hash


@pytest.mark.parametrize("table", [LOSSES, FUSIONS, READERS], ids=lambda table: table.kind)
def test_every_place_holds_what_it_says(table: Components[object]) -> None:
    assert list(table) == list(table._places) and len(table) == len(table._places)
    for name in table:
        assert callable(table[name]) and table.check(name) == name and table.source(name) == {}


def test_what_is_added_is_found_listed_and_known_by_its_source() -> None:
    table: Components[object] = Components("loss", {"max": "builtins:max"})
    table.add("own", min, "abc")
    assert table["own"] is min and table["max"] is max
    assert list(table) == ["max", "own"] and len(table) == 2 and "own" in table and "other" not in table
    assert table.source("own") == {"loss_source": "abc"} and table.source("max") == {}
    for name, component in (
        ("max", min),
        ("own", min),
        ("a b", min),
        ("", min),
        (3, min),
        ("x", 3),
        ("y", None),
    ):
        with pytest.raises(UserError, match="loss"):
            table.add(name, component, "abc")  # type: ignore[arg-type]
    assert list(table) == ["max", "own"]
    with pytest.raises(ValueError, match=r"known: max, own; did you mean 'own'\?.*--plugin"):
        table.check("owm")
    with pytest.raises(KeyError):
        _ = table["other"]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins_forgotten: None) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path
    for name in [name for name in set(sys.modules) - known if str(tmp_path) in str(sys.modules[name])]:
        del sys.modules[name]


def test_names_and_content_of_all_files_of_a_package_make_its_hash(modules: Path) -> None:
    package = modules / "hashed_package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    hashes = [source_hash(importlib.import_module("hashed_package"))]
    for name, text in (("a.py", "x = 1"), ("a.py", "x = 2"), ("deep/b.py", "x = 3"), ("notes.txt", "x = 4")):
        (package / name).write_text(text)
        hashes.append(source_hash(sys.modules["hashed_package"]))
    (package / "a.py").rename(package / "c.py")
    hashes.append(source_hash(sys.modules["hashed_package"]))
    assert hashes[3] == hashes[4] and len({*hashes}) == 5 and {len(one) for one in hashes} == {64}
    (modules / "beside.py").write_text("x = 1")
    (modules / "alone.py").write_text("x = 1")
    alone = source_hash(importlib.import_module("alone"))
    (modules / "beside.py").write_text("x = 2")
    assert source_hash(sys.modules["alone"]) == alone
    sys.modules["alone"].__file__ = str(modules / "alone.so")
    with pytest.raises(UserError, match="source"):
        source_hash(sys.modules["alone"])


def test_a_plugin_is_imported_once_and_the_path_stays(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (modules / "once.py").write_text(
        "from distune.distillation.losses.none import NoLoss\n"
        "LOSSES = {'once': NoLoss}\nFUSIONS = {}\nREADERS = {'once': str}"
    )
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setattr(sys, "path", [*sys.path, "", str(Path.cwd())])
    before = list(sys.path)
    load_plugins(["once", "once"])
    load_plugins(["once"])
    assert list(loaded_plugins()) == ["once"] and sys.path == before
    assert LOSSES["once"] is LOSSES["none"] and READERS["once"] is str  # type: ignore[comparison-overlap]


def test_a_plugin_of_empty_tables_defines_nothing(modules: Path) -> None:
    (modules / "hollow.py").write_text("LOSSES = {}\nFUSIONS = []")
    with pytest.raises(UserError, match="LOSSES"):
        load_plugins(["hollow"])
    assert loaded_plugins() == {}


def test_a_machine_that_runs_out_is_no_fault_of_a_plugin(modules: Path) -> None:
    (modules / "large.py").write_text("raise MemoryError")
    with pytest.raises(MemoryError):
        load_plugins(["large"])
    with pytest.raises(UserError, match="a file is none"):
        plugins._imported("large.py/x")
