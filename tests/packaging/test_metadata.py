"""The package's metadata: ranges that are tested, pins that lie in them, one version."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from distune import __version__

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]


def pins(name: str) -> dict[str, Version]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return {name: Version(version) for name, version in (line.split("==") for line in lines if line)}


EXACT, MINIMUM = pins("constraints.txt"), pins("constraints-minimum.txt")


@pytest.mark.parametrize("requirement", [*REQUIREMENTS, *EXTRAS], ids=str)
def test_the_exact_pin_lies_in_the_range(requirement: Requirement) -> None:
    assert EXACT[requirement.name.lower()] in requirement.specifier


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_the_lower_bound_is_the_version_tested(requirement: Requirement) -> None:
    (bound,) = (part.version for part in requirement.specifier if part.operator == ">=")
    assert not any(part.operator == "==" for part in requirement.specifier)
    if requirement.name != "torch":
        assert MINIMUM[requirement.name] == Version(bound)


def test_citation_and_package_have_one_version() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__


def test_the_licence_is_the_one_that_the_metadata_name() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])


def test_types_are_for_others_too() -> None:
    assert (ROOT / "src/distune/py.typed").is_file()
