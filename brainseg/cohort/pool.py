"""Processes that share out cases; one that dies costs the case in its hands and no other."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Generic, TypeVar

from brainseg.errors import UserError
from brainseg.terminal import ran_out_of_memory, sentence

T = TypeVar("T")
R = TypeVar("R")
_READY = "ready"
_SECONDS_TO_STOP = 10
_OF_MEMORY = {"SIGKILL", "SIGABRT", "SIGSEGV", "SIGBUS"}
"""The kernel's way where memory is short, and the libraries' whose allocation failed."""


@dataclass(frozen=True)
class Died:
    """A process ended in the middle of a case, or had no memory to start.

    Attributes:
        status: its exit status; below 0 the signal that killed it.
        said: its sentence about the memory.
    """

    status: int
    said: str | None = None

    def __str__(self) -> str:
        if self.said is not None:
            return self.said
        if self.status >= 0:
            return f"its process ended with exit status {self.status}"
        name = signal.Signals(-self.status).name
        return f"its process was ended by {name}" + (", probably for memory" if name in _OF_MEMORY else "")


def share_out(items: Iterable[T], start: Callable[[], Callable[[T], R]], workers: int) -> Iterator[tuple[T, R | Died]]:
    """Work on all items, each process on one at a time, and yield each result as it comes.

    Where the consumer stops (Ctrl-C, an error, or no more interest) the processes stop, too: they remove what they
    were writing.

    Args:
        items: can be pickled.
        start: called once in every process, can be pickled; what it returns is called with every item.
        workers: processes.

    Yields:
        The item and its result, or how its process died.

    Raises:
        UserError: `start` raised it, or something that the user can mend.
        RuntimeError: `start` raised something else; its traceback stands on the error output.
    """
    waiting = deque(items)
    running: dict[Connection, _Process[T]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                process: _Process[T] = _Process(start)
                running[process.connection] = process
                process.give(waiting.popleft())
            for connection in wait(list(running)):
                process = running[connection]  # type: ignore[index]  # wait gives back what it was given
                try:
                    answer = process.answer()
                except (EOFError, ConnectionError):
                    del running[process.connection]
                    yield process.item, process.death()
                    continue
                if answer == _READY:
                    continue
                if isinstance(answer, Died):
                    del running[process.connection]
                    process.dismiss()
                    yield process.item, answer
                    continue
                done = process.item
                if waiting:
                    process.give(waiting.popleft())
                else:
                    del running[process.connection]
                    process.dismiss()
                yield done, answer
    finally:
        for process in running.values():
            process.stop()
        for process in running.values():
            process.bury()


class _Process(Generic[T]):
    """One process, seen from the parent."""

    def __init__(self, start: Callable[[], Callable[[T], Any]]):
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, pickle.dumps(start)), daemon=True)
        with _without_interrupts():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._ready = False
        self.item: T

    def give(self, item: T) -> None:
        self.item = item
        with suppress(ConnectionError):  # it died already, which the answer will show
            self.connection.send(item)

    def answer(self) -> Any:
        """What it says next; EOFError where it died."""
        answer = self.connection.recv()
        if answer == _READY:
            self._ready = True
        elif not self._ready and isinstance(answer, Exception):
            raise answer
        return answer

    def death(self) -> Died:
        self._process.join()
        status = self._process.exitcode or 0
        if not self._ready and status > 0:
            raise RuntimeError("a worker process failed at its start; its traceback stands above")
        return Died(status)

    def dismiss(self) -> None:
        self.connection.close()
        self._process.join()

    def stop(self) -> None:
        self._process.terminate()

    def bury(self) -> None:
        self._process.join(_SECONDS_TO_STOP)
        self._process.kill()  # of no effect where it has ended
        self._process.join()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process started here does not hear of Ctrl-C, not even while it imports: the parent stops it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection, start: bytes) -> None:
    """All that a process does; it ends when the parent closes the pipe, or is gone.

    `start` comes pickled: what it imports may take more memory than there is, which is to be told, too.
    """
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_the_parent, daemon=True).start()
    try:
        try:
            work = pickle.loads(start)()
        except Exception as error:
            said = sentence(error)
            if said is None:
                raise
            known = error if isinstance(error, UserError) else UserError(said)
            connection.send(Died(1, said) if ran_out_of_memory(error) else known)
            return
        connection.send(_READY)
        while True:
            connection.send(work(connection.recv()))
    except (EOFError, ConnectionError):
        pass
    except SystemExit:
        # the blocks that remove temporary files have run; libraries' threads may not outlive what comes after
        os._exit(1)


def _follow_the_parent() -> None:
    """End this process where the parent was killed: nobody waits for its case any more."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(1)
