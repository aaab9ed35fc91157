"""Writing files whole or not at all, in bytes that depend on the content alone."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainseg.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_TEMPORARY = ".brainseg-"
_MARK, _MARK_TEXT = "brainseg.lock", b"A temporary folder of brainseg; it can go when no brainseg runs.\n"
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EXDEV}


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that replaces it when the block ends without an error.

    The temporary name keeps the suffix, since some writers choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=path.suffix)
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
    """Yield an empty temporary folder that becomes `path` when the block ends without an error.

    Raises:
        UserError: `path` is there and is no empty folder; nothing in it is touched.
    """
    require_free(path)
    with temporary_folder(path.parent) as temporary:
        yield temporary
        os.chmod(temporary, 0o755)
        require_free(path)
        os.replace(temporary, path)  # the system itself refuses where a file has come in between


def require_free(*paths: Path) -> None:
    """Refuse folders to be written that hold something already.

    Raises:
        UserError: one of them is a file, a link or a folder that is not empty.
    """
    for path in paths:
        if not os.path.lexists(path):
            continue
        if path.is_symlink() or not path.is_dir():
            raise UserError(f"{path} is in the way, expected a new or an empty folder; move it elsewhere.")
        if any(path.iterdir()):
            raise UserError(f"{path} is not empty, expected a new or an empty folder; move it elsewhere or remove it.")


def require_file(out: Path, suffix: str, *, replace: bool) -> None:
    """Refuse an output file that would replace something of another kind, or anything unless `replace` says so.

    Raises:
        UserError: `out` has another suffix, is a folder, lies in none, or is there already.
    """
    if out.suffix.lower() != suffix or out.is_dir():
        what = "a folder" if out.is_dir() else f"no {suffix} file"
        raise UserError(f"--out {out} is {what}; expected a name that ends in {suffix}.")
    if not out.parent.is_dir():
        raise UserError(f"--out {out} lies in a folder that does not exist; make {out.parent} first.")
    if os.path.lexists(out) and not replace:
        raise UserError(f"--out {out} is there already; choose another name, or say --replace.")


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield an empty folder, hidden within `parent` and removed at the end; first remove what dead processes left.

    A lock within it, which the system drops when the process ends, tells the living from the dead.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(parent)
    folder, mark = _marked_folder(parent)
    try:
        content = folder / "content"
        content.mkdir()
        yield content
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)


def remove_left_over(parent: Path) -> None:
    """Remove the temporary folders in `parent` whose process is dead; others' folders of such a name stay."""
    for folder in parent.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink():
                continue
            folder_mark = folder / _MARK
            if not folder_mark.exists():
                folder.rmdir()  # killed before it was marked; anything in it keeps it
                continue
            mark = os.open(folder_mark, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                text = os.read(mark, len(_MARK_TEXT) + 1) if _lock(mark) else None
                if text == _MARK_TEXT:
                    shutil.rmtree(folder, ignore_errors=True)
                elif text == b"" and len(list(folder.iterdir())) == 1:
                    folder_mark.unlink()
                    folder.rmdir()
            finally:
                os.close(mark)


def _marked_folder(parent: Path) -> tuple[Path, int]:
    """A new folder with a locked mark, and the open mark."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_TEMPORARY))
        with contextlib.suppress(FileNotFoundError):  # another process took the new folder for a dead one's
            mark = os.open(folder / _MARK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _lock(mark, wait=True)
                os.write(mark, _MARK_TEXT)
                os.stat(folder / _MARK)
            except BaseException:
                os.close(mark)
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return folder, mark


def _lock(handle: int, *, wait: bool = False) -> bool:
    """Lock an open file until it is closed; whether that worked."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another has it, or the file system has no locks
        return False
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the block no other process is in such a block of this folder; where there are no locks, it may be."""
    if sys.platform == "win32" or not folder.is_dir():
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def place(source: Path, target: Path) -> None:
    """Move a file to a free name on the same file system; what is there already stays.

    Raises:
        FileExistsError: the name is taken, also by a link to nowhere.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        taken = os.path.lexists(target)
        if not taken and error.errno in _NO_LINKS:
            os.rename(source, target)
            return
        kind = errno.EEXIST if taken else error.errno or errno.EIO
        raise OSError(kind, os.strerror(kind), str(target)) from None
    source.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON. Raises ValueError on NaN or infinity: a metric must be a finite number."""
    text = json_text(content, path.name)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(content: Any, name: str = "JSON") -> str:
    """Indented JSON, floats rounded to 6 decimals. Raises ValueError, naming `name`, on NaN or infinity."""
    return json.dumps(_finite(content, name), indent=2, allow_nan=False) + "\n"


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
