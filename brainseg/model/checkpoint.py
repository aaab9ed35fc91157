"""The state of an unfinished training run on disk: written whole after every epoch, or not at all."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from brainseg.files import atomic_path


def fingerprint(*parts: Any) -> str:
    """A digest of everything a run depends on; a checkpoint of another run is never continued.

    Args:
        parts: JSON-ready values, bytes, or arrays with `tobytes`.
    """
    digest = hashlib.sha256()
    for part in parts:
        if hasattr(part, "tobytes"):
            digest.update(memoryview(part).cast("B") if part.flags.c_contiguous else part.tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def write(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state` (tensors and plain values)."""
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def read(path: Path) -> dict[str, Any] | None:
    """The state in `path`, or None where there is none or it is damaged (training then starts anew)."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        return None
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError, ValueError):
        path.unlink(missing_ok=True)
        return None


def discard_others(folder: Path, keep: Path) -> None:
    """Remove checkpoints and temporary files of runs that will not be continued."""
    for path in folder.glob("*.pt") if folder.is_dir() else []:
        if path != keep:
            path.unlink(missing_ok=True)
    for path in folder.glob(".*.pt") if folder.is_dir() else []:
        path.unlink(missing_ok=True)
