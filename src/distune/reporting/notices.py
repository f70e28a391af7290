"""Below the answers of the first screen: what has to be known before any number is used, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from distune.analysis.findings import Findings
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.teacher import TeacherEvaluation
from distune.data.audit.findings import by_severity
from distune.reporting import formats, parameters, shell, verdicts
from distune.reporting.document import Block, Commands, Strong, caution, paragraph
from distune.reporting.paths import quoted
from distune.training.teacher.check import WHAT_TO_CHANGE
from distune.utils.files.default_folders import STUDIES
from distune.utils.text import counted


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
                f" The audit found {by_severity(['severe'] * len(severe))}: {titles}.",
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
    searched = confirmation.numbers["recommendation"].get("searched")
    if searched is not None and (later := len(findings.ranking.trials) - searched) > 0:
        yield caution(
            Strong("The search went on."),
            f" {counted(later, 'trial')} completed after the confirmation, which says nothing of "
            f"{'it' if later == 1 else 'them'}; none is above the best that it confirmed.",
        )
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
    if evaluated is None or not _is_of_no_use(findings):
        return
    below = ["its student"] if _is_below_its_student(findings, evaluated) else []
    if evaluated.is_below_regression:
        below.append("logistic regression on frozen features")
    yield caution(
        Strong(f"The teacher {'may have' if evaluated.seeds == 1 else 'has'} little to teach."),
        f" On {evaluated.on} it scores {formats.score(evaluated.score)}, below {' and '.join(below)}. "
        f"{WHAT_TO_CHANGE[:1].upper()}{WHAT_TO_CHANGE[1:]}.",
    )


def _next(findings: Findings) -> Iterator[Block]:
    yield paragraph(Strong("What to type next"))
    yield Commands("\n".join(_commands(findings)))


def _commands(findings: Findings) -> Iterator[str]:
    """One command first: the next step, and only where something speaks against it, that as well."""
    study, numbers = findings.study, verdicts.current(findings)
    if study.is_foreign:
        yield "# a study of your own data, whose gain can be confirmed"
        yield "# metadata.csv: one row per example, with the path of its image, its text and its labels"
        yield f"distune init metadata.csv --out {shell.OWN_DATA}"
        yield shell.tune_own_data()
        yield f"distune confirm {STUDIES / shell.OWN_DATA}"
    elif findings.ranking.best is None:
        yield "# why no trial is complete"
        yield f"distune status {shell.named(study)}"
    else:
        first = list(_change_teacher(findings) or _more_seeds(study, numbers))
        yield from first
        instead = "# or, if you accept this: " if first else "# "
        if numbers is None:
            yield from _narrow(findings)
            yield f"{instead}train the best trials again with several seeds, and score them once on test"
            yield shell.confirm(study)
        else:
            yield from () if first else _rival(findings, numbers)
            yield f"{instead}evaluate the recommended student on new cases of your own, then export it"
            yield shell.evaluate(study)
            yield f"distune export {shell.named(study)} --out bundle"


def _change_teacher(findings: Findings) -> list[str]:
    config = verdicts.config_to_use(findings)
    if config is None or not _is_of_no_use(findings):
        return []
    return [
        f"# change teacher.* in {quoted(config)}, and tune again",
        f"distune tune --config {quoted(config)} --n-trials {shell.MORE_TRIALS} --study-name better_teacher"
        + shell.of_same_data(findings),
    ]


def _more_seeds(study: StudyRecord, numbers: verdicts.Numbers | None) -> list[str]:
    """Where the seeds are too few to say whether tuning helped."""
    gain = None if numbers is None else verdicts.gain_over_base(numbers)
    if numbers is None or gain is None or gain["verdict"] in verdicts.ANSWERS:
        return []
    if len(numbers["seeds"]) >= verdicts.ENOUGH_SEEDS:
        return []
    again = look = ""
    if numbers["opening"]:
        next_look = formats.ordinal(len(numbers["opening"]["openings"]) + 1)
        again, look = " --again", f" (the {next_look} look at the test split, on record)"
    return [
        f"# more seeds: {verdicts.seeds(numbers)} are few to say whether tuning helped{look}",
        f"{shell.confirm(study)} --seeds {verdicts.ENOUGH_SEEDS}{again}",
    ]


def _narrow(findings: Findings) -> Iterator[str]:
    """The values at which trials failed, before anything is built on a search that lost many of its trials to them."""
    apart = {name: ends for failure in findings.ranking.failures for name, ends in failure.apart.items()}
    if findings.recommendations.many_failures and apart:
        values = [f"{formats.plain(name)} {parameters.values(name, ends)}" for name, ends in apart.items()]
        yield f"# trials with {' or '.join(values)} failed: narrow search_space before more trials (Recommendations 1)"


def _rival(findings: Findings, numbers: verdicts.Numbers) -> Iterator[str]:
    """A simple model that is better, unless it reads the answer in the text."""
    strongest = verdicts.against_strongest_baseline(numbers)
    if strongest is not None and strongest["verdict"] == "worse":
        second = strongest["second"]
        if verdicts.leaked(findings, second) is None:
            needed = verdicts.INPUTS.get(second, "its input is")
            yield f"# where {needed} available, {verdicts.named(numbers, second)} scores better; otherwise:"


def _is_of_no_use(findings: Findings) -> bool:
    evaluated = findings.teacher
    return evaluated is not None and (
        evaluated.is_below_regression or _is_below_its_student(findings, evaluated)
    )


def _is_below_its_student(findings: Findings, evaluated: TeacherEvaluation) -> bool:
    """Of one seed, only where it lies further below than the examples move the student, which was picked among many."""
    noise = findings.noise
    if evaluated.seeds > 1 or isinstance(noise, Unknown):
        return evaluated.is_below_its_student
    return evaluated.score < evaluated.student - (noise.score - noise.low)
