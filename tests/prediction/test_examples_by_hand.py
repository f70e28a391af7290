"""New and labelled examples in every form, as they are understood before a model sees them."""

from __future__ import annotations

import csv
import errno
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.config import Config, DataConfig, parse_config, save_config
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.data.pixels.images import decode
from distune.data.pixels.intensity import PixelRules
from distune.data.readers.image_files import ImageFiles
from distune.data.table import MISSING, Split, Table, Task
from distune.errors import DataError, UserError
from distune.prediction import load, novelty
from distune.prediction.answers import Answers, joined, named, predicted
from distune.prediction.evaluation import _ends, evaluate, record
from distune.prediction.example_pixels import array_of, encoder_pixels, is_picture
from distune.prediction.example_tables import _file, read_examples
from distune.prediction.examples import (
    Example,
    _framed,
    cell_of,
    column_of,
    columns_in,
    examples_of,
    is_frame,
    is_image,
    is_nothing,
    several,
)
from distune.prediction.inputs import Inputs, _problem, lacks
from distune.prediction.label_cells import PartLabels
from distune.prediction.label_numbers import label_columns_of
from distune.prediction.labelled import (
    Labelled,
    _each_its_own,
    labelled,
    labelled_file,
    labelled_table,
)
from distune.prediction.load import is_run
from distune.prediction.novelty import Seen, check_novelty, contents_of, seen_before
from distune.prediction.predictor import Predictor
from distune.prediction.table_columns import (
    Columns,
    columns_of,
    first_of,
    frame_position,
    is_missing,
    positions,
)
from distune.training.files.run_folder import write_results
from distune.training.scoring.temperature_scaling import calibrated
from tests.stand_ins import refusing_as

from .test_predictor_by_hand import PREDICTOR, SEEING, TASK, ByBrightness, ByLength, grey

SIGNS = Task("signs", ("a", "b"), "multi_label")


def test_cells_and_values_that_stand_for_nothing() -> None:
    pandas = pytest.importorskip("pandas")
    words = ("N/A ", "nil")
    assert [is_missing(cell, words) for cell in ("", " \t", "n/a", " NIL", "nils", "0")] == [True] * 4 + [
        False
    ] * 2
    nothing = (None, "", " ", float("nan"), np.float32("nan"), np.float64("nan"), pandas.NA, pandas.NaT)
    assert all(is_nothing(value) for value in nothing) and [cell_of(value) for value in nothing] == [""] * 8
    assert not any(is_nothing(value) for value in (0, 0.0, False, "x", np.float32(0), [], "nan"))
    assert [cell_of(value) for value in (1, 1.5, "x ", True, np.int64(3))] == ["1", "1.5", "x ", "True", "3"]
    for odd in ([1], b"x", {"a": 1}, "\ud800", "a\0"):
        with pytest.raises(UserError):
            cell_of(odd)


def test_what_one_image_is() -> None:
    for image in ("a.png", Path("a"), np.zeros((2, 2)), np.zeros((2, 2, 3)), Image.new("L", (1, 1))):
        assert is_image(image)
    for other in (
        ["a.png"],
        np.zeros(3),
        np.zeros((1, 2, 2, 3)),
        np.array([["a", "b"]], dtype=object),
        None,
        3,
    ):
        assert not is_image(other)


def test_examples_of_lists() -> None:
    found = examples_of(["a.png", Path("b.png"), grey(1)], ["x", "", None], Columns())
    assert [(each.id, each.text) for each in found] == [("a.png", "x"), ("b.png", ""), ("example 3", None)]
    assert [each.text for each in examples_of(["a", "b"], None, Columns())] == [None, None]
    (odd,) = examples_of(
        [float("nan")], [float("nan")], Columns()
    )  # as a list of a data frame's column has it
    assert (odd.image, odd.text) == (None, None)
    for images, texts in ((["a"], ["x", "y"]), (["a", "b"], ["x"])):
        with pytest.raises(UserError, match="one text for each image"):
            examples_of(images, texts, Columns())


def test_examples_of_a_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "report": ["one", " N/A", None, 4],
            "image": ["a.png", None, float("nan"), "d.png"],
            "id": ["p", None, "q", 7],
        },
        index=[10, 11, 12, 13],
    )
    columns = Columns(("scan", "image"), ("report",), ("n/a",))
    found = examples_of(frame, None, columns)
    assert [(each.id, each.image, each.text) for each in found] == [
        ("p", "a.png", "one"), ("11", None, ""), ("q", None, None), ("7", "d.png", "4"),
    ]  # fmt: skip
    with pytest.raises(UserError, match="second argument"):
        examples_of(frame, ["x"] * 4, columns)
    unnamed = examples_of(frame.drop(columns="id"), None, columns)
    assert [each.id for each in unnamed] == ["10", "11", "12", "13"]
    (odd,) = examples_of(pandas.DataFrame({"report": [["x"]]}), None, Columns((), ("report",)))
    assert odd.problem is not None and odd.problem.startswith("its text: ")
    (empty,) = examples_of(pandas.DataFrame({"report": [" "]}), None, Columns((), ("report",)))
    assert empty.text == "", "an empty text says nothing; it is not missing"
    twice = pandas.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(UserError, match="two columns 'x'"):
        column_of(twice, "x")
    numbered = pandas.DataFrame([[1, 2]], columns=[0, "x"])
    assert columns_in(numbered) == ["0", "x"] and column_of(numbered, "0") == [1]


