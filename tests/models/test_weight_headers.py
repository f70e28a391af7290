"""The header of a weights file may say anything: it is one of tensors, or the file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from distune.errors import UserError
from distune.models.encoders.pretrained.weight_headers import placeholders

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
ODD: list[Any] = [
    [],
    "text",
    None,
    {"w": []},
    {"w": 3},
    {"w": {**TENSOR, "shape": "ab"}},
    {"w": {**TENSOR, "shape": [-1]}},
    {"w": {**TENSOR, "shape": [10**30]}},
    {"w": {**TENSOR, "shape": None}},
    {"w": {**TENSOR, "dtype": []}},
    {"w": {**TENSOR, "data_offsets": [0]}},
    {"w": {**TENSOR, "data_offsets": None}},
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"w": 1, "w": 2}',
]


def file_of(folder: Path, header: Any) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(24))
    return folder


@pytest.mark.parametrize("header", ODD, ids=lambda header: str(header)[:40])
def test_a_header_of_another_form_is_refused_with_its_file(tmp_path: Path, header: Any) -> None:
    with pytest.raises(UserError, match=r"model\.safetensors"):
        placeholders(file_of(tmp_path, header))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_memory_that_does_not_suffice_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    if name == "model.safetensors":
        file_of(tmp_path, {"w": TENSOR})
    else:
        torch.save({"w": torch.ones(2, 3)}, tmp_path / name)
    monkeypatch.setattr("distune.models.encoders.pretrained.weight_headers._zeros", full)
    with pytest.raises(MemoryError):
        placeholders(tmp_path)


def test_what_is_no_tensor_in_a_pickled_file_is_left_out_and_quantised_weights_are_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save({"w.weight": torch.ones(2, 3).half(), "epoch": 3, "ids": torch.arange(4)}, file)
    found = placeholders(tmp_path)
    assert {name: (tuple(each.shape), each.dtype) for name, each in found.items()} == {
        "w.weight": ((2, 3), torch.float16),
        "ids": ((4,), torch.int64),
    }
    torch.save({"w.weight": torch.ones(2, 3).to(torch.int8)}, file)
    with pytest.raises(UserError, match="is quantised"):
        placeholders(tmp_path)
    file.write_bytes(b"nothing of torch")
    with pytest.raises(UserError, match=r"pytorch_model\.bin"):
        placeholders(tmp_path)


def test_names_and_shapes_are_those_of_the_file(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2, 3)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (found,) = placeholders(tmp_path).items()
    assert (found[0], found[1].shape, found[1].dtype) == ("w", (2, 3), torch.float32)
    assert placeholders(file_of(tmp_path, {"w": TENSOR}))["w"].shape == (2, 3)
