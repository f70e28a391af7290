"""How an exported graph is compared with torch, by numbers written out here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from distune.data.table import Task
from distune.deployment.bundle import (
    CHECKSUMS,
    FORMAT,
    LABELS,
    MODEL,
    PREPROCESS,
    check_files,
    checksum_of,
    format_of,
    load_bundle,
)
from distune.deployment.parity import Parity, ParityExamples, compared
from distune.errors import UserError
from distune.prediction.examples import Example

TASKS = (Task("side", ("left", "right")), Task("sign", ("a", "b"), "multi_label"))


def test_a_difference_counts_in_either_direction_and_a_change_in_any_task(tmp_path: Path) -> None:
    asked = ParityExamples("three", [Example(str(n), None, "x") for n in range(3)])
    expected = [
        np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]),
        np.array([[0.9, 0.1], [0.2, 0.7], [0.4, 0.6]]),
    ]
    exported = [expected[0].copy(), expected[1].copy()]
    exported[0][0] = (0.2, 0.8)  # the other side
    exported[1][1, 0] = 0.55  # one label more
    exported[1][2, 1] = 0.75  # surer, and the same
    found = compared(tmp_path, TASKS, asked, expected, exported)
    assert found.largest_difference == pytest.approx(0.7)
    assert (found.examples, found.changed) == (3, 2)
    assert found.changed_from_run is None and found.drop is None
    grown = compared(tmp_path, TASKS, asked, expected, [expected[0], exported[1]])
    assert grown.largest_difference == pytest.approx(0.35) and grown.changed == 1


def test_the_oldest_format_that_holds_a_student() -> None:
    assert format_of(TASKS[:1], can_miss=False) == 1
    assert format_of(TASKS[:1], can_miss=True) == format_of(TASKS, can_miss=False) == 2


def test_a_bundle_of_a_newer_format_is_refused_with_its_version(tmp_path: Path) -> None:
    for name, content in (
        (MODEL, "graph"),
        (LABELS, "{}"),
        (PREPROCESS, json.dumps({"format": FORMAT + 1, "distune_version": "9.9"})),
    ):
        (tmp_path / name).write_text(content)
    checksums = {file.name: checksum_of(file) for file in tmp_path.iterdir()}
    (tmp_path / CHECKSUMS).write_text(json.dumps(checksums))
    with pytest.raises(UserError, match=r"9\.9"):
        load_bundle(tmp_path)


def test_a_drop_is_what_the_export_lost() -> None:
    assert Parity(3, 0.1, 1, None, 0.9, 0.7).drop == pytest.approx(0.2)
    assert Parity(3, 0.1, 1, None, 0.7, 0.9).drop == pytest.approx(-0.2)
    assert Parity(3, 0.1, 1, None, None, None).drop is None


@pytest.mark.parametrize("name", [MODEL, LABELS, PREPROCESS])
def test_a_file_that_has_no_checksum_may_have_been_altered(tmp_path: Path, name: str) -> None:
    checksums = {other: "0" for other in (MODEL, LABELS, PREPROCESS) if other != name}
    (tmp_path / CHECKSUMS).write_text(json.dumps(checksums))
    with pytest.raises(UserError, match=name):
        check_files(tmp_path)


@pytest.mark.parametrize("name", ["../outside.json", "sub/inside.json"])
def test_no_file_beside_those_of_the_bundle_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "bundle"
    (folder / "sub").mkdir(parents=True)
    for file in (folder / MODEL, folder / LABELS, folder / PREPROCESS, folder / name):
        file.write_text("{}")
    names = (MODEL, LABELS, PREPROCESS, name)
    (folder / CHECKSUMS).write_text(json.dumps({each: checksum_of(folder / each) for each in names}))
    with pytest.raises(UserError, match="is missing"):
        check_files(folder)
