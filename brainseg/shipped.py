"""The weights inside the package: where they lie, how they are made small, and how a damaged one is told."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainseg.errors import DataError
from brainseg.files import atomic_path, sha256
from brainseg.params import read_text

FOLDER = Path(str(files("brainseg"))) / "weights"
SUMS = "SHA256SUMS"
"""Digests of the files beside it, as `sha256sum` writes and checks them."""
SUFFIXES = (".safetensors", ".xml", ".bin")
"""Of what is listed there."""
MAX_BYTES = 1 << 20
"""Of that list."""


def listed(sums: Path) -> dict[str, str]:
    """The digests in a list as `write_sums` makes it, by the names of the files beside it; none where it is missing."""
    lines = read_text(sums, MAX_BYTES).splitlines() if sums.is_file() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def write_sums(sums: Path) -> None:
    """Write the digests that loading holds the weights and graphs beside this list against."""
    names = sorted(path.name for path in sums.parent.iterdir() if path.suffix in SUFFIXES)
    with atomic_path(sums) as temporary:
        temporary.write_text("".join(f"{sha256(sums.parent / name)}  {name}\n" for name in names), encoding="utf-8")


def read_listed(path: Path, sums: Path) -> bytes:
    """A file that the package ships.

    Raises:
        DataError: it is missing, or not the one that `sums` beside it lists.
    """
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != listed(sums).get(path.name):
        raise damaged(path, sums)
    return content


def damaged(path: Path, sums: Path) -> DataError:
    """Says that a shipped file is not what it was."""
    return DataError(
        f"{path} is damaged or another file: its SHA-256 is not the one in {sums}; install brainseg again, or copy the "
        "whole folder again."
    )


def halve(state: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Kernels in half precision; norms and biases, which are few and have a wide range, as they are.

    Args:
        state: a network's weights by name.

    Returns:
        The same keys; floating arrays of two or more axes are float16.

    Raises:
        DataError: a kernel has a value that half precision cannot hold.
    """
    with np.errstate(over="ignore"):
        small = {
            key: value.astype(np.float16) if value.ndim > 1 and np.issubdtype(value.dtype, np.floating) else value
            for key, value in state.items()
        }
    if infinite := [key for key, value in small.items() if not np.isfinite(value).all()]:
        raise DataError(f"the weights {infinite[0]} exceed half precision; train with more weight decay.")
    return small
