"""One finished run on synthetic patients, evaluated by the stage itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pipeline import run_module
from tests.report.finished import write_earlier_stages


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: data/, metrics/, predictions/, reports/. Three of five patients are in the test."""
    root = tmp_path_factory.mktemp("run")
    write_earlier_stages(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert run_module("radiogenomics") == 0
        assert run_module("evaluate") == 0
    return root


@pytest.fixture
def copied(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to change, and the working directory."""
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"
