from __future__ import annotations

import base64
import csv
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from distune.analysis.mistakes import read_mistakes
from distune.config import Config, save_config
from distune.data.pixels.images import FRAME
from distune.data.table import Task
from distune.errors import UserError
from distune.prediction.trained import fitted_temperatures
from distune.reporting.mistakes import other_data, write_mistakes
from distune.reporting.thumbnails import SIDE, thumbnail
from tests.volumes import write_volume

HOSTILE = "<script>alert(1)</script>"
HEADER = ["id", "group", "truth_k", "pred_k", "p_k_a", "p_k_b", "p_k_<b>", "image", "text"]
ROWS = [
    ["right", "c1", "a", "a", "0.99", "0.005", "0.005", "images/0.png", "says a"],
    ["sure", "c2", "a", "b", "0.01", "0.98", "0.01", "images/1.png", HOSTILE],
    ["unsure", "c3", "b", "<b>", "0.30", "0.30", "0.40", "../outside.png", "'=1+1"],
    ["unknown", "c4", "", "a", "0.98", "0.01", "0.01", "images/0.png", "no label"],
]


@pytest.fixture
def run_folder(tiny_config: Callable[..., Config], tmp_path: Path) -> Path:
    root, folder = tmp_path / "data", tmp_path / "run"
    (root / "images").mkdir(parents=True)
    folder.mkdir()
    for name in ("data/images/0.png", "data/images/1.png", "outside.png"):
        cv2.imwrite(str(tmp_path / name), np.full((480, 960), 90, np.uint8))
    save_config(tiny_config(data__root=str(root)), folder / "config.yaml")
    with (folder / "predictions_dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *ROWS])
    return folder


def test_the_most_confident_mistakes_come_first(run_folder: Path) -> None:
    (task,) = read_mistakes(run_folder)
    assert (task.task, task.labelled, task.wrong) == ("k", 3, 2)
    first, second = task.most_confident
    assert (first.id, first.truth, first.predicted, first.group) == ("sure", "a", "b", "c2")
    assert (second.id, second.predicted, second.text) == ("unsure", "<b>", "=1+1")
    assert first.confidence > second.confidence
    # softmax( log p / T ) by hand
    powers = np.array([0.01, 0.98, 0.01]) ** (1 / task.temperature)
    assert dict(first.probabilities)["a"] == pytest.approx(powers[0] / powers.sum(), abs=1e-9)
    assert first.probabilities[0][0] == "b"
    assert len(read_mistakes(run_folder, most=1)[0].most_confident) == 1


def test_the_page_is_escaped_and_loads_nothing(run_folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in run_folder.iterdir()}
    page = write_mistakes(run_folder)
    assert page == run_folder / "mistakes_dev.html"
    text = page.read_text()
    assert HOSTILE not in text and "&lt;script&gt;" in text and "<b>" not in text
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:image/jpeg)", text) and "url(" not in text
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)  # the other one leaves the root
    small = cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_UNCHANGED)
    assert small.shape[:2] == (120, 240)
    page.unlink()
    assert {path.name: path.read_bytes() for path in run_folder.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.yaml", "predictions_dev.csv", "mine.txt", "report.html"])
def test_a_page_replaces_pages_of_mistakes_alone(run_folder: Path, name: str) -> None:
    (run_folder / "mine.txt").write_text("notes")
    (run_folder / "report.html").write_text("<!DOCTYPE html><title>Hyperparameter tuning summary</title>")
    before = {path.name: path.read_bytes() for path in run_folder.iterdir() if path.is_file()}
    for overwrite in (False, True):
        with pytest.raises(UserError, match=name):
            write_mistakes(run_folder, run_folder / name, overwrite=overwrite)
    assert {path.name: path.read_bytes() for path in run_folder.iterdir() if path.is_file()} == before
    with pytest.raises(UserError, match=r"name it page\.html"):
        write_mistakes(run_folder, run_folder / "page.csv")
    page = write_mistakes(run_folder)
    assert write_mistakes(run_folder, page) == page
    page.unlink()


@pytest.mark.slow
def test_a_page_that_was_edited_is_kept_beside_the_next(run_folder: Path) -> None:
    page = write_mistakes(run_folder)
    write_mistakes(run_folder)
    assert not list(run_folder.glob("*.edited*"))
    page.write_text(page.read_text() + "my notes")
    write_mistakes(run_folder)
    assert page.with_stem("mistakes_dev.edited").read_text().endswith("my notes")
    assert "my notes" not in page.read_text()


@pytest.mark.slow
def test_a_page_of_another_run_or_split_is_replaced_on_request_alone(run_folder: Path) -> None:
    other = shutil.copytree(run_folder, run_folder.with_name("other & more"))
    page = write_mistakes(run_folder, run_folder.with_name("page.html"))
    before = page.read_bytes()
    for run in (other, run_folder):
        (run / "predictions_test.csv").write_bytes((run / "predictions_dev.csv").read_bytes())
        with pytest.raises(UserError, match="overwrite"):
            write_mistakes(run, page, split="test")
    assert page.read_bytes() == before
    for _ in range(2):
        write_mistakes(other, page, overwrite=page.read_bytes() == before)
    assert page.read_bytes() != before
    inside = write_mistakes(run_folder)
    run_folder.rename(run_folder.with_name("renamed"))
    assert write_mistakes(run_folder.with_name("renamed")).name == inside.name


@pytest.mark.parametrize("predicted", ["c", "", "B", "p_k_a"])
def test_a_predicted_class_that_is_none_is_named(run_folder: Path, predicted: str) -> None:
    file = run_folder / "predictions_dev.csv"
    file.write_text(file.read_text().replace(",a,b,0.01", f",a,{predicted},0.01"))
    with pytest.raises(UserError, match=r"predictions_dev\.csv"):
        read_mistakes(run_folder)


def test_data_that_are_elsewhere_now(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "moved")
    page = tmp_path / "pages/of/a.html"
    page_of = partial(write_mistakes, run_folder, page)
    assert "data:image/jpeg" not in page_of().read_text()
    page.write_text("somebody's own")
    with pytest.raises(UserError, match="overwrite"):
        page_of()
    moved = page_of(data_root=tmp_path / "moved", overwrite=True)
    assert "data:image/jpeg" in moved.read_text()


@pytest.mark.parametrize("split", ["test", "../dev", "nothing"])
def test_a_split_without_predictions(run_folder: Path, split: str) -> None:
    with pytest.raises(UserError, match="'dev'"):
        read_mistakes(run_folder, split)


def test_the_command(run_folder: Path, distune: Callable[..., tuple[int, str, str]]) -> None:
    (run_folder / "environment.json").write_text("{}")
    code, printed, _ = distune("errors", run_folder)
    assert code == 0 and "mistakes_dev.html" in printed
    assert distune("errors", run_folder, "--split", "test")[0] == 2


def test_the_labels_of_a_task_have_the_temperature_of_its_predictions(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: {tasks: {f: {separator: ';'}}}")
    names = ("f: a", "f: b")
    header = ["id", "group", *(f"truth_{name}" for name in names)]
    header += [f"p_{name}_{said}" for name in names for said in ("no", "yes")]
    rows = [
        [number, number, ("no", "yes")[number % 3 == 0], ("no", "yes")[number % 2], 0.9, 0.1, 0.2, 0.8]
        for number in range(12)
    ]
    with (tmp_path / "predictions_dev.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    expected = fitted_temperatures(tmp_path, (Task("f", ("a", "b"), "multi_label"),))["f"]
    assert [task.temperature for task in read_mistakes(tmp_path)] == [expected, expected]
    assert expected != 1.0


def test_probabilities_of_test_are_calibrated_on_dev(run_folder: Path) -> None:
    dev = run_folder / "predictions_dev.csv"
    (on_dev,) = read_mistakes(run_folder)
    (run_folder / "predictions_test.csv").write_text(
        dev.read_text().replace(",0.01", ",0.4").replace(",0.99", ",0.6")
    )
    (on_test,) = read_mistakes(run_folder, "test")
    assert on_test.temperature == on_dev.temperature


@pytest.mark.slow
def test_a_data_set_that_was_moved_is_looked_for_where_it_is_said_to_be(
    run_folder: Path, tmp_path: Path
) -> None:

    def pictures(data_root: Path | None = None) -> list[str]:
        page = write_mistakes(run_folder, data_root=data_root)
        return re.findall('data:image/jpeg[^"]+', page.read_text())

    there = pictures()
    (tmp_path / "data").rename(tmp_path / "moved")
    assert pictures() == [] != there == pictures(tmp_path / "moved")
    with pytest.raises(UserError, match="data_root"):
        write_mistakes(run_folder, data_root=tmp_path / "data")


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [
        (480, 960, (SIDE // 2, SIDE)),
        (960, 480, (SIDE, SIDE // 2)),
        (8, 4, (8, 4)),
        (1, 9 * SIDE, (1, SIDE)),
        (9 * SIDE, 1, (SIDE, 1)),
    ],
)
def test_thumbnails_keep_their_form_and_grow_nothing(
    tiny_config: Callable[..., Config], tmp_path: Path, height: int, width: int, shown: tuple[int, int]
) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.full((height, width), 90, np.uint8))
    address = thumbnail("0.png", tiny_config(data__root=str(tmp_path)).data)
    assert address is not None
    content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None and pixels.shape == (*shown, 3) and abs(int(pixels.mean()) - 90) <= 1


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        ({}, 255),  # the brightest pixel is none of the percentiles
        ({"percentiles": (0.0, 100.0)}, 51),
        ({"window": (30_000.0, 2.0)}, 0),
        ({"follow_links": False}, None),
        ({"max_image_megapixels": 0.009}, None),
    ],
)
def test_thumbnails_show_what_training_reads(
    tiny_config: Callable[..., Config], tmp_path: Path, values: dict[str, Any], grey: int | None
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    pixels = np.full((100, 100), 2000, np.uint16)
    pixels[:10] = 0
    pixels[0, 0] = 10_000
    cv2.imwrite(str(tmp_path / "0.png"), pixels)
    (root / "0.png").symlink_to(tmp_path / "0.png")
    given = {f"data__{name}": value for name, value in ({"follow_links": True} | values).items()}
    address = thumbnail("0.png", tiny_config(data__root=str(root), **given).data)
    assert (address is None) is (grey is None)
    if address is not None:
        content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
        shown = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert shown is not None and abs(int(shown[50:].mean()) - grey) <= 1  # type: ignore[operator]


def test_of_a_file_of_several_frames_the_example_s_own_is_shown(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    pytest.importorskip("pydicom")
    frames = np.zeros((5, 32, 32))
    frames[1, :, 16:] = frames[2, :, :16] = 100.0  # the middle one is the third
    write_volume(tmp_path / "scan.dcm", frames)
    data = tiny_config(data__root=str(tmp_path)).data
    for name, lit in ((f"scan.dcm{FRAME}2", [False, True]), ("scan.dcm", [True, False])):
        address = thumbnail(name, data)
        assert address is not None
        content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None and [half.mean() > 128 for half in (pixels[:, :16], pixels[:, 16:])] == lit
    assert thumbnail(f"scan.dcm{FRAME}9", data) is None is thumbnail("elsewhere.dcm", data)


@pytest.mark.parametrize(("answer", "lines"), [(True, 0), (None, 0), (False, 1)])
def test_data_are_others_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bool | None, lines: int
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("distune.reporting.mistakes.read_table", lambda _, **how: asked.append(how))
    monkeypatch.setattr("distune.reporting.mistakes.was_trained_on", lambda *_: answer)
    assert len(other_data(tmp_path, Config())) == lines
    assert asked == [{"check_images": False}], "each of them is read where it is shown"


@pytest.mark.slow
def test_pictures_that_changed_since_the_run_are_warned_of(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for answer, token in ((True, ""), (None, ""), (False, "not as it was")):
        monkeypatch.setattr("distune.reporting.mistakes.read_table", lambda *_, **__: None)
        monkeypatch.setattr("distune.reporting.mistakes.was_trained_on", lambda *_, answer=answer: answer)
        caplog.clear()
        page = write_mistakes(run_folder)
        assert ("not as it was" in page.read_text()) is bool(token)
        assert token in caplog.text and bool(token) == bool(caplog.text)
