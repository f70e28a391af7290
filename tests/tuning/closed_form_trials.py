"""Trial functions whose score is a formula of the parameters: real processes, no training."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator

from simulated_workers import Work, WorkerDied

from distune.training.cost import Cost, carried, peak_process_mb
from distune.tuning.trials.messages import Report, TrialOutcome, TrialTask


def final_score(config: dict) -> float:
    """Best at teacher_lr = 3e-5, student_lr = 2e-4, alpha = 0.7, T = 3."""
    loss = config["distillation"]
    return 0.95 - 0.1 * (
        math.log10(config["teacher"]["lr"] / 3e-5) ** 2
        + math.log10(config["student"]["lr"] / 2e-4) ** 2
        + (loss["alpha"] - 0.7) ** 2
        + 0.1 * (loss["T"] - 3) ** 2
        + 0.1 * (config["student"]["dropout"] - 0.2) ** 2
    )


def score_at(config: dict, epoch: int) -> float:
    return final_score(config) * (1 - 0.5**epoch)


def quick(task: TrialTask, report: Report) -> TrialOutcome:
    """Every epoch at once; resumes from the epochs that its folder holds."""
    return _train(task, report, pause=0.0)


def slow(task: TrialTask, report: Report) -> TrialOutcome:
    return _train(task, report, pause=float(os.environ.get("EPOCH_SECONDS", "0.1")))


HELD = (2, 3)
"""The numbers of the trials that `held` keeps."""


def held(task: TrialTask, report: Report) -> TrialOutcome:
    """As `quick`, but trials 2 and 3 end only once `go` lies beside their folders: what happens before finds them."""
    return _train(task, _holding(task, report, HELD), pause=0.0)


def all_held(task: TrialTask, report: Report) -> TrialOutcome:
    """As `held`, every trial."""
    return _train(task, _holding(task, report, (task.number,)), pause=0.0)


def held_teacher(task: TrialTask, report: Report) -> TrialOutcome:
    """As `held`, the teacher alone."""
    return _teach(task, _holding(task, report, HELD), pause=0.0)


def _holding(task: TrialTask, report: Report, numbers: tuple[int, ...]) -> Report:
    def report_then_wait(stage: str, epoch: int, score: float) -> bool:
        goes_on = report(stage, epoch, score)
        if task.number in numbers and epoch == 2 and goes_on:
            (task.path / "held").touch()
            while not (task.path.parent / "go").exists():
                time.sleep(0.02)
        return goes_on

    return report_then_wait


def _train(task: TrialTask, report: Report, pause: float) -> TrialOutcome:
    config, state = dict(task.config), task.path / "state.json"
    done = json.loads(state.read_text()) if state.exists() else []
    (task.path / "student.safetensors").write_bytes(b"weights" * 100)
    for epoch, score in enumerate(done, start=1):
        if not report("student", epoch, score):
            return TrialOutcome("pruned", score)
    for epoch in range(len(done) + 1, config["student"]["epochs"] + 1):
        time.sleep(pause)
        done.append(score_at(config, epoch))
        partial = state.with_suffix(".partial")
        partial.write_text(json.dumps(done))
        partial.replace(state)
        if not report("student", epoch, done[-1]):
            return TrialOutcome("pruned", done[-1], cost=Cost({"student": pause * epoch}))
    return TrialOutcome(
        "complete",
        max(done),
        len(done),
        Cost({"teacher": 1.0, "student": 2.0}, 100.0, 0.0, "cpu"),
        {"tasks": 2},
    )


def teacher_score(config: dict, epoch: int) -> float:
    """Best at teacher_lr = 3e-5 and teacher_dropout = 0.2."""
    teacher = config["teacher"]
    distance = math.log10(teacher["lr"] / 3e-5) ** 2 + (teacher["dropout"] - 0.2) ** 2
    return (0.9 - 0.1 * distance) * (1 - 0.5**epoch)


def quick_teacher(task: TrialTask, report: Report) -> TrialOutcome:
    """The teacher alone."""
    return _teach(task, report, pause=0.0)


def slow_teacher(task: TrialTask, report: Report) -> TrialOutcome:
    return _teach(task, report, pause=float(os.environ.get("EPOCH_SECONDS", "0.1")))


def quick_with_teacher(task: TrialTask, report: Report) -> TrialOutcome:
    taught = _teach(task, report, pause=0.0)
    return quick(task, report) if taught.state == "complete" else TrialOutcome("stopped")


def _teach(task: TrialTask, report: Report, pause: float) -> TrialOutcome:
    score = 0.0
    for epoch in range(1, task.config["teacher"]["epochs"] + 1):
        time.sleep(pause)
        score = teacher_score(dict(task.config), epoch)
        if not report("teacher", epoch, score):
            return TrialOutcome("stopped", score)
    return TrialOutcome("complete", score, task.config["teacher"]["epochs"], Cost({"teacher": 1.0}))


def script(task: TrialTask) -> Iterator[Work]:
    """The behaviours that the contract suite asks for, as the config names them."""
    behaviour = task.config["behaviour"]
    if behaviour == "crash":
        raise RuntimeError("the roof fell in")
    if behaviour == "memory":
        raise MemoryError("no more of it")
    if behaviour == "dies" and task.attempt == 1:
        yield Work(0.01, "student", 1, 0.1, memory_mb=100.0)
        raise WorkerDied
    if behaviour == "nan":
        yield Work(0.01, "student", 1, math.nan)
    for epoch in range(1, task.config["epochs"] + 1):
        yield Work(0.01, "student", epoch, epoch / 10, memory_mb=100.0)
    if behaviour == "late crash":
        raise RuntimeError("the roof fell in after the last epoch")


def played(task: TrialTask, report: Report) -> TrialOutcome:
    """The same behaviours in a real process."""
    seconds = {"student": 0.0}

    def cost() -> Cost:
        return Cost(seconds, peak_process_mb(), 0.0, "real")

    with carried(cost):
        score = None
        for work in _until_death(script(task)):
            time.sleep(work.seconds)
            seconds["student"] += work.seconds
            score = work.score
            if not report(work.stage, work.epoch, work.score):
                return TrialOutcome("stopped", score, cost=cost())
        return TrialOutcome("complete", score, cost=cost())


def _until_death(steps: Iterator[Work]) -> Iterator[Work]:
    try:
        yield from steps
    except WorkerDied:
        os.kill(os.getpid(), 9)


def surroundings(task: TrialTask, report: Report) -> TrialOutcome:
    """What a trial function finds around it."""
    extra = {
        "device": task.device,
        "threads": task.threads,
        "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
        "OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"],
        "imported": sorted({"torch", "optuna"} & set(sys.modules)),
    }
    return TrialOutcome("complete", 0.5, extra=extra)


def broken(task: TrialTask, report: Report) -> TrialOutcome:
    print("about to divide")
    return TrialOutcome("complete", 1 / 0)


def greedy(task: TrialTask, report: Report) -> TrialOutcome:
    """Holds some memory while it waits for an answer."""
    block = bytearray(b"x") * (task.config["megabytes"] * 2**20)
    report("student", 1, 0.5)
    return TrialOutcome("complete", 0.5, cost=Cost(peak_memory_mb=peak_process_mb(), device=str(len(block))))


_HOARD: list[bytes] = []


def hoarding(task: TrialTask, report: Report) -> TrialOutcome:
    """Keeps 50 MB for good in the first trial of its process, as a GPU's context would, and 20 MB in each other."""
    _HOARD.append(b"x" * (20_000_000 if _HOARD else 50_000_000))
    return TrialOutcome("complete", 0.5)


def drafting(task: TrialTask, report: Report) -> TrialOutcome:
    """Writes without an end, and removes what it wrote."""
    draft = task.path / "draft"
    try:
        draft.touch()
        time.sleep(60)
    finally:
        draft.unlink()
    return TrialOutcome("complete", 0.5)


def fold_score(config: dict, number: int) -> float:
    """The folds differ by how hard they are."""
    return final_score(config) - 0.05 * number


def quick_folds(task: TrialTask, report: Report) -> TrialOutcome:
    """Every fold at once."""
    config, scores = dict(task.config), []
    for number in range(1, config["data"]["fold"]["of"] + 1):
        scores.append(fold_score(config, number))
        report(f"fold {number} student", 1, scores[-1])
        if not report("fold", number, sum(scores) / number) and number < config["data"]["fold"]["of"]:
            return TrialOutcome("stopped", sum(scores) / number, extra={"fold_scores": scores})
    mean = sum(scores) / len(scores)
    return TrialOutcome("complete", mean, cost=Cost({"student": 2.0}), extra={"fold_scores": scores})
