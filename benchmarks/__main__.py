"""`make bench`: our code beside the usual way, as ratios from one run."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmarks.settings import Sizes
    from benchmarks.timing import Comparison


COMMAND_PAIRS = 2
"""Timed turns of a whole command, of which each takes seconds."""


def main(pairs: Annotated[int, typer.Option(min=1, help="Timed turns of each comparison.")] = 5) -> None:
    """Time our code and the usual way of doing the same work in turns, on synthetic patients.

    The ratio is their time over ours, turn by turn: its median and range. Above 1 ours is faster.
    """
    from benchmarks import command
    from benchmarks.machine import cores, describe
    from benchmarks.settings import Sizes
    from benchmarks.timing import format_comparisons

    started = time.monotonic()
    comparisons = measure(Sizes(), pairs)
    _say("the whole command ...")
    with tempfile.TemporaryDirectory() as folder:
        patients = command.synthetic(Path(folder) / "in", 2 * cores())
        whole, commands = command.compare(patients, Path(folder), COMMAND_PAIRS, cores())
    print(format_comparisons([*comparisons, *whole]))
    print("\n" + command.memory(commands))
    seconds = time.monotonic() - started
    turns = f"medians of {pairs} pairs timed in turns, of whole commands {COMMAND_PAIRS}"
    print(f"{describe()}; {turns}, ratio = their time / ours; {seconds:.0f} s in all")


def measure(sizes: Sizes, pairs: int) -> list[Comparison]:
    """Run all comparisons, saying on stderr which one is under way."""
    from benchmarks import loading, prediction, preprocessing, shape, training
    from benchmarks.settings import stripped_patients

    _say("making synthetic patients ...")
    patients = stripped_patients(sizes.patients, sizes.slices, sizes.size)
    _say("preprocessing ...")
    comparisons = [preprocessing.compare(patients, pairs)]
    _say("data loading ...")
    with tempfile.TemporaryDirectory() as folder:
        comparisons.append(loading.compare(patients, Path(folder), sizes.epochs, pairs))
    _say("training steps ...")
    comparisons.append(training.compare(sizes.step_size, sizes.batch, pairs))
    _say("shape ...")
    comparisons.append(shape.compare(sizes.mask, pairs))
    _say("prediction ...")
    return comparisons + prediction.compare(sizes.slices, pairs)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
