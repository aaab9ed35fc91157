"""`verify`: results against a prediction made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.commands.root import Result
from brainseg.errors import require_there
from brainseg.terminal import mistakes_in_one_sentence, say


def verify(
    result: Result,
    weights: Annotated[
        Path | None, typer.Option(help="Models that made the results (default: the shipped models).")
    ] = None,
) -> None:
    """Predict again and compare the masks, voxel by voxel.

    The scan, the weights and the result's files must be unchanged. The exit status is 0 if no voxel differs, and 1 if
    one does.
    """
    differing = 0
    with mistakes_in_one_sentence():
        require_there([result, weights], "name the <case>.json that brainseg predict wrote, or its folder.")
        from brainseg.cohort.verify import verify as verify_results

        for found in verify_results(result, weights):
            say(str(found))
            differing += found.differing
    raise typer.Exit(1 if differing else 0)
