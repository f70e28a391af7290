"""What a predictor makes of a model's answers, with a model whose answers are the lengths of its texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from distune.config import DataConfig, Modality, TaskConfig
from distune.data.pixels.intensity import DEFAULT, PixelRules
from distune.data.ragged import Ragged
from distune.data.table import MISSING, Task
from distune.data.tokenizer import HashTokenizer
from distune.errors import DataError, UserError
from distune.prediction.answers import (
    NO_LABELS,
    SEPARATORS,
    Answers,
    as_cell,
    check_answers_file,
    label_separator,
    no_label,
)
from distune.prediction.evaluation import _remarks, evaluate, evaluation_of
from distune.prediction.example_pixels import array_of, encoder_pixels
from distune.prediction.examples import Example, examples_of
from distune.prediction.inputs import lacks
from distune.prediction.label_cells import PartLabels, as_in_training, in_columns
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import Labelled, _as_cell, labelled, labelled_file
from distune.prediction.novelty import Seen, seen_before
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import Columns, columns_of
from distune.training.scoring.temperature_scaling import calibrated

TASK = Task("kind", ("short", "long"))
TEXTS = ["one", "one two three four five six", "", "one two three", "one two"]
"""With the start token that is 2, 7, 1, 4 and 3 tokens."""
LENGTHS = np.array([2, 7, 1, 4, 3])

Pixels = NDArray[np.uint8] | None
Absent = Mapping[Modality, NDArray[np.bool_]] | None


class ByLength:
    """A tenth of a text's tokens is the probability of `long`."""

    tasks = (TASK,)
    modalities: tuple[Modality, ...] = ("text",)
    tokenizer = HashTokenizer(1000, 64)
    max_tokens = 64
    image_size = 0
    rules = DEFAULT
    max_megapixels = math.inf
    batch_size = 2
    can_miss = False

    def probabilities(
        self, pixels: Pixels, ids: Ragged | None, absent: Absent = None
    ) -> list[NDArray[np.float32]]:
        long = self.of_long(pixels, ids, absent).astype(np.float32)
        return [np.stack([1 - long, long], axis=1)]

    def of_long(self, pixels: Pixels, ids: Ragged | None, absent: Absent) -> NDArray[Any]:
        assert pixels is None and ids is not None and absent is None and len(ids) <= self.batch_size
        return ids.lengths / 10


PREDICTOR = Predictor(ByLength(), {"kind": 2.0}, Columns((), ("text",), ("n/a",)))


def test_answers_come_in_the_order_of_the_examples() -> None:
    found = PREDICTOR.predict_proba(None, TEXTS, is_calibrated=False)["kind"]
    assert found[:, 1] == pytest.approx(LENGTHS / 10)
    assert PREDICTOR.predict(None, TEXTS)["kind"].tolist() == ["short", "long", "short", "short", "short"]


def test_probabilities_are_calibrated_unless_they_are_asked_for_as_they_are() -> None:
    odds = np.sqrt(LENGTHS / (10 - LENGTHS))  # a temperature of 2 takes the square root of the odds
    assert PREDICTOR.predict_proba(None, TEXTS)["kind"][:, 1] == pytest.approx(odds / (1 + odds))


def test_one_temperature_serves_the_labels_of_a_task() -> None:
    """sigmoid(logit(0.8) / 2): odds of 4 become odds of 2."""
    task = Task("signs", ("a", "b"), "multi_label")
    assert calibrated(task, np.array([[0.8, 0.5]]), 2.0) == pytest.approx(np.array([[2 / 3, 0.5]]))


def test_cases_and_labels_are_compared_in_their_normal_form() -> None:
    examples = [Example(str(number), None, text) for number, text in enumerate(TEXTS)]
    labels = {"kind": ["short", "long", "short", " short ", "long"]}
    data = Labelled("elsewhere", examples, labels, ("1", "1.0", "2", "2 ", "3"))
    found = evaluation_of(PREDICTOR, data, label_columns_of(data, PREDICTOR.tasks))
    assert (found["examples"], found["cases"]) == (5, 3)
    assert found["tasks"]["kind"]["accuracy"] == 0.8


