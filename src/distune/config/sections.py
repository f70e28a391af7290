"""The experiment as typed sections; a field's text is its documentation everywhere."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from distune.components import FUSIONS, LOSSES, READERS
from distune.config.section import Section
from distune.config.study import StudyConfig

Freeze = Literal["none", "all"] | Annotated[int, Field(ge=1)]
FusionName = Annotated[str, AfterValidator(FUSIONS.check)]
LossName = Annotated[str, AfterValidator(LOSSES.check)]
ReaderName = Annotated[str, AfterValidator(READERS.check)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Modality = Literal["image", "text"]
NO_ENCODER = "none"
TaskKind = Literal["single_label", "ordinal", "multi_label"]
ScoreName = Literal["macro_f1", "balanced_accuracy", "auroc", "average_precision", "quadratic_kappa"]


def _layers(value: Any) -> Any:
    """Says the rule of a list once, where pydantic would say one for each of its entries."""
    if not isinstance(value, list | tuple):
        return value
    numbers = all(type(number) is int and number >= 1 for number in value)
    if not value or not numbers or any(later <= earlier for earlier, later in pairwise(value)):
        raise ValueError("a list of layers holds at least one number, from 1 on, each above the one before")
    return value


class EncoderConfig(Section):
    """One pretrained (or random) encoder and how much of it is trained."""

    name: str
    """A friendly name (`distune encoders list`), a hub id, a local folder, or none: the model does not read this."""
    pretrained: bool = True
    """Start from published weights; false builds the same architecture with random ones."""
    layers: Annotated[Annotated[int, Field(ge=1)] | tuple[int, ...] | None, BeforeValidator(_layers)] = None
    """Keep only the first N layers, or of a transformer those with the listed numbers, from 1; empty keeps all."""
    freeze: Freeze = "none"
    """Layers that are not trained: none, all, or the first N that are kept (embeddings included)."""
    embedding_rank: Annotated[int, Field(ge=1)] | None = None
    """BERT families: factorise the word embedding into two matrices of this rank; empty leaves it whole."""
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./-]*$", max_length=200)] | None = None
    """Hub models: branch, tag or commit; empty takes the cached one, else the hub's main. A run writes the commit."""

    @property
    def is_absent(self) -> bool:
        """Whether the model has no such encoder."""
        return self.name == NO_ENCODER


def _name_alone(value: Any) -> Any:
    """Lets `vision: vit-base` stand for `vision: {name: vit-base}`."""
    return {"name": value} if isinstance(value, str) else value


Encoder = Annotated[EncoderConfig, BeforeValidator(_name_alone)]


class ModelConfig(Section):
    """The teacher or the student: one or two encoders, a fusion module, and how it is trained."""

    vision: Encoder
    """The image encoder; none for a model that reads the text alone."""
    text: Encoder
    """The text encoder; none for a model that reads the image alone."""
    fusion: FusionName = "cross_attention"
    """How image and text are joined; a model that reads one of them has no fusion, whatever these fields say."""
    fusion_dim: Annotated[int, Field(ge=8, le=16_384)] = 512
    """Width of the fused representation."""
    fusion_layers: Annotated[int, Field(ge=1, le=100)] = 1
    """Depth of the fusion module."""
    fusion_heads: Annotated[int, Field(ge=1)] = 8
    """Attention heads of the fusion module."""
    fusion_tokens: Literal["sequence", "pooled"] = "sequence"
    """Fuse whole token sequences, or one pooled vector a modality (much cheaper)."""
    dropout: Fraction = 0.1
    """Dropout in the fusion module and before the heads."""
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    """Passes over the train split."""
    lr: Annotated[float, Field(gt=0.0)]
    """Peak learning rate."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the model reads: image, text, or both."""
        encoders: tuple[tuple[Modality, EncoderConfig], ...] = (("image", self.vision), ("text", self.text))
        return tuple(modality for modality, encoder in encoders if not encoder.is_absent)

    @model_validator(mode="after")
    def _reads_something(self) -> ModelConfig:
        if not self.modalities:
            raise ValueError("vision and text are both none; a model needs an encoder of one at least")
        return self

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        width, heads = self.fusion_dim, self.fusion_heads
        if width % heads:
            raise ValueError(f"fusion_dim {width} is not a multiple of fusion_heads {heads}")
        return self


class TeacherConfig(ModelConfig):
    """The large model; the defaults are those of the classic MedPix study."""

    vision: Encoder = EncoderConfig(name="vit-base")
    text: Encoder = EncoderConfig(name="bio-clinical-bert")
    fusion_layers: Annotated[int, Field(ge=1, le=100)] = 3
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 3
    lr: Annotated[float, Field(gt=0.0)] = 1e-5


