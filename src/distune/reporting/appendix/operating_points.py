"""What the recommended config finds at fixed specificities, in tasks of two classes."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Cell, Code, Section, TableBlock, paragraph
from distune.reporting.verdicts import Numbers

HEADER = ("Task", "Looked for", "Specificity asked for", "Threshold", "Sensitivity", "Specificity", "Kept")
TITLE = "Operating points"
CHOSEN = {
    "test": "are chosen on dev and evaluated on test",
    "folds": "are chosen on the out-of-fold answers; each case with the threshold that all other cases give",
}
"""How thresholds come about, by the split that is evaluated."""


def section(findings: Findings) -> Section | None:
    """One row a specificity; no section without a confirmed task of two classes on a test split or on folds."""
    if isinstance(findings.confirmation, Unknown):
        return None
    numbers = findings.confirmation.numbers
    chosen, split = verdicts.recommended(numbers), numbers["split"]
    scored = numbers["contenders"][chosen]["splits"].get(split)
    rows: list[tuple[Cell, ...]] = [
        (
            task,
            formats.plain(each["positive"], 40),
            f"{point['wanted']:.2f} or more",
            formats.over_seeds(_as_probability(point["threshold"])),
            *(formats.over_seeds(point[key]) for key in ("sensitivity", "specificity")),
            _is_kept(point),
        )
        for task, values in (scored or {"tasks": {}})["tasks"].items()
        for each in values.get("operating_points") or []
        for point in each["points"]
    ]
    if not rows or split not in CHOSEN:
        return None
    said = paragraph(
        "Of ",
        Code(chosen),
        f": thresholds of the probability {CHOSEN[split]}, with 95 % intervals over cases and seeds. "
        f"Kept: whether the specificity is as high as asked for. {formats.DASH}: too few examples without the class.",
    )
    return Section(TITLE, (said, TableBlock(HEADER, tuple(rows), frozenset({2, 3, 4, 5}))))


def _as_probability(held: Numbers | None) -> Numbers | None:
    """A threshold whose interval, Student's over few seeds, ends where probabilities do."""
    if held is None or held["low"] is None or held["high"] is None:
        return held
    return {**held, "low": max(held["low"], 0.0), "high": min(held["high"], 1.0)}


def _is_kept(point: Numbers) -> str:
    held = point["specificity"]
    return formats.DASH if held is None else "yes" if held["mean"] >= point["wanted"] else "no"
