"""Whether the gain holds over seeds and on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.records.study_files import Confirmation
from distune.analysis.records.unknown import Unknown
from distune.data.table import Task
from distune.reporting import commands, formats
from distune.reporting.document import (
    Block,
    Bullets,
    Code,
    Commands,
    Figure,
    Line,
    Section,
    Strong,
    caution,
    line,
    missing,
    paragraph,
)
from distune.reporting.paths import quoted
from distune.reporting.sections import confirmation_tables as tables
from distune.reporting.sections.confirmation_comparisons import comparisons
from distune.training.scores import score_in_words

TITLE = "Confirmation"
OF_A_TABLE = (
    "Not confirmed: the best of many trials is partly luck. A table of trials holds no study to train again."
)


def section(findings: Findings, figures: Mapping[str, Figure]) -> Section:
    """What the confirmation found, or how to confirm where there is none."""
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown):
        return _unconfirmed(findings)
    numbers = confirmation.numbers
    compared = comparisons(numbers)
    if "gains" in figures:
        compared = Section(compared.title, (*compared.blocks, figures["gains"]))
    parts = (
        _recommendation(findings, confirmation),
        compared,
        tables.optimism(numbers, findings.study.folds),
        tables.contenders(numbers, findings.study.folds),
        tables.baselines(numbers),
        tables.calibration(numbers),
        tables.conditions(numbers),
        _openings(numbers),
        _left_out(numbers),
    )
    return Section(TITLE, _introduction(findings, confirmation), tuple(part for part in parts if part))


def command(findings: Findings) -> str:
    """The shell command that confirms the study."""
    return commands.confirm(findings.study)


def confirmed_gain(findings: Findings) -> Mapping[str, Any] | None:
    """The best trial against the base config over seeds; None where that was not measured for this best trial."""
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown) or not confirmation.is_current:
        return None
    return confirmation.gain


def in_words(findings: Findings, gain: Mapping[str, Any]) -> str:
    """A confirmed gain: `+0.0081, 95 % interval [+0.0012, +0.0150], over 5 seeds on test: better`."""
    assert isinstance(findings.confirmation, Confirmation)
    split = findings.confirmation.numbers["split"]
    where = f"{split}, which the search has seen" if split != "test" else split
    interval = formats.interval(gain["low"], gain["high"])
    seeds = gain["seeds"]["first"]
    over = f"over {seeds} seeds" if seeds != 1 else "with one seed"
    return (
        f"{formats.gain(gain['difference'])}, 95 % interval {interval}, {over} on {where}: {gain['verdict']}"
    )


def advice(findings: Findings, confirmation: Confirmation) -> Line:
    """Which config to use, why, and the command that trains it."""
    found = confirmation.numbers["recommendation"]
    said = line(Code(found["contender"]), f". {found['text']}{_unmeasured(confirmation.numbers)}")
    path = recommended_config(findings, confirmation)
    return said if path is None else (*said, " ", Code(f"distune train {quoted(path)}"), ".")


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


def recommended_config(findings: Findings, confirmation: Confirmation) -> Path | None:
    """The config that the confirmation recommends, where its file exists."""
    if findings.study.folder is None:
        return None
    path = findings.study.folder / Path(confirmation.numbers["recommendation"]["config"]).name
    return path if path.is_file() else None


def has_significant_gain(confirmation: Confirmation) -> bool:
    """Whether any trial of the search is significantly better than the base config."""
    return any(
        made["kind"] in ("tuning_gain", "trial_gain") and made["verdict"] == "better"
        for made in confirmation.numbers["comparisons"]
    )


def _unconfirmed(findings: Findings) -> Section:
    if findings.study.is_table:
        return Section(TITLE, (missing(OF_A_TABLE),))
    blocks: list[Block] = [
        missing(
            f"Not confirmed. Every score on this page is of one seed, on {_seen(findings)} that the search itself "
            "looked at and that chose the epoch, and the best of many trials is partly luck. Confirmation trains the "
            f"best trials and the base config again over several seeds and judges them {_judged_by(findings)}:"
        ),
        Commands(command(findings)),
    ]
    folder = findings.study.folder
    if folder is not None and (folder / "confirmation.json").exists():
        assert isinstance(findings.confirmation, Unknown)
        blocks.insert(0, caution(findings.confirmation.reason))
    return Section(TITLE, tuple(blocks))


def _judged_by(findings: Findings) -> str:
    audit = findings.audit
    if not isinstance(audit, Unknown) and any(
        found["kind"] == "no_test_split" for found in audit["findings"]
    ):
        return "on dev, as these data have no test split: that shows the noise over seeds, but still flatters"
    return "once on the test split"


def _seen(findings: Findings) -> str:
    return "the dev split" if findings.study.folds is None else f"{findings.study.judged_on}"


def _introduction(findings: Findings, confirmation: Confirmation) -> tuple[Block, ...]:
    numbers = confirmation.numbers
    sizes = ", ".join(
        f"{split}: {about['examples']} examples of {about['cases']} cases"
        for split, about in numbers["examples"].items()
    )
    blocks: list[Block] = [
        paragraph(
            f"Each contender was trained again with {len(numbers['seeds'])} seeds that the search did not use; what "
            f"follows is judged on {numbers['split']} unless it says otherwise ({sizes})."
        )
    ]
    if scored_by := numbers.get("scored_by"):
        tasks = [Task(name, (), **about) for name, about in scored_by.items()]
        blocks.append(paragraph(f"The score is the {score_in_words(tasks)}."))
    if not confirmation.is_current:
        blocks.append(
            caution(
                "This confirmation was made of another best trial than the study has now, so the gains of the present "
                "best are not confirmed: ",
                Code(command(findings)),
                ".",
            )
        )
    if numbers.get("optimistic"):
        blocks.append(
            caution(
                f"There is no test split: these numbers are of {numbers['split']}, which the search has seen and which "
                "chose the epoch of every training, and flatter."
            )
        )
    if not numbers.get("complete", True):
        blocks.append(
            caution("Some runs failed; the same command resumes them: ", Code(command(findings)), ".")
        )
    return tuple(blocks)


def _recommendation(findings: Findings, confirmation: Confirmation) -> Section:
    blocks: list[Block] = [paragraph(Strong("Use"), " ", *advice(findings, confirmation))]
    gain = confirmation.gain
    if gain is not None and confirmation.is_current:
        blocks.append(paragraph(f"The best trial against the base config: {in_words(findings, gain)}."))
    return Section("What to use", tuple(blocks))


def _openings(numbers: Mapping[str, Any]) -> Section | None:
    opening = numbers["opening"]
    if opening is None:
        return None
    times = len(opening["openings"])
    blocks: list[Block] = [
        paragraph(f"The test split was opened {times} time{'s' if times != 1 else ''} for this study.")
    ]
    if opening["number"] > 1:
        blocks.append(
            caution(
                f"These numbers are of opening {opening['number']}: what was seen at an earlier one may have "
                "shaped what is judged here."
            )
        )
    items = [line(f"{each['time']}: ", Code(each["by"])) for each in opening["openings"]]
    items += [
        line(f"{each['time']}, elsewhere on these data: ", Code(each["by"]), ", in ", Code(each["file"]))
        for each in opening["elsewhere"]
    ]
    if items:
        blocks.append(Bullets(tuple(items)))
    return Section("Openings of the test split", tuple(blocks))


def _left_out(numbers: Mapping[str, Any]) -> Section | None:
    items = [
        line(Code(each["contender"]), f", seed {each['seed']}: {each['kind']}. {each['message']}")
        for each in numbers.get("failures") or []
    ]
    items += [line(note) for note in numbers.get("notes") or []]
    return Section("What was left out", (Bullets(tuple(items)),)) if items else None
