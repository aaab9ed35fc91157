"""What every stage shares: user errors in one sentence with exit status 2, and a line in logs/stages.csv."""

from __future__ import annotations

import csv
import functools
import inspect
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from brainseg.terminal import mistakes_in_one_sentence

LOG = Path("logs/stages.csv")
ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters' file.")]
PARAMS = Path("params.yaml")


def run_command(command: Callable[..., Any]) -> None:
    """Run one function as a command line of its own."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.command()(_guarded(command))
    app()


def _guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        started = time.perf_counter()
        with mistakes_in_one_sentence():
            command(*args, **kwargs)
        _log(_stage_name(command, kwargs), time.perf_counter() - started)

    return guarded


def _stage_name(command: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """As in dvc.yaml: the module's name, and for `train` the network's."""
    module = Path(inspect.getfile(command)).stem
    return f"{module}_{arguments['network']}" if "network" in arguments else module


def _log(name: str, seconds: float) -> None:
    """Append what the stage took: the table of `python -m benchmarks.stages` is made from it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    LOG.parent.mkdir(exist_ok=True)
    new = not LOG.exists()
    with LOG.open("a", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        if new:
            writer.writerow(["finished", "stage", "seconds", "peak_mib"])
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
        writer.writerow([stamp, name, f"{seconds:.1f}", f"{peak:.0f}"])
