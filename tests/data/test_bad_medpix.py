"""Every kind of bad input, planted on disk; all of it named at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from distune.config import DataConfig
from distune.data import read_table
from distune.errors import DataError

from .conftest import medpix_row, write_png

Write = Callable[..., Path]
TRAIN = "splitted_dataset/descriptions_train.jsonl"
DEV = "splitted_dataset/descriptions_dev.jsonl"


def huge_png(path: Path, side: int) -> None:
    """A file of a few bytes whose header promises a huge image."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


def plant(write: Write, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A set of 8 good examples and one of each fault.

    Returns:
        The root, and for each faulty row a part of the reason that must be given.
    """
    missing_key = medpix_row(22)
    del missing_key["Location Category"]
    typo = medpix_row(23, type="CT")
    del typo["Type"]
    faults = [
        ("{not json", "not JSON"),
        ("[1, 2]", "a row is a JSON object: not list"),
        (missing_key, "no key 'Location Category': did you mean 'Location'?"),
        (typo, "no key 'Type': did you mean 'type'?"),
        (medpix_row(24, Type=None), "'Type' is not text: null"),
        (medpix_row(25, Type="  "), "empty label for task 'modality'"),
        (medpix_row(26, U_id=""), "empty group"),
        (medpix_row(27, image=""), "no image path"),
        (medpix_row(28, image="not_there"), "image file is missing: 'images/not_there.png'"),
        (medpix_row(29, image="../../outside"), "leaves the data root"),
        (medpix_row(30, image="link"), "leaves the data root"),
        (medpix_row(31, image="truncated"), "damaged, or not an image"),
        (medpix_row(32, image="empty"), "image file is empty"),
        (medpix_row(33, image="text"), "file is not an image"),
        (
            medpix_row(34, image="huge"),
            "larger than data.max_image_megapixels 100: 'images/huge.png' 12000 x 12000",
        ),
        (medpix_row(35, image="bomb"), "larger than Pillow's safety limit"),
        (medpix_row(36, image="folder"), "not a file"),
        (medpix_row(37, image="MPX0_synpic0"), f"already taken: 'MPX0_synpic0' by {TRAIN}:1"),
        (medpix_row(38, image="nul\0byte"), "'images/nul"),
        (medpix_row(39, image="x" * 300), "'images/xxx"),
        (medpix_row(40, Description="text"), "'Description' is not an object"),
        (medpix_row(41, Description={"Caption": "\ud800"}), "not valid Unicode"),
        (medpix_row(42, image="loop"), "loop"),
    ]
    train = [medpix_row(n) for n in range(8)] + [row for row, _ in faults]
    unknown = "label of task 'location' that does not occur in train: 'Thorx'; did you mean 'Thorax'?"
    dev_faults = [
        (medpix_row(50, **{"Location Category": "Thorx"}), unknown),
        (medpix_row(51, Type="PET"), "label of task 'modality' that does not occur in train: 'PET'"),
    ]
    dev = [medpix_row(n) for n in range(8, 12)] + [row for row, _ in dev_faults]
    root = write({"train": train, "dev": dev}, without=("nul\0byte", "x" * 300))
    images = root / "images"
    write_png(tmp_path / "outside.png", 1)
    (images / "link.png").unlink()
    (images / "link.png").symlink_to(tmp_path / "outside.png")
    (images / "loop.png").unlink()
    (images / "loop.png").symlink_to(images / "loop.png")
    (images / "not_there.png").unlink()
    content = (images / "truncated.png").read_bytes()
    (images / "truncated.png").write_bytes(content[: len(content) // 2])
    (images / "empty.png").write_bytes(b"")
    (images / "text.png").write_text("hello")
    huge_png(images / "huge.png", 12000)
    huge_png(images / "bomb.png", 60000)
    (images / "folder.png").unlink()
    (images / "folder.png").mkdir()
    expected = {f"{TRAIN}:{9 + number}": reason for number, (_, reason) in enumerate(faults)}
    expected |= {f"{DEV}:{5 + number}": reason for number, (_, reason) in enumerate(dev_faults)}
    return root, expected


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
class TestEveryKindOfFault:
    def test_all_are_listed_at_once(self, medpix: Write, tmp_path: Path) -> None:
        root, expected = plant(medpix, tmp_path)
        with pytest.raises(DataError) as caught:
            read_table(DataConfig(root=root))
        found = {":".join(line.split(":")[:2]): line for line in caught.value.examples}
        assert len(found) == len(caught.value.examples)
        assert set(found) == set(expected)
        assert {origin: line for origin, line in found.items() if expected[origin] not in line} == {}
        assert len(caught.value.problems) < len(expected)
        assert str(caught.value).startswith(f"{root}: {len(caught.value.problems)} problems\n")

    def test_drop_leaves_out_exactly_those(self, medpix: Write, tmp_path: Path) -> None:
        root, expected = plant(medpix, tmp_path)
        table = read_table(DataConfig(root=root, on_bad_example="drop"))
        assert table.ids == tuple(f"MPX{n}_synpic{n}" for n in range(12))
        assert {":".join(line.split(":")[:2]) for line in table.dropped} == set(expected)
        assert len(table.dropped) == len(expected)

    def test_drop_gives_the_same_table_when_asked_not_to_check_images(
        self, medpix: Write, tmp_path: Path
    ) -> None:
        config = DataConfig(root=plant(medpix, tmp_path)[0], on_bad_example="drop")
        assert read_table(config, check_images=False).ids == read_table(config).ids

    def test_without_the_image_check_all_but_damaged_images_are_listed(
        self, medpix: Write, tmp_path: Path
    ) -> None:
        root, expected = plant(medpix, tmp_path)
        with pytest.raises(DataError) as caught:
            read_table(DataConfig(root=root), check_images=False)
        inside_the_file = ("damaged", "file is empty", "not an image", "larger than", "safety limit")
        assert {":".join(line.split(":")[:2]) for line in caught.value.examples} == {
            origin
            for origin, reason in expected.items()
            if not any(part in reason for part in inside_the_file)
        }


def test_one_row_with_two_faults_is_one_line_with_both(medpix: Write) -> None:
    rows = [medpix_row(n) for n in range(4)] + [medpix_row(5, image="gone", Type="")]
    root = medpix({"train": rows, "dev": [medpix_row(6)]}, without=("gone",))
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(root=root))
    assert caught.value.examples == (
        f"{TRAIN}:5: empty label for task 'modality'; image file is missing: 'images/gone.png'",
    )
    label, image = caught.value.problems
    assert (
        f"{TRAIN}:5: empty label for task 'modality'; " in label
        and f"{TRAIN}:5: image file is missing" in image
    )


def test_the_limit_on_megapixels_comes_from_the_config(medpix: Write) -> None:
    root = medpix()
    write_png(root / "images/MPX2_synpic2.png", 0, size=(30, 20))
    with pytest.raises(DataError, match=rf"{TRAIN}:3: .*max_image_megapixels .*30 x 20"):
        read_table(DataConfig(root=root, max_image_megapixels=599e-6))
    assert len(read_table(DataConfig(root=root, max_image_megapixels=600e-6))) == 12


def test_a_link_that_stays_inside_the_root_is_fine(medpix: Write) -> None:
    root = medpix()
    (root / "images/MPX2_synpic2.png").unlink()
    (root / "images/MPX2_synpic2.png").symlink_to("MPX1_synpic1.png")
    assert Path(read_table(DataConfig(root=root)).images[2]).name == "MPX1_synpic1.png"


def test_a_linked_folder_that_leaves_the_root_is_refused(medpix: Write, tmp_path: Path) -> None:
    root = medpix()
    (root / "images").rename(tmp_path / "elsewhere")
    (root / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError) as caught:
        read_table(DataConfig(root=root))
    (problem,) = caught.value.problems
    assert "(12 examples)" in problem
    assert len(problem.splitlines()) == 5
    assert len(caught.value.examples) == 12


def test_the_root_itself_may_be_a_link(medpix: Write, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(medpix())
    assert len(read_table(DataConfig(root=tmp_path / "link"))) == 12


class TestStructure:
    """Problems that no dropped example mends stop both modes."""

    def problems(self, root: Path, **changes: object) -> tuple[str, ...]:
        found: list[tuple[str, ...]] = []
        for mode in ("stop", "drop"):
            with pytest.raises(DataError) as caught:
                read_table(DataConfig.model_validate({"root": root, "on_bad_example": mode, **changes}))
            found.append(caught.value.problems)
        assert found[0] == found[1]
        return found[0]

    def test_no_root(self, tmp_path: Path) -> None:
        (problem,) = self.problems(tmp_path / "nowhere")
        assert "no such folder" in problem
        assert "data.root" in problem

    def test_no_train_file_does_not_blame_the_labels_of_dev(self, medpix: Write) -> None:
        root = medpix()
        (root / TRAIN).unlink()
        (problem,) = self.problems(root)
        assert problem.startswith(f"{TRAIN}: there is no such file")

    def test_a_missing_file_is_listed_with_the_bad_rows_of_the_others(self, medpix: Write) -> None:
        root = medpix(
            {"train": [medpix_row(0), medpix_row(3, image="gone"), medpix_row(2)]}, without=("gone",)
        )
        assert [line.split(": ")[0] for line in self.problems(root)] == [DEV, f"{TRAIN}:2"]

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_an_empty_split(self, medpix: Write, split: str) -> None:
        root = medpix()
        (root / f"splitted_dataset/descriptions_{split}.jsonl").write_text("\n")
        problem = self.problems(root)[0]
        assert f"the {split} split has no usable example" in problem
        assert ("remove the file" in problem) == (split == "test")

    def test_a_split_whose_every_example_is_bad(self, medpix: Write) -> None:
        splits = {"train": [medpix_row(n) for n in range(4)], "dev": [medpix_row(4, image="gone")]}
        root = medpix(splits, without=("gone",))
        with pytest.raises(DataError) as caught:
            read_table(DataConfig(root=root, on_bad_example="drop"))
        assert "no usable example" in caught.value.problems[0]
        assert "gone.png" in caught.value.problems[1]
        with pytest.raises(DataError) as caught:
            read_table(DataConfig(root=root))
        (problem,) = caught.value.problems  # the split is empty for no other reason
        assert "gone.png" in problem

    def test_a_task_with_one_class(self, medpix: Write) -> None:
        rows = [medpix_row(n, Type="CT") for n in range(5)]
        (problem,) = self.problems(medpix({"train": rows[:4], "dev": rows[4:]}))
        assert "task 'modality' needs two classes" in problem

    def test_a_file_that_is_not_text(self, medpix: Write) -> None:
        root = medpix()
        (root / DEV).write_bytes(b"\xff\xfe\x00")
        (problem,) = self.problems(root)
        assert problem.startswith(f"{DEV}: not readable as UTF-8 text")


def test_a_class_that_only_a_dropped_train_example_has_is_unknown(medpix: Write) -> None:
    train = [medpix_row(n) for n in range(4)] + [medpix_row(4, Type="PET", image="gone")]
    root = medpix({"train": train, "dev": [medpix_row(5), medpix_row(6, Type="PET")]}, without=("gone",))
    table = read_table(DataConfig(root=root, on_bad_example="drop"))
    assert table.tasks[0].classes == ("CT", "MR")
    assert [line.split(": ")[0] for line in table.dropped] == [f"{TRAIN}:5", f"{DEV}:2"]
