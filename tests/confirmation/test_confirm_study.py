from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np
import pytest
from confirmation_helpers import config_on, numbers_of, request_for, timeless, write_study
from typer.testing import CliRunner

from distune.cli import app, run_command
from distune.cli.commands.confirm import print_numbers
from distune.config import load_config, with_values
from distune.confirmation.candidates import confirmation_seeds
from distune.confirmation.confirm import confirm
from distune.confirmation.evaluation import Evaluation
from distune.confirmation.statistics.files import CONDITIONS, FOLDER, MARKER, PLAN, read_plan
from distune.data import read_table
from distune.data.fingerprint import table_fingerprint
from distune.errors import UserError
from distune.training.files.prediction_files import write_predictions
from distune.training.files.run_folder import OPENINGS, openings, read_results, write_results
from distune.training.student import load_student
from distune.tuning.coordinator.retention import folder_name
from distune.utils.files.sealed_files import read_sealed
from tests.forked import Forked

pytestmark = pytest.mark.slow

NewStudy = Callable[..., Path]
ENTRANTS = ("trial_0001", "trial_0002", "base", "trial_0001_student_alone", "trial_0001_teacher")
BASELINES = ("majority", "text_tfidf", "features_image_text", "features_image", "features_text")


def runs_of(file: Path) -> list[Path]:
    return sorted(file.with_suffix("").glob("confirmation/*/seed_*"))


def written(file: Path) -> dict[str, int]:
    """When each run that has ended wrote its results."""
    ended = [run / "results.json" for run in runs_of(file) if (run / "results.json").exists()]
    return {f"{path.parent.parent.name}/{path.parent.name}": path.stat().st_mtime_ns for path in ended}


def test_every_contender_is_trained_with_every_seed_and_evaluated_on_dev_and_test(finished: Path) -> None:
    numbers, seeds = numbers_of(finished), list(confirmation_seeds(11, 2))
    assert list(numbers["contenders"]) == [*ENTRANTS, *BASELINES]
    assert numbers["seeds"] == seeds and len(set(seeds)) == 2 and 3 not in seeds
    for name in ENTRANTS:
        about = numbers["contenders"][name]
        assert about["seeds"] == seeds and not about["missing"]
        for split in ("dev", "test"):
            folders = [finished.with_suffix("") / "confirmation" / name / f"seed_{seed}" for seed in seeds]
            assert all((folder / f"predictions_{split}.csv").is_file() for folder in folders)
            assert set(about["splits"][split]["conditions"]) == set(CONDITIONS)
        configs = [load_config(folder / "config.yaml") for folder in folders]
        assert [config.seed for config in configs] == seeds
        results = [json.loads((folder / "results.json").read_text()) for folder in folders]
        # What the run itself computed, while it had no look at the test split.
        assert about["splits"]["dev"]["scores"] == pytest.approx(
            [each["score"] for each in results], abs=1e-9
        )
        assert {each["test_split"] for each in results} == {"shut"}
        assert [set(each["splits"]) for each in results] == [{"dev"}, {"dev"}]
    assert numbers["split"] == "test" and not numbers["optimistic"] and numbers["complete"]


