"""One teacher and one student: train, evaluate, export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distune.api.frames import with_data
from distune.api.settings import public, restored
from distune.api.sources import Source, load, place_of
from distune.config import Config
from distune.config.files import check_config
from distune.training.callbacks import Callback
from distune.utils.arguments import check_argument, check_flags, check_number, check_path, check_text
from distune.utils.files.default_folders import RUNS
from distune.utils.short_repr import short_repr

if TYPE_CHECKING:
    from distune.deployment.parity import Parity
    from distune.prediction.predictor import Predictor


@dataclass(frozen=True)
class Run:
    """A trained teacher and student.

    Attributes:
        folder: the run folder.
        score: dev score of the student; None where a callback stopped the run.
        results: the content of `results.json`; empty where it was stopped.
    """

    __repr__ = short_repr

    folder: Path
    score: float | None
    results: Mapping[str, Any]

    @property
    def place(self) -> tuple[Path, None]:
        """What the functions that take a source look for."""
        return self.folder, None

    @property
    def warning(self) -> str | None:
        """That the teacher scores below its student, so that it has little to teach; None where it does not."""
        from distune.training.teacher.check import run_warning

        return run_warning(self.results)

    def predictor(self, device: str | None = None) -> Predictor:
        """The student, ready to predict."""
        return load(self, device=device)

    def mistakes(self, out: Path | str | None = None, *, split: str = "dev", overwrite: bool = False) -> Path:
        """Writes a page of the student's most confident mistakes, see `distune.mistakes`."""
        return mistakes(self, out, split=split, overwrite=overwrite)


@public
def train(
    config: Config,
    *,
    data: Any = None,
    out: Path | str | None = None,
    test: bool = False,
    overwrite: bool = False,
    callback: Callback | None = None,
) -> Run:
    """Trains a teacher and its student once; called again, it resumes.

    Args:
        config: the experiment.
        data: a data frame in place of the config's data set, see `distune.tune`.
        out: run folder; None resumes the newest unfinished run of this config in `logs/runs`, or makes one.
        test: also evaluate the test split; recorded beside the run.
        overwrite: delete the run that the folder holds; other files in it stay.
        callback: called around stages and after each epoch; may stop the run.

    Raises:
        DataError: the data set breaks rules; all are listed.
        UserError: something else is wrong with what was asked.
    """
    from distune.training.files.claim import claimed
    from distune.training.run import run

    check_config(config)
    check_path("out", out, type(None))
    check_flags(test=test, overwrite=overwrite)
    check_argument("callback", callback, Callback, type(None))
    config = with_data(config, data)
    with restored(), claimed(config, Path(out) if out else None, RUNS, overwrite=overwrite) as folder:
        result = run(config, folder, callback=callback, open_test=test, overwrite=overwrite)
    # In full: a notebook may go to another folder, which has runs of the same names.
    return Run(folder.absolute(), result.score, result.results)


@public
def evaluate(
    source: Source | Predictor,
    images: Any,
    texts: Sequence[str] | None = None,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    groups: Sequence[str] | None = None,
    name: str | None = None,
    root: Path | str | None = None,
    record: bool = False,
) -> dict[str, Any]:
    """Evaluates a student on labelled examples that its study never saw.

    Args:
        source: a predictor, or what `distune.load` takes.
        images: the images, or a table file, a folder, a `Table`, or a data frame that also has a column for each task
            and perhaps `group`; see `Predictor.evaluate`.
        texts: one for each image.
        labels: class of each example by task, or its labels as text or a tuple; a data frame holds them itself.
        groups: patient or case of each example; each its own by default.
        name: of the data.
        root: folder that image paths in a table file are relative to; None takes the one that holds it.
        record: add the result to the run, or beside the files of the bundle.

    Returns:
        The scores with 95 % intervals over cases, see `distune.prediction.evaluation.evaluate`.
    """
    predictor = source if hasattr(source, "evaluate") else load(source)
    return predictor.evaluate(
        images, texts, labels=labels, groups=groups, name=name, root=root, record=record
    )


@public
def mistakes(
    source: Source,
    out: Path | str | None = None,
    *,
    split: str = "dev",
    most: int = 12,
    data_root: Path | str | None = None,
    overwrite: bool = False,
    storage: str | None = None,
) -> Path:
    """Writes a page of a student's most confident mistakes: thumbnails, texts and probabilities.

    Args:
        source: a run or a study, see `distune.load`.
        out: the page; None writes `mistakes_<split>.html` into the run folder.
        split: dev, or test where the run has opened it.
        most: how many of each task.
        data_root: where the data set is now, if elsewhere.
        overwrite: let it replace any file, not only an earlier page of that run and split.
        storage: SQLAlchemy URL of the database that holds the study of that name.

    Returns:
        The page.

    Raises:
        UserError: the run has no predictions of that split, or the page's place is taken.
    """
    from distune.prediction.load import run_behind
    from distune.reporting.mistakes import write_mistakes

    place = place_of(source, storage)
    for name, given in (("out", out), ("data_root", data_root)):
        check_path(name, given, type(None))
    check_text("split", split)
    check_number("most", most, least=1, whole=True)
    check_flags(overwrite=overwrite)

    return write_mistakes(
        run_behind(*place),
        Path(out) if out else None,
        split=split,
        most=most,
        data_root=Path(data_root) if data_root else None,
        overwrite=overwrite,
    )


@public
def export(
    source: Source,
    out: Path | str | None = None,
    *,
    quantize: str = "none",
    max_score_drop: float | None = None,
    data_root: Path | str | None = None,
    storage: str | None = None,
) -> tuple[Path, Parity]:
    """Writes a bundle that predicts without torch.

    Args:
        source: a run or a study, see `distune.load`.
        out: new folder; default: `logs/bundles/<name>_<run>`.
        quantize: none, or int8.
        max_score_drop: most that int8 may cost in dev score; None allows 0.01.
        data_root: where the data set is now, if elsewhere.
        storage: SQLAlchemy URL of the database that holds the study of that name.

    Returns:
        The bundle's folder, and how it compares with torch on every dev example.
    """
    from distune.deployment.export import export_source

    place, storage = place_of(source, storage)
    if max_score_drop is not None:
        check_number("max_score_drop", max_score_drop, least=0)

    return export_source(
        place,
        out,
        storage=storage,
        quantisation=quantize,
        max_score_drop=max_score_drop,
        data_root=data_root,
    )
