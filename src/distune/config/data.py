"""The section `data`: where the examples are, how they are read, and what their label columns ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from distune.components import READERS
from distune.config.section import ConfigSection, HomePath, Name

ReaderName = Annotated[str, AfterValidator(READERS.check)]
TaskKind = Literal["single_label", "ordinal", "multi_label"]
ScoreName = Literal["macro_f1", "balanced_accuracy", "auroc", "average_precision", "quadratic_kappa"]
MISSING_VALUES = ("nan", "n/a", "null", "<na>", "#n/a")
"""Words for nothing, in small letters, of a config that names none."""


class FoldConfig(ConfigSection):
    """One fold of a cross-validation over train and dev together."""

    number: Annotated[int, Field(ge=1)]
    """The fold that stands for the dev split, counted from 1."""
    of: Annotated[int, Field(ge=2)]
    """How many folds there are."""

    @model_validator(mode="after")
    def _is_one_of_them(self) -> FoldConfig:
        if self.number > self.of:
            raise ValueError(f"fold {self.number} of {self.of} does not exist; number counts from 1")
        return self


def _rising(percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ValueError("two percentiles from 0 to 100, the lower one first")
    return percentiles


def _each_once(columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(columns)) < len(columns):
        raise ValueError("names each column once")
    return columns


_Columns = Annotated[tuple[Name, ...], AfterValidator(_each_once)]
_Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value)]


class TaskConfig(ConfigSection):
    """What a label column asks, where it is more than one of several classes, and how it counts in the score."""

    order: tuple[Name, ...] | None = None
    """Ordinal: all classes from the lowest to the highest, such as [mild, moderate, severe]."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Multi-label: what stands between the labels of a cell, such as ; in `effusion;oedema`."""
    columns: tuple[Name, ...] | None = None
    """Multi-label, CSV: the columns of 0 and 1 that are the labels; the task's name is then no column of its own."""
    negative: str = "none"
    """Multi-label: the cell that says that there is no label; an empty cell says that nothing is known."""
    score: ScoreName = "macro_f1"
    """What the task counts with in the score that is tuned."""
    weight: Annotated[float, Field(gt=0.0)] = 1.0
    """Weight of the task in that score, which is the weighted mean over the tasks."""

    @property
    def kind(self) -> TaskKind:
        """What kind of task the fields describe."""
        if self.order is not None:
            return "ordinal"
        return "single_label" if self.separator is None and self.columns is None else "multi_label"

    @model_validator(mode="after")
    def _is_one_kind(self) -> TaskConfig:
        given = [name for name in ("order", "separator", "columns") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)}: a task is ordinal, or multi-label in one way; give one of them"
            )
        listed = self.order or self.columns or ()
        if given and given[0] != "separator" and len(set(listed)) < max(2, len(listed)):
            raise ValueError(f"{given[0]} names two or more, each once (got {list(listed)})")
        for name in self.columns or ():
            if name == self.negative:
                raise ValueError(
                    f"columns: {name!r} says that there is no label, too; set negative to another word"
                )
            if name.startswith("?"):
                raise ValueError(f"columns: {name!r} begins as a label that is not known; rename the column")
        if self.negative != "none" and self.kind != "multi_label":
            raise ValueError("negative is for multi-label tasks; give the task its `separator` or `columns`")
        if self.score == "quadratic_kappa" and self.kind != "ordinal":
            raise ValueError("score quadratic_kappa needs classes with an order; give the task its `order`")
        if self.score == "average_precision" and self.kind == "ordinal":
            raise ValueError(
                "score average_precision is not defined for an ordinal task; use quadratic_kappa or auroc"
            )
        return self


