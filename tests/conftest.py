"""How `make test` divides the tests among its processes (pytest-xdist)."""

from __future__ import annotations

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before anything imports torch or NumPy: a core a process
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Folders with a fixture of the whole session that takes long to make, and its name. Its tests stay in one process,
# which makes it once. The longest first, so that no process is left alone with it at the end.
SHARED = {"reproduction": "finished", "stages": "finished", "report": "run", "view": "out"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group tests by the fixture that they share, the others by file; groups are taken in this order."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    first = list(SHARED)
    items.sort(key=lambda item: first.index(group(item)) if group(item) in first else len(first))


def group(item: pytest.Item) -> str:
    folder = item.path.parent.name
    shared = SHARED.get(folder) in getattr(item, "fixturenames", ())
    return folder if shared else item.path.relative_to(item.config.rootpath).as_posix()
