"""How the study searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord
from distune.reporting import formats, parameters, verdicts
from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Line,
    Section,
    Span,
    TableBlock,
    caution,
    line,
    missing,
)
from distune.reporting.parameters import grouped, kind
from distune.utils.numbers import is_number

SAMPLERS = {
    "tpe": (
        "Tree-structured Parzen Estimator (TPE): random first trials, then values that good trials have more often "
        "than bad ones"
    ),
    "random": "random search: every trial is drawn independently of the others",
    "gp": "Gaussian process: each trial is the one that a smooth model of the scores expects most of",
    "cmaes": "CMA-ES: an evolution strategy whose cloud of trials moves and shrinks towards good scores",
    "qmc": "quasi-Monte Carlo (Sobol): trials spread evenly over the space, whatever the scores",
}
PRUNERS = {
    "median": "median pruner: stops a trial whose best score so far lies below the median of complete trials at the "
    "same epoch",
    "percentile": "percentile pruner: stops a trial whose best score so far lies in the worst quarter of complete "
    "trials at the same epoch",
    "hyperband": "hyperband: many trials get a few epochs, and the best third of them more, in several rounds",
    "patient": "patient median pruner: as the median pruner, after some epochs without a better score",
    "none": "none: every trial runs to its last epoch",
}
PRUNERS_OF_FOLDS = {
    "median": "median pruner over folds: stops a trial whose mean so far lies below the median of complete trials "
    "after the same fold",
    "percentile": "percentile pruner over folds: stops a trial whose mean so far lies in the worst quarter of "
    "complete trials after the same fold",
    "none": "none: every trial runs to its last fold",
}
STRATEGIES = {
    "joint": "joint: teacher and student parameters are drawn together and evaluated by the student's score",
    "staged": "staged: teachers are tuned first, by their own score; then each trial takes one of the best few, or the "
    "base config's, as its parameter teacher and draws the student's parameters",
    "teacher": "the teacher alone, evaluated by its own score; the students of a staged search follow",
}


def section(findings: Findings) -> Section:
    """Search space, strategy, the training of a trial, and how the gain was confirmed."""
    return Section("Methodology", parts=(_space(findings), _strategy(findings), _training(findings)))


def _space(findings: Findings) -> Section:
    study = findings.study
    if not study.space:
        return Section("Search space", (missing("The study records no search space and no parameters."),))
    teachers = study.teacher_record.space if study.teacher_record is not None else {}
    space = {**teachers, **study.space}
    rows: list[tuple[Cell, ...]] = []
    for title, name in grouped(space, kind):
        parameter = space[name]
        bounds = parameters.bounds(parameter)
        if study.is_table:  # which scale was searched, it does not say
            bounds = bounds.removesuffix(parameters.LOG_SCALE)
        rows.append((title, named(name), bounds, _condition(parameter)))
    found = "Values in the table" if study.is_table else "Range or choices"
    header: tuple[str, ...] = ("Category", "Parameter", found, "Searched when")
    if not any(parameter.when for parameter in space.values()):
        header, rows = header[:3], [row[:3] for row in rows]
    blocks: list[Block] = [TableBlock(header, tuple(rows))]
    if study.is_table:
        blocks.append(
            caution("The smallest and largest values in the table; the ranges searched are not known.")
        )
    if study.space_source == "distributions":
        blocks.append(caution("The study has no record of its space; these are the ranges of its trials."))
    return Section("Search space", tuple(blocks))


def named(name: str) -> Line:
    """A parameter with its meaning, where its name does not say it."""
    meaning = parameters.LOSS.get(name)
    return line(Code(name), f" ({meaning})") if meaning else line(Code(name))


def _condition(parameter: Parameter) -> Cell:
    if not parameter.when:
        return "always"
    parts: list[Span] = []
    for name, values in parameter.when.items():
        parts += [", " if parts else "", Code(name), " is " + " or ".join(formats.plain(v) for v in values)]
    return tuple(parts)


def _strategy(findings: Findings) -> Section:
    study = findings.study
    items: list[Line] = []
    if study.sampler:
        items.append(
            line("Sampler: ", SAMPLERS.get(study.sampler.lower(), formats.plain(study.sampler)), ".")
        )
    if study.pruner:
        settings = ", ".join(f"{name}={value}" for name, value in (study.pruner_settings or {}).items())
        known = PRUNERS if study.folds is None else PRUNERS_OF_FOLDS
        described = known.get(study.pruner.lower(), formats.plain(study.pruner))
        items.append(line("Pruner: ", described, *((" (", Code(settings), ")") if settings else ()), "."))
    if study.strategy:
        described = STRATEGIES.get(study.strategy, formats.plain(study.strategy))
        if study.prune_teacher:
            described += "; a trial whose teacher fell behind the median teacher was stopped before its student trained"
        items.append(line(f"Strategy: {described}."))
    absent = [name for name in ("sampler", "pruner") if getattr(study, name) is None]
    blocks: list[Block] = [Bullets(tuple(items))] if items else []
    if absent:
        blocks.append(missing(f"The {' and the '.join(absent)} of this study are not recorded."))
    return Section("Optimization strategy", tuple(blocks))


def _training(findings: Findings) -> Section:
    study = findings.study
    items: list[Line] = []
    for role, epochs in (("Teacher", study.teacher_epochs), ("Student", study.student_epochs)):
        model = (study.base_config or {}).get(role.lower())
        encoders = reads(model)
        if epochs is None and encoders is None:
            continue
        said = "epochs not recorded" if epochs is None else f"{epochs} epochs"
        items.append(line(f"{role}: {said}{f', {encoders}' if encoders else ''}."))
    if not study.is_foreign:
        items.append(line(_kept_epoch(study)))
    numbers = verdicts.current(findings)
    if numbers is not None:
        models = formats.listing([verdicts.named(numbers, name) for name, _ in verdicts.trained(numbers)])
        items.append(
            line(
                f"Confirmation: {models}, each trained with {verdicts.seeds(numbers)} that the search "
                f"did not use and evaluated on {numbers['split']}. A student without a teacher has the same "
                "hyperparameters and as many steps, and learns from labels alone."
            )
        )
    blocks: list[Block] = [Bullets(tuple(items))] if items else []
    if study.teacher_epochs is None or study.student_epochs is None:
        blocks.append(missing("The epochs of teacher and student are not recorded."))
    return Section("Training setup per trial", tuple(blocks))


def _kept_epoch(study: StudyRecord) -> str:
    """Which epoch a score is of; the choice flatters it."""
    held_out = "dev" if study.folds is None else "the fold left out"
    said = f"Evaluation after each epoch; the best epoch on {held_out} is kept, which flatters its score."
    data = (study.base_config or {}).get("data")
    fraction = data.get("label_fraction") if isinstance(data, Mapping) else None
    if study.folds is not None and is_number(fraction) and float(str(fraction)) < 1:
        said += " Labels that data.label_fraction hides from training are used to score the fold."
    return said


def reads(model: Any) -> str | None:
    """The inputs of a model with its encoders: `reads images only (tiny-cnn)`."""
    named = {"vision": "images", "text": "texts"}
    only = " only" if len(found := verdicts.encoders(model)) == 1 else ""
    said = [f"{named[part]}{only} ({formats.plain(name)})" for part, name in found.items()]
    return f"reads {' and '.join(said)}" if said else None