def test_what_makes_scores_say_less_than_the_number_of_examples_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def said(texts: list[str], labels: list[str]) -> list[str]:
        caplog.clear()
        examples = [Example(str(row), None, text) for row, text in enumerate(texts)]
        evaluate(
            PREDICTOR, Labelled("t", examples, {"kind": labels}, [f"P{row}" for row in range(len(texts))])
        )
        return [message for message in caplog.messages if message.startswith("t: ")]

    assert said(["a", "b", "c"], ["short", "long", "short"]) == []
    (line,) = said(["a", "b", "c"], ["short", "long", ""])
    assert "1 of 3 examples have no label of task 'kind'" in line
    (line,) = said(["a", "b", "a"], ["short", "long", "short"])
    assert "1 example is there more than once, such as '0'" in line and "contradict" not in line
    (line,) = said(["a", "b", "a", "b", "b"], ["short", "long", "long", "long", "long"])
    assert "2 examples are there more than once" in line and "1 of them with labels that contradict" in line
    _, line = said(["a", "b", "a"], ["short", "long", ""])
    assert "contradict" not in line
    signs = Task("signs", ("a", "b"), "multi_label")
    model = ByLength()
    model.tasks, model.modalities = (signs,), ("image",)  # type: ignore[assignment]
    looks = Predictor(model, {"signs": 1.0}, Columns())
    values = (9, 8, 7, 9)
    for row, value in enumerate(values):
        Image.fromarray(grey(value)).save(tmp_path / f"{row}.png")
    files = [Example(str(row), tmp_path / f"{row}.png", f"text {row}") for row in range(4)]
    arrays = [Example(str(row), grey(value), f"text {row}") for row, value in enumerate(values)]
    labels = np.array([[1, MISSING], [MISSING] * 2, [0, 1], [1, MISSING]])
    for pictures in (files, arrays):
        first, second = _remarks(looks, Labelled("t", pictures, {}, "abcd"), labels)
        assert first.startswith("1 of 4 examples have no label of task 'signs'"), "not those that lack some"
        assert second.startswith("1 example is there more than once, such as '0'"), (
            "whatever its name and text"
        )
        assert "contradict" not in second
    model.rules = PixelRules(window=(0.0, 4000.0))
    scans = [Example(str(row), grey(1).astype(np.uint16) * row * 400, None) for row in range(4)]
    assert len(_remarks(looks, Labelled("t", scans, {}, "abcd"), labels)) == 1, "as the student sees them"


def test_patients_that_look_alike_are_refused_and_those_that_differ_in_signs_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "new.csv"
    for one, other in (("P1", "p1"), ("007", "7")):
        file.write_text(f"text,kind,patient\none,short,{one}\ntwo,long,{other}\n")
        with pytest.raises(DataError, match=f"'{other}', '{one}'"):
            labelled_file(PREDICTOR, file)
    file.write_text("text,kind,patient\none,short,P-1\ntwo,long,P1\nc,long,unknown\n")
    assert labelled_file(PREDICTOR, file).groups == ["P-1", "P1", "unknown"]
    assert "'P-1', 'P1'" in caplog.text and "'unknown'" in caplog.text
    given = {"texts": ["one", "two"], "labels": {"kind": ["short", "long"]}}
    assert labelled(PREDICTOR, None, groups=["P1 ", "P1"], **given).groups == ["P1", "P1"], (
        "as a table's cells"
    )
    file.write_text("text,KIND\none,short\n")
    with pytest.raises(DataError, match="did you mean 'KIND'"):
        labelled_file(PREDICTOR, file)


def test_lists_of_labels_that_no_cell_holds_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "new.jsonl"
    file.write_text('{"text": "one", "kind": "short"}\n{"text": "two", "kind": []}\n')
    with pytest.raises(DataError, match="'kind' holds empty lists"):
        labelled_file(PREDICTOR, file)
    told: list[tuple[int, int]] = []
    answers = PREDICTOR.predict_table(file, on_progress=lambda *done: told.append(done))
    assert answers.ids == ("new.jsonl:1", "new.jsonl:2") and told[-1] == (2, 2)


