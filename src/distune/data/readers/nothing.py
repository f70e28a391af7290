"""Cells that say in many tables that nothing is known, and in others are a class or a patient."""

from __future__ import annotations

import re

from distune.data.readers.spellings import visible

CODES = ("-1", "-9", "-99", "-999", "-9999", "99", "999", "9999")
"""Numbers that stand for an unknown label in tables of SPSS, REDCap and pandas; as a patient each is like any other."""
_WORDS = re.compile(
    r"na|nan|nat|n/[ad]|n\.\s?[adv]\.?|nd|nil|none|nothing|null|k\.\s?a\.?|\\n|&nbsp;|[+-]?inf(inity)?|"
    r"missing|unknown|unk|unspecified|undefined|blank|empty|no data|tbd|"
    r"not (available|applicable|known|done|specified|recorded|reported|assessed|documented|given|stated)|"
    r"unbekannt|keine angabe|leer|inconnu|desconocido|[-–—.?*#/_~]*|"
    r"#.*[!?]|#n/?[adv]|err:\d+"  # what spreadsheets write in place of a value, in any language
)
_BRACKETS = str.maketrans("", "", "()<>[]{}\"'")
_LONGEST = 40


def may_be_nothing(value: str) -> bool:
    """Whether a value that is not empty is a word or signs for nothing, in brackets or not."""
    if not value or len(value) > _LONGEST:
        return False
    return _WORDS.fullmatch(visible(value).casefold().translate(_BRACKETS).strip()) is not None
