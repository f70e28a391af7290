from __future__ import annotations

import hashlib
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from distune.config import Config, DataConfig
from distune.data import Table, read_table
from distune.data.demo import slices
from distune.data.demo.demo import make_demo, write_demo, write_wound_demo
from distune.data.pixels.images import decode_all
from distune.errors import DataError

pytestmark = pytest.mark.slow


def digest(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def features(table: Table, side: int, colour: bool) -> tuple[np.ndarray, np.ndarray]:
    """Words (TF-IDF) and coarse pixels (standardised, so that both blocks have about unit length)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    train = table.rows("train")
    words = TfidfVectorizer().fit(table.texts_at(train)).transform(table.texts).toarray()
    pixels = decode_all(table.images, side)[:, : 3 if colour else 1].reshape(len(table), -1).astype(float)
    pixels = (pixels - pixels[train].mean(axis=0)) / (pixels[train].std(axis=0) + 1e-6)
    return words, pixels / np.sqrt(pixels.shape[1])


def score(table: Table, inputs: np.ndarray, task: int, every: int = 1) -> float:
    """Macro F1 on dev and test together of a logistic regression that learns from each n-th train example."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    train, rest = table.rows("train")[::every], np.flatnonzero(np.asarray(table.splits) != "train")
    model = LogisticRegression(C=2.0, max_iter=300).fit(inputs[train], table.labels[train, task])
    return float(f1_score(table.labels[rest, task], model.predict(inputs[rest]), average="macro"))


def mean_score(table: Table, inputs: np.ndarray, every: int = 1) -> float:
    return float(np.mean([score(table, inputs, task, every) for task in range(2)]))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    root = tmp_path_factory.mktemp("set") / "demo"
    write_demo(root, 42)
    return read_table(DataConfig(reader="demo", root=root))


def test_a_model_of_both_can_teach_one_of_images_where_labels_are_few(table: Table) -> None:
    words, pixels = features(table, 16, colour=False)
    both = np.hstack([words, pixels])
    assert 0.86 < mean_score(table, pixels) < 0.92  # what an image can tell, where labels are many
    assert mean_score(table, both) > max(mean_score(table, pixels), mean_score(table, words)) + 0.02
    assert mean_score(table, pixels, every=10) < mean_score(table, pixels) - 0.05
    assert mean_score(table, both, every=10) > mean_score(table, pixels, every=10) + 0.1


def test_the_wound_demo_needs_both_too(tmp_path: Path) -> None:
    write_wound_demo(tmp_path / "wound", 0)
    table = read_table(DataConfig(reader="wound", root=tmp_path / "wound"))
    assert [len(task.classes) for task in table.tasks] == [4, 3]
    assert [len(table.rows(split)) for split in ("train", "dev", "test")] == [430, 85, 85]
    words, pixels = features(table, 12, colour=True)
    for task in range(2):
        text, image = score(table, words, task), score(table, pixels, task)
        both = score(table, np.hstack([words, pixels]), task)
        assert 0.5 < image < 0.9
        assert 0.65 < text < 0.88
        assert max(text, image) + 0.02 < both < 0.97


def test_the_demo_set_has_its_promised_form(table: Table) -> None:
    sizes = [len(table.rows(split)) for split in ("train", "dev", "test")]
    assert sum(sizes) == 1200
    assert abs(sizes[0] - 720) < 25
    assert abs(sizes[1] - 180) < 20
    assert table.tasks[0].classes == ("CT", "MR")
    assert len(table.tasks[1].classes) == 5
    for split in ("train", "dev", "test"):
        assert np.bincount(table.labels[table.rows(split), 1], minlength=5).min() >= 10
    groups = {split: {table.groups[row] for row in table.rows(split)} for split in ("train", "dev", "test")}
    assert not groups["train"] & groups["dev"]
    assert not groups["train"] & groups["test"]
    assert not groups["dev"] & groups["test"]
    per_patient = np.unique(table.groups, return_counts=True)[1]
    assert set(per_patient.tolist()) == {1, 2, 3, 4}
    assert decode_all(table.images[:1], 64).std() > 10


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, write in (("demo", write_demo), ("wound", write_wound_demo)):
        for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
            write(tmp_path / name / folder, seed, 60)
        assert digest(tmp_path / name / "a") == digest(tmp_path / name / "b")
        assert digest(tmp_path / name / "a") != digest(tmp_path / name / "c")


def test_the_smallest_sets_are_usable_and_smaller_ones_refused(tmp_path: Path) -> None:
    for seed in range(5):
        write_demo(tmp_path / f"demo{seed}", seed, 40)
        assert len(read_table(DataConfig(reader="medpix", root=tmp_path / f"demo{seed}"))) == 40
        write_wound_demo(tmp_path / f"wound{seed}", seed, 60)
        assert len(read_table(DataConfig(reader="wound", root=tmp_path / f"wound{seed}"))) == 60
    with pytest.raises(DataError, match="at least 40 examples, not 39"):
        write_demo(tmp_path / "small", 0, 39)
    with pytest.raises(DataError, match="at least 60"):
        write_wound_demo(tmp_path / "small", 0, 59)


def test_history_and_the_other_fields_are_there(tmp_path: Path) -> None:
    fields = ("age", "sex", "history", "findings", "caption")
    write_demo(tmp_path / "demo", 0, 40)
    table = read_table(DataConfig(reader="demo", root=tmp_path / "demo", text_fields=fields))
    assert all("year-old" in text for text in table.texts)


def test_an_existing_set_is_read_whatever_its_seed(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", 3, 40)
    before = digest(tmp_path / "demo")
    assert len(read_table(DataConfig(reader="demo", root=tmp_path / "demo"))) == 40
    assert digest(tmp_path / "demo") == before


def test_foreign_files_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/mine.txt").write_text("keep")
    with pytest.raises(DataError, match="something else"):
        make_demo(Config().replace(**{"data.reader": "demo", "data.root": str(tmp_path / "demo")}))
    assert [path.name for path in tmp_path.rglob("*")] == ["demo", "mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    write_demo(tmp_path / "demo", 0, 40)
    assert len(list((tmp_path / "demo/images").iterdir())) == 40


@pytest.mark.parametrize("marker", ['{"version": 0}', "[]", "oops"])
def test_a_set_of_another_version_is_refused(tmp_path: Path, marker: str) -> None:
    write_demo(tmp_path / "demo", 0, 40)
    (tmp_path / "demo/demo.json").write_text(marker)
    with pytest.raises(DataError, match="another version"):
        read_table(DataConfig(reader="demo", root=tmp_path / "demo"))


def _read(root: Path, answers: multiprocessing.Queue[int]) -> None:
    config = Config().replace(**{"data.reader": "demo", "data.root": str(root), "seed": 5})
    make_demo(config)
    answers.put(len(read_table(config.data, check_images=False)))


def test_processes_that_start_at_once_share_one_set(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    workers = [context.Process(target=_read, args=(tmp_path / "deep/demo", answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=60) for _ in workers] == [1200, 1200]
    for worker in workers:
        worker.join()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["demo"]
    assert json.loads((tmp_path / "deep/demo/demo.json").read_text())["seed"] == 5


def test_the_packaged_config_is_the_one_of_the_repository(tmp_path: Path) -> None:
    from distune.config import load_config

    shipped = Path(__file__).parents[2] / "config/demo.yaml"
    write_demo(tmp_path / "demo", 0, 40, with_config=True)
    written = load_config(tmp_path / "demo/config.yaml")
    assert written.data.root == tmp_path / "demo"
    assert written.model_copy(
        update={"data": written.data.model_copy(update={"root": Path("data/demo")})}
    ) == (load_config(shipped))


def test_a_vague_slice_is_nearer_to_what_it_is_than_to_what_it_is_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bones: list[float] = []

    def noted(shape: object, tissue: dict[str, float], random: np.random.Generator) -> np.ndarray:
        bones.append(tissue["bone"])
        return np.full((64, 64), float(shape is slices.SHAPES["Head"]))

    monkeypatch.setattr(slices, "_render", noted)
    monkeypatch.setattr(slices, "_with_noise", lambda picture, modality, random: picture)
    for seed in range(20):
        for modality in ("CT", "MR"):
            random = np.random.default_rng(seed)
            head = slices.draw_slice("Head", modality, random, vague_place=True, vague_contrast=True)
            assert 255 * 0.4 <= head[0, 0] <= 255 * 0.55 + 1  # its neighbour covers 45 to 60 % of it
    # bone is at 0.97 in CT and at 0.10 in MR, of which the other one has 35 to 55 %
    assert all(0.49 <= bone <= 0.67 for bone in bones[::4] + bones[1::4])
    assert all(0.40 <= bone <= 0.58 for bone in bones[2::4] + bones[3::4])
