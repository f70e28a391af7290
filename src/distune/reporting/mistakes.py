"""The most confident mistakes of a run as one self-contained HTML page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distune.analysis.mistakes import MOST, Mistake, TaskMistakes, read_mistakes
from distune.config import Config, with_values
from distune.data import read_table
from distune.errors import UserError
from distune.reporting import html
from distune.reporting.thumbnails import thumbnail
from distune.training.files.run_folder import run_config, was_trained_on
from distune.utils.files.generated import write_generated
from distune.utils.files.output_files import check_output
from distune.utils.text import one_line

_log = logging.getLogger(__name__)
TEMPLATE = "mistakes.html.j2"
TITLE = "Mistakes of"
CLASSES_SHOWN = 5
"""Most probable classes that are named; the label always is."""


@dataclass(frozen=True)
class Shown:
    """A mistake as a page shows it.

    Attributes:
        mistake: what is wrong.
        picture: address of its thumbnail; None where there is no image to show.
        probabilities: the most probable classes, and that of the label.
    """

    mistake: Mistake
    picture: str | None
    probabilities: tuple[tuple[str, float], ...]


def write_mistakes(
    run: Path,
    out: Path | None = None,
    *,
    split: str = "dev",
    most: int = MOST,
    data_root: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a page with the most confident mistakes of a run: thumbnails, texts and probabilities.

    Args:
        run: the run folder; nothing in it is changed but the page, where `out` is left open.
        out: the page; None writes `mistakes_<split>.html` into the run folder.
        split: dev, or test where the run has opened it.
        most: how many of each task.
        data_root: where the data set is now, if elsewhere.
        overwrite: let it replace any file, not only an earlier page of that run and split.

    Returns:
        The page.

    Raises:
        UserError: Jinja2 is not installed, the run has no predictions of that split, or the page's place is taken.
    """
    html.require()
    config = run_config(run)
    if data_root is not None:
        if not data_root.is_dir():
            raise UserError(f"{data_root}: there is no such folder; data_root is where the data set is now")
        config = with_values(config, {"data.root": str(data_root)})
    found = read_mistakes(run, split, most)
    page, name = out or run / f"mistakes_{split}.html", run.resolve().name
    # Elsewhere a page may be another run's; in the run folder it is this run's, by whatever name that had then.
    is_earlier = partial(html.is_page, title=f"{TITLE} {name} on {split}" if out else TITLE)
    what = f"mistakes_{split}.html of this run"
    check_output(page, is_earlier, what, suffix=".html", inputs=[run], overwrite=overwrite)
    has_images = any(mistake.image for task in found for mistake in task.most_confident)
    remarks = other_data(run, config) if has_images else []
    for line in remarks:
        _log.warning("%s", line)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_generated(page, mistakes_page(name, split, config, found, remarks))
    return page


def other_data(run: Path, config: Config) -> list[str]:
    """Says where pictures may be others than the student saw, or cannot be compared with those."""
    try:
        is_same = was_trained_on(run, read_table(config.data, check_images=False))
    except UserError as error:
        return [f"the data set cannot be read: {one_line(error)}"]
    if is_same is not False:
        return []
    return [
        f"{config.data.root} is not as it was when {run} was trained: pictures and labels may be others than the "
        "student saw"
    ]


def mistakes_page(
    name: str, split: str, config: Config, found: Sequence[TaskMistakes], remarks: Sequence[str] = ()
) -> str:
    """The page; every name and text in it is escaped, and it asks for nothing from anywhere.

    Args:
        name: of the run.
        split: whose examples are shown.
        config: of the run; it says what the student reads and where the images are.
        found: the mistakes by task.
        remarks: what the reader should know of the data first.
    """
    reads = config.student.modalities
    shown = {task.task: [_shown(mistake, config) for mistake in task.most_confident] for task in found}
    has_pictures = any(one.picture for tasks in shown.values() for one in tasks)
    return html.rendered(
        TEMPLATE,
        name=name,
        split=split,
        reads=reads,
        tasks=found,
        shown=shown,
        lacks_pictures=not has_pictures and any(shown.values()),
        root=str(config.data.root),
        remarks=remarks,
    )


def _shown(mistake: Mistake, config: Config) -> Shown:
    first = mistake.probabilities[:CLASSES_SHOWN]
    label = tuple(one for one in mistake.probabilities[CLASSES_SHOWN:] if one[0] == mistake.truth)
    return Shown(mistake, thumbnail(mistake.image, config.data), (*first, *label))
