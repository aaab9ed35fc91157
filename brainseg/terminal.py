"""All that a command says: plain text, and at its end a user's mistake in one sentence without a traceback."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from brainseg.errors import UserError

MISTAKE = 2
"""Exit status after a mistake that the user can mend."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
TERMINATED = 143
"""Exit status after SIGTERM, as shells have it."""
_NO_MEMORY = re.compile(
    r"bad_alloc|not enough memory|insufficient memory|out of memory|can(no|')t alloc(ate memory)?\b"
    "|can't start new thread|failed to map segment|could not create a (memory|primitive)|failed to allocate",
    re.IGNORECASE,
)
"""What torch, OpenVINO, OpenCV and the system's loader say, which have no MemoryError."""
SHOWN = 120
"""So many characters of a name that is too long."""

_NUMBER_IN_TEXT = re.compile(r"\(os error (\d+)\)")  # how libraries written in Rust say what the system said

_NUMBERS: dict[type[OSError], int] = {PermissionError: errno.EACCES}
"""Of errors that a library raised by themselves, without the system's number."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says so, be it MemoryError or a library's own words."""
    match error:
        case MemoryError():
            return True
        case OSError():
            return error.errno == errno.ENOMEM
        case UserError() | KeyboardInterrupt() | SystemExit():
            return False
    return _NO_MEMORY.search(str(error)) is not None


def printable(text: str) -> str:
    """`text` with nothing in it that steers a terminal or hides what a name is.

    Names of files and of cases come from outside and may hold escape codes, line breaks, marks that turn the
    direction of writing, or bytes that are no text at all. Each such character is shown by its number.
    """
    return "".join(char if char.isprintable() else _by_number(char) for char in text)


def _by_number(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(text: str, *, err: bool = False) -> None:
    """Print lines, each as `printable` gives it, in characters that the stream can show.

    Args:
        text: one line or several.
        err: on stderr.
    """
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    lines = "\n".join(printable(line) for line in text.split("\n"))
    typer.echo(lines.encode(encoding, "backslashreplace").decode(encoding), err=err)


def sentence(error: BaseException) -> str | None:
    """What to tell the user of `error`; None if it is a defect, whose traceback is wanted."""
    if ran_out_of_memory(error):
        said = _of_memory(str(error))
        return f"memory ran out{f' ({said})' if said else ''}; close other programs, or take a machine with more."
    match error:
        case UserError():
            return "\n".join(printable(line) for line in error.lines)
        case OSError():
            return _of_the_system(error)
    if number := _NUMBER_IN_TEXT.search(str(error)):
        return _of_the_system(OSError(int(number[1]), "", None))
    return None


def _of_memory(text: str) -> str:
    """The line that says it: libraries say much more, from where in their code to where in a network."""
    found = _NO_MEMORY.search(text)
    line = next((line for line in text.splitlines() if found and found[0] in line), text)
    return " ".join(line.split())[:150]


def _of_the_system(error: OSError) -> str | None:
    """What the system refused, where, and what to do; None for what a user cannot mend."""
    place = _place(error)
    match error.errno if error.errno is not None else _NUMBERS.get(type(error)):
        case errno.EACCES | errno.EPERM:
            return f"no permission for {place}; change its owner or mode, or choose another place."
        case errno.EEXIST | errno.EISDIR | errno.ENOTDIR:
            return f"{place} is in the way ({error.strerror}); move it elsewhere and run again."
        case errno.EROFS:
            return f"{place} lies on a file system that can only be read; choose another place to write to."
        case errno.ENOSPC | errno.EDQUOT:
            return f"no space left while writing {place}; free some space, or choose another place, and run again."
        case errno.EFBIG:
            return f"{place} grew larger than its file system or `ulimit -f` allows; choose another place."
        case errno.ENAMETOOLONG:
            return f"the name {_shortened(place)} is longer than the file system takes; give a shorter one."
        case errno.ELOOP:
            return f"{place} is a symbolic link that leads back to itself; remove or mend the link."
        case errno.EMFILE | errno.ENFILE:
            return f"too many files are open at once to open {place}; raise `ulimit -n`, or use fewer --workers."
        case errno.EIO | errno.ENXIO | errno.ENODEV | errno.ESTALE | errno.ENOTCONN | errno.ETIMEDOUT:
            return f"the disk or network drive of {place} failed ({error.strerror}); see to it and run again."
    return None


def _place(error: OSError) -> str:
    """The file that an error is about; not every error says it, and some give a descriptor's number."""
    for name in (error.filename2, error.filename):  # of a rename the new name, which the user knows
        if isinstance(name, str | bytes | os.PathLike) and name:
            return printable(os.fsdecode(name))
    return "a file"


def _shortened(name: str) -> str:
    return name if len(name) <= SHOWN else f"{name[: SHOWN // 2]}...{name[-SHOWN // 2 :]}"


@contextmanager
def mistakes_in_one_sentence() -> Iterator[None]:
    """End with exit status 2 where the user can mend what went wrong; a defect keeps its traceback."""
    try:
        yield
    except Exception as error:
        if (said := sentence(error)) is None:
            raise
        say(f"error: {said}", err=True)
        raise SystemExit(MISTAKE) from None