def test_the_plan_says_what_was_asked_and_what_was_trained(finished: Path, demo_root: Path) -> None:
    folder, base = finished.with_suffix("") / "confirmation", config_on(demo_root)
    plan, table = read_plan(folder), read_table(base.data, check_images=False)
    numbers, seeds = numbers_of(finished), list(confirmation_seeds(11, 2))
    asked = {
        name: plan[name] for name in ("study", "top", "seeds", "study_seed", "searched", "folds", "new_cases")
    }
    assert asked == {
        "study": "tiny_study", "top": 2, "seeds": seeds, "study_seed": 11, "searched": 3, "folds": None,
        "new_cases": None,
    }  # fmt: skip
    assert (plan["relevant_gain"], plan["power_before"], plan["may_lack"]) == (0.01, None, False)
    assert plan["data_fingerprint"] == table_fingerprint(table) == numbers["data_fingerprint"]
    assert plan["asked"] == [task.as_plain() for task in table.tasks]
    assert (plan["opening"]["number"], plan["failures"]) == (1, [])
    about = [
        (e["name"], e["kind"], e["trial"], e["rank"], e["is_base"], e["search_score"])
        for e in plan["contenders"]
    ]
    assert about == [
        ("trial_0001", "trial", 1, 1, False, 0.7),
        ("trial_0002", "trial", 2, 2, False, 0.6),
        ("base", "base", 0, None, True, 0.5),
        ("trial_0001_student_alone", "student_alone", None, None, False, None),
        ("trial_0001_teacher", "teacher", None, None, False, None),
    ]
    for each in plan["contenders"]:
        results = read_results(folder / each["name"] / f"seed_{seeds[0]}") or {}
        assert each["parameters"] == results["parameters"] and each["missing"] == []
    assert plan["contenders"][-1]["parameters"] != plan["contenders"][0]["parameters"]
    tasks = {task.name for task in table.tasks}
    assert [each["name"] for each in plan["baselines"]] == list(BASELINES)
    for each in plan["baselines"]:
        assert each["settings"].keys() == tasks
        kept = read_sealed(folder / "baselines" / each["name"] / MARKER)
        assert (kept["opening"], kept["splits"]) == (1, ["dev", "test"]) and kept["made_from"]
    for run in runs_of(finished):
        assert read_sealed(run / MARKER)["splits"] == ["dev", "test"]


def runs_with_weights(file: Path) -> set[str]:
    folder = file.with_suffix("") / "confirmation"
    return {f"{path.parent.parent.name}/{path.parent.name}" for path in folder.rglob("*.safetensors")}


def test_the_recommended_config_alone_keeps_its_weights(finished: Path) -> None:
    numbers = numbers_of(finished)
    chosen = numbers["recommendation"]["contender"]
    assert runs_with_weights(finished) == {f"{chosen}/seed_{seed}" for seed in numbers["seeds"]}
    folder = finished.with_suffix("") / "confirmation" / chosen / f"seed_{numbers['seeds'][0]}"
    assert load_student(folder)[1].seed == numbers["seeds"][0]


def test_contenders_train_what_their_names_say(finished: Path) -> None:
    folder, seed = finished.with_suffix("") / "confirmation", confirmation_seeds(11, 2)[0]
    config = {name: load_config(folder / name / f"seed_{seed}" / "config.yaml") for name in ENTRANTS}
    best = config["trial_0001"]
    assert (best.student.lr, config["trial_0002"].student.lr, config["base"].student.lr) == (8e-3, 1e-3, 4e-3)
    assert config["trial_0001_student_alone"] == with_values(best, {"distillation.loss": "none"})
    teacher = config["trial_0001_teacher"]
    assert teacher.student.model_dump(exclude={"init_from_teacher"}) == best.teacher.model_dump()
    assert teacher.distillation.loss == "none" and teacher.training == best.training
    stages = {
        name: {
            json.loads(line)["stage"]
            for line in (folder / name / f"seed_{seed}" / "metrics.jsonl").read_text().splitlines()
        }
        for name in ENTRANTS
    }
    assert stages["trial_0001"] == {"teacher", "student"}
    assert stages["trial_0001_student_alone"] == stages["trial_0001_teacher"] == {"student"}


def test_the_optimism_of_the_search_stands_side_by_side(finished: Path) -> None:
    numbers = numbers_of(finished)
    splits = numbers["contenders"]["trial_0001"]["splits"]
    dev = splits["dev"]["over_seeds"]
    found = numbers["optimism"]
    assert (found["contender"], found["search_score"], found["folds"]) == ("trial_0001", 0.7, None)
    assert (found["dev"], found["test"]) == (dev, splits["test"]["score"])
    loss = found["loss"]
    assert (loss and loss["mean"]) == (None if dev["low"] is None else pytest.approx(0.7 - dev["mean"]))


