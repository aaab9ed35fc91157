"""The scripts of cluster/slurm on a SLURM of this machine, with a job that is cancelled on the way."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.slurm import Slurm, installed, slurm
from tests.cohort.processes import wait_until
from tests.cohort.runs import CASES, results, undisturbed
from tests.pipeline import ROOT, set_up

SCRIPTS = ROOT / "cluster" / "slurm"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not installed(), reason="needs slurmctld, slurmd and munged (Debian: slurm-wlm, munge), as root"
    ),
]
SMALL = "--cpus-per-task=1 --mem=2G"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """A PATH on which `brainseg` and `dask` are this interpreter's and this checkout's, as after an installation."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in (("brainseg", "brainseg.cli"), ("dask", "dask"), ("dvc", "dvc")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (folder / name).chmod(0o755)
    (folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / "python").chmod(0o755)
    return str(folder)


def test_a_cohort_loses_a_worker_and_gives_the_bytes_of_one_machine(cluster, programs, tmp_path):
    pytest.importorskip("distributed")
    folder = undisturbed(tmp_path / "here")
    variables = {
        "PATH": f"{programs}:{cluster.environment['PATH']}", "PYTHONPATH": str(ROOT), "WORKERS": "2",
        "WORKER_OPTIONS": SMALL, "BRAINSEG_CLUSTER": str(SCRIPTS),
    }  # fmt: skip
    more = (folder / "in", "--out", tmp_path / "out", "--runtime", "torch", "--weights", folder / "models")
    job = cluster.sbatch(tmp_path, SCRIPTS / "cohort.sh", *more, **variables)
    said = tmp_path / f"slurm-{job}.out"
    ended = lambda: not cluster.states(job)  # noqa: E731
    wait_until(lambda: ended() or (said.exists() and ": tumour of" in said.read_text()), seconds=600)
    workers = str(int(job) + 1)
    assert cluster.states(f"{workers}_1") == {"RUNNING"}, said.read_text()
    cluster.said(tmp_path, "scancel", f"{workers}_1")
    wait_until(ended, seconds=600)
    assert results(tmp_path / "out") == results(folder / "out"), said.read_text()
    assert f"{len(CASES)} cases: " in said.read_text()
    assert "failed" not in said.read_text(), "a case may be done before, where its worker ended before it could say so"
    wait_until(lambda: not cluster.states(workers))
    assert not list(tmp_path.glob(".brainseg-dask-*"))


def test_folds_are_an_array_and_a_cancelled_one_goes_on(cluster, programs, tmp_path):
    home = set_up(tmp_path / "home")
    for part in ("studies", "cluster"):
        shutil.copytree(ROOT / part, home.root / part, ignore=shutil.ignore_patterns("__pycache__"))
    home.dvc("remote", "add", "-d", "shared", str(tmp_path / "shared"))
    home.commit("studies and scripts")
    home.git("clone", "-q", "--bare", ".", str(tmp_path / "origin.git"))
    home.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    variables = home.environment | cluster.environment | {"FOLDS": "2", "CLONES": str(tmp_path)}
    variables["PATH"] = f"{programs}:{variables['PATH']}"
    script = ("--array=0-1", *SMALL.split(), "cluster/slurm/folds.sh")
    job = cluster.sbatch(home.root, *script, **variables)
    lost = tmp_path / "checkout-fold-1"
    wait_until(lambda: any(lost.glob("trained/*")) or not cluster.states(f"{job}_1"), seconds=900)
    cluster.said(tmp_path, "scancel", f"{job}_1")
    wait_until(lambda: not cluster.states(job), seconds=1800)
    again = cluster.sbatch(home.root, *script, **variables)
    wait_until(lambda: not cluster.states(again), seconds=1800)
    logs = [path.read_text() for path in sorted(home.root.glob("slurm-*.out"))]
    cluster.said(home.root, "python", "-m", "studies.crossval", "gather", "--remote", "origin", **variables)
    table = pd.read_csv(home.root / "metrics" / "crossval.csv")
    assert sorted(table["fold"].unique()) == [0, 1], logs
    assert "fold 0 is done already" in logs[2]
