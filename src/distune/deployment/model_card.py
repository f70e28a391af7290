"""The model card of a bundle: what it was made from, how good it is, what it is not for (Mitchell et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from distune import __version__
from distune.config import Config
from distune.data.table import EVALUATED, SPLITS, Split, Table, Task
from distune.errors import UserError
from distune.models.encoders.catalogue import CATALOGUE
from distune.prediction.evaluation import EXTERNAL, score_with_interval
from distune.training.files.run_folder import read_results
from distune.training.scoring.scores import score_in_words
from distune.utils.files.jsonl import read_lines
from distune.utils.files.paths import in_full
from distune.utils.forms import Form, fault
from distune.utils.text import at_line_start, counted, in_markdown, one_line

KINDS = {"single_label": "", "ordinal": " (from low to high)", "multi_label": " (any number of these labels)"}


def model_card(
    folder: Path,
    config: Config,
    tasks: Sequence[Task],
    table: Table | None,
    parity: Mapping[str, Any],
    weights: str,
    temperatures: Mapping[str, float],
    evaluations: Sequence[str] = (),
) -> str:
    """The text of `model_card.md`.

    Args:
        folder: the run folder.
        config: of the run.
        tasks: the label columns.
        table: its data set; None where that is gone.
        parity: the fields of `Parity`.
        weights: their width, in words.
        temperatures: by task.
        evaluations: see `external_evaluations`.
    """
    return "\n".join(
        [
            f"# {_said(config.name)}",
            "",
            f"Exported by Distune {__version__} on {datetime.now(UTC):%Y-%m-%d} from the run "
            f"{_said(in_full(folder).name)}.",
            "",
            *_model(config, tasks, weights),
            *_data(config, table),
            *_scores(folder, tasks, temperatures),
            *_external(evaluations),
            *_parity(parity, weights),
            *_limits(config),
            *_licences(config),
            "",
        ]
    )


def _said(name: str) -> str:
    """A name from data, a config or a record, which is shown and means nothing."""
    return at_line_start(in_markdown(one_line(name)))


def _model(config: Config, tasks: Sequence[Task], weights: str) -> Iterator[str]:
    reads = " and ".join(config.student.modalities)
    yield "## Model"
    yield ""
    yield f"It reads {reads} and gives the probability of every class of each task."
    yield ""
    for task in tasks:
        kind = KINDS[task.kind]
        yield f"- {_said(task.name)}{kind}: {', '.join(_said(name) for name in task.classes)}"
    encoders = config.student.encoders.values()
    fusion = f"; fusion: {config.student.fusion}" if len(encoders) > 1 else ""
    yield f"- encoders: {', '.join(_said(encoder.name) for encoder in encoders)}{fusion}"
    yield f"- weights: {weights}"
    yield ""


def _data(config: Config, table: Table | None) -> Iterator[str]:
    yield "## Data and splits"
    yield ""
    if table is None:
        yield "The data set was not there when this was exported."
        yield ""
        return
    splits: tuple[Split, ...] = (*SPLITS, "unlabelled")
    for split in splits:
        rows = table.rows(split)
        if len(rows):
            groups = len({table.groups[row] for row in rows})
            yield (
                f"- {split}: {counted(len(rows), 'example')} of "
                f"{counted(groups, 'patient or case', 'patients or cases')}"
            )
    if config.data.fold is not None:
        yield f"- dev is fold {config.data.fold.number} of {config.data.fold.of}"
    yield ""


def _scores(folder: Path, tasks: Sequence[Task], temperatures: Mapping[str, float]) -> Iterator[str]:
    yield "## Scores"
    yield ""
    yield f"The score is the {score_in_words(tasks)}; its 95 % interval is over whole patients."
    yield ""
    yield "| split | score | 95 % interval | examples |"
    yield "|---|---|---|---|"
    scores = {split: score_with_interval(folder, split, tasks) for split in EVALUATED}
    for split, scored in scores.items():
        if scored is not None:
            interval = _interval(*scored["interval"])
            yield f"| {split} | {scored['score']:.4f} | {interval} | {scored['examples']} |"
    yield ""
    yield "dev chose the epoch, and often the hyperparameters: its score flatters."
    test_split = (read_results(folder) or {}).get("test_split")
    if test_split == "none":
        yield "The data set has no test split."
    elif test_split != "opened":
        yield (
            "This run did not open its test split."
            if scores["test"] is None
            else "A confirmation opened the test split; where it chose this model by that score, it flatters, too."
        )
    warm = ", ".join(f"{_said(name)} {value:.3f}" for name, value in temperatures.items())
    yield f"Probabilities are calibrated by temperatures fitted on dev: {warm}."
    yield ""


def _interval(low: float | None, high: float | None) -> str:
    return "too few cases for an interval" if low is None or high is None else f"{low:.4f} to {high:.4f}"


class _Evaluation(Form):
    """What the card says of an evaluation on external data."""

    data: str
    time: str
    score: Annotated[float, Field(ge=-1, le=1)]
    interval: Annotated[list[float | None], Field(min_length=2, max_length=2)]
    examples: Annotated[int, Field(ge=1)]


def external_evaluations(folder: Path) -> list[str]:
    """A line for each evaluation of a run on external data.

    Args:
        folder: of the run.

    Raises:
        UserError: the record of one is damaged.
    """
    said = []
    for number, line in enumerate(read_lines(folder / EXTERNAL), start=1):
        found = line or {}
        try:
            if wrong := fault(found, _Evaluation):
                raise ValueError(wrong)
            day = datetime.fromisoformat(found["time"]).date()
        except ValueError as error:
            raise UserError(
                f"{folder / EXTERNAL}: line {number} holds no evaluation ({one_line(error, 100)}); delete it, and "
                "evaluate again"
            ) from None
        scored = (
            f"{found['score']:.4f} ({_interval(*found['interval'])}), {counted(found['examples'], 'example')}"
        )
        said.append(f"- {_said(found['data'])}, {day}: {scored}")
    return said


def _external(evaluations: Sequence[str]) -> Iterator[str]:
    yield "## External evaluation"
    yield ""
    yield from evaluations or [
        "None is recorded; `distune evaluate` makes one on data that the study never saw."
    ]
    yield ""


def _parity(parity: Mapping[str, Any], weights: str) -> Iterator[str]:
    yield "## Parity with training"
    yield ""
    if parity["score"] is None:
        yield (
            f"On {parity['examples']} generated images with texts of the run, as its data set was not there: largest "
            f"difference of a probability to torch in float32 {parity['largest_difference']:.2g}; {parity['changed']} "
            "changed predictions."
        )
        yield ""
        return
    yield (
        f"On all {parity['examples']} dev examples: largest difference of a probability to torch in float32 "
        f"{parity['largest_difference']:.2g}; {parity['changed']} changed predictions; score {parity['score']:.4f} in "
        f"torch, {parity['exported_score']:.4f} exported."
    )
    if parity["changed_from_run"] is not None:
        yield f"Compared with the predictions that the run recorded, {parity['changed_from_run']} changed."
    if weights != "32-bit":
        yield f"8-bit weights cost {parity['score'] - parity['exported_score']:.4f} of the dev score."
    yield ""


def _limits(config: Config) -> Iterator[str]:
    yield "## Intended use and limits"
    yield ""
    yield "- For research on data like those that it was trained on; it is no medical device and replaces no judgement."
    yield "- It always answers with one of its classes, also for images and texts of another kind."
    yield f"- Images are squashed to a square; texts are cut after {config.data.max_tokens} tokens."
    yield "- Scores on patients of other places are not known, unless an external evaluation stands above."
    yield ""


def _licences(config: Config) -> Iterator[str]:
    yield "## Licences"
    yield ""
    for encoder in config.student.encoders.values():
        entry = CATALOGUE.get(encoder.name)
        licence = entry.licence if entry else "not known to Distune"
        said = "built in, no published weights" if licence == "-" else licence
        yield f"- {_said(encoder.name)}: {said}"
    yield "- data: not known to Distune; see where the data set was published"
