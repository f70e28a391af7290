"""What the columns of a table are taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from distune.data.readers.image_files import ImageFiles
from distune.errors import UserError
from distune.setup.cells import Cells
from distune.setup.columns import Layout, Wishes, looked_at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(60):
        path = tmp_path / f"photos/{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


COLUMNS: dict[str, list[str]] = {
    "file": [f"photos/{n}.png" for n in range(60)],
    "severity": ["mild", "none", "severe"] * 20,
    "patient_id": [f"P{n // 3}" for n in range(60)],
    "report": [f"a photo of wound number {n} with some words" for n in range(60)],
    "sex": ["m", "f"] * 30,
    "date": [f"2026-01-{n % 28 + 1:02d}" for n in range(60)],
    "score of the day": ["1", "2", "3", "4"] * 15,
    "room": ["A", "B"] * 30,
    "empty": [""] * 60,
}


def look(folder: Path, columns: dict[str, list[str]], **wishes: object) -> Layout:
    rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
    return looked_at(folder, list(columns), rows, Wishes(**wishes), lambda cell: cell in ("", "NaN"))  # type: ignore[arg-type]


def test_each_column_has_a_role_and_a_reason(folder: Path) -> None:
    layout = look(folder, COLUMNS)
    assert {column.name: column.role for column in layout.columns} == {
        "file": "image", "severity": "label", "patient_id": "group", "report": "text", "sex": "unused",
        "date": "unused", "score of the day": "label", "room": "unused", "empty": "unused",
    }  # fmt: skip
    assert all(column.why for column in layout.columns)
    assert (layout.root, layout.image, layout.text, layout.group) == (folder, "file", "report", "patient_id")
    assert layout.labels == ("severity", "score of the day")
    assert "none 20" in layout.columns[1].why


def test_what_the_user_says_comes_first(folder: Path) -> None:
    layout = look(folder, COLUMNS, labels=("sex",), group="room", text="date")
    assert (layout.labels, layout.group, layout.text) == (("sex",), "room", "date")
    assert layout.separators == {}
    with pytest.raises(UserError, match="did you mean 'severity'"):
        look(folder, COLUMNS, labels=("Severity",))


@pytest.mark.parametrize(
    ("role", "wish"),
    [("label", {"labels": ("id", "severity")}), ("group", {"group": "id"}), ("text", {"text": "id"})],
)
def test_a_column_of_images_that_is_named_for_something_else_is_no_image(
    folder: Path, role: str, wish: dict[str, object]
) -> None:
    columns = {"id": COLUMNS["file"], "severity": COLUMNS["severity"]}
    assert look(folder, columns).image == "id"
    layout = look(folder, {**columns, "scan": COLUMNS["file"]}, **wish)
    assert (layout.image, layout.columns[0].role) == ("scan", role)
    with pytest.raises(UserError, match=f"'id', named with --{next(iter(wish))},"):
        look(folder, columns, **wish)


MASKS = [f"photos/{59 - n}.png" for n in range(60)]


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ({"mask": MASKS, **COLUMNS}, "file"),
        ({"mask_path": MASKS, "picture": COLUMNS["file"], "seg": MASKS}, "picture"),
        ({"overlay": MASKS, "image": COLUMNS["file"]}, "image"),
        ({**COLUMNS, "id": [str(n) for n in range(60)]}, "file"),  # names the same files
        ({"mask": MASKS, "file": COLUMNS["file"], "copy": [f"./{name}" for name in COLUMNS["file"]]}, "file"),
        ({"id": COLUMNS["file"], "stem": [f"photos/{n}" for n in range(60)]}, "id"),
    ],
)
def test_masks_are_not_the_images(folder: Path, columns: dict[str, list[str]], taken: str) -> None:
    assert look(folder, {**columns, "severity": COLUMNS["severity"]}).image == taken


@pytest.mark.parametrize(("count", "is_rival"), [(20, False), (40, True)])
def test_a_column_that_mostly_names_the_same_images_is_no_rival(
    folder: Path, count: int, is_rival: bool
) -> None:
    other = [MASKS[n] if n < count else name for n, name in enumerate(COLUMNS["file"])]
    columns = {"a": COLUMNS["file"], "b": other, "severity": COLUMNS["severity"]}
    if is_rival:
        with pytest.raises(UserError, match="--image"):
            look(folder, columns)
    else:
        assert look(folder, columns).image == "a"


def test_the_share_that_is_said_is_that_of_the_column_that_is_taken(folder: Path) -> None:
    scans = [f"photos/none{n}.png" if n % 3 == 0 else name for n, name in enumerate(COLUMNS["file"])]
    layout = look(folder, {"mask": MASKS, "file": scans, "severity": COLUMNS["severity"]})
    assert layout.image == "file"
    why = {column.name: column.why for column in layout.columns}["file"]
    assert 60 < int(why.partition("%")[0]) < 70  # a third are not there, and all masks are


def test_two_columns_of_images_need_a_word(folder: Path) -> None:
    both = {"left_image": COLUMNS["file"], "right_image": MASKS, "severity": COLUMNS["severity"]}
    with pytest.raises(UserError, match=r"left_image.*right_image.*--image"):
        look(folder, both)
    assert look(folder, both, image="right_image").image == "right_image"
    with pytest.raises(UserError, match="--image"):
        look(folder, {"a": COLUMNS["file"], "b": MASKS, "severity": COLUMNS["severity"]})


def test_without_named_columns_every_categorical_one_is_a_label(folder: Path) -> None:
    columns = {"file": COLUMNS["file"], "a": COLUMNS["room"], "sex": COLUMNS["sex"]}
    dates = [f"2026-01-{n % 3 + 1:02d}" for n in range(60)]
    layout = look(folder, {**columns, "visited": dates, "n": [str(n) for n in range(60)]})
    assert layout.labels == ("a",), "the sex describes the patient"
    assert layout.text is None and layout.group is None


@pytest.mark.parametrize(("values", "labels"), [(20, ("few", "many")), (21, ("few",))])
def test_a_label_has_twenty_different_values_at_most(
    folder: Path, values: int, labels: tuple[str, ...]
) -> None:
    columns = {
        "file": [f"photos/{n % 60}.png" for n in range(210)],
        "few": ["a", "b"] * 105,
        "many": [f"m{n % values}" for n in range(210)],
    }
    assert look(folder, columns).labels == labels


def test_of_two_texts_the_one_of_that_name_is_taken_unless_the_other_is_twice_as_long(folder: Path) -> None:
    def words(count: int) -> list[str]:
        return [" ".join([f"word{n}"] * count) for n in range(60)]

    plain = {name: COLUMNS[name] for name in ("file", "severity")}
    assert look(folder, {**plain, "remark": words(7), "report": words(4)}).text == "report"
    assert look(folder, {**plain, "remark": words(9), "report": words(4)}).text == "remark"


def test_a_lone_separator_makes_no_column_of_several_labels(folder: Path) -> None:
    once = ["mild", "none", "severe; mild"] + ["mild", "none", "severe"] * 19
    assert look(folder, {**COLUMNS, "severity": once}).separators == {}
    assert look(folder, {**COLUMNS, "severity": [once[2], once[2], *once[2:]]}).separators == {
        "severity": ";"
    }


def test_labels_that_hold_commas_are_parted_by_the_semicolons_between_them(folder: Path) -> None:
    cells = ["effusion, left; oedema; effusion, right", "oedema", "effusion, left", "effusion, right"] * 15
    assert look(folder, {**COLUMNS, "findings": cells}).separators == {"findings": ";"}


def test_words_that_stand_fewer_than_five_times_are_no_labels_of_a_cell(folder: Path) -> None:
    def pairs(words: int) -> list[str]:
        return [f"w{n % words}; w{(n + 1) % words}" for n in range(30)] + [""] * 30

    assert look(folder, {**COLUMNS, "findings": pairs(12)}).separators == {"findings": ";"}
    assert look(folder, {**COLUMNS, "findings": pairs(13)}).separators == {}


@pytest.mark.parametrize("cells", [["a;b"], ['{"k":"a","s":1}', '{"k":"b","s":1}'], ['[{"x":1;"y":2}]', "a"]])
def test_one_value_alone_and_json_are_no_labels_of_a_cell(folder: Path, cells: list[str]) -> None:
    column = (cells * 60)[:60]
    assert look(folder, {**COLUMNS, "region": column}).separators == {}


@pytest.mark.parametrize("name", ["pat", "PatID", "record_id", "participant_id", "subjects"])
def test_the_patient_has_many_names(folder: Path, name: str) -> None:
    columns = {name if old == "patient_id" else old: cells for old, cells in COLUMNS.items()}
    assert look(folder, columns).group == name


def test_several_labels_of_a_cell_are_told_from_a_text(folder: Path) -> None:
    several = ["effusion;oedema", "oedema", "none", "effusion; mass"] * 15
    layout = look(
        folder, {**COLUMNS, "findings": several, "note": [f"one, two and {n}; four words" for n in range(60)]}
    )
    assert layout.separators == {"findings": ";"}
    assert "findings" in layout.labels


def test_a_split_column_is_found_by_its_values(folder: Path) -> None:
    splits = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    assert look(folder, {**COLUMNS, "part": splits}).split == "part"
    assert look(folder, {**COLUMNS, "part": ["train"] * 60}).split is None


def test_a_column_of_splits_that_cannot_be_followed_is_refused(folder: Path) -> None:
    half = ["train"] * 40 + ["test"] * 10 + ["external"] * 10
    with pytest.raises(UserError, match="'external'"):
        look(folder, {**COLUMNS, "split": half})
    assert look(folder, {**COLUMNS, "split": half}, labels=("split",)).labels == ("split",)
    assert look(folder, {**COLUMNS, "procedure": half}).split is None  # whose name does not say so
    numbers = look(folder, {**COLUMNS, "split": ["0", "1", "2"] * 20})
    assert numbers.columns[-1].why.startswith("its name says splits")


@pytest.mark.parametrize("prefix", ["", "photos/", "../"])
def test_images_are_found_above_and_below_the_table(folder: Path, prefix: str) -> None:
    table = folder / "tables" if prefix == "../" else folder
    table.mkdir(exist_ok=True)
    names = [name.removeprefix("photos/") if prefix == "photos/" else name for name in COLUMNS["file"]]
    layout = look(
        table, {**COLUMNS, "file": [name.replace("/", "\\").removesuffix(".png") for name in names]}
    )
    assert layout.root == (folder / "photos" if prefix == "photos/" else folder)


def test_images_behind_links_are_found_and_said(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "photos").symlink_to(folder / "photos")
    layout = look(elsewhere, COLUMNS)
    assert layout.follow_links
    assert "links" in layout.columns[0].why
    assert not look(folder, COLUMNS).follow_links
    for name in ("annotations", "images"):  # the first one is found first
        (elsewhere / name).mkdir()
        for number in range(60):
            (elsewhere / name / f"{number}.png").symlink_to(folder / f"photos/{number}.png")
    (elsewhere / "photos").unlink()
    assert look(elsewhere, {"file": FILES, "kind": KINDS}).root == elsewhere / "images"


def test_no_images_or_no_labels_is_an_error_that_says_what_to_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--image"):
        look(folder, {**COLUMNS, "file": ["x"] * 60})
    with pytest.raises(UserError, match="--labels"):
        look(folder, {"file": COLUMNS["file"], "n": [str(n) for n in range(60)]})


FILES, KINDS = [f"{n}.png" for n in range(60)], ["a", "b"] * 30


@pytest.mark.parametrize(
    ("folders", "where"),
    [
        (("annotations", "images"), "images"),
        (("images", "masks"), "images"),
        (("a", "a thumbs"), "a"),
        (("a", "b"), None),
        (("images_256", "images_512"), None),
        (("train/x", "val/y"), None),
    ],
)
def test_of_folders_with_files_of_one_name_that_of_the_images_is_taken_or_none(
    tmp_path: Path, folders: tuple[str, str], where: str | None
) -> None:
    """A table of bare file names says nothing of folders: those of the classes may hold other pictures."""
    half = folders[0].startswith("train")
    for place, folder in enumerate(folders):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(60):
            if not half or number % 2 == place:  # they alternate
                (tmp_path / folder / f"{number}.png").write_bytes(b"")
    if where is not None:
        assert look(tmp_path, {"file": FILES, "kind": KINDS}).root == tmp_path / where
        return
    with pytest.raises(UserError, match="several folders") as error:
        look(tmp_path, {"file": FILES, "kind": KINDS})
    assert all(f"'{folder}'" in str(error.value) for folder in folders)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (["photos/3.png", "a", "P7"], "first row"),
        (["file", "kind", "kind"], "rename one of the columns 'kind'"),
        (["", "kind", "patient"], "no column names"),
    ],
)
def test_a_header_that_names_no_columns_is_refused(folder: Path, header: list[str], message: str) -> None:
    rows = [[f"photos/{n}.png", "ab"[n % 2], f"P{n // 2}"] for n in range(60)]
    with pytest.raises(UserError, match=message):
        looked_at(folder, header, rows, Wishes(), lambda cell: not cell)


def test_a_column_without_a_name_is_left_alone(folder: Path) -> None:
    """An index, as data frames write it; its numbers fit files whose suffix is left out."""
    layout = look(folder, {"": [str(n) for n in range(60)], "file": COLUMNS["file"], "kind": KINDS})
    assert layout.image == "file" and [column.role for column in layout.columns] == [
        "unused",
        "image",
        "label",
    ]


def test_a_patient_or_a_split_is_a_label_only_where_there_is_no_other(folder: Path) -> None:
    few = {"file": COLUMNS["file"], "patient": ["P0", "P1"] * 30, "set": ["x", "y"] * 30}
    assert look(folder, {**few, "kind": KINDS}).labels == ("kind",)
    assert look(folder, few).labels == ("patient", "set")


def test_a_measured_number_is_looked_up_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Radiomics tables have a thousand such columns, and dozens of folders may hold the images."""
    asked: list[str] = []
    find = ImageFiles.find
    monkeypatch.setattr(ImageFiles, "find", lambda files, cell: asked.append(cell) or find(files, cell))
    measured = {
        f"f{n}": [f"{0.5 + n + row:.3e}" if n % 2 else f"-{row},25" for row in range(60)] for n in range(20)
    }
    layout = look(folder, {**measured, **COLUMNS})
    assert layout.image == "file" and not {*asked} & {cell for column in measured.values() for cell in column}
    assert len(asked) <= 80


@pytest.mark.parametrize(
    ("values", "each", "is_label"),
    [(1, 30, False), (2, 5, True), (2, 4, False), (20, 5, True), (21, 5, False)],
)
def test_a_label_has_two_values_at_least_and_five_examples_each(
    values: int, each: int, is_label: bool
) -> None:
    cells = [f"v{n}" for n in range(values)] * each + [""] * 7
    found = Cells(cells, lambda cell: not cell)
    assert found.is_categorical is is_label and found.missing == 7


@pytest.mark.parametrize("wishes", [{"text": "kind"}, {"group": "kind"}])
def test_a_column_has_one_role(tmp_path: Path, wishes: dict[str, str]) -> None:
    with pytest.raises(UserError, match="'kind' is named for two"):
        looked_at(tmp_path, ["kind"], [["a"]], Wishes(labels=("kind",), **wishes), lambda cell: not cell)
