from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from distune.config import load_config
from distune.data import Table, read_table
from distune.errors import DataError, UserError
from distune.prediction.answers import Answers
from distune.prediction.examples import Example
from distune.prediction.load import load
from distune.training import predictions
from distune.training.files.run_folder import read_results, write_results
from distune.training.run import run
from distune.training.scoring.temperature_scaling import fit_temperature

MakeRun = Callable[..., Path]
KINDS: dict[str, dict[str, Any]] = {
    "nothing frozen": {},
    "all frozen, pooled": {"student__vision__freeze": "all", "student__text__freeze": "all"},
    "all frozen, sequences": {
        "student__vision__freeze": "all",
        "student__text__freeze": "all",
        "student__fusion_tokens": "sequence",
    },
    "part frozen": {"student__vision__freeze": 1},
    "bf16": {"training__precision": "bf16", "student__vision__freeze": "all", "student__text__freeze": "all"},
    "image alone": {"student__text": {"name": "none"}},
    "text alone, frozen": {"student__vision": {"name": "none"}, "student__text__freeze": "all"},
    "views": {"data__augment": "light", "data__views": 2},
}


def table_of(folder: Path) -> Table:
    config = load_config(folder / "config.yaml")
    return read_table(config.data, check_images=False)


def of_dev(table: Table) -> tuple[list[str], list[str]]:
    rows = table.rows("dev")
    return [table.images[row] for row in rows], [table.texts[row] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_the_run(
    tiny_config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Bit for bit; where frozen layers saw other examples at once, up to the last bit."""
    evaluated: list[list[Any]] = []
    predict = predictions.predict

    def noting(*arguments: Any) -> Any:
        evaluated.append(predict(*arguments))
        return evaluated[-1]

    monkeypatch.setattr("distune.training.run.predict", noting)
    run(tiny_config(**KINDS[kind]), tmp_path / "run")
    table = table_of(tmp_path / "run")
    answered = load(tmp_path / "run").predict_proba(*of_dev(table), is_calibrated=False)
    for task, expected in zip(table.tasks, evaluated[-1], strict=True):
        found = answered[task.name]
        assert (found.argmax(1) == expected.argmax(1)).all()
        if "frozen" in kind.replace("nothing frozen", ""):
            np.testing.assert_allclose(found, expected, atol=2e-7, rtol=0)
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_what_a_notebook_set_in_torch_changes_no_answer(trained_run: MakeRun) -> None:
    folder = trained_run()
    given = of_dev(table_of(folder))
    expected = load(folder).predict_proba(*given)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found = load(folder).predict_proba(*given)
            assert torch.is_autocast_enabled("cpu") and torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    for task, answers in expected.items():
        np.testing.assert_array_equal(found[task], answers)


@pytest.mark.slow
def test_temperatures_are_fitted_on_dev_and_change_no_class(trained_run: MakeRun) -> None:
    folder = trained_run()
    table, predictor = table_of(folder), load(folder)
    plain = predictor.predict_proba(*of_dev(table), is_calibrated=False)
    warm = predictor.predict_proba(*of_dev(table))
    labels = table.labels[table.rows("dev")]
    for column, task in enumerate(table.tasks):
        expected = fit_temperature(labels[:, column], plain[task.name])
        assert predictor.temperatures[task.name] == pytest.approx(expected, rel=1e-3)
        powered = plain[task.name] ** (1 / predictor.temperatures[task.name])
        np.testing.assert_allclose(
            warm[task.name], powered / powered.sum(1, keepdims=True), rtol=1e-6, atol=1e-12
        )
        chosen = predictor.predict(*of_dev(table))[task.name]
        assert list(chosen) == [task.classes[k] for k in plain[task.name].argmax(1)]


def test_a_task_without_a_wrong_dev_example_keeps_temperature_one(
    trained_run: MakeRun, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained_run(), tmp_path / "run")
    file = folder / "predictions_dev.csv"
    rows = list(csv.DictReader(file.open(newline="")))
    for row in rows:
        row["truth_modality"] = row["pred_modality"]
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    write_results(folder, read_results(folder) or {})  # as of a run that answered so
    assert load(folder).temperatures["modality"] == 1.0


def test_an_image_may_be_a_path_an_array_or_a_picture(trained_run: MakeRun) -> None:
    folder = trained_run()
    table, predictor = table_of(folder), load(folder)
    path, text = table.images[0], table.texts[0]
    array = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    grey = array if array.ndim == 2 else array[..., ::-1]
    expected = predictor.predict_proba(path, text)
    for image in (Path(path), grey, Image.open(path), [path], np.array(grey)):
        found = predictor.predict_proba(image, text)
        for task, values in expected.items():
            np.testing.assert_array_equal(found[task], values)
    assert predictor.classes == {task.name: task.classes for task in table.tasks}


def test_a_data_frame_is_read_by_its_columns(trained_run: MakeRun) -> None:
    frames = pytest.importorskip("pandas")
    folder = trained_run()
    table, predictor = table_of(folder), load(folder)
    images, texts = of_dev(table)
    frame = frames.DataFrame({"text": texts, "other": 1, "image": images}, index=table.rows("dev"))
    expected = predictor.predict(images, texts)
    predicted = predictor.predict(frame)
    assert {task: list(found) for task, found in predicted.items()} == {
        task: list(found) for task, found in expected.items()
    }
    with pytest.raises(DataError, match="'pictures', 'text'"):
        predictor.predict(frames.DataFrame({"pictures": images, "text": texts}))


BAD: dict[str, tuple[Any, Any, str]] = {
    "no text": ("good.png", None, "no text"),
    "no image": (None, "text", "no image"),
    "missing file": ("none.png", "text", "none.png"),
    "a text file": ("text.png", "text", "text.png"),
    "a wrong shape": (np.zeros((4, 4, 2), np.uint8), "text", "(4, 4, 2)"),
    "no picture": (np.zeros((4, 4), complex), "text", "complex"),
    "half a character": ("good.png", "\ud800", "Unicode"),
    "not a text": ("good.png", 3, "int"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(
    trained_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("good.png", np.zeros((40, 40), np.uint8))
    Path("text.png").write_text("no image")
    image, text, token = BAD[case]
    predictor = load(trained_run())
    with pytest.raises(DataError) as refused:
        predictor.predict(["good.png", image], ["text", text])
    assert len(refused.value.problems) == 1 and token in refused.value.problems[0]


@pytest.mark.slow
def test_a_picture_whose_file_is_cut_is_named(trained_run: MakeRun, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((80, 80), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-30])
    with pytest.raises(DataError, match="not readable"):
        load(trained_run()).predict(Image.open(tmp_path / "cut.png"), "text")
    with pytest.raises(DataError) as refused:
        load(trained_run()).predict(str(tmp_path / "cut.png"), "text")
    assert refused.value.problems[0].count("cut.png") == 1


def test_as_many_texts_as_images(trained_run: MakeRun) -> None:
    with pytest.raises(UserError, match="2 images and 1 text:"):
        load(trained_run()).predict(["a.png", "b.png"], ["text"])


def test_deep_arrays_are_scaled_as_deep_files(trained_run: MakeRun, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    predictor = load(trained_run())
    expected = predictor.predict_proba(tmp_path / "deep.png", "a scan")
    found = predictor.predict_proba(deep, "a scan")
    for task, values in expected.items():
        np.testing.assert_array_equal(found[task], values)


@pytest.mark.slow
def test_predicting_changes_nothing_on_disk_and_no_setting(trained_run: MakeRun) -> None:
    import torch

    folder = trained_run(training__threads=3)
    torch.set_num_threads(1)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    table = table_of(folder)
    load(folder).predict(*of_dev(table))
    assert torch.get_num_threads() == 1
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before


def test_runs_that_cannot_predict_are_refused(trained_run: MakeRun, tmp_path: Path) -> None:
    for name, gone in (
        ("unfinished", "results.json"),
        ("cleaned", "student.safetensors"),
        ("cut", "predictions_dev.csv"),
    ):
        folder = shutil.copytree(trained_run(), tmp_path / name)
        (folder / gone).unlink()
        with pytest.raises(UserError, match=gone):
            load(folder)
    folder = shutil.copytree(trained_run(), tmp_path / "swapped")
    file = folder / "predictions_dev.csv"
    header, _, rest = file.read_text().partition("\n")
    names = header.split(",")
    first = next(place for place, name in enumerate(names) if name.startswith("p_modality_"))
    names[first], names[first + 1] = names[first + 1], names[first]
    file.write_text(",".join(names) + "\n" + rest)
    write_results(folder, read_results(folder) or {})
    with pytest.raises(UserError, match="tasks and classes"):
        load(folder)
    with pytest.raises(UserError, match="nowhere"):
        load(tmp_path / "nowhere")


@pytest.mark.slow
def test_an_image_beyond_the_limit_of_the_run_is_named_and_the_others_are_answered(
    trained_run: Callable[..., Path], tmp_path: Path
) -> None:
    predictor = load(trained_run(data__max_image_megapixels=0.02))
    large, small = np.zeros((200, 200, 3), np.uint8), np.zeros((100, 100, 3), np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")
    examples = [
        Example(str(n), image, "CT") for n, image in enumerate([tmp_path / "large.png", large, small])
    ]
    answers = predictor.answer(examples)
    assert answers.ids == ("2",)
    assert all("200 x 200 pixels" in problem and "0.02" in problem for problem in answers.problems)


@pytest.mark.slow
def test_a_table_without_the_folder_of_its_images_is_refused(trained_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,text\na.png,CT\n")
    with pytest.raises(DataError, match="nowhere"):
        load(trained_run()).predict_table(tmp_path / "t.csv", tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("odd", [5, b"x", [], "", "\0"])
def test_what_is_no_path_is_named(trained_run: MakeRun, tmp_path: Path, odd: Any) -> None:
    predictor = load(trained_run())
    for name, call in (
        ("path", lambda: predictor.predict_table(odd)),
        ("root", lambda: predictor.predict_table("t.csv", odd)),
        ("root", lambda: predictor.evaluate("t.csv", root=odd)),
        ("out", lambda: predictor.export(odd)),
        ("data_root", lambda: predictor.export(tmp_path / "new", data_root=odd)),
        ("file", lambda: Answers((), np.arange(0), (), ()).write(odd)),
    ):
        with pytest.raises(UserError, match=f"^{name}: "):
            call()
