"""`compare`: two runs of the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainseg.errors import extra
from brainseg.terminal import mistakes_in_one_sentence, say


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Branch, commit, experiment, or folder of metrics.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same, to compare with A.")],
    out: Annotated[Path, typer.Option(help="Picture to write: each patient's Dice in both.")] = Path("compare.png"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace --out even if brainseg did not write it.")
    ] = False,
) -> None:
    """Test which of two pipeline runs is better.

    The runs are compared on the patients that both tested.
    """
    with mistakes_in_one_sentence():
        from brainseg.files import require_file

        with extra("analysis", "compare"):
            from brainseg.report import compare as report

        require_file(out, ".png", replace=replace or report.is_picture(out))
        left, right = report.read_side(a), report.read_side(b)
        compared = report.compare(left, right)
        report.draw(out, compared, a, b)
        if alone := report.unpaired(left, right):
            say(f"left out: {len(alone)} patients that only one of them tested ({', '.join(alone[:3])} ...)")
        for model, (result, _) in compared.items():
            say(report.sentence(model, result, a, b))
        say(f"picture: {out}")
