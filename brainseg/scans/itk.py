"""SimpleITK, which an extra brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from brainseg.errors import extra

MODULE = "SimpleITK"
EXTRA = "register"
"""Brings SimpleITK: Apache-2.0, 53 MB to download, kept by the makers of ITK."""


def require_simple_itk(option: str) -> None:
    """Refuse what needs it before any work, without the half second of its import.

    Raises:
        UserError: it is not installed.
    """
    with extra(EXTRA, option):
        if find_spec(MODULE) is None:
            raise ModuleNotFoundError(name=MODULE)


@contextmanager
def simple_itk(option: str) -> Iterator[Any]:
    """The module, with one thread within this context: sums of several differ in their last digits from run to run.

    Args:
        option: needs it, in words.

    Raises:
        UserError: it is not installed.
    """
    with extra(EXTRA, option):
        import SimpleITK as sitk  # noqa: N813
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield sitk
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
