"""The pipeline run again: twice, killed, as experiments. Slow, since each is a whole run or several."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from tests.pipeline import STAGES, set_up, stages_run

ALL_STAGES = ("code", *STAGES)


@pytest.mark.slow
def test_two_runs_from_nothing_end_with_the_same_bytes(finished, tmp_path):
    again = set_up(tmp_path)
    again.dvc("repro")
    assert again.digests() == finished.digests()


@pytest.mark.slow
def test_killed_five_times_and_resumed_it_ends_with_the_same_bytes(finished, tmp_path):
    checkout = set_up(tmp_path)
    log = pd.read_csv(finished.root / "logs" / "stages.csv").set_index("stage")
    durations = pd.to_datetime(log["finished"]).diff().dt.total_seconds().fillna(1.0)
    moments = random.Random()  # other ones each time: the more often this runs, the more are tried
    for stage in sorted(moments.sample(STAGES, 5), key=STAGES.index):
        process = checkout.start("repro")
        reached = wait_for_stage(process, stage)
        time.sleep(moments.uniform(0, 0.8) * durations[reached])
        assert process.poll() is None, f"ended before it was killed in {reached}"
        kill(process)
    checkout.dvc("repro")
    assert checkout.digests() == finished.digests()


def wait_for_stage(process: subprocess.Popen[str], stage: str) -> str:
    """Read what dvc says until it runs `stage` or a later one; which."""
    assert process.stdout is not None
    for line in process.stdout:
        for found in stages_run(line):
            if ALL_STAGES.index(found) >= ALL_STAGES.index(stage):
                return found
    raise AssertionError(f"dvc ended and never ran {stage}")


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL dvc and the stage that it runs, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_training_killed_after_some_epochs_goes_on_from_there(finished, tmp_path):
    checkout = set_up(tmp_path)
    process = checkout.start("repro", "train_unetpp")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 5/"):
            kill(process)
            break
    assert list((checkout.root / "checkpoints" / "unetpp").glob("*.pt"))
    said = checkout.dvc("repro")
    assert re.search(r"continuing after epoch ([5-9]|1\d)\n", said)
    assert checkout.digests() == finished.digests()


@pytest.mark.slow
def test_an_experiment_with_clahe_reruns_what_follows_and_nothing_before(copied):
    said = copied.dvc("exp", "run", "--name", "plain", "--set-param", "clahe.enabled=true")
    assert stages_run(said) == ["clahe", "train_unet", "train_unetpp", "postprocess", "radiogenomics", "evaluate"]
    assert "dice" in copied.dvc("metrics", "diff", "--md")
    assert re.search(r"clahe.enabled *\| False *\| True", copied.dvc("params", "diff", "--md"))


@pytest.mark.slow
def test_queued_experiments_run_side_by_side(copied):
    copied.dvc("exp", "run", "--queue", "--set-param", "unet.lr=0.001,0.002")
    assert copied.dvc("queue", "status").count("Queued") == 2
    try:
        copied.dvc("queue", "start", "--jobs", "2")
        deadline = time.monotonic() + 300
        while re.search("Queued|Running", said := copied.dvc("queue", "status")):
            assert time.monotonic() < deadline, said
            time.sleep(3)
        assert said.count("Success") == 2, said
        shown = json.loads(copied.dvc("exp", "show", "--json", "--no-pager"))
        assert learning_rates(shown) == {0.001, 0.002}
    finally:
        end_processes_in(copied.root)


def learning_rates(shown: list[dict[str, Any]]) -> set[float]:
    """`unet.lr` of every finished experiment in `dvc exp show --json`."""
    experiments = [entry for revision in shown for entry in revision.get("experiments") or []]
    return {entry["revs"][-1]["data"]["params"]["params.yaml"]["data"]["unet"]["lr"] for entry in experiments}


def end_processes_in(folder: Path) -> None:
    """End what works in `folder`: the queue's workers wait for more for a while."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()