def test_the_power_is_said_before_anything_is_trained(confirmed: Path, demo_root: Path) -> None:
    lines: list[str] = []
    numbers = confirm(request_for(confirmed), show=lines.append).numbers
    assert lines[0].startswith("power: not known beforehand") and numbers["power_before"] is None
    base = config_on(demo_root)
    table = read_table(base.data)
    rows = table.rows("dev")
    for trial in (1, 0):  # what the search's best trial and its base would have left
        run = confirmed.with_suffix("") / "trials" / folder_name(trial)
        run.mkdir(parents=True)
        generator = np.random.default_rng(trial)
        answers = [generator.dirichlet(np.ones(len(task.classes)), len(rows)) for task in table.tasks]
        write_predictions(run, "dev", table, rows, answers)
    lines.clear()
    request = request_for(confirmed, relevant_gain=0.05)
    before = confirm(request, show=lines.append).numbers["power_before"]
    cases = numbers["examples"]["test"]["cases"]
    assert lines[0].startswith(f"power: on {cases} cases a true gain of 0.05")
    assert (before["gain"], before["cases"]) == (0.05, cases) and 0 < before["power"] < 1


def test_the_family_is_compared_and_the_recommended_config_written(finished: Path) -> None:
    numbers = numbers_of(finished)
    assert [(each["kind"], each["first"], each["second"]) for each in numbers["comparisons"]] == [
        ("tuning_gain", "trial_0001", "base"),
        ("distillation_gain", "trial_0001", "trial_0001_student_alone"),
        ("teacher_gap", "trial_0001_teacher", "trial_0001"),
        ("against_trial", "trial_0001", "trial_0002"),
        ("trial_gain", "trial_0002", "base"),
        *(("against_baseline", "trial_0001", name) for name in BASELINES),
    ]
    for each in numbers["comparisons"]:
        first, second = (numbers["contenders"][each[side]]["splits"]["test"] for side in ("first", "second"))
        assert each["difference"] == pytest.approx(first["score"]["mean"] - second["score"]["mean"])
        assert set(each["mcnemar"]) == {"modality", "location"}
    chosen = numbers["recommendation"]["contender"]
    recommended = load_config(finished.with_suffix("") / numbers["recommendation"]["config"])
    trained = load_config(
        finished.with_suffix("") / "confirmation" / chosen / f"seed_{numbers['seeds'][0]}" / "config.yaml"
    )
    assert with_values(recommended, {"seed": trained.seed}) == trained
    assert recommended.seed == 3


def test_a_set_of_other_size_is_forecast_where_one_asks(confirmed: Path) -> None:
    assert confirm(request_for(confirmed, new_cases=500)).reason == "finished"
    numbers = numbers_of(confirmed)
    forecasts = {
        name: known
        for name, about in numbers["contenders"].items()
        if (known := about["splits"]["test"]["forecast"]) is not None
    }
    assert {"base", "majority"} <= forecasts.keys()
    scored = numbers["examples"]["test"]["cases"]
    assert {(known["cases"], known["from_cases"]) for known in forecasts.values()} == {(500, scored)}


def test_the_recommended_contender_is_scored_by_subgroup(finished: Path) -> None:
    numbers = numbers_of(finished)
    groups = numbers["subgroups"]["sex"]["groups"]
    assert [group["name"] for group in groups] == ["female", "male"]
    assert sum(group["examples"] for group in groups) == numbers["examples"]["test"]["examples"]
    assert all(group["small"] and group["difference"] is None for group in groups)  # 13 cases in both


def test_the_test_split_is_opened_once_and_the_record_says_by_what(finished: Path) -> None:
    lines = openings(finished.with_suffix(""))
    assert len(lines) == 1
    assert lines[0]["by"].startswith(f"distune confirm tiny_study ({', '.join(ENTRANTS)}; 2 seeds; plan ")
    numbers = numbers_of(finished)
    assert numbers["opening"] == {"number": 1, "openings": lines, "elsewhere": []}
    assert lines[0]["dataset"] == numbers["data_fingerprint"]


