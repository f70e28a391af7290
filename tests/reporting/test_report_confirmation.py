"""The report of a study with a confirmation and an audit beside it, and of one with damaged ones."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from confirmed_numbers import AUDIT, CONFIRMATION, HOSTILE, compared, over
from markdown_it import MarkdownIt  # comes with rich
from optuna.trial import create_trial

from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_files import Confirmation
from distune.analysis.records.study_record import StudyRecord
from distune.cli.compare import compare as compare_command
from distune.reporting.figures.bars import draw_confirmed
from distune.reporting.figures.style import look
from distune.reporting.formats import over_seeds, plain
from distune.reporting.report import write_report

pytestmark = pytest.mark.slow


def study_at(folder: Path, name: str = "s", best: float = 0.8) -> StudyRecord:
    """A study whose trial 0 is the base and whose trial 1 is the best."""
    study = optuna.create_study(study_name=name, direction="maximize")
    study.add_trials([create_trial(value=0.7, user_attrs={"baseline": True}), create_trial(value=best)])
    folder.mkdir(exist_ok=True)
    return from_optuna(study, folder)


Write = Callable[..., tuple[str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the report of a study with these files beside it; returns Markdown and HTML."""

    def written(confirmation: Any = None, audit: Any = None, **about: Any) -> tuple[str, str]:
        study = study_at(tmp_path / "study", **about)
        for name, held in (("confirmation.json", confirmation), ("audit.json", audit)):
            if held is not None:
                text = held if isinstance(held, str) else json.dumps(held)
                (tmp_path / "study" / name).write_text(text, encoding="utf-8")
        (tmp_path / "study" / "recommended_config.yaml").write_text("name: s\n")
        write_report(study, tmp_path / "out")
        text, page = (tmp_path / "out" / name for name in ("report.md", "report.html"))
        return text.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")

    return written


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_a_confirmation_stands_beside_every_gain(write: Write) -> None:
    text, page = write(CONFIRMATION)
    said = "+0.0123, 95 % interval [−0.0077, +0.0323], over 5 seeds on test: not significantly different"
    for title in ("Baseline against optimised", "Confirmation", "Conclusion"):
        assert said in section(text, title), title
    assert f"+0.0123 ({said[9:]}; +0.1000 in the search)" in text.split("\n## ")[0], "the headline"
    assert "not confirmed" not in text.lower() and "Confirm before use" not in text
    assert "+0.1000 (in the search; not significantly different over seeds)" in text
    advised = section(text, "Recommendations")
    assert "**Use** `base`. The base config has the highest expected score." in advised
    assert "recommended_config.yaml`" in advised and "power of 17 % for a gain of +0.0100" in advised
    assert "would have taken about 14 seeds or about 990 cases" in advised
    assert 'id="figure-gains"' in page and "figures/gains.png" in text


def test_the_tables_of_a_confirmation_hold_its_numbers(write: Write) -> None:
    said = section(write(CONFIRMATION)[0], "Confirmation")
    for row in (
        r"\| `trial_0001` \| trial of the study \(1\), rank 1 \| 5 \| 0\.8000 \| 0\.7700 \[0\.7600, 0\.7800\] "
        r"\| 0\.7500",
        r"\| `majority` \| the most frequent class of train \| 0\.3300 \| 0\.3100 \|",
        r"\| Tuning gain \| `trial_0001` − `base` \| \+0\.0123 \| \[−0\.0077, \+0\.0323\] \| "
        r"\[−0\.0107, \+0\.0353\] \| 0\.041 \| \*\*not significantly different\*\* \| 17 % \| "
        r"about 14 seeds or about 990 cases \|",
        r"\| 3 \| 14 \| 0\.013 \|",
        r"\| Best dev score in the study, one seed, picked for it \| 0\.8000 \|",
        r"\| 0\.2111 \[0\.2011, 0\.2211\] \| 0\.1222 \[0\.1122, 0\.1322\] \|",
        r"\| `base` \| without the image \| 0\.3333 \[0\.3233, 0\.3433\] \| −0\.4444 \[−0\.4544, −0\.4344\] \|",
        r"opened 2 times for this study",
        r"2026-01-03, elsewhere on these data: `other study`, in `logs/other`",
    ):
        assert re.search(row, said), row
    assert said.count("numbers are of opening 2") == 1


