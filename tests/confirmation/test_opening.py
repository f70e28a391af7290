"""Who may open the test split, and which weights stay once it was evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from distune.confirmation.confirm import _check_folder_is_of
from distune.confirmation.earlier import damaged_records, gains_before
from distune.confirmation.opening import Opening
from distune.confirmation.statistics.files import FOLDER, MARKER, NUMBERS, PLAN
from distune.confirmation.weights import drop_weights
from distune.errors import UserError
from distune.training.files.run_folder import OPENINGS, openings, record_opening, seal, write_results
from distune.utils.files.sealed_files import write_sealed


def test_a_plan_opens_the_split_once_and_another_one_only_again(tmp_path: Path) -> None:
    first = Opening(tmp_path, "plan a", "data")
    assert not first.is_open and first.open() == 1
    assert first.is_open and first.open() == 1, "it is the same opening, resumed"
    with pytest.raises(UserError, match=r"by plan a; .*the same contenders and seeds"):
        Opening(tmp_path, "plan b", "data").check()
    other = Opening(tmp_path, "plan b", "data", again=True)
    assert not other.is_open and other.open() == 2
    with pytest.raises(UserError, match="plan b"):
        first.open()


def test_an_opening_is_resumed_until_its_numbers_are_written(tmp_path: Path) -> None:
    again = Opening(tmp_path, "plan", "data", again=True)
    assert again.open() == again.open() == 1
    seal(tmp_path / NUMBERS, {"opening": {"number": 1}})
    assert not again.is_open and Opening(tmp_path, "plan", "data").is_open
    assert again.open() == again.open() == 2, "the numbers are of the first one"


def test_an_opening_whose_record_was_deleted_is_known_by_its_numbers(tmp_path: Path) -> None:
    first = Opening(tmp_path, "plan a", "data")
    seal(tmp_path / NUMBERS, {"opening": first.record(first.open())})
    (tmp_path / OPENINGS).unlink()
    assert first.is_open and first.open() == 1
    with pytest.raises(UserError, match="by plan a"):
        Opening(tmp_path, "plan b", "data").open()
    other = Opening(tmp_path, "plan b", "data", again=True)
    assert other.open() == 2 and [line["by"] for line in openings(tmp_path)] == ["plan a", "plan b"]


def test_openings_elsewhere_are_those_of_the_same_data(tmp_path: Path) -> None:
    study, other, run = (tmp_path / name for name in ("optuna/study", "optuna/other", "runs"))
    for folder in (study, other, run):
        folder.mkdir(parents=True)
        record_opening(folder, by=folder.name, dataset="data")
    record_opening(other, by="of other data", dataset="other data")
    found = Opening(study, "study", "data").record(1)
    assert (found["number"], [line["by"] for line in found["openings"]]) == (1, ["study"])
    assert sorted(line["by"] for line in found["elsewhere"]) == ["other", "runs"]


def test_the_recommended_contender_and_what_is_not_evaluated_keep_their_weights(tmp_path: Path) -> None:
    for name, files in {"base": [MARKER], "trial": [MARKER], "late": []}.items():
        run = tmp_path / name / "seed_1"
        run.mkdir(parents=True)
        for file in ("student.safetensors", "results.json", *files):
            (run / file).touch()
    drop_weights(tmp_path, "trial")
    kept = sorted(path.parents[1].name for path in tmp_path.glob("*/*/*.safetensors"))
    assert kept == ["late", "trial"]
    assert len(list(tmp_path.glob("*/*/results.json"))) == 3


@pytest.mark.parametrize("linked", ["base", "base/seed_1"])
def test_no_weights_of_a_run_are_deleted_where_a_link_leads_to(tmp_path: Path, linked: str) -> None:
    outside, link = tmp_path / "outside", tmp_path / "confirmation" / linked
    run = outside / "seed_1" if linked == "base" else outside
    run.mkdir(parents=True)
    for file in ("student.safetensors", MARKER):
        (run / file).touch()
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    drop_weights(tmp_path / "confirmation", "trial")
    assert (run / "student.safetensors").exists()


def test_a_relevant_gain_that_recommends_another_config_is_noted(tmp_path: Path) -> None:
    def plan(gain: float, seeds: int = 2, score: float = 0.8, data: str = "f") -> dict[str, Any]:
        trained = [{"name": "best", "search_score": score}, {"name": "base", "search_score": None}]
        return {
            "relevant_gain": gain,
            "data_fingerprint": data,
            "seeds": list(range(seeds)),
            "contenders": trained,
        }

    def numbers(gain: float) -> dict[str, Any]:
        of_both = {
            "base": {"kind": "base", "search_score": None}, "best": {"kind": "trial", "search_score": 0.8},
            "majority": {"kind": "baseline", "search_score": None},
        }  # fmt: skip
        return {**plan(gain), "contenders": of_both}

    kept, shown = tmp_path / FOLDER / PLAN, tmp_path / NUMBERS
    kept.parent.mkdir()
    assert gains_before(tmp_path, plan(0.01)) == []
    write_sealed(kept, {**plan(0.02), "gains_before": [0.01]})
    assert gains_before(tmp_path, plan(0.02)) == [0.01]
    assert gains_before(tmp_path, plan(0.05)) == [0.01, 0.02]
    assert gains_before(tmp_path, plan(0.05, seeds=3)) == [], "of other answers"
    assert gains_before(tmp_path, plan(0.05, score=0.7)) == [], "of another study's trials"
    assert gains_before(tmp_path, plan(0.05, data="g")) == [], "of other data"
    before = [{"contender": "base", "relevant_gain": 0.03}]
    write_sealed(shown, {**numbers(0.02), "recommended_before": before})
    assert gains_before(tmp_path, plan(0.05)) == [0.03, 0.02, 0.01]
    for damaged in (
        "{",
        "{}",
        '{"contenders": 3}',
        '{"contenders": {"best": 3}}',
        '{"contenders": {"a": []}}',
    ):
        kept.write_text(damaged)
        assert gains_before(tmp_path, plan(0.05)) == [0.03, 0.02], "one of the two is damaged"


def test_a_folder_whose_best_run_has_another_score_is_another_studys(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    run = tmp_path / "trials/trial_0000"
    run.mkdir(parents=True)
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"folder": str(run)}))
    write_results(run, {"score": 0.5})
    _check_folder_is_of(study, tmp_path)
    write_results(run, {"score": 0.6})
    with pytest.raises(UserError, match="another study's run"):
        _check_folder_is_of(study, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "{}",
        '{"contenders": 3}',
        '{"contenders": {"a": 3}}',
        '{"contenders": {"a": {"trial": [7]}}}',
    ],
)
def test_numbers_that_are_damaged_hold_no_confirmation_of_another_study(
    tmp_path: Path, content: str | None
) -> None:
    study = optuna.create_study()
    if content is not None:
        (tmp_path / NUMBERS).write_text(content)
    _check_folder_is_of(study, tmp_path)
    write_sealed(tmp_path / NUMBERS, {"study": "other", "contenders": {"a": {"trial": 7}}})
    with pytest.raises(UserError, match="study other"):
        _check_folder_is_of(study, tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "null", '{"contenders": [], "checksum": "0"}'])
def test_damaged_records_are_written_again_where_another_one_knows_the_gains(
    tmp_path: Path, content: str
) -> None:
    kept, shown = tmp_path / FOLDER / PLAN, tmp_path / NUMBERS
    kept.parent.mkdir()
    for damaged, sound in ((kept, shown), (shown, kept)):
        write_sealed(sound, {"contenders": []})
        damaged.write_text(content)
        (line,) = damaged_records(tmp_path)
        assert str(damaged) in line and str(sound) not in line
        sound.write_text(content)
        with pytest.raises(UserError, match="relevant gains"):
            damaged_records(tmp_path)
        sound.unlink()
        with pytest.raises(UserError, match="relevant gains"):
            damaged_records(tmp_path)
        damaged.unlink()
        assert damaged_records(tmp_path) == []
