"""The most confident mistakes of the model that the page shows: images and texts of patients, only on request."""

from __future__ import annotations

from distune.analysis.findings import Findings
from distune.analysis.mistakes import Mistake, TaskMistakes, read_mistakes
from distune.analysis.records.unknown import Unknown
from distune.config import Config
from distune.errors import UserError
from distune.reporting import formats
from distune.reporting.document import Cell, Picture, Section, TableBlock, caution, missing
from distune.reporting.mistakes import other_data
from distune.reporting.thumbnails import thumbnail
from distune.training.files.run_folder import run_config
from distune.utils.text import counted

TITLE = "Most confident mistakes"
MOST = 8
"""Mistakes of each task."""


def section(findings: Findings) -> Section:
    """One table a task; without its run folder or its predictions, the reason."""
    scored = findings.scored_run
    if isinstance(scored.run, Unknown):
        return Section(TITLE, (missing(scored.run.reason),))
    split = scored.on if scored.is_confirmed else "dev"
    try:
        config, found = (
            run_config(scored.run.folder),
            read_mistakes(scored.run.folder, split, MOST),
        )
    except UserError as error:
        return Section(TITLE, (missing(str(error)),))
    said = caution(
        f"Of {scored.name} on {split}. This page shows images and texts of patients: keep it where they may be seen."
    )
    changed = tuple(caution(f"{formats.plain(line)}.") for line in other_data(scored.run.folder, config))
    return Section(TITLE, (said, *changed), tuple(_of_task(task, config) for task in found))


def _of_task(task: TaskMistakes, config: Config) -> Section:
    rows = tuple(_row(mistake, config) for mistake in task.most_confident)
    caption = (
        f"Wrong: {task.wrong} of {counted(task.labelled, 'example')}; here the most confident, {len(rows)}."
    )
    header = ("Image", "Example", "Label", "Predicted", "Probability", "Text")
    return Section(formats.plain(task.task), (TableBlock(header, rows, frozenset({4}), caption),))


def _row(mistake: Mistake, config: Config) -> tuple[Cell, ...]:
    address = thumbnail(mistake.image, config.data) if mistake.image else None
    return (
        Picture(address, mistake.id) if address is not None else formats.DASH,
        formats.plain(mistake.id),
        formats.plain(mistake.truth),
        formats.plain(mistake.predicted),
        formats.share(mistake.confidence),
        formats.plain(mistake.text),
    )
