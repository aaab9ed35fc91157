"""Names of cases and slices: each becomes the name of files, so each is one plain part of a path."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from brainseg.errors import DataError

LONGEST = 200
"""Bytes of a name: file systems allow 255, and endings and names of temporary files are added."""


def folder_name(path: Path) -> str:
    """A folder's own name as the user wrote it; where that is `.` or `..`, the name that stands behind it."""
    return path.name if path.name not in ("", ".", "..") else path.resolve().name


def check_name(name: str, path: Path) -> str:
    """`name`, if files can be called after it.

    Args:
        name: of a case or a slice.
        path: that it was taken from, for the message.

    Raises:
        DataError: empty, `.` or `..`, with a separator, not UTF-8, with characters that cannot be printed, or too long.
    """
    if name in ("", ".", ".."):
        wrong = "gives no name to call the output after"
    elif "/" in name or "\\" in name:
        wrong = f"would be called {name!r}, which is a path"
    elif any("\ud800" <= character <= "\udfff" for character in name):
        wrong = "has a name that is not UTF-8"
    elif not name.isprintable():
        wrong = "has characters in its name that cannot be printed"
    elif len(name.encode()) > LONGEST:
        wrong = f"has a name of {len(name.encode())} bytes, more than {LONGEST}"
    else:
        return name
    raise DataError(f"{str(path)!r} {wrong}, and output is named after it; rename it, or name a copy.")


def alike(name: str) -> str:
    """The same text for names that some file systems take for one: upper and lower case, composed letters or not."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
