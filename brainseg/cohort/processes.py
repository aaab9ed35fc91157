"""Worker processes of this machine behind `concurrent.futures`; one that dies costs the call in its hands alone."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_SECONDS_TO_STOP = 10
_OF_MEMORY = {"SIGKILL", "SIGABRT", "SIGSEGV", "SIGBUS"}
"""The kernel's way where memory is short, and the libraries' whose allocation failed."""


class Died(Exception):  # noqa: N818
    """What worked on a call ended in the middle of it; the text says how."""

    @classmethod
    def by(cls, status: int) -> Died:
        """Of a process with this exit status; below 0 the signal that killed it."""
        if status >= 0:
            return cls(f"its process ended with exit status {status}")
        name = signal.Signals(-status).name
        return cls(f"its process was ended by {name}" + (", probably for memory" if name in _OF_MEMORY else ""))


class Processes(Executor):
    """Processes that are started as calls come, each with one call at a time, and kept for the next one.

    Where a process dies, the future of its call raises `Died`, and another process takes its place;
    `ProcessPoolExecutor` gives up all calls then.
    """

    def __init__(self, workers: int):
        """Start nothing yet; `workers` is the most processes at a time."""
        self._threads = ThreadPoolExecutor(workers)  # one a process: it waits for the answers
        self._mine = threading.local()
        self._all: list[_Process] = []
        self._stopped = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call `fn` in a process; function, arguments and result can be pickled."""
        return self._threads.submit(self._call, partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes, after the calls that were submitted, or, with `cancel_futures`, at once.

        What ends at once removes what it was writing. `wait` makes no difference: all have ended afterwards.
        """
        self._threads.shutdown(wait=not cancel_futures, cancel_futures=cancel_futures)
        if cancel_futures:
            with self._lock:
                self._stopped = True
                running = list(self._all)
            for process in running:
                process.stop()
            for process in running:
                process.bury()
            self._threads.shutdown()
        for process in self._all:
            process.dismiss()
        self._all.clear()

    def _call(self, call: Callable[[], R]) -> R:
        process = getattr(self._mine, "process", None) or self._start()
        try:
            return process.answer(call)
        except Died:
            del self._mine.process
            with self._lock:
                self._all.remove(process)
            raise

    def _start(self) -> _Process:
        with self._lock:
            if self._stopped:
                raise CancelledError
            self._mine.process = process = _Process()
            self._all.append(process)
        return process


class _Process:
    """One process, seen from the parent."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with without_interrupts():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._ready = False

    def answer(self, call: Callable[[], Any]) -> Any:
        """What the call returns; what it raises is raised here, with the traceback of there as a note."""
        try:
            if not self._ready:
                self._ready = bool(self._connection.recv())
            self._connection.send_bytes(pickle.dumps(call))
            returned, result = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        if not returned:
            raise result
        return result

    def _death(self) -> Exception:
        self._process.join()
        status = self._process.exitcode or 0
        if not self._ready and status > 0:
            return RuntimeError("a worker process failed at its start; its traceback stands above")
        return Died.by(status)

    def stop(self) -> None:
        self._process.terminate()

    def bury(self) -> None:
        self._process.join(_SECONDS_TO_STOP)
        self._process.kill()  # of no effect where it has ended
        self._process.join()

    def dismiss(self) -> None:
        self._connection.close()
        self._process.join()


@contextmanager
def without_interrupts() -> Iterator[None]:
    """What is started within the block does not hear of Ctrl-C, not even while it imports: the parent stops it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else the first start would, and let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """All that a process does; it ends when the parent closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_the_parent, daemon=True).start()
    try:
        with suppress(EOFError, ConnectionError):
            connection.send(True)
            while True:
                connection.send_bytes(_answer(connection.recv_bytes()))
    except SystemExit:
        # the blocks that remove temporary files have run; libraries' threads may not outlive what comes after
        os._exit(1)


def _answer(call: bytes) -> bytes:
    """Make a call; it comes pickled, for what it imports may take more memory than there is, which is to be told."""
    try:
        return pickle.dumps((True, pickle.loads(call)()))
    except Exception as error:
        there = traceback.format_exc()
        error.add_note(f"In the worker process:\n{there}")
        try:
            answer = pickle.dumps((False, error))
            pickle.loads(answer)
        except Exception:
            answer = pickle.dumps((False, RuntimeError(there)))
        return answer


def _follow_the_parent() -> None:
    """End this process where the parent was killed: nobody waits for its case any more."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(1)
