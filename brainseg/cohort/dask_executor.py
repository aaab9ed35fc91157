"""Calls on the workers of a Dask cluster behind `concurrent.futures`."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from functools import partial
from typing import Any, ParamSpec, TypeVar

from distributed import Client
from distributed.scheduler import KilledWorker

from brainseg.cohort.processes import Died
from brainseg.errors import DataError

P = ParamSpec("P")
R = TypeVar("R")
_SECONDS_BETWEEN_LOOKS = 1.0
"""At the workers that are there."""


class DaskExecutor(Executor):
    """A client's executor that gives Dask no more calls than workers can begin.

    Where a worker dies, Dask counts that against every call that it had been given, begun or not, and gives up those
    that it counted too often. Cases that wait for their turn here are not counted.
    """

    def __init__(self, client: Client, scheduler: str, resource: str):
        """Give calls to whatever worker offers the resource.

        Args:
            client: connected.
            scheduler: its address, for people.
            resource: one of it lets a worker have one call at a time.
        """
        self._client, self._scheduler, self._resource = client, scheduler, resource
        self._executor = client.get_executor(pure=False, resources={resource: 1})
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._under_way: set[Future[Any]] = set()
        self._workers, self._looked = 0, -math.inf
        self._wake, self._closed = threading.Event(), False
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call `fn` on a worker; where one dies, on another, some times."""
        future: Future[R] = Future()
        self._waiting.append((future, partial(fn, *args, **kwargs)))
        self._wake.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Submit no more; `cancel_futures` takes back what no worker has begun."""
        if wait and not cancel_futures:
            wait_for([future for future, _ in list(self._waiting)] + list(self._under_way))
        self._closed = True
        self._wake.set()
        self._feeder.join()
        self._executor.shutdown(wait=False)

    def _feed(self) -> None:
        while not self._closed:
            try:
                if time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS:
                    self._workers = self._client.run_on_scheduler(_offering, self._resource)
                    self._looked = time.monotonic()
                while self._waiting and len(self._under_way) < self._workers:
                    future, call = self._waiting.popleft()
                    self._under_way.add(future)
                    self._executor.submit(call).add_done_callback(partial(self._pass_on, future))
            except Exception:  # of many kinds, as what Dask was about
                while self._waiting:
                    self._waiting.popleft()[0].set_exception(self._gone())
            self._wake.wait(_SECONDS_BETWEEN_LOOKS)
            self._wake.clear()

    def _pass_on(self, future: Future[Any], theirs: Future[Any]) -> None:
        self._under_way.discard(future)
        self._wake.set()
        try:
            future.set_result(theirs.result())
        except CancelledError:
            future.set_exception(self._gone())
        except KilledWorker as killed:
            times, last = killed.allowed_failures + 1, killed.last_worker.address
            future.set_exception(Died(f"its worker ended in the middle of it, {times} times, at last {last}"))
        except Exception as error:
            future.set_exception(error)

    def _gone(self) -> DataError:
        return DataError(f"the scheduler at {self._scheduler} went away; start it, and the same command does the rest.")


def _offering(resource: str, dask_scheduler: Any = None) -> int:
    """How many workers offer it; called in the scheduler."""
    return sum(worker.resources.get(resource, 0) for worker in dask_scheduler.workers.values())
