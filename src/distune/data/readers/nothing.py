"""Cells that say in many tables that nothing is known, and in others are a class or a patient."""

from __future__ import annotations

import re

CODES = ("-1", "-9", "-99", "-999", "-9999", "99", "999", "9999")
"""Numbers that stand for an unknown label in tables of SPSS, REDCap and pandas; as a patient each is like any other."""
_WORDS = re.compile(
    r"na|nat|n/[ad]|n\.\s?[adv]\.?|nd|nil|none|null|k\.\s?a\.?|\\n|"
    r"missing|unknown|unk|unspecified|undefined|blank|empty|not (available|applicable|known|done|specified)|tbd|"
    r"unbekannt|leer|inconnu|desconocido|[-–—.?*#/_~]*|"
    r"#.*[!?]|#n/?[adv]|err:\d+"  # what spreadsheets write in place of a value, in any language
)
_BRACKETS = str.maketrans("", "", "()<>[]{}\"'")


def may_be_nothing(value: str) -> bool:
    """Whether a value that is not empty is a word or signs for nothing, in brackets or not."""
    return bool(value and _WORDS.fullmatch(value.casefold().translate(_BRACKETS).strip()))
