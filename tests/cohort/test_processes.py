"""Processes that die, stop or fail at their start, and what becomes of the other calls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import as_completed
from functools import partial
from pathlib import Path

import pytest

from brainseg.cohort.processes import Died, Processes
from brainseg.errors import DataError
from tests.cohort.processes import NotLoadedError, Unloadable, refuse, wait_until, work


@pytest.fixture
def two():
    with Processes(2) as executor:
        yield executor


@pytest.mark.parametrize("workers", [1, 3])
def test_a_process_that_dies_costs_its_own_call_alone(tmp_path, workers):
    with Processes(workers) as executor:
        futures = {word: executor.submit(work, tmp_path, word) for word in ("a", "kill", "b", "exit", "c", "d")}
    assert {word: future.result() for word, future in futures.items() if len(word) == 1} == dict(
        zip("abcd", "ABCD", strict=True)
    )
    deaths = {word: str(futures[word].exception()) for word in ("kill", "exit")}
    assert deaths == {
        "kill": "its process was ended by SIGKILL, probably for memory",
        "exit": "its process ended with exit status 3",
    }
    assert isinstance(futures["kill"].exception(), Died)


def test_one_process_works_on_many_calls(tmp_path, two):
    assert list(two.map(partial(work, tmp_path), "abcdef")) == list("ABCDEF")
    assert len(list(tmp_path.glob("*.started"))) <= 2


def test_no_process_is_left_after_the_last_call(tmp_path):
    with Processes(1) as executor:
        executor.submit(work, tmp_path, "a")
    (started,) = tmp_path.glob("*.started")
    assert not Path(f"/proc/{started.stem}").exists()


def test_whoever_stops_listening_stops_the_work_and_it_cleans_up(tmp_path, two):
    futures = [two.submit(work, tmp_path, word) for word in ("a", "hang", "hang", "b")]
    assert next(as_completed(futures)).result() == "A"
    wait_until((tmp_path / "temporary").exists)
    began = time.monotonic()
    two.shutdown(cancel_futures=True)
    assert time.monotonic() - began < 9
    assert not (tmp_path / "temporary").exists()
    assert futures[-1].cancelled()


def test_a_mistake_is_the_callers_and_says_where_it_was_made(two):
    error = two.submit(refuse, DataError).exception()
    assert isinstance(error, DataError)
    assert str(error) == "no models"
    assert "In the worker process:" in error.__notes__[0]
    assert 'raise error("no models")' in error.__notes__[0]


def test_what_cannot_be_sent_back_is_told_all_the_same(two):
    assert "pickle" in str(two.submit(threading.Lock).exception())


@pytest.mark.parametrize("call", [partial(refuse, NotLoadedError), Unloadable()], ids=["call", "import"])
def test_too_little_memory_to_load_is_the_callers_to_tell(two, call, capfd):
    assert "failed to map segment" in str(two.submit(call).exception())
    assert "Traceback" not in capfd.readouterr().err


def test_processes_end_when_their_parent_is_killed(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from brainseg.cohort.processes import Processes; from tests.cohort.processes import work\n"
        "if __name__ == '__main__':\n"
        "    with Processes(2) as two: list(two.map(work, [Path(sys.argv[1])] * 2, ['hang'] * 2))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, script, tmp_path])
    wait_until(lambda: len(list(tmp_path.glob("*.started"))) == 2 and (tmp_path / "temporary").exists())
    children = [int(path.stem) for path in tmp_path.glob("*.started")]
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert not (tmp_path / "temporary").exists()


def test_processes_do_not_hear_of_an_interrupt(tmp_path, two):
    two.submit(work, tmp_path, "a").result()
    (started,) = tmp_path.glob("*.started")
    os.kill(int(started.stem), signal.SIGINT)
    assert two.submit(work, tmp_path, "b").result() == "B"


def test_a_defect_at_the_start_is_a_defect(monkeypatch, two, capfd):
    monkeypatch.setattr("brainseg.cohort.processes._serve", Unloadable())
    with pytest.raises(RuntimeError, match="failed at its start"):
        two.submit(print).result()
    assert "NotLoadedError" in capfd.readouterr().err
