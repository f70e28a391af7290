"""A disk that fails while a file is read: the file is named, and neither it nor what it holds counts as bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError

from distune.analysis.records.from_csv import from_csv
from distune.analysis.records.study_files import read_audit
from distune.api.frames import _file_of
from distune.config import DataConfig
from distune.confirmation.confirm import _check_folder_is_of
from distune.confirmation.earlier import gains_before
from distune.confirmation.opening import Opening
from distune.confirmation.statistics.files import NUMBERS
from distune.data.demo.demo import MARKER, read_demo
from distune.data.pixels.dicom import dicom_header_of
from distune.data.pixels.several_pictures import holds_several
from distune.data.readers.medpix import read_medpix
from distune.data.readers.table_formats import open_table
from distune.deployment.bundle import checksum_of, read_bundle_json
from distune.errors import is_disk_fault
from distune.store.checksums import block_checksums
from distune.training.files.checkpoint import load_checkpoint
from distune.training.files.run_folder import read_text
from distune.training.student import load_student
from distune.tuning.study.storage import of_the_disk, open_engine
from distune.tuning.study_dataset import AUDIT_NAME
from distune.utils.files.jsonl import read_lines
from distune.utils.files.sealed_files import read_sealed
from distune.utils.files.yaml_files import load_yaml

FAILING = Path("/proc/self/mem")
"""A regular file that can be opened, and not be read at its start."""


def _medpix(file: Path) -> Any:
    return read_medpix(DataConfig(reader="medpix", root=file.parent.parent))


def _demo(file: Path) -> Any:
    return read_demo(DataConfig(reader="demo", root=file.parent))


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "yaml": ("c.yaml", load_yaml),
    "trials": ("t.csv", from_csv),
    "table": ("t.csv", open_table),
    "json lines as a table": ("t.jsonl", open_table),
    "json lines": ("t.jsonl", read_lines),
    "sealed": ("r.json", read_sealed),
    "predictions": ("predictions_dev.csv", read_text),
    "audit of a report": (AUDIT_NAME, lambda file: read_audit(file.parent)),
    "confirmation before another": (NUMBERS, lambda file: gains_before(file.parent, {})),
    "confirmation's opening": (NUMBERS, lambda file: Opening(file.parent, "plan", "data")._is_finished(1)),
    "confirmation's folder": (
        NUMBERS,
        lambda file: _check_folder_is_of(optuna.create_study(), file.parent),
    ),
    "data frame": ("a.png", lambda file: _file_of(file, "row 1", may_lack=False)),
    "bundle": ("labels.json", read_bundle_json),
    "bundle's checksum": ("model.onnx", checksum_of),
    "store's checksums": ("ids.npy", block_checksums),
    "student": ("student.safetensors", lambda file: load_student(file.parent)),
    "picture": ("a.png", lambda file: holds_several(str(file))),
    "header": ("a.dcm", lambda file: dicom_header_of(str(file))),
    "weights": ("s.safetensors", load_checkpoint),
    "medpix": ("splitted_dataset/descriptions_train.jsonl", _medpix),
    "demo": (MARKER, _demo),
}


@pytest.mark.skipif(not FAILING.exists(), reason="no file that fails")
@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_the_disk_fails_to_read_is_named(tmp_path: Path, reader: str) -> None:
    name, read = READERS[reader]
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.symlink_to(FAILING)
    with pytest.raises(OSError, match=name) as failed:
        read(file)
    assert is_disk_fault(failed.value) and failed.value.filename == str(file)


@pytest.mark.skipif(not FAILING.exists(), reason="no file that fails")
@pytest.mark.parametrize(
    "said", ["database disk image is malformed", "unable to get the page. error code=8458"]
)
def test_a_page_that_the_disk_does_not_give_is_no_damage(tmp_path: Path, said: str) -> None:
    (tmp_path / "failing.db").symlink_to(FAILING)
    (tmp_path / "sound.db").touch()
    found = of_the_disk(Exception(said), tmp_path / "failing.db")
    assert found is not None and is_disk_fault(found) and found.filename == str(tmp_path / "failing.db")
    assert of_the_disk(Exception(said), tmp_path / "sound.db") is None


def test_what_sqlite_calls_an_error_of_the_disk_is_one(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    with pytest.raises(OSError, match=r"s\.db") as failed, open_engine("sqlite:///s.db", file):
        raise StorageInternalError("no") from Exception("(sqlite3.OperationalError) disk I/O error")
    assert is_disk_fault(failed.value)
