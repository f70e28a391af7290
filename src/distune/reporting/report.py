"""Writing the report of a study."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.analysis.findings import Findings, analyse
from distune.analysis.parameters.ranges import Ranges, as_search_space
from distune.analysis.records.from_csv import from_csv
from distune.analysis.records.sources import read_study
from distune.analysis.records.study_record import Direction, StudyRecord
from distune.analysis.records.unknown import Unknown
from distune.errors import UserError
from distune.reporting import html, markdown, shell
from distune.reporting.appendix import mistakes
from distune.reporting.checklist import NAMES as CHECKLISTS
from distune.reporting.checklist import TITLE as CHECKLIST_TITLE
from distune.reporting.checklist import tripod_ai
from distune.reporting.contents import TITLE, Written, build, subtitle
from distune.reporting.document import Figure, Paragraph
from distune.reporting.figures import NAMES, draw
from distune.training.files.run_folder import read_text
from distune.utils.files.default_folders import STUDIES
from distune.utils.files.generated import keep_edited_png, write_generated, write_generated_png
from distune.utils.files.output_files import check_output, is_never
from distune.utils.files.paths import is_file_name, make_folder
from distune.utils.files.yaml_files import yaml_text
from distune.utils.text import one_line

if TYPE_CHECKING:
    import optuna

SPACE_FILE = "recommended_space.yaml"
BASE_FILE = "base_config.yaml"
MARKDOWN_FILE = "report.md"
HTML_FILE = "report.html"
CHECKLIST_FILE = "checklist.md"
FIGURES = "figures"
_log = logging.getLogger(__name__)


def write_report(
    study_source: optuna.Study | StudyRecord | Path | str,
    out: Path,
    *,
    storage: str | None = None,
    examples: bool = False,
    checklist: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Writes `report.md`, `report.html` and `figures/` for a study, and its recommended ranges.

    Args:
        study_source: an open study, a study's folder, its `.db` file, or its name under `logs/optuna`.
        out: the folder to write into; files of an earlier report of this study are replaced.
        storage: SQLAlchemy URL of the database that holds the study of that name.
        examples: whether the page shows its most confident mistakes: images and texts of patients.
        checklist: tripod-ai also writes which items of that guideline the report answers; empty writes none.
        overwrite: replace whatever else has the names of these files, too.

    Returns:
        The files written.

    Raises:
        UserError: there is no such study or checklist, or `out` holds other files of these names.
    """
    if checklist is not None and checklist not in CHECKLISTS:
        raise UserError(f"checklist {checklist!r} is not known; there is {', '.join(CHECKLISTS)}")
    study = read_study(study_source, storage)
    return _write(study, Path(out), examples=examples, checklist=checklist, overwrite=overwrite)


def refresh_report(study_source: Path | str, folder: Path, *, storage: str | None = None) -> list[Path]:
    """Writes the report in a study's folder after the work that it reports, with what an earlier one there showed.

    Args:
        study_source: see `write_report`.
        folder: of the study.
        storage: see `write_report`.

    Returns:
        The files written; none, with a warning, where they cannot be: the work is done all the same.
    """
    try:
        earlier = read_text(folder / MARKDOWN_FILE) if (folder / MARKDOWN_FILE).is_file() else ""
        return write_report(
            study_source,
            folder,
            storage=storage,
            examples=f"\n## {mistakes.TITLE}\n" in earlier,
            checklist=CHECKLISTS[0] if (folder / CHECKLIST_FILE).is_file() else None,
        )
    except (UserError, OSError) as error:
        _log.warning("no report: %s; distune report writes it once that is put right", error)
        return []


def study_folder(study_source: str, storage: str | None = None) -> Path:
    """The folder of a study, where its report belongs.

    Raises:
        UserError: there is no such study, or its name is no folder's name.
    """
    study = read_study(study_source, storage)
    if study.folder is not None:
        return study.folder
    if not is_file_name(str(study.name)):
        raise UserError(
            f"study {study.name!r}: this name cannot be a folder's; say with --out where to write"
        )
    return STUDIES / str(study.name)


def write_report_from_csv(
    csv: Path, out: Path, *, direction: Direction = "maximize", overwrite: bool = False
) -> list[Path]:
    """Writes the same report from a table of trials that Distune did not run.

    Args:
        csv: the table, as Optuna's `trials_dataframe().to_csv()` writes it.
        out: the folder to write into.
        direction: maximize or minimize.
        overwrite: as in `write_report`.

    Returns:
        The files written.

    Raises:
        UserError: the table cannot be read, or `out` holds other files of a report's names.
    """
    return _write(from_csv(csv, direction), Path(out), inputs=[Path(csv)], overwrite=overwrite)