def test_an_example_whose_case_is_missing_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("id,text,kind,patient\na,one,short,P1\nb,two,long,N/A\nc,three,,P1\n")
    found = labelled_file(PREDICTOR, file)
    assert found.groups == ["P1", "b", "P1"]
    assert found.labels == {"kind": ["short", "long", ""]}


def test_answers_are_written_with_six_digits_and_no_label_by_its_name() -> None:
    answers = Answers((TASK,), np.array([0]), ("a",), (np.array([[0.87654321, 0.12345679]]),))
    assert answers.table() == [["a", "short", "0.876543", "0.123457"]]
    assert [as_cell(answer, "xyz") for answer in ("x", ("x", "y"), ())] == ["x", "x;y", "none"]
    for first_free, words in ((label_separator, SEPARATORS), (no_label, NO_LABELS)):
        assert [first_free(words[:taken]) for taken in range(len(words))] == list(words)
        assert first_free(words) == words[-1], "where all are taken"


def test_answers_never_take_the_place_of_what_they_are_made_from(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image\n")
    with pytest.raises(UserError, match=r"t\.csv"):
        check_answers_file(table)
    check_answers_file(table, inputs=[tmp_path / "u.csv"], overwrite=True)
    for read in (table, tmp_path):
        with pytest.raises(UserError, match=r"t\.csv"):
            check_answers_file(table, inputs=[read], overwrite=True)


@pytest.mark.parametrize("odd", [";", "none", ";|", ";|/", "no label", "|"])
def test_labels_of_any_name_are_told_apart_in_one_cell(odd: str) -> None:
    task = Task("signs", ("a", odd if odd.isalpha() or " " in odd else f"a{odd}b", "b"), "multi_label")
    every = [[int(bit) for bit in f"{number:03b}"] for number in range(8)]
    cells = [_as_cell(task, np.array(row)) for row in every]
    data = Labelled("n", [Example(str(n), None, "x") for n in range(8)], {"signs": cells}, "abcdefgh")
    assert label_columns_of(data, (task,)).tolist() == every and len(set(cells)) == 8


def test_labels_in_columns_of_0_and_1_are_those_of_training() -> None:
    settings = TaskConfig(columns=("a", "none", "x;y"), negative="nothing")
    rows = [["1", "0", "1"], ["0", "1", "0"], ["0", "0", "0.0"], ["1", "", "0"]]
    config = DataConfig(reader="csv", image_column="i", label_columns=("signs",), tasks={"signs": settings})
    columns = dict(zip(settings.columns or (), map(list, zip(*rows, strict=True)), strict=True))
    tasks = {"signs": settings.columns or ()}
    labels, groups = in_columns(tasks, None, config, list(columns), columns.__getitem__)
    assert labels == {"signs": ["a|x;y", "none", "no label", PartLabels(("a",), ("none",))]}
    assert groups is None
    task = Task("signs", settings.columns or (), "multi_label")
    data = Labelled("n", [Example(str(n), None, "x") for n in range(4)], labels, "abcd")
    expected = [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, MISSING, 0]]
    assert label_columns_of(data, (task,)).tolist() == expected
    assert in_columns(tasks, None, config, ["a"], columns.__getitem__) == ({}, None)
    grade = Task("grade", ("1.0", "2"))
    data = Labelled("n", data.examples, {"grade": ["1", "2.0", "1.00", "2"]}, "abcd")
    assert label_columns_of(data, (grade,)).tolist() == [[0], [1], [0], [1]]
    plain = DataConfig(reader="csv", image_column="i", label_columns=("kind",))
    cells, _ = in_columns({"kind": ("x",)}, None, plain, ["kind"], lambda name: [" x ", "x"])
    assert cells == {"kind": ["x", "x"]}


def test_labels_are_read_as_the_run_read_its_own() -> None:
    config = DataConfig(label_map={"kind": {"S": "short"}}, missing_values=("n/a",))
    cells = ["S", " S", "long", "N/A"]
    assert as_in_training("kind", (), config, cells) == ["short", "short", "long", ""]


