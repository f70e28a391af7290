"""`distune init` on tables as hospitals have them: the config it writes is sound, and its tables keep cases whole."""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from distune.config import Config, DataConfig, load_config
from distune.config.revisions import encoders_of
from distune.data import SPLITS, read_table
from distune.data.readers.image_files import ImageFiles
from distune.errors import DataError, UserError
from distune.setup import init
from distune.setup.columns import Layout, Wishes
from distune.setup.config_text import _yaml
from distune.setup.encoders import BUDGET, within_budget
from distune.setup.image_links import contents, split_whole
from distune.setup.init import _max_tokens, prepare
from distune.setup.source_table import SourceTable
from distune.setup.splits import made_splits
from distune.tuning.space.build import build_space
from distune.tuning.space.space import contains
from distune.tuning.space.without_effect import fields_without_effect

HEADER = ["Bild", "Größe", "Patient", "Befund"]


def hospital(folder: Path, *, rows: int = 90, encoding: str = "cp1252", separator: str = ";") -> Path:
    """A table with semicolons in Latin-1, three photos a patient."""
    random = np.random.default_rng(0)
    (folder / "bilder").mkdir(parents=True)
    body = []
    for number in range(rows):
        pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"bilder/{number}.png")
        size = ["groß", "klein", "mäßig"][number % 3]
        body.append(
            [f"bilder\\{number}.png", size, f"P{number // 3}", f"Ödem am Fuß, Bild {number}, seit Tagen"]
        )
    text = "".join(separator.join(row) + "\r\n" for row in [HEADER, *body])
    (folder / "tabelle.csv").write_bytes(text.encode(encoding))
    return folder / "tabelle.csv"


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Config]:
    folder = tmp_path_factory.mktemp("klinik") / "what? a%2Fb"
    table = hospital(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    out = tmp_path_factory.mktemp("out") / "new"
    prepared = prepare(table, out, Wishes())
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "semicolons" in prepared.form and "Windows-1252" in prepared.form
    assert any("backslashes" in remark for remark in prepared.remarks)
    return out, load_config(prepared.config)


@pytest.mark.slow
def test_the_config_is_sound_and_reads_what_the_table_says(made: tuple[Path, Config]) -> None:
    out, config = made
    table = read_table(config.data)
    assert len(table) == 90
    assert table.tasks[0].classes == ("groß", "klein", "mäßig")
    assert table.texts[0].startswith("Ödem am Fuß")
    assert config.data.group_column == "Patient"
    assert {split: len(table.rows(split)) > 0 for split in SPLITS} == dict.fromkeys(SPLITS, True)
    assert {encoder.freeze for _, encoder in encoders_of(config)} <= {"all"}  # packaged ones, without a GPU
    assert (out / "config.yaml").read_text(encoding="utf-8").count("#") > 5


def test_every_row_is_in_one_table_and_every_case_in_one_split(made: tuple[Path, Config]) -> None:
    tables = {split: rows_of(made[0] / f"metadata_{split}.csv") for split in SPLITS}
    assert all(rows[0] == HEADER for rows in tables.values())
    cases = [{row[2] for row in rows[1:]} for rows in tables.values()]
    assert sum(map(len, cases)) == len(set.union(*cases)) == 30
    assert sum(len(rows) - 1 for rows in tables.values()) == 90


def test_the_search_ranges_hold_the_values_of_the_config(made: tuple[Path, Config]) -> None:
    config = made[1]
    space = build_space(config, ignored=fields_without_effect(config))
    outside = {
        name: value
        for name, value in space.base_values(config).items()
        if not contains(space.parameters[name], value)
    }
    assert outside == {}


@pytest.mark.slow
def test_the_command_takes_the_columns_it_is_given_and_says_what_it_read(
    tmp_path: Path, distune: Callable[..., tuple[int, str, str]]
) -> None:
    """Several labels in a cell, missing ones, and a class in two spellings, in a table with tabs."""
    hospital(tmp_path / "klinik")
    findings = ["effusion;oedema", "oedema", "none", "", "mass"]
    body = [
        [f"bilder/{n}.png", findings[n % 5], ["mild", "severe"][n % 2], f"P{n // 3}", f"note {n}"]
        for n in range(90)
    ]
    body[4][2] = "Mild"
    header = ["file", "findings", "grade", "case", "note"]
    text = "".join("\t".join(row) + "\n" for row in [header, *body])
    (tmp_path / "klinik/all.csv").write_text(text, encoding="utf-8")
    options = {"image": "file", "text": "note", "labels": "findings,grade", "group": "case", "out": "new"}
    given = (word for name, value in options.items() for word in (f"--{name}", value))
    code, printed, errors = distune("init", "klinik/all.csv", *given)
    assert code == 0, errors
    assert all(
        word in printed for word in ("tabs", "findings: 3 classes", "'Mild' is read as 'mild'", "wrote")
    )
    config = load_config(tmp_path / "new/config.yaml")
    table = read_table(config.data)
    assert len(table) == 90 and config.data.on_bad_example == "stop"
    assert [(task.name, task.kind) for task in table.tasks] == [
        ("findings", "multi_label"),
        ("grade", "single_label"),
    ]
    assert table.tasks[1].classes == ("mild", "severe")


def test_ids_of_other_case_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    table = hospital(tmp_path)
    table.write_bytes(table.read_bytes().replace(b";P7;", b";p6;", 1))
    with pytest.raises(DataError, match="'p6', 'P6'"):
        prepare(table, tmp_path / "new", Wishes())
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_never_replaced(made: tuple[Path, Config], tmp_path: Path) -> None:
    table = hospital(tmp_path)
    before = (made[0] / "config.yaml").read_bytes()
    with pytest.raises(UserError, match="is there already"):
        prepare(table, made[0], Wishes())
    assert (made[0] / "config.yaml").read_bytes() == before


@pytest.mark.slow
def test_few_bad_rows_are_left_out_and_said_and_many_stop(tmp_path: Path) -> None:
    table = hospital(tmp_path)
    (tmp_path / "bilder/5.png").unlink()
    prepared = prepare(table, tmp_path / "few", Wishes())
    assert len(prepared.table) == 89
    assert any("1 of 90 examples" in remark and "missing" in remark for remark in prepared.remarks)
    assert load_config(prepared.config).data.on_bad_example == "drop"
    for number in range(10, 50):
        (tmp_path / f"bilder/{number}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=rf"not an image(.|\n)*{table.name}:12: "):
        prepare(table, tmp_path / "many", Wishes())
    assert not (tmp_path / "many").exists()


@pytest.mark.slow
def test_a_table_without_texts_trains_on_images_alone_and_keeps_its_own_splits(tmp_path: Path) -> None:
    hospital(tmp_path)
    split = ["train"] * 60 + ["dev"] * 30
    lines = [f"{n}.png,{'ab'[n % 2]},{split[n]}" for n in range(90)]
    (tmp_path / "metadata.csv").write_text("\n".join(["image,class,split", *lines]))
    prepared = prepare(tmp_path / "metadata.csv", tmp_path / "out", Wishes())
    config = load_config(prepared.config)
    assert config.teacher.modalities == config.student.modalities == ("image",)
    assert config.data.root == tmp_path / "bilder"
    assert len(read_table(config.data).rows("train")) == 60


@pytest.mark.slow
def test_a_split_in_another_folder_is_a_set_that_can_be_used(tmp_path: Path) -> None:
    table = hospital(tmp_path / "klinik")
    counts, images = split_whole(table, tmp_path / "new", label_columns=("Größe",), group_column="Patient")
    assert sum(sum(classes["Größe"].values()) for classes in counts.values()) == 90
    assert images is not None
    assert (images.column, images.linked + images.copied, images.missing) == ("Bild", 90, 0)
    config = DataConfig(
        reader="csv",
        root=tmp_path / "new",
        image_column="Bild",
        text_column="Befund",
        label_columns=("Größe",),
    )
    (table.parent / "bilder").rename(tmp_path / "gone")
    assert len(read_table(config)) == 90


@pytest.mark.slow
def test_a_split_beside_its_table_or_without_images_brings_none(tmp_path: Path) -> None:
    table = hospital(tmp_path)
    assert split_whole(table, tmp_path / "bilder" / "..", label_columns=("Größe",))[1] is None
    for path in (tmp_path / "bilder").iterdir():
        path.unlink()
    assert split_whole(table, tmp_path / "new", label_columns=("Größe",))[1] is None
    with pytest.raises(UserError, match="'Bild' names"):
        split_whole(table, tmp_path / "third", label_columns=("Größe",), image_column="Bild")
    assert not (tmp_path / "third").exists()


def test_a_table_without_one_sound_row_says_what_is_wrong_with_them(tmp_path: Path) -> None:
    """As R's `write.table` makes them: the names of the rows have no name of their own."""
    (tmp_path / "t.csv").write_text('image,text,kind\n"1",a.png,x,CT\n"2",b.png,y,MR\n')
    with pytest.raises(DataError) as refused:
        prepare(tmp_path / "t.csv", tmp_path / "out", Wishes())
    (problem,) = refused.value.problems
    assert "4 where the header has 3" in problem and "2" in problem
    (tmp_path / "t.csv").write_text("image,text,kind\n")
    with pytest.raises(DataError, match="no row below the header"):
        prepare(tmp_path / "t.csv", tmp_path / "out", Wishes())


@pytest.mark.slow
def test_no_image_replaces_another(tmp_path: Path) -> None:
    table = hospital(tmp_path / "klinik")
    (tmp_path / "new/bilder").mkdir(parents=True)
    (tmp_path / "new/bilder/3.png").write_bytes(b"another")
    with pytest.raises(UserError, match="another file"):
        split_whole(table, tmp_path / "new", label_columns=("Größe",))
    assert (tmp_path / "new/bilder/3.png").read_bytes() == b"another"
    (tmp_path / "new/bilder/3.png").unlink()
    (tmp_path / "new/bilder/3.png").symlink_to("a-disk-that-is-not-there.png")
    with pytest.raises(UserError, match="another file"):
        split_whole(table, tmp_path / "new", label_columns=("Größe",))
    assert (tmp_path / "new/bilder/3.png").is_symlink()


class _FullAfter:
    """A disk that takes so many files."""

    def __init__(self, files: int):
        self.left = files

    def __call__(self, original: Callable[..., object]) -> Callable[..., object]:
        def limited(*given: object, **options: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*given, **options)

        return limited


@pytest.mark.slow
@pytest.mark.parametrize("files", [0, 1, 2, 40, 90, 91])
def test_after_a_full_disk_the_same_command_makes_the_split(tmp_path: Path, files: int) -> None:
    table = hospital(tmp_path / "klinik")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="space"):
        full = _FullAfter(files)
        patch.setattr(os, "link", _FullAfter(0)(os.link))  # another disk
        patch.setattr(shutil, "copy2", full(shutil.copy2))
        patch.setattr(csv, "writer", full(csv.writer))
        split_whole(table, tmp_path / "new", label_columns=("Größe",))
    assert not list(tmp_path.glob("new/*"))
    assert split_whole(table, tmp_path / "new", label_columns=("Größe",))[1] is not None
    assert len(list(tmp_path.glob("new/bilder/*.png"))) == 90


@pytest.mark.slow
def test_after_a_full_disk_the_same_command_makes_the_first_config(tmp_path: Path) -> None:
    table = hospital(tmp_path)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="space"):
        patch.setattr(init, "write_text", _FullAfter(0)(init.write_text))
        prepare(table, tmp_path / "new", Wishes())
    assert list((tmp_path / "new").iterdir()) == []
    assert prepare(table, tmp_path / "new", Wishes()).config.is_file()


