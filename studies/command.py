"""What the studies share: a user's mistake is one sentence and exit status 2."""

from __future__ import annotations

import typer

from brainseg.terminal import mistakes_in_one_sentence


def run_app(app: typer.Typer) -> None:
    """Run the commands of a study."""
    with mistakes_in_one_sentence():
        app()
