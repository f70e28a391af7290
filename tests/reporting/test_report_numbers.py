"""The page is short, and no number stands on it in two forms.

Numbers are written by the functions of `formats`. These tests watch them: a value that a report is rendered with has
one form in whatever section or figure it stands, and no decimal number of the report comes from anywhere else.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from pages import Words, first_screen, parts, section, with_the_figures_of_the_page
from studies import KINDS, study_of, with_failures

from distune.analysis.findings import analyse
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, html, markdown, parameters

pytestmark = pytest.mark.slow

MOST_WORDS = 2500
QUANTITIES = ("score", "gain", "share", "duration", "memory", "probability", "rate", "milliseconds")
"""Functions of `formats` that write one measured number."""
OTHERS = ("span_of_time", "shares")
OF_PARAMETERS = ("value", "bounds", "change")
SCORE = r"\d\.\d{4}(?!\d)"
DECIMAL = re.compile(r"(?<![\w.])\d+(?:,\d{3})*\.\d+(?:e[+-]?\d+)?(?!\.?\d)")
NOT_TEXT = re.compile(r"```.*?```|`[^`]*`|\]\(figures/[^)]*\)", re.S)
"""Commands, names and paths."""


@dataclass
class Report:
    """A rendered report, and all that `formats` and `parameters` wrote for it."""

    text: str
    page: str
    forms: dict[float, set[str]] = field(default_factory=lambda: defaultdict(set))
    written: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def reports(full_study: StudyRecord, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """All six, rendered while `formats` is watched."""
    return {kind: watched(study_of(kind, full_study, tmp_path_factory.mktemp(kind))) for kind in KINDS}


def watched(study: StudyRecord) -> Report:
    """Renders a report and records what was written for every number."""
    report = Report("", "")
    with pytest.MonkeyPatch.context() as patch:
        for name in (*QUANTITIES, *OTHERS):
            patch.setattr(formats, name, recording(getattr(formats, name), report, name in QUANTITIES))
        for name in OF_PARAMETERS:
            patch.setattr(parameters, name, recording(getattr(parameters, name), report, is_quantity=False))
        findings = analyse(study)
        document = with_the_figures_of_the_page(findings)
        report.text, report.page = markdown.render(document), html.render(document)
    # The analysis itself writes scores where it says why something is not known: with four digits, as the page does.
    reasons = [held.reason for held in vars(findings).values() if isinstance(held, Unknown)]
    report.written |= {number for reason in reasons for number in re.findall(r"\d\.\d{4}(?!\d)", reason)}
    return report


def recording(write: Any, report: Report, is_quantity: bool) -> Any:
    """A function of `formats` that keeps what it wrote."""

    def written(*arguments: Any, **named: Any) -> Any:
        said = write(*arguments, **named)
        report.written |= set(DECIMAL.findall(" ".join(said) if isinstance(said, list) else said))
        if is_quantity and isinstance(arguments[0], float) and round(arguments[0], 2) != arguments[0]:
            report.forms[float(f"{abs(arguments[0]):.9g}")].add(said.lstrip("+−"))
        return said

    return written


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_without_its_folded_appendix_is_short(reports: dict[str, Report], kind: str) -> None:
    words = Words(reports[kind].page).words
    assert 500 < len(words) <= MOST_WORDS
    page, appendix = parts(reports[kind].text)
    assert (
        len(page.split()) <= 1.15 * MOST_WORDS and appendix
    )  # with the marks of tables, and texts for figures


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_has_two_forms(reports: dict[str, Report], kind: str) -> None:
    forms = reports[kind].forms
    assert len(forms) > 5
    assert {value: said for value, said in forms.items() if len(said) > 1} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_no_decimal_number_is_written_past_the_formats(reports: dict[str, Report], kind: str) -> None:
    shown = NOT_TEXT.sub(" ", reports[kind].text).replace("\\", "")
    assert set(DECIMAL.findall(shown)) - reports[kind].written == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_stands_once_on_the_page(reports: dict[str, Report], kind: str) -> None:
    """The first screen sums up: what stands there stands once more where it belongs."""
    page, _ = parts(reports[kind].text)
    assert re.search(SCORE, first_screen(page))
    assert twice(first_screen(page)) == twice(page.removeprefix(first_screen(page))) == {}


def test_a_score_that_stands_twice_is_noticed(reports: dict[str, Report]) -> None:
    page, _ = parts(reports["confirmed"].text)
    below = page.removeprefix(first_screen(page))
    first = re.findall(SCORE, section(below, "Performance improvement"))[0]
    planted = below.replace("## Conclusion\n", f"## Conclusion\n\nThe score is {first}.\n")
    assert twice(planted) == {first: 2}


def twice(page: str) -> dict[str, int]:
    """Scores that stand more than once, beside the table of the top trials and the figures' texts, which are lists."""
    lists = section(page, "Results") if "\n## Results\n" in page else "\0"
    text = NOT_TEXT.sub(" ", re.sub(r"!\[.*?\]\(", " ", page.replace(lists, "")))
    return {number: count for number, count in Counter(re.findall(SCORE, text)).items() if count > 1}


def kinds_of_failures(full: StudyRecord) -> list[str]:
    """The kinds of the failed trials, as the study of that name holds them."""
    return [trial.failure_kind or "" for trial in with_failures(full).trials if trial.state == "failed"]


def test_every_kind_of_failure_is_named_in_words_with_what_to_do(
    reports: dict[str, Report], full_study: StudyRecord
) -> None:
    page, _ = parts(reports["failures"].text)
    assert "| out of memory |" in page and "not_finite" not in page
    failed = Counter(kinds_of_failures(full_study))
    assert len(failed) == 3 and f"**Failed trials:** {sum(failed.values())} of 40" in first_screen(page)
    advised = section(page, "Recommendations")
    for kind, words in (
        ("out_of_memory", "out of memory"),
        ("not_finite", "loss nan or infinite"),
        ("crash", "crash"),
    ):
        assert re.search(rf"{failed[kind]} × {words}[a-z ()]*: \w", advised), kind


def test_confusions_are_of_the_recommended_model_on_test(
    reports: dict[str, Report], full_study: StudyRecord
) -> None:
    second = sorted(full_study.complete, key=lambda trial: -(trial.value or 0.0))[1].number
    assert f"### Trial {second} on test\n" in reports["confirmed"].text
    assert f"![Confusion matrices of trial {second}." in reports["confirmed"].text
    assert re.search(r"### Trial \d+ on dev\n", reports["unconfirmed"].text)


def test_the_watch_notices_a_second_form_and_a_foreign_number() -> None:
    report = Report("", "")
    score, share = (recording(getattr(formats, name), report, True) for name in ("score", "share"))
    assert (score(0.93114), share(0.93114)) == ("0.9311", "93 %")
    assert [len(said) for said in report.forms.values()] == [2]
    assert set(DECIMAL.findall("0.9311 and 0.93")) - report.written == {"0.93"}