def test_the_columns_that_are_looked_for() -> None:
    assert columns_of({}, ("image", "text")) == Columns(("image",), ("text",), (), ())
    wound = columns_of({"reader": "wound"}, ("image", "text"))
    assert (wound.image, wound.text) == (("file_path", "img_path", "image"), ("description", "text"))
    own = {
        "reader": "wound",
        "image_column": "i",
        "text_column": "t",
        "missing_values": ["nil"],
        "group_column": "g",
    }
    assert columns_of(own, ("image", "text")) == Columns(("i", "image"), ("t", "text"), ("nil",), ("g",))
    read = {**own, "frame_column": "f", "encoding": "cp1250", "follow_links": True}
    assert columns_of(read, ("image",)) == Columns(
        ("i", "image"), (), ("nil",), ("g",), ("f",), "cp1250", True
    )
    assert columns_of(read, ("text",)).frame == ()
    assert columns_of(own, ("text",)).image == () and columns_of(own, ("image",)).text == ()
    header = ["text", "t", "i"]
    assert positions("x", header, columns_of(own, ("image", "text"))) == (2, 1)
    assert positions("x", header, Columns((), ())) == (None, None)
    for odd, word in ((["t"], "no column for the image"), (["i", "i", "t"], "two columns 'i'")):
        with pytest.raises(DataError, match=word):
            positions("x", odd, columns_of(own, ("image", "text")))
    with pytest.raises(DataError, match="two columns 'image'"):
        positions("x", ["image", "t", "image"], columns_of(own, ("image", "text")))


def test_a_column_that_is_passed_over_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert first_of("x", "image", ("i", "image"), ["image", "t"]) == "image" and not caplog.messages
    assert first_of("x", "image", ("i", "image"), ["image", "i"]) == "i"
    assert caplog.messages == ["x: column 'i' is read for the image, not 'image'"]


def test_a_column_of_frames_is_missed_only_where_images_are_read(caplog: pytest.LogCaptureFixture) -> None:
    for header, place in ((["i", "f"], 1), (["f", "i"], 0), (["f", "i", "g"], 2)):
        assert frame_position("x", header, Columns(("i",), (), frame=("g", "f"))) == place
    assert frame_position("x", ["i"], Columns(("i",), ())) is None
    assert frame_position("x", ["t"], Columns((), ("t",), frame=("f",))) is None
    assert caplog.messages == []
    assert frame_position("x.csv", ["i"], Columns(("i",), (), frame=("f",))) is None
    assert caplog.messages == [
        "x.csv: no column 'f'; of an image file of several frames the middle one is read"
    ]


