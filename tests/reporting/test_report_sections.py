"""The whole report: every section, nothing invented, hostile text stays text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
import yaml
from markdown_it import MarkdownIt  # comes with rich
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from distune.analysis.records.from_optuna import from_optuna
from distune.analysis.records.study_record import StudyRecord
from distune.config import parse_config
from distune.data.table import Task
from distune.reporting.formats import plain
from distune.reporting.report import write_report

pytestmark = pytest.mark.slow

SECTIONS = (
    *(
        "Conclusion",
        "Overview",
        "The data",
        "Methodology",
        "Results",
        "Best hyperparameters",
        "Baseline against optimised",
        "Confirmation",
    ),
    *(
        "Insights",
        "Patterns among the best trials",
        "Usage",
        "Computational efficiency",
        "Resource utilisation",
    ),
    *("Recommendations", "Files"),
)
FIGURES = (
    *("history", "intermediate", "importance", "slices", "parallel"),
    *("learning", "confusion", "reliability", "cost"),
)
HOSTILE = '<script>alert("x")</script>|**b** `c` [a](javascript:x) $\\frac{1}$ &lt;\x1b[31m'


def section(text: str, title: str) -> str:
    """The Markdown of one section."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_section_and_figure_is_in_both_renderings(written: Path) -> None:
    text, page = ((written / name).read_text(encoding="utf-8") for name in ("report.md", "report.html"))
    assert tuple(re.findall(r"^## (.*)$", text, re.M)) == SECTIONS
    assert tuple(re.findall(r"<h2>(.*?)</h2>", page)) == SECTIONS
    for name in FIGURES:
        assert (written / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert re.search(rf"!\[[^\]]+\]\(figures/{name}\.png\)", text)
        assert f'id="figure-{name}"' in page
    assert page.count('role="img"') == len(FIGURES)
    assert len(re.findall(r'role="img" aria-label="[^"]{20,}"', page)) == len(FIGURES)


def test_the_page_asks_for_nothing(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page and "<script" not in page
    sources = re.findall(r'(?:src|href|xlink:href)="([^"]*)"|url\(([^)]*)\)', page)
    assert {next(filter(None, found))[:1] for found in sources} <= {"#", "d"}  # an anchor or a data: address


def test_ids_are_unique(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(ids)


def test_the_page_says_that_an_epoch_was_chosen(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    assert "Score: that of the best epoch on dev, which chose it" in section(text, "Methodology")
    assert "Every score on this page is of one seed" in section(text, "Confirmation")
    assert "chose the epoch" in section(text, "Confirmation")


def test_a_device_that_was_left_open_is_not_named(full_study: StudyRecord, tmp_path: Path) -> None:
    assert full_study.sessions is not None
    session = replace(full_study.sessions[0], devices=("auto",))
    write_report(replace(full_study, sessions=(session,)), tmp_path)
    said = section((tmp_path / "report.md").read_text(encoding="utf-8"), "Resource utilisation")
    assert "1 worker; reason: finished" in said and "auto" not in said


def test_gains_are_marked_as_not_confirmed(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    assert re.search(r"\| \+0\.\d{4} \(not confirmed\) \|", section(text, "Baseline against optimised"))
    assert "distune confirm" in section(text, "Confirmation")
    assert "This gain is not confirmed." in section(text, "Conclusion")


def test_the_true_effect_is_an_insight_and_the_others_are_not(written: Path) -> None:
    said = section((written / "report.md").read_text(encoding="utf-8"), "Insights").split("### ")[0]
    assert "`student_fusion_layers` matters more than shuffled scores" in said
    assert not any(f"`{name}`" in said for name in ("teacher_lr", "T", "student_fusion_dim"))


def test_recommended_space_is_a_valid_config_section(written: Path) -> None:
    entries = yaml.safe_load((written / "recommended_space.yaml").read_text(encoding="utf-8"))
    config = parse_config(entries)
    assert set(config.search_space) == {"teacher_lr", "T", "student_fusion_dim", "student_fusion_layers"}
    assert config.search_space["student_fusion_layers"].low == 2
    assert parse_config(yaml.safe_load((written / "base_config.yaml").read_text(encoding="utf-8")))


def test_commands_name_files_that_exist(written: Path) -> None:
    usage = section((written / "report.md").read_text(encoding="utf-8"), "Usage")
    named = re.findall(r"(/\S+\.(?:yaml|db))", usage)
    assert named and all(Path(name.rstrip("`.")).is_file() for name in named)


def test_reports_are_the_same_twice(full_study: StudyRecord, written: Path, tmp_path: Path) -> None:
    write_report(full_study, tmp_path)
    assert (tmp_path / "figures" / "history.png").read_bytes() == (
        written / "figures" / "history.png"
    ).read_bytes()
    pages = [(folder / "report.html").read_text(encoding="utf-8") for folder in (tmp_path, written)]
    assert pages[0].replace(str(tmp_path), "X") == pages[1].replace(str(written), "X")


def test_a_bare_study_names_what_is_missing_and_invents_nothing(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="bare", direction="maximize")
    study.add_trials(
        [create_trial(value=0.5), create_trial(value=0.25), create_trial(state=TrialState.RUNNING)]
    )
    write_report(from_optuna(study), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for title in ("Computational efficiency", "Resource utilisation"):
        assert not re.search(r"\d", section(text, title)), section(text, title)
    assert text.count("not recorded") >= 8
    for said in (
        "No trial of this study is marked as the base config",
        "this study has 2.",
        "The study records no search space and no parameters.",
        "there is no gain to state",
        "The study does not record its base config.",
        "does not record its run folder",
        "does not record the seed",
    ):
        assert said in text, said
    assert "+0.2500" not in text


@pytest.mark.parametrize(
    "states",
    [(), (TrialState.PRUNED, TrialState.FAIL), (TrialState.RUNNING,)],
    ids=["empty", "no-complete", "running"],
)
def test_studies_without_a_complete_trial(tmp_path: Path, states: tuple[TrialState, ...]) -> None:
    study = optuna.create_study(study_name="early", direction="maximize")
    study.add_trials([create_trial(state=state) for state in states])
    write_report(from_optuna(study), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "No trial is complete" in text
    assert not re.search(r"\d\.\d{4}", text)


def test_smaller_is_better_where_the_study_says_so(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="loss", direction="minimize")
    study.add_trial(create_trial(value=0.75, user_attrs={"baseline": True}))
    study.add_trial(create_trial(value=0.5))
    write_report(from_optuna(study), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| 1 | 1 | **0.5000** |" in text
    assert "+0.2500 (not confirmed)" in text


def test_a_base_that_was_pruned_gives_no_gain(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trial(
        create_trial(state=TrialState.PRUNED, intermediate_values={3: 0.4}, user_attrs={"baseline": True})
    )
    study.add_trial(create_trial(value=0.5))
    write_report(from_optuna(study), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "The base config (trial 0) is pruned" in text and "its last score is 0.4000 at step 3" in text
    assert not re.search(r"[+−]0\.\d{4} \(not confirmed\)", text)


def test_hostile_text_stays_text(build: Callable[..., StudyRecord], tmp_path: Path) -> None:
    tasks = (Task("kind", (HOSTILE, "b")), Task("kind_2", ("<b>", "|")))
    (tmp_path / "runs").mkdir()
    study = build(tmp_path / "runs", name=HOSTILE, tasks=tasks)
    worst = study.trials[7]
    assert worst.state == "failed"
    trials = tuple(
        trial if trial is not worst else trial.__class__(**{**trial.__dict__, "failure_message": HOSTILE})
        for trial in study.trials
    )
    study = study.__class__(**{**study.__dict__, "trials": trials, "sampler": HOSTILE, "metric": HOSTILE})
    write_report(study, tmp_path / "out")
    text, page = (
        (tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("report.md", "report.html")
    )
    assert "\x1b" not in page and "\x1b" not in text
    for rendered in (page, MarkdownIt("commonmark").enable("table").render(text)):
        found = Found()
        found.feed(rendered)
        assert plain(HOSTILE) in "".join(found.texts)
        assert "script" not in found.tags
        assert not any(target and target.startswith("javascript") for target in found.targets)
        assert "b" not in found.strong
        assert found.widths == {True}


class Found(HTMLParser):
    """Tags, link targets and texts of a page, and whether all rows are as wide as their header."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str | None] = []
        self.texts: list[str] = []
        self.strong: list[str] = []
        self.widths: set[bool] = set()
        self.cells = self.header = 0
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value for name, value in attrs if name in ("href", "src")]
        self.inside = tag
        self.cells = 0 if tag == "tr" else self.cells + (tag in ("td", "th"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "thead":
            self.header = self.cells
        elif tag == "tr" and self.header:
            self.widths.add(self.cells == self.header)
        elif tag == "table":
            self.header = 0

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.inside == "strong":
            self.strong.append(data)


@pytest.mark.parametrize(("best", "is_said"), [(4, True), (12, False)])
def test_a_best_trial_before_the_sampler_had_learnt_is_named(
    tmp_path: Path, best: int, is_said: bool
) -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.set_user_attr("sampler", "tpe")
    study.add_trials([create_trial(value=0.9 if number == best else 0.5) for number in range(15)])
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.4}))
    write_report(from_optuna(study), tmp_path)
    said = section((tmp_path / "report.md").read_text(encoding="utf-8"), "Conclusion")
    assert ("which the sampler drew without having learnt" in said) == is_said
    assert (
        f"trials after trial {best} beat it" in said and "it came before the first trial was pruned" in said
    )


def test_a_base_that_is_the_best_is_no_gain(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trials([create_trial(value=0.75, user_attrs={"baseline": True}), create_trial(value=0.5)])
    write_report(from_optuna(study), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "the search found nothing better" in text
    assert "Over the base config" not in text and "+0.0000" not in text


def test_values_outside_the_range_are_named_where_the_recommended_one_cuts_them(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.set_user_attr(
        "search_space", {"T": {"type": "float", "low": 2.0, "high": 6.0, "key": "distillation.T"}}
    )
    study.add_trial(create_trial(value=0.9, user_attrs={"baseline": True, "fixed_params": {"T": 8.0}}))
    inside = {"T": FloatDistribution(2.0, 6.0)}
    study.add_trials([create_trial(value=0.5, params={"T": 3.0 + n}, distributions=inside) for n in range(4)])
    write_report(from_optuna(study), tmp_path)
    usage = section((tmp_path / "report.md").read_text(encoding="utf-8"), "Usage")
    assert "cut off here: T = 8.00 (trial 0)." in usage and "**[2.8, 6.0]**" in usage
