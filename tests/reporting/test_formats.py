"""Numbers in the reference page's formats, and sentences around them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from distune.analysis.dev_noise import DevNoise
from distune.analysis.parameters.space import Parameter
from distune.reporting import formats, parameters
from distune.reporting.document import Code, TableBlock, paragraph
from distune.reporting.markdown import _code, escape, render_block
from distune.reporting.sections.improvement import distinguished

LR = Parameter("teacher_lr", "float", 5e-6, 1e-4, log=True)


@pytest.mark.parametrize(
    ("name", "held", "shown"),
    [
        ("teacher_lr", 4.79e-05, "4.79e-05"),
        ("student_lr", 2e-4, "2.00e-04"),
        ("weight_decay", 0.01, "1.00e-02"),
        ("alpha", 0.5184, "0.518"),
        ("beta", 112.44, "112.4"),
        ("T", 3.189, "3.19"),
        ("student_dropout", 0.2379, "0.238"),
        ("fusion_dim", 384, "384"),
        ("other", 0.123456, "0.1235"),
        ("loss", "combined", "combined"),
        ("loss", None, "—"),
        ("T", float("inf"), "inf"),
        ("init_from_teacher", True, "True"),
    ],
)
def test_values(name: str, held: Any, shown: str) -> None:
    assert parameters.value(name, held) == shown


@pytest.mark.parametrize(
    ("name", "new", "base", "shown"),
    [
        ("teacher_lr", 4.79e-5, 1e-5, "↑ 4.8×"),
        ("student_lr", 1.05e-4, 3e-4, "↓ 2.9×"),
        ("alpha", 0.518, 1.0, "↓ 1.9×"),
        ("beta", 112.4, 100.0, "↑ 1.1×"),
        ("T", 3.19, 2.0, "↑ 1.6×"),
        ("teacher_dropout", 0.185, 0.1, "↑ 1.9×"),
        ("student_dropout", 0.238, 0.1, "↑ 2.4×"),
        ("teacher_fusion_layers", 2, 3, "↓ 1 layer"),
        ("student_fusion_layers", 3, 1, "↑ 2 layers"),
        ("batch", 12, 8, "↑ 4"),
        ("beta", 101.0, 100.0, "↑ 1.0 %"),
        ("alpha", 0.5, 0.0, "↑ 0.5"),
        ("alpha", 1.0, 1.0, "Same"),
        ("loss", "vanilla", "combined", "Changed"),
        ("alpha", 1.0, None, "—"),
    ],
)
def test_changes(name: str, new: Any, base: Any, shown: str) -> None:
    assert parameters.change(name, None, new, base) == shown


def test_choices_have_no_ratio() -> None:
    dim = Parameter("student_fusion_dim", "categorical", choices=(256, 384, 512))
    assert parameters.change("student_fusion_dim", dim, 384, 512) == "↓ 128"
    assert parameters.change("student_fusion_dim", dim, 512, 512) == "Same"


@pytest.mark.parametrize(
    ("parameter", "shown"),
    [
        (LR, "[5e-6, 1e-4] (log scale)"),
        (Parameter("student_lr", "float", 1e-4, 5e-4, log=True), "[1e-4, 5e-4] (log scale)"),
        (Parameter("alpha", "float", 0.5, 2), "[0.5, 2.0]"),
        (Parameter("beta", "float", 50.0, 200.0), "[50.0, 200.0]"),
        (Parameter("layers", "int", 1.0, 3.0), "[1, 3]"),
        (Parameter("dim", "categorical", choices=(256, 384, 512)), "{256, 384, 512}"),
        (Parameter("batch", "int", 8, 64, step=8), "[8, 64] (step 8)"),
    ],
)
def test_bounds(parameter: Parameter, shown: str) -> None:
    assert parameters.bounds(parameter) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (3.25, "3.2 s"),
        (42, "42 s"),
        (90, "1.5 min"),
        (12 * 60, "12 min"),
        (654, "10.9 min"),
        (84 * 60, "84 min"),
        (4.6 * 3600, "4.6 h"),
        (72 * 3600, "3.0 days"),
        (-84 * 60, "−84 min"),
        (None, "—"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert formats.duration(seconds) == shown


def test_other_numbers() -> None:
    assert formats.score(0.92944) == "0.9294" and formats.score(-1.5e300) == "-1.500e+300"
    assert formats.gain(-2e9) == "−2.000e+09" and formats.duration(1e300) == "1.157e+295 days"
    assert [formats.chance(each) for each in (0, 0.004, 0.84, 0.9962, 1)] == [
        "< 1 %", "< 1 %", "84 %", "> 99 %", "> 99 %",
    ]  # fmt: skip
    assert (
        formats.share(84 / 360) == "23 %"
        and formats.share(0.004) == "0.4 %"
        and formats.share(0.0096) == "1 %"
        and formats.share(0) == "0 %"
    )
    assert formats.gain(0.0123) == "+0.0123" and formats.gain(-0.5) == "−0.5000"
    assert formats.memory(812.4) == "812 MB" and formats.memory(8400) == "8.4 GB"
    assert formats.days(date(2025, 12, 16), date(2025, 12, 17)) == "December 16-17, 2025"
    assert formats.days(date(2025, 12, 31), date(2026, 1, 1)) == "December 31, 2025 - January 1, 2026"
    assert formats.probability(0.0001) == "< 0.001" and formats.probability(0.0321) == "0.032"
    assert parameters.label("teacher_lr") == "Teacher LR" and parameters.label("T") == "T"


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([17, 23], ["42.5 %", "57.5 %"]),
        ([1, 1, 1], ["33.3 %", "33.3 %", "33.3 %"]),
        ([30, 8, 2], ["75 %", "20 %", "5 %"]),
        ([299, 1], ["99.7 %", "0.3 %"]),
        ([7], ["100 %"]),
        ([0], ["—"]),
    ],
)
def test_parts_of_a_whole_are_each_rounded_on_their_own(counts: list[int], shown: list[str]) -> None:
    assert formats.shares(counts) == shown


def test_fusion_in_one_cell() -> None:
    params = {"teacher_fusion_dim": 384, "teacher_fusion_layers": 2, "teacher_fusion_heads": 8}
    assert parameters.fusion(params, "teacher") == "dim=384, layers=2, heads=8"
    assert parameters.fusion(params, "student") is None


def test_foreign_text_is_one_harmless_line() -> None:
    assert formats.plain("a\nb\tc") == "a b c"
    assert formats.plain("x\x1b[31m\u202ey\x00") == "x�[31m�y�"
    assert formats.plain("w" * 400) == "w" * 299 + "…"


def test_markdown_is_escaped_only_where_it_must_be() -> None:
    assert escape("[0.5, 2.0] a_b 2.5 {256} (x)") == "[0.5, 2.0] a_b 2.5 {256} (x)"
    assert (
        escape("[a](b) _i_ *b* <b> http://x &amp;")
        == "[a\\](b) \\_i\\_ \\*b\\* &lt;b&gt; http:\\//x &amp;amp;"
    )


def test_a_bar_within_code_ends_no_cell() -> None:
    assert render_block(paragraph(Code("a|b"))) == "`a|b`"
    assert render_block(TableBlock(("x",), ((Code("a|b"),),))).splitlines()[-1] == "| `a\\|b` |"


@pytest.mark.parametrize(
    ("equal", "said"),
    [
        (0, "trial 1 is significantly better than all of the 5"),
        (3, "trial 1 is not significantly better than 3 of"),
    ],
)
def test_trials_are_said_to_be_equal_only_where_the_same_examples_say_so(equal: int, said: str) -> None:
    assert said in distinguished(DevNoise(1, 100, 40, 0.8, 0.7, 0.9, equal, 5))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (216, 444, "3.6 to 7.4 min"),
        (60, 150, "60 s to 2.5 min"),
        (30, 30.2, "30 s"),
        (-5, 60, "−5.0 to 60 s"),
    ],
)
def test_a_span_of_times_names_its_unit_once(low: float, high: float, shown: str) -> None:
    assert formats.span_of_time(low, high) == shown


@pytest.mark.parametrize(
    ("mean", "low", "high", "seeds", "said"),
    [
        (0.7865, 0.0601, 0.9953, 2, "0.7865 (too few seeds)"),
        (2.0368, 0.0, 7.0332, 2, "2.0368 (too few seeds)"),
        (0.7865, 0.0601, 0.9953, 5, "0.7865 [0.0601, 0.9953]"),
        (0.8283, 0.7984, 0.8547, 2, "0.8283 [0.7984, 0.8547]"),
    ],
)
def test_an_interval_over_two_seeds_that_spans_every_score_is_not_written(
    mean: float, low: float, high: float, seeds: int, said: str
) -> None:
    assert formats.over_seeds({"mean": mean, "low": low, "high": high, "seeds": seeds}) == said


def test_an_interval_over_cases_stands_however_few_seeds_there_were() -> None:
    none_of_seven = {"mean": 0.0, "low": 0.0, "high": 0.41, "seeds": 1, "cases": 7}
    assert formats.over_seeds(none_of_seven) == "0.0000 [0.0000, 0.4100]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("a``b`c", "```a``b`c```"),
        ("`a", "`` `a ``"),
        ("", "`  `"),
        ("a|b", "`a|b`"),
    ],
)
def test_code_is_fenced_by_more_backticks_than_it_holds(text: str, shown: str) -> None:
    assert _code(text, in_table=False) == shown
    assert _code(text, in_table=True) == shown.replace("|", "\\|")
