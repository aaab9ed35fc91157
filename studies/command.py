"""What the studies share: a user's mistake is one sentence and exit status 2."""

from __future__ import annotations

import typer

from brainseg.errors import UserError


def run(app: typer.Typer) -> None:
    """Run the commands of a study."""
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None
