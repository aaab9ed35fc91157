"""Writing files whole or not at all, in bytes that depend on the content alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that replaces it when the block ends without an error.

    The temporary name keeps the suffix, since some writers choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path` that replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON. Raises ValueError on NaN or infinity: a metric must be a finite number."""
    text = json.dumps(_finite(content, path.name), indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index, with line feeds, floats to 6 significant digits."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _finite(content: Any, where: str) -> Any:
    """Round floats to 6 decimals (stable diffs), refuse what JSON cannot say."""
    if isinstance(content, dict):
        return {str(key): _finite(value, f"{where}.{key}") for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value, where) for value in content]
    if isinstance(content, str | bool | int) or content is None:
        return content
    if isinstance(content, np.generic):
        return _finite(content.item(), where)
    number = float(content)
    if not math.isfinite(number):
        raise ValueError(f"{where} is {number}, expected a finite number")
    return round(number, 6)
