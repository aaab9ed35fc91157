"""What a stage leaves in a folder, and that it leaves nothing when it refuses."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.pipeline import outputs, run_here


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Everything below `folder`: bytes of files, None for folders."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def without_outputs(stage: str) -> None:
    """Remove what the stage wrote, as DVC does before it runs a stage."""
    for name in outputs(stage):
        path = Path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def require_refusal(stage: str, folder: Path, capsys: pytest.CaptureFixture[str], sentence: str) -> str:
    """Run the stage; it must refuse with `sentence` (a pattern) and touch nothing. Returns what it said."""
    without_outputs(stage)
    before = snapshot(folder)
    said = run_here(stage, capsys)
    assert said.status == 2, said
    assert re.fullmatch(r"error: [^\n]+(\n  - [^\n]+)*\n", said.err), said.err
    assert re.search(sentence, said.err), said.err
    assert "Traceback" not in said.out + said.err
    assert snapshot(folder) == before
    return said.err


def snapshot_of(path: Path) -> dict[str, bytes | None] | bytes:
    return snapshot(path) if path.is_dir() else path.read_bytes()
