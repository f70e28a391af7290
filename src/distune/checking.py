"""Everything that can be known to be wrong before any training, in one list."""

from __future__ import annotations

from collections.abc import Sequence

from distune.config import Config
from distune.config.revisions import encoders_of
from distune.data import Table, read_table
from distune.distillation import undefined
from distune.errors import ConfigError, DataError, UserError
from distune.models.encoders.inspection import inspect_encoder
from distune.models.init_from_teacher import check_copyable, matching_parts
from distune.training.scoring.scores import check_scores


def check_experiment(config: Config, source: str, known: Sequence[str] = ()) -> Table:
    """Checks the data, every example of it, that the loss is defined, and that every encoder can be built and run.

    Where the student starts from its teacher's layers, the two are compared.

    Args:
        config: a valid config.
        source: its file, named in the errors.
        known: what is known to be wrong with the config already, listed first.

    Returns:
        The table of usable examples.

    Raises:
        ConfigError: lists all that is wrong with the loss, encoders and data.
        DataError: lists all that is wrong, where only the data are at fault.
    """
    problems = [*known, *undefined(config), *_encoder_problems(config)]
    try:
        table = read_table(config.data)
        check_scores(table, config.data.root)
    except DataError as error:
        if not problems:
            raise
        raise ConfigError(source, [*problems, *error.problems], error.examples) from None
    if problems:
        raise ConfigError(source, problems)
    return table


def _encoder_problems(config: Config) -> list[str]:
    """What keeps an encoder from being built, or a student's from starting with its teacher's layers."""
    problems, built = [], {}
    for (role, kind), encoder in encoders_of(config):
        try:
            built[role, kind] = inspect_encoder(encoder, kind, config.data.image_size)
        except UserError as error:
            problems.append(f"{role}.{kind}: {error}")
    if not config.student.init_from_teacher:
        return problems
    try:
        check_copyable(config.teacher, config.student)
    except UserError as error:
        return [*problems, str(error)]
    for (role, kind), student in built.items():
        if role == "student" and ("teacher", kind) in built:
            try:
                matching_parts(built["teacher", kind], student)
            except UserError as error:
                problems.append(f"student.{kind}: {error}")
    return problems
