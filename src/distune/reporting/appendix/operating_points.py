"""What the recommended config finds at fixed specificities, in tasks of two classes."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, verdicts
from distune.reporting.document import Cell, Code, Section, TableBlock, caution, paragraph
from distune.reporting.verdicts import Numbers

TITLE = "Operating points"
FOUND = ("sensitivity", "specificity")
HEADER = (
    "Task",
    "Looked for",
    "Specificity asked for",
    "Threshold",
    "Sensitivity",
    "Specificity",
    "Kept",
    "Sensitivity of all seeds",
    "Specificity of all seeds",
)
CHOSEN = {
    "test": "chosen on dev and evaluated on test",
    "folds": "chosen on the out-of-fold answers, each case evaluated with the threshold that all other cases give",
}
"""How thresholds come about, by the split that is evaluated."""
WHOSE = {
    "test": "the model of the first seed, which distune predict loads and export writes",
    "folds": "the models of the first seed that each lacked a fold, not of the one that distune predict loads, which "
    "was trained as they were",
}
"""What answered, by the same."""
OLD = (
    "An earlier version made this: its thresholds are of probabilities before their calibration and means "
    "over seeds, each of which has its own, so they are none for what distune predict gives. The same distune confirm "
    "computes those; what the same versions trained is not trained again."
)


def section(findings: Findings) -> Section | None:
    """One row a specificity; no section without a confirmed task of two classes on a test split or on folds."""
    if isinstance(findings.confirmation, Unknown):
        return None
    numbers = findings.confirmation.numbers
    chosen, split = verdicts.recommended(numbers), numbers["split"]
    scored = numbers["contenders"][chosen]["splits"].get(split)
    points = [
        (task, each["positive"], point)
        for task, values in (scored or {"tasks": {}})["tasks"].items()
        for each in values.get("operating_points") or []
        for point in each["points"]
    ]
    if not points or split not in CHOSEN:
        return None
    if any(point.get("threshold") is not None for *_, point in points):
        return Section(TITLE, (caution(OLD),))
    said = paragraph(
        "Of ",
        Code(chosen),
        f": thresholds of the calibrated probability, {CHOSEN[split]}, with 95 % intervals over cases. What lies above "
        f"the threshold is called the class. Thresholds and what is found with them are of {WHOSE[split]}; every other "
        f"seed has thresholds of its own, and the last columns are means over the seeds, each with its own. Kept: "
        f"whether the specificity is as high as asked for. {formats.DASH}: too few examples without the class.",
    )
    rows = tuple(_row(*point) for point in points)
    return Section(TITLE, (said, TableBlock(HEADER, rows, frozenset({2, 3, 4, 5, 7, 8}))))


def _row(task: str, positive: str, point: Numbers) -> tuple[Cell, ...]:
    first = point.get("first_seed") or dict.fromkeys(FOUND)
    return (
        task,
        formats.plain(positive, 40),
        f"{point['wanted']:.2f} or more",
        f"{point['thresholds'][0]:.6f}" if point.get("thresholds") else formats.DASH,
        *(formats.over_seeds(first[key]) for key in FOUND),
        _is_kept(first["specificity"], point["wanted"]),
        *(formats.over_seeds(point[key]) for key in FOUND),
    )


def _is_kept(specificity: Numbers | None, wanted: float) -> str:
    return formats.DASH if specificity is None else "yes" if specificity["mean"] >= wanted else "no"
