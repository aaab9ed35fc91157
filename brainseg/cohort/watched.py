"""A cohort with somebody at the terminal: progress, a line a case, the summary, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brainseg.cohort.predict import Outcome, Settings, predict_cases
from brainseg.cohort.summary import line, write_summary
from brainseg.cohort.worklist import write_worklist
from brainseg.scans.cases import Case, left_out
from brainseg.terminal import INTERRUPTED, MISTAKE, TERMINATED, say


class _Terminated(KeyboardInterrupt):
    """SIGTERM: the same as Ctrl-C, but for the exit status."""


def predict_watched(
    cases: Sequence[Case],
    settings: Settings,
    workers: int,
    scheduler: str | None = None,
    processes: Executor | None = None,
) -> int:
    """Segment all cases under a progress bar, a line each as it ends, and sum up.

    Args:
        cases: with names of their own.
        settings: of all of them.
        workers: cases at a time.
        scheduler, processes: see `predict_cases`.

    Returns:
        The exit status: 0, or that of a mistake where a case failed, of Ctrl-C, or of SIGTERM.

    Raises:
        DataError: see `predict_cases`.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    outcomes: list[Outcome] = []
    for sentence in left_out(cases):
        say(sentence)
    try:
        with _terminated_as_interrupted(), bar:
            task = bar.add_task("segmenting", total=len(cases))
            for outcome in predict_cases(cases, settings, workers, scheduler, processes):
                outcomes.append(outcome)
                bar.advance(task)
                say(line(outcome), err=outcome.status == "failed")
            write_worklist(outcomes, settings.out)
            if len(cases) > 1:
                say(write_summary(outcomes, settings.out))
    except KeyboardInterrupt as interrupt:
        ended = sum(outcome.status != "failed" for outcome in outcomes)
        say(f"stopped: {ended} of {len(cases)} cases are done; the same command does the others.", err=True)
        return TERMINATED if isinstance(interrupt, _Terminated) else INTERRUPTED
    return MISTAKE if any(outcome.status == "failed" for outcome in outcomes) else 0


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that the processes of the cases end and clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