class StudentConfig(ModelConfig):
    """The small model that is handed over."""

    vision: Encoder = EncoderConfig(name="deit-small")
    text: Encoder = EncoderConfig(name="distilbert")
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    lr: Annotated[float, Field(gt=0.0)] = 3e-4
    init_from_teacher: bool = False
    """Start the encoders from every second layer of the teacher's (same family only)."""


class FoldConfig(Section):
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


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: {error}") from None


HomePath = Annotated[Path, AfterValidator(_expanded)]


def _rising(percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ValueError("two percentiles from 0 to 100, the lower one first")
    return percentiles


_Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value)]


class TaskConfig(Section):
    """What a label column asks, where it is more than one of several classes, and how it counts in the score."""

    order: tuple[str, ...] | None = None
    """Ordinal: all classes from the lowest to the highest, such as [mild, moderate, severe]."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Multi-label: what stands between the labels of a cell, such as ; in `effusion;oedema`."""
    columns: tuple[str, ...] | None = None
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
        if self.score == "quadratic_kappa" and self.kind != "ordinal":
            raise ValueError("score quadratic_kappa needs classes with an order; give the task its `order`")
        if self.score == "average_precision" and self.kind == "ordinal":
            raise ValueError(
                "score average_precision is not defined for an ordinal task; use quadratic_kappa or auroc"
            )
        return self


class DataConfig(Section):
    """Where the examples are and how they are read."""

    reader: ReaderName = "medpix"
    """The layout of the files under `root`."""
    root: HomePath = Path("data/medpix-2.0")
    """Folder that holds the data set, relative to where the command is run; `~` is the home folder."""
    tables: HomePath | None = None
    """CSV: folder with the tables metadata_{train,dev,test}, where that is not `root`; images stay under `root`."""
    encoding: str | None = None
    """CSV: encoding of the tables, such as cp1250; empty finds it out."""
    image_column: str | None = None
    """CSV: column with the image path, relative to `root` (wound: file_path or img_path)."""
    text_column: str | None = None
    """CSV: column with the text (wound: description); empty where no model reads a text."""
    group_column: str | None = None
    """CSV: column with the patient or case; empty makes every row its own group."""
    label_columns: tuple[str, ...] | None = None
    """CSV: one column a task (wound: type, severity)."""
    missing_values: tuple[str, ...] = ("nan", "n/a", "null", "<na>", "#n/a")
    """Cells that hold nothing, in any case, besides empty ones; `none` is a class unless it is listed."""
    subgroup_columns: tuple[str, ...] = ()
    """Columns (CSV), or fields of an image's description (MedPix: age, sex), by whose values a confirmation scores the
    recommended model apart. No model reads them."""
    label_map: dict[str, dict[_Text, _Text]] | None = None
    """Classes by label column and spelling, such as `grade: {mild: Mild}`."""
    follow_links: bool = False
    """Follow links under `root` to image files outside of it."""
    tasks: dict[str, TaskConfig] = Field(default_factory=dict)
    """Ordinal and multi-label tasks, and other scores than the macro F1, by the name of the task."""
    text_fields: tuple[Literal["caption", "history", "findings", "age", "sex"], ...] = ("caption",)
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
    frame_column: str | None = None
    """CSV: column with the frame of a DICOM file of several, counted from 1; empty takes the middle one."""
    missing: Literal["stop", "allow"] = "stop"
    """Rows that lack a label: refused, or allowed. A row with some labels trains and scores those; a train row without
    any is an unlabelled one."""
    unlabelled: Path | None = None
    """File of examples without labels, relative to `root`: of reader csv or wound a table with the columns of image,
    text and group, of reader medpix lines like its own. A student learns the teacher's answers on them."""
    label_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Keep the labels of this share of the train cases, to see what labels are worth; the others are unlabelled."""
    fold: FoldConfig | None = None
    """Join train and dev, split them again by group, and take one fold as dev; empty takes the files' own splits."""

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
        needed = ("image_column", "label_columns") if self.reader == "csv" else ()
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"reader csv needs {', '.join(missing)}")
        return self


class DistillationConfig(Section):
    """What the student learns from the teacher."""

    loss: LossName = "combined"
    """The distillation loss."""
    alpha: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the cross entropy with the labels."""
    beta: Annotated[float, Field(ge=0.0)] = 100.0
    """Weight of the distillation term; 100 is neutral for every loss."""
    T: Annotated[float, Field(gt=0.0)] = 2.0
    """Temperature of the softened probabilities."""
    gamma: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the contrastive term that `combined` can add."""
    unlabelled: bool = True
    """Learn the teacher's answers on unlabelled rows too; false: on the labelled ones alone, for as many steps."""


