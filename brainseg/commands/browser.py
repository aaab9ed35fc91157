"""`view` and `edit`: results in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.commands.root import Result
from brainseg.errors import require_there
from brainseg.terminal import mistakes_in_one_sentence, say

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")]
Browser = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")]


def view(
    result: Result,
    scan: Annotated[
        Path | None, typer.Option(help="Path of this result's scan, if it was moved and is not found.")
    ] = None,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Show a scan and its mask in the browser.

    The page shows slices, a 3-D picture, the tumour's size and the trust in the mask. For a folder with several
    results it begins with a list, least trusted first. The page needs no network. Only this result, or this folder, is
    served, until you press Ctrl-C; other users of the same computer could open it. A scan that was moved is looked for
    near the result and recognised by its digest.
    """
    with mistakes_in_one_sentence():
        require_there([result], "name the <case>.json that brainseg predict wrote.")
        require_there([scan], "name the scan's file or folder.")
        from brainseg.view.cohort import CohortTable
        from brainseg.view.place import located
        from brainseg.view.result import find_result, results_in
        from brainseg.view.server import serve, serve_table

        if scan is None and result.is_dir() and len(found := results_in(result)[0]) > 1:
            serve_table(CohortTable(result, found), f"{len(found)} cases", port, browser, say)
        else:
            serve(located(find_result(result), scan), port, browser, say)


def edit(
    result: Result,
    annotator: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the person who corrects; can also be typed in the page.")
    ] = "",
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Correct masks in the browser by clicks, brush and eraser.

    A folder's results come least trusted first. The corrected mask is saved as <case>_corrected.nii.gz (or TIF slices,
    or also a DICOM SEG) beside the automatic mask, with <case>_corrected.json. Every action is saved at once in
    <case>_corrected.journal.jsonl, and the next start continues from there. Ctrl-C ends the command.
    """
    with mistakes_in_one_sentence():
        from brainseg.edit.answers import Answers
        from brainseg.edit.desk import Desk, find_results
        from brainseg.edit.server import serve

        results, left = find_results(result)
        for problem in left:
            say(f"left: {problem}")
        serve(Desk(results, annotator, Answers.of), port, browser, say)
