"""The journal of a correction: a line an action, on the disk before the action counts."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.params import parse_json

MOST_BYTES = 1 << 30
"""Of a journal; a thousand actions take a few megabytes."""


class Journal:
    """Lines of JSON that only grow, and a lock that ends with the process.

    A line is there whole or not at all: what a full disk or a kill left of one is cut off.

    Args:
        path: of the file; made where there is none.
        head: the first line, by which a journal knows what it is of.

    Attributes:
        lines: all after the first, as they were read or appended.

    Raises:
        DataError: another process has it open, it is of something else, or it is damaged.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]):
        self.path = path
        self._head = _line(head)
        self._digest = hashlib.sha256()
        self.lines: list[Any] = []
        if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
            raise DataError(f"{path} is in the way: it is no regular file; move it elsewhere.")
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            self._read(dict(head))
        except BaseException:
            os.close(self._handle)
            raise

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all lines after the first."""
        return self._digest.hexdigest()

    def append(self, line: Mapping[str, Any]) -> None:
        """Write a line, and wait until it is on the disk.

        Raises:
            OSError: it could not be written; the journal is as before.
        """
        self._restore()
        text = _line(line)
        size = os.fstat(self._handle).st_size
        try:
            _write(self._handle, text)
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, size)
            error.filename = str(self.path)
            raise
        self._digest.update(text)
        self.lines.append(json.loads(text))

    def close(self) -> None:
        """Let others have it; a journal in which nothing happened is removed."""
        if not self.lines and self._is_there():
            self.path.unlink()
        os.close(self._handle)

    def _lock(self) -> None:
        if sys.platform == "win32":
            return  # no such locks: the user has to see to it
        import fcntl

        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"{self.path} is open in another brainseg edit; go on there, or end that one with Ctrl-C first."
            ) from None
        except OSError:  # a file system without locks
            return

    def _read(self, head: dict[str, Any]) -> None:
        size = os.fstat(self._handle).st_size
        if size > MOST_BYTES:
            raise DataError(f"{self.path} has {size:,} bytes, expected a journal of brainseg edit; move it elsewhere.")
        with open(self._handle, "rb", closefd=False) as file:
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        first, _, rest = whole.partition(b"\n")
        if not first:  # new, or killed before its first line was whole
            if raw and not self._head.startswith(raw):
                raise DataError(f"{self.path} is no journal of brainseg edit; move it elsewhere.")
            os.ftruncate(self._handle, 0)
            _write(self._handle, self._head)
            return
        if (found := self._parsed(first, 1)) != head:
            self._refuse(found, head)
        self._digest.update(rest)
        self.lines = [self._parsed(text, i) for i, text in enumerate(rest.splitlines(), 2)]
        os.ftruncate(self._handle, len(whole))

    def _parsed(self, text: bytes, number: int) -> Any:
        try:
            return parse_json(text.decode())
        except ValueError:
            raise DataError(
                f"line {number} of {self.path} is damaged; restore the file, or move it elsewhere to begin anew."
            ) from None

    def _refuse(self, found: Any, head: dict[str, Any]) -> None:
        names = ", ".join(sorted(key for key in head if not isinstance(found, dict) or found.get(key) != head[key]))
        raise DataError(
            f"{self.path} is the journal of another mask ({names} differ), which is no longer there; move it and the "
            "corrected mask elsewhere to begin anew."
        )

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._handle))
        except FileNotFoundError:
            return False

    def _restore(self) -> None:
        """Write it anew where somebody removed or replaced the file in the meantime.

        Raises:
            OSError: also its folder is gone, or another file lies there.
        """
        if self._is_there():
            return
        if os.path.lexists(self.path):
            raise FileExistsError(17, "another file lies in its place", str(self.path))
        if not self.path.parent.is_dir():
            raise FileNotFoundError(2, "the folder of the result is gone", str(self.path.parent))
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(self._head + b"".join(map(_line, self.lines)))
        os.close(self._handle)
        self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND)
        self._lock()


def _write(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode() + b"\n"
