"""Hand-made run folders, and every number against an independent computation."""

from __future__ import annotations

import functools
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import Contender, compare
from scipy import optimize, stats
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from distune.confirmation.baselines import ends_of_grid
from distune.confirmation.statistics.comparisons import Pair, planned
from distune.confirmation.statistics.files import read_plan
from distune.confirmation.statistics.inference.power import power
from distune.confirmation.statistics.inference.significance import family_level
from distune.confirmation.statistics.inference.standard_errors import Errors
from distune.confirmation.statistics.numbers import _optimism, confirmation_numbers
from distune.confirmation.statistics.scores.scores import interval
from distune.confirmation.statistics.scores.subgroups import read_subgroups
from distune.data.table import Table, Task
from distune.errors import UserError
from distune.prediction.trained import fitted_temperatures
from distune.training.files.prediction_files import write_predictions

TASKS = (Task("modality", ("CT", "MR")), Task("location", ("Abdomen", "Head", "Thorax")))
SEEDS = (7, 8, 9)
SIZES = {"dev": 60, "test": 120}
RATES = {"trial_0004": 0.85, "base": 0.6, "trial_0004_student_alone": 0.84, "majority": 0.4}
"""Chance of a right answer by contender."""


def table() -> Table:
    random = np.random.default_rng(0)
    count = sum(SIZES.values())
    splits = tuple(split for split, size in SIZES.items() for _ in range(size))
    labels = np.stack([random.integers(len(task.classes), size=count) for task in TASKS], axis=1)
    return Table(
        root=Path(),
        ids=tuple(f"image-{row}" for row in range(count)),
        images=("",) * count,
        texts=("",) * count,
        labels=labels,
        groups=tuple(f"{split}-{row // 2}" for row, split in enumerate(splits)),
        splits=splits,  # type: ignore[arg-type]
        tasks=TASKS,
    )


def answers(labels: np.ndarray, rate: float, seed: int) -> list[np.ndarray]:
    """Probabilities whose largest is right with a chance, and far too sure of itself."""
    random = np.random.default_rng(seed)
    found = []
    for column, task in enumerate(TASKS):
        classes = len(task.classes)
        is_right = random.random(len(labels)) < rate
        shift = random.integers(1, classes, size=len(labels))
        chosen = np.where(is_right, labels[:, column], (labels[:, column] + shift) % classes)
        probabilities = random.dirichlet(np.ones(classes), len(labels)) * 0.05
        probabilities[np.arange(len(labels)), chosen] += 0.95
        found.append(probabilities)
    return found


def write(
    folder: Path, rate: float, seed: int, splits: Sequence[str] = ("dev", "test"), *, blind: bool
) -> None:
    folder.mkdir(parents=True)
    examples = table()
    for number, split in enumerate(splits):
        rows = examples.rows(split)  # type: ignore[arg-type]
        given = answers(examples.labels[rows], rate, seed + 100 * number)
        write_predictions(folder, split, examples, rows, given)
        if blind:
            worse = answers(examples.labels[rows], 0.4, seed + 100 * number + 50)
            write_predictions(folder, f"{split}_without_image", examples, rows, worse)


def about(name: str, kind: str, **values: Any) -> dict[str, Any]:
    unknown = {"trial": None, "rank": None, "search_score": None, "parameters": None, "missing": []}
    return {"name": name, "kind": kind, "is_base": kind == "base", **unknown, **values}


def make(
    folder: Path, splits: Sequence[str] = ("dev", "test"), missing: Mapping[str, Sequence[int]] | None = None
) -> Path:
    for name, rate in RATES.items():
        if name == "majority":
            write(folder / "baselines" / name, rate, 1, splits, blind=False)
            continue
        for seed in set(SEEDS) - set((missing or {}).get(name, ())):
            write(folder / name / f"seed_{seed}", rate, seed, splits, blind=name == "trial_0004")
    plan = {
        "study": "made_by_hand",
        "created": "2026-01-01T00:00:00+00:00",
        "distune_version": "0",
        "top": 1,
        "seeds": list(SEEDS),
        "study_seed": 5,
        "data_fingerprint": "f",
        "opening": None,
        "contenders": [
            about("trial_0004", "trial", trial=4, rank=1, search_score=0.93),
            about("base", "base", trial=0),
            about("trial_0004_student_alone", "student_alone"),
        ],
        "baselines": [{"name": "majority", "settings": {}}],
        "failures": [],
        "notes": [],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("confirmation"))