def test_a_table_of_new_examples(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for name in ("a.png", "b.dcm"):
        (tmp_path / "scans" / name).touch()
    rows = [["id", "image", "text"], ["x", "a.png", " one "], ["", "b.dcm#frame=2", "nil"], ["z", "", "three"],
            ["v", "gone.png", "four"], ["w", "a.png"]]  # fmt: skip
    with (tmp_path / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    root = tmp_path / "scans"
    found = read_examples(tmp_path / "new.csv", root, Columns(missing=("nil",)))
    assert [(each.id, each.image, each.text) for each in found] == [
        ("x", str(root / "a.png"), "one"), ("new.csv:3", f"{root / 'b.dcm'}#frame=2", ""), ("z", None, "three"),
        ("v", None, "four"), ("new.csv:6", None, ""),
    ]  # fmt: skip
    assert [bool(each.problem) for each in found] == [False, False, False, True, True]
    with pytest.raises(DataError, match="data_root"):
        read_examples(tmp_path / "new.csv", tmp_path / "none", Columns())
    assert len(read_examples(tmp_path / "new.csv", tmp_path / "none", Columns(image=()))) == 5
    with pytest.raises(DataError, match="no such file"):
        read_examples(tmp_path / "none.csv", root, Columns())
    files = ImageFiles(root)
    assert _file(files, " ", "3") == (None, None) and _file(files, "a.png", "") == (str(root / "a.png"), None)
    assert _file(files, "b.dcm", "3") == (f"{root / 'b.dcm'}#frame=3", None)
    missing, odd = _file(files, "gone.png", "")[1], _file(files, "b.dcm", "x")[1]
    assert odd is not None and "'x'" in odd
    assert missing is not None and "; " in missing


@pytest.mark.parametrize(("width", "is_refused"), [(20, False), (21, True)])
def test_the_largest_image(tmp_path: Path, width: int, is_refused: bool) -> None:
    picture = Image.new("L", (width, 10), 9)
    picture.save(tmp_path / "a.png")
    file = tmp_path / "a.png"
    for image in (str(file), file, f"{file}#frame=1", picture, np.asarray(picture)):
        if is_refused:
            with pytest.raises(UserError, match="21 x 10"):
                encoder_pixels(image, 4, max_megapixels=200e-6)
        else:
            assert (encoder_pixels(image, 4, max_megapixels=200e-6) == 9).all()


def test_files_arrays_and_pictures_become_the_same_pixels(tmp_path: Path) -> None:
    deep = np.array([[0, 1000], [2000, 3000]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    rules = PixelRules(window=(1000.5, 2001.0))
    expected = decode(tmp_path / "deep.png", 2, rules)
    assert expected[0].tolist() == [[0, 128], [255, 255]]
    with Image.open(tmp_path / "deep.png") as opened:
        for image in (deep, opened, str(tmp_path / "deep.png")):
            assert np.array_equal(encoder_pixels(image, 2, rules), expected)
    with pytest.raises(UserError, match="type list"):
        encoder_pixels([[1]], 2)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(deep)
    assert np.array_equal(encoder_pixels(matrix, 2, rules), expected)
    palette = Image.new("P", (1, 1))
    palette.putpalette([10, 20, 30] * 256)
    palette.info["transparency"] = 0
    assert array_of(palette).tolist() == [[[10, 20, 30, 0]]]
    Image.fromarray(np.array([[40, 200]], np.uint8)).save(tmp_path / "keyed.png", transparency=40)
    with Image.open(tmp_path / "keyed.png") as opened:
        shown = encoder_pixels(opened, 2)
    assert np.array_equal(shown, decode(tmp_path / "keyed.png", 2)) and shown.min() == 40
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(file, "PNG", exif=exif)
    assert array_of(Image.open(file)).tolist() == [[255, 0]]


BOTH: Any = ("image", "text")


@pytest.mark.parametrize(
    ("image", "text", "modalities", "can_miss", "word"),
    [
        ("a", "x", BOTH, False, None),
        (None, "x", BOTH, False, "no image"),
        ("", "x", BOTH, False, "no image"),
        (None, "x", BOTH, True, None),
        (None, "", BOTH, True, "nothing of what"),
        ("a", None, BOTH, False, "no text"),
        ("a", "", BOTH, False, None),
        ("a", None, BOTH, True, None),
        ("a", None, ("image",), False, None),
        (None, "x", ("text",), False, None),
        (None, 3, ("text",), False, "type int"),
        ("a", 3, BOTH, True, "type int"),
        ("a", "\ud800", BOTH, False, "Unicode"),
        ("a", "\ud800", ("image",), False, None),
    ],
)
def test_what_a_model_can_answer(
    image: Any, text: Any, modalities: Any, can_miss: bool, word: str | None
) -> None:
    found = _problem(Example("1", image, text), modalities, can_miss=can_miss)
    assert (found is None) == (word is None) and (word or "") in (found or "")
    assert _problem(Example("1", image, text, "known"), modalities, can_miss=can_miss) == "known"


def test_inputs_are_ordered_absent_or_refused(tmp_path: Path) -> None:
    examples = [Example("0", grey(1), "a"), Example("1", None, "a b c"), Example("2", grey(2), " "),
                Example("3", str(tmp_path / "gone.png"), "a b"), Example("4", None, None)]  # fmt: skip
    inputs = Inputs(examples, ByBrightness())
    assert list(inputs.problems) == [4] and inputs.order() == [1, 3, 0, 2]
    assert not Inputs(examples, ByBrightness(), takes_nothing=True).problems
    absent = inputs.absent([1, 0, 2])
    assert absent is not None and absent["image"].tolist() == [True, False, False]
    assert absent["text"].tolist() == [False, False, True]
    pixels, ids, good = inputs.read([1, 3, 0])
    assert good == [1, 0] == inputs.answered and sorted(inputs.problems) == [3, 4]
    assert pixels is not None and pixels.shape == (2, 3, 4, 4) and pixels[1].max() == 1
    assert ids is not None and ids.lengths.tolist() == [4, 2]
    assert Inputs(examples, ByLength()).absent([0]) is None
    assert [lacks(example, "image") for example in examples] == [False, True, False, False, True]

    class Small(ByBrightness):
        max_megapixels = 1e-6

    limited = Inputs([Example("0", np.zeros((1, 2), np.uint8), "a")], Small())
    limited.order()
    assert limited.read([0])[2] == [] and "larger" in limited.problems[0]

    class Deep(ByBrightness):
        image_size = 2
        rules = PixelRules(window=(1.0, 2.0))

    shown = Inputs([Example("0", np.array([[0, 9]] * 2, np.uint16), "a")], Deep())
    shown.order()
    read = shown.read([0])[0]
    assert read is not None and read[0, 0].tolist() == [[0, 255]] * 2


def test_progress_counts_what_cannot_be_answered_too() -> None:
    told: list[tuple[int, int]] = []
    examples = [Example(str(n), None, None if n == 1 else "x") for n in range(6)]
    answers = PREDICTOR.answer(examples, on_progress=lambda *done: told.append(done))
    assert told == [(3, 6), (5, 6), (6, 6)] and answers.problems[0].startswith("1: no text")
    mixed = [Example("a", None, None), Example("b", None, "x"), Example("c", 3, "x", "odd")]
    assert [problem[0] for problem in PREDICTOR.answer(mixed).problems] == ["a", "c"]


def test_one_task_without_numbers_is_enough_to_be_refused() -> None:
    class Two(ByLength):
        tasks = (TASK, Task("other", ("x", "y")))

        def probabilities(self, *given: Any) -> Any:
            (found,) = super().probabilities(*given)
            return [found, np.full_like(found, np.nan)]

    with pytest.raises(UserError, match="NaN"):
        Predictor(Two(), {"kind": 1.0, "other": 1.0}, Columns((), ("text",))).predict(None, ["x"])


def test_answers_as_classes_cells_and_files(tmp_path: Path) -> None:
    grade = Task("grade", ("low", "high", "mid"), "ordinal")
    side, found = np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([[0.4, 0.6], [0.7, 0.6]])
    answers = Answers((TASK, SIGNS), np.array([0, 2]), ("x", "y\udcff"), (side, found))
    assert answers.header() == [
        "id",
        "pred_kind",
        "pred_signs",
        "p_kind_short",
        "p_kind_long",
        "p_signs_a",
        "p_signs_b",
    ]
    assert [row[:3] for row in answers.table()] == [["x", "long", "b"], ["y\udcff", "short", "a;b"]]
    assert answers.table()[0][3:] == ["0.200000", "0.800000", "0.400000", "0.600000"]
    with pytest.raises(UserError, match=r"name it er\.csv"):
        answers.write(tmp_path / "deep/er.html")
    answers.write(tmp_path / "deep/er.csv")
    lines = (tmp_path / "deep/er.csv").read_text().splitlines()
    assert lines[0].startswith("id,pred_kind") and lines[2].startswith("y\\udcff,short,a;b,0.5")
    with pytest.raises(UserError, match="already"):
        answers.write(tmp_path / "deep/er.csv")
    Answers((TASK,), np.array([0]), ("z",), (side[:1],)).write(tmp_path / "deep/er.csv", overwrite=True)
    assert len((tmp_path / "deep/er.csv").read_text().splitlines()) == 2
    assert predicted(TASK, side).tolist() == [1, 0] and named(SIGNS, found).tolist() == [("b",), ("a", "b")]
    assert named(grade, np.array([[0.1, 0.2, 0.7]])).tolist() == ["mid"]
    assert Answers((grade,), np.array([0]), ("z",), (np.ones((1, 3)),)).header()[2:] == [
        "p_grade_low",
        "p_grade_high",
        "p_grade_mid",
    ]
    assert joined([], 3).shape == (0, 3) and joined([side, side], 2).shape == (4, 2)
    assert PREDICTOR.answer([]).probabilities[0].shape == (0, 2)
    assert calibrated(TASK, np.array([[0.2, 0.8]]), 2.0) == pytest.approx(np.array([[1 / 3, 2 / 3]]))
    assert calibrated(SIGNS, np.array([[0.8, 0.2]]), 0.5) == pytest.approx(np.array([[16 / 17, 1 / 17]]))


def test_labels_in_the_columns_of_the_student() -> None:
    examples = [Example(str(n), None, "x") for n in range(4)]
    labels = {"kind": ["long", "", " short ", "long"], "signs": ["none", "b;a", "", "a"]}
    data = Labelled("new", examples, labels, list("pqrs"))
    assert label_columns_of(data, (TASK, SIGNS)).tolist() == [
        [1, 0, 0],
        [MISSING, 1, 1],
        [0, MISSING, MISSING],
        [1, 1, 0],
    ]
    assert label_columns_of(data, (SIGNS, TASK)).tolist()[1] == [1, 1, MISSING]
    numbers = Task("n", ("1", "2"))
    assert label_columns_of(Labelled("n", examples[:2], {"n": ["1.0", "2"]}, "pq"), (numbers,)).tolist() == [
        [0],
        [1],
    ]
    with_none = Task("signs", ("none", "a"), "multi_label")
    held = Labelled("n", examples[:1], {"signs": ["none"]}, "p")
    assert label_columns_of(held, (with_none,)).tolist() == [[1, 0]]
    for odd, word in (({"signs": ["a"]}, "no task 'kind'"), ({"kind": ["other"]}, "cannot be evaluated"),
                      ({"kind": [" "]}, "no example has a label")):  # fmt: skip
        with pytest.raises(DataError, match=word):
            label_columns_of(Labelled("n", examples[:1], odd, "p"), (TASK,))
    with pytest.raises(DataError, match="there is no example"):
        label_columns_of(Labelled("n", [], {"kind": []}, []), (TASK,))


def test_a_bundle_reads_labels_as_its_run_did() -> None:
    class Several(ByLength):
        tasks = (Task("kind", ("a", "b"), "multi_label"),)

    held = {"tasks": {"kind": {"separator": "|", "negative": "no"}}, "label_map": {"kind": {"A": "a"}}}
    predictor = Predictor(Several(), {"kind": 1.0}, Columns((), ("text",), ("nil",)), "bundle", held)
    labels = {"kind": ["A|b", "no", "b", "nil"]}
    found = labelled(predictor, None, texts=["x"] * 4, labels=labels)
    expected = [[1, 1], [0, 0], [0, 1], [MISSING, MISSING]]
    assert label_columns_of(found, predictor.tasks).tolist() == expected
    own = {"kind": np.array([("a", "b"), (), ["b"], None], object)}  # as `predict` gives them
    for held_so in (predictor, replace(predictor, reading={})):
        found = labelled(held_so, None, texts=["x"] * 4, labels=own)
        assert label_columns_of(found, predictor.tasks).tolist() == expected
    with pytest.raises(UserError, match="takes one"):
        labelled(predictor, None, texts=["x"] * 4, labels={"kind": "A|bb"})
    odd = replace(predictor, reading={"tasks": {"kind": {"separator": 3}}})
    with pytest.raises(UserError, match="export again"):
        labelled(odd, None, texts=["x"] * 4, labels=labels)


def test_labels_that_define_no_score_are_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ByLength, "tasks", (replace(TASK, score="auroc"),))
    monkeypatch.setattr("distune.prediction.evaluation.check_novelty", lambda *_: pytest.fail("compared"))
    examples = [Example(name, None, "one") for name in "ab"]
    with pytest.raises(DataError, match="not defined"):
        evaluate(PREDICTOR, Labelled("x", examples, {"kind": ["long", "long"]}, ["p", "q"]))


def test_examples_without_a_case_are_cases_of_their_own() -> None:
    examples = [Example(name, None, "x") for name in ("a", "b", "a", "c")]
    assert _each_its_own("t", None, examples) == ["a (example 1)", "b", "a (example 3)", "c"]
    assert _each_its_own("t", ["p", "", "", "p"], examples) == ["p", "b", "a (example 3)", "p"]


def frame(**more: Any) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"text": ["one", "two"], "kind": ["short", "N/A"], **more})


def test_labelled_examples_in_memory() -> None:
    words = replace(
        PREDICTOR, columns=replace(PREDICTOR.columns, missing=("n/a",))
    )  # as a bundle knows them of its run
    found = labelled(words, frame(group=["p", None]), name="clinic")
    assert (found.name, found.labels, list(found.groups)) == ("clinic", {"kind": ["short", ""]}, ["p", "1"])
    given = labelled(
        PREDICTOR, frame().drop(columns="kind"), labels={"kind": ["long", "short"]}, groups=["q", "r"]
    )
    assert (given.name, given.labels, list(given.groups)) == (
        "external data",
        {"kind": ["long", "short"]},
        ["q", "r"],
    )
    assert labelled(PREDICTOR, given) is given
    for data, options, word in (
        (frame(), {"labels": {"kind": ["long", "short"]}}, "labels"),
        (frame(group=["p", "q"]), {"groups": ["p", "q"]}, "groups"),
        (frame().drop(columns="kind"), {"labels": {"kind": ["long"] * 3}}, "3 for 2 examples"),
        (frame().drop(columns="kind"), {"labels": {"kind": ["long"]}}, "1 for 2 examples"),
        (frame(), {"groups": ["p"]}, "groups: 1 for 2"),
        (frame(), {"root": Path()}, "root"),
        (None, {"texts": ["x"]}, "needs the labels"),
        (None, {"texts": ["x"], "labels": {"other": ["y"]}}, "no task 'other'"),
        ("a.csv", {"texts": ["x"]}, "texts"),
        ("a.csv", {"groups": ["x"]}, "groups"),
        ("a.csv", {"texts": []}, "texts"),
        (frame(group=["p", "q"]), {"groups": []}, "groups"),
    ):
        with pytest.raises(UserError, match=word):
            labelled(PREDICTOR, data, **options)  # type: ignore[arg-type]


def test_a_labelled_file_has_its_groups_root_and_links(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        Image.fromarray(grey(9)).save(tmp_path / folder / "0.png")
    file = tmp_path / "here/new.csv"
    file.write_text("image,text,kind,case,patient,ward\n0.png,a,long,c,p,w\n0.png,b,short,NULL,1.0,\n")
    assert labelled_file(SEEING, file).examples[0].image == str(tmp_path / "here/0.png")
    found = labelled_file(SEEING, file, tmp_path / "there")
    assert found.examples[0].image == str(tmp_path / "there/0.png")
    assert found.groups == ["p", "1"] and found.name == "new.csv"  # patient comes before case
    named_group = Predictor(ByBrightness(), {"kind": 1.0}, Columns(("image",), ("text",), (), ("ward",)))
    assert labelled_file(named_group, file).groups == ["w", "new.csv:3"]
    (tmp_path / "here/link.png").symlink_to(tmp_path / "there/0.png")
    file.write_text("image,text,kind\nlink.png,a,long\n")
    assert labelled_file(SEEING, file).examples[0].problem is not None
    linked = Predictor(ByBrightness(), {"kind": 1.0}, Columns(("image",), ("text",), follow_links=True))
    assert labelled_file(linked, file).examples[0].problem is None


def test_a_table_as_labelled_examples() -> None:
    splits: tuple[Split, ...] = ("train", "test")
    labels = np.array([[1, 1, 0], [MISSING, MISSING, 1]])
    tasks = (TASK, SIGNS)
    table = Table(Path("/set"), ("x", "y"), ("", "/y.png"), ("one", "two"), labels, ("p", "q"), splits, tasks)
    found = labelled_table(table, "set")
    assert [(each.id, each.image, each.text) for each in found.examples] == [
        ("x", None, "one"),
        ("y", "/y.png", "two"),
    ]
    assert found.labels == {"kind": ["long", ""], "signs": ["a", PartLabels(("b",), ("a",))]}
    assert found.groups == ("p", "q")


def test_pictures_in_memory_are_known_by_their_pixels() -> None:
    pictures = [Image.new("L", (2, 2), value) for value in (1, 1, 2)]
    one, same, other = contents_of([Example("x", each, None) for each in pictures], PixelRules())
    assert one is not None and one == same != other


def test_a_disk_that_fails_is_no_image_that_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise OSError(number, "refused")

    monkeypatch.setattr(novelty, "image_fingerprint", refuse)
    number = errno.ENOENT
    assert contents_of([Example("x", "a.png", None)], PixelRules()) == [None]
    number = errno.EIO
    with pytest.raises(OSError):
        contents_of([Example("x", "a.png", None)], PixelRules())


def test_examples_that_were_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {"a.png": "1", "b.png": "2"}
    monkeypatch.setattr(novelty, "image_fingerprint", lambda image, rules: digests[image] + str(rules.window))
    seen = Seen(
        frozenset({"2(1.0, 2.0)"}), frozenset({"five words are in this"}), PixelRules(window=(1.0, 2.0))
    )
    examples = [Example("x", "a.png", None), Example("y", "b.png", None), Example("z", "b.png", None, "broken"),
                Example("w", grey(1), "five words are in this")]  # fmt: skip
    assert seen_before(examples, seen, reads_images=True) == [1]
    assert seen_before(examples, seen, reads_images=False) == [3]
    monkeypatch.setattr(novelty, "seen_by", lambda predictor: seen)
    with pytest.raises(DataError, match=r"1 of 4 images .* such as y;"):
        check_novelty(SEEING, "new", examples)
    with pytest.raises(DataError, match=r"1 of 4 texts .* such as w;"):
        check_novelty(PREDICTOR, "new", examples)
    assert check_novelty(SEEING, "new", examples[:1]) is True
    monkeypatch.setattr(novelty, "seen_by", lambda predictor: replace(seen, is_as_it_was=False))
    assert check_novelty(SEEING, "new", examples[:1]) is None, "another data set lies in its place"
    with pytest.raises(DataError):
        check_novelty(SEEING, "new", examples)
    monkeypatch.setattr(novelty, "seen_by", lambda predictor: None)
    assert check_novelty(SEEING, "new", examples) is None


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_a_picture_in_memory_is_compared_with_the_pixels_of_files(ending: str, tmp_path: Path) -> None:
    known, other = (np.random.default_rng(seed).integers(0, 255, (9, 8, 3), np.uint8) for seed in (0, 1))
    file, elsewhere = tmp_path / f"known.{ending}", tmp_path / f"other.{ending}"
    for path, pixels in ((file, known), (elsewhere, other)):
        Image.fromarray(pixels).save(path)
    seen = Seen(frozenset(), frozenset(), PixelRules(), (str(file), str(tmp_path / "gone.png")))
    pictures = [Image.open(elsewhere), Image.open(file), np.asarray(Image.open(file)), np.zeros(3), None]
    pictures.append([[1, 2], [3]])  # refused where it is read
    for pixels in (other, np.asarray(Image.open(file))):  # saved again in another format
        Image.fromarray(pixels).save(again := tmp_path / f"again-{len(pictures)}.tiff")
        pictures.append(str(again))
    examples = [Example(str(row), picture, "x") for row, picture in enumerate(pictures)]
    examples.append(Example("odd", pictures[1], None, "its text: odd"))
    assert seen_before(examples, seen, reads_images=True) == [1, 2, 7]


def test_a_grey_picture_is_the_same_in_one_channel_and_in_three_and_no_other_shape(tmp_path: Path) -> None:
    Image.fromarray(grey(7)).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey(9)] * 3, axis=2)).save(tmp_path / "rgb.png")
    seen = Seen(
        frozenset(), frozenset(), PixelRules(), tuple(str(path) for path in sorted(tmp_path.iterdir()))
    )
    height, width = grey(7).shape
    pictures = [
        np.stack([grey(7)] * 3, axis=2), grey(9), grey(7).reshape(1, height * width), grey(8),
        Image.fromarray(grey(7)).convert("RGB"),
    ]  # fmt: skip
    examples = [Example(str(row), picture, "x") for row, picture in enumerate(pictures)]
    assert seen_before(examples, seen, reads_images=True) == [0, 1, 4]


