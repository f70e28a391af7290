"""The test split is opened once: who may open it, and the record of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.confirmation.candidates import Candidate, config_identity
from distune.confirmation.statistics.files import NUMBERS
from distune.errors import UserError, is_of_the_machine
from distune.store import key_of
from distune.training.files.run_folder import OPENINGS, openings, record_opening
from distune.utils.files.jsonl import append_line
from distune.utils.files.paths import check_appendable
from distune.utils.files.sealed_files import read_sealed


@dataclass(frozen=True)
class Opening:
    """The right to look at the test split for one plan: these contenders, these seeds.

    The same plan is the same opening, however often it is resumed. Everything that the plan names is fixed before the
    split is opened, so nothing that it shows can change what is evaluated.

    Args:
        study_folder: where the openings of this study are recorded.
        by: names the plan in the record.
        dataset: fingerprint of the data set.
        again: open the split although that was done before.
    """

    study_folder: Path
    by: str
    dataset: str
    again: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the split was opened for this plan, and this resumes that opening."""
        past = self._past()
        is_same = bool(past) and past[-1]["by"] == self.by
        return is_same and not (self.again and self._is_finished(len(past)))

    def check(self) -> None:
        """Says whether the split may be opened; to be asked before anything is trained.

        Raises:
            UserError: it was opened before, for another plan.
            OSError: an opening could not be recorded.
        """
        check_appendable(self.study_folder / OPENINGS)
        past = self._past()
        if past and past[-1]["by"] != self.by and not self.again:
            resume = (
                f"Restore that line, which may be that of this very plan, from a copy of {self.study_folder / OPENINGS}"
                if past[-1]["dataset"] is None
                else "Ask for the same contenders and seeds to resume that confirmation"
            )
            raise UserError(
                f"the test split was opened on {past[-1]['time']} by {past[-1]['by']}; this would open it again, by "
                f"{self.by}. What was seen there can no longer be confirmed on it. {resume}, or add --again; the "
                "second opening is recorded."
            )

    def open(self) -> int:
        """Records the opening, unless this resumes one; to be called before the split is looked at.

        Returns:
            Its number: 1 for the first of the study.
        """
        past = self._past()
        for lost in past[len(openings(self.study_folder)) :]:
            append_line(self.study_folder / OPENINGS, lost)
        if self.is_open:
            return len(past)
        self.check()
        record_opening(self.study_folder, by=self.by, dataset=self.dataset)
        return len(past) + 1

    def record(self, number: int) -> dict[str, Any]:
        """What `confirmation.json` says of the opening, with those of other studies and runs on these data."""
        logs = self.study_folder.parent.parent
        files = sorted({*logs.glob(f"*/{OPENINGS}"), *logs.glob(f"*/*/{OPENINGS}")})
        elsewhere = [
            {**line, "file": str(file)}
            for file in files
            if file.parent != self.study_folder
            for line in openings(file.parent, self.dataset)
        ]
        return {"number": number, "openings": self._past(), "elsewhere": elsewhere}

    def _past(self) -> list[dict[str, Any]]:
        """The openings by their record, and those that only the confirmation before names: a record can be deleted."""
        recorded = openings(self.study_folder)
        return [*recorded, *self._finished()[1][len(recorded) :]]

    def _is_finished(self, number: int) -> bool:
        return self._finished()[0] >= number

    def _finished(self) -> tuple[int, list[dict[str, Any]]]:
        """The number and the openings by the confirmation that was written last; none where it is damaged."""
        try:
            opening = read_sealed(self.study_folder / NUMBERS)["opening"]
            return int(opening["number"]), list(opening.get("openings", ()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            if is_of_the_machine(error):
                raise
            return 0, []


def plan_name(study: str, candidates: Sequence[Candidate], seeds: Sequence[int], dataset: str) -> str:
    """Names a plan so that a person reads what it evaluates, and equal names mean equal plans."""
    content = {
        "configs": {candidate.name: config_identity(candidate.config) for candidate in candidates},
        "seeds": list(seeds),
        "dataset": dataset,
    }
    names = ", ".join(candidate.name for candidate in candidates)
    return f"distune confirm {study} ({names}; {len(seeds)} seeds; plan {key_of(content)[:12]})"