@pytest.mark.parametrize(
    ("text", "is_lacking"), [(None, True), ("", True), (" \n", True), ("x", False), ("0", False)]
)
def test_a_text_that_says_nothing_is_none(text: str | None, is_lacking: bool) -> None:
    assert lacks(Example("1", None, text), "text") is is_lacking


def test_a_cell_of_a_missing_value_holds_no_text() -> None:
    columns = Columns(missing=("n/a",))
    assert [columns.text_of(cell) for cell in (" N/A ", "n/a seen", "  ")] == ["", "n/a seen", ""]


def test_a_text_of_five_words_tells_that_an_example_was_seen() -> None:
    seen = Seen(frozenset(), frozenset({"a b c d e", "a b c d"}), DEFAULT)
    examples = [Example(str(n), None, text) for n, text in enumerate(("a b c d e", "a b c d", "a b c d f"))]
    assert seen_before(examples, seen, reads_images=False) == [0]


@pytest.mark.parametrize(("shape", "is_refused"), [((1000, 1000), False), ((1001, 1000, 3), True)])
def test_arrays_have_the_limit_of_files(shape: tuple[int, ...], is_refused: bool) -> None:
    image: Any = np.zeros(shape, np.uint8)
    if not is_refused:
        assert encoder_pixels(image, 8, max_megapixels=1.0).shape == (3, 8, 8)
        return
    with pytest.raises(UserError, match="1000 x 1001"):
        encoder_pixels(image, 8, max_megapixels=1.0)


def test_a_photo_is_turned_as_its_camera_says() -> None:
    picture = Image.new("RGB", (4, 2))
    picture.putpixel((0, 0), (255, 255, 255))
    upright = picture.copy()
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was held upright: the first row is the right side
    file = BytesIO()
    picture.save(file, "JPEG", exif=exif, quality=100)
    turned = array_of(Image.open(file))
    assert turned.shape == (4, 2, 3) and turned[0, 1].min() > 150 > turned[0, 0].max()
    plain = array_of(upright)
    assert plain.shape == (2, 4, 3) and plain[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("cell", "read"), [("a|b", "a;b"), ("nothing", "none"), (" nothing ", "none"), ("a", "a"), ("", "")]
)
def test_labels_of_one_cell_are_read_by_the_separator_and_the_word_of_the_run(cell: str, read: str) -> None:
    config = DataConfig(reader="medpix", tasks={"signs": {"separator": "|", "negative": "nothing"}})  # type: ignore[dict-item]
    assert as_in_training("signs", (), config, [cell]) == [read]
    assert as_in_training("other", (), config, [cell]) == [cell]


def test_each_label_of_a_cell_is_mapped_as_in_training() -> None:
    tasks = {"signs": {"separator": "|", "negative": "nothing"}}
    config = DataConfig(reader="medpix", tasks=tasks, label_map={"signs": {"A": "a", "well": "nothing"}})  # type: ignore[arg-type]
    read = as_in_training("signs", (), config, ["A|b", " b | A ", "A", "well", "b|c"])
    assert read == ["a;b", " b ;a", "a", "none", "b;c"]


def test_labels_of_which_one_is_not_known_keep_the_others() -> None:
    task = Task("signs", ("a", "b"), "multi_label")
    rows = np.array([[1, 0], [0, 0], [1, 1], [1, MISSING], [MISSING, MISSING]])
    cells = [_as_cell(task, row) for row in rows]
    assert cells == ["a", "none", "a;b", PartLabels(("a",), ("b",)), ""]
    data = Labelled("n", [Example(str(n), None, "x") for n in range(5)], {"signs": cells}, "abcde")
    assert label_columns_of(data, (task,)).tolist() == rows.tolist()
    assert [_as_cell(TASK, row) for row in np.array([[1], [MISSING]])] == ["long", ""]


