"""Everything that a small confirmation says, from files that are written out here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distune.confirmation.dry_run import _difference
from distune.confirmation.statistics import decision
from distune.confirmation.statistics.comparisons import Pair, comparisons
from distune.confirmation.statistics.decision import CandidateGain, decide
from distune.confirmation.statistics.files import same_examples
from distune.confirmation.statistics.inference.power import _times, needs
from distune.confirmation.statistics.inference.significance import family_level
from distune.confirmation.statistics.inference.standard_errors import Errors, errors_of
from distune.confirmation.statistics.numbers import _turned, confirmation_numbers
from distune.confirmation.statistics.scores.answers import ContenderAnswers, read_contender
from distune.confirmation.statistics.scores.case_scores import overall, task_answers
from distune.confirmation.statistics.scores.operating_points import (
    above_rounding,
    threshold,
    thresholds_of_others,
)
from distune.confirmation.statistics.scores.probabilities import calibration
from distune.confirmation.statistics.scores.scores import _numbers_of, _scaled, split_numbers
from distune.confirmation.statistics.scores.subgroups import MOST, _in_order, groups_in
from distune.data.table import MISSING, Table, Task
from distune.training.files.prediction_files import SplitPredictions, write_predictions
from distune.training.scoring.temperature_scaling import task_temperature

TASK = Task("t", ("a", "b", "c"))
SEEDS = (4, 6, 9)


def table(count: int, per_case: int = 2, split: str = "dev") -> Table:
    names = tuple(f"{row:03d}" for row in range(count))
    labels = np.random.default_rng(count).integers(0, 3, (count, 1))
    groups = tuple(f"{split} {row // per_case}" for row in range(count))
    where: Any = ("dev",) * count
    return Table(Path(), names, ("",) * count, ("",) * count, labels, groups, where, (TASK,))


def answers(labels: Any, rate: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    right = random.random(len(labels)) < rate
    chosen = np.where(right, labels[:, 0], (labels[:, 0] + 1) % 3)
    rows = random.dirichlet(np.ones(3), len(labels)) + 2 * np.eye(3)[chosen]
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def write(folder: Path, rate: float, seed: int) -> None:
    folder.mkdir(parents=True)
    for split, count in (("dev", 30), ("folds", 60)):
        examples = table(count, split=split)
        write_predictions(
            folder, split, examples, np.arange(count), [answers(examples.labels, rate, seed + count)]
        )


def about(name: str, kind: str, **known: Any) -> dict[str, Any]:
    unknown = {"trial": None, "rank": None, "is_base": False, "search_score": None, "parameters": None}
    return {"name": name, "kind": kind, "missing": [], **unknown, **known}


@pytest.fixture(scope="module")
def confirmation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "confirmation"
    for name, rate in (("best", 0.9), ("other", 0.8), ("base", 0.5)):
        for seed in SEEDS:
            write(folder / name / f"seed_{seed}", rate, seed)
    write(folder / "baselines/majority", 0.4, 1)
    (folder / "subgroups.csv").write_text(
        "id,side\n" + "".join(f"{n:03d},{'lr'[n % 2]}\n" for n in range(60))
    )
    plan = {
        "study": "s", "created": "t", "distune_version": "0", "top": 2, "seeds": list(SEEDS), "data_fingerprint": "f",
        "opening": None, "failures": [{"contender": "other"}], "notes": ["a note"], "folds": 2, "searched": 17,
        "relevant_gain": 0.25, "new_cases": 99, "power_before": {"power": 0.5},
        "contenders": [
            about("other", "trial", trial=5, rank=2, search_score=0.75, parameters={"total": 10}),
            about("best", "trial", trial=3, rank=1, search_score=0.875, parameters={"total": 10}),
            about("base", "base", trial=0, is_base=True, search_score=0.5, parameters={"total": 10}),
        ],
        "baselines": [{"name": "majority", "settings": {"t": {"C": 1}}}],
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


@pytest.fixture
def numbers(confirmation: Path) -> dict[str, Any]:
    return confirmation_numbers(confirmation)


def read(confirmation: Path, name: str) -> ContenderAnswers:
    found = read_contender(confirmation, name, SEEDS)
    assert found is not None
    return found


def test_all_that_a_confirmation_says(numbers: dict[str, Any], confirmation: Path) -> None:
    assert (numbers["split"], numbers["optimistic"], numbers["complete"]) == ("folds", True, False)
    assert numbers["examples"] == {
        "dev": {"examples": 30, "cases": 15},
        "folds": {"examples": 60, "cases": 30},
    }
    assert numbers["tasks"] == {"t": ["a", "b", "c"]}
    assert numbers["scored_by"] == {"t": {"kind": "single_label", "score": "macro_f1", "weight": 1.0}}
    assert (numbers["relevant_gain"], numbers["power_before"]) == (0.25, {"power": 0.5})
    assert (numbers["notes"], numbers["failures"]) == (["a note"], [{"contender": "other"}])
    assert (numbers["data_fingerprint"], numbers["top"], numbers["seeds"]) == ("f", 2, list(SEEDS))
    pairs = [("best", "base"), ("best", "other"), ("other", "base"), ("best", "majority")]
    assert [(made["first"], made["second"]) for made in numbers["comparisons"]] == pairs
    of = {name: read(confirmation, name) for name in ("best", "base")}
    (again,), _ = comparisons([Pair("tuning_gain", "best", "base")], of, "folds", relevant_gain=0.25)
    assert numbers["comparisons"][0] == again
    assert numbers["comparisons_missing"] == []


def test_each_contender_is_of_its_own_runs_and_forecast_for_the_cases_that_are_asked(
    numbers: dict[str, Any], confirmation: Path
) -> None:
    assert list(numbers["contenders"]) == ["other", "best", "base", "majority"]
    for name in ("other", "best", "base"):
        found = numbers["contenders"][name]
        assert found["splits"]["folds"] == split_numbers(read(confirmation, name), "folds", 99)
        assert found["seeds"] == list(SEEDS) and found["splits"]["test"] is None
    baseline = numbers["contenders"]["majority"]
    assert baseline["splits"]["folds"]["forecast"]["cases"] == 99
    assert (baseline["kind"], baseline["settings"], baseline["seeds"]) == ("baseline", {"t": {"C": 1}}, [])
    best = numbers["contenders"]["best"]
    assert (best["trial"], best["rank"], best["search_score"], best["is_base"]) == (3, 1, 0.875, False)
    assert numbers["optimism"]["contender"] == "best" and numbers["optimism"]["search_score"] == 0.875


def test_the_recommended_one_is_scored_by_subgroup(numbers: dict[str, Any], confirmation: Path) -> None:
    found = numbers["recommendation"]
    assert (found["contender"], found["searched"], found["trial"]) == ("best", 17, 3)
    (side,) = numbers["subgroups"].values()
    assert [(group["name"], group["examples"], group["cases"]) for group in side["groups"]] == [
        ("l", 30, 30), ("r", 30, 30),
    ]  # fmt: skip
    right = np.mean(
        [one.predictions == one.labels for one in read(confirmation, "best").by_split["folds"]], axis=0
    )
    assert side["groups"][0]["accuracy"]["mean"] == pytest.approx(right[::2].mean())


# Parts


def predictions(count: int = 12, **changed: Any) -> SplitPredictions:
    examples = table(count)
    known = {
        "ids": examples.ids, "groups": examples.groups, "tasks": (TASK,), "labels": examples.labels,
        "probabilities": (answers(examples.labels, 0.7, 1),),
    }  # fmt: skip
    return SplitPredictions(**(known | changed))


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"probabilities": (answers(table(12).labels, 0.2, 5),)}, True),
        ({"ids": tuple("abcdefghijkl")}, False),
        ({"groups": tuple("abcdefghijkl")}, False),
        ({"labels": (table(12).labels + 1) % 3}, False),
        ({"tasks": (replace(TASK, weight=2.0),)}, False),
    ],
)
def test_the_same_examples_are_those_with_the_same_names_cases_tasks_and_labels(
    changed: dict[str, Any], same: bool
) -> None:
    assert same_examples([predictions(), predictions(), predictions(**changed)]) is same


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"ids": tuple("abcdefghijkl")}, "the ids of the examples differ"),
        ({"groups": tuple("abcdefghijkl")}, "the groups of the examples differ"),
        ({"labels": (table(12).labels + 1) % 3}, "the labels differ"),
        ({"tasks": (Task("t", ("a", "b")),)}, "columns or cells are confused among the tasks t (2 classes)"),
        (
            {"tasks": (Task("u", ("a", "b", "c")),)},
            "columns or cells are confused among the tasks u (3 classes)",
        ),
    ],
)
def test_what_differs_of_predictions_that_are_read_back(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    examples = table(12)
    write_predictions(tmp_path, "dev", examples, np.arange(12), [answers(examples.labels, 0.7, 1)])
    assert _difference(tmp_path, "dev", replace(examples, **changed)) == said


def test_a_baselines_single_seed_is_not_what_more_seeds_are_counted_from() -> None:
    def made(name: str, seeds: tuple[int, ...]) -> ContenderAnswers:
        by_seed = (answers(table(40).labels, 0.7, seed) for seed in seeds)
        return ContenderAnswers(
            name, seeds, {"test": tuple(predictions(40, probabilities=(rows,)) for rows in by_seed)}
        )

    of = {"x": made("x", (1, 2, 3)), "m": made("m", (7,))}
    for pair in (Pair("against_baseline", "x", "m"), Pair("tuning_gain", "m", "x")):
        (found,), _ = comparisons([pair], of, "test", relevant_gain=0.05)
        errors = Errors(
            *(found[f"{part}_error"] ** 2 for part in ("case", "seed", "interaction")), found["freedom"]
        )
        expected = needs(errors, 0.05, family_level(1), seeds=3, cases=20)
        assert {name: found[name] for name in expected} == expected


def test_examples_without_a_label_are_in_no_test_of_single_models() -> None:
    labels = table(12).labels.copy()
    labels[[0, 3, 7]] = MISSING
    one, other = (
        predictions(labels=labels, probabilities=(answers(table(12).labels, r, 3),)) for r in (0.9, 0.3)
    )
    of = {name: ContenderAnswers(name, (1,), {"test": (each,)}) for name, each in (("x", one), ("y", other))}
    (found,), _ = comparisons([Pair("tuning_gain", "x", "y")], of, "test")
    known = labels[:, 0] != MISSING
    right, also = ((each.predictions == labels)[known, 0] for each in (one, other))
    told = found["mcnemar"]["t"]
    assert (told["only_first"], told["only_second"]) == ((right & ~also).sum(), (~right & also).sum())
    assert told["only_first"] > 0


@pytest.mark.parametrize(("behind", "chosen", "reason"), [
    (0.0099, "base", "smallest_of_equals"), (0.0101, "a", "highest_expected"),
])  # fmt: skip
def test_a_tenth_of_the_relevant_gain_makes_equals(
    monkeypatch: pytest.MonkeyPatch, behind: float, chosen: str, reason: str
) -> None:
    gains = {"base": 0.0, "a": behind}
    monkeypatch.setattr(
        decision, "candidates_of",
        lambda *_: {name: CandidateGain(gain, gain, 0.0, 0.5, 0.5, 100) for name, gain in gains.items()},
    )  # fmt: skip
    contenders = [
        {**about("a", "trial", rank=1, search_score=0.9), "parameters": {"total": 100}},
        {**about("base", "base", is_base=True, search_score=0.8), "parameters": {"total": 100}},
    ]
    of = {name: ContenderAnswers(name, (1,), {"test": (predictions(),)}) for name in gains}
    found = decide(contenders, of, "test", searched=9, relevant_gain=0.1)
    assert (found.contender, found.reason, found.best_holds_up) == (chosen, reason, chosen == "a")


def test_so_many_are_needed_rounded_up_and_two_at_least() -> None:
    assert [_times(0.5, 0.2, 1, least=2), _times(0.01, 0.2, 1, least=2), _times(0.5, 0.0, 1, least=2)] == [
        3, 2, None,
    ]  # fmt: skip


def test_the_degrees_of_freedom_are_satterthwaites() -> None:
    """Of the mean squares of cases, seeds and their interaction, and of what the seeds add to the cases."""
    table_ = np.random.default_rng(5).normal(size=(6, 3)) + np.array([0.0, 3.0, -2.0])
    by_case, by_seed = table_.mean(axis=1), table_.mean(axis=0)
    rest = table_ - by_case[:, None] - by_seed + table_.mean()
    cases, seeds = by_case.var(ddof=1) / 6, by_seed.var(ddof=1) / 3
    both = (rest**2).sum() / (5 * 2 * 6 * 3)
    spread = cases**2 / 5 + seeds**2 / 2 + both**2 / 10
    found = errors_of([table_])
    assert seeds > both and cases > both
    assert found.freedom == pytest.approx((cases + seeds - both) ** 2 / spread)
    assert (found.cases, found.seeds, found.interaction) == pytest.approx((cases - both, seeds - both, both))
    assert errors_of([table_[:, :1]]).freedom == pytest.approx(5), "of one seed the cases have them all"
    assert errors_of([np.full((6, 3), 0.5)]).freedom == 5, "where nothing varies"


def test_errors_in_other_units_are_as_many_times_as_large_squared() -> None:
    assert Errors(1.0, 2.0, 3.0, 7.0).scaled(0.5) == Errors(0.25, 0.5, 0.75, 7.0)


def test_a_gain_far_beyond_its_error_needs_two_seeds_and_two_cases() -> None:
    found = needs(Errors(1e-6, 1e-6, 1e-6, 9.0), 0.5, family_level(1), seeds=3, cases=20)
    assert found == {"seeds_needed": 2, "cases_needed": 2}


@pytest.mark.parametrize("specificity", [0.5, 0.8, 0.9])
def test_the_threshold_of_the_others_is_that_without_the_case(specificity: float) -> None:
    """Also where several answers of a case are equal, or lie at its threshold."""
    random = np.random.default_rng(2)
    for _ in range(40):
        case_of = random.integers(0, 6, 40)
        negatives = np.round(random.random(40), 1)
        found = thresholds_of_others(negatives, case_of, 6, specificity)
        assert found is not None
        expected = [threshold(negatives[case_of != case], specificity) for case in range(6)]
        assert found.tolist() == expected


def test_where_the_others_do_not_define_a_score_that_of_all_stands() -> None:
    """Only the first case holds a `b`, so that without it there is no area."""
    task = Task("t", ("a", "b"), score="auroc")
    rows = np.array([[0.4, 0.6], [0.7, 0.3], [0.2, 0.8], [0.9, 0.1]])
    scored = SplitPredictions(tuple("0123"), tuple("wxyz"), (task,), np.array([[1], [0], [0], [0]]), (rows,))
    (found,) = task_answers([scored])
    score = found.score()
    assert score.values.tolist() == pytest.approx([2 / 3])
    assert score.without[:, 0].tolist() == pytest.approx([2 / 3, 0.5, 1.0, 0.5])
    for rested in (score, overall([found])):
        assert (rested.interval().low, rested.interval().high) == (None, None)
    in_two = replace(scored, labels=np.array([[1], [1], [0], [0]]))
    assert not task_answers([in_two])[0].score().rests_on_one_case
    rests = {"auroc": True, "average_precision": True, "balanced_accuracy": False, "macro_f1": False}
    for name, does in rests.items():
        (other,) = task_answers([replace(scored, tasks=(replace(task, score=name),))])
        assert other.score().rests_on_one_case is does, name


def test_a_class_that_no_example_has_leaves_no_area_and_no_numbers_of_its_own() -> None:
    examples = table(12)
    labels = np.where(examples.labels == 2, 1, examples.labels)
    found = split_numbers(ContenderAnswers("x", (1,), {"dev": (predictions(labels=labels),)}), "dev")
    assert found is not None
    of_task = found["tasks"]["t"]
    assert of_task["auc"] is None and of_task["auc_missing"] == "no example of c in this split"
    assert of_task["classes"]["c"]["recall"] is None and of_task["classes"]["c"]["support"] == 0
    whole = split_numbers(ContenderAnswers("x", (1,), {"dev": (predictions(),)}), "dev")
    assert whole is not None and whole["tasks"]["t"]["auc"]["mean"] is not None
    assert whole["tasks"]["t"]["auc_missing"] is None


def test_a_task_of_which_no_label_is_known_leaves_some_examples_without_a_score() -> None:
    tasks = (Task("t", ("a", "b")), Task("signs", ("p", "q"), "multi_label"))
    rows = np.array([[0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    labels = np.array([[1, 0, 1], [0, 1, 0], [0, 1, 1]])
    whole = SplitPredictions(tuple("012"), tuple("wxy"), tasks, labels, (rows, rows))
    partly = replace(whole, labels=np.where(np.arange(3) > 0, MISSING, labels))
    assert _numbers_of([whole])["score"] is not None
    assert _numbers_of([partly]) == {"examples": 3, "cases": 3, "score": None}
    kind, signs = task_answers([whole])
    assert kind.of_class(1) == (kind.counts["t"], 1)
    others = replace(whole, labels=np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]]))
    for each in (tasks[0], Task("t", ("a", "b"), "ordinal")):
        (answered, _) = task_answers([replace(others, tasks=(each, tasks[1]))])
        assert answered.macro_f1().values.tolist() == [(0 + 1 / 2) / 2], "over the classes of either kind"
    no_q = replace(whole, labels=np.where(np.arange(3) > 1, MISSING, labels))
    found = split_numbers(ContenderAnswers("x", (1,), {"dev": (no_q,)}), "dev")
    assert found is not None and found["tasks"]["signs"]["classes"].keys() == {"p"}
    assert signs.of_class(0) == (signs.counts["signs: p"], 1), "having a label is the second of two classes"


def test_bands_stand_in_the_order_of_their_numbers() -> None:
    named = ["-1.5 to below 2", "2 and above", "below -1.5", "b", "a"]
    assert sorted(named, key=_in_order)[0] == "below -1.5"
    assert [name for name in sorted(named, key=_in_order) if name[0] in "-2b"][:2] == [
        "below -1.5",
        "-1.5 to below 2",
    ]
    assert sorted(["10 to below 20", "9 to below 10", "20 and above", "below 9"], key=_in_order) == [
        "below 9", "9 to below 10", "10 to below 20", "20 and above",
    ]  # fmt: skip


def test_what_is_scaled_is_calibrated_at_the_temperature_of_each_seed() -> None:
    examples = table(40)
    by_seed = tuple(predictions(40, probabilities=(answers(examples.labels, 0.7, s),)) for s in (1, 2))
    found = split_numbers(ContenderAnswers("x", (1, 2), {"dev": by_seed}), "dev")
    assert found is not None
    warmth = [task_temperature(TASK, one.labels, one.probabilities[0]) or 0.0 for one in by_seed]
    (of_task,) = task_answers(by_seed)
    scaled, plain = calibration(_scaled(of_task, warmth)), calibration(of_task)
    for name in ("calibration_error", "log_loss"):
        assert found["tasks"]["t"][name] == plain[name]
        assert found["tasks"]["t"][f"{name}_scaled"] == scaled[name] != plain[name]


def test_calibration_is_that_of_the_mean_seed() -> None:
    examples = table(40)
    by_seed = [predictions(40, probabilities=(answers(examples.labels, 0.7, s),)) for s in (1, 2)]
    both, first, second = (
        calibration(task_answers(seeds)[0]) for seeds in (by_seed, by_seed[:1], by_seed[1:])
    )
    for name in ("calibration_error", "log_loss"):
        alone = first[name]["mean"], second[name]["mean"]
        assert alone[0] != alone[1] and both[name]["mean"] == pytest.approx(sum(alone) / 2)


def test_an_earlier_gain_is_noted_where_it_recommended_another_contender() -> None:
    before = [{"contender": "a", "relevant_gain": 0.01}, {"contender": "b", "relevant_gain": 0.02}]
    (said,) = _turned(before, "a")
    assert said.startswith("b was recommended before, by a relevant gain of 0.02;")
    assert len(_turned(before, "c")) == 2 and _turned(before[:1], "a") == []


@pytest.mark.parametrize(
    ("labels", "cases", "expected"),
    [
        ([0, 0, 1, 1, 2, 2], "aabbcc", True),
        ([0, 1, 2, 0, 1, 2], "aaabbb", False),
        ([0, 1, 2, 0, 1, 1], "aaabbb", True),  # the third class
        ([0, 1, 2, 0, MISSING, 2], "aaabbb", True),  # the second, where it is known
        ([0, 1, 2, 0, 1, 2, 2], "aaabbbb", False),
        ([0, 0, 1, 2, 1, 2], "aabbcc", True),  # the first alone
        ([0, 1, 0, 1], "aabb", False),  # the third, in none
        ([0, 0, MISSING], "aab", False),  # there is no other
    ],
)
def test_whether_a_class_is_in_a_single_case(labels: list[int], cases: str, expected: bool) -> None:
    count = len(labels)
    scored = SplitPredictions(
        tuple(map(str, range(count))),
        tuple(cases),
        (TASK,),
        np.array(labels)[:, None],
        (np.full((count, 3), 1 / 3),),
    )
    (found,) = task_answers([scored])
    assert found._has_class_in_one_case() is expected


def test_a_threshold_lies_between_an_answer_and_the_next_higher_one() -> None:
    answered = np.array([0.2, 0.6, 0.7, 0.9])
    assert above_rounding(0.6, answered) == pytest.approx(0.65)
    assert above_rounding(0.9, answered) == pytest.approx(0.95), "as if 1 were the next"
    assert above_rounding(None, answered) is None


def test_a_column_is_cut_into_bands_where_nearly_all_of_it_are_many_numbers() -> None:
    numbers: list[str | None] = [str(n) for n in range(9)]
    assert groups_in([*numbers, None, None], "weight")[0] == "below 2.66667"
    assert groups_in([*numbers, "unknown"], "weight")[:2] == ["below 2.66667", "below 2.66667"], "nine of ten"
    assert groups_in([*numbers, "unknown", "none"], "weight")[:2] == ["0", "1"], "nine of eleven"
    assert groups_in([*numbers[:6], *numbers[:6]], "weight")[5] == "5", "six different numbers"
    assert groups_in(["17", "18", "39", "40", "65", "3", "4", "5"], "age_years")[:5] == [
        "below 18", "18 to below 40", "18 to below 40", "40 to below 65", "65 and above",
    ]  # fmt: skip
    assert groups_in(["F", "f", "F", None], "sex") == ["F", "F", "F", None]
    ages: list[str | None] = [str(n) for n in range(10, 90)]
    anonymous = groups_in([*ages, "90+", "> 89", "<18", ">=65", "17+", "old", None], "age")[len(ages) :]
    assert anonymous == ["65 and above", "65 and above", "below 18", "65 and above", "below 18", "old", None]
    assert groups_in([*ages, "Old", "old", "old"], "age")[len(ages) :] == ["old"] * 3
    for count in (MOST - 4, MOST - 3):  # beside four bands
        others = groups_in([*ages, *ages, *(f"{n},5" for n in range(count))], "age")[2 * len(ages) :]
        assert others == ([f"{n},5" for n in range(count)] if count == MOST - 4 else [None] * count)
