"""The whole report: every section, nothing invented, hostile text stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import optuna
import pytest
import yaml
from markdown_it import MarkdownIt  # comes with rich
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from pages import Found, cards, first_screen, parts, read, section, text_of

from distune.analysis.findings import Findings, analyse
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord
from distune.config import parse_config
from distune.reporting import html, markdown
from distune.reporting.contents import Written, build
from distune.reporting.figures import history
from distune.reporting.figures.style import look
from distune.reporting.formats import plain
from distune.reporting.sections.starting_values import _beside_base

SECTIONS = (
    *("Overview", "Methodology", "Results", "Best hyperparameters", "Performance improvement"),
    *("Patterns and observations", "Usage", "Recommended starting values", "Computational efficiency"),
    *("Resources", "Recommendations", "Conclusion", "Files"),
)
"""In the order of the reference page."""
FIGURES = (
    *("history", "confusion", "importance", "slices"),
    *("intermediate", "learning", "reliability", "cost"),
)
HOSTILE = '<script>alert("x")</script>|**b** `c` [a](javascript:x) $\\frac{1}$ &lt;\x1b[31m'


@pytest.mark.slow
def test_every_section_and_figure_is_in_both_renderings(written: Path) -> None:
    text, page = read(written), (written / "report.html").read_text(encoding="utf-8")
    before, appendix = parts(text)
    assert tuple(re.findall(r"^## (.*)$", before, re.M)) == SECTIONS
    titles = tuple(re.findall(r"<h2>(.*?)</h2>", page))
    assert titles == (*SECTIONS, *re.findall(r"^## (.*)$", appendix, re.M))
    for name in FIGURES:
        assert (written / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert re.search(rf"!\[[^\]]+\]\(figures/{name}\.png\)", text)
        assert f'id="figure-{name}"' in page
    assert page.count('role="img"') == len(FIGURES)
    assert len(re.findall(r'role="img" aria-label="[^"]{20,}"', page)) == len(FIGURES)


@pytest.mark.slow
def test_the_page_asks_for_nothing(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page and "<script" not in page
    sources = re.findall(r'(?:src|href|xlink:href)="([^"]*)"|url\(([^)]*)\)', page)
    assert {next(filter(None, found))[:1] for found in sources} <= {"#", "d"}  # an anchor or a data: address


@pytest.mark.slow
def test_ids_are_unique(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(ids)


@pytest.mark.slow
def test_what_is_not_confirmed_says_so_first_and_names_the_command(written: Path) -> None:
    said = first_screen(read(written))
    assert "not confirmed" in said and "too optimistic" in said
    held = cards(read(written))
    assert held["Did tuning help?"].value == "Not confirmed"
    assert re.match(r"\+0\.\d{4} ", held["Did tuning help?"].remark)
    assert held["Did distillation help?"].value == "Not measured"
    assert re.search(r"^distune confirm ", said, re.M)
    assert "which flatters" in section(read(written), "Methodology")


@pytest.mark.slow
def test_recommendations_are_by_purpose_with_their_expected_time(written: Path) -> None:
    """40 trials in 4 hours, 38 of them finished: 6.3 minutes a trial, so 30 take 3.2 hours."""
    said = section(read(written), "Recommendations")
    for purpose in ("For production:", "For quick experiments:", "For edge deployment:", "For other data:"):
        assert f"**{purpose}**" in said
    assert "expected time: about 3.2 h," in said.split("**For other data:**")[1]
    assert said.count("expected time: ") == 4 and "not known" not in said
    assert "30 trainings" in said  # three trials, base, student alone, teacher; five seeds


@pytest.mark.slow
def test_every_recommended_value_has_a_note(written: Path) -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| \*\*(.*)\*\* \| (.*) \|$",
        section(read(written), "Recommended starting values"),
        re.M,
    )
    assert [name for name, *_ in rows] == ["teacher_lr", "T", "student_fusion_dim", "student_fusion_layers"]
    assert all(
        re.match(
            r"(\d+ of \d+ trials; (includes|above|below|without) .*base value|the base value; )",
            note,
        )
        for *_, note in rows
    )
    assert "reaches the high end" in rows[-1][-1]


def test_starting_values_are_a_span_and_say_where_it_is_hardly_narrower_than_the_space() -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.set_user_attr(
        "search_space", {"T": {"type": "float", "low": 2.0, "high": 6.0, "key": "distillation.T"}}
    )
    inside = {"T": FloatDistribution(2.0, 6.0)}
    study.add_trial(
        create_trial(value=0.4, params={"T": 4.0}, distributions=inside, user_attrs={"baseline": True})
    )
    for number in range(20):
        study.add_trial(
            create_trial(value=0.5 + number / 100, params={"T": 2.5 + number % 5 * 0.7}, distributions=inside)
        )
    said = section(text_of(study, Written(space=Path("s.yaml"))), "Recommended starting values")
    assert "best 6 of 21" in said
    assert re.search(r"\| \*\*4\.00\*\* \| the base value; \[2\.3, 5\.5\] is hardly narrowed", said)
    assert "`--space s.yaml` searches these ranges, those in the notes" in said


@pytest.mark.slow
def test_where_no_base_value_stands_for_a_range_none_is_looked_for_in_the_notes(written: Path) -> None:
    said = section(read(written), "Recommended starting values")
    assert "searches these ranges." in said and "| the base value;" not in said


def test_a_value_that_all_of_the_best_share_is_described() -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.set_user_attr(
        "search_space", {"layers": {"type": "int", "low": 1, "high": 2, "key": "student.fusion.layers"}}
    )
    layers = {"layers": IntDistribution(1, 2)}
    for number in range(14):
        study.add_trial(
            create_trial(value=number / 20, params={"layers": 2 if number > 2 else 1}, distributions=layers)
        )
    said = section(text_of(study), "Patterns and observations")
    assert re.search(r"best 10 have `layers` = 2, .*\b11 of all 14\b", said)


@pytest.mark.slow
def test_a_change_says_what_it_means(written: Path) -> None:
    table = section(read(written), "Best hyperparameters")
    assert re.search(
        r"\| `T` \(temperature\) \| .* \| (Same|↑ [\d.]+×: softer targets|↓ .*: sharper targets) \|", table
    )
    assert re.search(r"\| ([↑↓] 1 layer: a (deep|shallow)er fusion|Same) \|", table)


@pytest.mark.parametrize(
    ("name", "base", "said"),
    [
        ("T", 2.0, "above the base value"),
        ("T", 9.0, "below the base value"),
        ("T", 4.0, "includes the base value"),
    ],
)
def test_a_note_says_what_values_beside_the_base_mean(name: str, base: float, said: str) -> None:
    narrowed = Parameter(name=name, kind="float", low=3.0, high=6.0)
    assert _beside_base(narrowed, base) == said


@pytest.mark.slow
def test_commands_for_other_data_start_from_this_study(written: Path) -> None:
    usage = section(read(written), "Usage")
    assert re.search(r"distune init other\.csv --out other_data\n", usage)
    assert re.search(
        r"--config other_data/config\.yaml .*\\\n  --start-from \S+best_config\.yaml --space \S+space\.yaml",
        usage,
    )


def test_a_device_that_was_left_open_is_not_named(full_study: StudyRecord) -> None:
    assert full_study.sessions is not None
    session = replace(full_study.sessions[0], devices=("auto",))
    few = replace(full_study, sessions=(session,), trials=full_study.trials[:10])
    said = section(text_of(few), "Time in detail")
    assert "1 worker; reason: finished" in said and "auto" not in said


@pytest.mark.slow
def test_recommended_space_is_a_valid_config_section(written: Path) -> None:
    entries = yaml.safe_load((written / "recommended_space.yaml").read_text(encoding="utf-8"))
    config = parse_config(entries)
    assert set(config.search_space) == {"teacher_lr", "T", "student_fusion_dim", "student_fusion_layers"}
    assert config.search_space["student_fusion_layers"].low == 2
    assert parse_config(yaml.safe_load((written / "base_config.yaml").read_text(encoding="utf-8")))


@pytest.mark.slow
def test_commands_on_the_page_are_those_of_the_markdown_and_break_at_no_option(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    shown = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.S)
    plain_text = [unescape(re.sub(r"<[^>]*>", "", command)).strip() for command in shown]
    blocks = re.findall(r"```bash\n(.*?)\n```", read(written), re.S)
    assert plain_text == [block.strip() for block in blocks] and len(blocks) > 3
    assert '<span class="option">--n-trials</span>' in page


@pytest.mark.slow
def test_commands_name_files_that_exist(written: Path) -> None:
    named = re.findall(r" (/\S+\.(?:yaml|db))", section(read(written), "Usage"))
    assert named and all(Path(name.rstrip("`.")).is_file() for name in named)


@pytest.mark.slow
def test_reports_are_the_same_twice(findings: Findings, written: Path) -> None:
    with look():
        again = history.draw(findings)
    assert again is not None
    assert (
        (written / "figures" / "history.png").read_bytes().startswith(again.png[:-12])
    )  # a note and the end follow
    first = html.render(build(findings, {"history": again}, Written()))
    other = html.render(build(analyse(findings.study), {"history": again}, Written()))
    assert first == other


def test_a_bare_study_names_what_is_missing_and_invents_nothing() -> None:
    study = optuna.create_study(study_name="bare", direction="maximize")
    study.add_trials(
        [create_trial(value=0.5), create_trial(value=0.25), create_trial(state=TrialState.RUNNING)]
    )
    text = text_of(study)
    for title in ("Computational efficiency", "Resources"):
        assert not re.search(r"\d", section(text, title)), section(text, title)
    assert (
        text.count("not recorded") >= 6
        and text.count("Expected times: this study records no durations.") == 1
    )
    for said in (
        "marked as the base config",
        "this study has 2.",
        "records no search space",
        "Did tuning help?** Not known",
        "does not record its base config",
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
def test_studies_without_a_complete_trial(states: tuple[TrialState, ...]) -> None:
    study = optuna.create_study(study_name="early", direction="maximize")
    study.add_trials([create_trial(state=state) for state in states])
    text = text_of(study)
    assert "No trial is complete" in text and cards(text)["Config to use"].value == "None yet"
    assert not re.search(r"\d\.\d{4}", text)


def test_smaller_is_better_where_the_study_says_so() -> None:
    study = optuna.create_study(study_name="loss", direction="minimize")
    study.add_trial(create_trial(value=0.75, user_attrs={"baseline": True}))
    study.add_trial(create_trial(value=0.5))
    text = text_of(study)
    assert "| 1 | 1 | **0.5000** |" in text
    assert cards(text)["Did tuning help?"].remark.startswith("+0.2500 ")


@pytest.mark.slow
def test_where_values_made_trials_fail_narrowing_them_comes_before_the_next_command(
    full_study: StudyRecord,
) -> None:
    broken = [
        replace(
            trial,
            state="failed",
            value=None,
            failure_kind="not_finite",
            params={**trial.params, "T": 50.0 + number},
        )
        for number, trial in enumerate(full_study.trials[-9:])
    ]
    text = text_of(replace(full_study, trials=(*full_study.trials[:-9], *broken)))
    said, advised = first_screen(text), section(text, "Recommendations")
    assert 0 < said.index("T 50 to 58") < said.index("\ndistune confirm")
    assert re.search(r"1\. .*T 50 to 58.*recommended: T \[.*arrow search_space", advised)
    assert "arrow search_space" not in text_of(full_study)


def test_a_base_that_was_pruned_gives_no_gain() -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trial(
        create_trial(state=TrialState.PRUNED, intermediate_values={3: 0.4}, user_attrs={"baseline": True})
    )
    study.add_trial(create_trial(value=0.5))
    text = text_of(study)
    assert "The base config (trial 0) is pruned" in text and "its last score is 0.4000 at step 3" in text
    assert cards(text)["Did tuning help?"].value == "Not known" and not re.search(r"[+−]0\.\d{4}", text)


def test_a_base_that_is_the_best_is_no_gain() -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.add_trials([create_trial(value=0.75, user_attrs={"baseline": True}), create_trial(value=0.5)])
    text = text_of(study)
    assert cards(text)["Did tuning help?"].value == "No" and "+0.0000" not in text


def test_values_outside_the_range_are_named_where_the_recommended_one_cuts_them() -> None:
    study = optuna.create_study(study_name="s", direction="maximize")
    study.set_user_attr(
        "search_space", {"T": {"type": "float", "low": 2.0, "high": 6.0, "key": "distillation.T"}}
    )
    study.add_trial(create_trial(value=0.9, user_attrs={"baseline": True, "fixed_params": {"T": 8.0}}))
    inside = {"T": FloatDistribution(2.0, 6.0)}
    study.add_trials([create_trial(value=0.5, params={"T": 3.0 + n}, distributions=inside) for n in range(4)])
    said = section(text_of(study), "Recommended starting values")
    assert "cut off here: 8.00 (trial 0)" in said and "**[2.8, 6.0]**" in said


@pytest.mark.slow
def test_hostile_text_stays_text(hostile: Path) -> None:
    """Of a confirmed and audited study whose names, classes, captions and failures are hostile."""
    page = (hostile / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in page and "\x1b" not in read(hostile)
    for rendered in (page, MarkdownIt("commonmark").enable("table").render(read(hostile))):
        found = Found(rendered)
        assert found.is_harmless("<script>alert") and found.widths == {True}


@pytest.mark.slow
def test_hostile_records_of_the_study_stay_text(full_study: StudyRecord) -> None:
    failed = [trial for trial in full_study.trials if trial.state == "failed"]
    trials = tuple(
        replace(trial, failure_message=HOSTILE, failure_kind=HOSTILE) if trial in failed else trial
        for trial in full_study.trials
    )
    study = replace(
        full_study, trials=trials, sampler=HOSTILE, metric=HOSTILE, name=HOSTILE, distune_version=HOSTILE
    )
    document = build(analyse(study), {}, Written())
    for rendered in (
        html.render(document),
        MarkdownIt("commonmark").enable("table").render(markdown.render(document)),
    ):
        assert "\x1b" not in rendered
        assert Found(rendered).is_harmless(plain(HOSTILE))
