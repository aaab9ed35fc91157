"""The state of an unfinished training run on disk: written whole after every epoch, or not at all."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from brainseg.files import atomic_path
from brainseg.terminal import say

_HEAD = b"brainseg checkpoint 1\n"


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
    """Replace `path` by `state` (tensors and plain values), with its digest before it."""
    stream = io.BytesIO()
    torch.save(state, stream)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        content = stream.getbuffer()
        file.write(_HEAD + hashlib.sha256(content).digest())
        file.write(content)


def read(path: Path) -> dict[str, Any] | None:
    """The state in `path`, or None where there is none or it is not as `write` left it.

    Training then starts anew, which the latter case says: a state with a single bit changed would be continued to
    other weights.
    """
    try:
        content = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    start = len(_HEAD) + hashlib.sha256().digest_size
    digest, state = content[len(_HEAD) : start], content[start:]
    if content[: len(_HEAD)] != _HEAD or hashlib.sha256(state).digest() != digest:
        say(f"warning: the checkpoint {path} is damaged or of an older version: training starts anew.", err=True)
        path.unlink(missing_ok=True)
        return None
    return dict(torch.load(io.BytesIO(state), map_location="cpu", weights_only=True))


def discard_others(folder: Path, keep: Path) -> None:
    """Remove checkpoints and temporary files of runs that will not be continued."""
    for path in folder.glob("*.pt") if folder.is_dir() else []:
        if path != keep:
            path.unlink(missing_ok=True)
    for path in folder.glob(".*.pt") if folder.is_dir() else []:
        path.unlink(missing_ok=True)
