"""Typed, frozen parameters, read from params.yaml section by section.

The class of each section stands beside the code it steers (`SkullStripParams` in
preprocess/skull_strip.py and so on), so that a new parameter of one stage does not
invalidate the others in DVC's eyes. These classes have no defaults: there is one set of them, the file
`defaults.yaml` of the package, which is the repository's params.yaml. This module knows only how to read and complain.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from brainseg.errors import ParamsError

MAX_BYTES = 1 << 20
"""Of params.yaml, which takes 3 KB."""
MAX_VALUES = 10_000
"""In params.yaml once its aliases are written out; it has a hundred."""
SHOWN = 80
"""So many characters of a wrong value are repeated."""


class Params(BaseModel):
    """Base of every section: immutable, strict about types, unknown keys, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=(), allow_inf_nan=False)


P = TypeVar("P", bound=Params)
T = TypeVar("T")


class Choices(dict[str, T]):
    """A table of alternatives of which one is taken by its name.

    It is written as `Choices({"name": entry, ...}, by=("section.key", ...))` at the top of a module, so that the stage
    `code` can read it without running it: only the entries that params.yaml has under the keys `by` count as code of a
    stage; where `by` is empty those that the stage's command names, and all of them where it names none.

    Args:
        entries: by name; written out, so that nothing has to be run to know the names.
        by: dotted keys of params.yaml.
    """

    def __init__(self, entries: Mapping[str, T], by: Sequence[str] = ()):
        super().__init__(entries)
        self.by = tuple(by)


def shipped() -> dict[str, Any]:
    """All parameters as the package recommends them, by section in the order of params.yaml."""
    return dict(parse_yaml((files("brainseg") / "defaults.yaml").read_text(encoding="utf-8")))


def shipped_section(section: str, kind: type[P], **changes: Any) -> P:
    """One section of `shipped`, with other values for some of its keys.

    Raises:
        ParamsError: a changed value is unknown, ill-typed or out of range.
    """
    return validate(shipped()[section] | changes, kind, where=section)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read all of params.yaml, for what is about all sections; a stage reads its own with `load_section`.

    Raises:
        ParamsError: the file is missing, not YAML, not a mapping, or has an unknown top-level key.
    """
    loaded, known = _read_mapping(path), shipped()
    for key in loaded:
        if key not in known:
            raise ParamsError(_ended(f"{path}: unknown key '{key}'{_did_you_mean(str(key), known)}"))
    return loaded


def _read_mapping(path: Path) -> dict[str, Any]:
    """Without a look at the keys: which sections there are is no business of a stage that reads one of them."""
    try:
        loaded = parse_yaml(read_text(path, MAX_BYTES))
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; run from the root of a brainseg checkout or pass --params."
        ) from None
    except ValueError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}; correct it there.") from None
    if not isinstance(loaded, dict):
        raise ParamsError(
            f"{path} holds a {type(loaded).__name__}, expected a mapping with the keys {', '.join(shipped())}."
        )
    return loaded


def read_text(path: Path, most: int) -> str:
    """A file that a person or brainseg wrote, and that cannot be large; it is never read further than `most` bytes.

    Raises:
        FileNotFoundError: there is none.
        ValueError: says in a few words what is there instead: a folder, a pipe, too much, or no UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is a folder" if path.is_dir() else "it is not a regular file")
    with path.open("rb") as handle:
        content = handle.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most / 1e6:.0f} MB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from None


def parse_json(text: str) -> Any:
    """JSON as brainseg writes it, with finite numbers alone.

    Raises:
        ValueError: says in a few words what is wrong, also with text that nests too deep to be read.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def parse_yaml(text: str) -> Any:
    """YAML of plain values.

    Raises:
        ValueError: says in a few words what is wrong: syntax, a key given twice, nesting too deep to be read, or
            aliases that stand for more than `MAX_VALUES` values.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count_values(node, {})
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or a number that cannot be
        raise ValueError(" ".join(str(error).split())) from None


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below `node`, aliases written out; refuse too many, and a key that a mapping has twice."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_VALUES  # until it is known: a node that holds itself has no end
    below = []
    if isinstance(node, yaml.MappingNode):
        _refuse_doubled(node)
        below = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    count = 1 + sum(_count_values(part, known) for part in below)
    if count > MAX_VALUES:
        raise ValueError(f"its aliases stand for more than {MAX_VALUES} values, or for themselves")
    known[id(node)] = count
    return count


def _refuse_doubled(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue  # refused later: a key is a name
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ValueError(f"the key '{key.value}' stands in line {lines[key.value]} and again in line {line}")
        lines[key.value] = line


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number that JSON has")


def load_section(path: Path, section: str, kind: type[P]) -> P:
    """Read one section of params.yaml as `kind`.

    Raises:
        ParamsError: names the file, the dotted key, what was found and what was expected.
    """
    raw = _read_mapping(path)
    if section not in raw:
        close = difflib.get_close_matches(section, map(str, raw), n=1)
        raise ParamsError(
            f"{path}: the section '{section}' is missing"
            + (f", is it '{close[0]}'?" if close else "; add it (see the README's table of parameters).")
        )
    return validate(raw[section], kind, where=f"{path}: {section}")


def load_seed(path: Path) -> int:
    """The top-level `seed`: an integer from 0 to 2**32 - 1, from which every random draw comes."""
    seed = _read_mapping(path).get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ParamsError(f"{path}: seed is {_short(seed)}, expected an integer from 0 to {2**32 - 1}.")
    return seed


def validate(raw: Any, kind: type[P], where: str) -> P:
    """Turn a plain mapping into `kind`; `where` is the file and section named in messages."""
    if not isinstance(raw, Mapping):
        raise ParamsError(f"{where} is {_short(raw)}, expected a mapping with the keys {', '.join(kind.model_fields)}.")
    try:
        return kind.model_validate(dict(raw))
    except ValidationError as error:
        raise ParamsError(_ended("; ".join(_sentence(e, kind, where) for e in error.errors()))) from None


def _sentence(error: Any, kind: type[Params], where: str) -> str:
    key = ".".join(str(part) for part in error["loc"] if not str(part).startswith(("function-", "literal[")))
    name = f"{where}.{key}" if key else where
    if error["type"] == "extra_forbidden":
        return f"unknown key {name}{_did_you_mean(key.split('.')[-1], kind.model_fields)}"
    if error["type"] == "missing":
        return f"{name} is missing"
    message = error["msg"].removeprefix("Value error, ")
    found = f" is {_short(error['input'])}" if key else ""  # a section as a whole is not printed
    return f"{name}{found}: {message[0].lower()}{message[1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith("?") else f"{sentence}."


def _did_you_mean(key: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(key, known, n=1)
    return f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
