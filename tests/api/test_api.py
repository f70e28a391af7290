from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import optuna
import pytest
import torch
import yaml
from PIL import Image

import distune
from distune import reporting
from distune.config import Config, load_config
from distune.errors import ConfigError, DataError, UserError

SRC = Path(distune.__file__).parents[1]
pandas = pytest.importorskip("pandas")


def in_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SRC), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_importing_distune_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'optuna', 'pydantic', 'cv2', 'sklearn', 'numpy', 'pandas'}"
    assert in_process(f"import sys, distune; print(sorted({heavy} & set(sys.modules)))") == "[]"
    light = in_process(
        "import sys, distune; distune.Config, distune.load_config; print('torch' in sys.modules)"
    )
    assert light == "False"


@pytest.mark.slow
def test_what_only_reads_runs_and_studies_imports_no_torch() -> None:
    readers = (
        "distune.training.files.prediction_files, distune.training.files.run_folder, distune.reporting.report"
    )
    assert in_process(f"import sys, {readers}; print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize("name", distune.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(distune, name)
    assert name == "__version__" or inspect.getdoc(value)
    assert name in dir(distune)


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = distune.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "module", ["distune", "distune.edge", "distune.config.experiment", "distune.training.callbacks"]
)
def test_the_examples_in_docstrings_run(module: str) -> None:
    loaded = importlib.import_module(module)
    spaces = {"Callback": distune.Callback, "StopTraining": distune.StopTraining}
    failed, run = doctest.testmod(loaded, extraglobs=spaces)
    assert run and not failed


