"""A folder in which all stages have run, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.pipeline import ROOT, SMALL, STAGES, merge, run_module


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all ten commands have run."""
    folder = tmp_path_factory.mktemp("finished")
    params = merge(yaml.safe_load((ROOT / "params.yaml").read_text()), SMALL)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in STAGES:
            assert run_module(stage) == 0, stage
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to spoil, and the working directory."""
    copy = tmp_path / "folder"
    shutil.copytree(finished, copy)
    monkeypatch.chdir(copy)
    return copy
