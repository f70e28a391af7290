from __future__ import annotations

import importlib
import json
import logging
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distune.config import Config, load_config, save_config, with_values
from distune.data import Table, read_table
from distune.data.pixels.intensity import PixelRules, windowed
from distune.data.table import Task
from distune.deployment.bundle import (
    CHECKSUMS,
    MODEL,
    check_files,
    checksum_of,
    load_bundle,
    read_bundle_json,
)
from distune.deployment.export import default_folder, export_run
from distune.deployment.model_card import model_card
from distune.deployment.quantise import FEWEST_WEIGHTS, quantise
from distune.errors import DataError, UserError
from distune.prediction.evaluation import score_with_interval
from distune.prediction.load import load
from distune.training.files.run_folder import read_results, write_json, write_results
from distune.training.run import run

SRC = Path(__file__).parents[2] / "src"
PREDICT = """
import json, sys, time
started = time.perf_counter()
import distune.edge
predictor = distune.edge.load(sys.argv[1])
images, texts = json.load(sys.stdin)
first = predictor.predict_proba(images[:1], texts[:1])
seconds = time.perf_counter() - started
found = predictor.predict_proba(images, texts)
from distune.prediction.example_pixels import encoder_pixels
pixels = [encoder_pixels(image, predictor.model.image_size, predictor.model.rules).tolist() for image in images[:3]]
ids = predictor.model.tokenizer.encode(texts, predictor.model.max_tokens)
print(json.dumps([seconds, {task: p.tolist() for task, p in found.items()}, pixels, ids]))
"""


def table_of(run: Path) -> Table:
    config = load_config(run / "config.yaml")
    return read_table(config.data, check_images=False)


def of_dev(table: Table) -> tuple[list[str], list[str]]:
    rows = table.rows("dev")
    return [table.images[row] for row in rows], [table.texts[row] for row in rows]


@pytest.mark.slow
def test_what_a_bundle_would_not_look_at_is_refused(bundle: Path) -> None:
    for name, ignored in (("device", "cuda:0"), ("storage", "sqlite:///s.db")):
        with pytest.raises(UserError, match=f"^{name}: "):
            load(bundle, **{name: ignored})
    for device in ("auto", "cpu"):
        assert load(bundle, device=device).tasks


@pytest.mark.slow
def test_a_bundle_predicts_what_its_run_predicts(run_folder: Path, bundle: Path) -> None:
    images, texts = of_dev(table_of(run_folder))
    ours, theirs = load(bundle), load(run_folder)
    assert ours.temperatures == pytest.approx(theirs.temperatures)
    assert ours.classes == theirs.classes
    expected = theirs.predict_proba(images, texts)
    for task, found in ours.predict_proba(images, texts).items():
        np.testing.assert_allclose(found, expected[task], atol=1e-4)
    for task, chosen in ours.predict(images, texts).items():
        assert list(chosen) == list(theirs.predict(images, texts)[task])


EDGE_PACKAGES = ("numpy", "cv2", "tokenizers", "onnxruntime")


