"""What commands share: the program itself, a result as argument, and options that take a name of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from brainseg import __version__
from brainseg.terminal import say

Result = Annotated[
    Path,
    typer.Argument(metavar="RESULT", help="<case>.json that predict wrote, or a folder for all of its results."),
]
app = typer.Typer(
    help="Segments lower-grade glioma on brain MRI. For research only: not a medical device.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def one_of(names: Sequence[str], said: str) -> Any:
    """An option that takes one of a table's names."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in names:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(names)}.")
        return value

    return typer.Option(metavar=f"<{'|'.join(names)}>", callback=check, help=said)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"brainseg {__version__}")
        raise typer.Exit


@app.callback()
def brainseg(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segments lower-grade glioma on brain MRI. For research only: not a medical device."""