@pytest.mark.parametrize("verdict", ["not significantly different", "better"])
def test_usage_follows_what_was_confirmed(
    tmp_path: Path, build: Callable[..., StudyRecord], verdict: str
) -> None:
    study = build(tmp_path / "s")
    best = max(study.complete, key=lambda trial: trial.value or 0.0)
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["trial"] = best.number
    numbers["comparisons"][0]["verdict"] = verdict
    (tmp_path / "s" / "recommended_config.yaml").write_text("name: s\n")

    def usage() -> str:
        write_report(study, tmp_path / "out")
        return section((tmp_path / "out" / "report.md").read_text(encoding="utf-8"), "Usage")

    before = usage()
    assert "### Train the best configuration" in before
    for door in ("python experiments/run.py", "distune train"):
        assert f"{door} {tmp_path}/s/best_config.yaml\n" in before
    (tmp_path / "s" / "confirmation.json").write_text(json.dumps(numbers))
    train, _, ranges = usage().partition("### Recommended starting ranges")
    assert "### Train the recommended configuration" in train
    assert (
        f"distune train {tmp_path}/s/recommended_config.yaml --test\n" in train and "best_config" not in train
    )
    told_none = (
        "showed no significant gain over the base config for any of the trials that these ranges come from"
    )
    assert (f"{told_none}; the base config itself lies outside them in " in ranges) == (verdict != "better")
    assert (told_none in ranges) == (verdict != "better")


