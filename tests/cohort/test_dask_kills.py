"""`brainseg predict --scheduler`: the bytes of a run without it, whoever is killed on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cohort.runs import CASES, end, files, first_line, results, start, undisturbed

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(tmp_path_factory.mktemp("dask"))


@contextmanager
def dask(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`dask scheduler` or `dask worker` as a user starts them, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, subprocess.Popen[bytes], list[subprocess.Popen[bytes]]]]:
    """Address and process of a scheduler, and its workers'."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            dask("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard")
        )
        more = ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        yield address, scheduler, [stack.enter_context(dask(*more)) for _ in range(workers)]


def test_local_workers_give_the_bytes_of_processes(folder, tmp_path):
    assert end(start(folder, tmp_path / "out", "--scheduler", "local")) == (0, "")
    assert files(tmp_path / "out") == files(folder / "out")


def test_a_killed_worker_costs_nothing_but_time(folder, tmp_path):
    with cluster(workers=2) as (address, _, workers):
        process = start(folder, tmp_path / "out", "--scheduler", address)
        first_line(process)
        workers[0].kill()
        status, said = end(process)
    assert (status, said.replace(f"no worker has joined {address} yet; the cases wait for one.\n", "")) == (0, "")
    assert results(tmp_path / "out") == results(folder / "out")


def test_a_killed_scheduler_is_a_sentence_and_a_rerun_does_the_rest(folder, tmp_path):
    with cluster(workers=1) as (address, scheduler, _):
        process = start(folder, tmp_path / "out", "--scheduler", address)
        first_line(process)
        scheduler.kill()
        status, said = end(process)
    gone = f"error: the scheduler at {address} went away; start it, and the same command does the rest."
    assert (status, said.splitlines()[-1]) == (2, gone)
    done = [case for case in CASES if (tmp_path / "out" / f"{case}.json").exists()]
    assert 1 <= len(done) < len(CASES)
    assert end(start(folder, tmp_path / "out", "--scheduler", "local")) == (0, "")
    assert results(tmp_path / "out") == results(folder / "out")


def test_ctrl_c_stops_local_workers_and_the_same_command_goes_on(folder, tmp_path):
    process = start(folder, tmp_path / "out", "--scheduler", "local")
    first_line(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    status, said = end(process)
    assert status == 130
    assert said.endswith("cases are done; the same command does the others.\n")
    assert "Traceback" not in said
    assert end(start(folder, tmp_path / "out")) == (0, "")
    assert results(tmp_path / "out") == results(folder / "out")
