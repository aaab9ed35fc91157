"""Graphs kept in the user's cache: whole and with their digest, or made again."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from brainseg.files import atomic_path
from brainseg.terminal import say, sentence

_HEAD = b"brainseg graph 1\n"
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/brainseg`, usually ~/.cache/brainseg.

    Raises:
        RuntimeError: neither XDG_CACHE_HOME nor a home is known.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brainseg"


def read(name: str) -> tuple[bytes, bytes] | None:
    """The structure and the weights that `write` kept under a name; None if they are not there or not as written."""
    try:
        content = memoryview((cache_folder() / name).read_bytes())
    except (OSError, RuntimeError):
        return None
    if content[: len(_HEAD)] != _HEAD:
        return None
    digest, rest = content[len(_HEAD) : len(_HEAD) + _DIGEST], content[len(_HEAD) + _DIGEST :]
    if hashlib.sha256(rest).digest() != digest:
        return None
    end = _LENGTH + int.from_bytes(rest[:_LENGTH], "little")
    return bytes(rest[_LENGTH:end]), bytes(rest[end:])


def write(name: str, structure: bytes, weights: bytes, *, silent: bool = False) -> None:
    """Keep a graph; where that is not possible, say so once unless `silent`: the next run makes it again."""
    rest = len(structure).to_bytes(_LENGTH, "little") + structure + weights
    try:
        with atomic_path(cache_folder() / name) as temporary:
            temporary.write_bytes(_HEAD + hashlib.sha256(rest).digest() + rest)
    except (OSError, RuntimeError) as error:
        if not silent:
            warn(error)


def warn(error: Exception) -> None:
    """Say why graphs cannot be kept, once a process."""
    _say_once((sentence(error) or str(error)).split(";")[0].rstrip("."))


@functools.cache
def _say_once(why: str) -> None:
    say(
        f"warning: graphs cannot be kept in the cache ({why}), so each run makes them again, which takes some seconds; "
        "set XDG_CACHE_HOME to a folder with room.",
        err=True,
    )