@pytest.mark.parametrize(("words", "tokens"), [(0, 32), (21, 32), (22, 64), (40, 64), (100, 256), (500, 256)])
def test_room_is_made_for_one_and_a_half_tokens_a_word_of_nearly_all_texts(words: int, tokens: int) -> None:
    assert _max_tokens(["word " * words] * 96 + ["word " * 1000] * 4) == tokens
    assert _max_tokens([]) == 32
    assert _max_tokens(["word"] * 90 + ["word " * 40] * 10) == 64  # one in ten is longer


@pytest.mark.parametrize(
    ("count", "tokens", "chosen"),
    [
        (1000, None, ("efficientnet-lite2", None, 131.0)),
        (1000, 64.0, ("efficientnet-lite2", None, 177.0)),
        (1000, 128.0, ("efficientnet-lite2", None, 223.0)),
        (4580, None, ("efficientnet-lite2", None, 599.98)),
        (4581, None, ("efficientnet-lite1", None, 545.139)),
        (5042, None, ("efficientnet-lite1", None, 599.998)),
        (5043, None, ("efficientnet-lite0", None, 211.806)),
        (14286, None, ("efficientnet-lite0", 160, 14286 * 0.042 * (160 / 224) ** 2)),
        (29000, None, ("efficientnet-lite0", 128, 29000 * 0.042 * (128 / 224) ** 2)),
        (999999, None, ("efficientnet-lite0", 128, 999999 * 0.042 * (128 / 224) ** 2)),
    ],
)
def test_the_best_encoder_that_passes_over_all_examples_in_time(
    count: int, tokens: float | None, chosen: tuple[str, int | None, float]
) -> None:
    """An image takes Lite2 89 ms, Lite1 77, Lite0 42, and a text of 64 tokens 46."""
    name, size, total = within_budget(count, tokens)
    assert (name, size) == chosen[:2] and total == pytest.approx(chosen[2])
    assert total <= BUDGET or size == 128


