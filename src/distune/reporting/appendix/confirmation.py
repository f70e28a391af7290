"""The confirmation in full: comparisons, contenders, calibration, openings of the test split, what was left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.appendix import contenders as tables
from distune.reporting.appendix import recommended
from distune.reporting.appendix.comparisons import comparisons
from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Figure,
    Section,
    TableBlock,
    caution,
    line,
    paragraph,
)
from distune.utils.text import counted

TITLE = "Confirmation in full"
REASONS = {
    "highest_expected": "it has the highest expected score.",
    "smallest_of_equals": "no other is expected to score higher by as much as a tenth of the gain that matters, "
    "and none "
    "of these equals is smaller.",
    "base_is_best": "no trial scored higher in the search.",
    "base_is_missing": "the base config could not be trained, so no gain is known; this one has the highest "
    "mean score.",
    "one_case_decides": "a single case decides the score, so no probability is known; this one has the highest mean "
    "score.",
}


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section | None:
    """All numbers of the confirmation; None where there is none."""
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown):
        return None
    numbers = confirmation.numbers
    parts = (
        _recommendation(numbers),
        comparisons(numbers),
        tables.contenders(numbers, findings.study.folds),
        tables.baselines(numbers),
        recommended.classes(numbers),
        recommended.calibration(
            numbers, figures.get("reliability") if findings.scored_run.is_confirmed else None
        ),
        recommended.conditions(numbers),
        tables.apart(numbers),
        _openings(numbers),
        _left_out(numbers),
    )
    return Section(TITLE, parts=tuple(part for part in parts if part))


def _recommendation(numbers: Mapping[str, Any]) -> Section:
    """The decision and its candidates, as the rule in `distune.confirmation.statistics.decision` sees them."""
    found = numbers["recommendation"]
    reason = REASONS.get(found["reason"], formats.plain(found["reason"]))
    blocks: list[Block] = [paragraph(Code(found["contender"]), f": {reason}{_unmeasured(numbers)}")]
    if counted_as := verdicts.counted_as(numbers):
        blocks.append(paragraph(f"The score is the {counted_as}."))
    rows: list[tuple[Cell, ...]] = [
        (
            Code(name),
            *(_or_dash(about, key, formats.gain) for key in ("observed_gain", "expected_gain")),
            *(_or_dash(about, key, formats.chance) for key in ("probability_better", "probability_best")),
        )
        for name, about in (found.get("candidates") or {}).items()
    ]
    if rows:
        header = ("Candidate", "Gain measured", "Gain expected", "Better than the base", "Best of these")
        caption = (
            "The expected gain is shrunk towards 0, as the best of those trained again, among them "
            f"{verdicts.picked_from(numbers)}, is partly lucky. The chances serve the choice between these candidates; "
            "whether a gain is shown, the stricter verdicts below decide."
        )
        blocks.append(TableBlock(header, tuple(rows), frozenset({1, 2, 3, 4}), caption))
    return Section("Recommendation", tuple(blocks))


def _or_dash(about: Mapping[str, Any], key: str, number: Callable[[float], str]) -> str:
    return formats.DASH if about.get(key) is None else number(about[key])


def _unmeasured(numbers: Mapping[str, Any]) -> str:
    """What is not known of the recommended config where it is the base: its student alone was never trained."""
    found = numbers["recommendation"]
    is_measured = any(
        made["kind"] == "distillation_gain" and made["first"] == found["contender"]
        for made in numbers["comparisons"]
    )
    if found["kind"] != "base" or is_measured:
        return ""
    return " No distillation gain is measured for it: its student was not trained without a teacher."


def _openings(numbers: Mapping[str, Any]) -> Section | None:
    opening = numbers["opening"]
    if opening is None:
        return None
    times = len(opening["openings"])
    blocks: list[Block] = [
        paragraph(
            f"The test split was opened {'once' if times == 1 else counted(times, 'time')} for this study."
        )
    ]
    if opening["number"] > 1:
        blocks.append(
            caution(
                f"These numbers are of opening {opening['number']}: what was seen at an earlier one may have "
                "shaped what is evaluated here."
            )
        )
    items = [line(f"{each['time']}: ", Code(each["by"])) for each in opening["openings"]]
    items += [
        line(f"{each['time']}, elsewhere on these data: ", Code(each["by"]), ", in ", Code(each["file"]))
        for each in opening["elsewhere"]
    ]
    if items:
        blocks.append(Bullets(tuple(items)))
    return Section("Uses of the test split", tuple(blocks))


def _left_out(numbers: Mapping[str, Any]) -> Section | None:
    items = [
        line(Code(each["contender"]), f", seed {each['seed']}: {each['kind']}. {each['message']}")
        for each in numbers.get("failures") or []
    ]
    items += [line(note) for note in numbers.get("notes") or []]
    return Section("What was left out", (Bullets(tuple(items)),)) if items else None
