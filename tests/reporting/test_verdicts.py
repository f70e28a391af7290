"""What a confirmation says, in words."""

from __future__ import annotations

from typing import Any

import pytest

from distune.reporting import verdicts

CONTENDERS = {
    "trial_0012": {"kind": "trial", "trial": 12, "is_base": False},
    "base": {"kind": "base", "trial": 0, "is_base": True},
    "trial_0012_teacher": {"kind": "teacher", "trial": None, "is_base": False},
    "trial_0012_student_alone": {"kind": "student_alone", "trial": None, "is_base": False},
    "base_student_alone": {"kind": "student_alone", "trial": None, "is_base": False},
    "base_image_alone": {"kind": "image_alone", "trial": None, "is_base": False},
    "text_tfidf": {"kind": "baseline", "trial": None, "is_base": False},
    "own": {"kind": "baseline", "trial": None, "is_base": False},
}


@pytest.mark.parametrize(
    ("contender", "said"),
    [
        ("trial_0012", "trial 12"),
        ("base", "the base config"),
        ("trial_0012_teacher", "trial 12's teacher"),
        ("trial_0012_student_alone", "trial 12's student without a teacher"),
        ("base_student_alone", "the base config's student without a teacher"),
        ("text_tfidf", "logistic regression on the words of the text"),
        ("base_image_alone", "the base config's student of the image alone"),
        ("own", "own"),
        ("unheard of", "unheard of"),
    ],
)
def test_contenders_are_named_in_words(contender: str, said: str) -> None:
    assert verdicts.named({"contenders": CONTENDERS}, contender) == said


def made(kind: str, first: str, second: str, difference: float = 0.1) -> dict[str, Any]:
    return {"kind": kind, "first": first, "second": second, "difference": difference}


GAIN, OWN = made("tuning_gain", "trial_0001", "base"), made("trial_gain", "trial_0012", "base")
STRONG, WEAK = (
    made("against_baseline", "trial_0001", "own", -0.1),
    made("against_baseline", "trial_0001", "majority"),
)


@pytest.mark.parametrize(
    ("chosen", "comparisons", "gain", "further"),
    [
        ("trial_0012", [GAIN, OWN, WEAK, STRONG], OWN, [GAIN, STRONG]),
        ("trial_0001", [GAIN, OWN], GAIN, []),
        ("base", [OWN, GAIN, WEAK], GAIN, [WEAK]),
        ("base", [], None, []),
    ],
)
def test_the_gain_is_that_of_the_recommended_config(
    chosen: str, comparisons: list[Any], gain: Any, further: list[Any]
) -> None:
    contenders = {"base": {"is_base": True}, "trial_0001": {}, "trial_0012": {}}
    numbers = {"recommendation": {"contender": chosen}, "contenders": contenders, "comparisons": comparisons}
    assert verdicts.gain_over_base(numbers) == gain
    assert verdicts.first_answers(numbers) == ([gain] if gain else [])
    assert verdicts.further_answers(numbers) == further
