"""One change at a time, at a small budget, measured on validation patients.

`python -m studies.ablation run` makes the rows of ablation.yaml that studies/results/ablation.json lacks, each a
`dvc exp run` in a folder of its own; `python -m studies.ablation table` writes docs/ablation.md from that file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import typer
import yaml

from brainseg.errors import TrainingError
from brainseg.files import atomic_path, write_json
from brainseg.model.catalogue import ENSEMBLE
from studies.ablation_page import page
from studies.command import run_app
from studies.leak import OUT as LEAK

PLAN = Path(__file__).with_name("ablation.yaml")
RESULTS = Path("studies/results/ablation.json")
PAGE = Path("docs/ablation.md")
LOGS = Path("logs/ablation")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def rows(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of the plan, each with its group, its settings beside the budget's, and its target."""
    found = []
    for group in plan["groups"]:
        for row in group["rows"]:
            network = row.get("network", "unet")
            target = group.get("target", f"train_{network}")
            settings = (plan["budget"] if group.get("small", True) else {}) | row.get("set", {})
            found.append(row | {"group": group["name"], "network": network, "target": target, "set": settings})
    return found


def command(row: dict[str, Any]) -> list[str]:
    """The `dvc exp run` line of a row."""
    sets = [part for key, value in row["set"].items() for part in ("-S", f"{key}={json.dumps(value).replace(' ', '')}")]
    return ["dvc", "exp", "run", "--temp", *sets, row["target"]]


def measure(row: dict[str, Any], threads: int) -> dict[str, Any]:
    """Run a row and read what its stages wrote.

    Raises:
        TrainingError: the experiment failed; names its log.
    """
    import dvc.api

    line, name = command(row), f"ablation-{row['name']}"
    log = LOGS / f"{row['name']}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    started = time.monotonic()
    with log.open("w") as handle:
        named = [sys.executable, "-m", *line[:3], "--name", name, *line[3:]]
        done = subprocess.run(named, env=environment, stdout=handle, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise TrainingError(f"{' '.join(line)} failed; see {log}, and remove the experiment {name} if it is there.")
    found = {"name": row["name"], "command": " ".join(line), "seconds": round(time.monotonic() - started)}

    def read(path: str) -> Any:
        return json.loads(dvc.api.read(path, rev=name))

    if row["target"] == "evaluate":
        return found | {"test": read("metrics/test.json")}
    if row["target"] == "postprocess":
        trail = read(f"models/{ENSEMBLE}.json")["postprocess"]["trail"]
        return found | {"val": read("metrics/val.json"), "trail": trail}
    training = read(f"trained/{row['network']}.json")["training"]
    kept = ("val_dice", "val_dice_median", "kept_epoch", "train_slices", "val_dice_by_patient")
    return found | {key: training[key] for key in kept}


@app.command()
def run(
    jobs: Annotated[int, typer.Option(help="Rows at a time.")] = 2,
    threads: Annotated[int, typer.Option(help="Threads of each.")] = 1,
    only: Annotated[str, typer.Option(help="Names of rows, with commas between; all where empty.")] = "",
) -> None:
    """Make the rows that studies/results/ablation.json lacks."""
    planned = {row["name"]: row for row in rows(yaml.safe_load(PLAN.read_text(encoding="utf-8")))}
    names = only.split(",") if only else list(planned)
    lock = Lock()

    def one(name: str) -> None:
        found = measure(planned[name], threads)
        with lock:
            write_json(RESULTS, _results() | {name: found})
        typer.echo(f"{name}: {found}")

    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(one, name) for name in names if name not in _results()]:
            done.result()


def _results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


@app.command()
def table() -> None:
    """Write docs/ablation.md."""
    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    text = page(plan, _results(), json.loads(LEAK.read_text(encoding="utf-8")))
    with atomic_path(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_app(app)
