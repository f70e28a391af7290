"""The data set of a study: checked, audited and named before the first trial."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.config import Config, with_values
from distune.data import read_table
from distune.data.audit.findings import AuditReport
from distune.errors import UserError
from distune.tuning.space.without_effect import Ignored, ignored_in
from distune.utils.files.generated import write_generated_json

_log = logging.getLogger(__name__)
AUDIT_NAME = "audit.json"


@dataclass(frozen=True)
class Inspection:
    """What is known about a data set.

    Args:
        fingerprint: hash of all examples.
        audit: the audit as plain values; None where it was not made.
        ignored: what these examples leave without effect.
    """

    fingerprint: str
    audit: dict[str, Any] | None = None
    ignored: tuple[Ignored, ...] = ()

    def write(self, folder: Path) -> None:
        """Keeps the audit beside the study, for its report."""
        if self.audit is not None:
            write_generated_json(folder / AUDIT_NAME, self.audit)


def inspect(config: Config, source: str, *, accept_leaks: bool, folds: int | None = None) -> Inspection:
    """Checks every example, finds every encoder, looks for leaks, and makes the folds once.

    Args:
        config: the base config.
        source: its file, named in the errors.
        accept_leaks: tune in spite of severe findings.
        folds: how many there shall be; None makes none.

    Raises:
        UserError: lists what is wrong, or the leaks that are not accepted, or why there cannot be so many folds; or
            there can be no cache.
    """
    from distune.checking import check_experiment
    from distune.data.audit.audit import audit
    from distune.data.demo.demo import make_demo
    from distune.data.fingerprint import table_fingerprint
    from distune.store import cache_folder

    cache_folder()  # each trial would fail for it
    make_demo(config)
    table = check_experiment(config, source)
    for note in table.notes:
        _log.warning("%s", note)
    report = audit(table)
    if report.leaks and not accept_leaks:
        found = "\n".join(f"  {leak}" for leak in leaks(report))
        raise UserError(
            f"{config.data.root}: a score on these data would mislead:\n{found}\n"
            "Repair the data (`distune audit` shows the rows), or tune anyway with --accept-leaks."
        )
    check_folds(config, folds)
    return Inspection(table_fingerprint(table), report.to_dict(), ignored_in(table))


def leaks(report: AuditReport) -> list[str]:
    """One line for each severe finding of an audit, for which a data set is not tuned on unless they are accepted."""
    return [f"{leak.title}: {leak.detail}" for leak in report.leaks]


def check_folds(config: Config, folds: int | None) -> None:
    """Makes the folds once; None makes none.

    Raises:
        UserError: there cannot be so many.
    """
    if folds is not None:
        folded = with_values(config, {"data.fold": {"number": 1, "of": folds}})
        read_table(folded.data, check_images=False)
