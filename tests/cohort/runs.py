"""`brainseg predict` as a process of its own, over four cases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.scans.heads import head, threshold_models, write_tifs

CASES = tuple("abcd")
Files = dict[str, bytes]


def undisturbed(folder: Path) -> Path:
    """`folder`, with `models`, `in` of four cases, and `out` of a run that nothing disturbed."""
    threshold_models(folder / "models")
    images = np.stack([head(n=24, side=256)[0]] * 3, axis=-1)
    for name in CASES:
        write_tifs(folder / "in" / name, images)
    done = start(folder, folder / "out")
    assert end(done) == (0, "")
    return folder


def start(folder: Path, out: Path, *more: str, source: str = "in", **changes: object) -> subprocess.Popen[str]:
    """`brainseg predict` with two workers, in a process group of its own."""
    command = [sys.executable, "-m", "brainseg.cli", "predict", folder / source, "--out", out, "--runtime", "torch"]
    return subprocess.Popen(
        [*command, "--weights", folder / "models", "--workers", "2", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **changes,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status, and what stands on the error output."""
    _, said = process.communicate(timeout=900)
    return process.returncode, said


def first_line(process: subprocess.Popen[str]) -> None:
    """Wait until one case is done: then others are under way."""
    assert process.stdout is not None
    assert ": tumour of" in process.stdout.readline()


def workers(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def files(out: Path) -> Files:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def results(out: Path) -> Files:
    """All but the summary, which says of each case whether it was done before."""
    return {name: content for name, content in files(out).items() if "summary" not in name}
