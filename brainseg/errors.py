"""Errors that a user can mend. Everything else is a defect and keeps its traceback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Bad input or environment, said in one sentence.

    The message says what was found, where, what was expected and what to do.
    Commands print it without a traceback and exit with status 2.

    Attributes:
        problems: one sentence per problem where one pass found several, in the order found.
    """

    def __init__(self, summary: str, problems: Sequence[str] = ()):
        self.problems = list(problems)
        self.lines = [summary, *(f"  - {problem}" for problem in self.problems)]
        super().__init__(*((summary, self.problems) if self.problems else (summary,)))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class ParamsError(UserError):
    """A key of params.yaml (or of a model's JSON) is unknown, missing, ill-typed or out of range."""


class DataError(UserError):
    """Input data are not what the pipeline can work on."""


class NotTrusted(DataError):  # noqa: N818
    """Input that can be read, but is probably not what it is taken for; `--trust-input` insists on it."""


def require_there(paths: Iterable[Path | None], hint: str) -> None:
    """Refuse a path that leads nowhere, before anything is imported that takes a second.

    Args:
        paths: that the user named; None where he named none.
        hint: what to do, after a semicolon.

    Raises:
        DataError: the first that does not exist.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise DataError(f"{path} does not exist; {hint}")


def doubt(sentence: str, trust: bool, warnings: list[str]) -> None:
    """Say what speaks against the input.

    Args:
        sentence: what was found, where, and what was expected; without a full stop.
        trust: the user insists: the sentence becomes a warning.
        warnings: it is added to them.

    Raises:
        NotTrusted: the user does not insist.
    """
    if not trust:
        raise NotTrusted(f"{sentence}; if you know better, say --trust-input.")
    warnings.append(sentence)


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Name the extra to install where a package that the block imports is missing.

    Args:
        name: of the extra in pyproject.toml that brings it.
        what: needs it, in words.

    Raises:
        UserError: a package that is not brainseg's own is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == __package__:
            raise
        raise UserError(f"{what} needs {missing}, which is not installed; {install(name)}.") from None


def install(name: str) -> str:
    """How an extra is installed. The name on the public index is another project's."""
    return f"run pip install '.[{name}]' in the clone of brainseg"


class DatasetError(DataError):
    """Several problems found in one pass over a dataset, all listed."""


class TrainingError(UserError):
    """Training cannot go on (diverged, out of memory); the message says what to change."""