def test_the_interval_of_a_classs_recall_is_that_of_its_recall() -> None:
    """Of eight long texts all are found, and of twelve short ones half."""
    texts = ["one two three four five six"] * 8 + ["one"] * 6 + ["one two three four five six"] * 6
    labels = {"kind": ["long"] * 8 + ["short"] * 12}
    examples = [Example(str(n), None, text) for n, text in enumerate(texts)]
    data = Labelled("new", examples, labels, [str(n) for n in range(20)])
    classes = evaluation_of(PREDICTOR, data, label_columns_of(data, (TASK,)))["tasks"]["kind"]["classes"]
    assert (classes["long"]["recall"], classes["short"]["recall"]) == (1.0, 0.5)
    (low, high), (half_low, half_high) = (classes[name]["recall_interval"] for name in ("long", "short"))
    assert 0.6 < low < high == 1.0 and half_low < 0.5 < half_high < 0.8


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [("L", (2, 3)), ("RGB", (2, 3, 3)), ("RGBA", (2, 3, 4)), ("I;16", (2, 3)), ("F", (2, 3)), ("1", (2, 3)),
     ("LA", (2, 3, 4)), ("PA", (2, 3, 4)), ("P", (2, 3, 3)), ("CMYK", (2, 3, 3)), ("YCbCr", (2, 3, 3))],
)  # fmt: skip
def test_a_picture_of_any_mode_is_an_array_with_its_alpha(mode: str, becomes: tuple[int, ...]) -> None:
    assert array_of(Image.new(mode, (3, 2))).shape == becomes
    if mode in ("P", "RGB"):
        clear = Image.new(mode, (3, 2))
        clear.info["transparency"] = 0 if mode == "P" else (0, 0, 0)
        assert array_of(clear).shape == (2, 3, 4)
    assert array_of(Image.new("1", (1, 1), 1)).tolist() == [[255]]


class ByBrightness(ByLength):
    """The mean pixel, from 0 to 1, is the probability of `long`; without an image it is 0.75, without a text half."""

    modalities: tuple[Modality, ...] = ("image", "text")
    image_size = 4
    can_miss = True

    def of_long(self, pixels: Pixels, ids: Ragged | None, absent: Absent) -> NDArray[Any]:
        assert pixels is not None and ids is not None and absent is not None and len(pixels) == len(ids)
        long = np.where(absent["image"], 0.75, pixels.mean(axis=(1, 2, 3)) / 255)
        return np.where(absent["text"], long / 2, long)


SEEING = Predictor(ByBrightness(), {"kind": 1.0}, Columns(("image",), ("text",)))


def grey(value: int) -> NDArray[np.uint8]:
    return np.full((4, 4), value, np.uint8)


def test_what_cannot_be_read_is_left_out_of_its_batch_and_what_is_absent_is_said(tmp_path: Path) -> None:
    images = [grey(51), str(tmp_path / "gone.png"), None, grey(204), grey(102), None]
    texts = ["a b c", "a b", "a", "a b c d", None, ""]
    examples = [Example(str(row), *pair) for row, pair in enumerate(zip(images, texts, strict=True))]
    found = SEEING.answer(examples, is_calibrated=False)
    assert found.rows.tolist() == [0, 2, 3, 4] and found.ids == ("0", "2", "3", "4")
    assert found.probabilities[0][:, 1] == pytest.approx([0.2, 0.75, 0.8, 0.2])
    assert len(found.problems) == 2 and "gone.png" in found.problems[0]


def test_of_a_file_of_several_pictures_one_is_read_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Image.fromarray(grey(51)), Image.fromarray(grey(204))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    first.save(tmp_path / "b.gif")
    SEEING.predict([str(tmp_path / "b.gif"), grey(51)], ["a", "b"])
    assert not caplog.messages
    SEEING.predict([str(tmp_path / "b.gif"), tmp_path / "a.gif", str(tmp_path / "a.gif")], ["a", "b", "c"])
    (line,) = caplog.messages
    assert "1 file holds several pictures" in line and "a.gif" in line


def test_images_of_a_table_lie_beside_it_unless_their_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for folder, value in ((tmp_path, 51), (tmp_path / "here", 204)):
        Image.fromarray(grey(value)).save(folder / "0.png")
    (tmp_path / "new.csv").write_text("image,text\n0.png,a\n")
    beside, named = (
        SEEING.predict_table(tmp_path / "new.csv", *root).probabilities[0]
        for root in ((), (tmp_path / "here",))
    )
    assert beside[0, 1] == pytest.approx(0.2) and named[0, 1] == pytest.approx(0.8)


