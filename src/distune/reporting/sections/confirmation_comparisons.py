"""The comparisons of a confirmation: differences, verdicts, and what would tell what was not told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distune.confirmation.statistics.significance import RESAMPLES
from distune.reporting import formats
from distune.reporting.document import Block, Bullets, Cell, Code, Section, Strong, Table, line, paragraph

Numbers = Mapping[str, Any]
NOTHING_TOLD = "not distinguishable"
HEADER = ("Question", "Compared", "Difference", "95 % interval", "p (Holm)", "Verdict", "What would tell it")


def comparisons(numbers: Numbers) -> Section:
    """Differences with interval, corrected p-value and verdict."""
    made = numbers["comparisons"]
    rows: list[tuple[Cell, ...]] = [
        (
            formats.QUESTIONS.get(each["kind"], each["kind"]),
            _pair(each),
            formats.gain(each["difference"]),
            formats.interval(each["low"], each["high"]),
            _corrected(each),
            Strong(each["verdict"]),
            needed(each),
        )
        for each in made
    ]
    blocks: list[Block] = []
    if rows:
        blocks += [
            paragraph(
                f"Differences of the mean scores on {numbers['split']}. The intervals honour both the seeds and the "
                f"examples, grouped by case. {_families(made)}"
            ),
            Table(HEADER, tuple(rows), frozenset({2, 3, 4})),
            paragraph(
                f"What would tell it: so many examples with as many seeds as now, or so many seeds with the same "
                f"{made[0]['examples']} examples, for a power of 80 % at the observed difference, with cases of the "
                "same size, not corrected for the other rows. Where one of the two is not named, the noise of the "
                "other hides the difference however many there are. The noise of a few seeds is itself known roughly, "
                "and so are these numbers."
            ),
        ]
    if single := [row for each in made for row in _mcnemar(each)]:
        header = ("Compared", "Task", "Only the first is right", "Only the second is right", "p")
        blocks.append(Table(header, tuple(single), frozenset({2, 3, 4}), _of_single_models(numbers)))
    left_out = numbers.get("comparisons_missing") or []
    if left_out:
        blocks.append(
            Bullets(tuple(line("Not compared: ", *_pair(each), f": {each['reason']}.") for each in left_out))
        )
    return Section("Comparisons", tuple(blocks))


def _families(made: list[Numbers]) -> str:
    if not all("family" in each for each in made):  # a confirmation of an earlier version
        return "The p-values carry Holm's correction for all rows together."
    return (
        "The p-values carry Holm's correction within two families that were fixed in advance: the questions that a "
        "confirmation is made for (tuning gain, distillation gain), and all other rows. So in each family the chance "
        "of any false “better” or “worse” is at most 5 %."
    )


def _of_single_models(numbers: Numbers) -> str:
    caption = "Single models of the first common seed, McNemar's exact test, not corrected."
    held = numbers["examples"][numbers["split"]]
    if held["examples"] == held["cases"]:
        return caption
    return (
        f"{caption} It takes the {held['examples']} examples of {held['cases']} cases as independent, so p is too "
        "small."
    )


def _mcnemar(made: Numbers) -> Iterator[tuple[Cell, ...]]:
    for task, found in made["mcnemar"].items():
        yield (
            _pair(made),
            task,
            str(found["only_first"]),
            str(found["only_second"]),
            formats.probability(found["p_value"]),
        )


def _corrected(made: Numbers) -> str:
    """The corrected p-value; only a bound where the p-value is the smallest that the resampling can give."""
    if made["p_value"] > 1 / (made.get("resamples", RESAMPLES) + 1):
        return formats.probability(made["adjusted_p"])
    return formats.at_most(made["adjusted_p"])


def needed(made: Numbers) -> str:
    """Examples or seeds that would tell a difference; one of them alone, or both, where only that would do."""
    examples, seeds = made["examples_needed"], made.get("seeds_needed")
    if made["verdict"] != NOTHING_TOLD or not made["difference"]:
        return formats.DASH
    if examples is not None and examples <= made["examples"]:
        return "enough for this row alone"
    numbers = [formats.about(examples, "examples"), formats.about(seeds, "seeds")]
    return " or ".join(number for number in numbers if number) or "more of both"


def _pair(made: Numbers) -> tuple[Code | str, ...]:
    return (Code(made["first"]), " − ", Code(made["second"]))
