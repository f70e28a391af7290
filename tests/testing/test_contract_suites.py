"""The shipped suites hold for what Distune ships, and notice what breaks a promise."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from distune.components import FUSIONS, LOSSES, READERS
from distune.data.readers.raw_rows import RawExample, RawTable
from distune.distillation.losses.vanilla import VanillaLoss
from distune.models.fusion.base import FusionOutput
from distune.models.fusion.simple import Simple
from distune.testing import FusionContract, LossContract, ReaderContract
from distune.testing.fusions import DIM, fusion_batch


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
            except Exception:
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


def test_a_batch_has_texts_of_every_length() -> None:
    image, text, mask = fusion_batch(7, 2, 5)
    assert mask.sum(1).tolist() == [1, 2, 3, 4, 5, 1, 2]
    assert image.shape == (7, 2, DIM) and text.shape == (7, 5, DIM)
    assert torch.equal(text.abs().sum(-1) > 0, mask), "nothing stands behind the real tokens"


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


@pytest.mark.slow
def test_the_medpix_reader_passes(demo_root: Path, folders: Callable[[], Path]) -> None:
    assert failures(Medpix(demo_root), tmp_path=folders) == set()


def test_a_loss_has_the_weights_of_its_seed() -> None:
    suite = suite_of(LossContract, loss=Dead)
    first, same, other = (suite.build(seed).unused.weight for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


class OneRowASplit(ReaderContract):
    """A sound reader without a fault."""

    fault = ""

    def write(self, root: Path) -> None:
        (root.parent / "outside.png").touch()
        for split in ("train", "dev"):
            (root / f"{split}.png").touch()
            (root / split).write_text("a")

    def read(self, root: Path) -> RawTable:
        raw = RawTable(("kind",))
        for split in ("train", "dev"):
            image = {"absolute": f"{root}/{split}.png", "outside": "../outside.png"}.get(
                self.fault, f"{split}.png"
            )
            example = RawExample(split, image, "", ("a",), split, split, f"{split}:1")
            if (root / split).is_file() and (root / split).read_bytes().isascii():
                raw.examples.append(example)
                raw.read[split] = split
            elif self.fault != "says nothing":
                raw.structure.append(f"{split}: no table")
            if self.fault == "invents" and example not in raw.examples:
                raw.examples.append(example)
        return raw


@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("", []),
        ("absolute", ["reads_what_is_there"]),
        ("outside", ["reads_what_is_there"]),
        ("invents", ["names_what_is_missing"]),
        ("says nothing", ["names_what_is_damaged", "names_what_is_missing"]),
    ],
)
def test_a_sound_reader_passes_and_one_with_a_fault_does_not(
    fault: str, noticed: list[str], folders: Callable[[], Path]
) -> None:
    failed = failures(suite_of(OneRowASplit, fault=fault), tmp_path=folders)
    assert sorted(failed) == [f"test_{name}" for name in noticed]


class TwoTables(ReaderContract):
    """Of its two tables only one is looked at."""

    looks_at = ""

    def write(self, root: Path) -> None:
        for name in ("a", "b"):
            (root / name).write_text(name)

    def read(self, root: Path) -> RawTable:
        texts = {name: (root / name).read_bytes().decode(errors="replace") for name in ("a", "b")}
        if "\ufffd" in texts[self.looks_at]:
            return RawTable(("kind",), structure=[f"{self.looks_at}: no text"])
        image = RawExample("1", "image.png", str(texts), ("x",), "1", "train", "a:1")
        return RawTable(("kind",), [image], read={"train": "a"})


@pytest.mark.parametrize("looks_at", ["a", "b"])
def test_a_reader_that_looks_at_one_of_its_tables_is_noticed(
    folders: Callable[[], Path], looks_at: str
) -> None:
    assert "test_names_what_is_damaged" in failures(suite_of(TwoTables, looks_at=looks_at), tmp_path=folders)


class KeepsACopy(TwoTables):
    """Of its own, beside the data."""

    looks_at = "a"

    def read(self, root: Path) -> RawTable:
        (root / "copy").write_text("a")
        return super().read(root)


def test_a_reader_that_writes_beside_the_data_is_noticed(folders: Callable[[], Path]) -> None:
    noticed = "test_reads_the_same_twice_and_writes_nothing"
    assert noticed in failures(suite_of(KeepsACopy), tmp_path=folders)
    assert noticed not in failures(suite_of(TwoTables, looks_at="a"), tmp_path=folders)


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


class AllTheSame(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        steps = student.logits[0][1:] - student.logits[0][:-1]
        return super().forward(student, teacher, labels, index) + steps.square().sum().sqrt()


class Ordered(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + student.logits[0][0].sum()


class Remembers(Broken):
    steps = 0

    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        self.steps += 1
        return super().forward(student, teacher, labels, index) * self.steps


class DrawsAtBirth(Broken):
    """A number that no checkpoint holds."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.drawn = torch.rand(())

    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) * self.drawn