def test_the_opening_is_on_record_before_anything_is_predicted(
    confirmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = confirmed.with_suffix("")
    (folder / OPENINGS).unlink()
    for run in runs_of(confirmed):
        (run / MARKER).unlink()

    class PowerCut(Exception):
        pass

    def cut(evaluation: Evaluation, run: Path) -> None:
        raise PowerCut

    monkeypatch.setattr(Evaluation, "evaluate", cut)
    with pytest.raises(PowerCut):
        confirm(request_for(confirmed))
    assert len(openings(folder)) == 1


def test_the_same_request_trains_and_opens_nothing(confirmed: Path) -> None:
    before, numbers, folder = written(confirmed), numbers_of(confirmed), confirmed.with_suffix("") / FOLDER
    plan = read_plan(folder)
    (folder / PLAN).write_text("")  # damaged: what it says is known without it
    predictions = {run: (run / "predictions_test.csv").stat().st_mtime_ns for run in runs_of(confirmed)}
    assert confirm(request_for(confirmed)).reason == "finished"
    assert written(confirmed) == before
    assert predictions == {
        run: (run / "predictions_test.csv").stat().st_mtime_ns for run in runs_of(confirmed)
    }
    assert len(openings(confirmed.with_suffix(""))) == 1
    assert timeless(numbers_of(confirmed)) == timeless(numbers)
    assert timeless(read_plan(folder)) == timeless(plan)


def test_a_confirmation_that_was_cut_off_while_the_split_was_open_resumes_as_the_same_opening(
    confirmed: Path,
) -> None:
    numbers, folder = numbers_of(confirmed), confirmed.with_suffix("")
    (folder / "confirmation.json").unlink()
    (folder / "confirmation" / "plan.json").unlink()
    shutil.rmtree(folder / "confirmation" / "baselines")
    for run in runs_of(confirmed)[:2]:
        (run / "evaluation.json").unlink()
        (run / "predictions_test.csv").write_text("id,gro")
    assert confirm(request_for(confirmed, again=True)).reason == "finished"  # again, and yet the same one
    assert len(openings(folder)) == 1
    assert timeless(numbers_of(confirmed)) == timeless(numbers)


def test_runs_of_another_version_are_not_taken_over(confirmed: Path) -> None:
    of_another = runs_of(confirmed)[0]
    results = read_results(of_another) or {}
    results["versions"]["student"]["code"] = 0
    write_results(of_another, results)
    before = written(confirmed)
    with pytest.raises(UserError, match=r"1 of 10 runs, .*--again"):
        confirm(request_for(confirmed))
    assert written(confirmed) == before and len(openings(confirmed.with_suffix(""))) == 1
    assert confirm(request_for(confirmed, again=True)).reason == "finished"
    assert len(openings(confirmed.with_suffix(""))) == 2
    changed = {run for run, time in written(confirmed).items() if time != before[run]}
    assert changed == {f"{of_another.parent.name}/{of_another.name}"}
    assert json.loads((of_another / "evaluation.json").read_text())["opening"] == 2


def test_weights_of_the_recommended_contender_that_are_gone_are_trained_again(
    confirmed: Path, in_this_process: None
) -> None:
    numbers, folder = numbers_of(confirmed), confirmed.with_suffix("")
    chosen = numbers["recommendation"]["contender"]
    before = written(confirmed)
    for run in runs_of(confirmed):
        if run.parent.name == chosen:
            (run / "student.safetensors").unlink()
    assert confirm(request_for(confirmed, again=True)).reason == "finished"
    assert len(openings(folder)) == 2
    changed = {run for run, time in written(confirmed).items() if time != before[run]}
    assert changed == {f"{chosen}/seed_{seed}" for seed in numbers["seeds"]}
    assert all((folder / "confirmation" / run / "student.safetensors").is_file() for run in changed)
    assert numbers_of(confirmed)["contenders"] == numbers["contenders"]


def test_a_run_that_is_moved_while_others_train_is_not_left_out(
    confirmed: Path, tmp_path: Path, in_this_process: None
) -> None:
    runs = sorted((confirmed.with_suffix("") / "confirmation").glob("*/seed_*"))
    shutil.rmtree(runs[0])

    def show(line: str) -> None:
        if " to train" in line:
            runs[-1].rename(tmp_path / "elsewhere")

    with pytest.raises(UserError, match="moved or deleted"):
        confirm(request_for(confirmed), show=show)


def test_another_plan_needs_again_and_every_opening_is_recorded(confirmed: Path) -> None:
    folder, numbers = confirmed.with_suffix(""), numbers_of(confirmed)
    first = openings(folder)[0]
    with pytest.raises(UserError) as refused:
        confirm(request_for(confirmed, top=1, seeds=1))
    assert first["time"] in str(refused.value) and first["by"] in str(refused.value)
    assert "--again" in str(refused.value)
    second = confirm(request_for(confirmed, top=1, seeds=1, again=True)).numbers
    assert second["opening"]["number"] == 2
    assert second["seeds"] == numbers["seeds"][:1]
    assert [line["by"] == first["by"] for line in openings(folder)] == [True, False]
    assert "trial_0002" not in second["contenders"]
    third = confirm(request_for(confirmed, top=1, seeds=1, again=True)).numbers
    assert third["opening"]["number"] == len(openings(folder)) == 3
    assert timeless(third) == timeless(second)


def test_openings_by_others_on_the_same_data_are_named(confirmed: Path) -> None:
    dataset = numbers_of(confirmed)["data_fingerprint"]
    other = confirmed.parent / "other_study" / "test_openings.jsonl"
    other.parent.mkdir()
    lines = [
        {"time": "2026-01-01T00:00:00+00:00", "by": "other", "dataset": which} for which in (dataset, "else")
    ]
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    confirm(request_for(confirmed))
    assert numbers_of(confirmed)["opening"]["elsewhere"] == [{**lines[0], "file": str(other)}]


def command(*words: str) -> None:
    """A command as it is called, in a process of its own."""
    sys.argv = ["distune", *words]
    run_command()


@pytest.mark.timeout(300)  # workers that import torch, one after the other
def test_a_killed_and_an_interrupted_confirmation_end_like_one_that_ran_through(
    new_study: NewStudy, demo_root: Path, confirmed: Path, tmp_path: Path
) -> None:
    file = new_study(config_on(demo_root))

    def begin(runs: int, number: signal.Signals) -> int:
        """Starts the command and signals it once so many of its runs have ended."""
        output = tmp_path / f"{number.name}.txt"
        output.touch()
        process = Forked(output, command, "confirm", str(file), "--top", "1", "--seeds", "1")
        while f"\n{runs}/" not in output.read_text():
            assert process.poll() is None, output.read_text()
            time.sleep(0.02)
        process.send_signal(number)
        return process.ended(timeout=60)[0]

    assert begin(1, signal.SIGKILL) == -signal.SIGKILL
    after_kill = written(file)
    assert after_kill
    assert begin(1, signal.SIGINT) == 130
    after_interrupt = written(file)
    assert after_kill.items() < after_interrupt.items()
    assert not openings(file.with_suffix(""))
    numbers = confirm(request_for(file, top=1, seeds=1)).numbers
    assert len(openings(file.with_suffix(""))) == 1
    assert written(file).items() >= after_interrupt.items()  # none was trained twice
    through = confirm(request_for(confirmed, top=1, seeds=1, again=True)).numbers
    assert timeless(numbers) == timeless(through)


def test_without_a_test_split_everything_is_evaluated_on_dev_and_marked(
    new_study: NewStudy, demo_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "without_test"
    shutil.copytree(demo_root, root)
    for path in (root / "splitted_dataset").glob("*_test.jsonl"):
        path.unlink()
    file = new_study(config_on(root), ({}, 0.9))
    numbers = confirm(request_for(file, top=1, seeds=1)).numbers
    assert (numbers["split"], numbers["optimistic"], numbers["opening"]) == ("dev", True, None)
    assert not openings(file.with_suffix(""))
    assert numbers["contenders"]["base"]["splits"]["test"] is None
    scored = numbers["contenders"]["base"]["splits"]["dev"]
    assert scored["over_seeds"]["low"] is None and scored["score"]["low"] < scored["score"]["high"]
    assert numbers["recommendation"]["contender"] in ("base", "base_student_alone")
    assert any("no test split" in note for note in numbers["notes"])
    # The base is the best trial: it is trained once, and there is no tuning gain to measure.
    assert {run.parent.name for run in runs_of(file)} == {"base", "base_student_alone", "base_teacher"}
    assert "tuning_gain" not in {each["kind"] for each in numbers["comparisons"]}


def test_a_study_with_folds_is_confirmed_on_new_folds(
    new_study: NewStudy, demo_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "without_test"
    shutil.copytree(demo_root, root)
    for path in (root / "splitted_dataset").glob("*_test.jsonl"):
        path.unlink()
    base = config_on(root)
    file = write_study(tmp_path / "folded" / "optuna", base, [({}, 0.9)], folds=2)
    lines: list[str] = []
    result = confirm(request_for(file, top=1, seeds=1), show=lines.append)
    assert "no test split" in lines[0] and "no tuning gain" in lines[1] and " to train" in lines[2]
    numbers, table = result.numbers, read_table(base.data)
    assert (result.reason, numbers["split"], numbers["optimistic"]) == ("finished", "folds", True)
    found = numbers["contenders"]["base"]["splits"]["folds"]["tasks"]
    assert {name: bool(each["operating_points"]) for name, each in found.items()} == {
        name: len(classes) == 2 for name, classes in numbers["tasks"].items()
    }
    examples = len(table.rows("train")) + len(table.rows("dev"))
    assert numbers["examples"]["folds"]["examples"] == examples
    seed = numbers["seeds"][0]
    folds = [
        file.with_suffix("") / "confirmation" / "base" / f"seed_{seed}" / "folds" / f"fold_{k}"
        for k in (1, 2)
    ]
    configs = [load_config(folder / "config.yaml") for folder in folds]
    assert [config.data.fold and config.data.fold.number for config in configs] == [1, 2]
    assert {config.seed for config in configs} == {seed}
    scores = [json.loads((folder / "results.json").read_text())["score"] for folder in folds]
    assert numbers["optimism"]["again"]["mean"] == pytest.approx(sum(scores) / 2)
    assert not list(folds[0].glob("*.safetensors"))
    for name in ("base", "base_teacher", *BASELINES):
        scored = numbers["contenders"][name]["splits"]["folds"]
        assert scored["score"]["cases"] == numbers["examples"]["folds"]["cases"]
    assert {each["second"] for each in numbers["comparisons"]} >= set(BASELINES)
    again = confirm(request_for(file, top=1, seeds=1))
    assert timeless(again.numbers) == timeless(numbers)


def test_what_failed_is_listed_and_the_rest_is_evaluated(
    new_study: NewStudy, demo_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {"student.vision.name": "no-such-encoder"}
    file = new_study(config_on(demo_root), ({}, 0.5), (broken, 0.9))
    lines: list[str] = []
    result = confirm(request_for(file, top=1, seeds=1), show=lines.append)
    assert result.reason == "incomplete" and not result.numbers["complete"]
    failures = [(each["contender"], each["kind"]) for each in result.numbers["failures"]]
    assert failures == [("trial_0001", "config"), ("trial_0001_student_alone", "config")]
    assert all("no-such-encoder" in each["message"] for each in result.numbers["failures"])
    best = result.numbers["contenders"]["trial_0001"]
    assert best["seeds"] == [] and best["splits"] == {"dev": None, "test": None}
    assert best["missing"][0]["seed"] == result.numbers["seeds"][0]
    assert result.numbers["contenders"]["base"]["splits"]["test"]["score"]["mean"] > 0
    assert result.numbers["comparisons"] == [] and len(result.numbers["comparisons_missing"]) == 8
    assert result.numbers["recommendation"]["contender"] == "base"
    print_numbers(result.numbers, result.folder)
    printed = capsys.readouterr().out
    assert "missing: trial_0001 seed" in printed and "tuning gain: not known, trial_0001" in printed
    assert "recommended: base." in printed


def test_where_it_runs_can_be_set_and_what_is_trained_cannot(confirmed: Path) -> None:
    before = written(confirmed)
    command = ["confirm", str(confirmed), "--top", "2", "--seeds", "2", "--set"]
    assert CliRunner().invoke(app, [*command, "training.threads=2"]).exit_code == 0
    assert load_config(confirmed.with_suffix("") / "recommended_config.yaml").training.threads == 2
    with pytest.raises(UserError, match=r"student\.lr"):
        confirm(request_for(confirmed, settings={"student.lr": 1e-3}))
    assert written(confirmed) == before


@pytest.mark.slow
class TestRefusals:
    def test_an_unknown_study(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no such study"):
            confirm(request_for(tmp_path / "none.db"))

    def test_a_cache_where_no_folder_can_be(self, confirmed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DISTUNE_CACHE", str(confirmed))
        with pytest.raises(UserError, match="no folder"):
            confirm(request_for(confirmed))

    def test_changed_data(self, confirmed: Path, demo_root: Path, tmp_path: Path) -> None:
        shutil.copytree(demo_root, tmp_path / "moved")
        assert confirm(request_for(confirmed, data_root=tmp_path / "moved")).reason == "finished"
        path = tmp_path / "moved" / "splitted_dataset" / "descriptions_test.jsonl"
        path.write_text("\n".join(path.read_text().splitlines()[1:]))
        with pytest.raises(UserError, match="tuned on"):
            confirm(request_for(confirmed, data_root=tmp_path / "moved"))

    def test_a_folder_with_a_run_of_another_config(self, confirmed: Path) -> None:
        path = runs_of(confirmed)[0] / "config.yaml"
        path.write_text(path.read_text().replace("batch_size: 16", "batch_size: 8"))
        with pytest.raises(UserError, match=r"training.batch_size"):
            confirm(request_for(confirmed))

    def test_two_at_once(self, confirmed: Path) -> None:
        lock = filelock.FileLock(confirmed.with_suffix("") / "confirmation" / ".lock")
        with lock, pytest.raises(UserError, match="another process"):
            confirm(request_for(confirmed))

    @pytest.mark.parametrize(
        "name",
        [
            "confirmation.json",
            "recommended_config.yaml",
            "confirmation/plan.json",
            "confirmation/subgroups.csv",
            "report.html",
        ],
    )
    def test_a_folder_in_the_place_of_a_file_before_anything_is_done(
        self, confirmed: Path, name: str
    ) -> None:
        place = confirmed.with_suffix("") / name
        place.unlink(missing_ok=True)
        place.mkdir()
        said: list[str] = []
        with pytest.raises(OSError, match="is a folder") as refused:
            confirm(request_for(confirmed), said.append)
        assert refused.value.filename == str(place) and said == []

    def test_settings_of_a_baseline_that_were_changed(self, confirmed: Path) -> None:
        folder = confirmed.with_suffix("") / "confirmation" / "baselines" / "text_tfidf"
        settings = folder / "settings.json"
        settings.write_text(settings.read_text().replace('"C": ', '"C": 1'))
        with pytest.raises(UserError, match=f"{settings}.*{folder}"):
            confirm(request_for(confirmed))