class TrainingConfig(Section):
    """What teacher and student training share."""

    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 16
    """Examples a step."""
    accumulation: Annotated[int, Field(ge=1)] = 1
    """Parts that a batch is split into, to save memory; dropout, rounding and losses that compare examples differ."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up."""
    warmup: Fraction = 0.1
    """Share of all steps in which the learning rate rises from zero."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """AdamW's decoupled weight decay."""
    grad_clip: Annotated[float, Field(gt=0.0)] | None = 1.0
    """Largest norm of the gradient; empty does not clip."""
    label_smoothing: Fraction = 0.0
    """Share of the probability spread over all classes in the cross entropy."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weight classes by the inverse of their frequency in the train split."""
    layerwise_lr_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor on the learning rate for each encoder layer down from the fusion: the last one has rate x factor, the one
    before it rate x factor squared; fusion and heads have the full rate."""
    ema: Fraction = 0.0
    """Decay of an exponential moving average of the weights; 0 is off."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """Stop after N epochs without a better dev score; empty never stops early."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16 autocast; auto uses it where the device is fast at it and, on a CPU, the encoders are large enough."""
    deterministic: bool = False
    """Avoid kernels of a GPU that add up in another order each time: slower, but the same numbers on one machine."""
    device: str = "auto"
    """cpu, cuda:0, mps; auto takes the first GPU if there is one, and a study's workers all of them in turn."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads; empty divides the cores among the workers of one study. Where two studies share a machine, set each
    one's share: threads without a core of their own spin and slowed both studies to a quarter."""


class CacheConfig(Section):
    """The store of results of expensive pure steps."""

    max_gb: Annotated[float, Field(gt=0.0)] = 20.0
    """Size that the store keeps under, in gigabytes."""


class SearchParameter(Section):
    """One dimension of the search space."""

    type: Literal["float", "int", "categorical"]
    """Kind of values."""
    low: float | None = None
    """Smallest value (float, int)."""
    high: float | None = None
    """Largest value (float, int)."""
    log: bool = False
    """Search on a logarithmic scale."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between neighbouring values."""
    choices: tuple[bool | int | float | str, ...] | None = None
    """Values of a categorical parameter."""
    when: dict[str, tuple[bool | int | float | str, ...]] | None = None
    """Only searched where each named parameter or config key has one of the given values."""
    key: str | None = None
    """Dotted config key that the value is written to; empty derives it from the name."""

    @model_validator(mode="after")
    def _range_or_choices(self) -> SearchParameter:
        if self.type == "categorical":
            if not self.choices or self.low is not None or self.high is not None or self.log or self.step:
                raise ValueError("categorical takes choices, and none of low, high, log, step")
            if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
                raise ValueError("a choice stands twice")
            return self
        if self.choices is not None or self.low is None or self.high is None:
            raise ValueError(f"{self.type} takes low and high, and no choices")
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0 and no step")
        if self.type == "int" and not all(
            (number or 0) % 1 == 0 for number in (self.low, self.high, self.step)
        ):
            raise ValueError("int takes whole numbers as low, high and step")
        return self


class Config(Section):
    """One experiment, complete: every default is written out in the run folder."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)] = "medpix"
    """Short name of the data set; names runs and studies."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    """Seeds everything: weights, order, dropout, views, the sampler."""
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    distillation: DistillationConfig = DistillationConfig()
    training: TrainingConfig = TrainingConfig()
    cache: CacheConfig = CacheConfig()
    search_space: dict[str, SearchParameter] = Field(default_factory=dict)
    """Parameters that override or join the default search space, by name."""
    study: StudyConfig = StudyConfig()

    @model_validator(mode="after")
    def _texts_come_from_somewhere(self) -> Config:
        if self.data.reader == "csv" and self.data.text_column is None:
            readers = [role for role in ("teacher", "student") if "text" in getattr(self, role).modalities]
            if readers:
                raise ValueError(
                    f"data.text_column is empty, but {' and '.join(readers)} read a text; name the column, or set "
                    + ", ".join(f"{role}.text: none" for role in readers)
                )
        return self

    def replace(self, **values: Any) -> Config:
        """A copy with other values, validated as a whole.

        Args:
            values: by dotted key.

        Raises:
            ConfigError: a key does not exist, or a value breaks a rule.

        Example:
            >>> from distune import Config
            >>> Config().replace(**{"student.lr": 1e-3, "seed": 7}).student.lr
            0.001
        """
        from distune.config.files import with_values

        return with_values(self, values)
