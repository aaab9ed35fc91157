"""Typed, frozen parameters, read from params.yaml section by section.

The class of each section stands beside the code it steers (`SkullStripParams` in
preprocess/skull_strip.py and so on), so that a new parameter of one stage does not
invalidate the others in DVC's eyes. This module knows only how to read and complain.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from brainseg.errors import ParamsError

SECTIONS = (
    "seed",
    "download",
    "filter_labeled",
    "skull_strip",
    "clahe",
    "split",
    "train",
    "unet",
    "unetpp",
    "postprocess",
    "evaluate",
    "radiogenomics",
)


class Params(BaseModel):
    """Base of every section: immutable, strict about types, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


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


def read_yaml(path: Path) -> dict[str, Any]:
    """Read params.yaml and check its top-level keys.

    Raises:
        ParamsError: the file is missing, not YAML, not a mapping, or has an unknown or missing key.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; run from the root of a brainseg checkout or pass --params."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = " ".join(str(error).split())
        raise ParamsError(f"{path} is not valid YAML: {first}; correct it there.") from None
    if not isinstance(loaded, dict):
        raise ParamsError(
            f"{path} holds a {type(loaded).__name__}, expected a mapping with the keys {', '.join(SECTIONS)}."
        )
    for key in loaded:
        if key not in SECTIONS:
            raise ParamsError(_ended(f"{path}: unknown key '{key}'{_did_you_mean(str(key), SECTIONS)}"))
    return loaded


def load_section(path: Path, section: str, kind: type[P]) -> P:
    """Read one section of params.yaml as `kind`.

    Raises:
        ParamsError: names the file, the dotted key, what was found and what was expected.
    """
    raw = read_yaml(path)
    if section not in raw:
        raise ParamsError(f"{path}: the section '{section}' is missing; add it (see the README's table of parameters).")
    return validate(raw[section], kind, where=f"{path}: {section}")


def load_seed(path: Path) -> int:
    """The top-level `seed`: an integer from 0 to 2**32 - 1, from which every random draw comes."""
    seed = read_yaml(path).get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ParamsError(f"{path}: seed is {seed!r}, expected an integer from 0 to {2**32 - 1}.")
    return seed


def validate(raw: Any, kind: type[P], where: str) -> P:
    """Turn a plain mapping into `kind`; `where` is the file and section named in messages."""
    if not isinstance(raw, Mapping):
        raise ParamsError(f"{where} is {raw!r}, expected a mapping with the keys {', '.join(kind.model_fields)}.")
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
    found = f" is {error['input']!r}" if key else ""  # a section as a whole is not printed
    return f"{name}{found}: {message[0].lower()}{message[1:]}"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith("?") else f"{sentence}."


def _did_you_mean(key: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(key, known, n=1)
    return f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
