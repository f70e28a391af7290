"""The shipped suites hold for what Distune ships, and notice what breaks a promise."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distune.components import FUSIONS, LOSSES, READERS
from distune.distillation.losses.vanilla import VanillaLoss
from distune.models.fusion.base import FusionOutput
from distune.models.fusion.simple import Simple
from distune.testing import FusionContract, LossContract, ReaderContract


def failures(suite: Any, **arguments: Any) -> set[str]:
    """The names of the tests of a suite that fail."""
    failed = set()
    for name, test in inspect.getmembers(suite, inspect.ismethod):
        if name.startswith("test_"):
            try:
                test(
                    **{
                        key: value()
                        for key, value in arguments.items()
                        if key in inspect.signature(test).parameters
                    }
                )
            except (AssertionError, RuntimeError):
                failed.add(name)
    return failed


def suite_of(kind: type, **values: Any) -> Any:
    return type("Suite", (kind,), values)()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_passes(name: str) -> None:
    assert failures(suite_of(LossContract, loss=LOSSES[name])) == set()


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_passes(name: str) -> None:
    assert failures(suite_of(FusionContract, fusion=FUSIONS[name])) == set()


class Medpix(ReaderContract):
    reader = staticmethod(READERS["medpix"])

    def __init__(self, demo: Path):
        self.demo = demo

    def write(self, root: Path) -> None:
        shutil.copytree(self.demo, root, dirs_exist_ok=True)


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[], Path]:
    """A new empty folder at every call."""
    numbers = iter(range(10))

    def make() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return folder

    return make


def test_the_medpix_reader_passes(demo_root: Path, folders: Callable[[], Path]) -> None:
    assert failures(Medpix(demo_root), tmp_path=folders) == set()


class Broken(VanillaLoss):
    """Breaks promises by turns."""

    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index)


class ToTheTeacher(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + teacher.logits[0].sum()


class OneExample(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) / (len(labels) - 1)


class Ordered(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + student.logits[0][0].sum()


class Remembers(Broken):
    steps = 0

    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        self.steps += 1
        return super().forward(student, teacher, labels, index) * self.steps


class Dead(Broken):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.unused = torch.nn.Linear(2, 2)


class Undeclared(Broken):
    ignores = frozenset({"T"})


class ReadsTheMap(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + student.image_map.mean()


@pytest.mark.parametrize(
    ("loss", "noticed"),
    [
        (ToTheTeacher, "teacher"),
        (OneExample, "finite"),
        (Ordered, "order"),
        (Remembers, "resumes"),
        (Dead, "parameter"),
        (Undeclared, "no_effect"),
        (ReadsTheMap, "map"),
    ],
)
def test_a_broken_loss_is_noticed(loss: type, noticed: str) -> None:
    assert any(noticed in name for name in failures(suite_of(LossContract, loss=loss)))


class ReadsPadding(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(image, text, torch.ones_like(text_mask))


class ReadsNeighbours(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(image - image.mean(0, keepdim=True), text, text_mask)


class OneModality(Simple):
    def __init__(self, dim: int, *others: Any):
        super().__init__(dim, *others)
        self.text_only = torch.nn.Linear(dim, dim)


@pytest.mark.parametrize(
    ("fusion", "noticed"), [(ReadsPadding, "padding"), (ReadsNeighbours, "single"), (OneModality, "gradient")]
)
def test_a_broken_fusion_is_noticed(fusion: type, noticed: str) -> None:
    assert any(noticed in name for name in failures(suite_of(FusionContract, fusion=fusion)))


class Empty(Medpix):
    def read(self, root: Path) -> Any:
        raw = super().read(root)
        raw.structure.clear()
        return raw


class Writes(Medpix):
    def read(self, root: Path) -> Any:
        (root / "cache.bin").write_bytes(b"x")
        return super().read(root)


@pytest.mark.parametrize(("kind", "noticed"), [(Empty, "missing"), (Writes, "writes_nothing")])
def test_a_broken_reader_is_noticed(
    kind: type, noticed: str, demo_root: Path, folders: Callable[[], Path]
) -> None:
    assert any(noticed in name for name in failures(kind(demo_root), tmp_path=folders))
