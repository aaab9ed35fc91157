"""How cost grows with the number of patients: the pipeline on synthetic ones, measured, and on paper beyond.

`python -m studies.scale measure 10 100` runs every stage on so many small patients and adds what it took to
studies/results/scale.json; `idle 1000` measures DVC with nothing to do on the stages before training. `page` writes
docs/scale.md.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from benchmarks.machine import describe
from brainseg.errors import UserError
from brainseg.files import atomic_path, write_json
from studies.command import run_app
from studies.scale_page import page
from tests.pipeline import ROOT, Checkout, set_up

RESULTS = Path("studies/results/scale.json")
PAGE = Path("docs/scale.md")
SLICES, SIZE = 12, 64
"""Of each synthetic patient: as few and small as the networks take, so that many fit into minutes."""
EPOCH: dict[str, Any] = {"unet": {"epochs": 1}, "unetpp": {"epochs": 1}}
BEFORE_TRAINING = ("code", "download", "filter_labeled", "skull_strip", "clahe", "split")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Counts = Annotated[list[int], typer.Argument(min=6, help="Numbers of synthetic patients.")]


@app.command()
def measure(patients: Counts) -> None:
    """Run every stage on so many patients, and DVC with nothing to do."""
    for count in patients:
        _add("all", count, cost(count, list(_pipeline())))


@app.command()
def idle(patients: Counts) -> None:
    """Run the stages before training on so many patients, and DVC on them with nothing to do."""
    for count in patients:
        _add("before training", count, cost(count, list(BEFORE_TRAINING)))


@app.command("page")
def write_page() -> None:
    """Write docs/scale.md."""
    with atomic_path(PAGE) as temporary:
        temporary.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    typer.echo(f"{PAGE}")


def cost(patients: int, stages: list[str]) -> dict[str, Any]:
    """What a run on `patients` synthetic patients takes.

    Args:
        patients: at least 6, so that each split has some.
        stages: in the pipeline's order.

    Returns:
        `stages`: seconds and peak_mib of each; `dvc`: seconds of commit, status and repro, the latter two with nothing
        to do; `disk`: files and mib of the data, and of DVC's cache.
    """
    phantom = {"patients": patients, "slices": SLICES, "size": SIZE}
    with tempfile.TemporaryDirectory() as folder:
        checkout = set_up(Path(folder), {"download": {"phantom": phantom}, **EPOCH})
        taken = {stage: _run(checkout, stage) for stage in stages}
        targets = stages if len(stages) < len(_pipeline()) else []
        dvc = {"commit": _seconds(checkout, "commit", "--force", "--quiet", *targets)}
        dvc["status"] = _seconds(checkout, "status", "--quiet", *targets)
        dvc["repro"] = _seconds(checkout, "repro", *targets)
        disk = {"data": _size(checkout.root / "data"), "cache": _size(checkout.root / ".dvc" / "cache")}
    return {"stages": taken, "dvc": dvc, "disk": disk, "machine": describe()}


def _run(checkout: Checkout, stage: str) -> dict[str, float]:
    """Wall time in seconds and the peak resident memory in MiB of a stage's process, or of the largest of its own."""
    line = shlex.split(_pipeline()[stage]["cmd"])
    began = time.perf_counter()
    process = subprocess.Popen(line, cwd=checkout.root, env=checkout.environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{stage} ended with exit status {process.returncode}; its words stand above.")
    return {"seconds": round(time.perf_counter() - began, 2), "peak_mib": round(usage.ru_maxrss / 1024)}


def _seconds(checkout: Checkout, *command: str) -> float:
    began = time.perf_counter()
    said = checkout.dvc(*command)
    if command[0] == "repro" and "Running stage" in said:
        raise UserError(f"dvc repro found something to do where nothing was: {said}")
    return round(time.perf_counter() - began, 2)


def _size(folder: Path) -> dict[str, float]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"files": len(sizes), "mib": round(sum(sizes) / 2**20, 1)}


def _pipeline() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return found


def _add(kind: str, patients: int, found: dict[str, Any]) -> None:
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known.setdefault(kind, {})[str(patients)] = found
    write_json(RESULTS, {name: dict(sorted(of.items(), key=lambda item: int(item[0]))) for name, of in known.items()})
    typer.echo(f"{patients} patients, {kind}: {found}")


if __name__ == "__main__":
    run_app(app)