class Dead(Broken):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.unused = torch.nn.Linear(2, 2)


class Saturates(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index).clamp(max=0.1)


class Grows(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index).square()


class Undeclared(Broken):
    ignores = frozenset({"T"})


class ReadsTheMap(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + student.image_map.mean()


class ReadsTheTeachersMap(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + teacher.image_map.mean()


class Blind(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, student, labels, index) + student.logits[0].square().mean()


class WithoutTeacher(Broken):
    uses_teacher = False


class Uncounted(Broken):
    uses_teacher = False

    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return torch.tensor(0.5)


class FromConstants(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index).detach().requires_grad_()


class InPlace(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        found = super().forward(student, teacher, labels, index)
        teacher.logits[0].zero_()
        return found


class LetsTheTeacherLearn(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        found = super().forward(student, teacher, labels, index)
        teacher.logits[0].requires_grad_()
        return found


class Reseeds(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        torch.manual_seed(0)
        return super().forward(student, teacher, labels, index)


class NeedsLabels(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        truth = torch.nn.functional.cross_entropy(student.logits[1], labels[:, 1] % 1000)
        return super().forward(student, teacher, labels, index) + truth


class Unweighted(Broken):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.task_weights = None


class ComparesAbsent(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        found = super().forward(student, teacher, labels, index)
        return found if student.text_feature is None else found + student.text_feature.square().mean()


class ClearsLabels(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels.zero_(), index)


class NeedsImages(Broken):
    def forward(self, student: Any, teacher: Any, labels: Any, index: Any) -> Any:
        return super().forward(student, teacher, labels, index) + 0 * student.image_feature.mean()


@pytest.mark.parametrize(
    ("loss", "noticed"),
    [
        (Blind, "uses_the_teacher"),
        (WithoutTeacher, "uses_the_teacher"),
        (Uncounted, "uses_the_teacher"),
        (FromConstants, "gradient"),
        (InPlace, "as_it_was"),
        (ClearsLabels, "as_it_was"),
        (LetsTheTeacherLearn, "as_it_was"),
        (Reseeds, "seed"),
        (NeedsLabels, "unknown"),
        (Unweighted, "task"),
        (ComparesAbsent, "lacks"),
        (NeedsImages, "one_modality"),
        (ToTheTeacher, "teacher"),
        (OneExample, "finite"),
        (AllTheSame, "finite"),
        (Ordered, "order"),
        (Remembers, "resumes"),
        (DrawsAtBirth, "resumes"),
        (Dead, "parameter"),
        (Undeclared, "no_effect"),
        (Saturates, "linear"),
        (Grows, "linear"),
        (ReadsTheMap, "map"),
        (ReadsTheTeachersMap, "map"),
    ],
)
def test_a_broken_loss_is_noticed(loss: type, noticed: str) -> None:
    assert any(noticed in name for name in failures(suite_of(LossContract, loss=loss)))


class ReadsPadding(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(image, text, torch.ones_like(text_mask))


class ReadsPaddingInLaterLayers(Simple):
    def __init__(self, dim: int, layers: int, *others: Any):
        super().__init__(dim, layers, *others)
        self.layers = layers

    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(image, text, text_mask if self.layers == 1 else torch.ones_like(text_mask))


class ReadsTheLargest(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        fused = super().forward(image, text, text_mask).fused
        return FusionOutput(fused + text.amax(1))


class ReadsNeighbours(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(image - image.mean(0, keepdim=True), text, text_mask)


class OneModality(Simple):
    def __init__(self, dim: int, *others: Any):
        super().__init__(dim, *others)
        self.text_only = torch.nn.Linear(dim, dim)


class LeavesOutImages(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(torch.zeros_like(image), text, text_mask)


class BareTensor(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> Any:
        return super().forward(image, text, text_mask).fused


class PenaltyAnExample(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        fused = super().forward(image, text, text_mask).fused
        return FusionOutput(fused, penalty=fused.mean(1))


class CostInAColumn(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        fused = super().forward(image, text, text_mask).fused
        return FusionOutput(fused, cost=fused.mean(1, keepdim=True))


class Overwrites(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(image.mul_(2), text, text_mask)


class NeverDrops(Simple):
    def __init__(self, dim: int, layers: int, heads: int, dropout: float):
        super().__init__(dim, layers, heads, 0.0)


class AlwaysDrops(Simple):
    def forward(self, image: Any, text: Any, text_mask: Any) -> FusionOutput:
        return super().forward(torch.nn.functional.dropout(image, 0.5), text, text_mask)


class NeedsABatch(Simple):
    def __init__(self, dim: int, *others: Any):
        super().__init__(dim, *others)
        self.output = torch.nn.Sequential(torch.nn.BatchNorm1d(dim), torch.nn.Dropout(others[-1]))


class LookedAtWhole(Simple):
    ignores = frozenset({"fusion_layers", "fusion_heads"})


@pytest.mark.parametrize(
    ("fusion", "noticed"),
    [
        (ReadsPadding, "padding"),
        (ReadsPaddingInLaterLayers, "padding"),
        (ReadsPaddingInLaterLayers, "single"),
        (ReadsTheLargest, "padding"),
        (ReadsNeighbours, "single"),
        (OneModality, "gradient"),
        (LeavesOutImages, "both_matter"),
        (BareTensor, "one_vector"),
        (PenaltyAnExample, "one_vector"),
        (CostInAColumn, "one_vector"),
        (Overwrites, "as_it_was"),
        (NeverDrops, "dropout"),
        (AlwaysDrops, "dropout"),
        (NeedsABatch, "one_vector"),
        (LookedAtWhole, "no_effect"),
    ],
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


class Changed(Medpix):
    """Gives what a reader found with other values."""

    changes: ClassVar[dict[str, Any]] = {}

    def read(self, root: Path) -> Any:
        raw = super().read(root)
        raw.examples = [replace(example, **self.changes) for example in raw.examples]
        return raw


class Raises(Medpix):
    def read(self, root: Path) -> Any:
        raw = super().read(root)
        if raw.read and (raw.structure or raw.bad_rows):
            raise ValueError("a damaged file")
        return raw


class Forgives(Medpix):
    def read(self, root: Path) -> Any:
        raw = super().read(root)
        if raw.read:
            raw.structure.clear()
            raw.bad_rows.clear()
        return raw


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "changes", "noticed"),
    [
        (Empty, {}, "missing"),
        (Writes, {}, "writes_nothing"),
        (Raises, {}, "damaged"),
        (Forgives, {}, "damaged"),
        (Changed, {"labels": (0, 1)}, "what_is_there"),
        (Changed, {"labels": ("", "")}, "what_is_there"),
        (Changed, {"text": None}, "what_is_there"),
        (Changed, {"id": "same"}, "what_is_there"),
        (Changed, {"split": "validation"}, "what_is_there"),
        (Changed, {"image": "../secret.png"}, "what_is_there"),
        (Changed, {"group": ""}, "what_is_there"),
    ],
)
def test_a_broken_reader_is_noticed(
    kind: type, changes: dict[str, Any], noticed: str, demo_root: Path, folders: Callable[[], Path]
) -> None:
    suite = kind(demo_root)
    suite.changes = changes
    assert any(noticed in name for name in failures(suite, tmp_path=folders))
