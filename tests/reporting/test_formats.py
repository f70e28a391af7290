"""Numbers in the reference page's formats, and sentences around them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from distune.analysis.dev_noise import DevNoise
from distune.analysis.parameters.space import Parameter
from distune.reporting import formats, parameters
from distune.reporting.document import Code, TableBlock, paragraph
from distune.reporting.markdown import _code, _fenced, escape, render_block
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
    ("name", "ends", "shown"),
    [
        ("other", (0.1, 0.10000001), "0.1"), ("fusion_dim", (64.0, 384.0), "64 to 384"),
        ("fusion_dim", (64.0, 64.0), "64"), ("weight_decay", (0.02, 0.01), "2.00e-02 to 1.00e-02"),
    ],
)  # fmt: skip
def test_ends_that_are_written_alike_are_one(name: str, ends: tuple[float, float], shown: str) -> None:
    assert parameters.values(name, ends) == shown


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
        ("beta", 100.0, 104.0, "↓ 4.0 %"),
        ("beta", 105.0, 100.0, "↑ 1.1×"),
        ("alpha", 0.0, 0.5, "↓ 0.5"),
        ("alpha", -0.5, 0.5, "↓ 1"),
        ("layers", 1, 2.0, "↓ 2.0×"),
        ("init", True, False, "Changed"),
        ("alpha", None, 1.0, "—"),
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
        (Parameter("dim", "categorical", choices=(256,)), "256"),
        (Parameter("alpha", "float", 0.5, 0.5), "0.5"),
        (Parameter("alpha", "float", 0.5, None), "[0.5, —]"),
    ],
)
def test_bounds(parameter: Parameter, shown: str) -> None:
    assert parameters.bounds(parameter) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (3.25, "3.2 s"),
        (10, "10 s"),
        (42, "42 s"),
        (89, "89 s"),
        (90, "1.5 min"),
        (12 * 60, "12 min"),
        (654, "10.9 min"),
        (19.5 * 60, "19.5 min"),
        (20.5 * 60, "20 min"),
        (84 * 60, "84 min"),
        (119 * 60, "119 min"),
        (120 * 60, "2.0 h"),
        (4.6 * 3600, "4.6 h"),
        (47 * 3600, "47.0 h"),
        (48 * 3600, "2.0 days"),
        (72 * 3600, "3.0 days"),
        (-84 * 60, "−84 min"),
        (None, "—"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert formats.duration(seconds) == shown


@pytest.mark.parametrize(
    ("function", "given", "shown"),
    [
        (formats.score, (None,), "—"),
        (formats.score, (999_999.0,), "999999.0000"),
        (formats.score, (1e6,), "1.000e+06"),
        (formats.score, (-1e6,), "-1.000e+06"),
        (formats.spread, (0.03671, 0.0636), "0.0367 to 0.0636"),
        (formats.spread, (0.03671, 0.03672), "0.0367"),
        (formats.interval, (-0.0031, 0.027), "[−0.0031, +0.0270]"),
        (formats.share, (0.0094,), "0.9 %"),
        (formats.share, (0.0095,), "1 %"),
        (formats.share, (-0.004,), "−0.4 %"),
        (formats.share, (-0.25,), "−25 %"),
        (formats.chance, (0.0099,), "< 1 %"),
        (formats.chance, (0.01,), "1 %"),
        (formats.chance, (0.99,), "99 %"),
        (formats.chance, (0.991,), "> 99 %"),
        (formats.probability, (0.00099,), "< 0.001"),
        (formats.probability, (0.001,), "0.001"),
        (formats.probability, (1.0,), "1.000"),
        (formats.milliseconds, (0.52,), "0.5 ms"),
        (formats.milliseconds, (9.96,), "10.0 ms"),
        (formats.milliseconds, (10.0,), "10 ms"),
        (formats.rate, (1.94,), "1.9"),
        (formats.ordinal, (1,), "first"),
        (formats.ordinal, (10,), "tenth"),
        (formats.ordinal, (11,), "11."),
        (formats.about, (None, "cases"), ""),
        (formats.about, (7, "cases"), "about 7 cases"),
        (formats.about, (99, "cases"), "about 99 cases"),
        (formats.about, (987, "cases"), "about 990 cases"),
        (formats.about, (4512, "examples"), "about 4,500 examples"),
        (formats.about, (1000, "seeds", 1000), "about 1,000 seeds"),
        (formats.about, (1001, "seeds", 1000), "more than 1,000 seeds"),
        (formats.memory, (None,), "—"),
        (formats.memory, (999.4,), "999 MB"),
        (formats.memory, (1000,), "1.0 GB"),
        (formats.moment, (None,), "—"),
        (formats.moment, (datetime(2026, 1, 2, 3, 4, 59),), "2026-01-02 03:04"),
        (formats.days, (date(2025, 12, 6), date(2025, 12, 6)), "December 6, 2025"),
        (formats.days, (date(2025, 11, 30), date(2025, 12, 2)), "November 30 - December 2, 2025"),
        (formats.days, (date(2024, 12, 6), date(2025, 12, 7)), "December 6, 2024 - December 7, 2025"),
        (parameters.values, ("beta", (740.0, 14_812.5)), "740 to 14812.5"),
        (parameters.values, ("teacher_lr", (1e-4, 1e-4)), "1.00e-04"),
        (parameters.label, ("student_fusion_dim",), "Student Fusion Dim"),
        (parameters.label, ("fusionDim_lr",), "FusionDim LR"),
        (formats.listing, (["a"] * 12,), ", ".join("a" * 12)),
        (formats.listing, (["a"] * 13,), ", ".join("a" * 12) + " and 1 more"),
        (formats.listing, (["a", "b", "c"], 1), "a and 2 more"),
        (parameters.short, (LR, None), "—"),
        (parameters.short, (LR, 0.05), "0.05"),
        (parameters.short, (LR, 2e4), "2e+4"),
        (parameters.short, (Parameter("alpha", "float", 0, 1), 0.0005), "0.0005"),
        (parameters.short, (Parameter("layers", "int", 1, 3), 2.0), "2"),
    ],
)
def test_numbers_at_the_edges_of_their_kinds(function: Any, given: tuple[Any, ...], shown: str) -> None:
    assert function(*given) == shown


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
        ([1, 0, 1], ["50 %", "0 %", "50 %"]),
        ([1, 1, 4], ["16.7 %", "16.7 %", "66.7 %"]),
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
    assert escape("w" * 400) == "w" * 400
    assert (
        escape("[a](b) _i_ *b* <b> http://x &amp;")
        == "[a\\](b) \\_i\\_ \\*b\\* &lt;b&gt; http:\\//x &amp;amp;"
    )


def test_a_bar_within_code_ends_no_cell() -> None:
    assert render_block(paragraph(Code("a|b"))) == "`a|b`"
    assert render_block(TableBlock(("x",), ((Code("a|b"),),))).splitlines()[-1] == "| `a\\|b` |"


@pytest.mark.parametrize(
    ("equal", "compared", "said"),
    [
        (0, 5, "is significantly better than all of the 5"),
        (3, 5, "is not significantly better than 3 of"),
        (0, 2, "is significantly better than all of the 2"),
        (1, 2, "is not significantly better than 1 of"),
    ],
)
def test_trials_are_said_to_be_equal_only_where_the_same_examples_say_so(
    equal: int, compared: int, said: str
) -> None:
    assert said in distinguished(DevNoise(1, 100, 40, 0.8, 0.7, 0.9, equal, compared))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (216, 444, "3.6 to 7.4 min"),
        (60, 150, "60 s to 2.5 min"),
        (5, 60, "5.0 to 60 s"),
        (3600, 2 * 3600, "60 min to 2.0 h"),
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
        (0.3, 0.0, 0.61, 3, "0.3000 (too few seeds)"),  # from 0 to more than double the mean
        (0.3, 0.0, 0.6, 3, "0.3000 [0.0000, 0.6000]"),
        (0.3, 0.01, 0.7, 3, "0.3000 [0.0100, 0.7000]"),
        (0.5, 0.1, 0.91, 3, "0.5000 (too few seeds)"),
        (0.5, 0.1, 0.89, 3, "0.5000 [0.1000, 0.8900]"),
        (0.5, 0.1, 0.91, 4, "0.5000 [0.1000, 0.9100]"),
        (0.5, 0.1, None, 4, "0.5000"),
        (0.7865, 0.0601, 0.9953, 5, "0.7865 [0.0601, 0.9953]"),
        (0.8283, 0.7984, 0.8547, 2, "0.8283 [0.7984, 0.8547]"),
    ],
)
def test_an_interval_over_two_seeds_that_spans_every_score_is_not_written(
    mean: float, low: float, high: float | None, seeds: int, said: str
) -> None:
    assert formats.over_seeds({"mean": mean, "low": low, "high": high, "seeds": seeds}) == said


def test_an_interval_over_cases_stands_however_few_seeds_there_were() -> None:
    none_of_seven = {"mean": 0.0, "low": 0.0, "high": 0.41, "seeds": 1, "cases": 7}
    of_gain = {"mean": 0.3, "low": -0.5, "high": 0.9, "seeds": 2}
    assert formats.over_seeds(of_gain, formats.gain) == "+0.3000 [−0.5000, +0.9000]"
    assert formats.over_seeds(none_of_seven) == "0.0000 [0.0000, 0.4100]"
    assert formats.over_seeds({**none_of_seven, "cases": 0}) == "0.0000 [0.0000, 0.4100]"


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


def test_commands_are_fenced_by_more_backticks_than_they_hold() -> None:
    assert _fenced(" a \n") == "```bash\na\n```"
    assert _fenced("a ```` b ` c") == "`````bash\na ```` b ` c\n`````"
