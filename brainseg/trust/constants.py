"""Constants that were learnt and lie in the package as JSON."""

from __future__ import annotations

from pathlib import Path

from brainseg.errors import DataError
from brainseg.params import P, parse_json, read_text, validate

MAX_BYTES = 1 << 16
"""Of such a file, which takes a few KB."""


def load_constants(path: Path, kind: type[P], use: str) -> P:
    """Read the constants of one kind.

    Args:
        path: of the JSON.
        kind: what has to be in it.
        use: what the file is for, as a clause of the message.

    Raises:
        DataError: the file is missing, too large, or no JSON.
        ParamsError: a constant is missing, ill-typed or out of range.
    """
    try:
        plain = parse_json(read_text(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        reason = "it does not exist" if isinstance(error, FileNotFoundError) else str(error)
        raise DataError(f"{path}, {use}, cannot be read ({reason}); install again.") from None
    return validate(plain, kind, where=str(path))
