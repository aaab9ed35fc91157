"""Cohorts on Dask: what is done elsewhere, what is named, and what is the same as without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import brainseg
from brainseg.cohort.predict import Settings
from brainseg.cohort.processes import Died
from brainseg.errors import DataError
from brainseg.scans.case import Case
from tests.cohort.processes import wait_until, work

distributed = pytest.importorskip("distributed")
dask_config = pytest.importorskip("dask.config")
dask = pytest.importorskip("brainseg.cohort.dask")
SECONDS = 300


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with two workers, as `dask scheduler` and `dask worker` start them."""
    changes = {"distributed.scheduler.allowed-failures": 1, "distributed.deploy.lost-worker-timeout": "1 hour"}
    with (
        dask_config.set(changes),
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, memory_limit=0) as cluster,
    ):
        yield cluster


def in_this_process(threads=1):
    """A scheduler with one worker, both threads of this process."""
    return distributed.LocalCluster(
        n_workers=1, threads_per_worker=threads, dashboard_address=None, memory_limit=0, processes=False, protocol="tcp"
    )


@pytest.fixture
def cases(tmp_path):
    (tmp_path / "in").mkdir()
    return [Case("a", "nifti", {"flair": tmp_path / "in" / "a.nii"})]


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "out").mkdir()
    return Settings(tmp_path / "out")


def test_a_worker_has_one_call_at_a_time_and_nothing_is_left_of_the_run(settings, cases, tmp_path):
    with in_this_process(threads=3) as cluster:
        with dask.dask_workers(cluster.scheduler_address, 1, settings, cases) as executor:
            assert list(executor.map(alone, [str(tmp_path)] * 6)) == [1] * 6
        left = [worker["resources"] for worker in cluster.scheduler_info["workers"].values()]
    assert len(left) == 1
    assert not any(left[0].values()), "the right to cases of this run has ended"
    assert not list(settings.out.iterdir())


def alone(folder: str) -> int:
    """How many calls of this process are under way."""
    running = Path(folder) / f"{os.getpid()}.{threading.get_ident()}.running"
    running.touch()
    try:
        threading.Event().wait(0.05)
        return len(list(Path(folder).glob(f"{os.getpid()}.*.running")))
    finally:
        running.unlink()


@pytest.mark.slow
def test_a_worker_that_dies_costs_nothing_and_a_call_that_kills_all_is_named(cluster, settings, cases, tmp_path):
    with dask.dask_workers(cluster.scheduler_address, 1, settings, cases) as executor:
        hung = executor.submit(hang_once, str(tmp_path))
        wait_until((tmp_path / "pid").exists)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert hung.result(SECONDS) == "done elsewhere"
        killed, other = (executor.submit(work, tmp_path, word) for word in ("kill", "a"))
        assert other.result(SECONDS) == "A"
        with pytest.raises(Died, match="its worker ended in the middle of it, 2 times, at last tcp://"):
            killed.result(SECONDS)


def hang_once(folder: str) -> str:
    """The first such call takes until the file `over` is there."""
    mark = Path(folder) / "pid"
    if not mark.exists():
        (mark.parent / "new").write_text(str(os.getpid()))
        (mark.parent / "new").rename(mark)
        wait_until((mark.parent / "over").exists)
    return "done elsewhere"


@pytest.mark.slow
def test_workers_that_do_not_see_the_files_get_nothing(cluster, settings, cases, tmp_path, capsys, monkeypatch):
    """A worker of another machine sees neither its scans nor --out, or other ones of the same names."""
    address = cluster.scheduler_address
    with distributed.Client(address) as client:
        client.wait_for_workers(2, SECONDS)  # a test before may have killed one
    blind = [Case("b", "nifti", {"flair": tmp_path / "nowhere" / "b.nii"})]
    said = rf"no worker at {address} can take a case: the worker tcp://.* cannot read .*nowhere, and so do 1 others; "
    with pytest.raises(DataError, match=said):
        dask.dask_workers(address, 1, settings, blind).__enter__()
    with distributed.Client(address) as client:
        lone = min(client.run(os.getpid).values())
    monkeypatch.setattr(dask, "Shared", partial(ShortSighted, lone))
    with dask.dask_workers(address, 1, settings, cases) as executor:
        assert lone not in set(executor.map(process, range(8)))
    assert capsys.readouterr().err.count("cannot read the disk; it gets no case.") == 1


def test_cases_wait_for_a_worker_that_joins(settings, cases, tmp_path, capsys):
    with distributed.LocalCluster(n_workers=0, dashboard_address=None, processes=False, protocol="tcp") as cluster:
        address = cluster.scheduler_address
        with dask.dask_workers(address, 1, settings, cases) as executor:
            assert capsys.readouterr().err == f"no worker has joined {address} yet; the cases wait for one.\n"
            waiting = executor.submit(work, tmp_path, "a")
            cluster.scale(1)
            assert waiting.result(SECONDS) == "A"


class ShortSighted:
    """`Shared` of which one process lacks something."""

    def __init__(self, lone: int, *_: object):
        self.lone = lone

    def missing(self) -> str:
        return "cannot read the disk" if os.getpid() == self.lone else ""


def process(_: int) -> int:
    return os.getpid()


def test_a_worker_says_what_it_lacks(settings, tmp_path):
    (tmp_path / "token").write_text("1")
    same = dask.Shared(brainseg.__version__, settings.out, tmp_path / "token", "1", (str(tmp_path),))
    assert same.missing() == ""
    assert replace(same, token="2").missing() == f"has another {settings.out}"
    assert replace(same, file=tmp_path / "no").missing() == f"cannot read {settings.out} (No such file or directory)"
    assert replace(same, folders=("/nowhere",)).missing() == "cannot read /nowhere"
    assert replace(same, version="0").missing() == f"has brainseg {brainseg.__version__}, expected 0"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_no_scheduler_is_one_sentence(address, settings, cases, monkeypatch):
    monkeypatch.setattr(dask, "_SECONDS_TO_CONNECT", 1)
    with pytest.raises(DataError, match=f"no scheduler of Dask answers at {address}"):
        dask.dask_workers(address, 1, settings, cases).__enter__()


def test_what_kills_every_worker_is_told(settings, cases):
    killed = distributed.scheduler.KilledWorker("a", SimpleNamespace(address="tcp://10.0.0.1:1"), 3)
    with in_this_process() as cluster, dask.dask_workers(cluster.scheduler_address, 1, settings, cases) as executor:
        error = executor.submit(fail, killed).exception(SECONDS)
    assert isinstance(error, Died)
    assert str(error) == "its worker ended in the middle of it, 4 times, at last tcp://10.0.0.1:1"


def fail(error: Exception) -> None:
    raise error


def test_a_scheduler_that_goes_away_is_one_sentence(settings, cases, tmp_path):
    contact = tmp_path / "scheduler.json"
    command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", contact]
    with subprocess.Popen([sys.executable, "-m", "dask", *command], stderr=subprocess.DEVNULL) as scheduler:
        wait_until(lambda: contact.exists() and contact.read_text().endswith("}"))
        address = json.loads(contact.read_text())["address"]
        with dask.dask_workers(address, 1, settings, cases) as executor:
            waiting = executor.submit(work, tmp_path, "a")
            scheduler.kill()
            with pytest.raises(DataError, match=f"the scheduler at {address} went away; start it, and the same"):
                waiting.result(SECONDS)