def edge_environment(folder: Path) -> Path:
    """An environment with NumPy, OpenCV, tokenizers, onnxruntime and this project, and nothing else.

    Returns:
        Its Python.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in EDGE_PACKAGES:
        package = Path(str(importlib.import_module(name).__file__)).parent
        (packages / name).symlink_to(package)
        for libraries in package.parent.glob("*.libs"):  # of wheels, beside their packages
            if not (packages / libraries.name).exists():
                (packages / libraries.name).symlink_to(libraries)
    shutil.copytree(SRC / "distune", packages / "distune")
    return folder / "bin/python"


@pytest.mark.slow
def test_a_bundle_predicts_elsewhere_without_torch_and_the_sources_of_training(
    run_folder: Path, bundle: Path, tmp_path: Path
) -> None:
    """Pixels and tokens are those of training."""
    import torch

    from distune.store import Store
    from distune.training.devices import Compute
    from distune.training.inputs.inputs import InputSteps
    from distune.training.student import load_student

    python = edge_environment(tmp_path / "edge")
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
    assert "No module named 'torch'" in missing.stderr
    moved = shutil.copytree(bundle, tmp_path / "elsewhere")
    table = table_of(run_folder)
    rows = table.rows("dev")
    images, texts = of_dev(table)
    done = subprocess.run(
        [python, "-c", PREDICT, str(moved)],
        input=json.dumps([images, texts]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path / "home")},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (
        tmp_path / "home"
    ).exists()  # onnxruntime keeps no id of the user, and what it would send, in there
    seconds, probabilities, pixels, ids = json.loads(done.stdout)
    assert seconds < 15  # 1.5 on a quiet machine: benchmarks
    expected = load_bundle(bundle).predict_proba(images, texts)
    for task, found in probabilities.items():
        np.testing.assert_allclose(found, expected[task], atol=1e-6)
    student, config, _ = load_student(run_folder)
    steps = InputSteps(table, config.data, Store(), Compute(torch.device("cpu"), bf16=False), config.seed)
    assert student.vision is not None and student.text is not None
    trained = steps.for_model(student, config.student, 0)
    assert trained.image is not None and trained.text is not None
    for row, found in zip(rows, pixels, strict=False):
        np.testing.assert_array_equal(trained.image[0, row], np.array(found, np.uint8))
    assert ids == [trained.text[int(row)].tolist() for row in rows]


@pytest.mark.slow
def test_deep_pixels_are_shown_by_the_rules_of_training_from_the_run_to_the_bundle(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    run(tiny_config(data__window=[1000, 200], data__percentiles=[5, 95], teacher__epochs=1), tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "bundle")
    rules = PixelRules((1000, 200), (5, 95))
    scan = np.random.default_rng(0).integers(700, 1300, (64, 64)).astype(np.uint16)
    Image.fromarray(scan).save(tmp_path / "scan.png")
    Image.fromarray(windowed(scan, (1000, 200))).save(tmp_path / "shown.png")
    for folder in ("run", "bundle"):
        predictor = load(tmp_path / folder)
        assert predictor.model.rules == rules
        given = [tmp_path / "scan.png", scan, tmp_path / "shown.png"]
        for found in predictor.predict_proba(given, ["CT"] * 3).values():
            np.testing.assert_allclose(found[1:], found[[0, 0]], atol=1e-6)


@pytest.mark.slow
def test_what_was_loaded_is_the_same_from_another_folder(
    run_folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a predictor records and exports goes by its source."""
    for each in (run_folder, bundle):
        monkeypatch.chdir(each.parent)
        predictor = load(each.name)
        monkeypatch.chdir(tmp_path)
        assert predictor.source == str(each)


def test_the_card_states_data_scores_parity_and_licences(run_folder: Path, bundle: Path) -> None:
    card = (bundle / "model_card.md").read_text()
    results = json.loads((run_folder / "results.json").read_text())
    table = table_of(run_folder)
    assert f"| dev | {results['splits']['dev']['score']:.4f} |" in card
    assert f"| test | {results['splits']['test']['score']:.4f} |" in card
    assert f"train: {len(table.rows('train'))} examples" in card
    assert "0 changed predictions" in card
    for heading in (
        "Data and splits",
        "Scores",
        "External evaluation",
        "Intended use and limits",
        "Licences",
    ):
        assert f"## {heading}" in card
    interval = score_with_interval(run_folder, "dev", table.tasks)
    assert interval is not None and f"{interval['interval'][0]:.4f}" in card
    for task in table.tasks:
        assert all(name in card for name in task.classes)
    assert str(table.root) not in card


def test_names_on_the_card_mean_nothing(tmp_path: Path) -> None:
    hostile = Task("<b>", ("</script><img src=x onerror=alert(1)>", "[x](http://y)"))
    parity = {"score": None, "examples": 1, "largest_difference": 0.0, "changed": 0}
    config = Config().replace(**{"student.vision": "/tmp/<i>/vit"})
    folder = tmp_path / "run `<u>`"
    folder.mkdir()
    tasks = [hostile, Task("# kind", ("1. a", "b"))]
    card = model_card(folder, config, tasks, None, parity, "32-bit", {"<i>": 1.0})
    assert "<" not in card and "](" not in card.replace("\\](", "") and "://" not in card
    assert "\n- \\# kind: " in card, "no heading"


@pytest.mark.slow
def test_in_8_bits_an_answer_depends_on_no_other_example(
    run_folder: Path, bundle: Path, tmp_path: Path
) -> None:
    small = shutil.copytree(bundle, tmp_path / "small")
    quantise(small / MODEL)
    write_json(
        small / CHECKSUMS, {name: checksum_of(small / name) for name in read_bundle_json(small / CHECKSUMS)}
    )
    images, texts = of_dev(table_of(run_folder))
    predictor = load(small)
    together = predictor.predict_proba(images, texts)
    for row in range(4):
        for task, alone in predictor.predict_proba(images[row], texts[row]).items():
            np.testing.assert_array_equal(alone[0], together[task][row])


