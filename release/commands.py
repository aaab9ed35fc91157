"""The site's page of commands, from the functions that Typer runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from brainseg.cli import app

ROOT = Path(__file__).parents[1]
HEAD = """# Commands

This page is made from the commands themselves; `--help` prints the same text. If you make a mistake, the command prints
one sentence and ends with exit status 2. A traceback is a defect; please report it.

## Scans, masks and runs

"""

STAGES = """## Stages of the pipeline

`dvc repro` runs these commands as dvc.yaml says. You can also run them by hand. They then refuse to write into a folder
that is not empty.

"""


class Parameter(NamedTuple):
    """An argument or an option of a command, as text."""

    name: str
    value: str
    default: str
    meaning: str


def commands_page() -> str:
    """Every command of `brainseg` and every stage, with arguments, options and defaults, as Markdown."""
    functions = [found.callback for found in app.registered_commands if found.callback]
    scans = [command(f"brainseg {function.__name__}", function) for function in functions]
    stages = [command(f"python -m stages.{name}", stage(name)) for name in stage_names()]
    return HEAD + "\n".join(scans) + "\n" + STAGES + "\n".join(stages)


def stage_names() -> list[str]:
    """Modules of the stages, in the order in which dvc.yaml runs them, and last the check of params.yaml."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    return [*dict.fromkeys(re.findall(r"cmd: python -m stages\.(\w+)", text)), "check"]


def stage(name: str) -> Callable[..., Any]:
    """The function that the module of a stage runs as its command."""
    module = import_module(f"stages.{name}")
    called = re.search(r"^if __name__ == .*:\n    \w+\((\w+)\)", inspect.getsource(module), re.MULTILINE)
    if not called:
        raise LookupError(f"stages/{name}.py runs no command")
    return getattr(module, called[1])


def command(title: str, function: Callable[..., Any]) -> str:
    """A heading, the docstring and the table of parameters."""
    rows = "\n".join(f"| {' | '.join(parameter)} |" for parameter in parameters(function))
    text = inspect.cleandoc(function.__doc__ or "").replace("<", "&lt;")
    return f"### {title}\n\n{text}\n\n| name | value | default | meaning |\n| --- | --- | --- | --- |\n{rows}\n"


def parameters(function: Callable[..., Any]) -> Iterator[Parameter]:
    """What Typer makes of the function's annotations."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, *extras = get_args(hints[name])
        info = next(extra for extra in extras if isinstance(extra, ArgumentInfo | OptionInfo))
        default = parameter.default
        yield Parameter(
            name=_names(name, kind, info),
            value=_value(kind),
            default="required" if default in (inspect.Parameter.empty, ...) else _default(default),
            meaning=cell(info.help or ""),
        )


def _names(name: str, kind: Any, info: ArgumentInfo | OptionInfo) -> str:
    if isinstance(info, ArgumentInfo):
        return f"`{info.metavar or name.upper()}`"
    option = name.replace("_", "-")
    # within Annotated the first name is where a default would stand
    given = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
    given = given or [f"--{option}/--no-{option}" if kind is bool else f"--{option}"]
    return " / ".join(f"`{part}`" for part in "/".join(given).split("/"))


def _value(kind: Any) -> str:
    """What can be given, in a word."""
    parts = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if parts:  # of list[Path] | None
        return _value(parts[0])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    return {bool: "switch", Path: "path", int: "integer", float: "number", str: "text"}[kind]


def _default(value: Any) -> str:
    if value is None or value is False:
        return ""
    return f"`{'on' if value is True else value.value if isinstance(value, Enum) else value}`"


def cell(text: str) -> str:
    """One line of Markdown in which no sign ends a table's cell; a first word that is no name gets a capital."""
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text[:1].upper() + text[1:] if text.partition(" ")[0].strip(",").isalpha() else text
