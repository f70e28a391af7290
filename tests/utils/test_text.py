"""How messages say numbers of things."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import distune
from distune.utils.text import (
    LONGEST_LINE,
    MOST_NAMES,
    as_written,
    at_line_start,
    counted,
    harmless,
    in_markdown,
    inert,
    is_unicode,
    listed,
    nearest,
    nearest_hint,
    one_line,
    terminal_line,
    terminal_message,
)

_PLURAL = re.compile(r"\{len\([^{}]*\)\} (examples|rows|cases|groups|images|classes|entries|trials|runs)\b")


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [counted(number, "is", "are") for number in (0, 1)] == ["0 are", "1 is"]


def test_every_message_asks_whether_it_is_one() -> None:
    sources = Path(str(distune.__file__)).parent.rglob("*.py")
    assert [file.name for file in sources if _PLURAL.search(file.read_text())] == []


def test_near_misses_are_found_whatever_their_case() -> None:
    known = ("Learning_Rate", "epochs", "epoch_size", "dropout")
    assert nearest("learning_rat", known) == ["Learning_Rate"] and nearest("EPOCH", known) == ["epochs"]
    assert nearest("alpha", ["ALPHA", "beta"]) == ["ALPHA"]
    assert nearest("epoch", known, n=2) == ["epochs", "epoch_size"] and nearest("xyz", known) == []
    assert nearest_hint("DROPOUTS", known) == "; did you mean 'dropout'?" and nearest_hint("xyz", known) == ""


def test_names_are_listed_some_of_many_and_each_cut() -> None:
    assert listed([]) == "none" and listed(["a", "b"]) == "'a', 'b'"
    names = [f"n{number}" for number in range(MOST_NAMES)]
    assert listed(names).endswith(f"'n{MOST_NAMES - 1}'") and "more" not in listed(names)
    many = listed([*names, *["x"] * 1000])
    assert many.endswith(f"'n{MOST_NAMES - 1}' and 1,000 more")
    assert listed(["x" * 100]) == repr("x" * 100) and listed(["x" * 101]) == repr("x" * 100) + "..."


def test_text_from_elsewhere_does_no_harm() -> None:
    assert harmless("a\x1b[31m\u202eb\u200b\ud800c\n\r\td") == "a�[31m�b��c\n\r\td"
    assert one_line(" a\n\x07b\t c ") == "a �b c"
    assert one_line("x" * LONGEST_LINE) == "x" * LONGEST_LINE
    assert one_line("x" * (LONGEST_LINE + 1)) == "x" * (LONGEST_LINE - 1) + "…"
    assert one_line(ValueError("no\nway"), 4) == "no …"
    assert [is_unicode(text) for text in ("é😀", "", "\ud83d", "\ude00\ud83d")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a*b`c|d~", r"a\*b\`c\|d\~"),
        ("_x_ and a_b", r"\_x\_ and a_b"),
        ("<b>&amp;&", "&lt;b&gt;&amp;amp;&"),
        ("http://a www.b c@d", r"http:\//a www\.b c\@d"),
        ("[x](y) a[1]", r"\[x\](y) a[1]"),
    ],
)
def test_text_in_markdown_is_shown_as_it_is(text: str, shown: str) -> None:
    assert in_markdown(text) == shown


def test_no_text_begins_a_list_or_a_heading() -> None:
    lines = {
        "# a": r"\# a",
        "- a": r"\- a",
        " + a": r" \+ a",
        "= a": r"\= a",
        "12. a": r"12\. a",
        "1) a": r"1\) a",
        "1 a": "1 a",
        "a - b": "a - b",
    }
    assert {line: at_line_start(line) for line in lines} == lines


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_cell_starts_no_formula_and_is_read_back(text: str) -> None:
    assert inert(text) == f"'{text}" and as_written(inert(text)) == text
    for plain in ("x", "'x", "1", "", "'", f" {text}"):
        assert inert(plain) == as_written(plain) == plain


def test_a_line_of_a_terminal_ends_where_it_ends() -> None:
    assert terminal_line("a\nb\rc\u2028d\u2029e\x1bf\tg") == "a�b�c�d�e�f\tg"


def test_a_message_of_several_lines_is_one_message() -> None:
    assert terminal_message("one") == "one"
    assert terminal_message("one\ntwo\n  three\n\nError: four") == "one\n  two\n  three\n\n  Error: four"
