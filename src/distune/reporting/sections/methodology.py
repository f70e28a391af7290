"""How the study searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distune.analysis.findings import Findings
from distune.analysis.parameters.space import Parameter
from distune.analysis.records.study_record import StudyRecord
from distune.reporting import formats
from distune.reporting.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Line,
    Section,
    Span,
    Table,
    caution,
    line,
    missing,
)
from distune.reporting.grouping import grouped, kind

SAMPLERS = {
    "tpe": (
        "Tree-structured Parzen Estimator (TPE): after random first trials it samples where the densities of "
        "good and bad trials differ most, so later trials crowd around what looked good"
    ),
    "random": "random search: every trial is drawn independently of the others",
    "gp": "Gaussian process: each trial is the one that a smooth model of the scores expects most of",
    "cmaes": "CMA-ES: an evolution strategy whose cloud of trials moves and shrinks towards good scores",
    "qmc": "quasi-Monte Carlo (Sobol): trials spread evenly over the space, whatever the scores",
}
PRUNERS = {
    "median": (
        "median pruner: a trial is stopped when its best score so far lies below the median of the complete trials' "
        "scores at the same epoch"
    ),
    "percentile": (
        "percentile pruner: a trial is stopped when its best score so far lies in the worst quarter of the complete "
        "trials' scores at the same epoch"
    ),
    "hyperband": "hyperband: many trials get a few epochs, and the best third of them more, in several rounds",
    "patient": "patient median pruner: as the median pruner, after some epochs without a better score",
    "none": "none: every trial runs to its last epoch",
}
PRUNERS_OF_FOLDS = {
    "median": (
        "median rule over folds: a trial is stopped when the mean of its folds so far lies below the median of the "
        "complete trials' means at the same fold"
    ),
    "percentile": (
        "percentile rule over folds: a trial is stopped when the mean of its folds so far lies in the worst quarter of "
        "the complete trials' means at the same fold"
    ),
    "none": "none: every trial runs to its last fold",
}
STRATEGIES = {
    "joint": "joint: teacher and student parameters are drawn together, and the student's score judges both",
    "staged": (
        "staged: the teacher was tuned first, by its own score on dev; the best few teachers are choices of the "
        "parameter teacher, and the other parameters are the student's"
    ),
    "teacher": "the teacher alone, judged by its own score on dev; the students of a staged search follow",
}


def section(findings: Findings) -> Section:
    """Search space, strategy and the set-up of a trial."""
    return Section("Methodology", parts=(_space(findings), _strategy(findings), _protocol(findings)))


def _space(findings: Findings) -> Section:
    study = findings.study
    if not study.space:
        return Section("Search space", (missing("The study records no search space and no parameters."),))
    names = list(study.space)
    rows: list[tuple[Cell, ...]] = []
    for title, name in grouped(names, [kind(name) for name in names]):
        parameter = study.space[name]
        rows.append((title, _named(name), formats.bounds(parameter), _condition(parameter)))
    found = "Values in the table" if study.is_table else "Range or choices"
    header: tuple[str, ...] = ("Category", "Parameter", found, "Searched when")
    if not any(parameter.when for parameter in study.space.values()):
        header, rows = header[:3], [row[:3] for row in rows]
    blocks: list[Block] = [Table(header, tuple(rows))]
    if study.is_table:
        blocks.append(
            caution("These are the smallest and largest values in the table, not the ranges searched.")
        )
    if study.space_source == "distributions":
        blocks.append(caution("The study has no record of its space; these ranges are those of its trials."))
    return Section("Search space", tuple(blocks))


def _named(name: str) -> Line:
    meaning = formats.MEANINGS.get(name)
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
        items.append(line("Sampler: ", SAMPLERS.get(study.sampler.lower(), study.sampler), "."))
    if study.pruner:
        settings = ", ".join(f"{name}={value}" for name, value in (study.pruner_settings or {}).items())
        known = PRUNERS if study.folds is None else PRUNERS_OF_FOLDS
        described = known.get(study.pruner.lower(), study.pruner)
        items.append(line("Pruner: ", described, *((" (", Code(settings), ")") if settings else ()), "."))
    if study.strategy:
        items.append(
            line("Strategy: ", STRATEGIES.get(study.strategy, study.strategy), _teachers(findings), ".")
        )
    absent = [name for name in ("sampler", "pruner") if getattr(study, name) is None]
    blocks: list[Block] = [Bullets(tuple(items))] if items else []
    if absent:
        blocks.append(missing(f"The {' and the '.join(absent)} of this study are not recorded."))
    return Section("Strategy", tuple(blocks))


def _teachers(findings: Findings) -> str:
    """What a search did with its teachers, as the rest of a sentence."""
    study = findings.study
    if study.prune_teacher:
        return "; a trial whose teacher fell behind the median teacher was stopped before its student was trained"
    first = study.teacher_study or {}
    finished, pruned, name = (first.get(key) for key in ("finished", "pruned", "name"))
    if not isinstance(finished, int):
        return ""
    return f" ({finished} trials of teachers, {pruned} of them pruned, in the study {formats.plain(name)})"


def _protocol(findings: Findings) -> Section:
    study = findings.study
    items: list[Line] = []
    for role, epochs in (("Teacher", study.teacher_epochs), ("Student", study.student_epochs)):
        model = (study.base_config or {}).get(role.lower())
        encoders = _encoders(model) if isinstance(model, Mapping) else None
        if epochs is None and encoders is None:
            continue
        said = "epochs not recorded" if epochs is None else f"{epochs} epochs"
        items.append(line(f"{role}: {said}", *((": ", encoders) if encoders else ()), "."))
    if study.folds is not None:
        items.append(
            line(
                f"Folds: {study.folds}, of whole cases of train and dev, the same ones in every trial; teacher and "
                "student are trained again in each."
            )
        )
    if not study.is_table:
        items.append(line(_kept_epoch(study)))
    steps = sorted({len(trial.intermediate) for trial in study.complete})
    if steps and steps[-1]:
        items.append(line(f"Scores reported per complete trial: {_range(steps[0], steps[-1])}."))
    blocks: list[Block] = [Bullets(tuple(items))] if items else []
    if study.teacher_epochs is None or study.student_epochs is None:
        blocks.append(missing("The epochs of teacher and student are not recorded."))
    return Section("One trial", tuple(blocks))


def _kept_epoch(study: StudyRecord) -> str:
    """Which epoch a score is of; the choice flatters it."""
    judge = "dev" if study.folds is None else "the fold left out"
    return (
        f"Score: that of the best epoch on {judge}, which chose it and so flatters every score here a little."
    )


def _encoders(model: Mapping[str, Any]) -> str | None:
    found = []
    for part in ("vision", "text"):
        encoder = model.get(part)
        name = encoder.get("name") if isinstance(encoder, Mapping) else encoder
        if name:
            found.append(f"{part} {formats.plain(name)}")
    return ", ".join(found) or None


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
