"""Each argument of a public function reaches what does the work; nothing is trained for that."""

from __future__ import annotations

import errno
import inspect
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from PIL import Image

import distune
from distune.api.confirmations import Confirmation
from distune.api.frames import FRAMES, _made_splits, with_data
from distune.api.settings import restored
from distune.api.sources import place_of
from distune.config import Config, save_config
from distune.data.demo.demo import write_demo
from distune.data.split import FRACTIONS
from distune.data.table import SPLITS
from distune.errors import DataError, UserError
from distune.prediction.predictor import Predictor
from distune.tuning.space.build import build_space
from distune.tuning.study.open_study import open_study
from distune.tuning.study.settings import StudySettings
from distune.tuning.study.storage import open_storage
from distune.utils.files.paths import read_file
from tests.analysis.written_records import complete, study_of
from tests.stand_ins import refusing_as


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Replaces a function by one that notes its arguments by name, and returns what it is told to."""
    for module in (
        "analysis.side_by_side",
        "confirmation.confirm",
        "deployment.export",
        "reporting.report",
        "tuning.tune",
    ):
        import_module(f"distune.{module}")  # what is first imported later would keep a stand-in for ever

    def note(target: str, answer: Any) -> list[dict[str, Any]]:
        module, _, name = target.rpartition(".")
        real = getattr(__import__(module, fromlist=[name]), name)
        calls: list[dict[str, Any]] = []

        def stand_in(*given: Any, **named: Any) -> Any:
            bound = inspect.signature(real).bind(*given, **named)
            calls.append({**{key: value for key, value in bound.arguments.items() if key != "options"},
                          **bound.arguments.get("options", {})})  # fmt: skip
            return answer

        monkeypatch.setattr(target, stand_in)
        return calls

    return note


def test_train(noted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = noted("distune.training.run.run", SimpleNamespace(score=0.5, results={"a": 1}))
    claims: list[Any] = []

    @contextmanager
    def claimed(config: Config, out: Path | None, runs: Path, *, overwrite: bool) -> Iterator[Path]:
        claims.append((out, runs, overwrite))
        yield tmp_path

    monkeypatch.setattr("distune.training.files.claim.claimed", claimed)
    callback, config = distune.Callback(), Config()
    run = distune.train(config, out="here", test=True, overwrite=True, callback=callback)
    assert (run.folder, run.score, run.results) == (tmp_path, 0.5, {"a": 1}) and run.place == (tmp_path, None)
    distune.train(config)
    assert claims == [(Path("here"), Path("logs/runs"), True), (None, Path("logs/runs"), False)]
    first, second = calls
    assert first["config"] is config and first["callback"] is callback and first["open_test"] is True
    assert second["callback"] is None and second["open_test"] is False


def test_what_a_notebook_holds_is_the_same_in_another_folder(
    noted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    noted("distune.training.run.run", SimpleNamespace(score=0.5, results={}))
    result = SimpleNamespace(study="s", study_name="s", folder=Path("s"), reason="finished", numbers={"a": 1})
    noted("distune.tuning.tune.tune", result)
    noted("distune.confirmation.confirm.confirm", result)
    for module in ("studies", "confirmations"):
        monkeypatch.setattr(f"distune.api.{module}.refresh_report", lambda study: None)
    assert distune.train(Config(), out="r").folder == tmp_path / "r"
    study, found = distune.tune(Config()), distune.confirm("s")
    assert study.folder == found.folder == tmp_path / "s"
    assert study.place == (str(tmp_path / "s"), None) and found.place == (tmp_path / "s", None)


def test_tune_and_the_study_that_it_returns(
    noted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = SimpleNamespace(study_name="s", folder=tmp_path, reason="timeout")
    calls = noted("distune.tuning.tune.tune", result)
    refreshed: list[Any] = []
    monkeypatch.setattr("distune.api.studies.refresh_report", refreshed.append)
    config = Config().replace(**{"study.n_trials": 7, "study.workers": 3})
    study = distune.tune(config, 4, fork="f", name="own", storage="sqlite:///s.db")
    assert study == distune.Study("s", tmp_path, "timeout", f"sqlite:///{Path.cwd()}/s.db") and refreshed == [
        study
    ]
    assert study.place == ("s", f"sqlite:///{Path.cwd()}/s.db")
    assert distune.Study("s", tmp_path).place == (str(tmp_path), None)
    distune.tune(config)
    first, second = (call["request"] for call in calls)
    assert (first.asked.n_trials, first.asked.workers, first.asked.name, first.fork) == (4, 3, "own", "f")
    assert (second.asked.n_trials, second.asked.workers, second.asked.storage, second.fork) == (
        7,
        3,
        None,
        None,
    )


def test_confirm(noted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    numbers = {"recommendation": {"contender": "trial_3"}}
    result = SimpleNamespace(study="s", folder=tmp_path, reason="finished", numbers=numbers)
    calls = noted("distune.confirmation.confirm.confirm", result)
    refreshed: list[distune.Study] = []
    monkeypatch.setattr("distune.api.confirmations.refresh_report", refreshed.append)
    found = distune.confirm("s", top=2, seeds=4, workers=3, storage="sqlite:///s.db")
    assert refreshed == [distune.Study("s", tmp_path, storage="sqlite:///s.db")]
    assert (found.folder, found.reason, found.numbers) == (tmp_path, "finished", numbers)
    (request,) = (call["request"] for call in calls)
    assert (request.study, request.top, request.seeds, request.workers) == ("s", 2, 4, 3)
    assert request.storage == "sqlite:///s.db" and found.place == ("s", f"sqlite:///{Path.cwd()}/s.db")
    assert found.recommended == "trial_3"
    with pytest.raises(UserError, match="low_disk"):
        _ = Confirmation(tmp_path, "low_disk", {}, ("s", None)).recommended
    for seed, name in enumerate(("config", "best_config", "recommended_config")):
        save_config(Config(seed=seed), tmp_path / f"{name}.yaml")
    assert found.recommended_config.seed == 2 and distune.Study("s", tmp_path).best_config.seed == 1
    result.numbers = {}
    distune.confirm("s")
    assert len(refreshed) == 1


def test_mistakes_export_and_report(noted: Callable[..., Any], tmp_path: Path) -> None:
    pages = noted("distune.reporting.mistakes.write_mistakes", tmp_path / "page.html")
    exports = noted("distune.deployment.export.export_source", (tmp_path, None))
    noted("distune.prediction.load.run_behind", tmp_path / "run")
    assert (
        distune.mistakes("r", "p.html", split="test", most=3, data_root="d", overwrite=True)
        == tmp_path / "page.html"
    )
    (page,) = pages
    assert page == {
        "run": tmp_path / "run", "out": Path("p.html"), "split": "test", "most": 3, "data_root": Path("d"),
        "overwrite": True,
    }  # fmt: skip
    distune.export("r", "b", quantize="int8", max_score_drop=0.0, data_root="d", storage="sqlite:///s.db")
    assert exports == [
        {"source": "r", "out": "b", "storage": "sqlite:///s.db", "data_root": "d", "quantisation": "int8",
         "max_score_drop": 0.0}
    ]  # fmt: skip
    reports = noted("distune.reporting.report.write_report", [])
    study = distune.Study("s", tmp_path)
    study.report(examples=True, checklist="tripod-ai", overwrite=True)
    study.report("elsewhere")
    first, second = reports
    assert (first["examples"], first["checklist"], first["overwrite"]) == (True, "tripod-ai", True)
    assert tmp_path in first.values() and Path("elsewhere") in second.values()
    assert first["storage"] is second["storage"] is None
    distune.Study("s", tmp_path, storage="sqlite:///s.db").report()
    assert reports[2]["storage"] == "sqlite:///s.db"
    assert (second["examples"], second["checklist"], second["overwrite"]) == (False, None, False)


def test_evaluate_asks_the_predictor_that_it_is_given() -> None:
    asked: list[Any] = []
    evaluate = refusing_as(
        partial(Predictor.evaluate, None),
        lambda *given, **named: asked.append((given, named)) or {"score": 1},
    )
    predictor = SimpleNamespace(evaluate=evaluate)
    given: dict[str, Any] = {
        "labels": {"t": ["x"]},
        "groups": ["g"],
        "name": "n",
        "root": "r",
        "record": True,
    }
    assert distune.evaluate(predictor, ["i"], ["w"], **given) == {"score": 1}  # type: ignore[arg-type]
    assert asked == [((["i"], ["w"]), given)]


def test_init_and_split(noted: Callable[..., Any], tmp_path: Path) -> None:
    made = noted("distune.setup.init.prepare", "prepared")
    given = {"image": "i", "text": "t", "labels": ["k"], "group": "g", "encoding": "cp1250"}
    assert distune.init("cases.csv", "out", **given, seed=5) == "prepared"  # type: ignore[arg-type, comparison-overlap]
    distune.init("folder/cases.csv")
    first, second = made
    assert (first["metadata"], first["out"], first["seed"]) == (Path("cases.csv"), Path("out"), 5)
    wishes = first["wishes"]
    assert (wishes.image, wishes.text, wishes.labels, wishes.group) == ("i", "t", ("k",), "g")
    assert first["encoding"] == "cp1250"
    assert (second["out"], second["seed"], second["encoding"]) == (Path("cases"), 42, None)
    split = noted("distune.api.data.split_whole", ({}, None))
    distune.split(
        "a.csv", "o", labels=["k"], group="g", image="i", fractions=(0.5, 0.3, 0.2), seed=3, encoding="x"
    )
    distune.split("a.csv", "o", labels=["k"])
    assert split == [
        {"metadata": Path("a.csv"), "out": Path("o"), "label_columns": ["k"], "group_column": group,
         "image_column": image, "fractions": fractions, "seed": seed, "encoding": encoding}
        for group, image, fractions, seed, encoding in (
            ("g", "i", (0.5, 0.3, 0.2), 3, "x"), (None, None, FRACTIONS, 42, None)
        )
    ]  # fmt: skip


def test_audit_reads_a_demo_set_that_is_made_and_removed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots: list[Path] = []

    def audited(table: distune.Table) -> str:
        random.random()
        roots.append(table.root)
        return f"{len(table.rows('train')) > 0} {table.root.is_dir()}"

    monkeypatch.setattr("distune.data.audit.audit.audit", audited)
    seeds: list[int] = []

    def written(root: Path, seed: int) -> None:
        seeds.append(seed)
        write_demo(root, seed, 40)

    monkeypatch.setattr("distune.data.demo.demo.write_demo", written)
    config = Config(seed=7).replace(**{"data.reader": "demo", "data.root": str(tmp_path / "demo")})
    drawn = random.getstate()
    assert distune.audit(config) == "True True"  # type: ignore[comparison-overlap]
    assert not (tmp_path / "demo").exists() and not roots[0].exists() and random.getstate() == drawn
    assert seeds == [7]


def test_a_source_brings_its_own_database() -> None:
    study = distune.Study("s", Path("logs/optuna/s"), storage="sqlite:///s.db")
    assert place_of(study) == place_of(study, "sqlite:///s.db") == ("s", "sqlite:///s.db")
    assert place_of("s", "sqlite:///t.db") == ("s", "sqlite:///t.db") and place_of("s") == ("s", None)
    for source in (study, distune.Run(Path("r"), None, {})):
        for other in ("sqlite:///t.db", "sqlite.db", 3):
            with pytest.raises(UserError, match="storage"):
                place_of(source, other)  # type: ignore[arg-type]


def test_a_study_is_opened_and_compared_where_it_lies(
    noted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    noted("distune.tuning.status.read_status", SimpleNamespace(ended="timeout"))
    elsewhere = distune.Study.open("s", storage="sqlite:///s.db")
    url = f"sqlite:///{tmp_path}/s.db"
    assert elsewhere == distune.Study("s", tmp_path / "logs/optuna/s", "timeout", url)
    reads = noted("distune.analysis.records.sources.read_study", "a record")
    asked = noted("distune.analysis.side_by_side.side_by_side", [])
    assert distune.compare([elsewhere, "r"]) == [] and asked == [{"sources": ["a record", "r"]}]
    assert reads == [{"source": "s", "storage": url}]


def test_the_best_trial_is_that_of_the_study_s_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    record = study_of(complete(0, 0.5), complete(1, 0.25), direction="minimize")
    monkeypatch.setattr(distune.Study, "record", record)
    assert distune.Study("s", Path()).best.number == 1


def test_the_trials_of_a_study_are_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    trial = SimpleNamespace(number=3, state="complete", value=0.5, seconds=2.0, params={"lr": 0.1})
    records = iter([SimpleNamespace(trials=[trial]), SimpleNamespace(trials=[])])
    monkeypatch.setattr(distune.Study, "record", property(lambda self: next(records)))
    study = distune.Study("s", Path())
    assert study.trials.to_dict("records") == [
        {"number": 3, "state": "complete", "value": 0.5, "seconds": 2.0, "lr": 0.1}
    ]
    assert list(study.trials.columns) == ["number", "state", "value", "seconds"]


def test_looking_at_a_table_draws_nothing_from_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distune.setup.init.prepare", lambda *given, **named: random.random())
    drawn = random.getstate()
    distune.init("cases.csv")
    assert random.getstate() == drawn
    threads = torch.get_num_threads()
    asked: list[Any] = []

    def check(config: Config, source: str, *, estimates: bool) -> None:
        asked.append(estimates)
        torch.set_num_threads(threads + 1)

    monkeypatch.setattr("distune.setup.check.check", check)
    distune.check(distune.Config())
    distune.check(distune.Config(), estimate=False)
    assert asked == [True, False]
    assert torch.get_num_threads() == threads, "a check measures as a run trains"


@pytest.mark.slow
@pytest.mark.parametrize(("is_on", "warns"), [(True, True), (True, False), (False, False)])
def test_deterministic_kernels_are_put_back_with_their_kind(is_on: bool, warns: bool) -> None:
    torch.use_deterministic_algorithms(is_on, warn_only=warns)
    try:
        with restored():
            torch.use_deterministic_algorithms(not is_on, warn_only=not warns)
        assert torch.are_deterministic_algorithms_enabled() == is_on
        assert torch.is_deterministic_algorithms_warn_only_enabled() == warns
    finally:
        torch.use_deterministic_algorithms(False)


def test_what_training_sets_is_put_back_also_after_an_error() -> None:
    def state() -> tuple[Any, ...]:
        return (
            torch.get_num_threads(), optuna.logging.get_verbosity(), torch.backends.cuda.matmul.allow_tf32,
            torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.get_rng_state().tolist(), random.getstate(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),  # type: ignore[no-untyped-call]
        )  # fmt: skip

    before = state()
    with torch.no_grad(), pytest.raises(ValueError, match="stopped"), restored():
        assert torch.is_grad_enabled()
        torch.set_num_threads(before[0] + 1)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        torch.backends.cuda.matmul.allow_tf32 = not before[2]
        torch.backends.cuda.enable_mem_efficient_sdp(not before[7])
        torch.use_deterministic_algorithms(not before[3], warn_only=True)
        torch.rand(3), random.random()
        raise ValueError("stopped")
    assert state() == before
    with torch.inference_mode(), restored():
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def frame(tmp_path: Path, **columns: Any) -> Any:
    """Twelve rows of six cases in two classes, each with a picture of its own."""
    pandas = pytest.importorskip("pandas")
    tmp_path.mkdir(exist_ok=True)
    pictures = [np.full((4, 4, 3), (20 * n, 0, 255 - n), np.uint8) for n in range(12)]
    given = {"image": pictures, "text": [f"text {n}" for n in range(12)], "kind": list("ab" * 6),
             "group": [f"p{n // 2}" for n in range(12)]}  # fmt: skip
    return pandas.DataFrame({**given, **columns})


@pytest.fixture
def config(tiny_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Config:
    monkeypatch.chdir(tmp_path)
    return tiny_config()


def test_a_frame_is_written_with_its_groups_splits_and_pictures(config: Config, tmp_path: Path) -> None:
    splits = ["train"] * 7 + ["val"] * 5
    assert with_data(config, None) is config
    found = with_data(config, frame(tmp_path, split=splits))
    root = found.data.root
    assert root.parent == (tmp_path / FRAMES) and root.name.startswith(f"{config.name}_")
    assert sorted(path.name for path in root.iterdir()) == [
        "images",
        "metadata_dev.csv",
        "metadata_train.csv",
    ]
    table = distune.read_table(found.data)
    assert (found.data.reader, found.data.group_column, found.data.label_columns) == (
        "csv",
        "group",
        ("kind",),
    )
    assert [len(table.rows(split)) for split in ("train", "dev", "test")] == [7, 5, 0]  # type: ignore[arg-type]
    assert table.groups[:3] == ("p0", "p0", "p1") and table.texts[11] == "text 11"
    with Image.open(table.images[2]) as opened:
        assert opened.format == "PNG" and opened.getpixel((0, 0)) == (40, 0, 253)
    assert with_data(config, frame(tmp_path, split=splits)).data.root == root
    other = with_data(config, frame(tmp_path, split=["train"] * 6 + ["dev"] * 6))
    assert other.data.root != root
    made = [with_data(config.replace(seed=seed), frame(tmp_path)).data for seed in (1, 2, 5, 8)]
    assert len({data.root for data in made}) > 1
    tables = [distune.read_table(data) for data in made]
    assert all({"train", "dev", "test"} == set(table.splits) for table in tables)
    for table in tables:
        assert len({(group, split) for group, split in zip(table.groups, table.splits, strict=True)}) == 6


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_machine_that_cannot_read_a_picture_is_no_fault_of_its_row(
    number: int, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: Path) -> bytes:
        raise OSError(number, "out of order", str(path))

    monkeypatch.setattr("distune.api.frames.read_file", refusing_as(read_file, failing))
    with pytest.raises(OSError, match="out of order"):
        with_data(config, frame(tmp_path, image=[f"{n}.png" for n in range(12)]))


def test_a_frame_that_has_no_splits_is_split_by_the_usual_shares(config: Config) -> None:
    cells = {"kind": list("ab" * 100)}
    asked = config.replace(
        **{"data.reader": "csv", "data.image_column": "image", "data.text_column": "text",
           "data.label_columns": ["kind"]}
    )  # fmt: skip
    alone = [""] * 200
    splits = [_made_splits(asked.replace(seed=seed), cells, alone) for seed in (1, 1, 2)]
    assert [splits[0].count(split) for split in SPLITS] == [140, 30, 30]
    assert splits[0] == splits[1] != splits[2]
    grouped = asked.replace(**{"data.group_column": "case"})
    by_case = _made_splits(grouped, {**cells, "case": [str(row // 20) for row in range(200)]}, alone)
    by_image = _made_splits(asked, cells, [f"{row // 20}.png" for row in range(200)])
    for found in (by_case, by_image):
        assert all(len(set(found[start : start + 20])) == 1 for start in range(0, 200, 20))


def test_a_task_may_be_described_without_columns_of_its_own(config: Config, tmp_path: Path) -> None:
    asked = config.replace(**{"data.tasks": {"kind": {"order": ["b", "a"]}}})
    found = with_data(asked, frame(tmp_path))
    (task,) = distune.read_table(found.data).tasks
    assert (task.name, task.kind, task.classes) == ("kind", "ordinal", ("b", "a"))


def test_columns_of_frames_and_subgroups_are_no_labels(config: Config, tmp_path: Path) -> None:
    asked = config.replace(
        **{"data.reader": "csv", "data.image_column": "image", "data.text_column": "text", "data.label_columns": ["x"],
           "data.frame_column": "slice", "data.subgroup_columns": ["sex"]}
    )  # fmt: skip
    free = asked.replace(**{"data.reader": "wound", "data.label_columns": None})
    held = frame(tmp_path, slice=[""] * 12, sex=["f"] * 12)
    found = with_data(free, held).data
    assert found.label_columns == ("kind",) and found.frame_column == "slice"
    assert distune.read_table(found).subgroups == {"sex": ("f",) * 12}
    with pytest.raises(DataError, match="'x'"):
        with_data(asked, held)


def test_a_row_without_labels_is_in_train_with_its_case(config: Config, tmp_path: Path) -> None:
    held = frame(tmp_path, kind=["", *"babababab", "a", "nan"])
    for seed in range(4):
        found = with_data(config.replace(seed=seed, **{"data.missing": "allow"}), held).data
        table = distune.read_table(found)
        splits = dict(zip(table.texts, table.splits, strict=True))
        assert [splits[f"text {n}"] for n in (0, 1, 10, 11)] == ["unlabelled", "train", "train", "unlabelled"]


def test_a_frame_of_one_split_has_the_tables_that_are_read(config: Config, tmp_path: Path) -> None:
    root = with_data(config, frame(tmp_path, split=["train"] * 12)).data.root
    assert (root / "metadata_dev.csv").read_text().split() == ["image,text,group,kind"]
    assert not (root / "metadata_test.csv").exists()
    for odd in ("", "both", None):
        with pytest.raises(DataError, match="row 11: no split"):
            with_data(config, frame(tmp_path, split=["train"] * 11 + [odd]))


def test_a_cell_that_no_table_holds_is_named_with_its_row_and_column(config: Config, tmp_path: Path) -> None:
    for column, odd in (("text", ["a", "list"]), ("kind", b"bytes"), ("group", {"a", "set"})):
        held = frame(tmp_path)
        held[column] = [odd if row == 3 else value for row, value in enumerate(held[column])]
        with pytest.raises(DataError, match=rf"row 3: column '{column}'"):
            with_data(config, held)


def test_other_names_of_columns_are_another_folder(config: Config, tmp_path: Path) -> None:
    held = frame(tmp_path, split=["train", "dev"] * 6)
    roots = {with_data(config, held.rename(columns={"kind": name})).data.root for name in ("kind", "sort")}
    assert len(roots) == 2


def test_a_text_is_asked_for_where_one_model_reads_it(config: Config, tmp_path: Path) -> None:
    held = frame(tmp_path).drop(columns="text")
    for reader, other in (("teacher", "student"), ("student", "teacher")):
        one = config.replace(**{f"{other}.text": "none"})
        with pytest.raises(DataError, match="'text'"):
            with_data(one, held)
        assert with_data(one, frame(tmp_path)).data.text_column == "text", reader
    none = config.replace(**{"teacher.text": "none", "student.text": "none"})
    assert with_data(none, held).data.text_column is None
    assert with_data(none, frame(tmp_path)).data.text_column == "text"


def test_a_path_of_a_frame_column_names_a_whole_file(config: Config, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    for number in (0, 1, 7):
        with pytest.raises(DataError, match=r"row 0: .*frames"):
            with_data(config, frame(tmp_path, image=[f"{tmp_path}/a.png#frame={number}"] * 12))


def test_of_two_that_write_one_frame_the_later_one_takes_the_folder(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distune.api import frames

    real, root = frames._write_into, with_data(config, frame(tmp_path)).data.root
    shutil.rmtree(root)

    def beaten(folder: Path, *given: Any) -> None:
        real(folder, *given)
        shutil.copytree(folder, root)

    monkeypatch.setattr(frames, "_write_into", beaten)
    assert with_data(config, frame(tmp_path)).data.root == root
    assert sorted(path.name for path in root.parent.iterdir()) == [root.name]
    shutil.rmtree(root.parent)
    root.parent.write_text("taken")
    with pytest.raises(NotADirectoryError, match=root.name):
        with_data(config, frame(tmp_path))


def test_columns_that_the_config_names_are_those_of_the_frame(config: Config, tmp_path: Path) -> None:
    asked = config.replace(
        **{"data.reader": "csv", "data.image_column": "image", "data.text_column": "text",
           "data.label_columns": ["kind"], "data.tables": "elsewhere", "data.encoding": "cp1250", "data.root": "."}
    )  # fmt: skip
    found = with_data(asked, frame(tmp_path, more=list("xy" * 6))).data
    assert found.label_columns == ("kind",) and found.tables is None and found.encoding is None
    own = asked.replace(**{"data.image_column": "photo", "data.group_column": "ward"})
    renamed = frame(tmp_path).rename(columns={"image": "photo", "group": "ward"})
    of_own = with_data(own, renamed.assign(group="all", image="x")).data
    assert (of_own.image_column, of_own.group_column) == ("photo", "ward")
    assert distune.read_table(of_own).groups.count("p0") == 2
    assert set(with_data(config, frame(tmp_path, more=list("xy" * 6))).data.label_columns or ()) == {
        "kind",
        "more",
    }


def test_pictures_keep_their_depth_and_files_their_form(config: Config, tmp_path: Path) -> None:
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(tmp_path / "a.JPG")
    deep = np.full((4, 4), 40_000, np.uint16)
    images: list[Any] = [
        deep,
        Image.new("L", (4, 4), 7),
        str(tmp_path / "a.JPG"),
        *frame(tmp_path)["image"][3:],
    ]
    root = with_data(config, frame(tmp_path, image=images)).data.root
    names = sorted(path.suffix for path in (root / "images").iterdir())
    assert names == [".jpg", *[".png"] * 11]
    depths = set()
    for path in (root / "images").glob("*.png"):
        with Image.open(path) as opened:
            depths.add((opened.mode, np.asarray(opened).max().item()) if opened.mode != "RGB" else "RGB")
    assert depths == {"RGB", ("L", 7), ("I;16", 40_000)}
    with pytest.raises(DataError, match=r"row 0: .*float64"):
        with_data(config, frame(tmp_path, image=[np.zeros((4, 4)), *images[1:]]))
    without = frame(tmp_path, image=[None, *images[1:]])
    with pytest.raises(DataError, match="row 0: no image"):
        with_data(config, without)
    allowed = with_data(config.replace(**{"data.missing": "allow"}), without)
    assert distune.read_table(allowed.data).images.count("") == 1


@pytest.mark.slow
def test_a_study_that_is_there_is_opened_and_read(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    config = tiny_config()
    settings = StudySettings(base=config, space=build_space(config), dataset="sha256:0")
    storage = open_storage(f"sqlite:///{tmp_path / 's.db'}")
    made = open_study(storage, "s", settings)
    for number, score in enumerate((0.2, 0.7, 0.4)):
        about = {"overrides": {}, "folder": str(tmp_path / f"s/trials/{number}")}
        made.add_trial(optuna.trial.create_trial(value=score, user_attrs=about))
    storage.remove_session()
    storage.engine.dispose()
    (tmp_path / "s").mkdir()
    save_config(config.replace(seed=9), tmp_path / "s/best_config.yaml")
    for source in (tmp_path / "s", str(tmp_path / "s.db")):
        study = distune.Study.open(source)
        assert (study.name, study.folder, study.storage, study.reason) == ("s", tmp_path / "s", None, None)
        assert (study.best.number, study.best.value, study.best_config.seed) == (1, 0.7, 9)
        assert study.status().counts.complete == 3 and len(study.record.trials) == 3
        assert study.trials["value"].tolist() == [0.2, 0.7, 0.4]
    url = f"sqlite:///{tmp_path / 's.db'}"
    elsewhere = distune.Study.open("s", storage=url)
    assert (elsewhere.folder, elsewhere.storage) == (Path("logs/optuna/s").absolute(), url)
    assert elsewhere.best.number == 1 and elsewhere.status().counts.complete == 3
    assert [(one.name, one.dev) for one in distune.compare([study, elsewhere])] == [("s", 0.7)] * 2
    with pytest.raises(UserError, match="no such"):
        distune.Study.open(tmp_path / "none")
    empty = open_storage(f"sqlite:///{tmp_path / 'e.db'}")
    open_study(empty, "e", settings)
    empty.remove_session()
    empty.engine.dispose()
    with pytest.raises(UserError, match="no trial is complete"):
        _ = distune.Study.open(tmp_path / "e.db").best


def test_a_report_is_written_again_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("jinja2")
    from distune import reporting
    from distune.api.studies import refresh_report
    from distune.reporting import report

    written: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        report, "refresh_report", lambda place, folder, *, storage: written.append((place, folder, storage))
    )
    study = distune.Study("s", tmp_path, storage="sqlite:///s.db")
    refresh_report(study)
    (tmp_path / report.MARKDOWN_FILE).touch()
    monkeypatch.setattr(reporting, "installed", lambda: False)
    refresh_report(study)
    assert written == []
    monkeypatch.setattr(reporting, "installed", lambda: True)
    refresh_report(study)
    assert written == [("s", tmp_path, "sqlite:///s.db")]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("students", distune.Run(Path("r"), 0.5, {})),
        ("studies", distune.Study("s", Path("s"))),
        ("confirmations", Confirmation(Path("s"), "finished", {}, ("s", None))),
    ],
)
def test_what_was_trained_gives_its_predictor_on_the_device_that_is_asked(
    module: str, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        f"distune.api.{module}.load", lambda held, *, device: asked.append((held, device)) or "one"
    )
    assert source.predictor("cuda:1") == source.predictor() == "one"
    assert asked == [(source, "cuda:1"), (source, None)]


def test_load_and_the_mistakes_of_a_run(noted: Callable[..., Any], tmp_path: Path) -> None:
    loaded = noted("distune.prediction.load.load", "predictor")
    assert distune.load(distune.Run(tmp_path, None, {}), device="cpu") == "predictor"  # type: ignore[comparison-overlap]
    distune.load("s", storage="sqlite:///s.db")
    assert loaded == [
        {"source": tmp_path, "device": "cpu", "storage": None},
        {"source": "s", "device": None, "storage": "sqlite:///s.db"},
    ]
    pages = noted("distune.api.students.mistakes", tmp_path / "page.html")
    run = distune.Run(tmp_path, None, {})
    assert run.mistakes("p.html", split="test", overwrite=True) == tmp_path / "page.html"
    run.mistakes()
    assert pages == [
        {"source": run, "out": "p.html", "split": "test", "overwrite": True},
        {"source": run, "out": None, "split": "dev", "overwrite": False},
    ]


def test_the_status_is_that_of_the_study_in_its_database(noted: Callable[..., Any]) -> None:
    calls = noted("distune.tuning.status.read_status", "where it stands")
    study = distune.Study("s", Path("elsewhere"), storage="sqlite:///x.db")
    assert study.status() == "where it stands"  # type: ignore[comparison-overlap]
    assert calls == [{"name": "s", "storage": "sqlite:///x.db"}]


def test_studies_and_runs_are_compared_as_a_list(noted: Callable[..., Any], tmp_path: Path) -> None:
    compared = noted("distune.analysis.side_by_side.side_by_side", [])
    distune.compare([tmp_path / "r", "s", distune.Run(tmp_path, None, {})])
    assert list(compared[0].values()) == [[str(tmp_path / "r"), "s", str(tmp_path)]]
    for odd in ("ab", {"a"}, distune.Run(tmp_path, None, {})):
        with pytest.raises(UserError, match="sources"):
            distune.compare(odd)  # type: ignore[arg-type]


def test_a_data_frame_takes_the_place_of_the_config_s_data(
    noted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made, given = Config(seed=8), []
    for module in ("students", "studies"):
        monkeypatch.setattr(
            f"distune.api.{module}.with_data", lambda config, data: given.append(data) or made
        )
    monkeypatch.setattr("distune.api.studies.refresh_report", lambda study: None)

    @contextmanager
    def claimed(config: Config, *others: Any, **named: Any) -> Iterator[Path]:
        assert config is made
        yield tmp_path

    monkeypatch.setattr("distune.training.files.claim.claimed", claimed)
    runs = noted("distune.training.run.run", SimpleNamespace(score=None, results={}))
    studies = noted("distune.tuning.tune.tune", SimpleNamespace(study_name="s", folder=tmp_path, reason=None))
    assert distune.train(Config(), data="one").score is None
    assert distune.tune(Config(), data="other").reason is None
    assert given == ["one", "other"]
    assert runs[0]["config"] is made and studies[0]["request"].config.seed == 8


DEFAULTS: dict[str, dict[str, Any]] = {
    "audit": {}, "check": {"estimate": True}, "compare": {}, "confirm": {"top": 3, "seeds": 5},
    "evaluate": {"texts": None, "labels": None, "groups": None, "name": None, "root": None, "record": False},
    "export": {"out": None, "quantize": "none", "max_score_drop": None, "data_root": None, "storage": None},
    "init": {"out": None, "image": None, "text": None, "labels": (), "group": None, "seed": 42},
    "load": {"device": None, "storage": None}, "load_config": {"overrides": None},
    "mistakes": {"out": None, "split": "dev", "most": 12, "data_root": None, "overwrite": False, "storage": None},
    "read_table": {"check_images": True, "known": {}},
    "split": {"group": None, "image": None, "fractions": (0.7, 0.15, 0.15), "seed": 42},
    "train": {"data": None, "out": None, "test": False, "overwrite": False, "callback": None},
    "tune": {"n_trials": None, "data": None, "fork": None},
    "Run.mistakes": {"out": None, "split": "dev", "overwrite": False}, "Run.predictor": {"device": None},
    "Study.open": {"storage": None}, "Study.predictor": {"device": None},
    "Study.report": {"out": None, "examples": False, "checklist": None, "overwrite": False},
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_nobody_says_means_the_same_as_ever(name: str) -> None:
    function: Any = distune
    for part in name.split("."):
        function = getattr(function, part)
    parameters = inspect.signature(function).parameters
    assert {key: parameters[key].default for key in DEFAULTS[name]} == DEFAULTS[name]
    given = [key for key, one in parameters.items() if one.default is not one.empty]
    assert set(given) - set(DEFAULTS[name]) <= {"encoding"}
