"""The numbers of the analysis as Markdown, HTML and figures."""

from __future__ import annotations

import importlib.util

from distune.errors import UserError

INSTALL = "pip install 'distune[report]'"


def installed() -> bool:
    """Whether the packages of the extra `report` are there: matplotlib and Jinja2."""
    return all(importlib.util.find_spec(name) is not None for name in ("matplotlib", "jinja2"))


def require() -> None:
    """Checks that a report can be written.

    Raises:
        UserError: matplotlib or Jinja2 is not installed.
    """
    if not installed():
        raise UserError(f"a report needs matplotlib and Jinja2: {INSTALL}")
