"""The comparisons of a confirmation: differences, verdicts, and what they could have shown."""

from __future__ import annotations

from distune.confirmation.request import MOST_SEEDS
from distune.confirmation.statistics.inference.power import WANTED
from distune.reporting import formats, verdicts
from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Section,
    Strong,
    TableBlock,
    line,
    paragraph,
)
from distune.reporting.verdicts import Numbers

HEADER = (
    "Question",
    "Compared",
    "Difference",
    "95 % interval",
    "Family-wise interval",
    "p (family)",
    "Verdict",
    "Power",
)
NEEDED, MORE_OF_BOTH = "80 % would take", "more of both"


def comparisons(numbers: Numbers) -> Section:
    """Differences with interval, verdict and power."""
    made, gain = numbers["comparisons"], formats.gain(numbers["relevant_gain"])
    needs = [needed(each) for each in made]
    is_known = any(each not in (MORE_OF_BOTH, formats.DASH) for each in needs)
    rows: list[tuple[Cell, ...]] = [
        (
            verdicts.question(numbers, each),
            _pair(each),
            formats.gain(each["difference"]),
            formats.interval(each["low"], each["high"]),
            _family(each),
            formats.probability(each["adjusted_p"]),
            Strong(each["verdict"]),
            formats.chance(each["power"]),
            *([more] if is_known else []),
        )
        for each, more in zip(made, needs, strict=True)
    ]
    blocks: list[Block] = []
    if rows:
        power = (
            f"Power: the chance of the verdict “better” where the true difference is {gain}, the smallest that was "
            "said beforehand to matter. Where it is low, “not significantly different” says little."
        )
        if is_known:
            power += (
                " The last column: so many seeds with the same cases, or cases with as many seeds, would have given 80 "
                "%. The noise of a few seeds is itself known roughly, and so are these numbers."
            )
        blocks += [
            paragraph(
                f"Differences of the mean scores on {numbers['split']}. The intervals are over both the seeds and the "
                "cases. The first holds for its row alone; the family-wise one holds for all rows of its family "
                "together, and it alone decides the verdict. The families were fixed in advance: the questions that a "
                "confirmation is made for (tuning: best of the search, distillation), and all other rows. So in each "
                "the chance of any false “better” or “worse” is at most 5 %."
            ),
            TableBlock((*HEADER, *([NEEDED] if is_known else [])), tuple(rows), frozenset({2, 3, 4, 5, 7})),
            paragraph(power),
        ]
    left_out = numbers.get("comparisons_missing") or []
    if left_out:
        blocks.append(
            Bullets(tuple(line("Not compared: ", *_pair(each), f": {each['reason']}.") for each in left_out))
        )
    return Section("All comparisons", tuple(blocks))


def _family(made: Numbers) -> str:
    """The family-wise interval; scores lie between 0 and 1, so one wider than that says nothing."""
    low, high = made["family_low"], made["family_high"]
    if high - low <= 1:
        return formats.interval(low, high)
    return "too few cases" if made.get("case_error", 0.0) > made.get("seed_error", 0.0) else "too few seeds"


def needed(made: Numbers) -> str:
    """Seeds or cases that would have given a power of 80 %; one of them alone, or both, where only that would do."""
    if made["power"] >= WANTED:
        return formats.DASH
    numbers = [
        formats.about(made["seeds_needed"], "seeds", MOST_SEEDS),
        formats.about(made["cases_needed"], "cases"),
    ]
    return " or ".join(number for number in numbers if number) or MORE_OF_BOTH


def _pair(made: Numbers) -> tuple[Code | str, ...]:
    return (Code(made["first"]), " − ", Code(made["second"]))