def test_rows_whose_case_is_not_known_stand_for_themselves(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "file", None, ("grade",), group="case")
    cases = [""] * 60 + [f"p{n % 12}" if n < 30 else f" p{n % 12} " for n in range(60)]
    rows = [("f", "ab"[n % 2], case) for n, case in enumerate(cases)]
    table = SourceTable(["file", "grade", "case"], rows, layout, lambda cell: not cell.strip())
    splits = made_splits(table, 1)
    assert min(splits[:60].count(name) for name in SPLITS) > 9
    assert all(len(set(splits[60 + case :: 12])) == 1 for case in range(12))


def test_without_cases_the_rows_of_one_image_are_in_one_split(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "file", None, ("grade",))
    rows = [(f"{n % 30}.png", "ab"[n % 2]) for n in range(60)]
    splits = made_splits(SourceTable(["file", "grade"], rows, layout, lambda cell: not cell), 1)
    assert splits[:30] == splits[30:] and set(splits) == set(SPLITS)


@pytest.mark.parametrize("out", [".", "new"])
def test_without_cases_a_copy_of_an_image_is_in_its_split(tmp_path: Path, out: str) -> None:
    """By `init` and by `data split`, beside the table and elsewhere."""
    for number in range(60):
        Image.fromarray(np.full((8, 8), number % 30, np.uint8)).save(tmp_path / f"{number}.png")
    rows = [(f"{number}.png", "ab"[number % 2]) for number in range(60)]
    (tmp_path / "t.csv").write_text("file,grade\n" + "\n".join(map(",".join, rows)) + "\n")
    layout = Layout(tmp_path, "file", None, ("grade",))
    splits = made_splits(SourceTable(["file", "grade"], rows, layout, lambda cell: not cell), 1)
    assert splits[:30] == splits[30:] and set(splits) == set(SPLITS)
    split_whole(tmp_path / "t.csv", tmp_path / out, label_columns=("grade",))
    parts = [{int(row[0][:-4]) % 30 for row in rows_of(tmp_path / out / f"metadata_{split}.csv")[1:]}
             for split in SPLITS]  # fmt: skip
    assert sum(map(len, parts)) == len(set().union(*parts)) == 30


