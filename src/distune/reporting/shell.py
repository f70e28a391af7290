"""The shell commands that follow a study, with the options that make them ask for what the study asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from distune.analysis.findings import Findings
from distune.analysis.parameters.ranges import as_entries
from distune.analysis.parameters.space import TEACHER, Parameter
from distune.analysis.records.study_record import StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.analysis.search_phases import trials_of
from distune.reporting.paths import quoted
from distune.utils.files.default_folders import STUDIES

MORE_TRIALS = 30
QUICK_TRIALS = 20
OWN_DATA = "mydata"
"""Folder of data of the reader's own in the examples."""
SQLITE = "sqlite:///"


def tune_own_data() -> str:
    """Tunes on data of the reader's own."""
    return f"distune tune --config {OWN_DATA}/config.yaml --n-trials {MORE_TRIALS} --study-name {OWN_DATA}"


def confirm(study: StudyRecord) -> str:
    """Confirms the study."""
    return f"distune confirm {named(study)}"


def evaluate(study: StudyRecord) -> str:
    """Evaluates the student that the confirmation trained on new cases."""
    return f"distune evaluate {named(study)} --csv new.csv --data-root new_images"


def report(study: StudyRecord) -> str:
    """Writes the report again."""
    if study.is_table:
        return f"distune report --from-csv {quoted(Path(study.source or 'TRIALS.csv'))} --direction {study.direction}"
    return f"distune report {named(study)}"


def named(study: StudyRecord) -> str:
    """The study as a command takes it: its folder, or its name and the storage that holds it."""
    if study.folder is not None and _leads_to(study.folder, study):
        return quoted(study.folder)
    return quoted(study.name or "STUDY") + storage(study)


def storage(study: StudyRecord) -> str:
    """`--storage URL` for a study that its folder or name alone does not lead to; passwords are hidden in it."""
    by_name = STUDIES / (study.name or "STUDY")
    if any(_leads_to(folder, study) for folder in (study.folder or by_name, by_name)):
        return ""
    return f" --storage {quoted(study.source or '')}"


def _leads_to(folder: Path, study: StudyRecord) -> bool:
    """Whether a study is in the SQLite file that belongs to a folder."""
    from distune.tuning.study.storage import default_url
    from distune.tuning.study.storage_url import redacted

    def whole(url: str) -> str:
        path = url.removeprefix(SQLITE)
        return url if path == url else str(Path(path).absolute())

    own = redacted(default_url(folder.parent, folder.name))
    return study.source is None or whole(study.source) == whole(own)


def resume(findings: Findings, base_config: Path) -> list[str]:
    """Lines that add trials to this study."""
    study = findings.study
    ended = sum(trial.state in ("complete", "pruned") for trial in trials_of(findings.phases))
    trials = ended + MORE_TRIALS
    counted = ", those of teachers counted" if study.teacher_record is not None else ""
    counted += ", failed ones not counted" if study.of("failed") else ""
    return [
        f"# {MORE_TRIALS} more trials: resume this study until {trials} are finished{counted}",
        f"distune tune --config {quoted(base_config)} --n-trials {trials} \\",
        f"  --study-name {quoted(study.name or 'STUDY')}{_asked(findings)}{_storage_to_resume(study)}",
    ]


def _storage_to_resume(study: StudyRecord) -> str:
    """The storage, unless the tuning command looks there anyway: without it a study elsewhere would begin again."""
    if storage(study) or study.source is None or study.folder is None:
        return storage(study)
    is_looked_for = study.folder.absolute() == (STUDIES / (study.name or "")).absolute()
    return "" if is_looked_for else f" --storage {quoted(study.source)}"


def quick(findings: Findings, base_config: Path) -> list[str]:
    """Lines that start a short new study of the same kind."""
    teacher, student = quick_epochs(findings.study)
    return [
        "# quick tuning: a new study with fewer epochs",
        f"distune tune --config {quoted(base_config)} --n-trials {QUICK_TRIALS} \\",
        f"  --teacher-epochs {teacher} --student-epochs {student}{_asked(findings)}",
    ]


def quick_epochs(study: StudyRecord) -> tuple[int, int]:
    """Epochs of teacher and student of a quick study, never more than this one had."""
    return min(2, study.teacher_epochs or 2), min(5, study.student_epochs or 5)


def searched(study: StudyRecord) -> Mapping[str, Parameter]:
    """The whole search space as it was asked for: of a staged search that of its teachers too, without their choice."""
    teachers = study.teacher_record.space if study.teacher_record is not None else {}
    return {name: one for name, one in {**teachers, **study.space}.items() if one.config_key != TEACHER}


def config_of(study: StudyRecord) -> Mapping[str, object] | None:
    """The base config with the study's search space written out, None where it is not recorded."""
    if study.base_config is None:
        return None
    if study.space_source != "study":
        return study.base_config
    return {**study.base_config, "search_space": as_entries(searched(study))}


def kind(study: StudyRecord) -> str:
    """Options that make another study search and score as this one did."""
    said = " --strategy staged" if study.strategy == "staged" else ""
    said += f" --folds {study.folds}" if study.folds else ""
    return said + " --prune-teacher" * bool(study.prune_teacher)


def of_same_data(findings: Findings) -> str:
    """As `kind`, for another study of the same data, whose leaks are accepted again."""
    return kind(findings.study) + _leaks(findings)


def _leaks(findings: Findings) -> str:
    if isinstance(findings.audit, Unknown):
        return ""
    return " --accept-leaks" * any(found["severity"] == "severe" for found in findings.audit["findings"])


def _asked(findings: Findings) -> str:
    """Options that the study was made with and that its config does not hold."""
    from distune.tuning.space.space import DEFAULT_SPACE

    study, parameters = findings.study, searched(findings.study)
    said = kind(study)
    if study.space_source == "study" and set(DEFAULT_SPACE) - set(parameters):
        said += f" --only {quoted(','.join(parameters))}"
    return said + _leaks(findings)
