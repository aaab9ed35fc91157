"""What a command says at its end: a user's mistake in one sentence, exit status 2, no traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from brainseg.errors import UserError

MISTAKE = 2
"""Exit status after a mistake that the user can mend."""


def sentence(error: BaseException) -> str | None:
    """What to tell the user of `error`; None if it is a defect, whose traceback is wanted."""
    match error:
        case UserError():
            return str(error)
        case PermissionError():
            return f"no permission for {error.filename}; change its owner or mode, or choose another place."
        case FileExistsError() | IsADirectoryError() | NotADirectoryError():
            return f"{error.filename} is in the way ({error.strerror}); move it elsewhere and run again."
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"no space left while writing {error.filename or 'output'}; free some space and run again."
        case MemoryError():
            return f"memory ran out ({error}); use fewer --workers, or a machine with more."
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
