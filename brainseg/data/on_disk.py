"""Values of many patients of which a few at a time are in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")
KEPT = 16
"""So many patients stay in memory: the test patients of a small study are read once, and a large one has room."""


class OnDisk(Mapping[str, T]):
    """A mapping whose values are read when they are asked for.

    >>> squares = OnDisk(["2", "3"], lambda name: int(name) ** 2)
    >>> squares["3"], sorted(squares)
    (9, ['2', '3'])
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], T], kept: int = KEPT):
        """Read nothing yet.

        Args:
            names: of the values.
            read: a name to its value; what it raises is raised where the value is asked for.
            kept: so many values, those that were asked for last, stay in memory.
        """
        self._names = dict.fromkeys(names)
        self._read = lru_cache(kept)(read)

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def each(values: Mapping[str, T], part: Callable[[T], U]) -> Mapping[str, U]:
    """A part of every value, taken when it is asked for and not kept."""
    return OnDisk(values, lambda name: part(values[name]), kept=0)