def _write(
    study: StudyRecord,
    out: Path,
    *,
    examples: bool = False,
    checklist: str | None = None,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
) -> list[Path]:
    check = partial(check_output, inputs=inputs, overwrite=overwrite)
    _refuse_to_replace(out, study, check, with_checklist=checklist is not None)
    findings = analyse(study)
    written = companions(findings, out)
    document = build(findings, draw(findings), written, examples=examples)
    make_folder(out)
    # First what says whose report it is: after a kill the same command knows its own files.
    write_generated(out / MARKDOWN_FILE, markdown.render(document, FIGURES))
    write_generated(out / HTML_FILE, html.render(document))
    for path, text in written.texts.items():
        write_generated(path, text)
    drawn = _save_figures(document.figures, out / FIGURES)
    _remove_others(drawn, out / FIGURES)
    if checklist is not None:
        write_generated(out / CHECKLIST_FILE, markdown.render(tripod_ai(document)))
    asked = [out / CHECKLIST_FILE] if checklist is not None else []
    return [*(path for _, path in written.files), *asked, *drawn]


def _refuse_to_replace(
    out: Path, study: StudyRecord, check: Callable[..., None], *, with_checklist: bool
) -> None:
    """Refuses a folder where something else, such as another study's report, has the names of a report's files.

    Raises:
        UserError: there is such a file, or the folder of the figures is a link or a file.
    """
    figures = out / FIGURES
    if figures.is_symlink() or (figures.exists() and not figures.is_dir()):
        what = f"a link to {figures.readlink()}" if figures.is_symlink() else "no folder"
        raise UserError(
            f"{figures}: is {what}, and figures are written there; move it, or name another --out"
        )
    is_own = study.folder is not None and out.resolve() == study.folder.resolve()
    whose = "" if is_own else markdown.render_block(Paragraph(subtitle(study.name))) + "\n"
    report = f"report of study {one_line(study.name or 'without a name')}"
    check(out / MARKDOWN_FILE, lambda start: start.startswith(f"# {TITLE}\n\n{whose}".encode()), report)
    has_own = is_own or (out / MARKDOWN_FILE).exists()
    title = "" if has_own else html.title_of(TITLE, subtitle(study.name))
    check(out / HTML_FILE, lambda start: html.is_page(start, title), report)
    if with_checklist:
        begins = f"# {markdown.escape(CHECKLIST_TITLE)}\n\n{whose}".encode()
        check(out / CHECKLIST_FILE, lambda start: start.startswith(begins), "checklist of this study")
    if has_own:
        return
    for file in (out / BASE_FILE, out / SPACE_FILE, *(figures / f"{name}.png" for name in NAMES)):
        check(file, is_never, "part of a report")


def _save_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for figure in figures:
        path = folder / f"{figure.name}.png"
        write_generated_png(path, figure.png)
        paths.append(path)
    return paths


def _remove_others(drawn: Sequence[Path], folder: Path) -> None:
    """Removes figures of an earlier report that are not drawn any more; only now does no page show them."""
    for path in {folder / f"{name}.png" for name in NAMES} - set(drawn):
        keep_edited_png(path)
        path.unlink(missing_ok=True)


def companions(findings: Findings, out: Path) -> Written:
    """The files that the report names in its commands: the base config, and the recommended ranges."""
    files = [
        ("This report", out / MARKDOWN_FILE),
        ("The same as a page", out / HTML_FILE),
    ]
    base = space = None
    texts = {}
    study = findings.study
    config = shell.config_of(study)
    if config is not None:
        base = out / BASE_FILE
        texts[base] = yaml_text(dict(config))
        files.append(("Base config and search space", base))
    if not isinstance(findings.ranges, Unknown) and not study.is_foreign:
        space = out / SPACE_FILE
        entries = {"search_space": _recommended(findings.ranges, findings.teacher_ranges)}
        texts[space] = yaml_text(entries)
        files.append(("Recommended ranges", space))
    return Written(tuple(files), base, space, texts)


def _recommended(students: Ranges, teachers: Ranges | Unknown | None) -> dict[str, dict[str, Any]]:
    before = as_search_space(teachers) if isinstance(teachers, Ranges) else {}
    return {**before, **as_search_space(students)}
