"""Records survive a cut, and what a csv or json module wrote is read back whatever characters it holds."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distune.analysis.runs import known_predictions
from distune.analysis.side_by_side import side_by_side
from distune.confirmation.evaluation import Evaluation
from distune.confirmation.opening import Opening
from distune.confirmation.statistics.files import MARKER, NUMBERS, PLAN, read_plan
from distune.data.table import Task, confused
from distune.errors import UserError
from distune.training.files import prediction_files
from distune.training.files.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from distune.training.files.run_folder import (
    OPENINGS,
    RESULTS,
    WEIGHTS,
    openings,
    read_results,
    record_opening,
    seal,
)
from distune.training.student import load_student
from distune.utils.files.jsonl import append_line, read_lines
from distune.utils.files.sealed_files import read_sealed

SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\r\n"


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from(SEPARATORS)), max_size=5))
def test_lines_are_read_back(tmp_path_factory, texts):
    file = tmp_path_factory.mktemp("lines") / "file.jsonl"
    for text in texts:
        append_line(file, {"text": text})
    assert read_lines(file) == [{"text": text} for text in texts]


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_cut_record_harms_no_other(tmp_path, cut):
    file = tmp_path / "file.jsonl"
    append_line(file, {"a": 1})
    append_line(file, {"b": "x" * 40})
    file.write_bytes(file.read_bytes()[:-cut])
    append_line(file, {"c": 3})
    lines = read_lines(file)
    whole = {"b": "x" * 40} if cut == 1 else None  # only its line feed was cut
    assert lines == [{"a": 1}, whole, {"c": 3}]


def test_a_damaged_opening_is_an_opening_of_every_data_set(tmp_path):
    record_opening(tmp_path, by="first", dataset="one")
    file = tmp_path / OPENINGS
    file.write_bytes(file.read_bytes()[:20])
    record_opening(tmp_path, by="second", dataset="two")
    by = [line["by"] for line in openings(tmp_path, "two")]
    assert len(by) == 2 and "line 1" in by[0] and by[1] == "second"


@pytest.mark.parametrize("line", ["{}", "[]", '{"by": 3, "time": "t", "dataset": "d"}', '{"by": "b"}'])
def test_an_opening_that_says_something_else_is_a_damaged_one(tmp_path, line):
    (tmp_path / OPENINGS).write_text(line + "\n")
    assert "line 1" in openings(tmp_path, "two")[0]["by"]
    with pytest.raises(UserError, match="Restore that line"):
        Opening(tmp_path, "me", "two").check()


@pytest.mark.parametrize(
    "content", ["{}", "[1]", '{"opening": 3}', '{"opening": {}}', "null", '{"opening": {"number": "x"}}']
)
def test_numbers_of_another_form_finish_no_opening(tmp_path, content):
    (tmp_path / NUMBERS).write_text(content)
    opening = Opening(tmp_path, "me", "two", again=True)
    assert opening.open() == 1 and opening.is_open


@pytest.mark.parametrize("separator", SEPARATORS)
def test_classes_and_groups_with_line_separators_are_read_back(tmp_path, separator):
    import csv

    name = f"a{separator}b"
    with (tmp_path / "predictions_dev.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "group", "truth_kind", f"p_kind_{name}", "p_kind_c"])
        writer.writerow(["1", name, name, "0.75", "0.25"])
        writer.writerow(["2", "g", "c", "0.25", "0.75"])
    (found,) = known_predictions(tmp_path)
    assert found.classes == (name, "c")
    assert found.groups == (name, "g")
    np.testing.assert_array_equal(found.truth, [0, 1])


def test_tasks_whose_predictions_could_not_be_read_back_are_named(tmp_path):
    names, classes = ("a", "a_b", "b"), (("b_c", "z"), ("c", "z"), ("b", "a_b"))
    refused = 0
    for (first, second), of_first, of_second in itertools.product(
        itertools.permutations(names, 2), classes, classes
    ):
        tasks = (Task(first, of_first), Task(second, of_second))
        columns = [f"p_{task.name}_{name}" for task in tasks for name in task.classes]
        lines = [
            ["id", "group", f"truth_{first}", f"truth_{second}", *columns],
            ["1", "g", of_first[0], of_second[1], "0.75", "0.25", "0.5", "0.5"],
        ]
        (tmp_path / "predictions_dev.csv").write_text("\n".join(map(",".join, lines)))
        if confused(tasks) is not None:
            refused += 1
            continue
        found = known_predictions(tmp_path)
        assert [(each.task, each.classes) for each in found] == [(task.name, task.classes) for task in tasks]
    assert 0 < refused < 20


def test_a_task_that_is_named_as_a_label_of_another_is_refused():
    labels = Task("a", ("b", "c"), "multi_label")
    assert confused((labels, Task("a: d", ("no", "yes")))) is None
    for tasks in ((labels, Task("a: c", ("no", "yes"))), (Task("a: c", ("x", "y")), labels)):
        assert "'a: c'" in str(confused(tasks))


@pytest.mark.parametrize("content", ["[1]", '{"score": '])
def test_results_that_hold_none_are_named(tmp_path, content, caplog):
    (tmp_path / RESULTS).write_text(content)
    assert read_results(tmp_path) is None
    assert str(tmp_path / RESULTS) in caplog.text


@pytest.mark.parametrize("content", ["[1]", "{}", '{"splits": '])
def test_a_confirmation_of_odd_records_is_damaged_or_not_done(tmp_path, content):
    (tmp_path / PLAN).write_text(content if content != "{}" else "null")
    with pytest.raises(UserError, match=f"{PLAN} is damaged"):
        read_plan(tmp_path)
    evaluation = Evaluation(None, None, 0, 0, "cpu")
    (tmp_path / MARKER).write_text(content)
    assert not evaluation.is_done(tmp_path)
    evaluation.mark(tmp_path)
    assert evaluation.is_done(tmp_path) and not evaluation.is_done(tmp_path, "another config")


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"contenders": ', b"\xff\xfe", b"\0" * 100])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / PLAN).write_bytes(content)
    (tmp_path / RESULTS).write_bytes(content)
    (tmp_path / OPENINGS).write_bytes(content)
    with pytest.raises(UserError, match=PLAN):
        read_plan(tmp_path)
    with pytest.raises(UserError, match=RESULTS):
        side_by_side([str(tmp_path)])
    assert read_results(tmp_path) is None
    assert read_lines(tmp_path / OPENINGS) == [None]


RUN = {"score": 0.5, "splits": {"dev": {"tasks": {"k": {"macro_f1": 0.5}}}, "test": {"score": 0.5}}}


@pytest.mark.parametrize("odd", ["0.5", None, True, [], {}, "NaN"])
@pytest.mark.parametrize(
    "path", [("score",), ("splits", "dev", "tasks", "k", "macro_f1"), ("splits", "test", "score")]
)
def test_a_score_that_is_none_is_named(tmp_path, path, odd):
    results = copy.deepcopy(RUN)
    *sections, last = path
    functools.reduce(dict.__getitem__, sections, results)[last] = odd
    (tmp_path / RESULTS).write_text(json.dumps(results).replace('"NaN"', "NaN"))
    with pytest.raises(UserError, match=RESULTS):
        side_by_side([str(tmp_path)])


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_weights_are_named(tmp_path, content):
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(UserError, match=WEIGHTS):
        load_student(tmp_path)


PREDICTIONS = (
    b'id,group,truth_kind,pred_kind,p_kind_a,p_kind_b,image,text\r\n1,g,a,a,0.75,0.25,1.png,"one, two"\r\n'
)


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (PREDICTIONS[:-8], "unexpected end"),
        (PREDICTIONS.replace(b',1.png,"one, two"', b""), "row 2"),
        (PREDICTIONS.replace(b"1.png", b"1.png,1"), "row 2"),
        (PREDICTIONS.replace(b"0.75", b"nan"), "between 0 and 1"),
        (PREDICTIONS.replace(b"0.75", b"inf"), "between 0 and 1"),
        (PREDICTIONS.replace(b"0.25", b"-0.25"), "between 0 and 1"),
        (PREDICTIONS.replace(b"0.75", b""), "cannot be read"),
        (PREDICTIONS.replace(b"g,a", b"g,c"), "cannot be read"),
        (PREDICTIONS.replace(b"pred_kind", b"truth_kind"), "one name"),
        (PREDICTIONS.replace(b"id,group", b"group,group"), "one name"),
        (PREDICTIONS + PREDICTIONS.splitlines(keepends=True)[1], "twice"),
        (PREDICTIONS.replace(b"g,a,a", b"g,,a"), "no label"),
    ],
)
def test_damaged_predictions_are_named(tmp_path, content, token):
    (tmp_path / "predictions_dev.csv").write_bytes(content)
    with pytest.raises(UserError, match=token):
        prediction_files.read_split_predictions(tmp_path, "dev")


def test_a_record_that_was_changed_is_named_and_one_of_an_earlier_version_is_read(tmp_path):
    (tmp_path / "predictions_dev.csv").write_bytes(PREDICTIONS)
    values = {
        "opening": 1,
        "splits": ["dev"],
        "made_from": "",
        "share": 0.1 + 0.2,
        "names": ["\u2028", "\xe9"],
    }
    record = tmp_path / MARKER
    seal(record, values)
    assert read_sealed(record) == values
    assert prediction_files.read_predictions(tmp_path)
    record.write_text(json.dumps(json.loads(record.read_text())))  # another layout is no change
    assert read_sealed(record) == values
    (tmp_path / "predictions_dev.csv").write_bytes(PREDICTIONS.replace(b"0.75,0.25", b"0.25,0.75"))
    with pytest.raises(UserError, match=MARKER):
        prediction_files.read_predictions(tmp_path)
    held = json.loads(record.read_text())
    for name in values:
        record.write_text(json.dumps({**held, name: "other"}))
        with pytest.raises(ValueError, match="changed"):
            read_sealed(record)
    record.write_text(json.dumps(values))
    assert read_sealed(record) == values
    assert prediction_files.read_predictions(tmp_path)


def test_a_checkpoint_that_was_changed_is_named(tmp_path):
    tensors = {
        "model": {"w": torch.arange(6.0).reshape(2, 3)},
        "best": {"n": torch.tensor(7), "e": torch.empty(0)},
    }
    path = tmp_path / WEIGHTS
    save_checkpoint(path, Checkpoint(tensors, {"steps": 3}))
    content = path.read_bytes()
    held = load_checkpoint(path)
    assert held is not None and held.values == {"steps": 3} and held.tensors["best"]["n"] == 7
    for changed in (content[:-1] + b"\1", content.replace(b'steps\\": 3', b'steps\\": 4')):
        assert changed != content
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="changed"):
            load_checkpoint(path)


def test_a_line_is_on_the_disk_before_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = [], os.fsync

    def noting(descriptor: int) -> None:
        synced.append((tmp_path / "records.jsonl").read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    append_line(tmp_path / "records.jsonl", {"by": "a"})
    append_line(tmp_path / "records.jsonl", {"by": "b"})
    assert synced == [b'{"by": "a"}\n', b'{"by": "a"}\n{"by": "b"}\n']
