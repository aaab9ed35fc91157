"""The site's pages of reference, from the code: parameters, commands and the Python API.

`make docs` calls `write_reference`; none of what it writes is committed.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

import brainseg
from brainseg.params import Params
from release.commands import cell, commands_page
from stages.check import KINDS

SEED = ("integer from 0 to 4294967295", "Every random draw comes from it.")
BARE = ("brainseg.cli", "brainseg.commands", "brainseg.terminal", "brainseg.progress")
"""Modules and rooms that the commands' page describes, or that only print."""

PARAMETERS = """# Parameters

All parameters are in `params.yaml`. This page is made from that file and from the classes that read it. The defaults
are the values of the committed run.

If a key is unknown or given twice, or a value is out of range, the stage says so and ends with exit status 2
(`dvc repro` itself then ends with 255). `python -m stages.check` checks the whole file without running anything.

"""

PYTHON = """# Python

Most programs need only `brainseg.segment`. The rest is for those who extend the library.

```{eval-rst}
.. autofunction:: brainseg.segment

.. autoclass:: brainseg.Segmentation
   :members:
```

In signatures `U8`, `Bool`, `Int` and `Float` are NumPy arrays of uint8, bool, int64 and float32. Each docstring gives
their shapes. `Spacing` is the distance in millimetres between slices, rows and columns.

The library's rooms:

```{toctree}
:maxdepth: 1

"""


def write_reference(folder: Path, params: Path) -> None:
    """Write parameters.md, commands.md and python/*.md.

    Args:
        folder: to write into; docs/reference.
        params: params.yaml, for the defaults.
    """
    (folder / "python").mkdir(parents=True, exist_ok=True)
    pages = {"parameters.md": parameters_page(params), "commands.md": commands_page(), **python_pages()}
    for name, text in pages.items():
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")  # an unchanged page is not read again by Sphinx


def parameters_page(params: Path) -> str:
    """A table of keys, defaults, accepted values and meanings for each section, as Markdown."""
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    parts = [PARAMETERS]
    for section, value in values.items():
        rows = list(_rows(section, value, KINDS[section])) if isinstance(value, dict) else [(section, value, *SEED)]
        table = "\n".join(
            f"| `{key}` | {f'`{_shown(default)}`' if default is not None else ''} | {accepted} | {cell(text)} |"
            for key, default, accepted, text in rows
        )
        parts.append(f"## {section}\n\n| key | default | accepted | meaning |\n| --- | --- | --- | --- |\n{table}\n\n")
    return "".join(parts)


def _rows(prefix: str, values: Mapping[str, Any], kind: type[Params]) -> Iterator[tuple[str, Any, str, str]]:
    """First what is in the file, in its order, then what can be added to it."""
    told = meanings(kind)
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _rows(f"{prefix}.{name}", value, _section(kind, name))
        else:
            yield f"{prefix}.{name}", value, accepted(kind.model_fields[name]), told[name]
    for name, field in kind.model_fields.items():
        if name not in values:
            added = f"{told[name]} Not in params.yaml: set with `-S +{prefix}.{name}=...`."
            yield f"{prefix}.{name}", None, accepted(field), added


def accepted(field: FieldInfo) -> str:
    """The names that can be given, or the range of a number, in words."""
    kind, bounds = field.annotation, list(field.metadata)
    several = get_origin(kind) in (list, tuple)
    if several:
        kind = get_args(kind)[0]
        bounds = []
        if get_origin(kind) is Annotated:
            bounds = [bound for extra in get_args(kind)[1:] for bound in getattr(extra, "metadata", [extra])]
            kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{name}`" for name in get_args(kind))
    if kind is bool:
        text = "`true`, `false`"
    elif kind in (int, float):
        text = f"{'integer' if kind is int else 'number'} {_range(bounds)}".strip()
    else:
        text = "text"
    return f"list: {text}" if several else text


def _range(bounds: list[Any]) -> str:
    words = {"ge": "from {:g}", "gt": "above {:g}", "le": "to {:g}", "lt": "below {:g}"}
    found = {name: getattr(bound, name) for bound in bounds for name in words if hasattr(bound, name)}
    return " ".join(words[name].format(found[name]) for name in words if name in found)


def _section(kind: type[Params], name: str) -> type[Params]:
    found = kind.model_fields[name].annotation
    if not (isinstance(found, type) and issubclass(found, Params)):
        raise TypeError(f"{kind.__name__}.{name} is a section in params.yaml, and {found} in the code")
    return found


def meanings(kind: type[Params]) -> dict[str, str]:
    """What the docstring of a class, or of one that it comes from, says under `Attributes:` of each field.

    Raises:
        LookupError: names the fields of which nothing is said.
    """
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Params) and base.__doc__:
            block = re.search(
                r"^Attributes:\n(.*?)(?=^\S|\Z)", inspect.cleandoc(base.__doc__), re.DOTALL | re.MULTILINE
            )
            entries = re.findall(r"^    (\w+): (.*(?:\n(?:     .*|$))*)", block[1] if block else "", re.MULTILINE)
            told |= {name: " ".join(text.split()) for name, text in entries}
    if missing := set(kind.model_fields) - set(told):
        raise LookupError(f"{kind.__name__} says nothing of {', '.join(sorted(missing))}")
    return told


def python_pages() -> dict[str, str]:
    """A page for each room of the library, and one that lists them."""
    rooms: dict[str, list[str]] = {}
    for found in pkgutil.walk_packages(brainseg.__path__, "brainseg."):
        bare = ".".join(found.name.split(".")[:2]) in BARE
        if not bare and not found.name.rpartition(".")[2].startswith("_"):
            rooms.setdefault(found.name.split(".")[1], []).append(found.name)
    pages = {f"python/{room}.md": _room(room, modules) for room, modules in rooms.items()}
    pages["python/index.md"] = PYTHON + "\n".join(rooms) + "\n```\n"
    return pages


def _room(room: str, modules: list[str]) -> str:
    several = len(modules) > 1
    told = inspect.getdoc(import_module(f"brainseg.{room}")) or ""
    parts = [f"# brainseg.{room}\n\n{told if several else ''}\n"]
    for name in modules[1:] if several else modules:
        title = f"## {name.removeprefix(f'brainseg.{room}.')}\n\n" if several else ""
        parts.append(f"{title}```{{eval-rst}}\n.. automodule:: {name}\n```\n")
    return "\n".join(parts)


def _shown(value: Any) -> str:
    """As params.yaml has it."""
    return "" if value is None else yaml.safe_dump(value, default_flow_style=True).replace("...", "").strip()