def test_what_distillation_brought_and_which_baselines_stand_is_concluded(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    said = section(write(numbers)[0], "Conclusion")
    assert "Distillation gain" not in said and "baselines" not in said
    numbers["comparisons"] += [
        compared("distillation_gain", "trial_0001", "base", -0.05, "worse"),
        compared("against_baseline", "trial_0001", "text_tfidf", 0.01, "not significantly different"),
    ]
    said = section(write(numbers, best=0.9)[0], "Conclusion")
    assert (
        "Distillation gain: −0.0500, 95 % interval [−0.0700, −0.0300], over 5 seeds on test: worse." in said
    )
    assert "not significantly better than these baselines: `text_tfidf`." in said


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            [0.5, 0.7],
            "scatters by 0.1414 (standard deviation); 2 seeds are too few to tell how far two single runs differ.",
        ),
        (
            [0.74, 0.75, 0.76],
            "19 of 20 cases by less than 0.0608 (√2 times Student's quantile for so few seeds). That is larger than",
        ),
        (
            [0.750, 0.751, 0.752],
            "That is smaller than the gain of the best trial over the base config, +0.0123",
        ),
        ([0.75], "the best trial was not trained again with two seeds"),
    ],
)
def test_the_noise_over_seeds_is_not_set_beside_the_gain_of_the_search(
    write: Write, scores: list[float], said: str
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["splits"]["test"]["scores"] = scores
    advised = section(write(numbers)[0], "Recommendations")
    assert "**Noise over seeds.**" in advised and said in advised
    assert "+0.1000" not in advised and "folds" not in advised


def test_the_noise_of_single_runs_is_not_called_that_of_means_over_folds(tmp_path: Path) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["splits"]["test"]["scores"] = [0.5, 0.7]
    study = replace(study_at(tmp_path / "s"), folds=3)
    (tmp_path / "s" / "confirmation.json").write_text(json.dumps(numbers))
    write_report(study, tmp_path / "out")
    advised = section((tmp_path / "out" / "report.md").read_text(encoding="utf-8"), "Recommendations")
    assert "The scores of the search are means over 3 folds, which scatter differently." in advised
    assert "+0.1000" not in advised


def test_without_a_confirmation_the_noise_over_seeds_is_not_known(write: Write) -> None:
    advised = section(write()[0], "Recommendations")
    assert "**Noise over seeds.** Not measured: every trial ran with one seed." in advised


@pytest.mark.parametrize(
    ("power", "seeds", "cases", "said"),
    [
        (0.2, 14, 987, "about 14 seeds or about 990 cases"),
        (0.2, 14, None, "about 14 seeds"),
        (0.2, None, 987, "about 990 cases"),
        (0.2, None, None, "more of both"),
        (0.85, 4, 60, "—"),
    ],
)
def test_what_more_power_would_take(
    write: Write, power: float, seeds: int | None, cases: int | None, said: str
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"][0] |= {"power": power, "seeds_needed": seeds, "cases_needed": cases}
    text, _ = write(numbers)
    assert f"| {100 * power:.0f} % | {said} |" in section(text, "Confirmation")
    assert ("The confirmation had a power of" in section(text, "Recommendations")) == (power < 0.8)


def test_the_families_are_named_and_their_intervals_decide(write: Write) -> None:
    said = section(write(CONFIRMATION)[0], "Confirmation")
    assert "families were fixed in advance" in said and "it alone decides the verdict" in said


def test_mcnemars_p_is_said_to_be_too_small_where_cases_hold_several_examples(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    said = "takes the 120 examples of 95 cases as independent, so p is too small"
    assert said in section(write(numbers)[0], "Confirmation")
    numbers["examples"]["test"]["cases"] = 120
    assert "as independent" not in section(write(numbers)[0], "Confirmation")


def test_calibration_after_scaling_is_said_to_flatter_where_it_is_judged_on_the_split_it_is_fitted_on(
    write: Write,
) -> None:
    said = "temperatures are fitted on these very examples, so “after” flatters"
    assert said not in section(write(CONFIRMATION)[0], "Confirmation")
    numbers = copy.deepcopy(CONFIRMATION) | {"split": "dev", "optimistic": True, "opening": None}
    assert said in section(write(numbers)[0], "Confirmation")


def test_long_tables_hold_the_recommended_and_the_base_config_alone(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0002"] = copy.deepcopy(numbers["contenders"]["trial_0001"]) | {
        "rank": 2,
        "trial": 2,
    }
    numbers["recommendation"] |= {"contender": "trial_0001", "kind": "trial"}
    said = section(write(numbers)[0], "Confirmation")
    for title in ("Calibration", "With an input missing"):
        table = said.split(f"### {title}")[1].split("\n### ")[0]
        assert "`trial_0001`" in table and "`base`" in table and "`trial_0002`" not in table
        assert "those of all others are in" in table


def test_a_recommended_base_is_said_to_have_no_measured_distillation_gain(write: Write) -> None:
    said = "No distillation gain is measured for it"
    assert said in section(write(CONFIRMATION)[0], "Recommendations")
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["comparisons"].append(compared("distillation_gain", "base", "alone", 0.1, "better"))
    assert said not in section(write(numbers)[0], "Recommendations")


def test_the_interval_of_a_score_says_what_it_holds(write: Write) -> None:
    said = section(write(CONFIRMATION)[0], "Confirmation")
    assert "interval over seeds and cases" in said and "Intervals over seeds alone." in said


def test_data_without_a_test_split_are_not_promised_one(write: Write) -> None:
    assert "judges them once on the test split" in section(write()[0], "Confirmation")
    audit = copy.deepcopy(AUDIT)
    audit["findings"][0]["kind"] = "no_test_split"
    said = section(write(audit=audit)[0], "Confirmation")
    assert "judges them on dev, as these data have no test split" in said
    assert "once on the test split" not in said


def test_a_missing_input_is_shown_task_by_task(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    condition = numbers["contenders"]["base"]["splits"]["test"]["conditions"]["without_image"]
    condition["tasks"] = {"kind": {"macro_f1": over(0.4321)}, "place": {"macro_f1": over(0.1234)}}
    said = section(write(numbers)[0], "Confirmation")
    assert "| kind 0.4321 [0.4221, 0.4421]; place 0.1234 [0.1134, 0.1334] |" in said


@pytest.mark.parametrize(("best", "confirmed"), [(1, "0.7500"), (5, "")])
def test_compare_shows_what_was_confirmed_of_the_best_trial_of_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], best: int, confirmed: str
) -> None:
    """A study whose best trial is 1, with a confirmation of that trial or of another."""
    storage = f"sqlite:///{tmp_path / 's.db'}"
    study = optuna.create_study(study_name="s", direction="maximize", storage=storage)
    study.add_trials([create_trial(value=0.7, user_attrs={"baseline": True}), create_trial(value=0.8)])
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["trial"] = best
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "confirmation.json").write_text(json.dumps(numbers))
    compare_command([str(tmp_path / "s")])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("s "))
    assert row.split() == [word for word in ("s", "study", "0.8000", "0.7000", confirmed, "2") if word]


@pytest.mark.parametrize("verdict", ["not significantly different", "better"])
def test_a_gain_is_drawn_filled_where_its_verdict_tells_it(verdict: str) -> None:
    """Filled marks are drawn in the colour of a clear gain."""
    drawn = []
    for told in ("not significantly different", verdict):
        numbers = copy.deepcopy(CONFIRMATION)
        numbers["comparisons"] = [
            compared("tuning_gain", "trial_0001", "base", 0.03, told),
            compared("against_baseline", "trial_0001", "majority", 0.44, "better"),
        ]
        with look():
            found = draw_confirmed(SimpleNamespace(confirmation=Confirmation(numbers, is_current=True)))
        assert found is not None and "Tuning gain: trial_0001 − base +0.0300" in found.alt
        assert (
            "majority" not in found.alt
        )  # a lead over the majority class would squeeze every gain to a point
        drawn.append(found.svg.count("var(--blue"))
    assert (drawn[1] > drawn[0]) == (verdict == "better")