@pytest.mark.parametrize("word", ["", "NaN", "NA", "-"])
def test_rows_whose_image_is_not_known_stand_for_themselves(tmp_path: Path, word: str) -> None:
    assert contents(ImageFiles(tmp_path), [word, "lost.png", " lost.png"]) == ["", "lost.png", "lost.png"]


def test_a_table_of_train_and_test_gets_its_dev_from_train_by_case(tmp_path: Path) -> None:
    for number in range(80):
        image = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    rows = [f"{n}.png,{'ab'[n % 2]},P{n // 4},{'test' if n >= 60 else 'train'}" for n in range(80)]
    (tmp_path / "t.csv").write_text("file,kind,patient,split\n" + "\n".join(rows) + "\n")
    made = prepare(tmp_path / "t.csv", tmp_path / "new", Wishes())
    tables = {split: rows_of(tmp_path / f"new/metadata_{split}.csv")[1:] for split in SPLITS}
    assert [row[0] for row in tables["test"]] == [f"{n}.png" for n in range(60, 80)]
    cases = [{row[2] for row in tables[split]} for split in ("train", "dev")]
    assert cases[0].isdisjoint(cases[1]) and {row[3] for row in tables["dev"]} == {"train"}
    assert 8 <= len(tables["dev"]) <= 16 and len(tables["train"]) + len(tables["dev"]) == 60
    assert "dev was made from train by patient" in made.splits


@pytest.mark.parametrize(
    "name", ["null", "1", "0x1", "NO", "2020_01_01", "a\x7f", "\x85", "\u2028", "\ufeff", "é😀"]
)
def test_a_name_of_any_characters_is_read_back(name: str) -> None:
    assert yaml.safe_load(_yaml(name)) == name