def test_an_evaluation_has_the_name_that_is_given_else_that_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("id,text,kind\na,one,short\nb,two,long\n")
    assert PREDICTOR.evaluate(file)["data"] == labelled_file(PREDICTOR, file).name != "clinic"
    assert PREDICTOR.evaluate(file, name="clinic")["data"] == "clinic"


@pytest.mark.parametrize("odd", [{"a", "b"}, {"a": 1}, b"ab", 3, np.float32(3)])
def test_examples_have_an_order(odd: Any) -> None:
    with pytest.raises(UserError, match=r"^texts: "):
        examples_of(None, odd, Columns())
    assert [each.text for each in examples_of(None, (word for word in "ab"), Columns())] == ["a", "b"]


def test_one_image_or_several_and_their_names() -> None:
    assert [each.id for each in examples_of("a.png", "x", Columns())] == ["a.png"]
    assert [each.id for each in examples_of(np.zeros((2, 2)), None, Columns())] == ["example 1"]
    assert [each.id for each in examples_of(np.zeros((2, 2, 3)), None, Columns())] == ["example 1"]
    assert [each.id for each in examples_of(np.zeros((3, 2, 2, 3)), None, Columns())] == [
        "example 1",
        "example 2",
        "example 3",
    ]
    assert [each.image for each in examples_of(None, ["x", "y"], Columns())] == [None, None]
    for images, texts in ((None, None), (["a.png"], ["x", "y"])):
        with pytest.raises(UserError):
            examples_of(images, texts, Columns())


@pytest.mark.parametrize(
    ("value", "is_sound"),
    [
        (np.nan, False),
        (np.inf, False),
        (-0.01, False),
        (1.01, False),
        (-1e-4, True),
        (1.0001, True),
        (0.5, True),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(value: float, is_sound: bool) -> None:
    class Odd(ByLength):
        def probabilities(self, *given: Any) -> list[NDArray[np.float32]]:
            return [np.full_like(found, value) for found in super().probabilities(*given)]

    predictor = Predictor(Odd(), {"kind": 1.0}, Columns((), ("text",)))
    if is_sound:
        predictor.predict(None, ["one"])
    else:
        with pytest.raises(UserError, match="NaN"):
            predictor.predict(None, ["one"])


@pytest.mark.parametrize(
    ("table", "token"),
    [("text,text,kind\none,two,short", "'text'"), ("text,kind,kind\none,short,short", "kind"),
     ("text,kind\none,short", None)],
)  # fmt: skip
def test_a_column_that_is_read_is_there_once(tmp_path: Path, table: str, token: str | None) -> None:
    file = tmp_path / "table.csv"
    file.write_text(table)
    if token is None:
        assert labelled_file(PREDICTOR, file).labels == {"kind": ["short"]}
    else:
        with pytest.raises(DataError, match=token):
            labelled_file(PREDICTOR, file)


@pytest.mark.parametrize(
    ("header", "cells", "groups", "token"),
    [
        ("text,kind,ward", ["one,short,a", "two,short,a"], ["a", "a"], None),
        ("text,kind,ward", ["one,short,a", "two,short,"], ["a", "table.csv:3"], "1 of 2"),
        ("text,kind,ward", ["one,short,", "two,short,"], ["table.csv:2", "table.csv:3"], "2 of 2"),
        ("text,kind,other", ["one,short,a", "two,short,a"], ["table.csv:2", "table.csv:3"], "ward"),
        ("text,kind,group,ward", ["one,short,b,a", "two,short,c,a"], ["a", "a"], "group"),
    ],
)
def test_the_patients_are_those_of_the_column_that_training_read(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    header: str,
    cells: list[str],
    groups: list[str],
    token: str | None,
) -> None:
    columns = columns_of({"reader": "csv", "text_column": "text", "group_column": "ward"}, ("text",))
    file = tmp_path / "table.csv"
    file.write_text("\n".join([header, *cells]) + "\n")
    assert labelled_file(Predictor(ByLength(), {"kind": 1.0}, columns), file).groups == groups
    assert token in caplog.text if token else not caplog.text
