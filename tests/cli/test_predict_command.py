from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from distune.cli.commands.predict import progress_of
from distune.config import load_config
from distune.data import Table, read_table
from distune.store import Store
from distune.training.run import run
from distune.utils.progress import progress_to

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run_folder(tiny_config: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    run(tiny_config(), folder, store=Store(folder.parent / "cache"))  # type: ignore[arg-type]
    return folder


def test_progress_reaches_who_listens_where_no_terminal_shows_a_bar() -> None:
    heard: list[tuple[str, int, int]] = []
    with progress_to(lambda *step: heard.append(step)), progress_of("predicting") as tell:
        tell(3, 20_000)
    assert heard == [("predicting", 3, 20_000)]


@pytest.fixture
def table(run_folder: Path) -> Table:
    config = load_config(run_folder / "config.yaml")
    return read_table(config.data, check_images=False)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_one_image_is_answered_in_every_class(distune: Command, run_folder: Path, table: Table) -> None:
    row = table.rows("dev")[0]
    code, out, _ = distune("predict", run_folder, "--image", table.images[row], "--text", table.texts[row])
    assert code == 0
    expected = rows_of(run_folder / "predictions_dev.csv")[0]
    for task in table.tasks:
        assert f"{task.name}: {expected[f'pred_{task.name}']}" in out
        assert all(name in out for name in task.classes)


def test_a_table_is_answered_and_its_bad_rows_are_listed(
    distune: Command, run_folder: Path, table: Table, tmp_path: Path
) -> None:
    known = rows_of(run_folder / "predictions_dev.csv")
    (table.root.parent / "outside.png").write_bytes(b"")
    bad = [
        {"id": "missing", "image": "images/none.png", "text": "a"},
        {"id": "outside", "image": "../outside.png", "text": "a"},
        {"id": "damaged", "image": "README", "text": "a"},
    ]
    with Path("new.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ("id", "image", "text", "more"))
        writer.writeheader()
        writer.writerows(
            [{key: row[key] for key in ("id", "image", "text")} for row in known[:5]]
            + bad
            + [{key: row[key] for key in ("id", "image", "text")} for row in known[5:]]
        )
        handle.write("too,few\n")
    code, out, err = distune(
        "predict", run_folder, "--csv", "new.csv", "--out", "o/p.csv", "--data-root", table.root
    )
    assert code == 1
    assert f"predicted {len(known)} of {len(known) + 4}" in out and "a second" in out
    assert "4 rows" in err
    for name in ("missing", "outside", "damaged", f"new.csv:{len(known) + 5}"):
        assert name in err
    found = rows_of(Path("o/p.csv"))
    assert [row["id"] for row in found] == [row["id"] for row in known]
    for ours, theirs in zip(found, known, strict=True):
        for task in table.tasks:
            assert ours[f"pred_{task.name}"] == theirs[f"pred_{task.name}"]
            total = sum(float(ours[f"p_{task.name}_{name}"]) for name in task.classes)
            assert total == pytest.approx(1, abs=1e-4)


BAD = {
    "no text": (["--image", "IMAGE"], "no text"),
    "both": (["--image", "IMAGE", "--csv", "new.csv"], "--csv"),
    "neither": ([], "--image"),
    "no image": (["--text", "CT"], "no image"),
    "text and table": (["--text", "CT", "--csv", "new.csv"], "--csv"),
    "no out": (["--csv", "new.csv"], "--out"),
    "no table": (["--csv", "none.csv", "--out", "p.csv"], "no such file"),
    "other columns": (
        ["--csv", "new.csv", "--out", "p.csv"],
        "looked for 'image'; columns found: 'picture', 'caption'",
    ),
    "empty table": (["--csv", "empty.csv", "--out", "p.csv"], "empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_exit_code_2(distune: Command, run_folder: Path, table: Table, case: str) -> None:
    Path("new.csv").write_text("picture,caption\na.png,b\n")
    Path("empty.csv").write_text("")
    arguments, token = BAD[case]
    code, _, err = distune(
        "predict", run_folder, *(table.images[0] if a == "IMAGE" else a for a in arguments)
    )
    assert code == 2
    assert err.startswith("error: ") and token in err and "Traceback" not in err
    assert err.count("\n") == 1 or case == "other columns", "one fault is one sentence"
    assert not Path("p.csv").exists()


def test_a_run_that_did_not_finish_is_refused_in_one_sentence(
    distune: Command, run_folder: Path, table: Table, tmp_path: Path
) -> None:
    run = shutil.copytree(run_folder, tmp_path / "cut")
    (run / "results.json").unlink()
    code, _, err = distune("predict", run, "--image", table.images[0], "--text", "CT")
    assert code == 2 and "did not finish" in err and err.count("\n") == 1


def test_what_is_no_run_and_no_study_is_refused(distune: Command) -> None:
    code, _, err = distune("predict", "nothing", "--image", "a.png", "--text", "b")
    assert code == 2 and "nothing" in err
