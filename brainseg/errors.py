"""Errors that a user can mend. Everything else is a defect and keeps its traceback."""

from __future__ import annotations

from collections.abc import Sequence


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


class DatasetError(DataError):
    """Several problems found in one pass over a dataset, all listed."""


class TrainingError(UserError):
    """Training cannot go on (diverged, out of memory); the message says what to change."""
