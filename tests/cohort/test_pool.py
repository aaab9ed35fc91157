"""Processes that die, stop or fail at their start, and what becomes of the other items."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from brainseg.cohort.pool import Died, share_out
from brainseg.errors import DataError, UserError
from tests.cohort.processes import NotLoadedError, Unloadable, refuse, start, wait_until


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
    wait_until((tmp_path / "temporary").exists)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 9
    assert not (tmp_path / "temporary").exists()


def test_a_mistake_at_the_start_is_the_callers():
    with pytest.raises(DataError, match="no models"):
        list(share_out(["a", "b"], partial(refuse, DataError), 2))


def test_what_the_system_refuses_at_the_start_is_one_sentence():
    with pytest.raises(UserError, match="no permission for a file; change its owner"):
        list(share_out(["a"], partial(refuse, PermissionError), 1))


@pytest.mark.parametrize("error", [MemoryError, NotLoadedError])
def test_too_little_memory_to_start_costs_each_item_a_sentence(error):
    found = dict(share_out(["a", "b"], partial(refuse, error), 1))
    assert {name: str(died).startswith("memory ran out (") for name, died in found.items()} == {"a": True, "b": True}


def test_too_little_memory_to_import_what_the_start_needs_is_told_the_same(capfd):
    found = dict(share_out(["a"], Unloadable(), 1))
    assert str(found["a"]).startswith("memory ran out (libtorch_cpu.so: failed to map segment")
    assert "Traceback" not in capfd.readouterr().err


def test_processes_end_when_their_parent_is_killed(tmp_path):
    code = (
        "import sys; from functools import partial; from pathlib import Path\n"
        "from brainseg.cohort.pool import share_out; from tests.cohort.processes import start\n"
        "if __name__ == '__main__': list(share_out(['hang'] * 2, partial(start, Path(sys.argv[1])), 2))\n"
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


def test_a_defect_at_the_start_is_said_once(capfd):
    with pytest.raises(RuntimeError, match="failed at its start"):
        list(share_out(["a", "b", "c"], partial(refuse, ZeroDivisionError), 1))
    assert capfd.readouterr().err.count("ZeroDivisionError: no models") == 1
