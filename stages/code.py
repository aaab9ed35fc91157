"""Before all stages: are all parameters fit to run with, and what does each stage run.

A stage is stale when what it runs has changed, and not when a comment has.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
import yaml

from brainseg.errors import DataError
from brainseg.files import atomic_path
from brainseg.params import read_yaml
from stages._closure import Closure
from stages._command import PARAMS, ParamsFile, run_command
from stages._reach import Project
from stages.check import check

FOLDERS = ("brainseg", "stages")
_LINE = re.compile(rb"[0-9a-f]{16}  \S+")


def code(
    pipeline: Annotated[Path, typer.Argument(help="dvc.yaml, for the stages and their commands.")],
    out: Annotated[Path, typer.Argument(help="Folder to write: STAGE.txt, one line a definition that the stage runs.")],
    params: ParamsFile = PARAMS,
) -> None:
    """Check all of params.yaml, then write what the code of each stage means.

    A stage's file has a digest of every function, class, constant and data file that it reaches. Comments,
    docstrings, annotations and the texts of errors do not count, nor does an entry of a table of choices that the
    parameters do not choose. `git diff` of the folder names what has changed.
    """
    check(params)  # here, since dvc runs this stage before all others whenever params.yaml has changed
    project = Project(Path(), FOLDERS)
    content = read_yaml(params)
    found = {
        stage: Closure(project, module, arguments, content).lines()
        for stage, (module, *arguments) in commands(pipeline).items()
        if stage != "code"
    }
    _require_own(out, found)
    for stage, lines in found.items():
        with atomic_path(out / f"{stage}.txt") as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _require_own(out: Path, stages: Iterable[str]) -> None:
    """Refuse to replace a file that does not consist of digests."""
    for path in (out / f"{stage}.txt" for stage in stages):
        if path.exists() and not all(_LINE.fullmatch(line) for line in path.read_bytes().splitlines()):
            raise DataError(f"{path} is in the way: it holds no digests of code; move it elsewhere and run again.")


def commands(pipeline: Path) -> dict[str, list[str]]:
    """The module and the arguments of each stage of a dvc.yaml.

    Raises:
        DataError: a stage's command is not `python -m MODULE ...`.
    """
    stages = yaml.safe_load(pipeline.read_text(encoding="utf-8"))["stages"]
    words = {name: shlex.split(stage["cmd"]) for name, stage in stages.items()}
    for name, found in words.items():
        if found[:2] != ["python", "-m"]:
            raise DataError(f"{pipeline}: the stage {name} does not begin with 'python -m'; write it so.")
    return {name: found[2:] for name, found in words.items()}


if __name__ == "__main__":
    run_command(code)
