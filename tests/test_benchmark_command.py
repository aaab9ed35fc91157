"""The benchmark of whole commands: what runs, and how much memory it takes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import command


def test_the_peak_of_memory_is_that_of_the_process_and_those_it_started():
    inner = "held = bytearray(400 * 2**20)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    small, large = command.Command([sys.executable, "-c", ""]), command.Command([sys.executable, "-c", outer])
    small()
    large()
    assert small.peak_mib < 200 < 400 < large.peak_mib < 600
    assert command.memory({"large": large}) == f"large: peak memory of a process {large.peak_mib:.0f} MiB"


def test_a_command_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match="no such thing"):
        command.Command([sys.executable, "-c", "raise SystemExit('no such thing')"])()


def test_each_way_is_timed_on_the_same_patients(tmp_path, monkeypatch):
    folders = [tmp_path / "a", tmp_path / "b"]
    folders[0].mkdir()
    for name in ("a_1.tif", "a_2.tif", "a_1_mask.tif"):
        (folders[0] / name).touch()
    timed = []
    monkeypatch.setattr(
        command, "time_pairs", lambda ours, theirs, n, _: timed.append((ours, theirs, n)) or ((1.0, 2.0),)
    )
    comparisons, commands = command.compare(folders, tmp_path, 1, 2)
    assert comparisons[0].what == "predict, whole command, patient of 2"
    assert [n for *_, n in timed] == [1, 1, 2]
    assert timed[0][1].line[-1] == str(folders[0])
    assert "--fast" in timed[1][0].line
    assert timed[2][0].line[-2:] == ["--workers", "2"]
    assert all(Path(one.line[0]) == Path(sys.executable) for one in commands.values())
