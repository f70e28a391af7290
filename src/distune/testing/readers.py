"""What every reader promises, as tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from distune.config import DataConfig
from distune.data.readers.raw_form import check_raw_table
from distune.data.readers.raw_rows import RawTable
from distune.data.table import SPLITS


class ReaderContract:
    """Tests of one reader: subclass it as `Test...`, set `reader`, and write a small data set in `write`.

    Set `reader = staticmethod(read_my_layout)`: a plain function would become a method.
    """

    reader: ClassVar[Callable[[DataConfig], RawTable]]
    settings: ClassVar[dict[str, Any]] = {}
    """Fields of the `data` section that the reader needs."""

    def write(self, root: Path) -> None:
        """Writes a sound data set of a few examples with a train and a dev split."""
        raise NotImplementedError  # not abstract: pytest passes over an abstract class without a word

    def config(self, root: Path) -> DataConfig:
        """The `data` section for what lies in a folder."""
        return DataConfig.model_construct(**{**dict(DataConfig()), **self.settings, "root": root})

    def read(self, root: Path) -> RawTable:
        """Reads what lies in a folder."""
        return type(self).reader(self.config(root))

    def test_reads_what_is_there(self, tmp_path: Path) -> None:
        """Every example has all its values, an image inside the root, and a name of its own."""
        self.write(tmp_path)
        raw = check_raw_table(self.read(tmp_path), self.config(tmp_path))
        assert not raw.structure and not raw.bad_rows
        assert raw.task_names and {"train", "dev"} <= set(raw.read) <= set(SPLITS)
        assert len({example.id for example in raw.examples}) == len(raw.examples) > 0
        for example in raw.examples:
            assert example.split in raw.read, f"{example.id}: its split is not among those that were read"
            assert example.group and example.origin and any(example.labels), example
            assert not Path(example.image).is_absolute(), f"{example.image}: is not relative to the root"
            image = (tmp_path / example.image.partition("#")[0]).resolve()
            assert image.is_file() and image.is_relative_to(tmp_path.resolve()), example.image

    def test_reads_the_same_twice_and_writes_nothing(self, tmp_path: Path) -> None:
        """The fingerprint of a data set must not depend on when it was read."""
        self.write(tmp_path)
        before = _files(tmp_path)
        assert self.read(tmp_path).examples == self.read(tmp_path).examples
        assert _files(tmp_path) == before

    def test_names_what_is_missing(self, tmp_path: Path) -> None:
        """An empty folder is a problem with a sentence, not a traceback and not an empty data set."""
        raw = check_raw_table(self.read(tmp_path), self.config(tmp_path))
        assert raw.structure and not raw.examples

    def test_names_what_is_damaged(self, tmp_path: Path) -> None:
        """A table that is no text is a problem with a sentence, too."""
        self.write(tmp_path)
        images = {tmp_path / example.image.partition("#")[0] for example in self.read(tmp_path).examples}
        whole = {
            file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file not in images
        }
        known = set(self.read(tmp_path).examples)
        for file, content in whole.items():
            file.write_bytes(b"\xff\x00\xfe")
            raw = check_raw_table(self.read(tmp_path), self.config(tmp_path))
            named = raw.structure or raw.bad_rows or set(raw.examples) == known
            assert named, f"{file.name}: is no text, and nothing says so"
            file.write_bytes(content)


def _files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
