"""What the parameters are called, and under which headings they stand."""

from __future__ import annotations

import pytest

from distune.reporting import parameters


@pytest.mark.parametrize(
    ("name", "kind", "owner"),
    [
        ("teacher_lr", "Learning rates", "Teacher learning"),
        ("student_lr", "Learning rates", "Student learning"),
        ("alpha", "Loss weights", "Loss weights"),
        ("loss", "Loss weights", "Loss weights"),
        ("T", "Loss weights", "Loss weights"),
        ("student_dropout", "Regularization", "Student regularization"),
        ("weight_decay", "Regularization", "Regularization"),
        ("teacher_fusion_dim", "Architecture", "Teacher architecture"),
        ("teacher_fusion", "Architecture", "Teacher architecture"),
        ("student_vision", "Encoders", "Student encoders"),
        ("teacher", "Teacher", "Teacher"),
        ("batch_size", "Other", "Other"),
        ("student_own", "Other", "Student architecture"),
    ],
)
def test_the_headings_of_a_parameter(name: str, kind: str, owner: str) -> None:
    assert (parameters.kind(name), parameters.owner(name)) == (kind, owner)


@pytest.mark.parametrize(
    ("name", "smaller", "larger"),
    [
        ("student_lr", "smaller steps", "larger steps"),
        ("T", "sharper targets", "softer targets"),
        ("teacher_fusion_layers", "a shallower fusion", "a deeper fusion"),
        ("batch_size", "", ""),
    ],
)
def test_what_a_smaller_and_a_larger_value_mean(name: str, smaller: str, larger: str) -> None:
    assert (parameters.meaning(name, False), parameters.meaning(name, True)) == (smaller, larger)


def test_equal_headings_stand_together_and_once() -> None:
    titles = {"a": "Z", "b": "Y", "c": "Z", "d": "X", "e": "Y"}
    assert parameters.grouped(titles, titles.__getitem__) == [
        ("Z", "a"), ("", "c"), ("Y", "b"), ("", "e"), ("X", "d"),
    ]  # fmt: skip
    assert parameters.grouped((), str) == []