FAULTS: dict[str, dict[str, Any]] = {
    "a value out of range": {"seed": -1},
    "an unknown section": {"studnet": {}},
    "an unknown key": {"student": {"epoch": 3}},
    "a value of another type": {"student": {"epochs": "many"}},
    "values that exclude each other": {"data": {"reader": "medpix", "image_column": "file"}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_error_for_one_fault_from_python_and_from_yaml(fault: str, tmp_path: Path) -> None:
    values = FAULTS[fault]
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(values))
    said = []
    for make in (
        lambda: Config(**values),
        lambda: Config().replace(**values),
        lambda: load_config(file),
        lambda: load_config(tmp_path / "sound.yaml", values),
    ):
        (tmp_path / "sound.yaml").write_text("name: sound\n")
        with pytest.raises(ConfigError) as refused:
            make()
        said.append(refused.value.problems)
    assert len(set(said)) == 1, said


@contextmanager
def unchanged_process() -> Iterator[None]:
    """Nothing that belongs to the caller's process is another after the block."""

    def state() -> dict[str, Any]:
        return {
            "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
            "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
            "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "dtype": torch.get_default_dtype(),
            "gradients": torch.is_grad_enabled(),
            "optuna": optuna.logging.get_verbosity(),
            "signals": [
                signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            ],
            "folder": Path.cwd(),
            # What torch sets for its compiler, and scikit-learn for OpenMP, when first imported is their own.
            "environment": {
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("TORCHINDUCTOR", "KMP_"))
            },
            "handlers": (list(logging.getLogger().handlers), logging.getLogger().level),
            "hooks": (sys.excepthook, sys.stdout, sys.stderr),
            "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        }

    before = state()
    yield
    after = state()
    changed = {name for name, value in before.items() if after[name] != value}
    assert not changed, {name: (before[name], after[name]) for name in changed - {"random"}} or changed


@pytest.mark.slow
def test_train_predict_evaluate_and_leave_the_process_as_it_was(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    epochs: list[str] = []

    class Note(distune.Callback):
        def on_epoch_end(self, record: distune.EpochRecord) -> None:
            epochs.append(record.stage)

    with unchanged_process():
        run = distune.train(tiny_config(training__threads=1), callback=Note())
    torch.set_num_threads(threads)
    assert epochs == ["teacher"] * 2 + ["student"] * 3
    assert run.folder.parent == Path("logs/runs").absolute() and run.results["test_split"] == "shut"
    table = distune.read_table(tiny_config().data)
    rows = table.rows("dev")
    frame = pandas.DataFrame(
        {
            "image": [table.images[row] for row in rows],
            "text": [table.texts[row] for row in rows],
            "group": [table.groups[row] for row in rows],
            **{
                task.name: [task.classes[table.labels[row, column]] for row in rows]
                for column, task in enumerate(table.tasks)
            },
        }
    )
    with pytest.raises(distune.DataError, match="external data"):
        distune.evaluate(run.predictor(), frame)
    frame["image"] = [Image.open(path).point(lambda value: value ^ 1) for path in frame["image"]]
    with unchanged_process():
        found = distune.evaluate(run.predictor(), frame)
        run.predictor().predict_proba(frame)
        if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
            distune.export(run.folder, tmp_path / "bundle")
    assert found["score"] == pytest.approx(run.score, abs=0.05)
    assert distune.evaluate(run, frame)["tasks"] == found["tasks"]
    assert distune.compare([run])[0].dev == run.score
    with pytest.raises(UserError, match="labels"):
        distune.evaluate(run.folder, list(frame["image"]), list(frame["text"]))


@pytest.mark.slow
def test_an_audit_and_a_check_leave_the_process_as_it_was(tiny_config: Callable[..., Config]) -> None:
    with unchanged_process():
        distune.check(tiny_config())
        distune.audit(tiny_config())


FIRST_CALLS = """
import random, sys, distune
from distune import Config
from distune.errors import UserError
for call in (
    lambda: distune.Study.open("none"), lambda: distune.compare(["none"]), lambda: distune.load("none"),
    lambda: distune.check(Config(data={"reader": "demo", "root": "d"}), estimate=False),
    lambda: distune.train(Config(data={"root": "none"})), lambda: distune.tune(Config(), storage=5),
    lambda: distune.confirm("none"),
):
    before = random.getstate()
    try:
        call()
    except (UserError, TypeError):
        pass
    print(random.getstate() == before)
assert "torch._dynamo" not in sys.modules, "a call imports torch's compiler"
"""


@pytest.mark.slow
def test_the_first_calls_draw_no_random_number_of_the_caller_s_and_import_no_compiler(tmp_path: Path) -> None:
    """Packages that are imported then draw some; torch's compiler takes a second."""
    assert in_process(f"import os; os.chdir({str(tmp_path)!r})\n{FIRST_CALLS}").split() == ["True"] * 7


def test_a_run_warns_of_a_teacher_that_has_little_to_teach() -> None:
    teacher = {"splits": {"dev": {"score": 0.5}}}
    assert "0.5000" in str(distune.Run(Path("run"), 0.6, {"score": 0.6, "teacher": teacher}).warning)
    assert distune.Run(Path("run"), 0.4, {"score": 0.4, "teacher": teacher}).warning is None


def frame_of(demo_root: Path, config: Config, kind: str) -> Any:
    """The demo set as a data frame whose images are paths, arrays or pictures."""
    table = distune.read_table(config.data)
    make: dict[str, Callable[[str], Any]] = {
        "paths": str,
        "arrays": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
        "pictures": Image.open,
    }
    return pandas.DataFrame(
        {
            "image": [make[kind](path) for path in table.images],
            "text": table.texts,
            "group": table.groups,
            "split": table.splits,
            "modality": [table.tasks[0].classes[number] for number in table.labels[:, 0]],
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["paths", "arrays", "pictures"])
def test_a_data_frame_is_written_once_and_read_like_files(
    tiny_config: Callable[..., Config],
    demo_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    from distune.api.frames import with_data
    from distune.data.pixels.images import decode

    monkeypatch.chdir(tmp_path)
    config = tiny_config()
    frame = frame_of(demo_root, config, kind)
    table = distune.read_table(config.data)
    first = with_data(config, frame)
    written = {path: path.stat().st_mtime_ns for path in first.data.root.rglob("*")}
    assert with_data(config, frame) == first
    assert {path: path.stat().st_mtime_ns for path in first.data.root.rglob("*")} == written
    found = distune.read_table(first.data)
    assert [task.name for task in found.tasks] == ["modality"] and found.tasks[0].classes == table.tasks[
        0
    ].classes
    assert found.splits == tuple(sorted(table.splits, key=["train", "dev", "test"].index))
    assert sorted(found.texts) == sorted(text.strip() for text in table.texts)
    by_text = dict(zip(table.texts, table.images, strict=True))
    alone = [row for row, text in enumerate(found.texts) if table.texts.count(text) == 1]
    assert len(alone) > 70
    for row in alone[::20]:
        np.testing.assert_array_equal(decode(found.images[row], 32), decode(by_text[found.texts[row]], 32))
    without = with_data(config, frame.drop(columns="split"))
    assert {*distune.read_table(without.data).splits} == {"train", "dev", "test"}


def test_the_rows_of_one_image_of_a_data_frame_are_in_one_split_whatever_its_name(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distune.api.frames import with_data

    monkeypatch.chdir(tmp_path)
    files = [tmp_path / f"{number}.{ending}" for ending in ("jpg", "jpeg") for number in range(20)]
    for file in files:
        file.write_bytes(file.stem.encode())
    rows = {"image": files, "text": ["x"] * 40, "kind": ["a", "b"] * 20}
    root = with_data(tiny_config(), pandas.DataFrame(rows)).data.root
    parts = [
        {line.split(".")[0] for line in table.read_text().splitlines()[1:]} for table in root.glob("*.csv")
    ]
    assert sorted(map(len, parts)) == [3, 3, 14] and len(set().union(*parts)) == 20


def test_every_column_that_the_config_asks_for_is_written(
    tiny_config: Callable[..., Config],
    demo_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distune.api.frames import with_data

    monkeypatch.chdir(tmp_path)
    frame = frame_of(demo_root, tiny_config(), "paths").rename(columns={"text": "caption"})
    frame["ct"], frame["mr"] = (
        (frame["modality"] == "CT").astype(int),
        (frame["modality"] == "MR").astype(int),
    )
    frame["site"] = ["a", "ä"] * (len(frame) // 2)
    frame["split"] = frame["split"].map({"train": "Training", "dev": "val", "test": "test"})
    asked: dict[str, Any] = {
        "reader": "wound", "text_column": "caption", "subgroup_columns": ["site"], "encoding": "cp1250",
        "tables": str(tmp_path / "elsewhere"), "tasks": {"scan": {"columns": ["ct", "mr"]}},
    }  # fmt: skip
    config = tiny_config(**{f"data__{name}": value for name, value in asked.items()})
    found = with_data(config, frame)
    table = distune.read_table(found.data)
    assert [task.name for task in table.tasks] == ["scan", "modality"]
    assert table.splits.count("dev") == list(frame["split"]).count("val")
    assert len(table) == len(frame) and set(table.subgroups["site"]) == {"a", "ä"}
    frame.loc[3, "split"] = "trian"
    with pytest.raises(DataError, match="row 3: no split: 'trian'"):
        with_data(config, frame)
    frame.loc[4:7, "split"] = "trian"
    with pytest.raises(DataError, match=r"5 examples.*\n.*row 3: 'trian'") as refused:
        with_data(config, frame)
    assert len(refused.value.examples) == 5


def test_a_data_frame_without_texts_is_enough_for_models_that_read_none(
    tiny_config: Callable[..., Config], demo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distune.api.frames import with_data

    monkeypatch.chdir(tmp_path)
    config = tiny_config(teacher__text="none", student__text="none")
    found = with_data(config, frame_of(demo_root, config, "paths").drop(columns="text"))
    assert found.data.text_column is None and len(distune.read_table(found.data)) == 80


@pytest.mark.slow
def test_split_brings_the_images_and_audit_writes_nothing(
    tiny_config: Callable[..., Config], demo_root: Path, tmp_path: Path
) -> None:
    rows = [f"{path.name},{'ab'[row % 2]}" for row, path in enumerate(sorted(demo_root.glob("images/*.png")))]
    (tmp_path / "old").mkdir()
    for path in demo_root.glob("images/*.png"):
        (tmp_path / "old" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "old/all.csv").write_text("\n".join(["file,label", *rows]))
    counts = distune.split(tmp_path / "old/all.csv", tmp_path / "new", labels=["label"])
    assert sum(sum(classes["label"].values()) for classes in counts.values()) == len(rows)
    assert len(list((tmp_path / "new").glob("*.png"))) == len(rows)
    assert distune.audit(Config().replace(**{"data.reader": "demo", "data.root": str(tmp_path / "demo")}))
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_what_training_sets_in_torch_is_put_back(tiny_config: Callable[..., Config]) -> None:
    from distune.api.settings import restored
    from distune.training.devices import compute_for

    torch.use_deterministic_algorithms(True)
    try:
        with restored():
            compute_for(tiny_config().training)
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.slow
def test_one_thread_trains_at_a_time_and_with_gradients() -> None:
    from distune.api.settings import restored

    running: list[int] = []

    def train() -> int:
        with restored():
            running.append(1)
            time.sleep(0.02)
            return running.pop() + len(running)

    with ThreadPoolExecutor(3) as threads:
        assert [one.result() for one in [threads.submit(train) for _ in range(3)]] == [1, 1, 1]
    with (
        torch.inference_mode(),
        torch.autograd.set_detect_anomaly(True),
        torch.autocast("cpu", torch.bfloat16),
    ):
        with restored():
            assert torch.ones(1, requires_grad=True).requires_grad and torch.is_grad_enabled()
            assert not torch.is_anomaly_enabled() and not torch.is_autocast_enabled("cpu")
        assert torch.is_inference_mode_enabled() and torch.is_anomaly_enabled()


def test_a_data_frame_that_cannot_be_used_is_refused(
    tiny_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for data, error, token in (
        (pandas.DataFrame({"image": ["a.png"], "label": ["x"]}), DataError, "'text'"),
        (pandas.DataFrame({"image": ["a.png"], "text": ["x"]}), DataError, "labels"),
        (pandas.DataFrame({"image": ["a.png"], "text": ["x"], "label": ["y"]}), DataError, "a.png"),
        ([1, 2], UserError, "list"),
    ):
        with pytest.raises(error, match=token):
            distune.tune(tiny_config(), 1, data=data)
    with pytest.raises(ConfigError, match="n_trails"):
        distune.tune(tiny_config(), n_trails=3)
    assert not Path("logs").exists()


@pytest.mark.slow
def test_tune_and_confirm_in_a_database_elsewhere(
    tiny_config: Callable[..., Config],
    tiny_space: dict[str, Any],
    demo_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tiny_config(teacher__epochs=1, student__epochs=1, training__threads=1, search_space=tiny_space)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    storage = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    with unchanged_process():
        study = distune.tune(
            config,
            n_trials=2,
            name="s",
            data=frame_of(demo_root, config, "paths"),
            accept_leaks=True,
            storage=storage,
        )
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert study.name == "s" and study.reason == "finished"
    assert list(study.trials["number"]) == [0, 1]
    assert study.best.value == study.trials["value"].max()
    assert study.best_config.data.reader == "csv"
    image = next((demo_root / "images").glob("*.png"))
    assert study.predictor().predict(image, "CT")["modality"][0] in study.predictor().classes["modality"]
    assert distune.Study.open("s", storage=storage) == study
    assert study.status().counts.complete == 2
    assert [one.dev for one in distune.compare([study])] == [study.best.value]
    report = study.folder / "report.md"
    if reporting.installed():
        assert study.folder / "report.html" in study.report()
    said = report.read_text() if report.exists() else ""
    with unchanged_process():
        confirmation = distune.confirm(study, top=1, seeds=1)
    assert confirmation.recommended in confirmation.numbers["contenders"]
    for predictor in (confirmation.predictor(), distune.load(study), distune.load(confirmation)):
        assert f"confirmation/{confirmation.recommended}/seed_" in predictor.source
    assert not said or report.read_text() != said, "a report that the confirmation made untrue stays"


def test_confirm_takes_the_database_of_a_study_or_the_one_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def interrupted(request: Any) -> SimpleNamespace:
        asked.append(request)
        return SimpleNamespace(study="s", folder=tmp_path, reason="interrupted", numbers={})

    monkeypatch.setattr("distune.confirmation.confirm.confirm", interrupted)
    study = distune.Study("s", tmp_path, storage="sqlite:///s.db")
    distune.confirm(study)
    distune.confirm(study, storage="sqlite:///s.db")
    distune.confirm("s", storage="sqlite:///s.db")
    assert [(one.study, one.storage) for one in asked] == [("s", "sqlite:///s.db")] * 3


@pytest.mark.slow
@pytest.mark.parametrize("has_estimate", [True, False])
def test_check_measures_only_when_asked(tiny_config: Callable[..., Config], has_estimate: bool) -> None:
    found = distune.check(tiny_config(), estimate=has_estimate)
    assert len(found.table) == 80
    assert (found.estimate is not None and found.estimate.study_s > 0) == has_estimate
    assert found.remarks  # the config has no search ranges, so `tune` would refuse it
    with pytest.raises(DataError, match="nowhere"):
        distune.check(tiny_config(data__root="nowhere"))


@pytest.mark.slow
def test_init_makes_a_config_that_check_accepts(demo_root: Path, tmp_path: Path) -> None:
    images = sorted((demo_root / "images").glob("*.png"))[:40]
    rows = [
        f"{path.name},{'ab'[row % 2]},p{row // 2},a scan of patient number {row}"
        for row, path in enumerate(images)
    ]
    for path in images:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "all.csv").write_text("\n".join(["file,kind,patient,words", *rows]))
    made = distune.init(tmp_path / "all.csv", tmp_path / "first", labels=["kind"], group="patient")
    found = distune.check(load_config(made.config), estimate=False)
    assert [task.name for task in found.table.tasks] == ["kind"] and len(found.table) == len(rows)
