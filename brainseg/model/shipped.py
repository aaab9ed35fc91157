"""The weights inside the package: where they lie, and how they are made small."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from torch import Tensor

from brainseg.errors import DataError

FOLDER = Path(str(files("brainseg"))) / "weights"
SUMS = "SHA256SUMS"
"""Digests of the weights beside it, as `sha256sum` writes and checks them."""


def halve(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kernels in half precision; norms and biases, which are few and have a wide range, as they are.

    Args:
        state: a network's state dict.

    Returns:
        The same keys; floating tensors of two or more axes are float16.

    Raises:
        DataError: a kernel has a value that half precision cannot hold.
    """
    small = {
        key: value.half() if value.ndim > 1 and value.is_floating_point() else value for key, value in state.items()
    }
    if infinite := [key for key, value in small.items() if not value.isfinite().all()]:
        raise DataError(f"the weights {infinite[0]} exceed half precision; train with more weight decay.")
    return small