@pytest.fixture(scope="module")
def numbers(folder: Path) -> dict[str, Any]:
    return confirmation_numbers(folder)


def as_written(split: str, rate: float, seed: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    examples = table()
    labels = examples.labels[examples.rows(split)]  # type: ignore[arg-type]
    probabilities = answers(labels, rate, seed + 100 * ("dev", "test").index(split))[column]
    return labels[:, column], np.round(probabilities, 6)


def expected_interval(values: Sequence[float], most: float = 1.0) -> dict[str, Any]:
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return {
        "mean": mean,
        "low": mean - half,
        "high": min(mean + half, most),
        "seeds": len(values),
        "cases": None,
    }


@pytest.mark.parametrize("split", ["dev", "test"])
def test_metrics_are_those_of_scikit_learn_and_intervals_those_of_scipy(
    numbers: dict[str, Any], split: str
) -> None:
    numbers = numbers["contenders"]["trial_0004"]["splits"][split]
    scores = np.zeros(len(SEEDS))
    for column, task in enumerate(TASKS):
        pairs = [as_written(split, RATES["trial_0004"], seed, column) for seed in SEEDS]
        found = numbers["tasks"][task.name]
        f1 = [f1_score(truth, p.argmax(1), average="macro") for truth, p in pairs]
        scores += np.array(f1) / len(TASKS)
        assert found["macro_f1"]["mean"] == pytest.approx(np.mean(f1))
        accuracy = [accuracy_score(truth, p.argmax(1)) for truth, p in pairs]
        assert found["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))
        areas = [
            roc_auc_score(truth, p[:, 1])
            if len(task.classes) == 2
            else np.mean([roc_auc_score(truth == c, p[:, c]) for c in range(3)])
            for truth, p in pairs
        ]
        assert (found["auc"]["mean"], found["auc"]["cases"]) == (
            pytest.approx(np.mean(areas)),
            SIZES[split] / 2,
        )
        looked_for = [each["positive"] for each in found["operating_points"] or []]
        assert looked_for == ([task.classes[1]] if len(task.classes) == 2 and split == "test" else [])
        for number, name in enumerate(task.classes):
            recalls = [recall_score(truth, p.argmax(1), average=None)[number] for truth, p in pairs]
            held = found["classes"][name]
            assert held["recall"]["mean"] == pytest.approx(np.mean(recalls))
            assert held["recall"]["cases"] == held["cases"] <= 60
            assert found["classes"][name]["support"] == int((pairs[0][0] == number).sum())
    assert numbers["scores"] == pytest.approx(list(scores))
    assert numbers["over_seeds"] == pytest.approx(expected_interval(list(scores)))
    score, forecast = numbers["score"], numbers["forecast"]
    assert (score["mean"], score["seeds"], score["cases"]) == (
        pytest.approx(scores.mean()),
        3,
        SIZES[split] / 2,
    )
    assert forecast["low"] < score["low"] < score["mean"] < score["high"] < forecast["high"]


def expected_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error over 15 bins, example by example."""
    confidence, is_right = probabilities.max(1), probabilities.argmax(1) == truth
    total = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(is_right[inside].mean() - confidence[inside].mean())
    return total


def test_temperatures_are_fitted_on_dev_and_used_on_test(numbers: dict[str, Any]) -> None:
    numbers = numbers["contenders"]["trial_0004"]["splits"]["test"]["tasks"]["modality"]
    temperatures, before, after = [], [], []

    def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
        powers = probabilities ** (1 / temperature)
        return powers / powers.sum(1, keepdims=True)

    for seed in SEEDS:
        (dev, dev_p), (test, test_p) = (
            as_written(split, RATES["trial_0004"], seed, 0) for split in ("dev", "test")
        )
        dev_p, test_p = np.maximum(dev_p, 1e-15), np.maximum(test_p, 1e-15)
        loss = lambda t: -np.log(scaled(dev_p, t)[np.arange(len(dev)), dev]).mean()  # noqa: B023, E731
        temperatures.append(optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x)
        before.append(expected_error(test, test_p))
        after.append(expected_error(test, scaled(test_p, temperatures[-1])))
    assert numbers["temperature"]["mean"] == pytest.approx(np.mean(temperatures), rel=1e-3)
    assert numbers["calibration_error"]["mean"] == pytest.approx(np.mean(before), abs=1e-6)
    assert numbers["calibration_error_scaled"]["mean"] == pytest.approx(np.mean(after), abs=1e-3)
    assert numbers["calibration_error_scaled"]["mean"] < numbers["calibration_error"]["mean"]


def test_thresholds_are_of_the_probabilities_that_predict_gives(
    folder: Path, numbers: dict[str, Any]
) -> None:
    found = numbers["contenders"]["trial_0004"]["splits"]["test"]["tasks"]["modality"]["operating_points"]
    points = {point["wanted"]: point for point in found[0]["points"]}
    assert (found[0]["positive"], sorted(points)) == ("MR", [0.8, 0.9, 0.95])
    for wanted, point in points.items():
        above = []
        for seed, cut in zip(SEEDS, point["thresholds"], strict=True):
            warm = fitted_temperatures(folder / "trial_0004" / f"seed_{seed}", TASKS)["modality"]
            pairs = [as_written(split, RATES["trial_0004"], seed, 0) for split in ("dev", "test")]
            (dev, dev_p), (test, test_p) = (
                (truth, 1 / (1 + (np.maximum(p[:, 0], 1e-15) / np.maximum(p[:, 1], 1e-15)) ** (1 / warm)))
                for truth, p in pairs
            )
            negatives = np.sort(dev_p[dev == 0])
            kept = negatives[math.ceil(wanted * len(negatives)) - 1]
            # Half way to the next answer: rounding must not lift what is kept above the threshold.
            assert cut == pytest.approx((kept + dev_p[dev_p > kept * (1 + 1e-12)].min()) / 2)
            assert warm > 1.5  # far from the probabilities as the model gives them
            above.append(test_p > cut)
        for name, label in (("sensitivity", 1), ("specificity", 0)):
            shares = [(each == label)[test == label].mean() for each in above]
            assert point[name]["mean"] == pytest.approx(np.mean(shares))
            assert point["first_seed"][name]["mean"] == pytest.approx(shares[0])


def test_conditions_are_paired_with_the_full_input_seed_by_seed(numbers: dict[str, Any]) -> None:
    splits = numbers["contenders"]["trial_0004"]["splits"]["test"]
    examples = table()
    labels = examples.labels[examples.rows("test")]
    blind = [
        np.mean(
            [
                f1_score(labels[:, column], p.argmax(1), average="macro")
                for column, p in enumerate(answers(labels, 0.4, seed + 150))
            ]
        )
        for seed in SEEDS
    ]
    found = splits["conditions"]["without_image"]
    assert list(splits["conditions"]) == ["without_image"]
    assert found["score"]["mean"] == pytest.approx(np.mean(blind))
    changes = [low - full for low, full in zip(blind, splits["scores"], strict=True)]
    assert found["change"]["mean"] == pytest.approx(np.mean(changes))
    assert found["change"]["low"] < np.mean(changes) < found["change"]["high"] < 0


def test_comparisons_are_corrected_by_family_and_planted_differences_found(numbers: dict[str, Any]) -> None:
    compared = {each["kind"]: each for each in numbers["comparisons"]}
    assert {kind: each["verdict"] for kind, each in compared.items()} == {
        "tuning_gain": "better",
        "distillation_gain": "not significantly different",
        "against_baseline": "better",
    }
    # Two primary questions are corrected together; the one baseline is a family of its own.
    primary = [compared[kind] for kind in ("tuning_gain", "distillation_gain")]
    assert [each["family"] for each in compared.values()] == ["primary", "primary", "secondary"]
    for each in primary:
        assert each["adjusted_p"] == pytest.approx(1 - (1 - each["p_value"]) ** 2)
        assert each["family_low"] < each["low"] < each["high"] < each["family_high"]
    alone = compared["against_baseline"]
    assert (alone["family_low"], alone["family_high"]) == pytest.approx((alone["low"], alone["high"]))
    assert compared["tuning_gain"]["groups"] == 60 and 0 < compared["tuning_gain"]["power"] < 0.5
    assert compared["against_baseline"]["seeds"] == {"first": 3, "second": 1}
    for each, questions in (*((one, 2) for one in primary), (alone, 1)):
        parts = (each[f"{part}_error"] ** 2 for part in ("case", "seed", "interaction"))
        errors = Errors(*parts, each["freedom"])
        assert each["power"] == pytest.approx(power(errors, 0.01, family_level(questions)))


def test_mcnemar_is_the_binomial_test_of_the_first_seeds_models(numbers: dict[str, Any]) -> None:
    found = next(c for c in numbers["comparisons"] if c["kind"] == "tuning_gain")
    for column, task in enumerate(TASKS):
        truth, first = as_written("test", RATES["trial_0004"], SEEDS[0], column)
        _, second = as_written("test", RATES["base"], SEEDS[0], column)
        one, other = first.argmax(1) == truth, second.argmax(1) == truth
        counts = int((one & ~other).sum()), int((~one & other).sum())
        assert (
            found["mcnemar"][task.name]["only_first"],
            found["mcnemar"][task.name]["only_second"],
        ) == counts
        expected = stats.binomtest(counts[0], sum(counts)).pvalue
        assert found["mcnemar"][task.name]["p_value"] == pytest.approx(expected)


@pytest.mark.slow
def test_contenders_that_lack_seeds_are_compared_over_those_they_have(tmp_path: Path) -> None:
    folder = make(tmp_path, missing={"base": [8], "trial_0004_student_alone": SEEDS})
    numbers = confirmation_numbers(folder)
    assert numbers["contenders"]["base"]["seeds"] == [7, 9]
    assert numbers["contenders"]["trial_0004_student_alone"]["splits"]["test"] is None
    gain = numbers["comparisons"][0]
    assert gain["seeds"] == {"first": 3, "second": 2}
    examples = table()
    rows = examples.rows("test")
    pair = [
        Contender(
            name,
            np.array(
                [
                    np.stack(
                        [p.argmax(1) for p in answers(examples.labels[rows], RATES[name], s + 100)], axis=1
                    )
                    for s in seeds
                ]
            ),
        )
        for name, seeds in (("trial_0004", SEEDS), ("base", (7, 9)))
    ]
    groups = [examples.groups[row] for row in rows]
    expected = compare(examples.labels[rows], groups, *pair)
    assert (gain["low"], gain["high"]) == pytest.approx((expected.low, expected.high))
    assert numbers["comparisons_missing"] == [
        {
            "kind": "distillation_gain",
            "first": "trial_0004",
            "second": "trial_0004_student_alone",
            "reason": "trial_0004_student_alone: no run finished",
        }
    ]


@pytest.mark.slow
def test_without_a_test_split_dev_is_evaluated_and_marked(tmp_path: Path) -> None:
    numbers = confirmation_numbers(make(tmp_path, splits=("dev",)))
    assert (numbers["split"], numbers["optimistic"]) == ("dev", True)
    assert numbers["comparisons"][0]["examples"] == SIZES["dev"]
    assert numbers["optimism"]["test"] is None and numbers["optimism"]["search_score"] == 0.93


@pytest.mark.slow
def test_runs_that_were_evaluated_on_different_examples_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path)
    path = folder / "base" / "seed_8" / "predictions_test.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UserError, match="different test examples"):
        confirmation_numbers(folder)


def test_a_study_that_was_not_confirmed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not confirmed"):
        confirmation_numbers(tmp_path)


def plain(*names: str) -> list[dict[str, Any]]:
    """Contenders in the order of their ranks; a base that is no top trial is named with a minus."""
    found = []
    for rank, name in enumerate(names, 1):
        kind = "base" if "base" in name else name if name == "alone" else "trial"
        ranked = not name.startswith("-") and name != "alone"
        bare = name.removeprefix("-")
        found.append(
            {
                "name": bare,
                "kind": "student_alone" if kind == "alone" else kind,
                "rank": rank if ranked else None,
                "is_base": kind == "base",
                "search_score": 0.8 - 0.1 * (kind == "base"),
            }
        )
    return found


def test_no_pair_is_planned_twice() -> None:
    assert planned(plain("a", "base", "b"), ["majority"]) == [
        Pair("tuning_gain", "a", "base"),
        Pair("against_trial", "a", "b"),
        Pair("trial_gain", "b", "base"),
        Pair("against_baseline", "a", "majority"),
    ]
    assert planned(plain("base", "a"), []) == [Pair("against_trial", "base", "a")]


def test_a_penalty_at_an_end_of_the_grid_is_noted() -> None:
    assert ends_of_grid({"text_tfidf": {"a": {"C": 0.1}, "b": {"always": "x"}}}) == []
    (said,) = ends_of_grid({"text_tfidf": {"a": {"C": 1000.0}, "b": {"C": 1.0}}, "majority": {}})
    assert "text_tfidf" in said and "for a: " in said


def test_an_interval_ends_where_no_value_can_lie() -> None:
    """Two seeds 0.4 apart: the t interval is 0.7 ± 2.541, which no share can fill."""
    assert interval([0.5, 0.9]) == {"mean": 0.7, "low": None, "high": None, "seeds": 2, "cases": None}
    assert interval([0.5, 0.9], highest=math.inf)["high"] == pytest.approx(0.7 + 12.7062 * 0.2, abs=1e-4)
    assert interval([0.1, 0.2])["low"] == 0.0
    assert interval([0.5])["low"] is None
    narrow = interval([0.50, 0.51, 0.52])
    assert narrow["low"] == pytest.approx(0.51 - 4.30265 * 0.01 / math.sqrt(3), abs=1e-6)


PLANS: dict[str, tuple[str, Any]] = {
    "no contenders": ("contenders", []),
    "contenders by name": ("contenders", {"base": {}}),
    "a name that leads elsewhere": ("contenders.1.name", "../../elsewhere"),
    "a name twice": ("contenders.1.name", "trial_0004"),
    "a rank in words": ("contenders.0.rank", "1"),
    "no best": ("contenders.0.rank", 2),
    "true for a score": ("contenders.0.search_score", True),
    "seeds of text": ("seeds", ["1"]),
    "parameters that are one number": ("contenders.0.parameters", 3),
    "nothing for failures": ("failures", None),
    "no gain that matters": ("relevant_gain", None),
    "a baseline that is a name": ("baselines.0", "majority"),
    "tasks of numbers": ("asked", [[1, [2, 3]]]),
    "tasks of more than a task has": ("asked", [["k", ["a", "b"], {"x": 1}]]),
    "an opening of another form": ("opening", {"number": "first"}),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make(tmp_path_factory.mktemp("sound") / "confirmation")
    (folder / "subgroups.csv").write_text("id,sex\n1,f\n")
    confirmation_numbers(folder)
    return folder


@pytest.mark.parametrize("case", PLANS)
def test_a_plan_of_another_form_is_damaged(sound: Path, tmp_path: Path, case: str) -> None:
    path, odd = PLANS[case]
    plan = json.loads((sound / "plan.json").read_text())
    *sections, last = (int(key) if key.isdigit() else key for key in path.split("."))
    functools.reduce(lambda held, key: held[key], sections, plan)[last] = odd
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(UserError, match=r"plan\.json is damaged"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "id,sex\n1\n", "id,sex\n1,f,x\n", "sex\nf\n", 'id,sex\n"1,f\n', "id,sex\n\n"]
)
def test_damaged_subgroups_are_named(sound: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "subgroups.csv").write_text(content)
    with pytest.raises(UserError, match=r"subgroups\.csv is damaged"):
        read_subgroups(tmp_path)


def test_predictions_under_a_condition_are_of_the_same_examples(sound: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound, tmp_path / "confirmation")
    (file, *_) = sorted(folder.glob("trial_0004/*/predictions_test_without_image.csv"))
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="test_without_image"):
        confirmation_numbers(folder)


def test_optimism_on_folds_counts_seeds_with_all_their_folds(tmp_path: Path) -> None:
    """Two seeds with means of 0.7 and 0.8 and one that lacks a fold, against 0.9 in the search."""
    for seed, scores in ((1, (0.6, 0.8)), (2, (0.7, 0.9)), (3, (0.1,))):
        for fold, score in enumerate(scores, 1):
            folder = tmp_path / "trial_0004" / f"seed_{seed}" / "folds" / f"fold_{fold}"
            folder.mkdir(parents=True)
            (folder / "results.json").write_text(json.dumps({"score": score}))
    plan = {"contenders": [{"name": "trial_0004", "rank": 1, "search_score": 0.9}], "folds": 2}
    splits = {"dev": {"over_seeds": interval([0.5, 0.52])}, "test": None}
    found = _optimism(plan, {"trial_0004": {"seeds": [1, 2, 3], "splits": splits}}, tmp_path)
    assert found is not None and found["again"]["mean"] == pytest.approx(0.75)
    assert (found["dev"]["mean"], found["test"], found["loss"]["on"]) == (0.51, None, "folds")
    again = interval([0.7, 0.8])
    assert [found["loss"][key] for key in ("mean", "low", "high")] == pytest.approx(
        [0.15, 0.9 - again["high"], 0.9 - again["low"]]
    )