class DataConfig(ConfigSection):
    """Where the examples are and how they are read."""

    reader: ReaderName = "medpix"
    """The layout of the files under `root`."""
    root: HomePath = Path("data/medpix-2.0")
    """Folder that holds the data set, relative to where the command is run; `~` is the home folder."""
    tables: HomePath | None = None
    """CSV: folder with the tables metadata_{train,dev,test}, where that is not `root`; images stay under `root`."""
    encoding: Name | None = None
    """CSV: encoding of the tables, such as cp1250; empty finds it out."""
    image_column: Name | None = None
    """CSV: column with the image path, relative to `root` (wound: file_path or img_path)."""
    text_column: Name | None = None
    """CSV: column with the text (wound: description); empty where no model reads a text."""
    group_column: Name | None = None
    """CSV: column with the patient or case; empty makes every row its own group."""
    label_columns: _Columns | None = None
    """CSV: one column a task (wound: type, severity)."""
    missing_values: tuple[str, ...] = MISSING_VALUES
    """Cells that hold nothing, in any case, besides empty ones; `none` is a class unless it is listed."""
    subgroup_columns: _Columns = ()
    """Columns (CSV), or fields of an image's description (MedPix: age, sex), by whose values a confirmation scores the
    recommended model apart. No model reads them."""
    label_map: dict[str, dict[_Text, _Text]] | None = None
    """Classes by label column and spelling, such as `grade: {mild: Mild}`."""
    follow_links: bool = False
    """Follow links under `root` to image files outside of it."""
    tasks: dict[str, TaskConfig] = Field(default_factory=dict)
    """Ordinal and multi-label tasks, and other scores than the macro F1, by the name of the task."""
    text_fields: Annotated[
        tuple[Literal["caption", "history", "findings", "age", "sex"], ...], AfterValidator(_each_once)
    ] = ("caption",)
    """MedPix: the fields that are joined into the text, in this order."""
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = None
    """Side of the square image in pixels; empty takes each encoder's own."""
    max_tokens: Annotated[int, Field(ge=4, le=512)] = 256
    """Longest text in tokens; the rest is cut."""
    augment: Literal["none", "light"] = "none"
    """Random views of the train images; dev and test are always shown as they are."""
    views: Annotated[int, Field(ge=1, le=64)] = 4
    """How many views an image has when `augment` is on."""
    on_bad_example: Literal["stop", "drop"] = "stop"
    """Stop at examples that cannot be used, or drop them and list them in the run folder."""
    max_image_megapixels: Annotated[float, Field(gt=0)] = 100.0
    """Images larger than this count as bad examples."""
    window: tuple[float, Annotated[float, Field(gt=0)]] | None = None
    """Centre and width of the grey values that are shown, in Hounsfield units or whatever the file counts in; for
    DICOM files and images of more than 8 bits. Empty takes a DICOM file's own window, else the percentiles."""
    percentiles: Annotated[tuple[float, float], AfterValidator(_rising)] = (0.5, 99.5)
    """Images of more than 8 bits without a window: the percentiles of their values that become black and white."""
    frame_column: Name | None = None
    """CSV: column with the frame of a DICOM file of several, counted from 1; empty takes the middle one."""
    missing: Literal["stop", "allow"] = "stop"
    """Rows that lack a label or the image: refused (a text that is not there is one without words, which is noted), or
    allowed. A row with some labels trains and scores those then; a train row without any is an unlabelled one. In place
    of an image or a text that is not there (an empty cell) a model reads a vector that it learns."""
    unlabelled: HomePath | None = None
    """File of examples without labels, relative to `root`: of reader csv or wound a table with the columns of image,
    text and group, of reader medpix lines like its own. A student learns the teacher's answers on them."""
    label_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Keep the labels of about this share of the train rows, to see what labels are worth; the others are unlabelled.
    It is of whole cases and has every class, so it may be a larger one: `distune check` counts the rows."""
    fold: FoldConfig | None = None
    """Join train and dev, split them again by group, and take one fold as dev; empty takes the files' own splits."""

    def _columns_of(self, task: str) -> tuple[str, ...]:
        """The columns that hold the labels of a task."""
        return (self.tasks[task].columns or (task,)) if task in self.tasks else (task,)

    @model_validator(mode="after")
    def _columns_belong_to_csv(self) -> DataConfig:
        columns = (
            "image_column",
            "frame_column",
            "text_column",
            "group_column",
            "label_columns",
            "tables",
            "encoding",
        )
        given = [name for name in columns if getattr(self, name) is not None]
        if given and self.reader in ("medpix", "demo"):
            raise ValueError(f"{', '.join(given)}: only for reader csv or wound, not {self.reader}")
        if self.text_fields != ("caption",) and self.reader not in ("medpix", "demo"):
            raise ValueError(f"text_fields: only for reader medpix or demo, not {self.reader}")
        if self.unlabelled is not None and (self.unlabelled.is_absolute() or ".." in self.unlabelled.parts):
            raise ValueError(f"unlabelled: {self.unlabelled} must be a path inside data.root, relative to it")
        if self.unlabelled is not None and self.reader == "demo":
            raise ValueError("unlabelled: the demo set has no such file; use label_fraction there")
        by_columns = [name for name, task in self.tasks.items() if task.columns is not None]
        if by_columns and self.reader not in ("csv", "wound"):
            raise ValueError(
                f"tasks.{by_columns[0]}.columns: only for reader csv or wound, not {self.reader}"
            )
        labels = [column for name in self.label_columns or () for column in self._columns_of(name)]
        inputs = [name for name in (self.image_column, self.text_column, self.frame_column) if name]
        if twice := {*labels} & {*inputs, self.group_column}:
            raise ValueError(
                f"column {min(twice)!r} is a label and named for something else, too: a model that reads "
                "it would see the answer, and groups of one class each cannot be split"
            )
        if len(set(inputs)) < len(inputs):
            raise ValueError(f"image, text and frame are different columns (got {inputs})")
        needed = ("image_column", "label_columns") if self.reader == "csv" else ()
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"reader csv needs {', '.join(missing)}")
        return self
