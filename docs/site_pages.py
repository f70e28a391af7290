"""The pages of the site that are made from the code; MkDocs calls `on_...` as it builds the site."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
FOLDERS = ("src/distune", "benchmarks", "experiments", "tools")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    from mkdocs.structure.files import File

    pages = {
        "reference/cli.md": cli_page(),
        "reference/config.md": config_page(),
        "reference/rooms.md": rooms_page(),
        "benchmarks.md": (ROOT / "benchmarks/RESULTS.md").read_text(encoding="utf-8"),
        "contributing.md": root_page("CONTRIBUTING.md"),
        "changelog.md": root_page("CHANGELOG.md"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Makes plain text of links to files of the repository that are no part of the site."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def linked(found: re.Match[str]) -> str:
        target = (folder / found[2].partition("#")[0]).resolve()
        outside = target.exists() and ROOT in target.parents and ROOT / "docs" not in target.parents
        return found[1] if outside else found[0]

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#:]+)[^)]*\)", linked, markdown)


def root_page(name: str) -> str:
    """A page of the repository's root, with the links that it has into docs/ seen from there."""
    return (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")


def cli_page() -> str:
    """Every command with its arguments and options, from the application itself."""
    from distune.cli import app

    lines = ["# Command line", "", "Exit codes: [their page](exit-codes.md)."]
    for name, command in commands(get_command(app)):
        lines += [
            "",
            f"## distune {name}",
            "",
            plain(command.help or ""),
            "",
            "| | | Default |",
            "| --- | --- | --- |",
        ]
        lines += [parameter_row(each) for each in command.params if each.name != "help"]
    return "\n".join(lines) + "\n"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of an application that does something, with its name."""
    children = getattr(command, "commands", None)
    if not children:
        yield " ".join(path), command
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


def parameter_row(parameter: Any) -> str:
    """A row of a command's table: names, help, default."""
    if isinstance(parameter, click.Argument) or not getattr(parameter, "opts", [""])[0].startswith("-"):
        names = f"`{(parameter.name or '').upper()}`"
    else:
        names = " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = (
        ""
        if parameter.default in (None, False, ()) or callable(parameter.default)
        else f"`{parameter.default}`"
    )
    needed = "**required**" if parameter.required else default
    return f"| {names} | {cell(plain(getattr(parameter, 'help', '') or ''))} | {cell(needed)} |"


def config_page() -> str:
    """Every section of a config with its fields, their texts and defaults."""
    from distune.config.experiment import Config

    lines = [
        "# Config",
        "",
        "A config is one YAML file. Unknown keys are errors, and each error names the nearest known key.",
        "`distune check` reads a config and says all that is wrong with it.",
        "What a run wrote as `config.yaml` has every default written out.",
        "",
        "## Top level",
        "",
        *fields_table(Config),
    ]
    for name, section in sections(Config):
        lines += ["", f"## {name}", "", (section.__doc__ or "").strip(), "", *fields_table(section)]
    return "\n".join(lines) + "\n"


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections below a section, each once, with the key under which it stands."""
    seen: set[type[BaseModel]] = set()
    for name, field in model.model_fields.items():
        for section in models_in(field.annotation):
            if section not in seen:
                seen.add(section)
                key = f"{path}{name}"
                yield key, section
                yield from ((k, s) for k, s in sections(section, f"{key}.") if s not in seen)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_in(part)]


def fields_table(section: type[BaseModel]) -> list[str]:
    """A table of a section's fields."""
    rows = [
        f"| `{name}` | {cell(meaning(section, name, field))} | {cell(type_of(field))} | {cell(default_of(field))} |"
        for name, field in section.model_fields.items()
    ]
    return ["| Key | Meaning | Values | Default |", "| --- | --- | --- | --- |", *rows]


def meaning(section: type[BaseModel], name: str, field: FieldInfo) -> str:
    """A field's text; one that only changes a default has the text of the section it comes from."""
    for each in section.__mro__:
        fields = getattr(each, "model_fields", {})
        if name in fields and fields[name].description:
            return str(fields[name].description)
    found = models_in(field.annotation)
    return (found[0].__doc__ or "").strip().splitlines()[0] if found else ""


def type_of(field: FieldInfo) -> str:
    """The values that a field takes."""
    limits = [
        f"{sign} {getattr(part, name)}"
        for part in field.metadata
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if getattr(part, name, None) is not None
    ]
    return " ".join([values(field.annotation), ", ".join(limits)]).strip()


def values(annotation: Any) -> str:
    """An annotation in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(parts[0])
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin in (Union, UnionType):
        named = [values(part) for part in parts if part is not type(None)]
        return " or ".join(dict.fromkeys(named)) + (", or empty" if type(None) in parts else "")
    if origin is tuple:
        return f"list: {values(parts[0])}"
    if origin is dict:
        return f"{values(parts[1])}, by name"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return WORDS.get(annotation, str(annotation))


def default_of(field: FieldInfo) -> str:
    """A field's default as YAML would write it."""
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return f"`{default.name}`" if hasattr(default, "name") and len(type(default).model_fields) < 8 else ""
    return (
        ""
        if default in (None, (), {})
        else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    )


def rooms_page() -> str:
    """Every folder and file with the first line of its docstring."""
    lines = [
        "# The rooms of the source",
        "",
        "Every file, in one line; made from their docstrings. `tests/` mirrors `src/`.",
    ]
    for folder in FOLDERS:
        for package in sorted({path.parent for path in (ROOT / folder).rglob("*.py")}):
            modules = sorted(package.glob("*.py"))
            about = first_line(package / "__init__.py") if (package / "__init__.py") in modules else ""
            lines += [
                "",
                f"## {package.relative_to(ROOT).as_posix()}/",
                "",
                about,
                "",
                "| File | |",
                "| --- | --- |",
            ]
            lines += [
                f"| `{path.name}` | {cell(first_line(path))} |"
                for path in modules
                if path.name != "__init__.py"
            ]
    configs = sorted((ROOT / "config").rglob("*.yaml"))
    lines += ["", "## config/", "", "Runnable experiments.", "", "| File | |", "| --- | --- |"]
    for path in configs:
        about = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        lines.append(f"| `{path.relative_to(ROOT / 'config').as_posix()}` | {cell(about)} |")
    return "\n".join(lines) + "\n"


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def plain(text: str) -> str:
    """A help text without Rich's escapes."""
    return re.sub(r"\s+", " ", text.replace("\\[", "[").replace("\f", "")).strip()


def cell(text: str) -> str:
    """A text that stays inside one cell of a Markdown table."""
    return (
        re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[") if text else ""
    )
