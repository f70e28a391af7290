"""What to do next, by purpose, each with the time that it would take at this study's pace."""

from __future__ import annotations

from collections.abc import Iterator

from distune.analysis.expected_time import CONTENDERS, SEEDS, Pace, pace
from distune.analysis.findings import Findings
from distune.analysis.ranking import FailureKind
from distune.analysis.recommendations import More
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.reporting import formats, parameters, shell, verdicts
from distune.reporting.document import Bullets, Code, Line, Section, Strong, line, missing
from distune.reporting.paths import quoted
from distune.reporting.sections.results import MOST_KINDS
from distune.utils.files.default_folders import STUDIES

MORE: dict[More, str] = {
    "still_improving": "The best score was still rising, so more trials may raise the search score",
    "too_few": "The best score has stopped rising, but the trials are few for so many parameters",
    "flat": "The best score has stopped rising, so more trials of this space are unlikely to help much",
    "unknown": "The study is too short to say whether more trials would help",
}
REMEDIES = {
    "out_of_memory": ": use a smaller training.batch_size, or take the largest sizes out of the search space",
    "not_finite": ": lower the upper end of {rates}",
    "crash": ": the log of the study names the workers that ended",
}
"""What to do about a kind of failure."""
MOST_SEEDS = 50
"""Most trainings of each config that are advised."""


def section(findings: Findings) -> Section:
    """Production, quick experiments, edge deployment, other data, and what this study itself lacks."""
    measured = pace(findings.phases, shell.quick_epochs(findings.study))
    known = None if isinstance(measured, Unknown) else measured
    items = [
        *_failures(findings),
        _production(findings, known),
        _quick(findings.study, known),
        _edge(findings, known),
        _other_data(findings, known),
        _this_study(findings),
        *_widen(findings),
    ]
    unknown = () if known else (missing("Expected times: this study records no durations."),)
    return Section("Recommendations", (Bullets(tuple(items), numbered=True), *unknown))


def _for_purpose(purpose: str, *said: str | Code) -> Line:
    return line(Strong(purpose), " ", *said)


def _takes(seconds: float | None) -> str:
    return "" if seconds is None else f"; expected time: about {formats.duration(seconds)}"


def _production(findings: Findings, measured: Pace | None) -> Line:
    study, numbers = findings.study, verdicts.current(findings)
    purpose = "For production:"
    if study.is_foreign:
        return _for_purpose(
            purpose,
            "tune on your own data with ",
            Code(shell.tune_own_data()),
            ", then train the best trials again with several seeds and evaluate them once on held-out data with ",
            Code(f"distune confirm {STUDIES / shell.OWN_DATA}"),
            ".",
        )
    if numbers is None:
        trainings = CONTENDERS * SEEDS * (1 + (study.folds or 0))
        return _for_purpose(
            purpose,
            "confirm before use. The best of many trials is partly luck, and one seed on examples that the search has "
            f"seen cannot show how much. At most {trainings} trainings"
            f"{_takes(None if measured is None else trainings * measured.per_training)}.",
        )
    made = verdicts.gain_over_base(numbers)
    needs = "" if made is None else _needed(made, numbers["relevant_gain"])
    seconds = None if measured is None else len(numbers["seeds"]) * measured.per_training
    again = (
        ""
        if seconds is None
        else f" Training it again with the same {verdicts.seeds(numbers)} takes about {formats.duration(seconds)}."
    )
    return _for_purpose(
        purpose,
        f"evaluate {verdicts.named(numbers, verdicts.recommended(numbers))} on your own new cases, by the command at "
        f"the top, before anyone relies on it.{needs}{again}",
    )


def _needed(made: verdicts.Numbers, relevant: float) -> str:
    """What a clear answer would have taken, where the confirmation gave none."""
    if made["verdict"] in verdicts.ANSWERS:
        return ""
    seeds = made["seeds_needed"]
    is_feasible = seeds is not None and seeds <= MOST_SEEDS
    wanted = [
        formats.about(seeds if is_feasible else None, "seeds"),
        formats.about(made["cases_needed"], "cases"),
    ]
    either = " or ".join(each for each in wanted if each)
    return (
        either
        and f" To show a gain of {formats.gain(relevant)} in four of five confirmations would take {either}."
    )


