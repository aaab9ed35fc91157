"""`brainseg predict` as a process of its own: killed, stopped, short of memory, and beside another one."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.cohort.processes import wait_until
from tests.cohort.runs import CASES, end, files, first_line, results, running, start, undisturbed, workers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(tmp_path_factory.mktemp("kills"))


def test_a_killed_worker_costs_nothing_but_time(folder, tmp_path):
    process = start(folder, tmp_path / "out")
    first_line(process)
    os.kill(workers(process)[0], signal.SIGKILL)
    assert end(process) == (0, "")
    assert files(tmp_path / "out") == files(folder / "out")
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["status"].tolist() == ["done"] * len(CASES)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_stopped_run_says_so_and_the_same_command_goes_on(folder, tmp_path, number, status):
    process = start(folder, tmp_path / "out")
    first_line(process)
    children = workers(process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    found, said = end(process)
    assert found == status
    done = int(said.split()[1])
    assert said == f"stopped: {done} of 4 cases are done; the same command does the others.\n"
    assert 1 <= done < len(CASES)
    assert not any(map(running, children))
    assert not list((tmp_path / "out").glob(".*"))
    goes_on(folder, tmp_path / "out")


def test_a_killed_run_takes_its_workers_along_and_the_next_one_cleans_up(folder, tmp_path):
    process = start(folder, tmp_path / "out")
    first_line(process)
    children = workers(process)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(running, children)))
    goes_on(folder, tmp_path / "out")


def test_what_a_kill_of_all_processes_leaves_is_removed(folder, tmp_path):
    process = start(folder, tmp_path / "out")
    first_line(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    goes_on(folder, tmp_path / "out")


def goes_on(folder: Path, out: Path) -> None:
    assert end(start(folder, out)) == (0, "")
    assert results(out) == results(folder / "out")
    assert [path.name for path in out.glob(".*")] == [".summary.json"]


def test_a_single_case_that_the_system_kills_is_named(folder, tmp_path):
    process = start(folder, tmp_path / "out", source="in/a")
    wait_until(lambda: bool(workers(process)))
    time.sleep(0.5)
    os.kill(workers(process)[0], signal.SIGKILL)
    status, said = end(process)
    assert status == 2
    assert said == (
        "error: a: its process was ended by SIGKILL, probably for memory; close other programs, or take a machine "
        "with more memory.\n"
    )
    assert not list((tmp_path / "out").iterdir())


def address_space(megabytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)


@pytest.mark.parametrize("megabytes", [900, 1500, 2500])
def test_too_little_memory_is_a_sentence_or_a_result(folder, tmp_path, megabytes):
    process = start(folder, tmp_path / "out", source="in/a", preexec_fn=address_space(megabytes))
    status, said = end(process)
    assert "Traceback" not in said
    if status == 0:
        assert results(tmp_path / "out").items() <= results(folder / "out").items()
    else:
        assert status == 2
        assert "memory" in said.splitlines()[-1]


def test_two_runs_into_one_folder_leave_whole_results(folder, tmp_path):
    runs = [start(folder, tmp_path / "out"), start(folder, tmp_path / "out", "--redo")]
    assert [end(run) for run in runs] == [(0, "")] * 2
    assert results(tmp_path / "out") == results(folder / "out")
