"""Which files a report writes, replaces and removes, by studies of which there is nothing to draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import findings, study

from distune.analysis.parameters.ranges import Ranges
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord, TrialRecord
from distune.errors import UserError
from distune.reporting import report
from distune.reporting.document import Figure
from distune.reporting.report import companions, write_report, write_report_from_csv
from distune.utils.files.generated import write_generated_png

FAILED = study(TrialRecord(0, "failed", failure_kind="crash"))


@pytest.mark.parametrize(("direction", "is_said"), [("maximize", False), ("minimize", True)])
def test_a_table_is_read_in_the_direction_that_is_asked_for(
    tmp_path: Path, direction: Any, is_said: bool
) -> None:
    (tmp_path / "t.csv").write_text("number,value,state,params_alpha\n0,,FAIL,0.5\n1,,FAIL,0.7\n")
    written = write_report_from_csv(tmp_path / "t.csv", tmp_path / "out", direction=direction)
    assert [path.name for path in written] == ["report.md", "report.html"]
    assert all(path.is_file() for path in written)
    said = written[0].read_text(encoding="utf-8")
    assert ("smaller is better" in said) is is_said and f"--direction {direction}" in said
    (tmp_path / "out" / "report.md").write_text("somebody's own")
    with pytest.raises(UserError, match="--overwrite"):
        write_report_from_csv(tmp_path / "t.csv", tmp_path / "out", direction=direction)
    assert (tmp_path / "out" / "report.md").read_text() == "somebody's own"
    write_report_from_csv(tmp_path / "t.csv", tmp_path / "out", direction=direction, overwrite=True)
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8") == said


@pytest.mark.parametrize(
    "name", ["report.md", "report.html", "recommended_space.yaml", "figures/history.png"]
)
def test_a_report_never_takes_the_place_of_its_table(tmp_path: Path, name: str) -> None:
    table = tmp_path / name
    table.parent.mkdir(exist_ok=True)
    table.write_text(content := "number,value,state\n0,0.5,COMPLETE\n")
    with pytest.raises(UserError, match="is read here"):
        write_report_from_csv(table, tmp_path, overwrite=True)
    assert table.read_text() == content


@pytest.mark.slow
def test_a_report_replaces_its_own_files_alone(tmp_path: Path) -> None:
    taken = tmp_path / "figures" / "history.png"
    taken.parent.mkdir()
    taken.write_bytes(b"somebody's own")
    with pytest.raises(UserError, match=r"history\.png"):
        write_report(FAILED, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["figures"], "nothing is half written"
    write_report(FAILED, tmp_path, overwrite=True)
    assert not taken.exists(), "this report draws none, so no page shows it"
    (tmp_path / "figures" / "own.png").write_bytes(b"of no report's name")
    write_report(FAILED, tmp_path)
    assert sorted(path.name for path in taken.parent.iterdir()) == ["history.edited.png", "own.png"]
    other = replace(FAILED, name="other")
    with pytest.raises(UserError, match=r"report\.md"):
        write_report(other, tmp_path)
    elsewhere = replace(other, folder=tmp_path / "own")
    with pytest.raises(UserError, match=r"report\.md"):
        write_report(elsewhere, tmp_path)  # which is not its own folder
    write_report(other, tmp_path, overwrite=True)
    with pytest.raises(UserError, match=r"report\.md"):
        write_report(FAILED, tmp_path)


def test_a_page_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<title>my own</title>")
    with pytest.raises(UserError, match=r"report\.html"):
        write_report(FAILED, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("kind", ["link", "link to nothing", "file"])
@pytest.mark.parametrize(("is_first", "overwrite"), [(True, False), (False, False), (False, True)])
def test_figures_are_not_written_into_what_is_no_folder_of_the_report(
    tmp_path: Path, kind: str, is_first: bool, overwrite: bool
) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.mkdir()
    (mine / "history.png").write_bytes(b"my own")
    out.mkdir()
    if not is_first:
        write_report(FAILED, out)
        (out / "figures").rmdir()
    if kind == "file":
        (out / "figures").write_bytes(b"my own")
    else:
        (out / "figures").symlink_to(mine if kind == "link" else tmp_path / "none")
    before = {path: path.stat(follow_symlinks=False).st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(UserError, match=r"figures.*--out"):
        write_report(FAILED, out, overwrite=overwrite)
    assert before == {path: path.stat(follow_symlinks=False).st_mtime_ns for path in tmp_path.rglob("*")}
    assert (mine / "history.png").read_bytes() == b"my own"


def test_the_figures_of_a_page_lie_beside_it(tmp_path: Path) -> None:
    drawn = [Figure(name, "alt", "caption", "<svg/>", name.encode()) for name in ("history", "gains")]
    for name in ("history", "cost", "slices"):
        write_generated_png(tmp_path / f"{name}.png", b"of an earlier report")
    paths = report._save_figures(drawn, tmp_path)
    assert paths == [tmp_path / "history.png", tmp_path / "gains.png"]
    (tmp_path / "cost.png").write_bytes(b"mine")
    report._remove_others(paths, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"history.png", "gains.png", "cost.edited.png"}
    assert (tmp_path / "cost.edited.png").read_bytes() == b"mine"


def test_in_its_own_folder_a_study_s_report_may_have_been_of_another_name(tmp_path: Path) -> None:
    renamed = replace(FAILED, folder=tmp_path, name="before")
    write_report(renamed, tmp_path)
    assert write_report(replace(renamed, name="after"), tmp_path)


@pytest.mark.slow
def test_a_checklist_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tripod-ai"):
        write_report(FAILED, tmp_path / "none", checklist="stard")
    assert not (tmp_path / "none").exists()
    assert "checklist.md" not in {path.name for path in write_report(FAILED, tmp_path)}
    files = {path.name for path in write_report(FAILED, tmp_path, checklist="tripod-ai")}
    assert files == {"report.md", "report.html", "checklist.md"}
    (tmp_path / "checklist.md").write_text("# Groceries\n")
    with pytest.raises(UserError, match=r"checklist\.md"):
        write_report(FAILED, tmp_path, checklist="tripod-ai")
    write_report(FAILED, tmp_path)
    assert (tmp_path / "checklist.md").read_text() == "# Groceries\n"


def ranges(name: str, low: float) -> Ranges:
    return Ranges({name: Parameter(name, "float", low, 1.0, key=name.replace("_", "."))}, (), 4)


def test_the_base_config_and_the_ranges_are_files_that_the_commands_name(tmp_path: Path) -> None:
    bare = companions(findings(FAILED), tmp_path)
    assert (bare.base_config, bare.space, bare.texts) == (None, None, {})
    base = {"name": "é", "student": {"lr": 0.1}}
    found = findings(
        study(base_config=base, space_source="distributions"),
        ranges=ranges("student_lr", 0.5),
        teacher_ranges=ranges("teacher_lr", 0.25),
    )
    written = companions(found, tmp_path)
    assert [path.name for _, path in written.files] == [
        "report.md", "report.html", "base_config.yaml", "recommended_space.yaml",
    ]  # fmt: skip
    assert written.base_config is not None and written.space is not None
    assert (
        yaml.safe_load(written.texts[written.base_config]) == base
        and "é" in written.texts[written.base_config]
    )
    space = yaml.safe_load(written.texts[written.space])["search_space"]
    assert {name: held["low"] for name, held in space.items()} == {"teacher_lr": 0.25, "student_lr": 0.5}
    table = replace(found, study=study(space_source="observed"))
    assert companions(table, tmp_path).space is None, "what a table holds is no searched space"


def test_where_a_study_s_report_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[StudyRecord] = [study(folder=tmp_path)]
    monkeypatch.setattr(report, "read_study", lambda source, storage: found[0])
    assert report.study_folder("s") == tmp_path
    found[0] = study(name="plain")
    assert report.study_folder("s") == report.STUDIES / "plain"
    for name in ("a/b", "..", None):
        found[0] = study(name=name)
        if name is not None:
            with pytest.raises(UserError, match="--out"):
                report.study_folder("s")
