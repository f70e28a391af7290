"""The code blocks of README and documentation, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Attributes:
        page: the page's path from the root.
        language: bash, yaml, python, ...
        title: what stands above it: the file that it is, or what running it needs.
        code: its text.
    """

    page: str
    language: str
    title: str
    code: str

    @property
    def is_run(self) -> bool:
        """A block with a title such as "needs a GPU" is read, and not run."""
        return not self.title

    def commands(self) -> list[list[str]]:
        """Its commands, each as a list of words, without comments."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def pages() -> list[Path]:
    """README, the guide for contributors, and every page that someone wrote, in the order of the site."""
    order = re.findall(r"- ([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    written = [ROOT / "docs" / name for name in order if not name.startswith("studies/")]
    return [*(path for path in written if path.is_file()), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def blocks(*languages: str) -> list[Block]:
    """The code blocks in some languages, in the order of the pages."""
    return [
        Block(path.relative_to(ROOT).as_posix(), *found)
        for path in pages()
        for found in FENCE.findall(path.read_text(encoding="utf-8"))
        if found[0] in languages
    ]