@pytest.mark.parametrize(
    "error",
    [
        UserError("changed"), DataError("x", ["y"]), OSError("gone"), ValueError("a fault"),
        OSError(errno.EMFILE, "too many open files, a fault of the machine"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_read_any_more_are_compared_with_nothing(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*given: Any, **named: Any) -> Table:
        raise error

    predictor = Predictor(ByLength(), {"kind": 1.0}, source=str(tmp_path))
    assert novelty.seen_by(predictor) is None
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    monkeypatch.setattr(novelty, "read_table", read)
    if "a fault" in str(error):
        with pytest.raises(type(error), match="a fault"):
            novelty.seen_by(predictor)
    else:
        assert novelty.seen_by(predictor) is None


def test_a_data_set_in_the_place_of_the_run_s_own_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        rows = ["file,kind"]
        for number, kind in enumerate("ab"):
            Image.new("L", (4, 4), 90 * number + len(split)).save(tmp_path / f"{split}{number}.png")
            rows.append(f"{split}{number}.png,{kind}")
        (tmp_path / f"metadata_{split}.csv").write_text("\n".join(rows) + "\n")
    data = {"reader": "csv", "root": str(tmp_path), "image_column": "file", "label_columns": ["kind"]}
    models = {role: {"vision": "tiny-cnn", "text": "none"} for role in ("teacher", "student")}
    config = parse_config({"seed": 1, "data": data, **models})
    save_config(config, tmp_path / "config.yaml")
    predictor = Predictor(ByLength(), {"kind": 1.0}, source=str(tmp_path))
    own = table_fingerprint(read_table(config.data, check_images=False))
    for recorded, is_own in ((None, True), (own, True), ("another", False)):
        write_results(tmp_path, {"data_fingerprint": recorded})
        seen = novelty.seen_by(predictor)
        assert seen is not None and seen.is_as_it_was is is_own and len(seen.images) == 4


def test_an_evaluation_is_recorded_beside_its_run_and_refused_before_the_work(tmp_path: Path) -> None:
    assert record(tmp_path, {"score": 1}).read_text() == '{"score": 1}\n'
    assert _ends(SimpleNamespace(low=0.25, high=None)) == [0.25, None]  # type: ignore[arg-type]
    predictor = Predictor(ByLength(), {"kind": 1.0}, Columns((), ("text",)), str(tmp_path / "none"))
    with pytest.raises(OSError):
        predictor.evaluate("no such file", record=True)


def test_a_run_is_known_by_its_environment_or_its_weights(tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    for name in ("environment.json", "student.safetensors"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).touch()
        assert is_run(folder)


@pytest.mark.parametrize(
    ("text", "likely", "is_said"),
    [
        ("Kość".encode("cp1250"), None, True),
        ("Kość".encode("cp1250"), "cp1250", False),
        ("Kość".encode(), None, False),
    ],
)
def test_an_encoding_that_is_a_guess_is_said(
    text: bytes, likely: str | None, is_said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "t.csv").write_bytes(b"text\n" + text + b"\n")
    (found,) = read_examples(tmp_path / "t.csv", tmp_path, Columns(image=(), encoding=likely))
    assert ("Windows-1252" in caplog.text) is is_said and (found.text == "Kość") is not is_said


def test_a_number_of_a_frame_that_is_none_is_named_with_its_picture() -> None:
    assert _framed("a.dcm", 3) == "a.dcm#frame=3" and _framed(Path("a.dcm"), float("nan")) == "a.dcm"
    picture = grey(1)
    assert _framed(picture, "x") is picture
    for odd in ("x", 0, -1, 1.5):
        with pytest.raises(UserError, match=rf"a\.dcm: .*{odd}"):
            _framed("a.dcm", odd)


def test_a_picture_is_known_by_what_it_can_do(tmp_path: Path) -> None:
    assert is_picture(Image.new("L", (2, 2)))
    with (tmp_path / "a").open("w") as file:  # which has a mode, too
        for odd in (file, SimpleNamespace(getexif=dict), grey(1), "a.png", None):
            assert not is_picture(odd)


def test_what_holds_one_thing_for_each_example_has_an_order() -> None:
    assert several("texts", (text for text in "ab")) == several("texts", np.array(["a", "b"])) == ["a", "b"]
    for odd in ("ab", b"ab", {"a": 1}, {"a"}, np.array(3), 3, None):
        with pytest.raises(UserError, match=r"^texts: "):
            several("texts", odd)


def test_a_data_frame_is_known_by_what_it_can_do() -> None:
    assert is_frame(SimpleNamespace(columns=("a",), to_dict=dict))
    for odd in (SimpleNamespace(columns=("a",)), SimpleNamespace(to_dict=dict), {"columns": 1}, "x", None):
        assert not is_frame(odd)


def test_a_folder_is_read_as_the_set_of_the_run_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").mkdir()
    config = Config().replace(
        **{"data.fold": {"number": 1, "of": 3}, "data.reader": "wound", "data.tables": "elsewhere", "seed": 5}
    )
    save_config(config, tmp_path / "run/config.yaml")
    read: list[Any] = []
    splits: tuple[Split, ...] = ("train", "dev")
    table = Table(
        tmp_path / "set",
        ("x", "y"),
        ("/x.png", ""),
        ("a", "b"),
        np.array([[0], [1]]),
        ("p", "q"),
        splits,
        (TASK,),
        notes=("label kind: '1.0' as '1'",),
        dropped=("metadata_dev.csv:4: no image path",),
    )

    def reads(data: DataConfig, *, check_images: bool, known: Any) -> Table:
        assert known == predictor.classes
        read.append((data.root, data.fold, data.tables, data.reader, check_images))
        return table

    trained: list[Path] = []
    monkeypatch.setattr("distune.prediction.labelled.read_table", reads)
    monkeypatch.setattr("distune.prediction.labelled.was_trained_on", lambda run, held: trained.append(run))
    (tmp_path / "set").mkdir()
    predictor = Predictor(ByLength(), {"kind": 1.0}, source=str(tmp_path / "run"))
    found = labelled(predictor, tmp_path / "set")
    assert (found.name, found.labels, found.groups) == ("set", {"kind": ["short", "long"]}, ("p", "q"))
    assert table.notes[0] in caplog.messages and any(table.dropped[0] in each for each in caplog.messages)
    assert read == [(tmp_path / "set", None, None, "wound", False)] and trained == [tmp_path / "run"]
    assert labelled(predictor, str(tmp_path / "set"), name="clinic").name == "clinic"
    with pytest.raises(UserError, match="root"):
        labelled(predictor, tmp_path / "set", root=tmp_path)
    monkeypatch.setattr("distune.prediction.labelled.was_trained_on", lambda run, held: True)
    with pytest.raises(DataError, match="trained and tuned on"):
        labelled(predictor, tmp_path / "set")
    with pytest.raises(UserError, match="--csv"):
        labelled(PREDICTOR, tmp_path / "set")
    assert (labelled(PREDICTOR, table).name, labelled(PREDICTOR, table, name="clinic").name) == (
        "set",
        "clinic",
    )
    with pytest.raises(UserError, match="a table"):
        labelled(PREDICTOR, table, groups=["p", "q"])


def test_a_predictor_passes_on_what_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = ["one", "two", "one two three four five six"]
    labels = {"kind": ["short", "short", "long"]}
    told: list[tuple[int, int]] = []
    found = PREDICTOR.evaluate(None, texts, labels=labels, groups=["p", "p", "q"], name="n",
                               on_progress=lambda *done: told.append(done))  # fmt: skip
    assert (found["data"], found["examples"], found["cases"], found["score"]) == ("n", 3, 2, 1.0)
    assert told[-1] == (3, 3) and "recorded" not in found
    at_home = Predictor(ByLength(), {"kind": 1.0}, Columns((), ("text",)), str(tmp_path))
    kept = at_home.evaluate(None, texts, labels=labels, record=True)
    assert (
        kept["cases"] == 3 and Path(kept["recorded"]).parent == tmp_path and Path(kept["recorded"]).is_file()
    )
    for odd in ({"record": 1}, {"name": " "}, {"root": 3}, {"on_progress": 3}):
        with pytest.raises(UserError, match=next(iter(odd))):
            at_home.evaluate(None, texts, labels=labels, **odd)  # type: ignore[arg-type]
    asked: list[Any] = []
    from distune.deployment import export

    exported = refusing_as(
        export.export_source, lambda *given, **named: asked.append((given, named)) or (tmp_path, None)
    )
    monkeypatch.setattr(export, "export_source", exported)
    assert at_home.export("out", quantize="int8", max_score_drop=0.0, data_root="d") == tmp_path
    options = {"quantisation": "int8", "max_score_drop": 0.0, "data_root": "d"}
    assert asked == [((str(tmp_path), "out"), options)]
    assert at_home.classes == {"kind": ("short", "long")} and at_home.tasks == (TASK,)


def test_a_bundle_is_loaded_on_the_cpu_and_stands_for_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/model.onnx").touch()
    monkeypatch.setattr(load, "load_bundle", lambda folder: f"bundle {folder.name}")
    for device in (None, "auto", "cpu"):
        assert load.load(tmp_path / "bundle", device=device) == "bundle bundle"  # type: ignore[comparison-overlap]
    with pytest.raises(UserError, match="cuda:0"):
        load.load(tmp_path / "bundle", device="cuda:0")
    for source in (tmp_path / "bundle", tmp_path / "run"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run/environment.json").touch()
        with pytest.raises(UserError, match="storage"):
            load.load(source, storage="sqlite:///s.db")
    with pytest.raises(UserError, match="is a bundle"):
        load.run_behind(tmp_path / "bundle")
    assert load.run_behind(str(tmp_path / "run")) == tmp_path / "run"
    for odd in ({"device": 3}, {"device": " "}, {"storage": 3}):
        with pytest.raises(UserError, match=next(iter(odd))):
            load.load(tmp_path / "bundle", **odd)  # type: ignore[arg-type]
