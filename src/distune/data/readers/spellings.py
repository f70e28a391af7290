"""Which spellings are one group or one label, and which only look like one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal

from distune.utils.text import first_of

_WHOLE_NUMBER = re.compile(r"([+-]?\d+)\.0+")
_ZEROS_FIRST = re.compile(r"[+]?[0-9]{1,100}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([., '_][0-9]{3})+")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_BETWEEN = re.compile(r"(?<=[^\W_])[\s_.,:;|/\\-]+(?=[^\W_])")
_BEFORE_NUMBER = re.compile(r"(?<=[^\W\d_]) (?=\d)")
_ACCENTS = re.compile("[\u0300-\u036f]")
# What shows nothing: control signs but for blanks, joiners, fillers and selectors of a variant.
_SHOWS_NOTHING = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f]"
)
# Cyrillic and Greek letters, quotation marks, dashes and strokes beside those of a keyboard.
_ALIKE = str.maketrans(
    "АВЕЗКМНОРСТУХІЈЅаеорсухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧον‘’‚‛`´ʹʼ′“”„″‐‑‒–—―−⁄∕×",
    "ABE3KMHOPCTYXIJSaeopcyxijsABEZHIKMNOPTYXov" + "'" * 9 + '"' * 4 + "-" * 7 + "//x",
)
# Without t and f: in tables of heartbeats, N and F are two classes.
_YES = "yes y true ja j wahr waar oui vrai si sí sì vero sim verdadero verdadeiro"
_NO = "no n false nein nee nei nej falsch onwaar non faux falso não"
_MEANINGS = dict.fromkeys(_YES.split(), Decimal(1)) | dict.fromkeys(_NO.split(), Decimal(0))


def normal_form(value: str) -> str:
    """The form in which groups and labels are compared: Unicode NFC, trimmed, and `1.0` as `1`."""
    if value.isalnum() and value.isascii():
        return value
    text = unicodedata.normalize("NFC", value).strip()
    number = _WHOLE_NUMBER.fullmatch(text)
    return number[1] if number else text


def one_spelling(values: Sequence[str], what: str) -> tuple[list[str], list[str]]:
    """Writes values that have one normal form in one way: as they are where all agree, else in that form."""
    spellings: dict[str, set[str]] = {}
    for value in dict.fromkeys(values):
        spellings.setdefault(normal_form(value), set()).add(value)
    several = {form: found for form, found in spellings.items() if len(found) > 1}
    if not several:
        return list(values), []
    change = {spelling: form for form, found in several.items() for spelling in found}
    changes = [
        f"{', '.join(repr(spelling) for spelling in sorted(found))} as {form!r}"
        for form, found in several.items()
    ]
    return [change.get(value, value) for value in values], [
        f"{what}: one in several spellings: {first_of(changes, 3, '; ')}"
    ]


def visible(value: str) -> str:
    """A value without letter forms, digits of other scripts and characters that show nothing."""
    if value.isascii() and value.isprintable():
        return value
    text = _SHOWS_NOTHING.sub("", unicodedata.normalize("NFKC", value))
    return "".join(
        str(unicodedata.decimal(sign, sign)) for sign in text if unicodedata.category(sign) != "Cf"
    )


def _look(value: str) -> str:
    """What is left of a value without case, space, invisible characters, letter forms and leading zeros."""
    text = " ".join(visible(value).split()).casefold()
    return str(int(text)) if _ZEROS_FIRST.fullmatch(text) else text


def case_twins(
    values: Sequence[str], weighty: Sequence[bool] | None = None, apart: Set[str] = frozenset()
) -> Mapping[str, str]:
    """For each value that looks like a more frequent one, such as `ct` beside `CT` or `07` beside `7`, that other one.

    Args:
        values: one an example.
        weighty: examples that count before the others, such as those of train; None takes all.
        apart: values that are meant as they are.
    """
    folded: dict[str, list[str]] = {}
    for value in dict.fromkeys(values):
        if value and value not in apart:
            folded.setdefault(_look(value), []).append(value)
    if all(len(same) == 1 for same in folded.values()):
        return {}
    times = Counter(zip(values, [True] * len(values) if weighty is None else weighty, strict=True))
    twins: dict[str, str] = {}
    for same in folded.values():
        first, *others = sorted(same, key=lambda value: (-times[value, True], -times[value, False]))
        twins |= dict.fromkeys(others, first)
    return twins


def _bare(look: str) -> str | Decimal:
    """What is left of a look without the signs that programs and people add, change or leave out; a number's value.

    Yes is 1 and no is 0, in all languages.
    """
    if look in _MEANINGS:
        return _MEANINGS[look]
    text = look.strip("'\"=[]")
    if not text.isascii():  # accents, which some programs lose
        text = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    if _THOUSANDS.fullmatch(text):
        text = re.sub("[^0-9]", "", text)
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    return _BEFORE_NUMBER.sub("", _BETWEEN.sub(" ", text.rstrip(".,:;")))


def sign_twins(values: Iterable[str]) -> list[tuple[str, ...]]:
    """Values that differ in signs, such as `P-1` and `P1`, or in the language of a yes: they may be one or two."""
    by_look: dict[str | Decimal, list[str]] = {}
    for value in dict.fromkeys(values):
        by_look.setdefault(_bare(_look(value.translate(_ALIKE))), []).append(value)
    return [tuple(same) for same in by_look.values() if len({_look(value) for value in same}) > 1]
