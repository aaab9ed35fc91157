"""The first worker process imports what it needs while the command still looks for its cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from brainseg.cohort.processes import Processes


@contextmanager
def early_processes(workers: int) -> Iterator[Processes]:
    """Processes of which the first one begins at once; all end with the block.

    Args:
        workers: the most processes at a time.
    """
    processes = Processes(workers)
    processes.submit(_import)
    try:
        yield processes
    finally:
        processes.shutdown(cancel_futures=True)


def _import() -> None:
    """All that a case needs, the runtime of the networks included."""
    import brainseg.cohort.worker  # noqa: F401
    from brainseg.compiled import import_openvino

    import_openvino()
