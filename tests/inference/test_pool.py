"""Processes that die, stop or fail at their start, and what becomes of the other items."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from brainseg.errors import DataError
from brainseg.inference.pool import Died, share_out


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
            temporary.unlink()
    return item.upper()


def refuse(error: type[Exception]) -> Callable[[str], str]:
    raise error("no models")


@pytest.mark.parametrize("workers", [1, 3])
def test_a_process_that_dies_costs_its_own_item_alone(tmp_path, workers):
    found = dict(share_out(["a", "kill", "b", "exit", "c", "d"], partial(start, tmp_path), workers))
    deaths = {"kill": Died(-signal.SIGKILL), "exit": Died(3)}
    assert found == {name: name.upper() for name in "abcd"} | deaths
    assert str(found["kill"]) == "its process was ended by SIGKILL, probably for memory"
    assert str(found["exit"]) == "its process ended with exit status 3"


def test_one_process_works_on_many_items(tmp_path):
    list(share_out(list("abcdef"), partial(start, tmp_path), 2))
    assert len(list(tmp_path.glob("*.started"))) <= 2


def test_whoever_stops_listening_stops_the_work_and_it_cleans_up(tmp_path):
    results = share_out(["a", "hang"], partial(start, tmp_path), 2)
    assert next(results) == ("a", "A")
    deadline = time.monotonic() + 30
    while not (tmp_path / "temporary").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 9
    assert not (tmp_path / "temporary").exists()


@pytest.mark.parametrize("error", [DataError, MemoryError])
def test_a_mistake_at_the_start_is_the_callers(error):
    with pytest.raises(error, match="no models"):
        list(share_out(["a", "b"], partial(refuse, error), 2))


def test_a_defect_at_the_start_is_said_once(capfd):
    with pytest.raises(RuntimeError, match="failed at its start"):
        list(share_out(["a", "b", "c"], partial(refuse, ZeroDivisionError), 1))
    assert capfd.readouterr().err.count("ZeroDivisionError: no models") == 1
