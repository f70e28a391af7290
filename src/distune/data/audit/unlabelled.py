"""Images that a student is taught without labels and that stand among the labelled rows, too."""

from __future__ import annotations

from collections.abc import Sequence

from distune.data.audit.findings import Finding
from distune.data.audit.leaks import pair_row
from distune.data.table import EVALUATED, Table
from distune.utils.text import counted


def unlabelled_findings(table: Table, content: Sequence[str]) -> list[Finding]:
    """Finds unlabelled rows with an image of a labelled one: severe of dev and test, which the teacher then answers.

    Of train a note: without folds it is taught twice and nothing else.

    Args:
        table: the data set, its unlabelled rows among the others.
        content: its `image_fingerprints`.
    """
    labelled = {content[row]: row for split in ("train", *EVALUATED) for row in table.rows(split).tolist()}
    twins = [
        (labelled[content[row]], row) for row in table.rows("unlabelled").tolist() if content[row] in labelled
    ]
    evaluated = [pair for pair in twins if table.splits[pair[0]] in EVALUATED]
    taught = [pair for pair in twins if table.splits[pair[0]] == "train"]
    findings = []
    if evaluated:
        findings.append(
            Finding(
                "unlabelled_images_of_evaluated_rows",
                "severe",
                "unlabelled rows whose image is in dev or test",
                f"{counted(len(evaluated), 'row')}. The student learns the teacher's answers on what it is scored "
                "on. Take them out.",
                tuple(pair_row(table, *pair) for pair in evaluated),
            )
        )
    if taught:
        findings.append(
            Finding(
                "unlabelled_images_of_train_rows",
                "info",
                "unlabelled rows whose image is in train",
                f"{counted(len(taught), 'row')}. They are taught twice; with folds, where the two have other cases, "
                "one of them can lie in the fold that is scored, which is a leak.",
                tuple(pair_row(table, *pair) for pair in taught),
            )
        )
    return findings
