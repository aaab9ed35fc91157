"""What the processes of a test do, and waiting for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def work(folder: Path, item: str) -> str:
    """What a test asks for in a word."""
    (folder / f"{os.getpid()}.started").touch()
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "exit":
        os._exit(3)
    if item == "hang":
        temporary = folder / "temporary"
        temporary.touch()
        try:
            time.sleep(60)
        finally:
            temporary.unlink(missing_ok=True)
    return item.upper()


def refuse(error: type[Exception]) -> None:
    raise error("no models")


class NotLoadedError(ImportError):
    """As the loader says it."""

    def __init__(self, *_: object):
        super().__init__("libtorch_cpu.so: failed to map segment from shared object")


class Unloadable:
    """A call that cannot even be unpickled."""

    def __call__(self) -> None:
        raise AssertionError

    def __reduce__(self) -> tuple[object, ...]:
        return refuse, (NotLoadedError,)


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