@pytest.mark.slow
def test_8_bit_weights_are_smaller_and_their_cost_is_evaluated(
    run_folder: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as unlogged:  # as in a process that has set up no logging
        unlogged.setattr(logging.getLogger(), "handlers", [])
        parity = export_run(run_folder, tmp_path / "small", quantisation="int8", max_score_drop=1.0)
        assert logging.getLogger().handlers == []
    assert (tmp_path / "small/model.onnx").stat().st_size < 0.5 * (bundle / "model.onnx").stat().st_size
    assert parity.largest_difference < 0.2
    assert "8-bit weights cost" in (tmp_path / "small/model_card.md").read_text()
    assert "weights: 8-bit\n" in (tmp_path / "small/model_card.md").read_text()
    scores = iter([0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9, 0.89])
    monkeypatch.setattr("distune.deployment.parity.overall_score", lambda *of: next(scores))
    with pytest.raises(UserError, match="max-score-drop"):
        export_run(run_folder, tmp_path / "worse", quantisation="int8", max_score_drop=0.05)
    assert {path.name for path in tmp_path.iterdir()} == {"small"}
    # Where the weights of convolutions cost too much, those of the others are tried alone.
    export_run(run_folder, tmp_path / "less", quantisation="int8", max_score_drop=0.05)
    assert "convolutions 32-bit" in (tmp_path / "less/model_card.md").read_text()
    assert weights_of(tmp_path / "less", "Conv") == {"float32"}


def weights_of(bundle: Path, operator: str) -> set[str]:
    """The types in which the weights of an operator are stored."""
    import onnx

    graph = onnx.load(str(bundle / "model.onnx")).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    used = [node.input[1] for node in graph.node if node.op_type == operator]
    large = [stored[made.get(name, name)] for name in used]
    return {str(values.dtype) for values in large if values.size >= FEWEST_WEIGHTS}


@pytest.mark.slow
def test_weights_of_convolutions_are_stored_in_8_bits_within_half_a_step(
    run_folder: Path, bundle: Path, tmp_path: Path
) -> None:
    import onnx

    export_run(run_folder, tmp_path / "small", quantisation="int8", max_score_drop=1.0)
    assert weights_of(tmp_path / "small", "Conv") == {"int8"} and weights_of(bundle, "Conv") == {"float32"}
    graph = onnx.load(str(tmp_path / "small/model.onnx")).graph
    exact = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(str(bundle / "model.onnx")).graph.initializer
    }
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.output[0] in exact]
    assert made
    for node in made:
        steps, scale, _ = (stored[name] for name in node.input)
        scale = scale.reshape(-1, 1, 1, 1)
        assert (np.abs(steps * scale - exact[node.output[0]]) <= scale * 0.5001).all()


