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

from distune.config import DataConfig, Modality
from distune.data.pixels.intensity import DEFAULT
from distune.data.ragged import Ragged
from distune.data.table import MISSING, Task
from distune.data.tokenizer import HashTokenizer
from distune.errors import UserError
from distune.prediction.answers import Answers, as_cell, calibrated
from distune.prediction.evaluation import evaluation_of
from distune.prediction.examples import Columns, Example, array_of, encoder_pixels
from distune.prediction.labelled import Labelled, _as_in_training, _as_text, label_columns_of, labelled_file
from distune.prediction.novelty import Seen, seen_before
from distune.prediction.predictor import Predictor, lacks

TASK = Task("kind", ("short", "long"))
TEXTS = ["one", "one two three four five six", "", "one two three", "one two"]
"""With the start token that is 2, 7, 1, 4 and 3 tokens."""
LENGTHS = np.array([2, 7, 1, 4, 3])


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
        self,
        pixels: NDArray[np.uint8] | None,
        ids: Ragged | None,
        absent: Mapping[Modality, NDArray[np.bool_]] | None = None,
    ) -> list[NDArray[np.float32]]:
        assert pixels is None and ids is not None and absent is None and len(ids) <= self.batch_size
        long = ids.lengths.astype(np.float32) / 10
        return [np.stack([1 - long, long], axis=1)]


PREDICTOR = Predictor(ByLength(), {"kind": 2.0}, Columns((), ("text",)))


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


def test_an_example_whose_case_is_missing_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("id,text,kind,patient\na,one,short,P1\nb,two,long,N/A\nc,three,,P1\n")
    found = labelled_file(PREDICTOR, file)
    assert found.groups == ["P1", "b", "P1"]
    assert found.labels == {"kind": ["short", "long", ""]}


def test_answers_are_written_with_six_digits_and_no_label_by_its_name() -> None:
    answers = Answers((TASK,), np.array([0]), ("a",), (np.array([[0.87654321, 0.12345679]]),))
    assert answers.table() == [["a", "short", "0.876543", "0.123457"]]
    assert [as_cell(answer) for answer in ("x", ("x", "y"), ())] == ["x", "x;y", "none"]


def test_labels_are_read_as_the_run_read_its_own() -> None:
    config = DataConfig(label_map={"kind": {"S": "short"}}, missing_values=("n/a",))
    cells = {"kind": ["S", " S", "long", "N/A"]}
    assert _as_in_training(config, cells) == {"kind": ["short", "short", "long", ""]}


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
    assert _as_in_training(config, {"signs": [cell], "other": [cell]}) == {"signs": [read], "other": [cell]}


def test_labels_of_which_one_is_not_known_are_not_scored() -> None:
    task = Task("signs", ("a", "b"), "multi_label")
    rows = np.array([[1, 0], [0, 0], [1, 1], [1, MISSING], [MISSING, MISSING]])
    assert [_as_text(task, row) for row in rows] == ["a", "none", "a;b", "", ""]
    assert [_as_text(TASK, row) for row in np.array([[1], [MISSING]])] == ["long", ""]


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
