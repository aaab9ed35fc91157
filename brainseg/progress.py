"""Progress on the terminal; nothing where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from brainseg.terminal import printable

T = TypeVar("T")


def progress(items: Sequence[T], text: str) -> Iterable[T]:
    """Yield `items` under a bar with the time left, on stderr, if stderr is a terminal."""
    console = Console(stderr=True)
    return track(items, printable(text), console=console, transient=True, disable=not console.is_terminal)
