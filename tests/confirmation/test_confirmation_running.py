"""What follows a failure, decided on workers that only exist in virtual time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from distune.config import Config, as_dict, with_values
from distune.confirmation.candidates import Candidate
from distune.confirmation.jobs import Job, forget_other_versions, jobs_of
from distune.confirmation.request import LEAST_GAIN, MOST_CASES, MOST_SEEDS, ConfirmRequest
from distune.confirmation.run_job import run_job
from distune.confirmation.statistics.files import MARKER, OUT_OF_FOLD
from distune.confirmation.train_candidates import SHOW_SECONDS, train_all
from distune.errors import DataError, UserError
from distune.training.files.run_folder import RESULTS, write_results
from distune.training.keys import versions_behind
from distune.training.student import WEIGHTS
from distune.tuning.trials import folds as folds_module
from distune.tuning.trials import trial
from distune.tuning.trials.messages import TrialTask
from distune.tuning.trials.trial import PROGRESS
from distune.utils.files.yaml_files import yaml_text
from tests.tuning.simulated_workers import SimulatedExecutor, Work, WorkerDied


def jobs(count: int) -> list[Job]:
    return [Job(n, "base", n, with_values(Config(), {"seed": n}), Path(f"seed_{n}")) for n in range(count)]


class Script:
    """Does what is planned for each attempt of a job; a score where nothing is."""

    def __init__(self, **plans: list[str]):
        self.plans = {int(name.removeprefix("job")): plan for name, plan in plans.items()}
        self.played: list[tuple[int, int]] = []

    def __call__(self, task: TrialTask) -> Iterator[Work]:
        self.played.append((task.number, task.config["seed"]))
        plan = self.plans.get(task.number, [])
        what = plan.pop(0) if plan else "fine"
        yield Work(0.1, "student", 1, 0.5)
        if what == "crash":
            raise RuntimeError("the roof fell in")
        if what == "config":
            raise UserError("no such encoder")
        if what == "data":
            raise DataError("root", ["it has changed"])
        if what == "disk":
            raise OSError(errno.EIO, "Input/output error", "a.png")
        if what == "full":
            raise OSError(errno.ENOSPC, "No space left on device", "weights")
        if what == "dies":
            raise WorkerDied
        yield Work(0.1, "student", 2, 0.6)

    def attempts(self, number: int) -> int:
        return sum(played == number for played, _ in self.played)


@pytest.mark.parametrize(("what", "said"), [("data", "it has changed"), ("disk", "a.png")])
def test_data_that_are_others_by_now_end_the_training_and_no_run_fails_for_them(what: str, said: str) -> None:
    script = Script(job1=[what])
    trained = train_all(jobs(4), SimulatedExecutor(script, workers=1))
    assert trained.stopped_by is not None and said in trained.stopped_by.message
    assert not trained.failed and script.played == [(0, 0), (1, 1)]


def test_runs_are_of_the_data_set_of_the_study_whatever_share_of_the_labels_is_kept() -> None:
    plain, few = Config(), with_values(Config(), {"data.label_fraction": 0.5})
    contenders = [Candidate("base", "base", plain), Candidate("trial_0001", "trial", few)]
    made = jobs_of(contenders, (1,), Path("c"), folds=2, dataset="d")
    assert [job.task(1).dataset for job in made] == ["d"] * 4


def test_every_job_is_trained_once_with_its_own_config() -> None:
    script, lines = Script(), list[str]()
    trained = train_all(jobs(4), SimulatedExecutor(script, workers=2), show=lines.append)
    assert sorted(script.played) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert not trained.failed and not trained.interrupted
    assert lines[-1] == "4/4  base seed 3: dev score 0.6000"


def test_what_takes_long_within_a_run_is_shown_and_when_all_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(task: TrialTask) -> Iterator[Work]:
        task.path.mkdir(exist_ok=True)
        (task.path / PROGRESS).write_text("encoding images: 3 of 9")
        yield Work(10.0, "student", 1, 0.5)
        yield Work(10.0, "student", 2, 0.6)

    monkeypatch.chdir(tmp_path)
    lines = list[str]()
    train_all(jobs(3), SimulatedExecutor(slow), show=lines.append)
    assert lines.count("base seed 0: encoding images: 3 of 9") == 20 / SHOW_SECONDS
    assert "1/3  base seed 0: dev score 0.6000, all end in 40 s" in lines
    assert "2/3  base seed 1: dev score 0.6000, all end in 20 s" in lines
    at_once = list[str]()
    train_all(jobs(2), SimulatedExecutor(slow, workers=2), show=at_once.append)
    assert not any("seed 1: encoding" in line for line in at_once), "of several runs the first is shown"


def test_a_failure_is_tried_once_more_and_then_listed() -> None:
    script = Script(job0=["crash"], job1=["crash", "crash", "crash"], job2=["config", "config"])
    lines = list[str]()
    trained = train_all(jobs(4), SimulatedExecutor(script), show=lines.append)
    assert [line.partition(" ")[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"], "a retry is no end"
    assert [script.attempts(number) for number in range(4)] == [2, 2, 1, 1]
    assert {number: failure.kind for number, failure in trained.failed.items()} == {1: "crash", 2: "config"}
    assert not trained.interrupted


def test_lost_workers_do_not_count_as_failures() -> None:
    script = Script(job0=["dies"] * 5 + ["crash"], job1=["dies"] * 100)
    trained = train_all(jobs(2), SimulatedExecutor(script))
    assert script.attempts(0) == 7
    assert list(trained.failed) == [1] and script.attempts(1) == 20


def test_an_interrupt_lets_running_jobs_stop_and_begins_no_other() -> None:
    script, count = Script(), 0

    def interrupted() -> int:
        return int(len(script.played) > 1)

    def show(line: str) -> None:
        nonlocal count
        count += 1

    trained = train_all(jobs(5), SimulatedExecutor(script), interrupted=interrupted, show=show)
    assert trained.interrupted and not trained.failed
    assert [number for number, _ in script.played] == [0, 1] and count == 1


def test_a_second_interrupt_waits_for_nobody() -> None:
    script = Script()
    executor = SimulatedExecutor(script)
    trained = train_all(jobs(2), executor, interrupted=lambda: 2 * bool(script.played))
    assert trained.interrupted and len(script.played) == 1 and executor.now() == 0.0


def test_a_disk_that_is_nearly_full_lets_running_jobs_end_and_begins_no_other() -> None:
    script, lines = Script(), list[str]()
    executor = SimulatedExecutor(script, workers=2)
    trained = train_all(jobs(5), executor, has_room=lambda: len(script.played) < 2, show=lines.append)
    assert trained.low_disk and len(lines) == 2 and not trained.interrupted and not trained.failed
    assert [number for number, _ in script.played] == [0, 1]
    assert not train_all(jobs(5), SimulatedExecutor(Script())).low_disk


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_finds_no_space_begins_no_other_and_is_no_failure(workers: int) -> None:
    """With two workers the other job still runs when it ends."""
    script = Script(job1=["full"]) if workers == 1 else Script(job0=["full"])
    trained = train_all(jobs(4), SimulatedExecutor(script, workers=workers))
    assert trained.low_disk and not trained.failed
    assert [number for number, _ in script.played] == [0, 1]


@pytest.mark.parametrize(
    ("files", "is_done"),
    [
        ((), False),
        ((RESULTS,), False),  # its weights were cleaned up before it had answers
        ((RESULTS, WEIGHTS), True),
        ((RESULTS, MARKER), True),
        ((WEIGHTS, MARKER), False),
    ],
)
def test_a_run_is_done_with_its_results_and_what_answers_come_from(
    tmp_path: Path, files: tuple[str, ...], is_done: bool
) -> None:
    job = Job(0, "base", 1, Config(), tmp_path / "base" / "seed_1")
    job.folder.mkdir(parents=True)
    for name in files:
        (job.folder / name).write_text('{"score": 1}')
    assert job.is_done is is_done


@pytest.mark.parametrize("folds", [None, 1])
def test_damaged_results_are_neither_done_nor_trained_over(folds: int | None, tmp_path: Path) -> None:
    job = Job(0, "base", 1, Config(), tmp_path / "base" / "seed_1", folds=folds)
    for run in job.runs:
        run.mkdir(parents=True)
        (run / WEIGHTS).touch()
        (run / RESULTS).write_text("{")
    with pytest.raises(UserError, match=r"results\.json is damaged"):
        _ = job.is_done


@pytest.mark.parametrize("linked", ["base", "base/seed_1", "base/seed_1/fold_2"])
def test_a_run_that_is_not_done_is_written_into_no_link(linked: str, tmp_path: Path) -> None:
    job = Job(0, "base", 1, Config(), tmp_path / "base/seed_1", folds=2)
    job.check_folder()
    (tmp_path / "mine/seed_1/fold_1").mkdir(parents=True)
    (tmp_path / linked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / linked).symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="is a link"):
        job.check_folder()
    for run in job.runs:
        run.mkdir(parents=True, exist_ok=True)
        (run / RESULTS).write_text('{"score": 1}')
    job.check_folder()


def test_a_run_resumes_in_a_folder_of_its_own_config_alone(tmp_path: Path) -> None:
    job = Job(0, "base", 1, with_values(Config(), {"seed": 1}), tmp_path)
    (tmp_path / "config.yaml").write_text(yaml_text(as_dict(job.config)))
    job.check_folder()
    with pytest.raises(UserError, match=r"another config \(seed differ"):
        replace(job, config=with_values(Config(), {"seed": 2})).check_folder()


def test_folds_are_done_when_each_has_its_results(tmp_path: Path) -> None:
    job = Job(0, "base", 1, Config(), tmp_path, folds=2)
    for run in job.runs:
        assert not job.is_done
        run.mkdir()
        (run / RESULTS).write_text('{"score": 1}')
    assert job.is_done and [run.name for run in job.runs] == ["fold_1", "fold_2"]


def finished(job: Job, versions: object) -> None:
    for run in job.runs:
        run.mkdir(parents=True, exist_ok=True)
        (run / WEIGHTS).touch()
        write_results(run, {"versions": versions})


@pytest.mark.parametrize("folds", [None, 2])
def test_runs_of_other_versions_are_trained_again_unless_the_split_was_opened_for_them(
    folds: int | None, tmp_path: Path
) -> None:
    old, new = (Job(n, "base", n, Config(), tmp_path / f"seed_{n}", folds) for n in (0, 1))
    now = versions_behind(Config())
    finished(new, now)
    assert new.is_done and new.is_of_this_version and not old.is_done
    forget_other_versions([old, new], is_open=True)
    finished(old, now)
    write_results(old.runs[-1], {"versions": {**now, "torch": "0"}})
    assert old.is_done and not old.is_of_this_version
    write_results(old.runs[-1], {})
    assert not old.is_of_this_version, "of a release that wrote none"
    write_results(old.runs[-1], {"versions": {**now, "torch": "0"}})
    with pytest.raises(UserError, match=r"1 of 2 runs.*--again"):
        forget_other_versions([old, new], is_open=True)
    assert old.is_done
    forget_other_versions([old, new], is_open=False)
    assert not old.is_done and new.is_done
    assert not any((run / RESULTS).exists() for run in old.runs)


def test_a_job_of_folds_is_known_by_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "run_trial", lambda task, report: "one")
    monkeypatch.setattr(folds_module, "run_folds_trial", lambda task, report: "folds")
    ran = [run_job(TrialTask(0, {}, f"x/seed_1/{name}"), lambda *_: True) for name in ("run", OUT_OF_FOLD)]
    assert ran == ["one", "folds"]


def test_what_a_confirmation_may_be_asked_for_begins_at_one() -> None:
    least = ConfirmRequest(
        "s", top=1, seeds=1, workers=1, new_cases=1, relevant_gain=LEAST_GAIN, gpus_per_trial=0.0
    )
    assert least.new_cases == 1
    most = ConfirmRequest("s", seeds=MOST_SEEDS, new_cases=MOST_CASES, relevant_gain=1, gpus_per_trial=1)
    assert most.seeds == MOST_SEEDS
    for beyond in (
        {"seeds": MOST_SEEDS + 1},
        {"new_cases": MOST_CASES + 1},
        {"relevant_gain": 0.999 * LEAST_GAIN},
    ):
        with pytest.raises(UserError, match=next(iter(beyond))):
            ConfirmRequest("s", **beyond)  # type: ignore[arg-type]