def _quick(study: StudyRecord, measured: Pace | None) -> Line:
    teacher, student = shell.quick_epochs(study)
    seconds = (
        None
        if measured is None or measured.quick_trial is None
        else shell.QUICK_TRIALS * measured.quick_trial
    )
    if study.is_foreign:
        config = f"{shell.OWN_DATA}/config.yaml"
        return _for_purpose(
            "For quick experiments:",
            Code(
                f"distune tune --config {config} --n-trials {shell.QUICK_TRIALS} --teacher-epochs {teacher} "
                f"--student-epochs {student} --study-name quick"
            ),
            "; few epochs favour high learning rates.",
        )
    return _for_purpose(
        "For quick experiments:",
        f"{shell.QUICK_TRIALS} trials with {teacher} teacher and {student} student epochs, by the command under "
        f"Usage{_takes(seconds)}. Few epochs favour high learning rates.",
    )


def _edge(findings: Findings, measured: Pace | None) -> Line:
    exported = Code(f"distune export {shell.named(findings.study)} --out bundle --quantize int8")
    said = (
        ()
        if findings.study.is_foreign
        else (exported, " writes 8-bit weights and reports the score they cost on dev; ")
    )
    config, count = verdicts.config_to_use(findings), shell.MORE_TRIALS
    path = f"{shell.OWN_DATA}/config.yaml" if config is None else quoted(config)
    tuned = f"distune tune --config {path} --n-trials {count}{shell.of_same_data(findings)} --tune-backbones"
    seconds = None if measured is None else count * measured.per_trial
    return _for_purpose(
        "For edge deployment:",
        *said,
        "a smaller model needs smaller encoders: ",
        Code(tuned),
        f" adds them to the search{_takes(seconds)}.",
    )


def _other_data(findings: Findings, measured: Pace | None) -> Line:
    start = "the recommended config" if isinstance(findings.ranges, Unknown) else "the starting values above"
    start += " in its search_space" if findings.study.is_foreign else ""
    takes = ""
    if measured is not None:
        seconds = shell.MORE_TRIALS * measured.per_trial
        takes = f" With as many examples, expected time: about {formats.duration(seconds)}, at first more."
    return _for_purpose(
        "For other data:",
        f"{shell.MORE_TRIALS} trials from {start}, then a confirmation of its own: what helped here need not help "
        f"there.{takes}",
    )


def _this_study(findings: Findings) -> Line:
    """More trials, or a wider search: what the course of the scores suggests."""
    more = MORE[findings.recommendations.more_trials]
    if findings.study.absent:
        more = "The table may hold only the best trials, so it does not say whether more would help"
    if findings.study.is_foreign:
        return _for_purpose("For this study:", f"{more}.")
    return _for_purpose(
        "For this study:",
        f"{more}. In a new study, ",
        Code("--tune-fusion --tune-loss"),
        " also compares kinds of fusion and of distillation loss.",
    )


def _widen(findings: Findings) -> Iterator[Line]:
    for found in findings.recommendations.widen:
        yield _for_purpose(
            "Widen a range:",
            "the best trials lie at the ",
            f"{found.bound} end of ",
            Code(found.parameter),
            "; what is beyond it was not tried.",
        )


def _failures(findings: Findings) -> Iterator[Line]:
    """What failed, which values alone did so, and what to do."""
    if findings.recommendations.many_failures:
        causes = [
            f"{len(failure.trials)} × {formats.FAILURES.get(failure.kind, formats.plain(failure.kind))}"
            f"{_where(failure)}{_remedy(failure)}{_best_of(failure, findings)}"
            for failure in findings.ranking.failures[:MOST_KINDS]
        ]
        is_of_values = any(failure.apart for failure in findings.ranking.failures)
        narrow = " Narrow search_space before more trials." if is_of_values else ""
        yield _for_purpose("Look at the failures:", f"{'; '.join(causes)}.{narrow}")


def _remedy(failure: FailureKind) -> str:
    rates = [name for name in failure.apart if name.endswith("lr")] or ["the learning rates"]
    return REMEDIES.get(failure.kind, "").format(rates=formats.listing(rates))


def _where(failure: FailureKind) -> str:
    """The values that no trial had that finished."""
    said = [f"{name} {parameters.values(name, ends)}" for name, ends in failure.apart.items()]
    return f", all with {formats.listing(said)}, which no finished trial had" if said else ""


def _best_of(failure: FailureKind, findings: Findings) -> str:
    """The ranges of the best trials in the parameters at whose values others failed."""
    if isinstance(findings.ranges, Unknown):
        return ""
    narrowed = findings.ranges.parameters
    said = [
        f"{name} {parameters.bounds(narrowed[name]).removesuffix(parameters.LOG_SCALE)}"
        for name in failure.apart
        if name in narrowed
    ]
    return f" (recommended: {formats.listing(said)})" if said else ""
