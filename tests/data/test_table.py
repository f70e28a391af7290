"""What is asked of a table, on one whose rows are counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from distune.data.fingerprint import check_unchanged, image_fingerprints, table_fingerprint
from distune.data.pixels.intensity import PixelRules
from distune.data.table import MISSING, Split, Table, Task
from distune.errors import DataError

from .conftest import write_png

SPLITS: tuple[Split, ...] = ("train", "dev", "unlabelled", "train", "test", "unused", "dev")
LABELS = [
    [0, 1, 0],
    [1, MISSING, 1],
    [MISSING] * 3,
    [1, MISSING, MISSING],
    [0, 0, 0],
    [MISSING] * 3,
    [0, 1, 1],
]


@pytest.fixture
def table() -> Table:
    names = tuple(f"e{n}" for n in range(7))
    return Table(
        Path("/data"), names, tuple("" if n == 1 else f"/data/{n}.png" for n in range(7)),
        ("a", " \t", "c", "", "e", "f", "g"), np.array(LABELS), tuple("ppqrstu"), SPLITS,
        (Task("organ", ("x", "y")), Task("signs", ("a", "b"), "multi_label")), subgroups={"sex": tuple("abcdefg")},
    )  # fmt: skip


def test_rows_of_a_split_and_of_a_task_of_which_one_label_is_known(table: Table) -> None:
    assert table.rows("train").tolist() == [0, 3] and table.rows("train").dtype == np.int64
    assert [table.rows("train", task).tolist() for task in (0, 1)] == [[0, 3], [0]]
    assert [table.rows("dev", task).tolist() for task in (0, 1)] == [[1, 6], [1, 6]]
    assert table.rows("unlabelled", 0).tolist() == [] and len(table) == 7
    assert table.taught_rows().tolist() == [0, 2, 3]
    assert table.texts_at(np.array([4, 0])) == ["e", "a"]


def test_what_is_absent_is_asked_only_where_some_may_lack_it(table: Table) -> None:
    assert table.absent("image") is None and table.absent("text") is None
    loose = replace(table, may_lack=True)
    image, text = loose.absent("image"), loose.absent("text")
    assert image is not None and np.flatnonzero(image).tolist() == [1]
    assert text is not None and np.flatnonzero(text).tolist() == [1, 3]
    assert replace(loose, texts=("x",) * 7).absent("text") is None
    assert replace(loose, images=("",) * 7).absent("image") is None


def test_a_part_of_a_table_cuts_everything_alike(table: Table) -> None:
    labelled = table.labelled()
    assert labelled.ids == ("e0", "e1", "e3", "e4", "e6") and labelled.groups == tuple("pprsu")
    assert labelled.splits == ("train", "dev", "train", "test", "dev")
    assert labelled.labels.tolist() == [LABELS[n] for n in (0, 1, 3, 4, 6)]
    assert labelled.texts == ("a", " \t", "", "e", "g") and labelled.subgroups == {"sex": tuple("abdeg")}
    assert labelled.labelled() is labelled
    seen = table.with_images()
    assert seen.ids == ("e0", "e2", "e3", "e4", "e5", "e6") and "" not in seen.images
    assert seen.subgroups == {"sex": tuple("acdefg")} and seen.tasks == table.tasks


def test_the_labels_of_a_task_as_tasks_of_their_own(table: Table) -> None:
    exclusive = table.as_exclusive()
    assert [(task.name, task.classes) for task in exclusive.tasks] == [
        ("organ", ("x", "y")),
        ("signs: a", ("no", "yes")),
        ("signs: b", ("no", "yes")),
    ]
    assert exclusive.labels is table.labels


def test_the_fingerprint_holds_all_that_training_depends_on_and_not_where_it_lies(table: Table) -> None:
    digests = [f"{n:032x}" for n in range(7)]
    known = table_fingerprint(table, digests)
    assert len(known) == 32 and known == table_fingerprint(table, tuple(digests))
    same = replace(
        table, root=Path("/elsewhere"), images=("/x",) * 7, subgroups={}, notes=("n",), dropped=("d",)
    )
    assert table_fingerprint(same, digests) == known
    labels = table.labels.copy()
    labels[0, 0] = 1
    others = [
        replace(table, ids=(*table.ids[:6], "e9")),
        replace(table, texts=("b", *table.texts[1:])),
        replace(table, labels=labels),
        replace(table, groups=tuple("pqqrstu")),
        replace(table, splits=("train", "dev", "unlabelled", "train", "test", "unused", "test")),
        replace(table, tasks=(Task("organ", ("x", "z")), table.tasks[1])),
        replace(table, tasks=(Task("organ", ("x", "y"), score="auroc"), table.tasks[1])),
        replace(table, tasks=(Task("organ", ("x", "y"), weight=2.0), table.tasks[1])),
        replace(table, texts=("a \t", "", *table.texts[2:])),  # end to end they are the same
    ]
    found = [table_fingerprint(other, digests) for other in others]
    found.append(table_fingerprint(table, [*digests[:6], digests[0]]))
    assert len({known, *found}) == len(found) + 1


def test_an_image_is_known_by_its_content_and_how_it_becomes_pixels(tmp_path: Path, table: Table) -> None:
    write_png(tmp_path / "a.png", 1)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    write_png(tmp_path / "c.png", 2)
    paths = tuple(str(tmp_path / name) if name else "" for name in ("a.png", "", "b.png", "c.png", "a.png"))
    found = image_fingerprints(replace(table, images=paths))
    assert found[1] == "" and found[0] == found[2] == found[4] != found[3]
    assert {len(digest) for digest in found if digest} == {32}
    other_rules = replace(table, images=paths, rules=PixelRules(percentiles=(1.0, 99.0)))
    assert image_fingerprints(other_rules) == found  # images of 8 bits are shown as they are
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 4), 40_000, np.uint16))
    frames = tuple(f"{tmp_path}/deep.png{frame}" for frame in ("", "#frame=1", "#frame=2"))
    of_frames = replace(table, images=(*frames, *frames, ""))
    deep = image_fingerprints(of_frames)
    assert len(set(deep)) == 4 and deep[:3] == deep[3:6]
    other = image_fingerprints(replace(of_frames, rules=PixelRules(percentiles=(1.0, 99.0))))
    assert not set(deep[:3]) & set(other[:3])


def test_a_data_set_that_changed_is_refused_where_another_is_wanted(tmp_path: Path) -> None:
    for wanted in (None, "a"):
        check_unchanged(tmp_path, "a", wanted)
    with pytest.raises(DataError, match="has changed"):
        check_unchanged(tmp_path, "a", "b")
