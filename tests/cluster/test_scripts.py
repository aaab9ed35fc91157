"""The scripts of cluster/ that can be tried without a cluster."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from tests.pipeline import ROOT

SCRIPTS = sorted((ROOT / "cluster").rglob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_each_is_a_program_that_bash_can_read(script):
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_hosts_get_a_worker_each_and_all_ends_with_the_run(tmp_path):
    """ssh, dask and brainseg are stand-ins that write down how they were called."""
    programs = {
        "ssh": 'echo "$3 $4 $5" >>"$SAID/ssh"; sleep 60 & echo $! >>"$SAID/pids"; wait',
        "dask": """while [ "$1" != --scheduler-file ]; do shift; done
            echo '{"address": "tcp://1.2.3.4:87"}' >"$2"; sleep 60""",
        "brainseg": 'sleep 1; echo "$@" >"$SAID/brainseg"',
        "python": f'exec "{sys.executable}" "$@"',
    }
    (said := tmp_path / "said").mkdir()
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "hosts").write_text("one\n\ntwo\none\n")
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "SAID": str(said), "ADDRESS": "head", "THREADS": "2"
    }  # fmt: skip
    subprocess.run(
        [ROOT / "cluster" / "hosts.sh", tmp_path / "hosts", "in", "--out", "out dir"], env=environment, check=True
    )
    assert (said / "brainseg").read_text() == "predict in --out out dir --scheduler tcp://head:87\n"
    lines = sorted((said / "ssh").read_text().splitlines())
    assert [line.split()[1] for line in lines] == ["one", "one", "two"]
    assert all("OMP_NUM_THREADS=2" in line and "worker tcp://head:87 --nthreads 1" in line for line in lines)


def test_kubernetes_runs_one_image_on_one_storage_and_workers_find_the_scheduler():
    parts = list(yaml.safe_load_all((ROOT / "cluster" / "kubernetes.yaml").read_text()))
    service, *others = parts
    pods = {part["metadata"]["name"]: part["spec"]["template"]["spec"] for part in others}
    containers = {name: pod["containers"][0] for name, pod in pods.items()}
    assert len({container["image"] for container in containers.values()}) == 1
    address = f"tcp://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert address in containers["brainseg-worker"]["command"]
    assert containers["brainseg-cohort"]["command"][-2:] == ["--scheduler", address]
    seen = ("brainseg-worker", "brainseg-cohort")
    assert len({str((pods[name]["volumes"], containers[name]["volumeMounts"])) for name in seen}) == 1


@pytest.mark.parametrize("kind", ["scheduler", "worker"])
def test_dask_knows_the_options_that_the_scripts_give(kind):
    commands = pytest.importorskip(f"distributed.cli.dask_{kind}")
    known = CliRunner().invoke(commands.main, ["--help"]).output
    ours = {
        "scheduler": ["--port", "--scheduler-file", "--dashboard"],
        "worker": ["--nthreads", "--nanny", "--memory-limit", "--death-timeout", "--local-directory", "--dashboard"],
    }[kind]
    assert [option for option in ours if option not in known] == []
