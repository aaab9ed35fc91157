"""A cohort on Dask: workers of this machine or of a cluster behind `concurrent.futures`, as `processes` has them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dask.config
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.core import Status

import brainseg
from brainseg.cohort.dask_executor import DaskExecutor
from brainseg.cohort.outputs import staging
from brainseg.cohort.predict import Settings
from brainseg.cohort.processes import without_interrupts
from brainseg.errors import DataError
from brainseg.scans.case import Case
from brainseg.terminal import say

LOCAL = "local"
_SECONDS_TO_CONNECT = 10
_SHOWN = 3
"""So many workers without the files are named."""


@contextmanager
def dask_workers(scheduler: str, workers: int, settings: Settings, cases: Sequence[Case]) -> Iterator[Executor]:
    """Yield what runs the cases on Dask, each on a worker that sees the files.

    Args:
        scheduler: its address; `local` starts one with workers on this machine, and ends them.
        workers: of `local`.
        settings: with absolute paths.
        cases: with absolute paths.

    Raises:
        DataError: no scheduler answers at the address, or its workers do not see the files.
    """
    with _quiet(), _client(scheduler, workers) as client, staging(settings.out) as staged:
        # another machine's folder of the same name has no such file in it
        (staged / "token").write_text(token := secrets.token_hex(), encoding="utf-8")
        folders = {path.parent for case in cases for path in case.paths.values()} | {settings.weights} - {None}
        shared = Shared(brainseg.__version__, settings.out, staged / "token", token, tuple(sorted(map(str, folders))))
        resource = f"brainseg-{token[:8]}"
        _require_workers(client, scheduler, shared)
        client.register_plugin(OneCase(shared, resource), name=resource)
        try:
            yield DaskExecutor(client, scheduler, resource)
        finally:
            if client.status == "running":  # else the scheduler is gone
                with suppress(Exception):
                    client.unregister_worker_plugin(resource)


@dataclass(frozen=True)
class Shared:
    """What a worker must have in common with the process that looks on.

    Attributes:
        version: of brainseg.
        out: folder to write into.
        file: within it.
        token: that stands in it.
        folders: of scans and weights.
    """

    version: str
    out: Path
    file: Path
    token: str
    folders: tuple[str, ...]

    def missing(self) -> str:
        """What this process lacks, in words; empty if nothing."""
        if brainseg.__version__ != self.version:
            return f"has brainseg {brainseg.__version__}, expected {self.version}"
        try:
            if self.file.read_text(encoding="utf-8") != self.token:
                return f"has another {self.out}"
        except OSError as error:
            return f"cannot read {self.out} ({error.strerror})"
        lost = next((folder for folder in self.folders if not os.access(folder, os.R_OK)), None)
        return "" if lost is None else f"cannot read {lost}"


class OneCase(WorkerPlugin):
    """Gives each worker that sees the files the right to one case at a time; those that join later, too.

    Dask hands a task that needs a resource only to workers that have it.
    """

    def __init__(self, shared: Shared, resource: str):
        self.shared, self.resource = shared, resource

    async def setup(self, worker: Worker) -> None:
        """Look for the files, and offer the resource where they are."""
        sees = not await asyncio.to_thread(self.shared.missing)
        await worker.set_resources(**{self.resource: int(sees)})
        if sees and worker.status == Status.running:
            # the scheduler looks at tasks that wait for a worker when one comes to run, not when one gets a resource
            worker.status = Status.paused
            worker.status = Status.running

    async def teardown(self, worker: Worker) -> None:
        """Offer it no more."""
        await worker.set_resources(**{self.resource: 0})


def _require_workers(client: Client, scheduler: str, shared: Shared) -> None:
    """Say which workers lack something; all of them cannot. A worker that has none of brainseg says so itself."""
    missing = {
        worker: f"cannot tell ({said})" if isinstance(said, BaseException) else said
        for worker, said in client.run(shared.missing, on_error="return").items()
    }
    lacking = [f"the worker {worker} {said}" for worker, said in sorted(missing.items()) if said]
    if lacking and len(lacking) == len(missing):
        more = f", and so do {len(lacking) - 1} others" if len(lacking) > 1 else ""
        raise DataError(
            f"no worker at {scheduler} can take a case: {lacking[0]}{more}; scans, weights and --out must lie on "
            "storage that all of them share, under the same path, with the same brainseg."
        )
    for line in lacking[:_SHOWN]:
        say(f"warning: {line}; it gets no case.", err=True)
    if len(lacking) > _SHOWN:
        say(f"warning: so do {len(lacking) - _SHOWN} others.", err=True)
    if not missing:
        say(f"no worker has joined {scheduler} yet; the cases wait for one.", err=True)


@contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Client]:
    if scheduler != LOCAL:
        try:
            client = Client(scheduler, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DataError(
                f"no scheduler of Dask answers at {scheduler} ({error}); start one with `dask scheduler`, or name "
                f"the address that it says, as tcp://host:8786, or {LOCAL}."
            ) from None
        with client:
            yield client
        return
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}):  # a worker that died is slow to return
        with without_interrupts():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                env={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers))},
                silence_logs=logging.CRITICAL,
            )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own words about lost connections stand beside ours otherwise."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
