"""What the processes of a test do, and waiting for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path


def start(folder: Path) -> Callable[[str], str]:
    """Work that a test describes in words."""
    (folder / f"{os.getpid()}.started").touch()
    return partial(work, folder)


def work(folder: Path, item: str) -> str:
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


def refuse(error: type[Exception]) -> Callable[[str], str]:
    raise error("no models")


class NotLoadedError(ImportError):
    """As the loader says it."""

    def __init__(self, *_: object):
        super().__init__("libtorch_cpu.so: failed to map segment from shared object")


class Unloadable:
    """A start that cannot even be unpickled."""

    def __call__(self) -> Callable[[str], str]:
        raise AssertionError

    def __reduce__(self) -> tuple[object, ...]:
        return refuse, (NotLoadedError,)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
