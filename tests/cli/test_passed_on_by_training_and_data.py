"""What the commands that train, predict or make data are given reaches what they call."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from distune import reporting
from distune.cli.commands.predict import predict
from distune.cli.options import assigned, devices_of, listed, overrides, refuse
from distune.data.split import FRACTIONS
from distune.data.table import Task
from distune.errors import UserError
from distune.tuning.trials.messages import Failure
from distune.utils.files.sealed_files import read_sealed

Command = Callable[..., tuple[int, str, str]]


NUMBERS = "distune.cli.commands.confirm.print_numbers"


@pytest.mark.parametrize(
    ("reason", "code"), [("finished", 0), ("incomplete", 1), ("low_disk", 4), ("interrupted", 130)]
)
def test_confirm_passes_everything_on(distune: Command, called: Any, reason: str, code: int) -> None:
    result = SimpleNamespace(reason=reason, folder=Path("of/s"), numbers={})
    calls = called("distune.confirmation.confirm.confirm", result)
    printed = called(NUMBERS)
    refreshed = called("distune.reporting.report.refresh_report", [Path("x")])
    found, said, _ = distune("confirm", "s")
    assert found == code and bool(printed) == (reason in ("finished", "incomplete"))
    assert ("resumes it" in said) is (reason in ("low_disk", "interrupted"))
    assert refreshed == ([("s", Path("of/s"), {"storage": None})] if printed else [])
    assert ("of/s/report.md" in said) is bool(printed)
    options = (
        "--top 2 --seeds 7 --relevant-gain 0.05 --new-cases 9 --gpus cuda:0,cuda:1 --storage sqlite:///x.db "
        "--executor ray --ray-address h:1 --gpus-per-trial 0.5 --again --one-modality --subgroup-columns sex,age "
        "--data-root d --set training.threads=3"
    )
    assert distune("confirm", "s", *options.split())[0] == code
    plain, asked = (request for request, _ in calls)
    assert (plain.top, plain.seeds, plain.workers, plain.devices, plain.again) == (3, 5, 1, (), False)
    assert (asked.study, asked.top, asked.seeds, asked.relevant_gain, asked.new_cases) == ("s", 2, 7, 0.05, 9)
    assert (asked.devices, asked.workers, asked.storage) == (("cuda:0", "cuda:1"), 2, "sqlite:///x.db")
    assert (asked.executor, asked.ray_address, asked.gpus_per_trial) == ("ray", "h:1", 0.5)
    assert (asked.again, asked.one_modality, asked.data_root) == (True, True, Path("d"))
    assert (asked.subgroup_columns, asked.settings) == (("sex", "age"), {"training.threads": 3})
    assert distune("confirm", "s", "--workers", "4", "--gpu", "cpu")[0] == code
    assert (calls[-1][0].workers, calls[-1][0].devices) == (4, ("cpu",))
    for twice in ("--data-root d --set data.root=e", "--gpu cpu --set training.device=cpu"):
        assert distune("confirm", "s", *twice.split())[0] == 2
    assert distune("confirm", "s", "--set", "data.root=e")[0] == code


@pytest.mark.parametrize("has_test", [True, False])
def test_check_says_what_it_found_and_measures_unless_told_not_to(
    distune: Command, called: Any, has_test: bool
) -> None:
    Path("c.yaml").write_text("name: c\n")
    rows = {"train": range(6), "dev": range(3), "test": range(2 * has_test)}

    class Table(SimpleNamespace):
        def __len__(self) -> int:
            return 9 + 2 * has_test

    table = Table(
        rows=lambda split: rows.get(split, ()),
        tasks=(Task("kind", ("a", "b")),),
        notes=("semicolons",),
        dropped=("x.png: torn",),
    )
    estimate = SimpleNamespace(lines=lambda: ["a minute"])
    calls = called(
        "distune.setup.check.check", SimpleNamespace(table=table, estimate=estimate, remarks=("also",))
    )
    code, said, _ = distune("check", "c.yaml", "--data-root", "d", "--set", "seed=7")
    first, *lines = said.splitlines()
    assert code == 0 and first.startswith(
        "c.yaml: sound. 11 examples (" if has_test else "c.yaml: sound. 9 examples ("
    )
    assert ("6 train, 3 dev, 2 test)" in first) is has_test
    assert [line.strip() for line in lines] == [
        "task kind: a, b", *([] if has_test else ["this data set has no test split"]), "read: semicolons",
        "dropped on request: 1 bad example", "x.png: torn", "a minute", "also",
    ]  # fmt: skip
    assert distune("check", "c.yaml", "--no-estimate")[0] == 0
    (config, source, how), (_, _, plain) = calls
    assert (config.data.root, config.seed, source) == (Path("d"), 7, "c.yaml")
    assert (how, plain) == ({"estimates": True}, {"estimates": False})


def outcome(reason: str, failure: Failure | None = None) -> Any:
    summary = {"files": {"summary": "a.json"}}
    return SimpleNamespace(
        reason=reason, failure=failure, summary=summary, study_name="s", folder=Path("of/s")
    )


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [("finished", 0, ""), ("failed_alike", 1, "(crash): boom"), ("timeout", 3, "resumes it"),
     ("low_disk", 4, "resumes it"), ("interrupted", 130, "resumes it")],
)  # fmt: skip
def test_tune_ends_as_its_study_did(distune: Command, called: Any, reason: str, code: int, said: str) -> None:
    Path("c.yaml").write_text("study: {workers: 3, executor: ray, ray_address: 'h:1'}\n")
    failure = Failure("crash", "boom") if reason == "failed_alike" else None
    calls = called("distune.tuning.tune.tune", outcome(reason, failure))
    printed = called("distune.cli.tune_output.print_outcome")
    refreshed = called("distune.reporting.report.refresh_report", [Path("r.md")])
    found, _, err = distune("tune", "--config", "c.yaml")
    assert found == code and said in err and bool(err) is bool(said)
    assert printed == [({"files": {"summary": "a.json"}}, ["a.json", Path("r.md")], {})]
    assert refreshed == [(Path("of/s"), Path("of/s"), {"storage": None})]
    ((request, _),) = calls
    assert (request.config_path, request.fork, request.asked.workers) == ("c.yaml", None, 3)


def test_tune_lays_its_options_over_the_section(distune: Command, called: Any) -> None:
    Path("c.yaml").write_text("study: {workers: 3, executor: ray, ray_address: 'h:1', gpus_per_trial: 0.5}\n")
    calls = called("distune.tuning.tune.tune", outcome("finished"))
    called("distune.cli.tune_output.print_outcome")
    refreshed = called("distune.reporting.report.refresh_report", [])
    options = (
        "--executor local --gpus cuda:0,cuda:1 --fork f --seed 9 --data-root d --study-name s --storage sqlite:///x.db "
        "--keep-best 0 --set student.lr=0.5"
    )
    assert distune("tune", "--config", "c.yaml", *options.split())[0] == 0
    ((request, _),) = calls
    config, asked = request.config, request.asked
    assert (asked.executor, asked.ray_address, asked.gpus_per_trial, asked.gpus) == (
        "local",
        None,
        0.0,
        ("cuda:0", "cuda:1"),
    )
    assert (request.fork, asked.name, asked.storage, asked.keep_best) == ("f", "s", "sqlite:///x.db", 0)
    assert (config.seed, config.data.root, config.student.lr) == (9, Path("d"), 0.5)
    assert refreshed == [("s", Path("of/s"), {"storage": "sqlite:///x.db"})]
    said = "--executor local --set study.gpus_per_trial=0.25"
    assert distune("tune", "--config", "c.yaml", *said.split())[0] == 0
    assert calls[-1][0].asked.gpus_per_trial == 0.25, "the command's own word is not the config's"
    assert distune("tune", "--config", "c.yaml", "--gpu", "cpu", "--set", "training.device=cpu")[0] == 2


def test_a_report_that_cannot_be_written_is_said_and_the_study_is_kept(
    distune: Command, called: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.yaml").write_text("name: own\n")
    monkeypatch.setattr(reporting, "installed", lambda: False)
    called("distune.tuning.tune.tune", outcome("finished"))
    called("distune.cli.tune_output.print_outcome")
    code, _, err = distune("tune", "--config", "c.yaml")
    assert code == 0 and reporting.INSTALL in err
    called(
        "distune.confirmation.confirm.confirm",
        SimpleNamespace(reason="finished", folder=Path("s"), numbers={}),
    )
    called(NUMBERS)
    code, _, err = distune("confirm", "s")
    assert code == 0 and reporting.INSTALL in err


class Predictor:
    """Answers everything alike, and notes what it was asked."""

    tasks = (Task("type", ("a", "b", "c")),)
    model = SimpleNamespace(modalities=("image", "text"))

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.problems: list[str] = []

    def predict_proba(self, image: Any, text: Any) -> dict[str, Any]:
        self.asked.append((image, text))
        return {"type": np.array([[0.2, 0.7, 0.1]])}

    def predict_table(self, table: Path, root: Path, *, on_progress: Any) -> Any:
        self.asked.append((table, root))
        written = self.asked.append
        return SimpleNamespace(
            ids=["x", "y"], problems=self.problems,
            write=lambda out, *, overwrite: written((out, overwrite)),
        )  # fmt: skip

    def evaluate(self, data: Path, *, root: Any, record: bool, on_progress: Any) -> dict[str, Any]:
        self.asked.append((data, root, record))
        classes = {"a": {"support": 2, "recall": 0.5, "recall_interval": [0.1, 0.9]},
                   "b": {"support": 0, "recall": None, "recall_interval": None}}  # fmt: skip
        task = {"macro_f1": 0.6, "interval": None, "accuracy": 0.7, "calibration_error": 0.1, "log_loss": 0.4,
                "classes": classes, "score": {"name": "auroc", "value": 0.9, "interval": [None, None]}}  # fmt: skip
        return {"data": "d", "examples": 4, "cases": 3, "score": 0.6, "interval": [0.5, 0.7], "tasks": {"type": task},
                "new": None if len(self.asked) == 1 else 4, "recorded": "r.json"}  # fmt: skip


@pytest.fixture
def predictor(called: Any) -> Predictor:
    found = Predictor()
    called("distune.prediction.load.load", found)
    return found


def test_predict_shows_the_most_probable_first(distune: Command, predictor: Predictor) -> None:
    code, said, _ = distune("predict", "run", "--image", "x.png", "--text", "t")
    assert code == 0 and said == "type: b\n  0.7000  b\n  0.2000  a\n  0.1000  c\n"
    assert predictor.asked == [(Path("x.png"), "t")]
    assert distune("predict", "run", "--text", "t")[0] == 0 and predictor.asked[1] == (None, "t")


def test_images_lie_beside_their_table_and_answers_replace_no_input(
    predictor: Predictor, called: Any
) -> None:
    checked = called("distune.prediction.answers.check_answers_file")
    predict("run", table=Path("t/a.csv"), out=Path("o.csv"))
    assert predictor.asked[0] == (Path("t/a.csv"), Path("t"))
    assert checked == [(Path("o.csv"), {"inputs": [Path("t/a.csv"), Path("run")], "overwrite": False})]


@pytest.mark.slow
def test_predict_passes_a_table_on_and_lists_what_could_not_be_read(
    distune: Command, predictor: Predictor, called: Any
) -> None:
    checked = called("distune.prediction.answers.check_answers_file")
    loaded = called("distune.prediction.load.load", predictor)
    code, said, err = distune("predict", "run", "--csv", "t/a.csv", "--out", "o.csv")
    assert code == 0 and "predicted 2 of 2 examples" in said and said.endswith("wrote o.csv\n") and not err
    assert predictor.asked == [(Path("t/a.csv"), Path("t")), (Path("o.csv"), False)]
    seconds, _, rate = said.partition(" in ")[2].partition(" s (")
    assert float(seconds) < 30 and float(rate.partition(" ")[0]) > 2 / 30
    predictor.problems = [f"row {number}" for number in range(21)]
    options = "--csv t/a.csv --out o.csv --data-root d --overwrite --gpu cpu --storage sqlite:///x.db"
    code, said, err = distune("predict", "run", *options.split())
    assert code == 1 and "predicted 2 of 23 examples" in said
    assert (
        err.splitlines()[0] == "21 rows could not be read:"
        and err.splitlines()[-1].strip() == "... and 1 more"
    )
    assert predictor.asked[2:] == [(Path("t/a.csv"), Path("d")), (Path("o.csv"), True)]
    assert loaded[1] == ("run", {"device": "cpu", "storage": "sqlite:///x.db"})
    inputs = {"inputs": [Path("t/a.csv"), Path("run")]}
    assert [named for _, named in checked] == [{**inputs, "overwrite": flag} for flag in (False, True)]
    for words in (
        (),
        ("--csv", "a.csv"),
        ("--csv", "a.csv", "--text", "t", "--out", "o"),
        ("--text", "t", "--out", "o"),
    ):
        assert distune("predict", "run", *words)[0] == 2


def test_evaluate_reads_a_table_or_all_of_a_data_set(
    distune: Command, predictor: Predictor, called: Any
) -> None:
    loaded = called("distune.prediction.load.load", predictor)
    options = ("--gpu", "cpu", "--storage", "sqlite:///x.db")
    assert distune("evaluate", "run", "--data-root", "d", *options)[0] == 0
    assert loaded == [("run", {"device": "cpu", "storage": "sqlite:///x.db"})]
    predictor.asked.clear()
    code, said, _ = distune("evaluate", "run", "--data-root", "d")
    assert code == 0 and "not compared with the data" in said and said.endswith("recorded in r.json\n")
    lines = said.splitlines()
    assert lines[0] == "external data: d, 4 examples of 3 patients or cases"
    assert lines[1].startswith("score 0.6000 [0.5000, 0.7000]") and lines[2].endswith(" 0.9000")
    assert "macro F1 0.6000, accuracy 0.7000, calibration error 0.1000, log loss 0.4000" in lines[3]
    assert "recall 0.5000 [0.1000, 0.9000]  2 examples" in lines[4] and lines[4].split()[0] == "a"
    code, said, _ = distune("evaluate", "run", "--data-root", "d", "--csv", "t.csv")
    assert code == 0 and "not compared" not in said
    assert predictor.asked == [(Path("d"), None, True), (Path("t.csv"), Path("d"), True)]
    Path("folder").mkdir()
    assert distune("evaluate", "run", "--data-root", "d", "--csv", "folder")[0] == 2


def test_init_passes_everything_on_and_says_what_comes_next(distune: Command, called: Any) -> None:
    task = Task("type", ("a", "b"))
    made = SimpleNamespace(
        form="a semicolon", columns=[SimpleNamespace(name="id", role="group", why="by name")], splits="60/20/20",
        table=SimpleNamespace(tasks=[task]), encoders="tiny", remarks=["few"], config=Path("my data/c.yaml"),
    )  # fmt: skip
    calls = called("distune.setup.init.prepare", made)
    called("distune.setup.init.default_folder", Path("named"))
    code, said, _ = distune("init", "t.csv")
    assert code == 0 and "read a semicolon" in said and "type: 2 classes" in said and "note      few" in said
    assert "distune tune --config 'my data/c.yaml'" in said
    options = "--image i --text t --labels a,b --group g --out o --seed 7 --encoding cp1250"
    assert distune("init", "t.csv", *options.split())[0] == 0
    (_, folder, plain, how), (_, chosen, wishes, given) = calls
    assert (folder, how, plain.image, plain.labels) == (
        Path("named"),
        {"seed": 42, "encoding": None},
        None,
        (),
    )
    assert (chosen, given) == (Path("o"), {"seed": 7, "encoding": "cp1250"})
    assert (wishes.image, wishes.text, wishes.labels, wishes.group) == ("i", "t", ("a", "b"), "g")


def test_split_passes_everything_on(distune: Command, called: Any) -> None:
    images = SimpleNamespace(column="image", linked=3, copied=1, missing=2)
    calls = called("distune.setup.image_links.split_whole", ({"train": {"a": 1}}, images))
    code, said, _ = distune("data", "split", "t/m.csv", "--labels", "a,b")
    assert code == 0 and "3 image files linked, 1 copied, 2 cells" in said
    assert said.startswith("train: {'a': 1}")
    assert calls == [
        (Path("t/m.csv"), Path("t"), {"label_columns": ("a", "b"), "group_column": None, "image_column": None,
                                      "fractions": FRACTIONS, "seed": 42, "encoding": None})
    ]  # fmt: skip
    called("distune.setup.image_links.split_whole", ({}, None))
    assert (
        "no column names image files" in distune("data", "split", "t/m.csv", "--labels", "a", "--out", "o")[2]
    )
    assert distune("data", "split", "t/m.csv", "--labels", "a", "--out", "t")[2] == ""
    options = "--labels a --out o --group g --image i --fractions 0.5 0.3 0.2 --seed 7 --encoding cp1250"
    calls = called("distune.setup.image_links.split_whole", ({}, images))
    assert distune("data", "split", "t/m.csv", *options.split())[0] == 0
    assert calls == [
        (Path("t/m.csv"), Path("o"), {"label_columns": ("a",), "group_column": "g", "image_column": "i",
                                      "fractions": (0.5, 0.3, 0.2), "seed": 7, "encoding": "cp1250"})
    ]  # fmt: skip


def test_demo_writes_what_is_asked_for(distune: Command, called: Any) -> None:
    slices, wound = (called(f"distune.data.demo.demo.{name}") for name in ("write_demo", "write_wound_demo"))
    code, said, _ = distune("data", "demo")
    assert code == 0 and "distune tune --config" in said
    assert "tune" not in distune("data", "demo", "w", "--kind", "wound", "--seed", "7")[1]
    assert (slices, wound) == (
        [(Path("data/demo"), 42, {"with_config": True})],
        [(Path("w"), 7, {})],
    )
    assert distune("data", "demo", "--kind", "other")[0] == 2


def test_an_audit_is_written_over_no_file_of_its_data(distune: Command) -> None:
    Path("c.yaml").write_text("data: {root: a}\n")
    Path("a").mkdir()
    Path("a/table.json").write_text("{}")
    code, _, err = distune("audit", "c.yaml", "--out", "a/table.json", "--overwrite", "--set", "seed=5")
    assert code == 2 and "read here" in err


@pytest.mark.slow
def test_audit_and_check_look_at_the_data_that_is_asked_for(distune: Command, called: Any) -> None:
    Path("c.yaml").write_text("data: {root: a}\n")
    report = SimpleNamespace(to_dict=lambda: {"findings": [], "sections": []})
    read = called("distune.data.read_table", "table")
    called("distune.data.audit.audit.audit", report)
    called("distune.cli.audit_output.print_audit")
    held = nullcontext(SimpleNamespace(data="its data"))
    looked_at = called("distune.data.demo.demo.without_writing", held)
    assert distune("audit", "c.yaml", "--data-root", "d", "--set", "seed=5")[0] == 0
    assert [config.data.root for config, _ in looked_at] == [Path("d")] and read == [("its data", {})]
    assert distune("audit", "c.yaml", "--out", "o/a.json")[1].endswith("wrote o/a.json\n")
    whole = Path("o/a.json").read_text()
    assert read_sealed(Path("o/a.json")) == {
        "config": str(Path("c.yaml").resolve()), "data": str(Path("a").resolve()), "findings": [], "sections": []
    }  # fmt: skip
    assert distune("audit", "c.yaml", "--out", "o/a.json")[0] == 0, "its own file is replaced"
    shutil.copy("c.yaml", "d.yaml")
    for other in (("d.yaml",), ("c.yaml", "--data-root", "a2")):
        assert distune("audit", *other, "--out", "o/a.json")[0] == 2, "of other data"
    for there in ("{}", f"{whole}my notes\n", whole.replace("[]", '["mine"]', 1)):
        Path("o/b.json").write_text(there)
        assert (
            distune("audit", "c.yaml", "--out", "o/b.json")[0] == 2 and Path("o/b.json").read_text() == there
        )
    assert distune("audit", "c.yaml", "--out", "o/b.json", "--overwrite")[0] == 0
    assert distune("audit", "c.yaml", "--overwrite")[0] == 2


def test_what_options_mean() -> None:
    assert listed("--x", None) == () and listed("--x", " a,b ") == ("a", "b")
    for nothing in ("", " , "):
        with pytest.raises(UserError, match="--x"):
            listed("--x", nothing)
    refuse("why", {"--a": None, "--b": False})
    for given, named in (
        ({"--a": 0, "--b": None}, "--a: why; leave it"),
        ({"--a": "", "--b": True}, "--a and --b: why; leave them"),
    ):
        with pytest.raises(UserError, match=named):
            refuse("why", given)
    assert (
        devices_of(None, ()) == ()
        and devices_of("cpu", ()) == ("cpu",)
        and devices_of(None, ("a", "b")) == ("a", "b")
    )
    with pytest.raises(UserError, match="--gpu"):
        devices_of("cpu", ("cuda:0",))
    assert overrides() == {} and overrides(seed=0, data_root=Path("d"), device="cpu") == {
        "data.root": "d", "seed": 0, "training.device": "cpu",
    }  # fmt: skip
    assert overrides(teacher_epochs=2, student_epochs=3) == {"teacher.epochs": 2, "student.epochs": 3}
    assert assigned(["a.b=0.5", " c = [1, 2]", "d="]) == {"a.b": 0.5, "c": [1, 2], "d": None}
    assert assigned(["a=1", "a=1"]) == {"a": 1} and assigned(None) == {}
    for twice in (["a=1", "a=2"], ["a=1", "a.b=2"], ["a.b.c=1", "a.b=2"]):
        with pytest.raises(UserError, match="twice"):
            assigned(twice)
    with pytest.raises(UserError, match="the option for a"):
        assigned(["a.b=1"], ["a"])
    assert assigned(["ab=1"], ["a"]) == {"ab": 1}
    for none in ("a", "=1", "a=[", " =1"):
        with pytest.raises(UserError):
            assigned([none])
