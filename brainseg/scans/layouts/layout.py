"""What there is to know of one layout of files; `known.LAYOUTS` is the table of all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from brainseg.scans.case import Case

SHOWN = 6
"""So many names of files in a sentence."""


class Layout(ABC):
    """A way in which several files make a case, told by their names and folders.

    Attributes:
        inputs: what a user may name, as in "a BIDS dataset".
    """

    inputs: ClassVar[str]

    @abstractmethod
    def cases(self, folder: Path) -> list[Case]:
        """The cases in `folder`, by name; none where it has another layout.

        What looks like a patient but cannot be read is a case with a `problem`, so that nobody is left out unsaid.
        """


def listed(files: list[Path]) -> str:
    """The first names, for a sentence."""
    names = sorted({file.name for file in files})
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