@pytest.mark.parametrize(("trial", "best"), [(5, 0.8), (1, 0.6)], ids=["other trial", "base is best now"])
def test_a_confirmation_of_a_former_best_trial_confirms_no_gain(
    write: Write, trial: int, best: float
) -> None:
    numbers = copy.deepcopy(CONFIRMATION)
    numbers["contenders"]["trial_0001"]["trial"] = trial
    text, _ = write(numbers, best=best)
    assert "was made of another best trial" in section(text, "Confirmation")
    assert "Confirm before use." in section(text, "Recommendations")
    assert "Recommended by the confirmation" not in text
    gain = "+0.1000 (not confirmed)" if best > 0.7 else "the base config is the best trial"
    assert gain in section(text, "Baseline against optimised")
    assert "+0.0123" not in text.split("\n## ")[0] + section(text, "Conclusion")


def test_dev_alone_is_said_to_flatter(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION) | {
        "split": "dev",
        "optimistic": True,
        "opening": None,
        "complete": False,
    }
    del numbers["examples"]["test"]
    for about in numbers["contenders"].values():
        about["splits"]["test"] = None
    text, _ = write(numbers)
    said = section(text, "Confirmation")
    assert (
        "on dev, which the search has seen: not significantly different" in said
        and "There is no test split" in said
    )
    assert "Some runs failed" in said and "Openings of the test split" not in said


def test_baseless_and_unfinished_confirmations_are_written(write: Write) -> None:
    numbers = copy.deepcopy(CONFIRMATION) | {"comparisons": [], "optimism": None}
    numbers["contenders"]["base"]["splits"] = {"dev": None, "test": None}
    text, page = write(numbers)
    assert "not confirmed" in section(text, "Baseline against optimised")
    assert "Optimism of the search" not in text and "figure-gains" not in page


@pytest.mark.parametrize("held", ["{", "[]", '{"version": 99}', '{"version": 1}'])
def test_a_damaged_confirmation_is_named_and_confirms_nothing(write: Write, held: str) -> None:
    text, _ = write(held)
    said = section(text, "Confirmation")
    assert "confirmation.json in the study's folder" in said and "Not confirmed." in said
    assert "distune confirm" in said


def test_the_audit_is_shown_by_severity_with_little_evidence(write: Write) -> None:
    text, _ = write(audit=AUDIT)
    said = section(text, "The data")
    assert "found: 1 severe finding, 1 warning." in said
    assert said.index("same images") < said.index("texts name the label") and "| --- |" not in said
    said = section(text, "Appendix: the data in tables")
    assert "### Class balance" in said
    assert "The first 5 of 7 rows." in said and "onerror=y&gt;" in said
    assert len(re.findall(r"^\| &lt;script", said, re.M)) == 5
    assert re.search(r"\| kind \| .* \| 40 \| 4 \|", said)


@pytest.mark.parametrize("held", [None, "{", "{}"])
def test_without_an_audit_nothing_is_said_of_the_data(write: Write, held: str | None) -> None:
    said = section(write(audit=held)[0], "The data").strip()
    assert "audit.json" in said and "`distune audit CONFIG`" in said
    assert len(said.splitlines()) == 1


class Texts(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.texts: list[str] = []
        self.strong: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {
            name for name, value in attrs if name.startswith("on") or "javascript" in (value or "")[:20]
        }
        self.inside = tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.inside in ("strong", "h1"):
            self.strong.append(data)


def test_hostile_text_of_both_files_stays_text(write: Write) -> None:
    text, page = write(CONFIRMATION, AUDIT, name="s")
    assert "\x1b" not in text and "\x1b" not in page
    for rendered in (page, MarkdownIt("commonmark").enable("table").render(text)):
        found = Texts()
        found.feed(rendered)
        assert "".join(found.texts).count(plain(HOSTILE).split(" <img")[0]) >= 10
        assert "script" not in found.tags and not found.handlers
        assert "b" not in found.strong and "heading" not in found.strong


def test_a_mean_of_one_seed_has_no_interval() -> None:
    assert over_seeds(over(0.5, None)) == "0.5000"
    assert over_seeds(over(0.5)) == "0.5000 [0.4900, 0.5100]"
    assert over_seeds(None) == "—"
