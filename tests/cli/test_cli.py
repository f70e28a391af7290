from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from distune.cli import app
from distune.config import Config, dump_config, load_config

ROOT = Path(__file__).parents[2]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config_file(tiny_config: Callable[..., Config], tiny_space: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_config(tiny_config(search_space=tiny_space)))
    (tmp_path / "plain.yaml").write_text("name: plain\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", [["-m", "distune"], ["experiments/run.py"], ["tools/run_optuna_tuning.py"]], ids=str
)
def test_every_door_answers_help_at_once_without_heavy_imports(script: list[str]) -> None:
    watch = "import sys; sys.argv = sys.argv[1:]; import runpy; "
    run = (
        "runpy.run_module('distune', run_name='__main__')"
        if script[0] == "-m"
        else (f"runpy.run_path({script[0]!r}, run_name='__main__')")
    )
    check = (
        f"{watch}\ntry:\n    {run}\nfinally:\n"
        "    print('HEAVY', sorted({'torch', 'transformers', 'optuna', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, "x", "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert "HEAVY []" in done.stdout


@pytest.mark.slow
def test_train_prints_scores_and_names_the_folder(distune: Command, config_file: Path) -> None:
    code, out, _ = distune("train", config_file, "--out", "run")
    assert code == 0
    assert "test: left shut" in out
    assert "wrote run" in out
    results = json.loads(Path("run/results.json").read_text())
    assert f"dev  score {results['score']:.4f}" in out
    assert "trained before" not in out
    _, out, _ = distune("train", config_file, "--out", "other", "--student-epochs", "1")
    epochs = [line for line in out.splitlines() if "dev score" in line]
    assert [line.split()[0] for line in epochs] == ["teacher", "teacher", "student"]
    assert [line.endswith("trained before") for line in epochs] == [True, True, False]


@pytest.mark.slow
def test_train_says_that_there_is_no_test_split(
    distune: Command, tiny_config: Callable[..., Config], demo_root: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(demo_root, tmp_path / "data")
    for file in root.glob("splitted_dataset/*test*"):
        file.unlink()
    (tmp_path / "c.yaml").write_text(dump_config(tiny_config()))
    code, out, _ = distune("train", "c.yaml", "--data-root", root, "--student-epochs", "1")
    assert code == 0
    assert "no test split" in out
    folder = next(Path("logs/runs").glob("tiny_*"))
    assert load_config(folder / "config.yaml").student.epochs == 1


BAD = {
    "missing file": (["train", "none.yaml"], "none.yaml: there is no such file"),
    "unknown key": (["check", "bad.yaml"], "teacher.fusion_dims: unknown key (did you mean fusion_dim?)"),
    "missing data": (["check", "tiny.yaml", "--data-root", "nowhere"], "nowhere"),
    "unknown device": (
        ["train", "tiny.yaml", "--gpu", "gpu7"],
        "invalid device 'gpu7'",
    ),
    "absent device": (["train", "tiny.yaml", "--gpu", "cuda:7"], "device cuda:7 is not on this machine"),
    "unknown study": (["report", "no_such_study"], "there is no such study"),
    "nothing to report": (["report"], "report needs a study or --from-csv"),
    "examples of a table": (["report", "--from-csv", "t.csv", "--examples"], "--examples"),
    "a storage of a table": (["report", "--from-csv", "t.csv", "--storage", "sqlite:///x.db"], "--storage"),
    "unknown demo": (["data", "demo", "--kind", "x"], "'x' is unknown; use slices or wound"),
    "unknown parameter": (
        ["tune", "--config", "tiny.yaml", "--only", "alpha,tau"],
        "tau",
    ),
    "devices for Ray": (
        ["tune", "--config", "tiny.yaml", "--executor", "ray", "--gpus", "cuda:0,cuda:1"],
        "gpus: cuda:0,cuda:1; Ray itself",
    ),
    "unknown on-oom": (
        ["tune", "--config", "tiny.yaml", "--on-oom", "retyr"],
        "study.on_oom: input should be 'fail' or 'retry' (did you mean retry?)",
    ),
    "unknown strategy": (
        ["tune", "--config", "tiny.yaml", "--strategy", "x"],
        "study.strategy: input should be 'joint' or 'staged'",
    ),
    "no ranges": (["tune", "--config", "tiny.yaml", "--space", "plain.yaml"], "has no search_space section"),
    "no start": (["tune", "--config", "tiny.yaml", "--start-from", "none.yaml"], "there is no such file"),
    "unknown encoder": (["check", "encoder.yaml"], "efficientnet-lite0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_exit_code_2_and_no_traceback(
    distune: Command, config_file: Path, case: str
) -> None:
    arguments, expected = BAD[case]
    Path("bad.yaml").write_text(yaml.safe_dump({"teacher": {"fusion_dims": 3}}))
    raw = yaml.safe_load(config_file.read_text())
    raw["student"]["vision"] = "efficientnet-lite9"
    Path("encoder.yaml").write_text(yaml.safe_dump(raw))
    code, out, err = distune(*arguments)
    assert code == 2
    assert expected in err
    assert "Traceback" not in out + err


@pytest.mark.slow
def test_check_lists_encoders_and_data_together(distune: Command, config_file: Path, demo_root: Path) -> None:
    root = shutil.copytree(demo_root, Path("data"))
    victims = sorted((root / "images").iterdir())[:2]
    victims[0].unlink()
    victims[1].write_bytes(b"\x89PNG torn")
    raw = yaml.safe_load(config_file.read_text())
    raw["data"]["root"] = str(root)
    raw["student"]["text"] = "tiny-txt"
    config_file.write_text(yaml.safe_dump(raw))
    code, _, err = distune("check", config_file)
    assert code == 2
    assert "3 problems" in err
    assert "student.text" in err and "tiny-text" in err
    assert all(victim.name in err or victim.stem in err for victim in victims)


@pytest.mark.slow
def test_check_of_a_sound_config(distune: Command, config_file: Path) -> None:
    code, out, _ = distune("check", config_file)
    assert code == 0
    assert "sound. 80 examples" in out
    assert "task modality: CT, MR" in out


@pytest.mark.slow
def test_check_counts_the_rows_without_labels_too(distune: Command, config_file: Path) -> None:
    code, out, _ = distune("check", config_file, "--no-estimate", "--set", "data.label_fraction=0.5")
    counts = re.search(r"sound\. 80 examples \((.*)\)", out)
    assert code == 0 and counts is not None and " unlabelled" in counts[1]
    assert sum(int(number) for number in re.findall(r"\d+", counts[1])) == 80


@pytest.mark.slow
def test_check_says_how_a_table_was_read(distune: Command, config_file: Path) -> None:
    rows = [[f"{n}.png", "ab"[n % 2], f"P{n // 2}", f"text {n}"] for n in range(12)]
    rows[1][2], rows[2][1] = "P0 ", "N/A"
    for n in range(12):
        cv2.imwrite(f"{n}.png", np.full((8, 8), 20 * n, np.uint8))
    for split, mine in (("train", rows[:8]), ("dev", rows[8:])):
        body = "".join(";".join(row) + "\n" for row in [["image", "grade", "patient", "text"], *mine])
        Path(f"metadata_{split}.csv").write_text(body)
    raw = yaml.safe_load(config_file.read_text())
    raw["data"] = {
        "reader": "csv", "root": ".", "image_column": "image", "text_column": "text", "label_columns": ["grade"],
        "group_column": "patient", "missing": "allow", "max_tokens": 16,
    }  # fmt: skip
    config_file.write_text(yaml.safe_dump(raw))
    code, out, err = distune("check", config_file, "--no-estimate")
    assert code == 0, err
    read = [line for line in out.splitlines() if line.startswith("  read: ")]
    assert any("semicolons" in line for line in read)
    assert any("label grade: 1 " in line for line in read)
    assert any("'P0', 'P0 ' as 'P0'" in line for line in read)


@pytest.mark.slow
def test_demo_data_and_cache_commands(distune: Command, config_file: Path) -> None:
    assert distune("data", "demo", "slices")[0] == 0
    assert Path("slices/images").is_dir()
    assert distune("data", "demo", "wounds", "--kind", "wound")[0] == 0
    assert Path("wounds/metadata_train.csv").is_file()
    assert distune("train", config_file, "--out", "run")[0] == 0
    code, out, _ = distune("cache", "list")
    assert code == 0
    assert "teacher/" in out and "images/" in out
    assert "0 are not" in distune("cache", "verify")[1]
    assert "removed 4 entries" in distune("cache", "clear")[1]


def test_split_makes_three_files(distune: Command) -> None:
    rows = [f"{n}.png,{'ab'[n % 2]},case{n // 2},text" for n in range(60)]
    Path("metadata.csv").write_text("\n".join(["file_path,type,case,description", *rows]) + "\n")
    code, out, _ = distune("data", "split", "metadata.csv", "--labels", "type", "--group", "case")
    assert code == 0
    counts = [
        len(Path(f"metadata_{split}.csv").read_text().splitlines()) - 1 for split in ("train", "dev", "test")
    ]
    assert sum(counts) == 60 and min(counts) > 3
    assert "wrote" in out


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_tune_in_stages_from_a_best_config_and_its_best_config_trains(
    distune: Command, tiny_config: Callable[..., Config], own_cache: Path
) -> None:
    start = tiny_config(student__fusion="gated", distillation__alpha=0.5, data__max_tokens=8)
    Path("start.yaml").write_text(dump_config(start))
    dims = {"type": "categorical", "choices": [8, 16]}
    ranges = {"teacher_fusion_dim": dims, "alpha": {"type": "float", "low": 0.5, "high": 0.7}}
    Path("space.yaml").write_text(yaml.safe_dump({"search_space": ranges}))
    Path("tiny.yaml").write_text(dump_config(tiny_config(teacher__epochs=1, student__epochs=1)))
    code, out, err = distune(
        "tune", "--config", "tiny.yaml", "--n-trials", "7", "--gpu", "cpu", "--study-name", "s",
        "--strategy", "staged", "--sampler", "random", "--pruner", "none", "--space", "space.yaml",
        "--start-from", "start.yaml", "--only", "teacher_fusion_dim,teacher_dropout,alpha",
    )  # fmt: skip
    assert code == 0, err
    assert "teachers: 5/5 trials" in out and "students: 2/2 trials" in out
    folder = Path("logs/optuna/s")
    summary = json.loads((folder / "study_summary.json").read_text())
    assert summary["strategy"] == "staged" and summary["teacher_study"]["complete"] == 5
    results = json.loads((Path(summary["best"]["folder"]) / "results.json").read_text())
    chosen = summary["teachers"][summary["best"]["params"]["teacher"]]
    assert results["teacher"]["splits"]["dev"]["score"] == chosen["score"]
    assert len(list((own_cache / "teacher").iterdir())) == 5  # each teacher was trained once
    best = load_config(folder / "best_config.yaml")
    assert (best.student.fusion, best.data.max_tokens) == ("gated", 16)
    assert 0.5 <= best.distillation.alpha <= 0.7
    assert distune("train", folder / "best_config.yaml", "--out", "run", "--no-test")[0] == 0
    report = (folder / "report.md").read_text()
    assert "Strategy: staged: " in report
    assert f"| **{best.teacher.dropout:.3f}** |" in report  # the chosen teacher's own values


@pytest.fixture(scope="module")
def tuned(tiny_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a study `s` of three trials, and what the command printed; tests copy the study."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DISTUNE_CACHE", str(folder / "cache"))
        Path("tiny.yaml").write_text(dump_config(tiny_config()))
        done = CliRunner().invoke(app, [
            "tune", "--config", "tiny.yaml", "--n-trials", "3", "--gpu", "cpu", "--study-name", "s",
            "--teacher-epochs", "1", "--student-epochs", "2", "--sampler", "random", "--pruner", "none",
            "--only", "alpha,beta,T",
        ])  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.fixture
def study(tuned: tuple[Path, str], distune: Command) -> str:
    """What the command printed that made the study `s` of this folder."""
    folder, printed = tuned
    shutil.copytree(folder / "logs", "logs")
    return printed


@pytest.mark.slow
def test_tune_writes_everything_and_its_best_config_trains(distune: Command, study: str) -> None:
    folder = Path("logs/optuna/s")
    for name in ("best_config.yaml", "study_summary.json", "report.md", "study.log", "trials/trial_0002"):
        assert (folder / name).exists(), name
        assert str(folder / name.split("/")[0]) in study
    assert Path("logs/optuna/s.db").exists()
    summary = json.loads((folder / "study_summary.json").read_text())
    assert summary["trials"]["finished"] == 3
    best = load_config(folder / "best_config.yaml")
    assert (best.teacher.epochs, best.student.epochs) == (1, 2)
    code, *_ = distune("train", folder / "best_config.yaml", "--out", "again", "--no-test")
    assert code == 0
    assert json.loads(Path("again/results.json").read_text())["score"] == summary["best"]["value"]
    first = rf"\| 1 \| {summary['best']['number']}(?: \(base\))? \| \*\*{summary['best']['value']:.4f}\*\* \|"
    assert re.search(first, (folder / "report.md").read_text())


@pytest.mark.slow
def test_status_of_a_finished_study(distune: Command, study: str) -> None:
    for name in ("s", "logs/optuna/s"):
        code, out, _ = distune("status", name)
        assert code == 0
        assert "3 complete, 0 pruned; 0 failed" in out
        assert "ended     finished" in out
    code, _, err = distune("status", "t")
    assert code == 2 and "t.db" in err


@pytest.mark.slow
def test_compare_sorts_runs_and_studies_and_warns_of_different_data(
    distune: Command, config_file: Path, demo_root: Path, study: str
) -> None:
    distune("train", config_file, "--out", "first", "--test")
    root = shutil.copytree(demo_root, Path("other"))
    dropped = next(iter((root / "splitted_dataset").glob("descriptions_train*")))
    dropped.write_text("\n".join(dropped.read_text().splitlines()[:-1]) + "\n")
    distune("train", config_file, "--out", "second", "--data-root", root, "--no-test")
    code, out, _ = distune("compare", "first", "s")
    score = json.loads(Path("first/results.json").read_text())
    assert code == 0
    assert f"{score['score']:.4f}" in out and f"{score['splits']['test']['score']:.4f}" in out
    assert "different data" not in out
    lines = distune("compare", "second", "first")[1].splitlines()
    scores = [float(line.split()[2]) for line in lines[1:3]]
    assert scores == sorted(scores, reverse=True)
    assert "cannot be compared" in lines[-1]
    assert distune("compare", "nothing")[0] == 2
