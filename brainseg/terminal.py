"""What a command says at its end: a user's mistake in one sentence, exit status 2, no traceback."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from brainseg.errors import UserError

MISTAKE = 2
"""Exit status after a mistake that the user can mend."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


_NO_MEMORY = re.compile(
    "bad_alloc|not enough memory|insufficient memory|out of memory|can(no|')t allocate memory|can't start new thread"
    "|failed to map segment|could not create a (memory|primitive)|failed to allocate",
    re.IGNORECASE,
)
"""What torch, OpenVINO, OpenCV and the system's loader say, which have no MemoryError."""


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


def sentence(error: BaseException) -> str | None:
    """What to tell the user of `error`; None if it is a defect, whose traceback is wanted."""
    if ran_out_of_memory(error):
        said = " ".join(str(error).split())[:150]
        return f"memory ran out{f' ({said})' if said else ''}; close other programs, or take a machine with more."
    match error:
        case UserError():
            return str(error)
        case PermissionError():
            return f"no permission for {error.filename}; change its owner or mode, or choose another place."
        case FileExistsError() | IsADirectoryError() | NotADirectoryError():
            return f"{error.filename} is in the way ({error.strerror}); move it elsewhere and run again."
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"no space left while writing {error.filename or 'output'}; free some space and run again."
    return None


@contextmanager
def mistakes_in_one_sentence() -> Iterator[None]:
    """End with exit status 2 where the user can mend what went wrong; a defect keeps its traceback."""
    try:
        yield
    except Exception as error:
        if (said := sentence(error)) is None:
            raise
        typer.echo(f"error: {said}", err=True)
        raise SystemExit(MISTAKE) from None
