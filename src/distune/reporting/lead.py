"""Below the answers of the first screen: what has to be known before any number is used, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from distune.analysis.findings import Findings
from distune.analysis.records.unknown import Unknown
from distune.analysis.teacher import TeacherEvaluation
from distune.data.audit.findings import counted
from distune.reporting import commands, formats, verdicts
from distune.reporting.document import Block, Commands, Strong, caution, paragraph
from distune.reporting.paths import quoted
from distune.training.teacher.check import WHAT_TO_CHANGE


def lead(findings: Findings) -> tuple[Block, ...]:
    """What has to be known before any number is used, and the next command."""
    return (*_cautions(findings), *_next(findings))


def _cautions(findings: Findings) -> Iterator[Block]:
    yield from _teacher(findings)
    audit = findings.audit
    if not isinstance(audit, Unknown):
        severe = [found for found in audit["findings"] if found["severity"] == "severe"]
        if severe:
            titles = "; ".join(formats.plain(found["title"]) for found in severe)
            yield caution(
                Strong("The scores mislead."),
                f" The audit found {counted(['severe'] * len(severe))}: {titles}.",
            )
    confirmation = findings.confirmation
    if isinstance(confirmation, Unknown):
        folder = findings.study.folder
        if folder is not None and (folder / "confirmation.json").exists():
            yield caution(confirmation.reason)
        return
    if not confirmation.is_current:
        yield caution(
            Strong("The confirmation is out of date."),
            " It was made of another best trial than the study has now; the numbers here are those of the search.",
        )
        return
    if len(confirmation.numbers["seeds"]) == 1:
        yield caution(
            Strong("One seed."),
            " Intervals and probabilities are of these single trainings; how far others lie is not known.",
        )
    if not confirmation.numbers.get("complete", True):
        yield caution("Some runs of the confirmation failed; the same command resumes them.")


def _teacher(findings: Findings) -> Iterator[Block]:
    """That the teacher has nothing to teach."""
    evaluated = findings.teacher
    if evaluated is None or not _is_of_no_use(evaluated):
        return
    below = ["its student"] if evaluated.is_below_its_student else []
    if evaluated.is_below_regression:
        below.append("logistic regression on frozen features")
    yield caution(
        Strong("The teacher has little to teach."),
        f" On {evaluated.on} it scores below {' and '.join(below)}: {WHAT_TO_CHANGE}.",
    )


def _next(findings: Findings) -> Iterator[Block]:
    study, numbers = findings.study, verdicts.current(findings)
    yield paragraph(Strong("What to type next"))
    if numbers is not None:
        yield Commands("\n".join(_after_confirmation(findings, numbers)))
    elif study.is_table:
        yield Commands(
            "# a study of your own data, whose gain can be confirmed\n"
            "# metadata.csv: a row an example, with the path of its image, its text and its labels\n"
            f"distune init metadata.csv --out {commands.OWN_DATA}"
        )
    elif findings.ranking.best is None:
        yield Commands(f"# why no trial is complete\ndistune status {commands.named(study)}")
    else:
        yield Commands(
            "# train the best trials again over several seeds; a test split, if there is one, is opened once\n"
            + commands.confirm(study)
        )


def _after_confirmation(findings: Findings, numbers: verdicts.Numbers) -> Iterator[str]:
    """One command first: export only where the teacher is of use and the seeds are enough to say what helped."""
    study, gain = findings.study, verdicts.gain_over_base(numbers)
    config, strongest = verdicts.config_to_use(findings), verdicts.against_strongest_baseline(numbers)
    instead = "# or, if you accept this: "
    if config is not None and findings.teacher is not None and _is_of_no_use(findings.teacher):
        yield f"# change teacher.* in {quoted(config)}, and tune again"
        yield f"distune tune --config {quoted(config)} --n-trials {commands.MORE_TRIALS} --study-name better_teacher"
    elif (
        gain is not None
        and gain["verdict"] not in verdicts.ANSWERS
        and len(numbers["seeds"]) < verdicts.ENOUGH_SEEDS
    ):
        yield "# more seeds, as the answer on tuning is open (one more use of the held-out examples, on record)"
        yield f"{commands.confirm(study)} --seeds {verdicts.ENOUGH_SEEDS}" + (
            " --again" if numbers["opening"] else ""
        )
    else:
        instead = "# "
        second = strongest["second"] if strongest and strongest["verdict"] == "worse" else None
        if second is not None and verdicts.leaked(findings, second) is None:
            needed = verdicts.INPUTS.get(second, "its input is")
            yield f"# where {needed} available, {verdicts.named(numbers, second)} scores better; otherwise:"
    yield f"{instead}the recommended student as files for the device that will run it"
    yield f"distune export {commands.named(study)} --out bundle"


def _is_of_no_use(evaluated: TeacherEvaluation) -> bool:
    return evaluated.is_below_its_student or evaluated.is_below_regression
