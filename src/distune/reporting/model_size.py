"""How large the recommended student is, and how long its encoders take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distune.analysis.findings import Findings
from distune.models.encoders.catalogue import MILLISECONDS
from distune.reporting import verdicts
from distune.training.files.run_folder import read_results
from distune.utils.files.yaml_files import YamlFileError, load_yaml


@dataclass(frozen=True)
class StudentSize:
    """The size of a student.

    Attributes:
        parameters: all of them, encoders included.
        milliseconds: that its encoders take for one example, from the catalogue; None where one is not in it.
        encoders: how many.
    """

    parameters: int
    milliseconds: float | None
    encoders: int


def size_of(findings: Findings, config: Path | None) -> StudentSize | None:
    """The size of the recommended student, before a confirmation of the best trial's; None where it is not recorded.

    Args:
        findings: the analysis.
        config: the file with its config, where there is one.
    """
    numbers, best = verdicts.current(findings), findings.ranking.best
    if numbers is not None:
        held = numbers["contenders"][verdicts.recommended(numbers)].get("parameters")
    else:
        held = (
            None
            if best is None or best.folder is None
            else (read_results(best.folder) or {}).get("parameters")
        )
        config = None if best is None or best.folder is None else best.folder / "config.yaml"
    total = held.get("total") if isinstance(held, Mapping) else None
    if not isinstance(total, int):
        return None
    used = [] if config is None else list(verdicts.encoders(_read(config).get("student")).values())
    known = [MILLISECONDS[name] for name in used if name in MILLISECONDS]
    return StudentSize(total, round(sum(known), 1) if used and len(known) == len(used) else None, len(used))


def _read(path: Path) -> Mapping[str, Any]:
    """A file of YAML; empty where it cannot be read."""
    try:
        held = load_yaml(path)
    except YamlFileError:
        return {}
    return held if isinstance(held, Mapping) else {}