@pytest.mark.slow
def test_a_run_whose_data_set_is_gone_is_exported_and_the_card_says_so(
    run_folder: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(run_folder, tmp_path / "run")
    config = load_config(run / "config.yaml")
    save_config(with_values(config, {"data.root": str(tmp_path / "gone")}), run / "config.yaml")
    write_results(run, read_results(run) or {})  # as of a run there
    parity = export_run(run, tmp_path / "bundle")
    assert (parity.examples, parity.score, parity.changed) == (64, None, 0)
    assert 0 < parity.largest_difference < 1e-4
    card = (tmp_path / "bundle/model_card.md").read_text()
    assert "generated images" in card and "| dev |" in card
    assert load(tmp_path / "bundle").classes == load(run).classes
    with pytest.raises(DataError, match="gone"):  # nothing to evaluate the quantisation by
        export_run(run, tmp_path / "small", quantisation="int8")
    with pytest.raises(DataError):
        export_run(run, tmp_path / "other", data_root=tmp_path / "also gone")


@pytest.mark.slow
def test_a_bundle_is_evaluated_and_the_result_lies_beside_its_files(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    image = tmp_path / "a.png"
    Image.fromarray(np.zeros((60, 60), np.uint8)).save(image)
    predictor = load(copy)
    labels = {task.name: [task.classes[0]] * 2 for task in predictor.tasks}
    found = predictor.evaluate([image, image], ["CT", "MR"], labels=labels, groups=["a", "b"], record=True)
    assert Path(found["recorded"]).parent == copy and found["new"] is None
    assert json.loads(Path(found["recorded"]).read_text())["score"] == found["score"]
    check_files(copy)
    with pytest.raises(UserError, match="is a bundle"):
        predictor.export(tmp_path / "again")


@pytest.mark.slow
def test_a_bundle_refuses_images_beyond_the_limit_of_its_run(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    _rewrite(copy, "preprocess.json", lambda about: about.update(max_image_megapixels=0.001))
    with pytest.raises(DataError, match=r"0\.001"):
        load(copy).predict(np.zeros((60, 60), np.uint8), "CT")
    _rewrite(copy, "preprocess.json", lambda about: about.pop("max_image_megapixels"))  # of an older version
    assert load(copy).predict(np.zeros((60, 60), np.uint8), "CT")


def _alter(name: str) -> Any:
    def change(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b" ")

    return change


def _rewrite(folder: Path, name: str, change: Any) -> None:
    """Changes a JSON file and its checksum, as somebody would who edits a bundle by hand."""
    about = json.loads((folder / name).read_text())
    change(about)
    (folder / name).write_text(json.dumps(about))
    _update_checksum(folder, name)


def _replace(name: str, content: bytes | None) -> Any:
    """Changes a file and its checksum; None cuts it to its half."""

    def change(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
        _update_checksum(folder, name)

    return change


def _update_checksum(folder: Path, name: str) -> None:
    sums = json.loads((folder / CHECKSUMS).read_text())
    (folder / CHECKSUMS).write_text(json.dumps(sums | {name: checksum_of(folder / name)}))


def _set(name: str, key: str, value: Any) -> Any:
    return lambda folder: _rewrite(folder, name, lambda about: about.update({key: value}))


DAMAGE: dict[str, tuple[Any, str]] = {
    "graph": (_alter("model.onnx"), "model.onnx is not the file"),
    "labels": (_alter("labels.json"), "labels.json is not the file"),
    "no graph": (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
    "no checksums": (lambda folder: (folder / CHECKSUMS).unlink(), "checksums.json"),
    "checksums that name nothing": (lambda folder: (folder / CHECKSUMS).write_text("{}"), "does not name"),
    "checksums of another folder": (
        lambda folder: (folder / CHECKSUMS).write_text(
            json.dumps(json.loads((folder / CHECKSUMS).read_text()) | {"../x": ""})
        ),
        "../x is missing",
    ),
    "a newer format": (
        lambda folder: _rewrite(folder, "preprocess.json", lambda about: about.update(format=99)),
        "format 99",
    ),
    "classes in another order": (
        lambda folder: _rewrite(folder, "labels.json", lambda about: about["tasks"][0]["classes"].reverse()),
        "classes",
    ),
    "deep checksums": (lambda folder: (folder / CHECKSUMS).write_text("[" * 100_000), "checksums.json"),
    "checksums that are numbers": (
        lambda folder: (folder / CHECKSUMS).write_text(
            '{"model.onnx": 1, "labels.json": 1, "preprocess.json": 1}'
        ),
        "model.onnx is not the file",
    ),
    "labels without tasks": (_replace("labels.json", b"{}"), "labels.json: tasks"),
    "labels in a list": (_replace("labels.json", b"[]"), "labels.json"),
    "preprocess nested too deep": (_replace("preprocess.json", b"[" * 100_000), "preprocess.json"),
    "no format": (_replace("preprocess.json", b"{}"), "preprocess.json: format"),
    "an image size in letters": (_set("preprocess.json", "image_size", "a"), "image_size"),
    "an image size beyond memory": (_set("preprocess.json", "image_size", 1_000_000), "image_size"),
    "an image size of another model": (_set("preprocess.json", "image_size", 48), "model.onnx"),
    "a modality less": (
        lambda folder: _rewrite(
            folder, "preprocess.json", lambda about: about.update(modalities=["image"], tokenizer=None)
        ),
        "model.onnx",
    ),
    "a tokenizer of another kind": (
        _set("preprocess.json", "tokenizer", {"kind": "tokenizers", "maximum": 9}),
        "tokenizer.json",
    ),
    "a graph without content": (_replace("model.onnx", b""), "model.onnx"),
    "a graph that was cut": (_replace("model.onnx", None), "model.onnx"),
    "a graph of zeros": (_replace("model.onnx", bytes(1000)), "model.onnx"),
    "a graph that is text": (_replace("model.onnx", b"no graph"), "model.onnx"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_bundle_is_refused_in_one_sentence(
    bundle: Path, tmp_path: Path, case: str, distune: Callable[..., tuple[int, str, str]]
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "damaged")
    damage, token = DAMAGE[case]
    damage(folder)
    with pytest.raises(UserError, match=token):
        load(folder)
    code, _, said = distune("predict", folder, "--image", "a.png", "--text", "CT")
    assert code == 2 and said.count("\n") == 1 and said.startswith("error: ")


def test_every_file_has_a_checksum(bundle: Path) -> None:
    check_files(bundle)
    named = json.loads((bundle / CHECKSUMS).read_text()).keys()
    assert named == {path.name for path in bundle.iterdir()} - {CHECKSUMS}


@pytest.mark.slow
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    run_folder: Path, bundle: Path, demo_root: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="int4"):
        export_run(run_folder, tmp_path / "out", quantisation="int4")
    with pytest.raises(UserError, match="already"):
        export_run(run_folder, bundle)
    other = shutil.copytree(demo_root, tmp_path / "data")
    for file in other.glob("splitted_dataset/descriptions_dev*"):
        file.write_text("\n".join(file.read_text().splitlines()[1:]) + "\n")
    with pytest.raises(DataError, match="--data-root"):
        export_run(run_folder, tmp_path / "out", data_root=other)
    assert not (tmp_path / "out").exists()
    assert default_folder(run_folder).name == "tiny_run"
